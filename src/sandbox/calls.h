/*
 * calls.h - the lists of system calls of each role.  Private to sandbox.
 *
 * Layer: sandbox.
 */
#ifndef FERRY_SANDBOX_CALLS_H
#define FERRY_SANDBOX_CALLS_H

#include "sandbox/seccomp.h"

/* Fill rules (SECCOMP_RULES_MAX) for each side.  Returns how many. */
size_t calls_of_receiver(struct seccomp_rule *rules);
size_t calls_of_sender(struct seccomp_rule *rules);

#endif
