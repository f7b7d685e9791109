/*
 * Allocations that fail: a whole transfer, both engines in one process, in
 * which the Nth allocation fails, or that one and all after it.
 *
 * What must hold: both sides end in time and without a crash; what lies under
 * a final name is whole; the sender says that all went well only if it did.
 * A sample of N is taken; FERRY_TORTURE=all takes all (over TLS an hour),
 * FERRY_TORTURE=N only that one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "net_fixture.h"

#include "base/io.h"
#include "receiver/receive.h"
#include "sender/send.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_OWN_MALLOC 1 /* the sanitizer's, which must stay */
#else
#define HAS_OWN_MALLOC 0
#endif

enum { LARGE = 600000, CHILD_S = 60, EACH_UP_TO = 60 };

/* ---- the allocator ---- */

static atomic_int is_armed, fails_for_ever;
static atomic_long countdown;

#if !HAS_OWN_MALLOC
static _Thread_local int is_spared;

/* glibc's own, below the names that are ours here. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);

static int is_to_fail(void)
{
	long left;

	if (!atomic_load(&is_armed) || is_spared)
		return 0;
	left = atomic_fetch_sub(&countdown, 1);
	if (left > 1 || (left < 1 && !atomic_load(&fails_for_ever)))
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t n)
{
	return is_to_fail() ? NULL : __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
	return is_to_fail() ? NULL : __libc_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
	return is_to_fail() ? NULL : __libc_realloc(p, n);
}

/* libcrypto makes a thread's queue of errors when the first one is reported.
 * From 3.6 on the allocations for it report their own failure, for which the
 * queue is made: ERR_new, CRYPTO_zalloc, CRYPTO_malloc, ERR_new and so on,
 * until the stack is full.  No caller can do anything about that, so each
 * thread begins with the queue, as long as there is memory. */
static void make_error_queue(void)
{
	is_spared = 1;
	(void)ERR_peek_error();
	is_spared = 0;
}

struct start {
	void *(*fn)(void *);
	void *arg;
};

static void *start_main(void *arg)
{
	struct start s = *(struct start *)arg;

	free(arg);
	make_error_queue();
	return s.fn(s.arg);
}

/* In the place of libc's, for the threads that sender and receiver start. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
		   void *(*fn)(void *), void *arg)
{
	int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
		      void *);
	void *symbol = dlsym(RTLD_NEXT, "pthread_create");
	struct start *s = __libc_malloc(sizeof(*s));
	int rc;

	/* ISO C converts no pointer to an object to one to a function. */
	memcpy(&create, &symbol, sizeof(create));
	s->fn = fn;
	s->arg = arg;
	rc = create(thread, attr, start_main, s);
	if (rc)
		free(s);
	return rc;
}
#else
static void make_error_queue(void)
{
}
#endif

/* ---- a transfer ---- */

static const char *const names[] = { "small", "large" };
static const size_t sizes[] = { 300, LARGE };

struct transfer {
	char dir[192];
	char key[256];
	int with_tls;
	/* of the running one */
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

static uint8_t content_at(size_t i)
{
	return (uint8_t)(i * 31 + i / 251);
}

static void make_sources(const struct transfer *t)
{
	for (int i = 0; i < 2; i++) {
		uint8_t *p = malloc(sizes[i]);
		char path[512];

		assert_non_null(p);
		for (size_t k = 0; k < sizes[i]; k++)
			p[k] = content_at(k);
		snprintf(path, sizeof(path), "%s/%s", t->dir, names[i]);
		place_write(path, p, sizes[i], 0644);
		free(p);
	}
}

static struct tls *make_tls(const struct transfer *t, enum net_role role,
			    struct err *e)
{
	struct tls_config cfg = { .mode = SECURITY_PSK,
				  .role = role,
				  .key_file = t->key };

