/*
 * calls.h - the lists of system calls of each role.  Private to sandbox.
 *
 * Layer: sandbox.
 */
#ifndef FERRY_SANDBOX_CALLS_H
#define FERRY_SANDBOX_CALLS_H

#include "sandbox/seccomp.h"

/*
 * Fill rules, which has room for SECCOMP_RULES_MAX.  Returns how many there
 * are.  Calls without a rule: SECCOMP_ALLOW for the last, SECCOMP_UNKNOWN for
 * the others.  A connecting receiver is one in which a preloaded library
 * connects.  allowed: enum file_meta_preserve; only receivers have a use for
 * it.
 */
size_t calls_of_receiver(struct seccomp_rule *rules, unsigned allowed);
size_t calls_of_connecting_receiver(struct seccomp_rule *rules,
				    unsigned allowed);
size_t calls_of_sender(struct seccomp_rule *rules, unsigned allowed);
size_t calls_of_attr_helper(struct seccomp_rule *rules, unsigned allowed);
size_t calls_of_dir_opener(struct seccomp_rule *rules, unsigned allowed);
/* For code of others that runs in the process: modules of the name service,
 * preloaded libraries. */
size_t calls_of_guest(struct seccomp_rule *rules, unsigned allowed);

#endif
