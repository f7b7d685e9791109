/*
 * The sandbox: what has to work in it, and what is said of it; what is refused
 * is in test_sandbox_attempts.c.  From the first thread and from a later one,
 * as root and, where we are root, as nobody.  A confined process cannot be
 * released, so each test runs in a child, which tells by a pipe what went
 * wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/scratch.h"

#include "fs/attr_helper.h"
#include "sandbox/landlock.h"
#include "fs/node.h"
#include "fs/part.h"
#include "os/thread_usage.h"
#include "base/file_meta.h"
#include "sandbox/sandbox.h"
#include "sandbox/seccomp.h"

enum { NOBODY = 65534, TEXT_MAX = 4096 };

/* A tree: top/in is what is confined to, top/out must stay as it is. */
struct place {
	char top[128];
	int top_fd, in_fd, out_fd;
	int tell;         /* the pipe to the parent */
	unsigned allowed; /* to a receiver */
	struct attr_helper *attrs; /* in a receiver */
	int listener;
	uint16_t port;
	struct sandbox_sources src;
	const char *who;  /* which thread tries */
};

/* In the child: say what went wrong; the parent fails with it. */
static void complain(const struct place *p, const char *what, int err_no)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s, %s: %s\n", p->who, what,
			 err_no ? strerror(err_no) : "success");

	if (write(p->tell, line, (size_t)n) != n)
		_exit(3);
}

/* It must fail, and in this way. */
#define DENIED(p, call, wanted)                                                \
	do {                                                                   \
		errno = 0;                                                     \
		if ((call) != -1 || errno != (wanted))                         \
			complain(p, #call, errno);                             \
	} while (0)

/* It must work. */
#define WORKS(p, call)                                                         \
	do {                                                                   \
		if ((call) < 0)                                                \
			complain(p, #call, errno);                             \
	} while (0)

/* ------------------------------------------------------------ the places */

static void make_file(int dir, const char *name)
{
	scratch_write(dir, name, "sentinel", 8, O_TRUNC, 0666);
}

static void listen_somewhere(struct place *p)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->listener, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(p->listener, 16), 0);
	assert_int_equal(getsockname(p->listener, (struct sockaddr *)&sin,
				     &len), 0);
	p->port = ntohs(sin.sin_port);
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->top_fd = scratch_make(p->top, sizeof(p->top), "sandbox");
	assert_int_equal(fchmod(p->top_fd, 0777), 0);
	p->in_fd = scratch_make_dir(p->top_fd, "in");
	p->out_fd = scratch_make_dir(p->top_fd, "out");
	make_file(p->in_fd, "file");
	make_file(p->out_fd, "file");
	close(scratch_make_dir(p->in_fd, "sub"));
	listen_somewhere(p);
	*state = p;
	return 0;
}

static void remove_all(int at, const char *name)
{
	static const char *const names[] = {
		"file", "new", "new2", "link", "linked", "tmp1", "tmp2",
	};
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(fd, names[i], 0);
	unlinkat(fd, "sub/moved", 0);
	unlinkat(fd, "sub", AT_REMOVEDIR);
	close(fd);
	assert_int_equal(unlinkat(at, name, AT_REMOVEDIR), 0);
}

/* Nothing outside was touched. */
static void check_outside(const struct place *p)
{
	char text[16] = "";
	struct stat st;
	int fd = openat(p->out_fd, "file", O_RDONLY | O_CLOEXEC);

	assert_int_equal(read(fd, text, sizeof(text)), 8);
	assert_string_equal(text, "sentinel");
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	assert_int_equal(st.st_nlink, 1);
	assert_int_not_equal(st.st_mtim.tv_sec, 1);
	close(fd);
}

static int tear_down(void **state)
{
	struct place *p = *state;

	check_outside(p);
	remove_all(p->top_fd, "in");
	remove_all(p->top_fd, "out");
	close(p->in_fd);
	close(p->out_fd);
	close(p->top_fd);
	close(p->listener);
	assert_int_equal(rmdir(p->top), 0);
	free(p);
	return 0;
}

/* ----------------------------------------------------- children that try */

typedef void (*attempt_fn)(struct place *p);

struct thread {
	struct place place;
	attempt_fn fn;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	t->fn(&t->place);
	return NULL;
}

