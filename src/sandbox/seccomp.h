/*
 * seccomp.h - restricting which system calls a process can make (seccomp(2)).
 *
 * Layer: sandbox.
 * Threads: restricts all threads of the process.
 */
#ifndef FERRY_SANDBOX_SECCOMP_H
#define FERRY_SANDBOX_SECCOMP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum seccomp_action {
	SECCOMP_ALLOW,
	SECCOMP_REFUSE,  /* fail with EPERM */
	SECCOMP_UNKNOWN, /* fail with ENOSYS: libc may use an older call */
	SECCOMP_DIE,     /* end the process with SIGSYS */
};

/* A rule for the system call nr, which applies where (args[arg] & mask) ==
 * value; with mask 0 whatever the arguments are. */
struct seccomp_rule {
	int nr;
	enum seccomp_action action;
	unsigned arg;
	uint64_t mask;
	uint64_t value;
};

enum { SECCOMP_RULES_MAX = 400 };

/* Whether this program supports seccomp on this architecture. */
int seccomp_is_known(void);

/*
 * Filter the calls of all threads: the first rule that applies decides, and
 * rest where none does.  A call by another architecture's convention (such as
 * 32-bit x86) ends the process.  NO_NEW_PRIVS has to be set.  Returns 0 or
 * ERR_RESOURCE with errno.
 */
int seccomp_filter(const struct seccomp_rule *rules, size_t count,
		   enum seccomp_action rest, struct err *e);

#endif
