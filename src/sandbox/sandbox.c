/*
 * The order matters: first core files and ptrace() are turned off; then
 * NO_NEW_PRIVS is set, without which the kernel refuses the rest to an
 * unprivileged process; then Landlock, then seccomp, which does not allow the
 * calls of Landlock.  Each of the two is tested after it was set up.
 */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "os/times.h"
#include "sandbox/calls.h"
#include "sandbox/landlock.h"

enum {
	CALL_MSEAL = 462,
	/* Rules for sources are on the stack; with more sources than this,
	 * reading is not restricted. */
	SOURCES_MAX = 4096,
};

static const uint64_t receiver_rights =
	LANDLOCK_WRITE_FILE | LANDLOCK_READ_FILE | LANDLOCK_READ_DIR |
	LANDLOCK_REMOVE_FILE | LANDLOCK_REMOVE_DIR | LANDLOCK_MAKE_DIR |
	LANDLOCK_MAKE_REG | LANDLOCK_MAKE_SYM | LANDLOCK_REFER |
	LANDLOCK_TRUNCATE |
	/* To rename what is there, for --existing backup; mknod() and bind() are
	 * not allowed. */
	LANDLOCK_MAKE_FIFO | LANDLOCK_MAKE_SOCK | LANDLOCK_MAKE_CHAR |
	LANDLOCK_MAKE_BLOCK;

static const uint64_t sender_rights = LANDLOCK_READ_FILE | LANDLOCK_READ_DIR;

/* What libraries read: random bytes, and the number of processors. */
static const char *const library_paths[] = {
	"/dev/urandom", "/sys/devices/system/cpu",
};

enum { LIBRARY_PATHS = sizeof(library_paths) / sizeof(library_paths[0]) };

/* What one role may do: files and ports by Landlock, calls by seccomp. */
struct policy {
	enum sandbox_mode mode;
	const struct landlock_policy *landlock;
	size_t (*calls)(struct seccomp_rule *rules);
	enum seccomp_action rest; /* for calls without a rule */
};

/* Sanitizers, coverage and valgrind write reports, use ptrace() and make system
 * calls of their own, so they do not work in the sandbox. */
static int is_instrumented(void)
{
#ifdef FERRY_INSTRUMENTED
	return 1;
#else
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "/vgpreload_");
#endif
}

/* Landlock or seccomp cannot be used, for this reason.  Returns 0 to go on
 * without it, or an error. */
static int go_without(enum sandbox_mode mode, const char *why, struct err *e)
{
	if (mode != SANDBOX_REQUIRE)
		return 0;
	return err_set(e, ERR_RESOURCE, "--sandbox require: %s", why);
}

/* No core files, which would put secrets on the disk; no ptrace(); no rights by
 * set-id programs. */
static int harden(struct err *e)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, ERR_RESOURCE, "dropping privileges");
	/* So that code of an attacker cannot replace the page whose address the
	 * filter allows as a path.  Fails before Linux 6.10, where mremap() can
	 * still do that. */
	(void)syscall(CALL_MSEAL, times_empty_path, TIMES_EMPTY_PATH_SIZE, 0);
	return 0;
}

/* Test Landlock: opening "/" has to fail, unless a rule allows it. */
static int landlock_works(const struct landlock_policy *p)
{
	struct stat top, st;
	int fd;

	if (p->any_file || stat("/", &top) < 0)
		return 1;
	for (size_t i = 0; i < p->count; i++) {
		if (fstat(p->rules[i].fd, &st) == 0 &&
		    st.st_dev == top.st_dev && st.st_ino == top.st_ino)
			return 1;
	}
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES;
	io_close(&fd);
	return 0;
}

/* Returns the ABI version, 0 to go on without Landlock, or an error. */
static int apply_landlock(const struct policy *policy, struct err *e)
{
	const int abi = landlock_abi();
	struct err le;

	err_clear(&le);
	if (!abi)
		return go_without(policy->mode,
				  "this kernel does not have Landlock (Linux "
				  "5.13) or does not enable it",
				  e);
	if (landlock_confine(policy->landlock, &le) < 0)
		return go_without(policy->mode, le.text, e);
	if (!landlock_works(policy->landlock))
		return go_without(policy->mode,
				  "Landlock is available but has no effect",
				  e);
	return abi;
}

/* Returns 1, 0 to go on without seccomp, or an error. */
static int apply_seccomp(const struct policy *policy, struct err *e)
{
	struct seccomp_rule rules[SECCOMP_RULES_MAX];
	const size_t count = policy->calls(rules);
	struct err se;

	err_clear(&se);
	if (seccomp_filter(rules, count, policy->rest, &se) < 0)
		return go_without(policy->mode, se.text, e);
	/* Test the filter of either side: without it this is EBADF. */
	if (syscall(SYS_fchmodat, -1, "", 0, 0) == 0 || errno != EPERM)
		return go_without(policy->mode,
				  "seccomp is available but has no effect",
				  e);
	return 1;
}

