/*
 * The sandbox, by attempts: each from the first thread and from a later one,
 * as root and, where we are root, as nobody.  A confined process cannot be
 * released, so each test runs in a child, which tells by a pipe what it was
 * able to do and should not be, and the other way round.
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
#include <unistd.h>

#include <cmocka.h>

#include "../lib/scratch.h"

#include "os/times.h"
#include "sandbox/landlock.h"
#include "fs/part.h"
#include "sandbox/sandbox.h"
#include "sandbox/seccomp.h"

enum { NOBODY = 65534, TEXT_MAX = 4096 };

/* A tree: top/in is what is confined to, top/out must stay as it is. */
struct place {
	char top[128];
	int top_fd, in_fd, out_fd;
	int tell;         /* the pipe to the parent */
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
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "sentinel", 8), 8);
	assert_int_equal(fchmod(fd, 0666), 0);
	close(fd);
}

static int make_dir(int at, const char *name)
{
	int fd;

	assert_int_equal(mkdirat(at, name, 0777), 0);
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0777), 0);
	return fd;
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
	p->in_fd = make_dir(p->top_fd, "in");
	p->out_fd = make_dir(p->top_fd, "out");
	make_file(p->in_fd, "file");
	make_file(p->out_fd, "file");
	close(make_dir(p->in_fd, "sub"));
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
	STDOUT_RECEIVER,
	SENDER,
	FOLLOWING_SENDER,
	PRELOADED_SENDER,
	RESOLVER,
	CONNECTING_RECEIVER,
};

