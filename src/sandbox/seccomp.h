/*
 * seccomp.h - restricting which system calls a process can make (seccomp(2)).
 *
 * Layer: sandbox.
 * Threads: restricts all threads of the process, or one.
 *
 * Why not libseccomp: what it would do here is seccomp.c, about 150 lines.  It
 * knows more architectures than the seven that ferry has a filter for, and
 * would be another library to link and to follow.  How calls differ between
 * these (calls.c) would have to be known with it as well.  It keeps the rules
 * of a call in an order of its own, whereas here the order is the program's:
 * the calls that carry data are tested first.  On an architecture that is not
 * known there is no filter, and the user is told.
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

enum {
	SECCOMP_RULES_MAX = 400,
	SECCOMP_TESTS_MAX = 2, /* in a rule */
};

/* Holds where (args[arg] & mask) == value; with mask 0 always. */
struct seccomp_test {
	unsigned arg;
	uint64_t mask;
	uint64_t value;
};

/* A rule for the system call nr, which applies where all tests hold. */
struct seccomp_rule {
	int nr;
	enum seccomp_action action;
	struct seccomp_test tests[SECCOMP_TESTS_MAX];
};

/* Whether this program supports seccomp on this architecture. */
int seccomp_is_known(void);

/*
 * Filter the calls of all threads: the first rule that applies decides, and
 * rest where none does.  A call by another architecture's convention (such as
 * 32-bit x86) ends the process.  NO_NEW_PRIVS has to be set.  Returns 0 or
 * ERR_RESOURCE, with errno where it is the kernel that does not have it.
 */
int seccomp_filter(const struct seccomp_rule *rules, size_t count,
		   enum seccomp_action rest, struct err *e);

/* The same for the calling thread, and those that it starts later.  Where there
 * is a filter already, what either of the two refuses is refused. */
int seccomp_filter_thread(const struct seccomp_rule *rules, size_t count,
			  enum seccomp_action rest, struct err *e);

#endif