static int apply(const struct policy *policy, char *text, struct err *e)
{
	char landlock[64] = "no Landlock";
	int abi, filters;

	snprintf(text, SANDBOX_TEXT_MAX, "no sandbox");
	if (policy->mode == SANDBOX_OFF)
		return 0;
	if (is_instrumented())
		return go_without(policy->mode,
				  "not possible in a test build or "
				  "under valgrind",
				  e);
	/* Make libc read the time zone while it can: verifying certificates
	 * needs it, and later calls only stat() the file. */
	tzset();
	if (harden(e) < 0)
		return e->code;
	abi = apply_landlock(policy, e);
	if (abi < 0)
		return abi;
	filters = apply_seccomp(policy, e);
	if (filters < 0)
		return filters;
	if (abi)
		snprintf(landlock, sizeof(landlock), "Landlock (ABI %d)", abi);
	snprintf(text, SANDBOX_TEXT_MAX, "sandbox: %s, %s", landlock,
		 filters ? "seccomp" : "no seccomp");
	return 0;
}

/* A library that makes the connections goes where it wants to, which cannot be
 * confined. */
static int check_interposed(enum sandbox_mode mode, const char *library,
			    struct err *e)
{
	if (!library || mode != SANDBOX_REQUIRE)
		return 0;
	return err_set(e, ERR_RESOURCE,
		       "--sandbox require: %s makes the connections, and where "
		       "to is not known: use --sandbox auto, which allows it",
		       library);
}

int sandbox_receiver(enum sandbox_mode mode, int dir_fd,
		     const struct sandbox_target *target, char *text,
		     struct err *e)
{
	const struct landlock_rule rule = { dir_fd, receiver_rights };
	const struct landlock_policy files = {
		.rules = &rule,
		.count = dir_fd >= 0,
		.ports = target ? &target->port : NULL,
		.port_count = target != NULL,
		.any_port = target && target->interposed,
	};
	const struct policy policy = { mode, &files,
				       target ? calls_of_connecting_receiver
					      : calls_of_receiver,
				       SECCOMP_UNKNOWN };

	if (target && check_interposed(mode, target->interposed, e))
		return e->code;
	return apply(&policy, text, e);
}

/* Fill in rules for the sources, then for what libraries read, which is
 * opened into fds (-1 where it does not exist).  Returns how many. */
static size_t fill_rules(struct landlock_rule *rules, int *fds,
			 const struct sandbox_sources *src)
{
	size_t n = 0;

	for (size_t i = 0; i < src->count; i++) {
		const struct landlock_rule rule = { src->fds[i],
						    sender_rights };

		rules[n++] = rule;
	}
	for (size_t i = 0; i < LIBRARY_PATHS; i++) {
		const struct landlock_rule rule = {
			fds[i] = open(library_paths[i], O_PATH | O_CLOEXEC),
			sender_rights
		};

		if (rule.fd >= 0)
			rules[n++] = rule;
	}
	return n;
}

int sandbox_sender(enum sandbox_mode mode, const struct sandbox_sources *src,
		   char *text, struct err *e)
{
	struct landlock_rule rules[SOURCES_MAX + LIBRARY_PATHS];
	int fds[LIBRARY_PATHS];
	struct landlock_policy files = {
		.rules = rules,
		.any_file = src->anywhere || src->interposed ||
			    src->count > SOURCES_MAX,
		.ports = &src->port,
		.port_count = 1,
		.any_port = src->interposed != NULL,
	};
	const struct policy policy = { mode, &files, calls_of_sender,
				       SECCOMP_ALLOW };
	int rc;

	if (check_interposed(mode, src->interposed, e))
		return e->code;
	if (files.any_file)
		return apply(&policy, text, e);
	files.count = fill_rules(rules, fds, src);
	rc = apply(&policy, text, e);
	for (size_t i = 0; i < LIBRARY_PATHS; i++)
		io_close(&fds[i]);
	return rc;
}

int sandbox_resolver(enum sandbox_mode mode, struct err *e)
{
	const int top = open("/", O_PATH | O_CLOEXEC);
	const struct landlock_rule rule = { top, sender_rights };
	const struct landlock_policy files = { .rules = &rule,
					       .count = top >= 0,
					       .any_port = 1 };
	const struct policy policy = { mode, &files, calls_of_sender,
				       SECCOMP_ALLOW };
	char text[SANDBOX_TEXT_MAX];
	int fd = top, rc = apply(&policy, text, e);

	io_close(&fd);
	return rc;
}
