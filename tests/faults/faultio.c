/*
 * faultio.so - a disk and a network that are slow, busy, interrupted or
 * broken, for a program that is started with it:
 *
 *	LD_PRELOAD=.../faultio.so FAULTIO="seed=7,short=20,eintr=10" ferry ...
 *
 * FAULTIO is a list of:
 *	seed=N		of all chances below
 *	short=P		P of 100 reads and writes do less than they could
 *	eintr=P		P of 100 fail with EINTR
 *	eagain=P	P of 100 on sockets fail with EAGAIN
 *	alarm=HZ	SIGALRM so often, with a handler and no SA_RESTART
 *	fail=CALL:N:E	the N-th CALL (counted from 1) fails with errno E, a
 *			number; N=0: each one
 *	delay=CALL:N:MS	the N-th takes MS milliseconds longer; N=0: each one
 *	stop=1		SIGSTOP to itself before main(), for strace -p to come
 *	truncate=N:SIZE	before the N-th read of a file whose path ends like
 *	path=SUFFIX	this, cut the file to SIZE bytes
 * CALL is the name of a function below; fdatasync, fsync and syncfs can be
 * meant together as "sync".  Several fail= and delay= may stand there.
 *
 * When the program ends by itself, the number of faults goes to the file
 * $FAULTIO_COUNT.  Functions with a "64" at their end, as well as those of
 * fortified programs, are one with those without.
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#define _LARGEFILE64_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define ADD(name) CALL_##name,
#define TEXT(name) #name,
#define CALLS(X)                                                               \
	X(read)                                                                \
	X(pread)                                                               \
	X(write)                                                               \
	X(pwrite) X(recv) X(send) X(recvmsg) X(sendmsg) X(open) X(fsync)       \
		X(fdatasync) X(syncfs) X(close) X(fallocate) X(ftruncate)      \
			X(rename) X(mkdir) X(fchmod) X(utimens) X(unlink)      \
				X(fstat) X(accept) X(malloc)

enum call { CALLS(ADD) CALL_COUNT };
static const char *const names[] = { CALLS(TEXT) };

enum { RULES_MAX = 16 };

struct rule {
	enum call call;
	int is_sync; /* any of the three */
	int is_delay;
	unsigned n, value;
	atomic_uint seen;
};

/* Set once before main(). */
static struct rule rules[RULES_MAX];
static unsigned rule_count;
static int count_file = -1; /* opened before ferry confines itself */
static unsigned short_percent, eintr_percent, eagain_percent;
static unsigned cut_at, cut_size;
static const char *cut_path;
static char options[1024]; /* cut_path is in it */
static int ready;
/* Shared. */
static atomic_uint_fast64_t state;
static atomic_uint faults, cut_reads;

/* The functions that these stand before. */
static __typeof__(read) *real_read;
static __typeof__(pread64) *real_pread;
static __typeof__(write) *real_write;
static __typeof__(pwrite64) *real_pwrite;
static __typeof__(recv) *real_recv;
static __typeof__(send) *real_send;
static __typeof__(recvmsg) *real_recvmsg;
static __typeof__(sendmsg) *real_sendmsg;
static ssize_t (*real_pwritev2)(int, const struct iovec *, int, off64_t, int);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off64_t);
static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);

/* What glibc's own calloc is also called. */
void *__libc_calloc(size_t count, size_t n);

static void resolve(void *to, const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	memcpy(to, &found, sizeof(found));
}