static void in_another_thread(const struct place *p, const char *who,
			      attempt_fn fn)
{
	struct thread t = { .place = *p, .fn = fn };
	pthread_t thread;

	t.place.who = who;
	if (pthread_create(&thread, NULL, thread_main, &t) ||
	    pthread_join(thread, NULL))
		_exit(4);
}

enum role {
	RECEIVER,
	SENDER,
	FOLLOWING_SENDER,
	PRELOADED_SENDER,
	PRELOADED_RECEIVER,
	CONNECTOR,
};

static int confine_helper(const void *mode, struct err *e)
{
	return sandbox_attr_helper(*(const enum sandbox_mode *)mode, 0, e);
}

static void confine(struct place *p, enum role role)
{
	static const enum sandbox_mode require = SANDBOX_REQUIRE;
	struct sandbox_sources src = { .fds = &p->in_fd, .count = 1 };
	const struct sandbox_receiving receiving = { p->in_fd, NULL,
						     p->allowed };
	const struct sandbox_receiving preloaded = { p->in_fd, "lib.so", 0 };
	struct sandbox_state got;
	struct err e = { 0 };
	int rc;

	src.anywhere = role == FOLLOWING_SENDER;
	src.interposed = role == PRELOADED_SENDER ? "lib.so" : NULL;
	memset(&got, 0, sizeof(got));
	if (role == RECEIVER)
		p->attrs = attr_helper_start(confine_helper, &require, &e);
	if (role == RECEIVER)
		rc = sandbox_receiver(SANDBOX_REQUIRE, &receiving, &got, &e);
	else if (role == PRELOADED_RECEIVER)
		rc = sandbox_receiver(SANDBOX_AUTO, &preloaded, &got, &e);
	else if (role == CONNECTOR)
		rc = sandbox_connector(SANDBOX_REQUIRE, &e);
	else
		rc = sandbox_sender(src.interposed ? SANDBOX_AUTO :
						     SANDBOX_REQUIRE,
				    &src, &got, &e);
	if (role == CONNECTOR && rc == 0)
		return;
	if ((role == PRELOADED_SENDER || role == PRELOADED_RECEIVER) &&
	    rc == 0 && got.is_partial &&
	    strstr(got.text, "lib.so makes the connections"))
		return;
	if (rc || !strstr(got.text, "sandbox: Landlock (ABI ") ||
	    !strstr(got.text, "), seccomp")) {
		complain(p, e.text, 0);
		_exit(5);
	}
}

static void child_main(struct place *p, enum role role, attempt_fn fn,
		       uid_t uid)
{
	if (uid && (setgid(uid) || setuid(uid)))
		_exit(6);
	p->who = "first thread";
	confine(p, role);
	fn(p);
	in_another_thread(p, "another thread", fn);
	_exit(0);
}

