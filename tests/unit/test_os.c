/*
 * What differs between systems: each form of it has to pass these.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dlfcn.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "os/entropy.h"
#include "os/fds.h"
#include "os/helper.h"
#include "os/listing.h"
#include "os/locked.h"
#include "os/nameless.h"
#include "os/packet.h"
#include "os/process.h"
#include "os/rename.h"
#include "os/sockbuf.h"
#include "os/space.h"
#include "os/thread.h"
#include "os/wake.h"

static int is_closed_by_exec(int fd)
{
	return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

static int blocks(int fd)
{
	return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

static int is_readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/* ---- descriptors ---- */

static void descriptors_are_closed_by_exec(void **state)
{
	int fds[2];

	(void)state;
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		int fd = fds_socket(AF_INET, SOCK_STREAM, flags);

		assert_true(fd >= 0);
		assert_true(is_closed_by_exec(fd));
		assert_int_equal(blocks(fd), flags == 0);
		close(fd);
		assert_int_equal(fds_pipe(fds, flags), 0);
		for (int i = 0; i < 2; i++) {
			assert_true(is_closed_by_exec(fds[i]));
			assert_int_equal(blocks(fds[i]), flags == 0);
			close(fds[i]);
		}
	}
	assert_int_equal(fds_socket_pair(fds), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(is_closed_by_exec(fds[i]));
		assert_true(blocks(fds[i]));
		close(fds[i]);
	}
	errno = 0;
	assert_int_equal(fds_socket(-1, SOCK_STREAM, 0), -1);
	assert_int_not_equal(errno, 0);
}

/* How many bytes a socket takes until it would block. */
static size_t bytes_held(int fd)
{
	static const char some[4096];
	size_t held = 0;
	ssize_t n;

	while ((n = send(fd, some, sizeof(some), MSG_DONTWAIT)) > 0)
		held += (size_t)n;
	assert_int_equal(errno, EAGAIN);
	return held;
}

static void a_socket_that_is_enlarged_holds_more(void **state)
{
	int plain[2], large[2], least[2];

	(void)state;
	assert_int_equal(fds_socket_pair(plain), 0);
	assert_int_equal(fds_socket_pair(large), 0);
	assert_int_equal(fds_socket_pair(least), 0);
	sockbuf_enlarge(large[1], 1 << 20);
	sockbuf_enlarge(least[1], 1);
	assert_true(bytes_held(large[1]) > bytes_held(plain[1]));
	assert_int_equal(bytes_held(least[1]), bytes_held(plain[0]));
	for (int i = 0; i < 2; i++) {
		close(plain[i]);
		close(large[i]);
		close(least[i]);
	}
}

static void accepted_connections_block(void **state)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	int listener = fds_socket(AF_INET, SOCK_STREAM, O_NONBLOCK);
	int client = fds_socket(AF_INET, SOCK_STREAM, 0), fd;

	(void)state;
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(fds_accept(listener, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&sa, len), 0);
	fd = fds_accept(listener, (struct sockaddr *)&sa, &len);
	assert_true(fd >= 0);
	assert_true(is_closed_by_exec(fd));
	assert_true(blocks(fd));
	close(fd);
	close(client);
	close(listener);
}

/* Whether the kernel is older than close_range(). */
static int is_old_kernel;

