/*
 * System calls that fail: a whole transfer, both engines in one process, in
 * which the Nth call of one function fails with one errno.
 *
 * What must hold: both sides end in time, without a crash and with all
 * descriptors closed; what lies under a final name is the whole old or the
 * whole new content; the sender says that all went well only if it did; and the
 * same transfer without a fault then completes what is missing.
 * A sample of N is taken; FERRY_CALLS=all takes all.
 */
/* Its inline functions have the names of those that are defined here. */
#undef _FORTIFY_SOURCE

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "net_fixture.h"
#include "pattern.h"

#include "base/io.h"
#include "receiver/receive.h"
#include "sender/send.h"

enum {
	CHILD_S = 60,
	AT_A_TIME = 6,     /* children: they wait more than they work */
	TIMEOUT_MS = 1500, /* of a side whose peer stopped */
	LEAF = 1 << 20,
	LARGE = 4 * LEAF + 77,
	CUT_AT = 2, /* so many leaves are there before, in a part */
};

/* ---- the calls, and with what they fail ---- */

/* Not ENXIO of lseek(): that is an answer, "only a hole from here on". */

#define CALLS(X)                                                      \
	X(openat, EACCES, EMFILE, EIO)                                \
	X(mkdirat, ENOSPC, EACCES, EIO)                               \
	X(fallocate, ENOSPC, EOPNOTSUPP, EINTR)                       \
	X(pwritev2, ENOSPC, EIO, EOPNOTSUPP)                          \
	X(pwrite, ENOSPC, EIO, EINTR)                                 \
	X(write, ENOSPC, EIO, EINTR)                                  \
	X(read, EIO, EINTR, ESTALE)                                   \
	X(pread, EIO, EINTR, ESTALE)                                  \
	X(ftruncate, EIO, ENOSPC, EINTR)                              \
	X(fchmod, EPERM, EIO, EROFS)                                  \
	X(futimens, EPERM, EIO, EROFS)                                \
	X(utimensat, EPERM, EIO, EROFS)                               \
	X(fdatasync, EIO, ENOSPC, EDQUOT)                             \
	X(fsync, EIO, ENOSPC, EDQUOT)                                 \
	X(syncfs, EIO, ENOSPC, EDQUOT)                                \
	X(close, EIO, ENOSPC, EINTR)                                  \
	X(renameat, EACCES, EIO, ENOSPC)                              \
	X(renameat2, EINVAL, EEXIST, EIO)                             \
	X(linkat, EPERM, ENOENT, EIO)                                 \
	X(unlinkat, EACCES, EIO, EROFS)                               \
	X(symlinkat, ENOSPC, EPERM, EIO)                              \
	X(readlinkat, EACCES, EIO, EINVAL)                            \
	X(fstat, EIO, EIO, EIO)                                       \
	X(fstatat, EACCES, EIO, ENOMEM)                               \
	X(statx, EACCES, EIO, ENOSYS)                                 \
	X(fstatfs, ENOSYS, EIO, EIO)                                  \
	X(fstatvfs, ENOSYS, EIO, EIO)                                 \
	X(faccessat, EACCES, ENOSYS, EIO)                             \
	X(getdents64, EIO, ENOMEM, ENOENT)                            \
	X(lseek, EINVAL, EIO, EINVAL)                                 \
	X(fcntl, ENOLCK, EMFILE, EAGAIN)                              \
	X(flock, EAGAIN, ENOLCK, EINTR)                               \
	X(poll, EINTR, ENOMEM, EINTR)                                 \
	X(socket, EMFILE, ENOBUFS, EAFNOSUPPORT)                      \
	X(bind, EADDRINUSE, EACCES, EADDRNOTAVAIL)                    \
	X(listen, EADDRINUSE, EOPNOTSUPP, EADDRINUSE)                 \
	X(connect, ECONNREFUSED, ENETUNREACH, EINTR)                  \
	X(accept4, EMFILE, ECONNABORTED, ENOBUFS)                     \
	X(setsockopt, ENOPROTOOPT, ENOMEM, ENOMEM)                    \
	X(getsockopt, ENOPROTOOPT, ENOMEM, ENOMEM)                    \
	X(getsockname, ENOBUFS, ENOBUFS, ENOBUFS)                     \
	X(send, ECONNRESET, EAGAIN, EINTR)                            \
	X(sendmsg, ECONNRESET, EAGAIN, EINTR)                         \
	X(recv, ECONNRESET, EAGAIN, EINTR)                            \
	X(shutdown, ENOTCONN, ENOTCONN, ENOTCONN)                     \
	X(getrandom, EINTR, EAGAIN, ENOSYS)                           \
	X(eventfd, EMFILE, ENFILE, ENOMEM)                            \
	X(pipe2, EMFILE, ENFILE, EMFILE)                              \
	X(pthread_create, EAGAIN, EAGAIN, EAGAIN)