/* Run fn confined, with one identity; its complaints are the failure. */
static void try_as(struct place *p, enum role role, attempt_fn fn, uid_t uid)
{
	char text[TEXT_MAX];
	size_t used = 0;
	ssize_t n;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	p->tell = fds[1];
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child_main(p, role, fn, uid);
	close(fds[1]);
	while ((n = read(fds[0], text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (used > 0)
		fail_msg("as user %u:\n%s", (unsigned)uid, text);
	assert_int_equal(status, 0);
}

/* With CAP_SETUID, and an id that the user namespace has. */
static int can_be(uid_t uid)
{
	const uid_t own_uid = geteuid();
	const gid_t own_gid = getegid();
	int can = setegid(uid) == 0 && seteuid(uid) == 0;

	return seteuid(own_uid) == 0 && setegid(own_gid) == 0 && can;
}

/* The kernel may lack what these tests are about; then that is all there is
 * to say. */
static void try(void **state, enum role role, attempt_fn fn)
{
#ifdef FERRY_INSTRUMENTED
	skip();
#endif
	if (landlock_abi() < 4 || !seccomp_is_known())
		skip();
	try_as(*state, role, fn, 0);
	if (can_be(NOBODY))
		try_as(*state, role, fn, NOBODY);
}

/* --------------------------------------------- what a receiver has to do */

/* A file without a name gets one, in both ways that there are. */
static void link_unnamed(struct place *p)
{
	char path[64];
	int fd = openat(p->in_fd, ".", O_TMPFILE | O_RDWR, 0600);

	WORKS(p, fd);
	WORKS(p, pwrite(fd, "x", 1, 0) == 1 ? 0 : -1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	WORKS(p, linkat(AT_FDCWD, path, p->in_fd, "tmp1", AT_SYMLINK_FOLLOW));
	/* the other way needs a capability before Linux 6.10 */
	if (linkat(fd, "", p->in_fd, "tmp2", AT_EMPTY_PATH) < 0 &&
	    (errno != ENOENT || geteuid() == 0))
		complain(p, "linkat(AT_EMPTY_PATH)", errno);
	WORKS(p, unlinkat(p->in_fd, "tmp1", 0));
	(void)unlinkat(p->in_fd, "tmp2", 0);
	close(fd);
}

static void lock_and_punch(struct place *p, int fd)
{
	WORKS(p, flock(fd, LOCK_EX | LOCK_NB));
	WORKS(p, ftruncate(fd, 1 << 20));
	WORKS(p, fallocate(fd, 0, 0, 1 << 20));
	WORKS(p, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			   65536));
	WORKS(p, lseek(fd, 0, SEEK_DATA) >= 0 || errno == ENXIO ? 0 : -1);
	WORKS(p, sync_file_range(fd, 0, 65536, SYNC_FILE_RANGE_WRITE));
	WORKS(p, fdatasync(fd));
	WORKS(p, syncfs(fd));
	WORKS(p, flock(fd, LOCK_UN));
}

static void work_below(struct place *p)
{
	const struct timespec times[2] = { { 0, UTIME_NOW }, { 5, 7 } };
	struct statx sx;
	struct stat st;
	int fd = openat(p->in_fd, "new", O_RDWR | O_CREAT | O_EXCL, 0600);

	WORKS(p, fd);
	lock_and_punch(p, fd);
	WORKS(p, fchmod(fd, 0640));
	WORKS(p, futimens(fd, times));
	WORKS(p, statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx));
	WORKS(p, renameat2(p->in_fd, "new", p->in_fd, "new2",
			   RENAME_NOREPLACE));
	/* across directories as well: the REFER right */
	WORKS(p, renameat(p->in_fd, "new2", p->in_fd, "sub/moved"));
	WORKS(p, unlinkat(p->in_fd, "sub/moved", 0));
	WORKS(p, mkdirat(p->in_fd, "new", 0700));
	WORKS(p, unlinkat(p->in_fd, "new", AT_REMOVEDIR));
	WORKS(p, fstat(fd, &st));
	close(fd);
}

/* A link, with its time. */
static void make_link(struct place *p)
{
	const struct file_meta meta = { .mtime_s = 981173106,
					.mtime_ns = 789 };
	struct node link = { .target = "file",
			     .meta = &meta,
			     .attrs = p->attrs };
	struct stat st;
	struct err e = { 0 };

	WORKS(p, node_make(&link, p->in_fd, "link", 1, &e));
	WORKS(p, fstatat(p->in_fd, "link", &st, AT_SYMLINK_NOFOLLOW));
	if (st.st_mtim.tv_sec != meta.mtime_s ||
	    (uint64_t)st.st_mtim.tv_nsec != meta.mtime_ns)
		complain(p, "the time of a link", 0);
	WORKS(p, unlinkat(p->in_fd, "link", 0));
}

/* By both calls by which isatty() asks. */
static void ask_for_terminal(struct place *p)
{
	static const unsigned long calls[] = {
		TCGETS,
		_IOC(_IOC_READ, 'T', 0x2a, 44), /* TCGETS2 */
	};
	char termios[256];

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		WORKS(p, ioctl(p->tell, calls[i], termios) < 0 &&
				 errno == ENOTTY ? 0 : -1);
}

static void do_work(struct place *p)
{
	struct rlimit lim;

	link_unnamed(p);
	work_below(p);
	make_link(p);
	ask_for_terminal(p);
	WORKS(p, getrlimit(RLIMIT_NOFILE, &lim));
	WORKS(p, fcntl(p->in_fd, F_DUPFD_CLOEXEC, 0));
}

static void test_receiver_works(void **state)
{
	try(state, RECEIVER, do_work);
}

/* A connection that was waiting is accepted. */
static void accept_one(struct place *p)
{
	int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);

	WORKS(p, fd);
	close(fd);
}

static void test_receiver_accepts(void **state)
{
	struct place *p = *state;
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fds[4];

	sin.sin_port = htons(p->port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 4; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&sin,
					 sizeof(sin)), 0);
	}
	try(state, RECEIVER, accept_one);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