	return tls_new(&cfg, e);
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
	struct transfer *t = arg;
	struct session_events events = { .listening = on_listening, .ctx = t };
	static const struct cidr_list anywhere;
	struct receive_config cfg = {
		.net = loopback_options(),
		.security = t->with_tls ? SECURITY_PSK : SECURITY_PLAIN,
		.dir = "to",
		.stdout_fd = -1,
		.sandbox = SANDBOX_OFF,
		.allow = &anywhere,
		.max_size = UINT64_MAX,
		.max_files = UINT64_MAX,
		.once = 1,
		.sync = SYNC_BATCH,
		.max_sessions = 1,
		.timeout_ms = FIXTURE_TIMEOUT_MS,
		.cancel_fd = t->cancel_fd,
		.events = &events,
	};
	struct err e = { 0 };

	wait_fd(t->start_fd);
	if (t->with_tls)
		cfg.tls = make_tls(t, NET_LISTENS, &e);
	t->receive_rc = t->with_tls && !cfg.tls ? e.code :
						  receive_run(&cfg, &e);
	tls_free(cfg.tls);
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
	const struct session_events events = { 0 };
	struct send_config cfg = {
		.dest = { .host = "127.0.0.1", .port = t->port },
		.net = { .family = AF_INET, .timeout_ms = FIXTURE_TIMEOUT_MS },
		.security = t->with_tls ? SECURITY_PSK : SECURITY_PLAIN,
		.digest = &digest_xxh3,
		.codec = { .ops = &codec_zstd, .level = 1 },
		.streams = 2,
		.sandbox = SANDBOX_OFF,
		.stdin_fd = -1,
		.timeout_ms = FIXTURE_TIMEOUT_MS,
		.cancel_fd = -1,
		.events = &events,
	};
	struct session_summary summary;
	struct err e = { 0 };

