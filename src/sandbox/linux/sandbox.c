/*
 * The order matters: first core files and ptrace() are turned off; then
 * NO_NEW_PRIVS is set, without which the kernel refuses the rest to an
 * unprivileged process; then Landlock, then seccomp, which does not allow the
 * calls of Landlock.  Each of the two is tested after it was set up.
 */
#define _GNU_SOURCE 1
#include "sandbox/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "sandbox/calls.h"
#include "sandbox/landlock.h"

enum {
	PROTOCOL_MPTCP = 262, /* IPPROTO_MPTCP, missing in older headers */
};

static const uint64_t receiver_rights =
	LANDLOCK_WRITE_FILE | LANDLOCK_READ_FILE | LANDLOCK_READ_DIR |
	LANDLOCK_REMOVE_FILE | LANDLOCK_REMOVE_DIR | LANDLOCK_MAKE_DIR |
	LANDLOCK_MAKE_REG | LANDLOCK_MAKE_SYM | LANDLOCK_REFER |
	LANDLOCK_TRUNCATE |
	/* To rename what is there, for --existing backup; bind() is not
	 * allowed, and mknod() only where that is accepted (calls.c). */
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
	struct sandbox_state *state;
	const struct landlock_policy *landlock;
	size_t (*calls)(struct seccomp_rule *rules, unsigned allowed);
	enum seccomp_action rest; /* for calls without a rule */
	unsigned allowed;         /* of a receiver: enum file_meta_preserve */
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

/* Something cannot be had, for this reason.  Returns 0 to go on without it, or
 * an error. */
static int go_without(const struct policy *p, const char *why, struct err *e)
{
	if (p->mode == SANDBOX_REQUIRE)
		return err_set(e, ERR_RESOURCE, "--sandbox require: %s", why);
	/* The first reason is enough for the user. */
	if (!p->state->is_partial)
		snprintf(p->state->text, SANDBOX_TEXT_MAX, "%s", why);
	p->state->is_partial = 1;
	return 0;
}

/* Landlock restricts the calling thread only. */
static int check_threads(const struct policy *p, struct err *e)
{
	struct stat st;

	/* A directory for each thread; without /proc it is not known. */
	if (stat("/proc/self/task", &st) < 0 || st.st_nlink <= 3)
		return 0;
	return go_without(p, "the process has other threads already", e);
}

/* Whether sendmsg() on this descriptor reaches nobody but its peer, whatever
 * address it is given; also where it is no socket. */
static int sends_to_peer_only(int fd)
{
	int domain = 0, type = 0, protocol = 0;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) < 0)
		return 1;
	if (domain == AF_UNIX)
		return type != SOCK_DGRAM;
	return (domain == AF_INET || domain == AF_INET6) &&
	       type == SOCK_STREAM &&
	       (protocol == IPPROTO_TCP || protocol == PROTOCOL_MPTCP);
}

/* Sockets are not made here, but may have been inherited. */
static int check_sockets(const struct policy *p, struct err *e)
{
	DIR *d = opendir("/proc/self/fd");
	const struct dirent *entry;
	char why[80];
	int loose = -1;

	for (int fd = 0; !d && fd < FD_SETSIZE; fd++)
		loose = sends_to_peer_only(fd) ? loose : fd;
	while (d && (entry = readdir(d))) {
		uint64_t fd;

		if (num_parse(entry->d_name, 0, INT_MAX, &fd) == 0 &&
		    !sends_to_peer_only((int)fd))
			loose = (int)fd;
	}
	if (d)
		closedir(d);
	if (loose < 0)
		return 0;
	snprintf(why, sizeof(why),
		 "descriptor %d is a socket that can send to any address",
		 loose);
	return go_without(p, why, e);
}

/* No core files, which would put secrets on the disk; no ptrace(); no rights by
 * set-id programs. */
static int harden(struct err *e)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, ERR_RESOURCE, "cannot drop privileges");
	return 0;
}

/* On s390x the filter does not see what mmap() asks for.  The kernel refuses
 * memory that is both written to and executable, though files can still be
 * mapped as code. */
static int refuse_code(const struct policy *p, struct err *e)
{
#ifdef __s390x__
	enum { SET_MDWE = 65, REFUSE_EXEC_GAIN = 1 }; /* Linux 6.3 */

	if (prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) < 0)
		return go_without(p,
				  "this kernel can not refuse memory that is "
				  "written to and executed (Linux 6.3)",
				  e);
#else
	(void)p;
	(void)e;
#endif
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
	if (abi < 0) {
		err_sys(&le, ERR_RESOURCE, "Landlock");
		return go_without(policy, le.text, e);
	}
	if (!abi)
		return go_without(policy,
				  "this kernel does not have Landlock (Linux "
				  "5.13) or does not enable it",
				  e);
	if (landlock_confine(policy->landlock, &le) < 0)
		return go_without(policy, le.text, e);
	if (!landlock_works(policy->landlock))
		return go_without(policy,
				  "Landlock is available but has no effect",
				  e);
	return abi;
}