/* ------------------------------------------- a thread that is only to read */

static void read_only(struct place *p)
{
	struct thread_usage usage;
	char text[16];
	int fd = openat(p->in_fd, "file", O_RDONLY | O_CLOEXEC);

	WORKS(p, fd);
	WORKS(p, read(fd, text, sizeof(text)));
	WORKS(p, faccessat(p->in_fd, "sub", W_OK, 0));
	/* cpu_share.h limits the threads of a dry run, too */
	WORKS(p, thread_usage_get(&usage));
	DENIED(p, openat(p->in_fd, "file", O_WRONLY | O_CLOEXEC), EPERM);
	DENIED(p, openat(p->in_fd, "new", O_RDWR | O_CREAT, 0600), EPERM);
	DENIED(p, openat(p->in_fd, ".", O_RDWR | O_TMPFILE, 0600), EPERM);
	DENIED(p, mkdirat(p->in_fd, "new", 0700), EPERM);
	DENIED(p, fchmod(fd, 0600), EPERM);
	DENIED(p, futimens(fd, NULL), EPERM);
	DENIED(p, unlinkat(p->in_fd, "file", 0), ENOSYS);
	DENIED(p, unlinkat(p->in_fd, "sub", AT_REMOVEDIR), ENOSYS);
	DENIED(p, symlinkat("x", p->in_fd, "new"), ENOSYS);
	DENIED(p, linkat(p->in_fd, "file", p->in_fd, "new", 0), ENOSYS);
	DENIED(p, openat(p->out_fd, "file", O_RDONLY | O_CLOEXEC), EACCES);
	close(fd);
}

static void become_reader(struct place *p)
{
	struct err e = { 0 };

	if (sandbox_reading_thread(SANDBOX_REQUIRE, p->in_fd, &e))
		complain(p, e.text, 0);
	read_only(p);
	in_another_thread(p, "a thread of the reading one", read_only);
}

static void read_and_write(struct place *p)
{
	in_another_thread(p, "a reading thread", become_reader);
	/* this one goes on */
	do_work(p);
}

static void test_reading_thread(void **state)
{
	try(state, RECEIVER, read_and_write);
}

/* -------------------------------------------------------------- a sender */

static int dial(uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc, saved;

	sin.sin_port = htons(port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rc = connect(fd, (struct sockaddr *)&sin, sizeof(sin));
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

static int resolve(const char *name)
{
	struct addrinfo *found = NULL;
	int rc = getaddrinfo(name, NULL, NULL, &found);

	if (rc == 0)
		freeaddrinfo(found);
	return rc == 0 ? 0 : -1;
}

static void deny_to_all(struct place *p)
{
	const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

	DENIED(p, fchmodat(p->out_fd, "file", 0600, 0), EPERM);
	DENIED(p, utimensat(p->out_fd, "file", times, 0), EPERM);
}

static void act_as_sender(struct place *p)
{
	deny_to_all(p);
	DENIED(p, dial(p->port), EPERM);
	DENIED(p, openat(p->in_fd, "new", O_WRONLY | O_CREAT, 0600), EPERM);
	DENIED(p, openat(p->in_fd, "file", O_RDWR), EPERM);
	DENIED(p, unlinkat(p->in_fd, "file", 0), ENOSYS);
	WORKS(p, openat(p->in_fd, "file", O_RDONLY));
	WORKS(p, openat(p->in_fd, "sub", O_RDONLY | O_DIRECTORY));
}

static void read_sources(struct place *p)
{
	act_as_sender(p);
	DENIED(p, openat(p->out_fd, "file", O_RDONLY), EACCES);
	DENIED(p, openat(p->in_fd, "../out/file", O_RDONLY), EACCES);
	DENIED(p, open("/proc/self/mem", O_RDONLY), EACCES);
	DENIED(p, open("/", O_RDONLY | O_DIRECTORY), EACCES);
}

static void read_anything(struct place *p)
{
	act_as_sender(p);
	WORKS(p, openat(p->out_fd, "file", O_RDONLY));
}

/* Code of others: a library that makes the connections, modules of the name
 * service. */
static void connect_anywhere(struct place *p)
{
	char *const none[] = { NULL };

	deny_to_all(p);
	DENIED(p, execve("/bin/true", none, none), EPERM);
	DENIED(p, (int)syscall(SYS_ptrace, 0, 0, 0, 0), EPERM);
	DENIED(p, (int)syscall(SYS_io_uring_setup, 1, NULL), EPERM);
	WORKS(p, dial(p->port));
	DENIED(p, dial((uint16_t)(p->port ^ 1)), ECONNREFUSED);
	WORKS(p, openat(p->in_fd, "file", O_RDONLY));
	WORKS(p, openat(p->out_fd, "file", O_RDONLY));
	WORKS(p, resolve("localhost"));
}

static void make_connections(struct place *p)
{
	connect_anywhere(p);
	DENIED(p, openat(p->in_fd, "new", O_WRONLY | O_CREAT, 0600), EACCES);
	DENIED(p, openat(p->in_fd, "file", O_RDWR), EACCES);
	DENIED(p, unlinkat(p->in_fd, "file", 0), EACCES);
	DENIED(p, mkdirat(p->in_fd, "new", 0700), EACCES);
}

static void test_sender(void **state)
{
	try(state, SENDER, read_sources);
}

static void test_following_sender(void **state)
{
	try(state, FOLLOWING_SENDER, read_anything);
}

static void test_preloaded_sender(void **state)
{
	try(state, PRELOADED_SENDER, connect_anywhere);
}

/* A receiver in which a library makes the connections: TCP only. */
static void connect_by_library(struct place *p)
{
	deny_to_all(p);
	WORKS(p, dial(p->port));
	DENIED(p, dial((uint16_t)(p->port ^ 1)), ECONNREFUSED);
	DENIED(p, syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0), EPERM);
	DENIED(p, syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0), EPERM);
	DENIED(p, openat(p->out_fd, "file", O_RDONLY), EACCES);
}