static void add_rule(char *text, int is_delay)
{
	struct rule *r = &rules[rule_count];
	char *n = strchr(text, ':'), *value = n ? strchr(n + 1, ':') : NULL;
	int found = 0;

	if (rule_count == RULES_MAX || !value) {
		fprintf(stderr, "faultio: bad rule %s\n", text);
		_exit(125);
	}
	*n = '\0';
	for (int i = 0; i < CALL_COUNT; i++) {
		if (!strcmp(names[i], text)) {
			r->call = (enum call)i;
			found = 1;
		}
	}
	r->is_sync = !strcmp(text, "sync");
	if (!found && !r->is_sync) {
		fprintf(stderr, "faultio: no call %s\n", text);
		_exit(125);
	}
	r->is_delay = is_delay;
	r->n = (unsigned)atoi(n + 1);
	r->value = (unsigned)atoi(value + 1);
	rule_count++;
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void start_alarm(unsigned hz)
{
	struct sigaction act = { .sa_handler = on_alarm };
	struct itimerval every = { .it_interval.tv_usec = 1000000 / hz,
				   .it_value.tv_usec = 1000000 / hz };

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

static void take_option(char *item)
{
	char *value = strchr(item, '=');
	unsigned n;

	if (!value)
		return;
	*value++ = '\0';
	n = (unsigned)atoi(value);
	if (!strcmp(item, "seed"))
		atomic_store(&state, n * UINT64_C(0x9e3779b97f4a7c15));
	else if (!strcmp(item, "short"))
		short_percent = n;
	else if (!strcmp(item, "eintr"))
		eintr_percent = n;
	else if (!strcmp(item, "eagain"))
		eagain_percent = n;
	else if (!strcmp(item, "alarm"))
		start_alarm(n);
	else if (!strcmp(item, "fail") || !strcmp(item, "delay"))
		add_rule(value, *item == 'd');
	else if (!strcmp(item, "stop"))
		raise(SIGSTOP);
	else if (!strcmp(item, "path"))
		cut_path = value;
	else if (!strcmp(item, "truncate") && strchr(value, ':')) {
		cut_at = n;
		cut_size = (unsigned)atoi(strchr(value, ':') + 1);
	} else {
		fprintf(stderr, "faultio: what is %s?\n", item);
		_exit(125);
	}
}

/* For tests/lib/coverage_exit.c. */
void faultio_stop(void);
void faultio_stop(void)
{
	ready = 0;
}

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("FAULTIO");
	const char *count = getenv("FAULTIO_COUNT");
	char *save = NULL;

	if (count)
		count_file = open(count, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				  0600);
	resolve(&real_read, "read");
	resolve(&real_pread, "pread64");
	resolve(&real_write, "write");
	resolve(&real_pwrite, "pwrite64");
	resolve(&real_recv, "recv");
	resolve(&real_send, "send");
	resolve(&real_recvmsg, "recvmsg");
	resolve(&real_sendmsg, "sendmsg");
	resolve(&real_pwritev2, "pwritev64v2");
	resolve(&real_pwritev, "pwritev64");
	if (text) {
		snprintf(options, sizeof(options), "%s", text);
		for (char *item = strtok_r(options, ",", &save); item;
		     item = strtok_r(NULL, ",", &save))
			take_option(item);
	}
	ready = 1;
}

__attribute__((destructor)) static void finish(void)
{
	ready = 0;
	if (count_file >= 0)
		dprintf(count_file, "%u\n", atomic_load(&faults));
}

/* One step of splitmix64; 0 to 99. */
static unsigned chance(void)
{
	uint64_t z = atomic_fetch_add(&state, UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ (z >> 31)) % 100);
}

static void wait_ms(unsigned ms)
{
	struct timespec left = { ms / 1000, (ms % 1000) * 1000000L };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static int concerns(const struct rule *r, enum call call)
{
	if (r->is_sync)
		return call == CALL_fsync || call == CALL_fdatasync ||
		       call == CALL_syncfs;
	return r->call == call;
}

/* Whether this call is to fail, with errno set. */
static int fails(enum call call)
{
	if (!ready)
		return 0;
	for (unsigned i = 0; i < rule_count; i++) {
		struct rule *r = &rules[i];

		if (!concerns(r, call))
			continue;
		if (r->n != 0 && atomic_fetch_add(&r->seen, 1) + 1 != r->n)
			continue;
		atomic_fetch_add(&faults, 1);
		if (!r->is_delay) {
			errno = (int)r->value;
			return 1;
		}
		wait_ms(r->value);
	}
	return 0;
}

/* The kernel never splits a message, and without O_NONBLOCK waits for one. */
static int has_messages(int fd)
{
	int type = 0;
	socklen_t n = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 &&
	       type == SOCK_SEQPACKET;
}

/* Between processes of ferry: it waits, so that EAGAIN never occurs. */
static int is_local(int fd)
{
	int domain = 0;
	socklen_t n = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 &&
	       domain == AF_UNIX;
}

/* Whether this transfer of n bytes is to fail; or how much it may do. */
static int disturbed(enum call call, int fd, int is_socket, size_t *n)
{
	const int is_whole = is_socket && has_messages(fd);

	if (fails(call))
		return 1;
	if (!ready || fd <= 2)
		return 0;
	if (chance() < eintr_percent) {
		errno = EINTR;
	} else if (is_socket && chance() < eagain_percent && !is_local(fd)) {
		errno = EAGAIN;
	} else {
		if (!is_whole && *n > 1 && chance() < short_percent) {
			*n = 1 + *n * chance() / 100;
			atomic_fetch_add(&faults, 1);
		}
		return 0;
	}
	atomic_fetch_add(&faults, 1);
	return 1;
}

static int is_socket(int fd)
{
	struct stat st;

	return syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) == 0 &&
	       S_ISSOCK(st.st_mode);
}