/* Returns 1, 0 to go on without seccomp, or an error. */
static int apply_seccomp(const struct policy *policy, struct err *e)
{
	struct seccomp_rule rules[SECCOMP_RULES_MAX];
	const size_t count = policy->calls(rules, policy->allowed);
	struct err se;

	err_clear(&se);
	if (seccomp_filter(rules, count, policy->rest, &se) < 0)
		return go_without(policy, se.text, e);
	/* Test the filter of either side: without it this is EBADF. */
	if (syscall(SYS_fchmodat, -1, "", 0, 0) == 0 || errno != EPERM)
		return go_without(policy,
				  "seccomp is available but has no effect",
				  e);
	return 1;
}

/* Put what is in force before the reason why that is not all. */
static void describe(struct sandbox_state *state, int abi, int filters)
{
	char landlock[64] = "no Landlock", why[SANDBOX_TEXT_MAX];

	if (abi)
		snprintf(landlock, sizeof(landlock), "Landlock (ABI %d)", abi);
	memcpy(why, state->text, sizeof(why));
	snprintf(state->text, SANDBOX_TEXT_MAX, "sandbox: %s, %s%s%.400s",
		 landlock, filters ? "seccomp" : "no seccomp",
		 why[0] ? ": " : "", why);
}

static int apply(const struct policy *policy, struct err *e)
{
	struct sandbox_state *state = policy->state;
	int abi, filters;

	memset(state, 0, sizeof(*state));
	if (policy->mode != SANDBOX_OFF && is_instrumented() &&
	    go_without(policy,
		       "not possible in a test build or under valgrind", e) < 0)
		return e->code;
	if (policy->mode == SANDBOX_OFF || is_instrumented()) {
		state->is_partial = 0;
		snprintf(state->text, sizeof(state->text), "no sandbox");
		return 0;
	}
	/* Make libc read the time zone while it can: verifying certificates
	 * needs it, and later calls only stat() the file. */
	tzset();
	if (check_threads(policy, e) < 0 || check_sockets(policy, e) < 0 ||
	    harden(e) < 0 || refuse_code(policy, e) < 0)
		return e->code;
	abi = apply_landlock(policy, e);
	if (abi < 0)
		return abi;
	filters = apply_seccomp(policy, e);
	if (filters < 0)
		return filters;
	describe(state, abi, filters);
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

/* Say what it may do that the sandbox would not allow. */
static void tell_interposed(struct sandbox_state *state, const char *library,
			    const char *what)
{
	char why[SANDBOX_TEXT_MAX];

	memcpy(why, state->text, sizeof(why));
	state->is_partial = 1;
	snprintf(state->text, SANDBOX_TEXT_MAX,
		 "%.64s makes the connections: the sandbox does not restrict "
		 "%s (%.300s)",
		 library, what, why);
}

int sandbox_receiver(enum sandbox_mode mode, const struct sandbox_receiving *r,
		     struct sandbox_state *state, struct err *e)
{
	const char *interposed = r->interposed;
	const struct landlock_rule rule = { r->dir_fd, receiver_rights };
	const struct landlock_policy files = { .rules = &rule,
					       .count = r->dir_fd >= 0,
					       .any_port = interposed != NULL };
	const struct policy policy = { mode, state, &files,
				       interposed ? calls_of_connecting_receiver
						  : calls_of_receiver,
				       SECCOMP_UNKNOWN, r->allowed };
	int rc;

	if (check_interposed(mode, interposed, e))
		return e->code;
	rc = apply(&policy, e);
	if (rc == 0 && interposed && mode != SANDBOX_OFF && !is_instrumented())
		tell_interposed(state, interposed, "connecting");
	return rc;
}

int sandbox_receiver_of_many(enum sandbox_mode mode,
			     const struct sandbox_dirs *dirs,
			     struct sandbox_state *state, struct err *e)
{
	struct landlock_rule *rules = calloc(dirs->count + 1, sizeof(*rules));
	const struct landlock_policy files = { .rules = rules,
					       .count = dirs->count };
	const struct policy policy = { mode, state, &files, calls_of_receiver,
				       SECCOMP_UNKNOWN, dirs->allowed };
	int rc;

	if (!rules)
		return err_set(e, ERR_RESOURCE, "out of memory");
	for (size_t i = 0; i < dirs->count; i++)
		rules[i] = (struct landlock_rule){ dirs->fds[i],
						   receiver_rights };
	rc = apply(&policy, e);
	free(rules);
	return rc;
}

int sandbox_reading_thread(enum sandbox_mode mode, int dir_fd, struct err *e)
{
	const struct landlock_rule rule = { dir_fd, sender_rights };
	/* Ports are as the process's. */
	const struct landlock_policy files = { .rules = &rule,
					       .count = dir_fd >= 0,
					       .any_port = 1 };
	struct sandbox_state state = { .is_partial = 0 };
	const struct policy policy = { mode, &state, &files, calls_of_sender,
				       SECCOMP_UNKNOWN, 0 };
	struct seccomp_rule rules[SECCOMP_RULES_MAX];
	const size_t count = calls_of_sender(rules, 0);
	struct err why;

	if (mode == SANDBOX_OFF || is_instrumented())
		return 0;
	err_clear(&why);
	/* Landlock first: the filter does not allow its calls. */
	if (landlock_confine(&files, &why) < 0 &&
	    go_without(&policy, why.text, e) < 0)
		return e->code;
	if (seccomp_filter_thread(rules, count, SECCOMP_UNKNOWN, &why) < 0 &&
	    go_without(&policy, why.text, e) < 0)
		return e->code;
	return 0;
}

/* ---- what may be read ---- */

/* Rules that allow reading, and the descriptors that were opened for some of
 * them. */
struct reading {
	struct landlock_rule *rules;
	size_t count;
	int opened[LIBRARY_PATHS];
	size_t opened_count;
};

static void allow_reading(struct reading *r, int fd)
{
	r->rules[r->count++] = (struct landlock_rule){ fd, sender_rights };
}

/* A path that does not exist needs no rule. */
static void allow_path(struct reading *r, const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return;
	r->opened[r->opened_count++] = fd;
	allow_reading(r, fd);
}

static int reading_init(struct reading *r, size_t sources, struct err *e)
{
	memset(r, 0, sizeof(*r));
	r->rules = calloc(sources + LIBRARY_PATHS, sizeof(*r->rules));
	return r->rules ? 0 : err_set(e, ERR_RESOURCE, "out of memory");
}

static void reading_release(struct reading *r)
{
	while (r->opened_count > 0)
		io_close(&r->opened[--r->opened_count]);
	free(r->rules);
}

static int confine_guest(enum sandbox_mode mode, const char *library,
			 struct sandbox_state *state, struct err *e)
{
	const struct landlock_policy files = { .any_file = 1, .any_port = 1 };
	const struct policy policy = { mode, state, &files, calls_of_guest,
				       SECCOMP_ALLOW, 0 };
	int rc;

	if (check_interposed(mode, library, e))
		return e->code;
	rc = apply(&policy, e);
	if (rc == 0 && mode != SANDBOX_OFF && !is_instrumented())
		tell_interposed(state, library, "connecting and reading");
	return rc;
}

int sandbox_sender(enum sandbox_mode mode, const struct sandbox_sources *src,
		   struct sandbox_state *state, struct err *e)
{
	struct landlock_policy files = { .rules = NULL };
	const struct policy policy = { mode, state, &files, calls_of_sender,
				       SECCOMP_UNKNOWN, 0 };
	struct reading r;
	int rc;

	if (src->interposed)
		return confine_guest(mode, src->interposed, state, e);
	if (reading_init(&r, src->count, e) < 0)
		return e->code;
	if (src->anywhere)
		allow_path(&r, "/");
	for (size_t i = 0; !src->anywhere && i < src->count; i++)
		allow_reading(&r, src->fds[i]);
	for (size_t i = 0; !src->anywhere && i < LIBRARY_PATHS; i++)
		allow_path(&r, library_paths[i]);
	files.rules = r.rules;
	files.count = r.count;
	rc = apply(&policy, e);
	reading_release(&r);
	return rc;
}

int sandbox_connector(enum sandbox_mode mode, struct err *e)
{
	struct landlock_policy files = { .any_port = 1 };
	struct sandbox_state state;
	const struct policy policy = { mode, &state, &files, calls_of_guest,
				       SECCOMP_ALLOW, 0 };
	struct reading r;
	int rc;

	if (reading_init(&r, 0, e) < 0)
		return e->code;
	allow_path(&r, "/");
	files.rules = r.rules;
	files.count = r.count;
	rc = apply(&policy, e);
	reading_release(&r);
	return rc;
}

/* A process that opens no file. */
static int confine_helper(enum sandbox_mode mode,
			  size_t (*calls)(struct seccomp_rule *rules,
					  unsigned allowed),
			  unsigned allowed, struct err *e)
{
	const struct landlock_policy nothing = { .rules = NULL };
	struct sandbox_state state;
	const struct policy policy = { mode, &state, &nothing, calls,
				       SECCOMP_UNKNOWN, allowed };

	return apply(&policy, e);
}

int sandbox_attr_helper(enum sandbox_mode mode, unsigned allowed, struct err *e)
{
	return confine_helper(mode, calls_of_attr_helper, allowed, e);
}

int sandbox_dir_opener(enum sandbox_mode mode, struct err *e)
{
	return confine_helper(mode, calls_of_dir_opener, 0, e);
}
