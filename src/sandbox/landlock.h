/*
 * landlock.h - giving up access to files and TCP ports for good, by the
 * kernel's Landlock.
 *
 * Layer: sandbox.  Uses base.
 * Threads: only the calling thread and those it starts later are bound, so
 * call it before there are others.
 *
 * What Landlock (up to ABI 7) does not see, and seccomp has to: chmod, chown,
 * utimensat, stat, chdir and O_PATH opens of any path.
 */
#ifndef FERRY_SANDBOX_LANDLOCK_H
#define FERRY_SANDBOX_LANDLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Rights, as the kernel numbers them; those that the running kernel does not
 * know are left out of a rule. */
enum landlock_right {
	LANDLOCK_EXECUTE = 1 << 0,
	LANDLOCK_WRITE_FILE = 1 << 1,
	LANDLOCK_READ_FILE = 1 << 2,
	LANDLOCK_READ_DIR = 1 << 3,
	LANDLOCK_REMOVE_DIR = 1 << 4,
	LANDLOCK_REMOVE_FILE = 1 << 5,
	LANDLOCK_MAKE_DIR = 1 << 7,
	LANDLOCK_MAKE_REG = 1 << 8,
	LANDLOCK_MAKE_SYM = 1 << 12,
	LANDLOCK_REFER = 1 << 13,    /* rename and link across directories */
	LANDLOCK_TRUNCATE = 1 << 14,
};

/* What may be done to a directory and everything beneath, or to a file. */
struct landlock_rule {
	int fd; /* borrowed; O_PATH is enough */
	uint64_t rights;
};

struct landlock_policy {
	const struct landlock_rule *rules;
	size_t count;
	/* no rules for files: nothing about them is restricted */
	int any_file;
	/* TCP ports that may be connected to, besides binding to port 0 */
	const uint16_t *ports;
	size_t port_count;
};

/* The ABI of the running kernel; 0 where it has none or does not let us. */
int landlock_abi(void);

/*
 * Bind this thread to the policy: everything that the kernel can deny and no
 * rule allows is denied from here on, signals and abstract sockets of other
 * processes included (ABI 6), TCP ports from ABI 4.  NO_NEW_PRIVS has to be
 * set.  Returns 0 or ERR_RESOURCE with errno.
 */
int landlock_confine(const struct landlock_policy *p, struct err *e);

#endif