	t->send_rc = add_sources(&cfg, &e);
	if (t->send_rc == 0 && t->with_tls) {
		cfg.tls = make_tls(t, NET_CONNECTS, &e);
		t->send_rc = cfg.tls ? 0 : e.code;
	}
	if (t->send_rc == 0)
		t->send_rc = send_run(&cfg, &summary, &e);
	tls_free(cfg.tls);
	scan_free(cfg.scan);
}

/* Whether the file is there and whole (1), not there (0), or wrong (-1). */
static int look_at(const char *name, size_t size)
{
	static uint8_t got[LARGE + 1];
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "to/from/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	n = io_read(fd, got, size + 1);
	close(fd);
	if (n != (ssize_t)size)
		return -1;
	for (size_t i = 0; i < size; i++) {
		if (got[i] != content_at(i))
			return -1;
	}
	return 1;
}

/* In a process of its own.  Returns its exit status: 0, or what was wrong. */
static int child_main(struct transfer *t, long nth, int for_ever)
{
	pthread_t thread;

	alarm(scaled(CHILD_S));
	make_error_queue();
	t->start_fd = eventfd(0, EFD_CLOEXEC);
	t->ready_fd = eventfd(0, EFD_CLOEXEC);
	t->cancel_fd = eventfd(0, EFD_CLOEXEC);
	if (pthread_create(&thread, NULL, receive_main, t))
		return 2;
	atomic_store(&fails_for_ever, for_ever);
	atomic_store(&countdown, nth);
	atomic_store(&is_armed, 1);
	signal_fd(t->start_fd);
	wait_fd(t->ready_fd);
	t->send_rc = ERR_CONNECT;
	if (t->port)
		send_main(t);
	signal_fd(t->cancel_fd);
	if (pthread_join(thread, NULL))
		return 3;
	atomic_store(&is_armed, 0);
	if (t->receive_rc > 0 || t->send_rc > 0)
		return 4;
	for (int i = 0; i < 2; i++) {
		int there = look_at(names[i], sizes[i]);

		if (there < 0)
			return 5;
		if (t->send_rc == 0 && !there)
			return 6;
	}
	/* beyond the last allocation nothing fails: the end of the series */
	return atomic_load(&countdown) > 0 ? 100 + !!t->send_rc : 0;
}

static int run_child(struct transfer *t, long nth, int for_ever)
{
	int status;
	pid_t pid;

	assert_int_equal(mkdir("to", 0755), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(child_main(t, nth, for_ever));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(scratch_remove("to"), 0);
	if (WIFSIGNALED(status))
		fail_msg("allocation %ld (%s) failed: ended by signal %d", nth,
			 for_ever ? "and all after it" : "alone",
			 WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* The first ones, which are the start, and then a sample. */
static void run_series(struct transfer *t, int for_ever)
{
	const char *choice = getenv("FERRY_TORTURE");
	long nth = choice ? strtol(choice, NULL, 10) : 0, runs = 0;
	int status = 0;

	if (nth > 0) {
		(void)run_child(t, nth, for_ever);
		return;
	}
	for (nth = 1; status == 0; runs++) {
		status = run_child(t, nth, for_ever);
		nth += choice || nth < EACH_UP_TO ? 1 : nth / 4;
	}
	print_message("# %ld of fewer than %ld allocations failed\n", runs - 1,
		      nth);
	/* the last one met no failure, so it must have gone well */
	if (status != 100)
		fail_msg("allocation %ld: status %d", nth, status);
	assert_true(runs > 20);
}

static void run_mode(void **state, int with_tls)
{
	struct place *p = *state;
	struct transfer t = { .with_tls = with_tls };
	struct err e = { 0 };
	int back = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (HAS_OWN_MALLOC) {
		close(back);
		skip();
	}
	assert_true(back >= 0);
	snprintf(t.dir, sizeof(t.dir), "%s/from", p->dir);
	snprintf(t.key, sizeof(t.key), "%s/key", p->dir);
	assert_int_equal(mkdir(t.dir, 0755), 0);
	assert_int_equal(chdir(p->dir), 0);
	make_sources(&t);
	assert_int_equal(key_generate(t.key, &e), 0);
	run_series(&t, 0);
	run_series(&t, 1);
	assert_int_equal(scratch_remove("from"), 0);
	assert_int_equal(fchdir(back), 0);
	close(back);
}

static void count_summary(void *ctx, uint64_t number,
			  const struct session_summary *s, const struct err *e)
{
	int *count = ctx;

	(void)number;
	assert_int_equal(s->code, e->code);
	++*count;
}

/* Whichever of the sender's first allocations fails, the end of the session is
 * told, once. */
static void a_sender_without_memory_tells_its_end(void **state)
{
	int count;
	const struct session_events events = { .summary = count_summary,
					       .ctx = &count };
	const struct send_config cfg = {
		.dest = { .host = "127.0.0.1", .port = 1 }, /* refused */
		.net = { .family = AF_INET, .timeout_ms = FIXTURE_TIMEOUT_MS },
		.security = SECURITY_PLAIN,
		.digest = &digest_xxh3,
		.codec = { .ops = &codec_none },
		.streams = 1,
		.sandbox = SANDBOX_OFF,
		.stdin_fd = -1,
		.timeout_ms = FIXTURE_TIMEOUT_MS,
		.cancel_fd = -1,
		.events = &events,
	};
	struct session_summary summary;
	struct err e;
	int rc;

	(void)state;
	if (HAS_OWN_MALLOC)
		skip();
	for (int nth = 1; nth <= EACH_UP_TO; nth++) {
		count = 0;
		atomic_store(&countdown, nth);
		atomic_store(&is_armed, 1);
		rc = send_run(&cfg, &summary, &e);
		atomic_store(&is_armed, 0);
		if (count != 1)
			fail_msg("allocation %d failed: %d summaries", nth,
				 count);
		assert_true(rc == ERR_RESOURCE || rc == ERR_CONNECT);
		assert_int_equal(summary.code, rc);
	}
	assert_int_equal(rc, ERR_CONNECT);
}

static void plain_transfer_without_memory(void **state)
{
	run_mode(state, 0);
}

static void tls_transfer_without_memory(void **state)
{
	run_mode(state, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sender_without_memory_tells_its_end),
		cmocka_unit_test_setup_teardown(plain_transfer_without_memory,
						place_make, place_remove),
		cmocka_unit_test_setup_teardown(tls_transfer_without_memory,
						place_make, place_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
