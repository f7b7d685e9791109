/*
 * sandbox_priv.h - the lists of system calls.  Private to sandbox.
 *
 * Layer: fs.
 */
#ifndef FERRY_FS_SANDBOX_PRIV_H
#define FERRY_FS_SANDBOX_PRIV_H

#include "fs/seccomp.h"

/* Fill rules (SECCOMP_RULES_MAX) for each side.  Returns how many. */
size_t sandbox_receiver_calls(struct seccomp_rule *rules);
size_t sandbox_sender_calls(struct seccomp_rule *rules);

#endif