/* In the place of libc's. */
long syscall(long number, ...)
{
	void *symbol = dlsym(RTLD_NEXT, "syscall");
	long (*call)(long number, ...), a[6];
	va_list args;

	if (number == SYS_close_range && is_old_kernel) {
		errno = ENOSYS;
		return -1;
	}
	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	/* ISO C converts no pointer to an object to one to a function. */
	memcpy(&call, &symbol, sizeof(call));
	return call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void all_descriptors_above_are_closed(void **state)
{
	const int low = dup(STDERR_FILENO);

	(void)state;
	for (int i = 0; i < 2; i++) {
		const int high = fcntl(low, F_DUPFD, 200);

		assert_int_equal(high, 200);
		assert_int_equal(fcntl(low, F_DUPFD, 300), 300);
		is_old_kernel = i;
		process_close_from(200);
		is_old_kernel = 0;
		assert_int_equal(fcntl(high, F_GETFD), -1);
		assert_int_equal(fcntl(300, F_GETFD), -1);
		assert_true(fcntl(low, F_GETFD) >= 0);
	}
	close(low);
}

/* ---- helpers ---- */

/* What a helper finds. */
struct found {
	int null[3];  /* which of the standard descriptors are /dev/null */
	int output_is_error;
	int kept;     /* the byte that is read from HELPER_KEPT, or -1 */
	int has_more; /* other descriptors are open */
	int ctx;
};

static int is_null(int fd)
{
	struct stat null, st;

	return stat("/dev/null", &null) == 0 && fstat(fd, &st) == 0 &&
	       S_ISCHR(st.st_mode) && st.st_rdev == null.st_rdev;
}

static void look_around(void *ctx)
{
	struct stat out, err;
	struct found f = { .kept = -1, .ctx = *(int *)ctx };
	char request, byte;

	for (int i = 0; i < 3; i++)
		f.null[i] = is_null(i);
	f.output_is_error = fstat(1, &out) == 0 && fstat(2, &err) == 0 &&
			    out.st_dev == err.st_dev && out.st_ino == err.st_ino;
	if (read(HELPER_KEPT, &byte, 1) == 1)
		f.kept = byte;
	for (int fd = HELPER_KEPT + 1; fd < 400; fd++)
		f.has_more |= fcntl(fd, F_GETFD) >= 0;
	while (helper_receive(HELPER_SOCKET, &request, 1, NULL, 0) == 0)
		helper_send(HELPER_SOCKET, &f, sizeof(f), -1, 0);
}

static void ask_helper(enum helper_stdio stdio, int keep, struct found *f)
{
	int ctx = 7;
	const struct helper_config cfg = { stdio, keep, look_around, &ctx };
	struct helper h;

	assert_int_equal(helper_start(&h, &cfg), 0);
	assert_true(is_closed_by_exec(h.fd));
	ctx = 8; /* the helper has a copy */
	assert_int_equal(helper_send(h.fd, "?", 1, -1, 0), 0);
	assert_int_equal(helper_receive(h.fd, f, sizeof(*f), NULL, 0), 0);
	assert_int_equal(f->ctx, 7);
	assert_false(f->has_more);
	helper_stop(&h, 1);
	assert_int_equal(h.fd, -1);
	assert_int_equal(h.pid, 0);
	helper_stop(&h, 1);
}

static void a_helper_has_few_descriptors(void **state)
{
	const int high = fcntl(STDERR_FILENO, F_DUPFD, 300);
	struct found f;
	int low[2], keep;

	(void)state;
	ask_helper(HELPER_STDIO_NONE, -1, &f);
	assert_true(f.null[0] && f.null[1] && f.null[2]);
	assert_int_equal(f.kept, -1);
	ask_helper(HELPER_STDIO_ERROR, -1, &f);
	assert_true(f.null[0]);
	assert_true(f.output_is_error);
	ask_helper(HELPER_STDIO_OWN, -1, &f);
	for (int i = 0; i < 3; i++)
		assert_int_equal(f.null[i], is_null(i));
	/* What is kept may have the socket's number, and any other. */
	assert_int_equal(fds_pipe(low, 0), 0);
	for (int at = HELPER_SOCKET; at < 10; at++) {
		assert_int_equal(write(low[1], "k", 1), 1);
		keep = fcntl(low[0], F_DUPFD, at);
		ask_helper(HELPER_STDIO_NONE, keep, &f);
		assert_int_equal(f.kept, 'k');
		close(keep);
	}
	close(low[0]);
	close(low[1]);
	close(high);
}

/* ---- waking ---- */

static void a_wake_stays_until_it_is_cleared(void **state)
{
	struct wake w;

	(void)state;
	assert_int_equal(wake_open(&w), 0);
	assert_true(is_closed_by_exec(w.fd));
	assert_false(is_readable(w.fd));
	wake_clear(&w); /* does not block */
	/* more than a pipe holds */
	for (int i = 0; i < 100000; i++)
		wake_signal(&w);
	assert_true(is_readable(w.fd));
	wake_clear(&w);
	assert_false(is_readable(w.fd));
	wake_signal(&w);
	assert_true(is_readable(w.fd));
	wake_close(&w);
	assert_int_equal(w.fd, -1);
	errno = 5;
	wake_signal(&w); /* nothing */
	assert_int_equal(errno, 5);
	wake_close(&w);
}

/* ---- messages ---- */

static void messages_arrive_whole(void **state)
{
	char text[8];
	int fds[2];

	(void)state;
	assert_int_equal(packet_pair(fds), 0);
	assert_true(is_closed_by_exec(fds[0]) && is_closed_by_exec(fds[1]));
	assert_int_equal(packet_send(fds[0], "first", 5, -1, 0), 0);
	assert_int_equal(packet_send(fds[0], "2nd", 3, -1, MSG_DONTWAIT), 0);
	assert_int_equal(packet_receive(fds[1], text, 5, NULL, 0), 0);
	assert_memory_equal(text, "first", 5);
	assert_int_equal(packet_receive(fds[1], text, 3, NULL, MSG_DONTWAIT), 0);
	assert_memory_equal(text, "2nd", 3);
	assert_int_equal(packet_receive(fds[1], text, 3, NULL, MSG_DONTWAIT),
			 -1);
	assert_int_equal(errno, EAGAIN);
	close(fds[0]);
	assert_int_equal(packet_receive(fds[1], text, 3, NULL, 0), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(packet_send(fds[1], "x", 1, -1, 0), -1);
	assert_int_equal(errno, EPIPE);
	close(fds[1]);
}

static void messages_of_another_size_are_refused(void **state)
{
	char text[1000];
	int fds[2], passed = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(packet_pair(fds), 0);
	assert_int_equal(packet_send(fds[0], text, 1000, fds[0], 0), 0);
	assert_int_equal(packet_send(fds[0], "ab", 2, -1, 0), 0);
	assert_int_equal(packet_send(fds[0], "end", 3, -1, 0), 0);
	assert_int_equal(packet_receive(fds[1], text, 3, &passed, 0), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(passed, -1);
	assert_int_equal(packet_receive(fds[1], text, 3, &passed, 0), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(packet_receive(fds[1], text, 3, &passed, 0), 0);
	assert_memory_equal(text, "end", 3);
	close(fds[0]);
	close(fds[1]);
}

static void a_descriptor_comes_with_its_message(void **state)
{
	int fds[2], pipes[2], passed = -1;
	char c;

	(void)state;
	assert_int_equal(packet_pair(fds), 0);
	assert_int_equal(fds_pipe(pipes, 0), 0);
	assert_int_equal(packet_send(fds[0], "a", 1, -1, 0), 0);
	assert_int_equal(packet_send(fds[0], "b", 1, pipes[1], 0), 0);
	assert_int_equal(packet_send(fds[0], "c", 1, pipes[1], 0), 0);
	close(pipes[1]);
	assert_int_equal(packet_receive(fds[1], &c, 1, &passed, 0), 0);
	assert_int_equal(passed, -1);
	assert_int_equal(packet_receive(fds[1], &c, 1, &passed, 0), 0);
	assert_int_equal(c, 'b');
	assert_true(passed >= 0);
	assert_true(is_closed_by_exec(passed));
	assert_int_equal(write(passed, "x", 1), 1);
	close(passed);
	assert_int_equal(packet_receive(fds[1], &c, 1, NULL, 0), 0);
	assert_int_equal(c, 'c');
	/* That one was not asked for, so nothing holds the pipe open. */
	assert_int_equal(read(pipes[0], &c, 1), 1);
	assert_int_equal(read(pipes[0], &c, 1), 0);
	close(pipes[0]);
	close(fds[0]);
	close(fds[1]);
}

struct sending {
	int fd;
	int rc;
};

enum { LARGE = 1 << 20, TIMES = 3 };

static void *send_large(void *arg)
{
	struct sending *s = arg;
	char *large = malloc(LARGE);

	for (int i = 0; i < TIMES && large; i++) {
		memset(large, 'a' + i, LARGE);
		/* EMSGSIZE: it is larger than the system allows */
		if (packet_send(s->fd, large, LARGE, -1, 0) < 0)
			s->rc = errno;
	}
	free(large);
	close(s->fd);
	return NULL;
}

/* More than the sockets hold: the two take turns. */
static void large_messages_are_whole_or_refused(void **state)
{
	struct sending s = { 0 };
	char *large = malloc(LARGE);
	pthread_t thread;
	int fds[2];

	(void)state;
	assert_non_null(large);
	assert_int_equal(packet_pair(fds), 0);
	s.fd = fds[0];
	assert_int_equal(thread_start(&thread, send_large, &s), 0);
	for (int i = 0; i < TIMES; i++) {
		if (packet_receive(fds[1], large, LARGE, NULL, 0) < 0) {
			assert_int_equal(errno, EPIPE);
			break;
		}
		assert_int_equal(large[0], 'a' + i);
		assert_int_equal(large[LARGE - 1], 'a' + i);
	}
	pthread_join(thread, NULL);
	assert_true(s.rc == 0 || s.rc == EMSGSIZE);
	close(fds[1]);
	free(large);
}

/* A sender that is not to wait gets EAGAIN for a message of which nothing is
 * sent, and the receiver finds whole ones only. */
static void a_full_socket_says_so(void **state)
{
	char text[1000] = "", got[1000];
	int fds[2], sent = 0, received = 0;

	(void)state;
	assert_int_equal(packet_pair(fds), 0);
	while (sent < 100000) {
		memset(text, sent % 128, sizeof(text));
		if (packet_send(fds[0], text, sizeof(text), -1, MSG_DONTWAIT)) {
			assert_int_equal(errno, EAGAIN);
			break;
		}
		sent++;
	}
	assert_true(sent < 100000);
	close(fds[0]);
	while (packet_receive(fds[1], got, sizeof(got), NULL, 0) == 0) {
		assert_int_equal(got[0], received % 128);
		assert_int_equal(got[999], received % 128);
		received++;
	}
	assert_int_equal(received, sent);
	close(fds[1]);
}

/* ---- files ---- */

static int open_scratch(char *path)
{
	assert_non_null(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void put_file(int dir_fd, const char *name, const char *text)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int has_text(int dir_fd, const char *name, const char *text)
{
	int fd = openat(dir_fd, name, O_RDONLY);
	char got[16] = "";
	const ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof(got) - 1);

	close(fd);
	return n >= 0 && strcmp(got, text) == 0;
}

static void renaming_replaces_nothing(void **state)
{
	char path[] = "/tmp/ferry-test-XXXXXX";
	int dir = open_scratch(path);

	(void)state;
	put_file(dir, "a", "A");
	put_file(dir, "b", "B");
	assert_int_equal(rename_new(dir, "a", "b"), -1);
	assert_int_equal(errno, EEXIST);
	assert_true(has_text(dir, "a", "A") && has_text(dir, "b", "B"));
	assert_int_equal(rename_new(dir, "a", "c"), 0);
	assert_true(has_text(dir, "c", "A"));
	assert_int_equal(faccessat(dir, "a", F_OK, 0), -1);
	if (rename_exchange(dir, "b", "c") < 0) {
		assert_true(rename_is_unsupported(errno));
		assert_true(has_text(dir, "b", "B") && has_text(dir, "c", "A"));
	} else {
		assert_true(has_text(dir, "c", "B") && has_text(dir, "b", "A"));
	}
	unlinkat(dir, "b", 0);
	unlinkat(dir, "c", 0);
	close(dir);
	rmdir(path);
}

static void files_without_a_name_get_one_or_are_refused(void **state)
{
	char path[] = "/tmp/ferry-test-XXXXXX", c;
	int dir = open_scratch(path), fd = nameless_create(dir, 0600);

	(void)state;
	if (fd >= 0) {
		assert_int_equal(write(fd, "text", 4), 4);
		assert_int_equal(nameless_link(fd, dir, "a"), 0);
		assert_true(has_text(dir, "a", "text"));
		close(fd);
		unlinkat(dir, "a", 0);
	} else {
		assert_int_equal(errno, EOPNOTSUPP);
	}
	fd = nameless_create_in_memory();
	assert_true(fd >= 0);
	assert_true(is_closed_by_exec(fd));
	assert_int_equal(pwrite(fd, "x", 1, 5), 1);
	assert_int_equal(pread(fd, &c, 1, 5), 1);
	assert_int_equal(c, 'x');
	close(fd);
	close(dir);
	assert_int_equal(rmdir(path), 0);
}

/* What is not known to be a hole is data, to the end of the file. */
static void data_is_found_up_to_the_end(void **state)
{
	char path[] = "/tmp/ferry-test-XXXXXX";
	int fd = mkstemp(path);
	off_t start = -1, end = -1, hole;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(pwrite(fd, "x", 1, 999999), 1);
	assert_int_equal(space_next_data(fd, 999999, &start, &end), 0);
	assert_int_equal(start, 999999);
	assert_int_equal(end, 1000000);
	assert_int_equal(space_next_data(fd, 0, &start, &end), 0);
	assert_true(start >= 0 && start <= 999999);
	assert_int_equal(space_next_data(fd, 1000000, &start, &end), -1);
	assert_int_equal(errno, ENXIO);
	/* POSIX alone cannot tell */
	hole = space_next_hole(fd, 999999);
	if (hole < 0) {
		assert_int_equal(errno, EOPNOTSUPP);
	} else {
		assert_int_equal(hole, 1000000);
		assert_int_equal(space_next_hole(fd, 1000000), -1);
		assert_int_equal(errno, ENXIO);
	}
	assert_true(space_look(fd).total >= space_look(fd).available);
	close(fd);
}

/* ---- directories ---- */

static void directories_are_listed(void **state)
{
	enum { FILES = 2000 };
	char path[] = "/tmp/ferry-test-XXXXXX", name[32];
	int dir = open_scratch(path), error = -1, files = 0, others = 0;
	struct listing *l = listing_new();
	const struct listing_entry *e;

	(void)state;
	assert_non_null(l);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		put_file(dir, name, "");
	}
	assert_int_equal(mkdirat(dir, "dir", 0700), 0);
	assert_int_equal(symlinkat("dir", dir, "link"), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	listing_begin(l, dir);
	while ((e = listing_next(l, &error))) {
		const enum listing_kind kind = listing_kind_of(dir, e);

		if (e->kind != LISTING_UNKNOWN)
			assert_int_equal(e->kind, kind);
		if (kind == LISTING_FILE) {
			assert_memory_equal(e->name, "file-", 5);
			assert_int_equal(unlinkat(dir, e->name, 0), 0);
			files++;
			continue;
		}
		assert_string_equal(e->name, kind == LISTING_DIR ? "dir" :
					     kind == LISTING_SYMLINK ? "link" :
								       "fifo");
		others++;
	}
	assert_int_equal(error, 0);
	assert_int_equal(files, FILES);
	assert_int_equal(others, 3);
	assert_null(listing_next(l, &error));
	assert_int_equal(error, 0);
	/* What is begun is not what was left in the middle. */
	lseek(dir, 0, SEEK_SET);
	listing_begin(l, dir);
	assert_non_null(listing_next(l, &error));
	listing_begin(l, STDERR_FILENO);
	assert_null(listing_next(l, &error));
	assert_int_equal(error, ENOTDIR);
	listing_free(l);
	listing_free(NULL);
	unlinkat(dir, "dir", AT_REMOVEDIR);
	unlinkat(dir, "link", 0);
	unlinkat(dir, "fifo", 0);
	close(dir);
	assert_int_equal(rmdir(path), 0);
}

static void kinds_that_are_not_listed_are_looked_up(void **state)
{
	static const struct listing_entry entries[] = {
		{ "file", LISTING_FILE },
		{ "dir", LISTING_DIR },
		{ "link", LISTING_SYMLINK },
		{ "fifo", LISTING_SPECIAL },
		{ "none", LISTING_UNKNOWN },
	};
	char path[] = "/tmp/ferry-test-XXXXXX";
	int dir = open_scratch(path);

	(void)state;
	put_file(dir, "file", "");
	assert_int_equal(mkdirat(dir, "dir", 0700), 0);
	assert_int_equal(symlinkat("dir", dir, "link"), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	for (int i = 0; i < 5; i++) {
		struct listing_entry e = entries[i];

		e.kind = LISTING_UNKNOWN;
		assert_int_equal(listing_kind_of(dir, &e), entries[i].kind);
		/* what is known is not looked up */
		e.kind = LISTING_DIR;
		assert_int_equal(listing_kind_of(-1, &e), LISTING_DIR);
		unlinkat(dir, e.name, i == 1 ? AT_REMOVEDIR : 0);
	}
	close(dir);
	assert_int_equal(rmdir(path), 0);
}

/* ---- memory ---- */

static void memory_for_secrets_is_zero(void **state)
{
	unsigned char *p = locked_new(5000);

	(void)state;
	assert_non_null(p);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(p[i], 0);
	memset(p, 1, 5000);
	locked_free(p, 5000);
	locked_free(NULL, 1);
	locked_stack();
}

static void random_bytes_differ(void **state)
{
	uint8_t a[256] = { 0 }, b[256] = { 0 };

	(void)state;
	assert_int_equal(entropy_get(a, sizeof(a)), 0);
	assert_int_equal(entropy_get(b, sizeof(b)), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_memory_not_equal(a + 224, b + 224, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors_are_closed_by_exec),
		cmocka_unit_test(a_socket_that_is_enlarged_holds_more),
		cmocka_unit_test(accepted_connections_block),
		cmocka_unit_test(all_descriptors_above_are_closed),
		cmocka_unit_test(a_helper_has_few_descriptors),
		cmocka_unit_test(a_wake_stays_until_it_is_cleared),
		cmocka_unit_test(messages_arrive_whole),
		cmocka_unit_test(messages_of_another_size_are_refused),
		cmocka_unit_test(a_descriptor_comes_with_its_message),
		cmocka_unit_test(large_messages_are_whole_or_refused),
		cmocka_unit_test(a_full_socket_says_so),
		cmocka_unit_test(renaming_replaces_nothing),
		cmocka_unit_test(files_without_a_name_get_one_or_are_refused),
		cmocka_unit_test(data_is_found_up_to_the_end),
		cmocka_unit_test(directories_are_listed),
		cmocka_unit_test(kinds_that_are_not_listed_are_looked_up),
		cmocka_unit_test(memory_for_secrets_is_zero),
		cmocka_unit_test(random_bytes_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
