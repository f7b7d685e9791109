/*
 * seccomp.h - which system calls a process may still make.
 *
 * Layer: sandbox.  Uses base.
 * Threads: binds all threads of the process.
 */
#ifndef FERRY_SANDBOX_SECCOMP_H
#define FERRY_SANDBOX_SECCOMP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum seccomp_action {
	SECCOMP_ALLOW,
	SECCOMP_REFUSE,  /* EPERM */
	SECCOMP_UNKNOWN, /* ENOSYS, so that libc falls back to another call */
	SECCOMP_DIE,     /* SIGSYS ends the process */
};

/* A call, and where mask is not 0, what one of its arguments has to be:
 * (args[arg] & mask) == value. */
struct seccomp_rule {
	int nr;
	enum seccomp_action action;
	unsigned arg;
	uint64_t mask;
	uint64_t value;
};

enum { SECCOMP_RULES_MAX = 400 };

/* Whether this program knows seccomp on this architecture. */
int seccomp_is_known(void);

/*
 * Filter the calls of all threads: the first rule that fits decides, and rest
 * where none does.  Calls of a foreign architecture end the process.
 * NO_NEW_PRIVS has to be set.  Returns 0 or ERR_RESOURCE with errno.
 */
int seccomp_filter(const struct seccomp_rule *rules, size_t count,
		   enum seccomp_action rest, struct err *e);

#endif