static void confine(struct place *p, enum role role)
{
	char text[SANDBOX_TEXT_MAX];
	const struct sandbox_target target = { .port = p->port };
	struct sandbox_sources src = { .fds = &p->in_fd, .count = 1,
				       .port = p->port };
	struct err e = { 0 };
	int rc;

	src.anywhere = role == FOLLOWING_SENDER;
	src.interposed = role == PRELOADED_SENDER ? "lib.so" : NULL;
	text[0] = '\0';
	if (role == RECEIVER)
		rc = sandbox_receiver(SANDBOX_REQUIRE, p->in_fd, NULL, text, &e);
	else if (role == STDOUT_RECEIVER)
		rc = sandbox_receiver(SANDBOX_REQUIRE, -1, NULL, text, &e);
	else if (role == CONNECTING_RECEIVER)
		rc = sandbox_receiver(SANDBOX_REQUIRE, p->in_fd, &target, text,
				      &e);
	else if (role == RESOLVER)
		rc = sandbox_resolver(SANDBOX_REQUIRE, &e);
	else
		rc = sandbox_sender(src.interposed ? SANDBOX_AUTO :
						     SANDBOX_REQUIRE,
				    &src, text, &e);
	if (role == RESOLVER && rc == 0)
		return;
	if (rc || !strstr(text, "sandbox: Landlock (ABI ") ||
	    !strstr(text, "), seccomp")) {
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

/* ---------------------------------------------------- a receiver's denials */

static void open_outside(struct place *p)
{
	char path[256];

	snprintf(path, sizeof(path), "%.120s/out/file", p->top);
	DENIED(p, open("/etc/passwd", O_RDONLY), EACCES);
	DENIED(p, open("/dev/null", O_RDWR), EACCES);
	DENIED(p, open("/proc/self/mem", O_RDWR), EACCES);
	DENIED(p, open("/", O_RDONLY | O_DIRECTORY), EACCES);
	DENIED(p, open(path, O_RDONLY), EACCES);
	DENIED(p, open(path, O_WRONLY | O_TRUNC), EACCES);
	DENIED(p, openat(p->out_fd, "file", O_RDONLY), EACCES);
	DENIED(p, openat(p->out_fd, "new", O_WRONLY | O_CREAT, 0600), EACCES);
	DENIED(p, openat(p->in_fd, "../out/file", O_RDWR), EACCES);
	DENIED(p, openat(p->out_fd, ".", O_TMPFILE | O_RDWR, 0600), EACCES);
}

static void change_outside(struct place *p)
{
	DENIED(p, mkdirat(p->out_fd, "new", 0700), EACCES);
	DENIED(p, unlinkat(p->out_fd, "file", 0), EACCES);
	DENIED(p, symlinkat("x", p->out_fd, "link"), EACCES);
	DENIED(p, renameat(p->out_fd, "file", p->out_fd, "new"), EACCES);
	/* in either direction; EXDEV is what a kernel says to a move that
	 * would gain rights */
	if (linkat(p->out_fd, "file", p->in_fd, "linked", 0) == 0 ||
	    (errno != EXDEV && errno != EACCES))
		complain(p, "linking into DIR", errno);
	if (linkat(p->in_fd, "file", p->out_fd, "linked", 0) == 0 ||
	    (errno != EXDEV && errno != EACCES))
		complain(p, "linking out of DIR", errno);
	if (renameat(p->in_fd, "file", p->out_fd, "new") == 0 ||
	    (errno != EXDEV && errno != EACCES))
		complain(p, "moving out of DIR", errno);
}

static void metadata_by_path(struct place *p)
{
	const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

	DENIED(p, fchmodat(p->out_fd, "file", 0600, 0), EPERM);
	DENIED(p, fchmodat(p->in_fd, "file", 0600, 0), EPERM);
	DENIED(p, fchmodat(p->out_fd, "file", 0600, AT_SYMLINK_NOFOLLOW),
	       EPERM);
	DENIED(p, (int)syscall(452, p->out_fd, "file", 0600, 0), EPERM);
	DENIED(p, fchownat(p->out_fd, "file", 1, 1, 0), EPERM);
	DENIED(p, fchown(p->in_fd, 1, 1), EPERM);
	DENIED(p, utimensat(p->out_fd, "file", times, 0), EPERM);
	DENIED(p, utimensat(p->out_fd, "file", times, AT_SYMLINK_NOFOLLOW),
	       EPERM);
	DENIED(p, utimensat(p->out_fd, "", times, AT_EMPTY_PATH), EPERM);
	DENIED(p, truncate("/etc/passwd", 1), EPERM);
	DENIED(p, (int)syscall(SYS_setxattr, "file", "user.a", "b", 1, 0),
	       EPERM);
#ifdef SYS_chmod
	DENIED(p, (int)syscall(SYS_chmod, "/", 0777), EPERM);
	DENIED(p, (int)syscall(SYS_utime, "/", NULL), EPERM);
#endif
}

/* The page of the one path that is allowed cannot be made writable. */
static void forge_path(struct place *p)
{
	/* cast by way of a number: it is what the attacker would write to */
	void *page = (void *)(uintptr_t)times_empty_path;

	if (mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0) {
		mprotect(page, 4096, PROT_READ);
		complain(p, "unsealing the path", 0);
	}
	DENIED(p, munmap(page, 4096), EPERM);
	if (mmap(page, 4096, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
		complain(p, "mapping over the path", 0);
}

static void reach_others(struct place *p)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };

	DENIED(p, socket(AF_INET, SOCK_STREAM, 0), EPERM);
	DENIED(p, socket(AF_UNIX, SOCK_DGRAM, 0), EPERM);
	DENIED(p, connect(p->listener, (struct sockaddr *)&sin, sizeof(sin)),
	       EPERM);
	DENIED(p, bind(p->listener, (struct sockaddr *)&sin, sizeof(sin)),
	       EPERM);
	DENIED(p, kill(getppid(), 0), EPERM);
	DENIED(p, (int)syscall(SYS_tgkill, getppid(), getppid(), 0), EPERM);
	DENIED(p, fcntl(p->listener, F_SETOWN, getppid()), EPERM);
	DENIED(p, ioctl(STDIN_FILENO, TIOCSTI, "x"), EPERM);
}

static void gain_power(struct place *p)
{
	const struct rlimit lim = { 64, 64 };

	DENIED(p, (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), EPERM);
	DENIED(p, (int)syscall(SYS_clone3, NULL, 0), ENOSYS);
	DENIED(p, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), EPERM);
	DENIED(p, setrlimit(RLIMIT_NOFILE, &lim), EPERM);
	DENIED(p, chdir("/"), EPERM);
	DENIED(p, (int)syscall(SYS_mknodat, p->in_fd, "new", S_IFIFO | 0600,
			       0), EPERM);
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		complain(p, "mapping new code", 0);
	DENIED(p, (int)syscall(SYS_memfd_create, "x", 0), ENOSYS);
	/* a call that is not yet invented */
	DENIED(p, (int)syscall(9999), ENOSYS);
}

static void test_receiver_open(void **state)
{
	try(state, RECEIVER, open_outside);
}

static void test_receiver_change(void **state)
{
	try(state, RECEIVER, change_outside);
}

static void test_receiver_metadata(void **state)
{
	try(state, RECEIVER, metadata_by_path);
}

static void test_receiver_forge(void **state)
{
	/* mseal(2), of a page that is not mapped: ENOMEM where it exists */
	if (syscall(462, NULL, 4096, 0) < 0 && errno == ENOSYS)
		skip();
	try(state, RECEIVER, forge_path);
}

static void test_receiver_others(void **state)
{
	try(state, RECEIVER, reach_others);
}

static void test_receiver_power(void **state)
{
	try(state, RECEIVER, gain_power);
}

static void open_anything(struct place *p)
{
	DENIED(p, openat(p->in_fd, "file", O_RDONLY), EACCES);
	DENIED(p, openat(p->in_fd, "new", O_WRONLY | O_CREAT, 0600), EACCES);
	open_outside(p);
}

static void test_stdout_receiver(void **state)
{
	try(state, STDOUT_RECEIVER, open_anything);
}

/* ------------------------------------------------- calls that are the end */

static void call_forbidden(struct place *p)
{
	/* which: smuggled in */
	(void)syscall(p->top_fd, 0, 0, 0, 0, 0);
	complain(p, "the call returned", errno);
}

static void test_forbidden(void **state)
{
	static const int calls[] = {
		SYS_execve, SYS_execveat, SYS_ptrace, SYS_mount, SYS_bpf,
		SYS_io_uring_setup, SYS_keyctl, SYS_unshare, SYS_setns,
		SYS_perf_event_open, SYS_process_vm_writev, SYS_chroot,
		SYS_init_module, SYS_userfaultfd, SYS_open_by_handle_at,
	};
	struct place p = *(struct place *)*state;

#ifdef FERRY_INSTRUMENTED
	skip();
#endif
	if (landlock_abi() < 4 || !seccomp_is_known())
		skip();
	p.tell = -1;
	for (size_t i = 0; i < 2 * sizeof(calls) / sizeof(calls[0]); i++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			confine(&p, RECEIVER);
			p.top_fd = calls[i / 2];
			if (i % 2)
				in_another_thread(&p, "", call_forbidden);
			call_forbidden(&p);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("call %d: status %#x", calls[i / 2],
				 (unsigned)status);
	}
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
	struct stat st;
	struct err e = { 0 };

	WORKS(p, part_symlink(p->in_fd, "link", "file", &meta, 1,
			      &e));
	WORKS(p, fstatat(p->in_fd, "link", &st, AT_SYMLINK_NOFOLLOW));
	if (st.st_mtim.tv_sec != meta.mtime_s ||
	    (uint64_t)st.st_mtim.tv_nsec != meta.mtime_ns)
		complain(p, "the time of a link", 0);
	WORKS(p, unlinkat(p->in_fd, "link", 0));
}

static void do_work(struct place *p)
{
	struct rlimit lim;

	link_unnamed(p);
	work_below(p);
	make_link(p);
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

static void act_as_sender(struct place *p)
{
	const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };
	char *const none[] = { NULL };

	DENIED(p, fchmodat(p->out_fd, "file", 0600, 0), EPERM);
	DENIED(p, utimensat(p->out_fd, "file", times, 0), EPERM);
	DENIED(p, execve("/bin/true", none, none), EPERM);
	DENIED(p, (int)syscall(SYS_ptrace, 0, 0, 0, 0), EPERM);
	DENIED(p, (int)syscall(SYS_io_uring_setup, 1, NULL), EPERM);
	WORKS(p, dial(p->port));
	WORKS(p, openat(p->in_fd, "file", O_RDONLY));
	WORKS(p, openat(p->in_fd, "sub", O_RDONLY | O_DIRECTORY));
}

/* To a port where nobody listens. */
static void dial_other(struct place *p)
{
	DENIED(p, dial((uint16_t)(p->port ^ 1)), EACCES);
}

static void read_sources(struct place *p)
{
	act_as_sender(p);
	dial_other(p);
	DENIED(p, openat(p->in_fd, "new", O_WRONLY | O_CREAT, 0600), EACCES);
	DENIED(p, openat(p->in_fd, "file", O_RDWR), EACCES);
	DENIED(p, unlinkat(p->in_fd, "file", 0), EACCES);
	DENIED(p, mkdirat(p->in_fd, "new", 0700), EACCES);
	DENIED(p, openat(p->out_fd, "file", O_RDONLY), EACCES);
	DENIED(p, openat(p->in_fd, "../out/file", O_RDONLY), EACCES);
	DENIED(p, open("/proc/self/mem", O_RDONLY), EACCES);
	DENIED(p, open("/", O_RDONLY | O_DIRECTORY), EACCES);
}

/* A receiver that connects: to its sender's port, by TCP, and no otherwise. */
static void connect_to_sender(struct place *p)
{
	do_work(p);
	open_outside(p);
	WORKS(p, dial(p->port));
	dial_other(p);
	DENIED(p, socket(AF_UNIX, SOCK_STREAM, 0), EPERM);
	DENIED(p, socket(AF_NETLINK, SOCK_RAW, 0), EPERM);
	DENIED(p, socket(AF_INET, SOCK_DGRAM, 0), EPERM);
	DENIED(p, socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), EPERM);
	DENIED(p, socket(AF_INET, SOCK_RAW, IPPROTO_TCP), EPERM);
	/* Landlock's rules for ports are not about these */
	DENIED(p, socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP), EPERM);
	DENIED(p, socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), EPERM);
	DENIED(p, socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP), EPERM);
	DENIED(p, kill(getppid(), 0), EPERM);
}