/* Pipes and eventfds wake threads up: their messages are never split. */
static int is_file_or_socket(int fd)
{
	struct stat st;

	return syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) == 0 &&
	       (S_ISSOCK(st.st_mode) || S_ISREG(st.st_mode));
}

static void cut_source(int fd)
{
	char link[64], path[4096];
	ssize_t len;
	size_t tail;

	if (!ready || !cut_at || !cut_path)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	tail = strlen(cut_path);
	if (len < (ssize_t)tail)
		return;
	path[len] = '\0';
	if (strcmp(path + len - tail, cut_path) ||
	    atomic_fetch_add(&cut_reads, 1) + 1 != cut_at)
		return;
	if (truncate(path, cut_size) == 0)
		atomic_fetch_add(&faults, 1);
}

/* ---- reads and writes ---- */

ssize_t read(int fd, void *p, size_t n)
{
	if (!real_read)
		resolve(&real_read, "read");
	if (is_file_or_socket(fd)) {
		cut_source(fd);
		if (disturbed(CALL_read, fd, is_socket(fd), &n))
			return -1;
	}
	return real_read(fd, p, n);
}

ssize_t __read_chk(int fd, void *p, size_t n, size_t size)
{
	(void)size;
	return read(fd, p, n);
}

ssize_t pread64(int fd, void *p, size_t n, off64_t off)
{
	cut_source(fd);
	if (disturbed(CALL_pread, fd, 0, &n))
		return -1;
	return real_pread(fd, p, n, off);
}

ssize_t pread(int fd, void *p, size_t n, off_t off)
{
	return pread64(fd, p, n, off);
}

ssize_t __pread64_chk(int fd, void *p, size_t n, off64_t off, size_t size)
{
	(void)size;
	return pread64(fd, p, n, off);
}

ssize_t write(int fd, const void *p, size_t n)
{
	if (!real_write)
		resolve(&real_write, "write");
	if (is_file_or_socket(fd) &&
	    disturbed(CALL_write, fd, is_socket(fd), &n))
		return -1;
	return real_write(fd, p, n);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t off)
{
	if (disturbed(CALL_pwrite, fd, 0, &n))
		return -1;
	return real_pwrite(fd, p, n, off);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t off)
{
	return pwrite64(fd, p, n, off);
}

/* Less of them is: the first alone, and less of it. */
static int vector_disturbed(int fd, const struct iovec *v, int count,
			    struct iovec *first)
{
	size_t all = 0, n;

	for (int i = 0; i < count; i++)
		all += v[i].iov_len;
	n = all;
	if (disturbed(CALL_pwrite, fd, 0, &n))
		return -1;
	if (n == all || count == 0)
		return 0;
	*first = v[0];
	if (first->iov_len > n)
		first->iov_len = n;
	return first->iov_len > 0;
}

ssize_t pwritev64v2(int fd, const struct iovec *v, int count, off64_t off,
		    int flags)
{
	struct iovec first;
	int less = vector_disturbed(fd, v, count, &first);

	if (less < 0)
		return -1;
	return real_pwritev2(fd, less ? &first : v, less ? 1 : count, off,
			     flags);
}

ssize_t pwritev64(int fd, const struct iovec *v, int count, off64_t off)
{
	struct iovec first;
	int less = vector_disturbed(fd, v, count, &first);

	if (less < 0)
		return -1;
	return real_pwritev(fd, less ? &first : v, less ? 1 : count, off);
}

ssize_t recv(int fd, void *p, size_t n, int flags)
{
	if (disturbed(CALL_recv, fd, 1, &n))
		return -1;
	return real_recv(fd, p, n, flags);
}

ssize_t __recv_chk(int fd, void *p, size_t n, size_t size, int flags)
{
	(void)size;
	return recv(fd, p, n, flags);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	if (disturbed(CALL_send, fd, 1, &n))
		return -1;
	return real_send(fd, p, n, flags);
}

