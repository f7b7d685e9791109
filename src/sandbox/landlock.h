/*
 * landlock.h - giving up access to files and TCP ports for good, by Landlock
 * (landlock(7)).
 *
 * Layer: sandbox.
 * Threads: restricts only the calling thread and those that it starts later, so
 * call it before there are others.
 *
 * Landlock (up to ABI 7) does not restrict chmod, chown, utimensat, stat, chdir
 * and O_PATH opens of any path; seccomp has to, as far as it can.
 */
#ifndef FERRY_SANDBOX_LANDLOCK_H
#define FERRY_SANDBOX_LANDLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Rights, with the kernel's numbers; those that the running kernel does not
 * know are left out of a rule. */
enum landlock_right {
	LANDLOCK_EXECUTE = 1 << 0,
	LANDLOCK_WRITE_FILE = 1 << 1,
	LANDLOCK_READ_FILE = 1 << 2,
	LANDLOCK_READ_DIR = 1 << 3,
	LANDLOCK_REMOVE_DIR = 1 << 4,
	LANDLOCK_REMOVE_FILE = 1 << 5,
	LANDLOCK_MAKE_CHAR = 1 << 6,
	LANDLOCK_MAKE_DIR = 1 << 7,
	LANDLOCK_MAKE_REG = 1 << 8,
	LANDLOCK_MAKE_SOCK = 1 << 9,
	LANDLOCK_MAKE_FIFO = 1 << 10,
	LANDLOCK_MAKE_BLOCK = 1 << 11,
	LANDLOCK_MAKE_SYM = 1 << 12,
	LANDLOCK_REFER = 1 << 13,    /* rename and link across directories */
	LANDLOCK_TRUNCATE = 1 << 14,
};

/* The rights to a directory and everything below it, or to a file. */
struct landlock_rule {
	int fd; /* borrowed; O_PATH is enough */
	uint64_t rights;
};

struct landlock_policy {
	const struct landlock_rule *rules;
	size_t count;
	/* access to files is not restricted, and there are no rules */
	int any_file;
	/* TCP ports are not restricted; else none can be bound or connected
	 * to */
	int any_port;
};

/* The ABI version of the running kernel; 0 where it has no Landlock or does not
 * enable it; -1 with errno where it does not tell. */
int landlock_abi(void);

/*
 * Restrict this thread to the policy: from now on the kernel denies everything
 * that it can deny and no rule allows.  That includes TCP ports from ABI 4 on,
 * and signals to other processes and their abstract sockets from ABI 6 on.
 * NO_NEW_PRIVS has to be set.  Returns 0 or ERR_RESOURCE with errno: ENOSYS or
 * EOPNOTSUPP where there is no Landlock.
 */
int landlock_confine(const struct landlock_policy *p, struct err *e);

#endif
