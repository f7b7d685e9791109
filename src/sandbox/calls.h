/*
 * calls.h - the lists of system calls of each role.  Private to sandbox.
 *
 * Layer: sandbox.
 */
#ifndef FERRY_SANDBOX_CALLS_H
#define FERRY_SANDBOX_CALLS_H

#include "sandbox/seccomp.h"

/* Fill rules, which has room for SECCOMP_RULES_MAX.  Returns how many there
 * are.  Calls without a rule: SECCOMP_UNKNOWN for a receiver, SECCOMP_ALLOW
 * for the sender. */
size_t calls_of_receiver(struct seccomp_rule *rules);
size_t calls_of_connecting_receiver(struct seccomp_rule *rules);
size_t calls_of_sender(struct seccomp_rule *rules);

#endif