enum call {
#define X(name, ...) CALL_##name,
	CALLS(X)
#undef X
	CALL_COUNT
};

static const struct {
	const char *name;
	int errnos[3];
} calls[] = {
#define X(name, ...) { #name, { __VA_ARGS__ } },
	CALLS(X)
#undef X
};

/* Shared among the processes: how often each is called without a fault. */
static unsigned *counts;

static atomic_int is_armed;
static atomic_uint seen[CALL_COUNT];
static enum call failing;
static unsigned failing_nth;
static int failing_errno;
static atomic_int has_failed;

/* Whether this call is the one. */
static int is_to_fail(enum call call)
{
	unsigned n;

	if (!atomic_load(&is_armed))
		return 0;
	n = atomic_fetch_add(&seen[call], 1) + 1;
	if (call != failing || n != failing_nth)
		return 0;
	atomic_store(&has_failed, 1);
	errno = failing_errno;
	return 1;
}

/* ISO C converts no pointer to an object to one to a function. */
static void resolve(void *to, const char *name)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	memcpy(to, &symbol, sizeof(symbol));
}

/* In the place of libc's, for both engines. */
#define INSTEAD(type, name, params, args)                        \
	type name params                                         \
	{                                                        \
		static _Thread_local type(*real) params;         \
                                                                 \
		if (is_to_fail(CALL_##name))                     \
			return -1;                               \
		if (!real)                                       \
			resolve(&real, #name);                   \
		return real args;                                \
	}

INSTEAD(int, mkdirat, (int dir, const char *path, mode_t mode),
	(dir, path, mode))
INSTEAD(int, fallocate, (int fd, int mode, off_t at, off_t n),
	(fd, mode, at, n))
INSTEAD(ssize_t, pwritev2,
	(int fd, const struct iovec *iov, int n, off_t at, int flags),
	(fd, iov, n, at, flags))
INSTEAD(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at),
	(fd, p, n, at))
INSTEAD(ssize_t, pread, (int fd, void *p, size_t n, off_t at),
	(fd, p, n, at))
INSTEAD(int, ftruncate, (int fd, off_t size), (fd, size))
INSTEAD(int, fchmod, (int fd, mode_t mode), (fd, mode))
INSTEAD(int, futimens, (int fd, const struct timespec times[2]), (fd, times))
INSTEAD(int, utimensat,
	(int dir, const char *path, const struct timespec times[2], int flags),
	(dir, path, times, flags))
INSTEAD(int, fdatasync, (int fd), (fd))
INSTEAD(int, fsync, (int fd), (fd))
INSTEAD(int, syncfs, (int fd), (fd))
INSTEAD(int, renameat,
	(int from, const char *old, int to, const char *name),
	(from, old, to, name))
INSTEAD(int, renameat2,
	(int from, const char *old, int to, const char *name, unsigned flags),
	(from, old, to, name, flags))
INSTEAD(int, linkat,
	(int from, const char *old, int to, const char *name, int flags),
	(from, old, to, name, flags))
INSTEAD(int, unlinkat, (int dir, const char *path, int flags),
	(dir, path, flags))
INSTEAD(int, symlinkat, (const char *target, int dir, const char *path),
	(target, dir, path))
INSTEAD(ssize_t, readlinkat,
	(int dir, const char *path, char *p, size_t n), (dir, path, p, n))
INSTEAD(int, fstat, (int fd, struct stat *st), (fd, st))
INSTEAD(int, fstatat,
	(int dir, const char *path, struct stat *st, int flags),
	(dir, path, st, flags))
INSTEAD(int, statx,
	(int dir, const char *path, int flags, unsigned mask, struct statx *st),
	(dir, path, flags, mask, st))
INSTEAD(int, fstatfs, (int fd, struct statfs *st), (fd, st))
INSTEAD(int, fstatvfs, (int fd, struct statvfs *st), (fd, st))
INSTEAD(int, faccessat, (int dir, const char *path, int mode, int flags),
	(dir, path, mode, flags))
INSTEAD(ssize_t, getdents64, (int fd, void *p, size_t n), (fd, p, n))
INSTEAD(off_t, lseek, (int fd, off_t at, int from), (fd, at, from))
INSTEAD(int, flock, (int fd, int how), (fd, how))
INSTEAD(int, poll, (struct pollfd *fds, nfds_t n, int ms), (fds, n, ms))
/* With the types of glibc, which are unions. */
INSTEAD(int, socket, (int family, int type, int protocol),
	(family, type, protocol))
INSTEAD(int, bind, (int fd, __CONST_SOCKADDR_ARG sa, socklen_t n),
	(fd, sa, n))
INSTEAD(int, listen, (int fd, int n), (fd, n))
INSTEAD(int, connect, (int fd, __CONST_SOCKADDR_ARG sa, socklen_t n),
	(fd, sa, n))
INSTEAD(int, accept4, (int fd, __SOCKADDR_ARG sa, socklen_t *n, int flags),
	(fd, sa, n, flags))
INSTEAD(int, setsockopt,
	(int fd, int level, int name, const void *p, socklen_t n),
	(fd, level, name, p, n))
INSTEAD(int, getsockopt, (int fd, int level, int name, void *p, socklen_t *n),
	(fd, level, name, p, n))
INSTEAD(int, getsockname, (int fd, __SOCKADDR_ARG sa, socklen_t *n),
	(fd, sa, n))
INSTEAD(ssize_t, send, (int fd, const void *p, size_t n, int flags),
	(fd, p, n, flags))
INSTEAD(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags),
	(fd, m, flags))
INSTEAD(ssize_t, recv, (int fd, void *p, size_t n, int flags),
	(fd, p, n, flags))
INSTEAD(int, shutdown, (int fd, int how), (fd, how))
INSTEAD(ssize_t, getrandom, (void *p, size_t n, unsigned flags), (p, n, flags))
INSTEAD(int, eventfd, (unsigned n, int flags), (n, flags))
INSTEAD(int, pipe2, (int fds[2], int flags), (fds, flags))

/* What wakes a thread up is memory, and does not fail so. */
static int is_on_disk(int fd)
{
	static _Thread_local int (*real)(int, struct stat *);
	struct stat st;

	if (!real)
		resolve(&real, "fstat");
	return real(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

ssize_t read(int fd, void *p, size_t n)
{
	static _Thread_local ssize_t (*real)(int, void *, size_t);

	if (atomic_load(&is_armed) && is_on_disk(fd) && is_to_fail(CALL_read))
		return -1;
	if (!real)
		resolve(&real, "read");
	return real(fd, p, n);
}

ssize_t write(int fd, const void *p, size_t n)
{
	static _Thread_local ssize_t (*real)(int, const void *, size_t);

	if (atomic_load(&is_armed) && is_on_disk(fd) && is_to_fail(CALL_write))
		return -1;
	if (!real)
		resolve(&real, "write");
	return real(fd, p, n);
}

/* The descriptor is gone, whatever close() returns. */
int close(int fd)
{
	static _Thread_local int (*real)(int);
	int rc;

	if (!real)
		resolve(&real, "close");
	rc = real(fd);
	return is_to_fail(CALL_close) ? -1 : rc;
}

int openat(int dir, const char *path, int flags, ...)
{
	static _Thread_local int (*real)(int, const char *, int, ...);
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (is_to_fail(CALL_openat))
		return -1;
	if (!real)
		resolve(&real, "openat");
	return real(dir, path, flags, mode);
}

/* Flags are asked for without a descriptor, and do not fail. */
int fcntl(int fd, int cmd, ...)
{
	static _Thread_local int (*real)(int, int, ...);
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (cmd != F_GETFL && cmd != F_SETFL && cmd != F_GETFD &&
	    cmd != F_SETFD && is_to_fail(CALL_fcntl))
		return -1;
	if (!real)
		resolve(&real, "fcntl");
	return real(fd, cmd, arg);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
		   void *(*fn)(void *), void *arg)
{
	static _Thread_local int (*real)(pthread_t *, const pthread_attr_t *,
			   void *(*)(void *), void *);

	if (is_to_fail(CALL_pthread_create))
		return failing_errno;
	if (!real)
		resolve(&real, "pthread_create");
	return real(thread, attr, fn, arg);
}

/* ---- what is sent ---- */

struct source {
	const char *name;
	size_t size;
	size_t hole; /* zeros from here, to the last byte */
	int is_there; /* in the destination, with other content */
};

static const struct source sources[] = {
	{ "small", 300, SIZE_MAX, 1 },
	{ "empty", 0, SIZE_MAX, 0 },
	{ "sub/more", 4000, SIZE_MAX, 0 },
	{ "sub/sparse", 3 * LEAF + 5, LEAF, 0 },
	{ "sub/deep/large", LARGE, SIZE_MAX, 0 },
};

enum { SOURCES = sizeof(sources) / sizeof(sources[0]) };

/* In the process of a transfer, where cmocka's assertions would return to the
 * test of its parent. */
static void must(int ok)
{
	if (!ok)
		_exit(2);
}

static uint8_t *make_content(const struct source *s, int is_new)
{
	uint8_t *p = calloc(1, s->size + 1);

	must(p != NULL);
	pattern_fill(p, s->size < s->hole ? s->size : s->hole, is_new ? 0 : 7);
	if (s->size > s->hole)
		p[s->size - 1] = 1;
	return p;
}

static void make_source(const struct source *s, const char *top, int is_new)
{
	uint8_t *p = make_content(s, is_new);
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", top, s->name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	must(fd >= 0);
	must(ftruncate(fd, (off_t)s->size) == 0);
	if (s->size > s->hole) {
		must(write(fd, p, s->hole) == (ssize_t)s->hole);
		must(pwrite(fd, p + s->size - 1, 1, (off_t)s->size - 1) == 1);
	} else {
		must(write(fd, p, s->size) == (ssize_t)s->size);
	}
	close(fd);
	free(p);
}

static void make_sources(void)
{
	must(mkdir("from", 0755) == 0);
	must(mkdir("from/sub", 0755) == 0);
	must(mkdir("from/sub/deep", 0755) == 0);
	for (int i = 0; i < SOURCES; i++)
		make_source(&sources[i], "from", 1);
	must(symlink("small", "from/symlink") == 0);
}

/* What a file holds: 1 the new content, 0 the old one, or nothing, -1
 * neither. */
static int look_at(const struct source *s)
{
	uint8_t *got = malloc(s->size + 1), *is = make_content(s, 1),
		*was = make_content(s, 0);
	char path[64];
	int fd, result = -1;

	snprintf(path, sizeof(path), "to/from/%s", s->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		result = errno == ENOENT && !s->is_there ? 0 : -1;
	} else if (io_read(fd, got, s->size + 1) == (ssize_t)s->size) {
		if (!memcmp(got, is, s->size))
			result = 1;
		else if (s->is_there && !memcmp(got, was, s->size))
			result = 0;
	}
	if (fd >= 0)
		close(fd);
	free(got);
	free(is);
	free(was);
	return result;
}

/* ---- a transfer ---- */

struct transfer {
	unsigned number; /* what the settings are chosen by */
	int start_fd, ready_fd, cancel_fd;
	uint16_t port;
	int receive_rc, send_rc;
};

static void signal_fd(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void wait_fd(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

static void on_listening(void *ctx, const char *address, uint16_t port)
{
	struct transfer *t = ctx;

	(void)address;
	t->port = port;
	signal_fd(t->ready_fd);
}

static void *receive_main(void *arg)
{
	static const enum conflict_policy policies[] = {
		CONFLICT_REPLACE, CONFLICT_BACKUP, CONFLICT_NEWER,
	};
	static const struct cidr_list anywhere;
	struct transfer *t = arg;
	struct session_events events = { .listening = on_listening, .ctx = t };
	struct receive_config cfg = {
		.net = loopback_options(),
		.security = SECURITY_PLAIN,
		.dir = "to",
		.stdout_fd = -1,
		.sandbox = SANDBOX_OFF,
		.allow = &anywhere,
		.max_size = UINT64_MAX,
		.max_files = UINT64_MAX,
		.once = 1,
		.existing = policies[t->number % 3],
		.sync = t->number % 2 ? SYNC_FILE : SYNC_BATCH,
		.max_sessions = 1,
		.timeout_ms = (int)scaled(TIMEOUT_MS),
		.cancel_fd = t->cancel_fd,
		.events = &events,
	};
	struct err e = { 0 };

	wait_fd(t->start_fd);
	t->receive_rc = receive_run(&cfg, &e);
	signal_fd(t->ready_fd);
	return NULL;
}

static int add_sources(struct send_config *cfg, struct err *e)
{
	cfg->scan = scan_new(SCAN_KEEP);
	if (!cfg->scan)
		return err_set(e, ERR_RESOURCE, "out of memory");
	return scan_add(cfg->scan, "from", e);
}

static void send_main(struct transfer *t)
{
	const struct codec_ops *const codecs[] = { &codec_zstd, &codec_none,
						   &codec_zlib };
	const struct session_events events = { 0 };
	struct send_config cfg = {
		.dest = { .host = "127.0.0.1", .port = t->port },
		.net = { .family = AF_INET,
			 .timeout_ms = (int)scaled(TIMEOUT_MS) },
		.security = SECURITY_PLAIN,
		.digest = t->number % 2 ? &digest_crc32 : &digest_xxh3,
		.codec = { .ops = codecs[t->number / 2 % 3], .level = 1 },
		.streams = 1 + t->number % 2,
		.sandbox = SANDBOX_OFF,
		.stdin_fd = -1,
		.timeout_ms = (int)scaled(TIMEOUT_MS),
		.cancel_fd = -1,
		.events = &events,
	};
	struct session_summary summary;
	struct err e = { 0 };

	t->send_rc = add_sources(&cfg, &e);
	if (t->send_rc == 0)
		t->send_rc = send_run(&cfg, &summary, &e);
	scan_free(cfg.scan);
}

/* Armed from the moment that the receiver starts. */
static int run_transfer(struct transfer *t)
{
	pthread_t thread;

	t->port = 0;
	t->start_fd = eventfd(0, EFD_CLOEXEC);
	t->ready_fd = eventfd(0, EFD_CLOEXEC);
	t->cancel_fd = eventfd(0, EFD_CLOEXEC);
	if (pthread_create(&thread, NULL, receive_main, t))
		return -1;
	atomic_store(&is_armed, failing_nth > 0);
	signal_fd(t->start_fd);
	wait_fd(t->ready_fd);
	t->send_rc = ERR_CONNECT;
	if (t->port)
		send_main(t);
	signal_fd(t->cancel_fd);
	if (pthread_join(thread, NULL))
		return -1;
	atomic_store(&is_armed, 0);
	close(t->start_fd);
	close(t->ready_fd);
	close(t->cancel_fd);
	return 0;
}

static int open_descriptors(void)
{
	return count_entries(opendir("/proc/self/fd"));
}

/* Returns what is wrong with the destination, or NULL. */
static const char *check_files(int is_done)
{
	for (int i = 0; i < SOURCES; i++) {
		int there = look_at(&sources[i]);

		if (there < 0)
			return "a file is neither the old nor the new one";
		if (is_done && !there)
			return "success, but a file is not there";
	}
	return NULL;
}

/* A part of the large file is there, from a transfer whose source could not be
 * read any further. */
static const char *leave_part(struct transfer *t)
{
	failing = CALL_pread;
	failing_errno = EIO;
	failing_nth = CUT_AT + 3;
	if (run_transfer(t) < 0)
		return "no thread";
	return check_files(t->send_rc == 0);
}

static const char *try_call(struct transfer *t, enum call call, unsigned nth,
			    int error)
{
	const char *wrong;
	int before;

	if (t->number % 4 == 3 && (wrong = leave_part(t)))
		return wrong;
	memset(seen, 0, sizeof(seen));
	failing = call;
	failing_nth = nth;
	failing_errno = error;
	before = open_descriptors();
	if (run_transfer(t) < 0)
		return "no thread";
	if (nth == UINT_MAX && call == CALL_COUNT) {
		for (int i = 0; i < CALL_COUNT; i++)
			counts[i] = atomic_load(&seen[i]);
	}
	if (open_descriptors() != before)
		return "a descriptor is left open";
	if (t->receive_rc > 0 || t->send_rc > 0)
		return "a result that is none";
	wrong = check_files(t->send_rc == 0);
	if (wrong || t->send_rc == 0)
		return wrong;
	failing_nth = 0;
	if (run_transfer(t) < 0)
		return "no thread";
	return t->send_rc ? "it cannot be completed" : check_files(1);
}

/* ---- one process for each ---- */

struct attempt {
	enum call call;
	unsigned nth;
	int error;
	pid_t pid;
	char dir[16];
};

static void child_main(const struct attempt *a, unsigned number)
{
	struct transfer t = { .number = number };
	const char *wrong;

	alarm(scaled(CHILD_S));
	must(chdir(a->dir) == 0);
	make_sources();
	must(mkdir("to", 0755) == 0);
	must(mkdir("to/from", 0755) == 0);
	make_source(&sources[0], "to/from", 0);
	/* older than the new one, for CONFLICT_NEWER */
	must(utimensat(AT_FDCWD, "to/from/small",
		       (struct timespec[2]){ { .tv_sec = 1 }, { .tv_sec = 1 } },
		       0) == 0);
	wrong = try_call(&t, a->call, a->nth, a->error);
	if (wrong)
		print_error("# %s\n", wrong);
	_exit(wrong != NULL);
}

/* Returns whether all was as it must be. */
static int end_attempt(struct attempt *a)
{
	const char *name = a->call < CALL_COUNT ? calls[a->call].name : "none";
	int status;

	if (!a->pid)
		return 1;
	assert_int_equal(waitpid(a->pid, &status, 0), a->pid);
	assert_int_equal(scratch_remove(a->dir), 0);
	a->pid = 0;
	if (status == 0)
		return 1;
	print_error("# %s number %u fails with \"%s\": %s %d\n", name, a->nth,
		    strerror(a->error), WIFSIGNALED(status) ? "signal" : "exit",
		    WIFSIGNALED(status) ? WTERMSIG(status) :
					  WEXITSTATUS(status));
	return 0;
}

static void begin_attempt(struct attempt *a, unsigned number)
{
	snprintf(a->dir, sizeof(a->dir), "%u", number);
	assert_int_equal(mkdir(a->dir, 0755), 0);
	a->pid = fork();
	assert_true(a->pid >= 0);
	if (a->pid == 0)
		child_main(a, number);
}

/* Without a fault: how often each is called. */
static void count_calls(void)
{
	struct attempt a = { .call = CALL_COUNT, .nth = UINT_MAX };

	begin_attempt(&a, 0);
	assert_true(end_attempt(&a));
	for (int i = 0; i < CALL_COUNT; i++)
		print_message("# %s: %u\n", calls[i].name, counts[i]);
	assert_true(counts[CALL_openat] > 3 && counts[CALL_recv] > 10);
}

/* The first three of each call, then a sample.  The address sanitizer makes a
 * transfer three times slower, the thread sanitizer ten times: fewer of
 * them. */
static unsigned step_after(unsigned nth)
{
#ifdef __SANITIZE_THREAD__
	return 10 * nth;
#elif defined(__SANITIZE_ADDRESS__)
	return 2 * nth;
#else
	return nth < 4 ? 1 : nth / 2;
#endif
}

static void each_call_fails_once(void **state)
{
	const int all = getenv("FERRY_CALLS") != NULL;
	struct place *p = *state;
	struct attempt at[AT_A_TIME] = { 0 };
	int back = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned number = 0, wrong = 0;

#ifndef __LP64__
	/* There libc has the functions of large files by other names. */
	skip();
#endif
	assert_true(back >= 0);
	assert_int_equal(chdir(p->dir), 0);
	counts = mmap(NULL, sizeof(*counts) * CALL_COUNT,
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(counts != MAP_FAILED);
	count_calls();
	for (int call = 0; call < CALL_COUNT; call++) {
		for (unsigned nth = 1; nth <= counts[call] + 1;
		     nth += all ? 1 : step_after(nth)) {
			struct attempt *a = &at[++number % AT_A_TIME];

			wrong += !end_attempt(a);
			a->call = (enum call)call;
			a->nth = nth;
			a->error = calls[call].errnos[number % 3];
			begin_attempt(a, number);
		}
	}
	for (int i = 0; i < AT_A_TIME; i++)
		wrong += !end_attempt(&at[i]);
	assert_int_equal(wrong, 0);
	print_message("# %u calls failed\n", number);
	munmap(counts, sizeof(*counts) * CALL_COUNT);
	assert_int_equal(fchdir(back), 0);
	close(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_call_fails_once,
						place_make, place_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