static void test_preloaded_receiver(void **state)
{
	try(state, PRELOADED_RECEIVER, connect_by_library);
}

static void test_connector(void **state)
{
	try(state, CONNECTOR, make_connections);
}

/* ---------------------------------------------------- what is accepted */

/* rc: of a call that is refused unless these are allowed (0: always). */
static void check_allowed(struct place *p, const char *what, unsigned needs,
			  int rc)
{
	const int is_refused = rc < 0 && errno == EPERM;

	if (is_refused != !(p->allowed & needs))
		complain(p, what, errno);
}

static void set_what_is_accepted(struct place *p)
{
	int fd = openat(p->in_fd, "own", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	WORKS(p, fd);
	check_allowed(p, "fchown()", PRESERVE_OWNER,
		      fchown(fd, (uid_t)-1, (gid_t)-1));
	check_allowed(p, "fsetxattr()", PRESERVE_ATTRS,
		      fsetxattr(fd, "user.x", "", 0, 0));
	check_allowed(p, "fremovexattr()", PRESERVE_ATTRS,
		      fremovexattr(fd, "user.x"));
	check_allowed(p, "fchmod(04700)", PRESERVE_SETID, fchmod(fd, 04700));
	check_allowed(p, "a FIFO", PRESERVE_SPECIALS,
		      mknodat(p->in_fd, "own fifo", S_IFIFO | 0600, 0));
	check_allowed(p, "a socket", PRESERVE_SPECIALS,
		      mknodat(p->in_fd, "own socket", S_IFSOCK | 0600, 0));
	(void)unlinkat(p->in_fd, "own fifo", 0);
	(void)unlinkat(p->in_fd, "own socket", 0);
	/* by path, and when something is made, never */
	check_allowed(p, "a FIFO with 04600", 0,
		      mknodat(p->in_fd, "f", S_IFIFO | 04600, 0));
	check_allowed(p, "mknod() of a file", 0,
		      mknodat(p->in_fd, "f", S_IFREG | 0600, 0));
	check_allowed(p, "openat() with 04600", 0,
		      openat(p->in_fd, "f", O_RDWR | O_CREAT, 04600));
	check_allowed(p, "fchownat()", 0,
		      fchownat(p->in_fd, "own", (uid_t)-1, (gid_t)-1, 0));
	check_allowed(p, "setxattr()", 0,
		      setxattr("/proc/self/fd/0", "user.x", "", 0, 0));
	check_allowed(p, "fchmodat()", 0, fchmodat(p->in_fd, "own", 0600, 0));
	close(fd);
	(void)unlinkat(p->in_fd, "own", 0);
}

static void test_accepted(void **state)
{
	struct place *p = *state;
	static const unsigned allowed[] = {
		0, PRESERVE_OWNER, PRESERVE_ACL, PRESERVE_TRUSTED,
		PRESERVE_SETID, PRESERVE_SPECIALS, PRESERVE_HARDLINKS,
		PRESERVE_OWNER | PRESERVE_SPECIALS, PRESERVE_KNOWN,
	};

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		p->allowed = allowed[i];
		try(state, RECEIVER, set_what_is_accepted);
	}
}

