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
#include "chunk/same.h"

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

static void *prepare_main(void *arg)
{
	int *in_error_state = arg;
	const int before = allocations;
	struct err e = { 0 };
	int prepared, in_preparing;

	prepared = secure_prepare_thread(&e) == 0;
	in_preparing = allocations - before;
	/* Needs the state and nothing else: ERR_raise() would copy texts. */
	(void)ERR_peek_error();
	*in_error_state = prepared && in_preparing > 0 ?
				  allocations - before - in_preparing :
				  -1;
	return NULL;
}

/* From 3.6 on, libcrypto recurses without end where memory runs out at a
 * thread's first error. */
static void a_thread_has_its_error_state(void **state)
{
	int in_error_state = -1;
	pthread_t thread;

	(void)state;
	assert_int_equal(
		pthread_create(&thread, NULL, prepare_main, &in_error_state),
		0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(in_error_state, 0);
}

static void *digest_main(void *arg)
{
	int *in_error_state = arg;
	struct same same = { 0 };

	if (same_begin(&same) == 0) {
		const int before = allocations;

		(void)ERR_peek_error();
		*in_error_state = allocations - before;
	}
	same_release(&same);
	return NULL;
}

/* A session without TLS still uses OpenSSL for SHA-256. */
static void so_has_one_that_makes_digests(void **state)
{
	int in_error_state = -1;
	pthread_t thread;

	(void)state;
	assert_int_equal(
		pthread_create(&thread, NULL, digest_main, &in_error_state), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(in_error_state, 0);
}

/* The first use of libcrypto takes longer than all else of sending a small
 * file, so this runs before the other tests. */
static void plain_does_not_start_openssl(void **state)
{
	const struct secure_mode mode = { .role = NET_LISTENS };
	const struct stream_config cfg = { .timeout_ms = FIXTURE_TIMEOUT_MS };
	struct err e = { 0 };
	struct stream *s;
	int fd[2];

	(void)state;
	tcp_pair(fd);
	s = secure_open(fd[1], &mode, &cfg, NULL, &e);
	assert_non_null(s);
	assert_int_equal(allocations, 0);
	stream_free(s);
	close(fd[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_does_not_start_openssl),
		cmocka_unit_test(a_thread_has_its_error_state),
		cmocka_unit_test(so_has_one_that_makes_digests),
	};

	if (!CRYPTO_set_mem_functions(count_malloc, count_realloc, plain_free))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
