/*
 * Unit tests of auth/secure: what it prepares in its thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "net_fixture.h"

#include "auth/secure.h"

/* ---- OpenSSL's allocations, counted by thread ---- */

static _Thread_local int allocations;

static void *count_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	allocations++;
	return malloc(n);
}

static void *count_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	allocations++;
	return realloc(p, n);
}

static void plain_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

/* ---- the test ---- */

struct thread {
	int fd;
	int in_secure_open, in_error_state;
};

static void *open_main(void *arg)
{
	const struct secure_mode mode = { .role = NET_LISTENS };
	const struct stream_config cfg = { .timeout_ms = FIXTURE_TIMEOUT_MS };
	struct thread *t = arg;
	struct err e = { 0 };
	struct stream *s;

	s = secure_open(t->fd, &mode, &cfg, NULL, &e);
	t->in_secure_open = allocations;
	/* Needs the state and nothing else: ERR_raise() would copy texts. */
	(void)ERR_peek_error();
	t->in_error_state = allocations - t->in_secure_open;
	stream_free(s);
	return NULL;
}

/* From 3.6 on, libcrypto recurses without end where memory runs out at a
 * thread's first error. */
static void a_thread_has_its_error_state(void **state)
{
	struct thread t = { 0 };
	pthread_t thread;
	int fd[2];

	(void)state;
	tcp_pair(fd);
	t.fd = fd[1];
	assert_int_equal(pthread_create(&thread, NULL, open_main, &t), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(t.in_secure_open > 0);
	assert_int_equal(t.in_error_state, 0);
	close(fd[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_has_its_error_state),
	};

	if (!CRYPTO_set_mem_functions(count_malloc, count_realloc, plain_free))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