/* Less of a message is: its first part alone, and less of that. */
static int message_disturbed(enum call call, int fd, const struct msghdr *m,
			     struct msghdr *less, struct iovec *first)
{
	size_t n = m->msg_iovlen ? m->msg_iov[0].iov_len : 0, all = n;

	if (disturbed(call, fd, 1, &n))
		return -1;
	*less = *m;
	if (n != all) {
		*first = m->msg_iov[0];
		first->iov_len = n;
		less->msg_iov = first;
		less->msg_iovlen = 1;
	}
	return 0;
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	struct msghdr less;
	struct iovec first;

	if (message_disturbed(CALL_recvmsg, fd, m, &less, &first))
		return -1;
	return real_recvmsg(fd, &less, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct msghdr less;
	struct iovec first;

	if (message_disturbed(CALL_sendmsg, fd, m, &less, &first))
		return -1;
	return real_sendmsg(fd, &less, flags);
}

/* ---- all others: they fail, or are late ---- */

#define PASS(ret, name, call, params, ...)                                     \
	ret name params                                                        \
	{                                                                      \
		static ret(*real) params;                                      \
		if (!real)                                                     \
			resolve(&real, #name);                                 \
		if (fails(CALL_##call))                                        \
			return -1;                                             \
		return real(__VA_ARGS__);                                      \
	}

PASS(int, fsync, fsync, (int fd), fd)
PASS(int, fdatasync, fdatasync, (int fd), fd)
PASS(int, syncfs, syncfs, (int fd), fd)
PASS(int, fallocate64, fallocate, (int fd, int mode, off64_t off, off64_t len),
     fd, mode, off, len)
PASS(int, fallocate, fallocate, (int fd, int mode, off_t off, off_t len), fd,
     mode, off, len)
PASS(int, ftruncate64, ftruncate, (int fd, off64_t len), fd, len)
PASS(int, ftruncate, ftruncate, (int fd, off_t len), fd, len)
PASS(int, renameat, rename, (int a, const char *from, int b, const char *to), a,
     from, b, to)
PASS(int, renameat2, rename,
     (int a, const char *from, int b, const char *to, unsigned flags), a, from,
     b, to, flags)
PASS(int, mkdirat, mkdir, (int dir, const char *path, mode_t mode), dir, path,
     mode)
PASS(int, fchmod, fchmod, (int fd, mode_t mode), fd, mode)
PASS(int, futimens, utimens, (int fd, const struct timespec t[2]), fd, t)
PASS(int, unlinkat, unlink, (int dir, const char *path, int flags), dir, path,
     flags)
PASS(int, fstat64, fstat, (int fd, struct stat64 *st), fd, st)
PASS(int, fstat, fstat, (int fd, struct stat *st), fd, st)
PASS(int, accept, accept, (int fd, struct sockaddr *addr, socklen_t *len), fd,
     addr, len)
PASS(int, accept4, accept,
     (int fd, struct sockaddr *addr, socklen_t *len, int flags), fd, addr, len,
     flags)
PASS(int, __openat64_2, open, (int dir, const char *path, int flags), dir, path,
     flags)

int close(int fd)
{
	/* As Linux does it: the descriptor is gone even when it fails. */
	int failed = fd > 2 && fails(CALL_close), saved = errno;
	int rc = (int)syscall(SYS_close, fd);

	if (!failed)
		return rc;
	errno = saved;
	return -1;
}

int openat64(int dir, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (fails(CALL_open))
		return -1;
	return (int)syscall(SYS_openat, dir, path, flags | O_LARGEFILE, mode);
}

/* ---- memory: "malloc" is all three of them ---- */

void *malloc(size_t n)
{
	if (!real_malloc)
		resolve(&real_malloc, "malloc");
	if (fails(CALL_malloc))
		return NULL;
	return real_malloc(n);
}

/* dlsym() may ask for memory while calloc is looked for. */
void *calloc(size_t count, size_t n)
{
	static __thread int is_looking;

	if (!real_calloc && is_looking)
		return __libc_calloc(count, n);
	if (!real_calloc) {
		is_looking = 1;
		resolve(&real_calloc, "calloc");
		is_looking = 0;
	}
	if (fails(CALL_malloc))
		return NULL;
	return real_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
	if (!real_realloc)
		resolve(&real_realloc, "realloc");
	if (fails(CALL_malloc))
		return NULL;
	return real_realloc(p, n);
}