static void read_anything(struct place *p)
{
	act_as_sender(p);
	dial_other(p);
	WORKS(p, openat(p->out_fd, "file", O_RDONLY));
}

/* With a library that makes the connections. */
static void connect_anywhere(struct place *p)
{
	act_as_sender(p);
	DENIED(p, dial((uint16_t)(p->port ^ 1)), ECONNREFUSED);
	WORKS(p, openat(p->out_fd, "file", O_RDONLY));
	WORKS(p, resolve("localhost"));
}

static void resolve_names(struct place *p)
{
	connect_anywhere(p);
	DENIED(p, openat(p->in_fd, "new", O_WRONLY | O_CREAT, 0600), EACCES);
	DENIED(p, openat(p->in_fd, "file", O_RDWR), EACCES);
	DENIED(p, unlinkat(p->in_fd, "file", 0), EACCES);
	DENIED(p, mkdirat(p->in_fd, "new", 0700), EACCES);
}

static void test_connecting_receiver(void **state)
{
	try(state, CONNECTING_RECEIVER, connect_to_sender);
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

static void test_resolver(void **state)
{
	try(state, RESOLVER, resolve_names);
}

/* ----------------------------------------------------------- what it says */

static void test_off(void **state)
{
	struct place *p = *state;
	char text[SANDBOX_TEXT_MAX];
	struct err e = { 0 };

	assert_int_equal(sandbox_receiver(SANDBOX_OFF, p->in_fd, NULL, text, &e),
			 0);
	assert_string_equal(text, "no sandbox");
	assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

/* The kernel has neither: a filter of the test's own sees to it. */
static void confine_without(struct place *p, enum sandbox_mode mode)
{
	static const struct seccomp_rule rules[] = {
		{ 444, SECCOMP_UNKNOWN, 0, 0, 0 },
		{ SYS_seccomp, SECCOMP_UNKNOWN, 0, 0, 0 },
	};
	char text[SANDBOX_TEXT_MAX];
	struct err e = { 0 };
	int rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    seccomp_filter(rules, 2, SECCOMP_ALLOW, &e))
		_exit(7);
	rc = sandbox_receiver(mode, p->in_fd, NULL, text, &e);
	if (mode == SANDBOX_REQUIRE &&
	    (rc != ERR_RESOURCE ||
	     !strstr(e.text, "--sandbox require: this kernel does not have Landlock")))
		complain(p, e.text, 0);
	if (mode == SANDBOX_AUTO &&
	    (rc != 0 || strcmp(text, "sandbox: no Landlock, no seccomp") != 0))
		complain(p, text, 0);
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
	char text[SANDBOX_TEXT_MAX];
	struct err e = { 0 };

	assert_int_equal(sandbox_receiver(SANDBOX_AUTO, p->in_fd, NULL, text, &e),
			 0);
	assert_string_equal(text, "no sandbox");
	assert_int_equal(sandbox_receiver(SANDBOX_REQUIRE, p->in_fd, NULL, text, &e),
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
		TEST(test_receiver_open),
		TEST(test_receiver_change),
		TEST(test_receiver_metadata),
		TEST(test_receiver_forge),
		TEST(test_receiver_others),
		TEST(test_receiver_power),
		TEST(test_stdout_receiver),
		TEST(test_forbidden),
		TEST(test_receiver_works),
		TEST(test_receiver_accepts),
		TEST(test_connecting_receiver),
		TEST(test_sender),
		TEST(test_following_sender),
		TEST(test_preloaded_sender),
		TEST(test_resolver),
		TEST(test_off),
		TEST(test_old_kernel),
#ifdef FERRY_INSTRUMENTED
		TEST(test_instrumented),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