/* ----------------------------------------------------------- what it says */

static void test_off(void **state)
{
	struct place *p = *state;
	const struct sandbox_receiving receiving = { p->in_fd, NULL, 0 };
	struct sandbox_state got;
	struct err e = { 0 };
	/* Containers may have set it. */
	const int before = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);

	assert_int_equal(sandbox_receiver(SANDBOX_OFF, &receiving, &got, &e),
			 0);
	assert_string_equal(got.text, "no sandbox");
	assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), before);
}

/* The kernel has neither: a filter of the test's own sees to it. */
static void confine_without(struct place *p, enum sandbox_mode mode)
{
	static const struct seccomp_rule rules[] = {
		{ .nr = 444, .action = SECCOMP_UNKNOWN },
		{ .nr = SYS_seccomp, .action = SECCOMP_UNKNOWN },
	};
	const struct sandbox_receiving receiving = { p->in_fd, NULL, 0 };
	struct sandbox_state got;
	struct err e = { 0 };
	int rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    seccomp_filter(rules, 2, SECCOMP_ALLOW, &e))
		_exit(7);
	rc = sandbox_receiver(mode, &receiving, &got, &e);
	if (mode == SANDBOX_REQUIRE &&
	    (rc != ERR_RESOURCE ||
	     !strstr(e.text, "--sandbox require: this kernel does not have Landlock")))
		complain(p, e.text, 0);
	if (mode == SANDBOX_AUTO &&
	    (rc != 0 || !got.is_partial ||
	     strcmp(got.text,
		    "sandbox: no Landlock, no seccomp: this kernel does not "
		    "have Landlock (Linux 5.13) or does not enable it")))
		complain(p, got.text, 0);
	if (mode == SANDBOX_AUTO && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		complain(p, "others may look into us", 0);
	_exit(0);
}

static void test_old_kernel(void **state)
{
	static const enum sandbox_mode modes[] = { SANDBOX_AUTO,
						   SANDBOX_REQUIRE };
	struct place *p = *state;

#ifdef FERRY_INSTRUMENTED
	skip();
#endif
	if (!seccomp_is_known())
		skip();
	p->who = "here";
	for (int i = 0; i < 2; i++) {
		char text[TEXT_MAX] = "";
		int fds[2], status;
		pid_t pid;

		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		p->tell = fds[1];
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			confine_without(p, modes[i]);
		close(fds[1]);
		assert_true(read(fds[0], text, sizeof(text) - 1) >= 0);
		close(fds[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_string_equal(text, "");
		assert_int_equal(status, 0);
	}
}

#ifdef FERRY_INSTRUMENTED
static void test_instrumented(void **state)
{
	struct place *p = *state;
	const struct sandbox_receiving receiving = { p->in_fd, NULL, 0 };
	struct sandbox_state got;
	struct err e = { 0 };

	assert_int_equal(sandbox_receiver(SANDBOX_AUTO, &receiving, &got, &e),
			 0);
	assert_string_equal(got.text, "no sandbox");
	assert_int_equal(sandbox_receiver(SANDBOX_REQUIRE, &receiving, &got, &e),
			 ERR_RESOURCE);
	assert_string_equal(e.text,
			    "--sandbox require: not possible in a test build "
			    "or under valgrind");
}
#endif

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_receiver_works),
		TEST(test_receiver_accepts),
		TEST(test_reading_thread),
		TEST(test_sender),
		TEST(test_following_sender),
		TEST(test_preloaded_sender),
		TEST(test_preloaded_receiver),
		TEST(test_accepted),
		TEST(test_connector),
		TEST(test_off),
		TEST(test_old_kernel),
#ifdef FERRY_INSTRUMENTED
		TEST(test_instrumented),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
