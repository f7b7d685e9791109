/*
 * Unit tests of session/admission: who is evicted, and what it sees of that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/resource.h>

#include "net_fixture.h"
#include "os_lacks.h"

#include "auth/secure.h"
#include "os/cancel.h"
#include "session/admission.h"

/* With eight places a source has a share of two. */
enum { MAX = 8, HELLO_BYTES = 48 };

struct guest {
	int fd[2]; /* ours is [1] */
	struct pending *pending;
};

struct world {
	struct admission *admission;
	struct secure_mode mode;
	uint64_t session; /* the source of a session; 0: there is none */
};

static int has_session(void *ctx, uint64_t source)
{
	const struct world *w = ctx;

	return w->session == source;
}

static int world_make(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct admission_config cfg = {
		.mode = &w->mode,
		.max = MAX,
		.has_session = has_session,
		.ctx = w,
	};

	w->mode.role = NET_LISTENS;
	w->admission = admission_new(&cfg);
	*state = w;
	return w->admission ? 0 : -1;
}

static int world_remove(void **state)
{
	struct world *w = *state;

	admission_free(w->admission);
	free(w);
	return 0;
}

/* From 10.0.0.host, over a connection of our own. */
static void enter(struct world *w, struct guest *g, uint8_t host)
{
	struct sockaddr_storage sa = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&sa;

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(0x0a000000u + host);
	tcp_pair(g->fd);
	g->pending = admission_enter(w->admission, g->fd[1], &sa);
	assert_non_null(g->pending);
}

static void leave(struct world *w, struct guest *g)
{
	admission_leave(w->admission, g->pending);
	admission_forget(w->admission, g->pending);
	close(g->fd[0]);
	close(g->fd[1]);
}

static int is_evicted(const struct guest *g)
{
	return cancel_is_set(admission_cancel(g->pending));
}

/* As much as a HELLO has, and it has arrived. */
static void speak(struct guest *g)
{
	const char hello[HELLO_BYTES] = { 0 };
	struct pollfd pfd = { .fd = g->fd[1], .events = POLLIN };

	assert_int_equal(send(g->fd[0], hello, sizeof(hello), 0),
			 sizeof(hello));
	assert_int_equal(poll(&pfd, 1, FIXTURE_TIMEOUT_MS), 1);
}

/* Whichever of them was evicted since, and is the only one; -1: none. */
static int evicted_of(const struct guest *g, int n)
{
	int found = -1;

	for (int i = 0; i < n; i++) {
		if (is_evicted(&g[i])) {
			assert_int_equal(found, -1);
			found = i;
		}
	}
	return found;
}

static void one_more_evicts_the_oldest_of_equals(void **state)
{
	struct world *w = *state;
	struct guest g[MAX + 1];

	for (uint8_t i = 0; i < MAX; i++)
		enter(w, &g[i], i);
	assert_int_equal(evicted_of(g, MAX), -1);
	enter(w, &g[MAX], MAX);
	assert_int_equal(evicted_of(g, MAX + 1), 0);
	/* It does not get in any more; others do. */
	assert_int_equal(admission_admit(w->admission, g[0].pending), -1);
	assert_int_equal(admission_admit(w->admission, g[1].pending), 0);
	for (int i = 0; i <= MAX; i++)
		leave(w, &g[i]);
}

static void a_source_beyond_its_share_is_evicted_first(void **state)
{
	struct world *w = *state;
	struct guest g[MAX + 1];

	for (uint8_t i = 0; i < MAX; i++)
		enter(w, &g[i], i < 4 ? i : 99);
	enter(w, &g[MAX], 100);
	/* 4 to 7 are of one source, and twice what it may have. */
	assert_int_equal(evicted_of(g, MAX + 1), 4);
	for (int i = 0; i <= MAX; i++)
		leave(w, &g[i]);
}

static void known_and_admitted_peers_stay(void **state)
{
	struct world *w = *state;
	struct guest g[MAX + 1];

	for (uint8_t i = 0; i < MAX; i++)
		enter(w, &g[i], i);
	w->session = admission_source(g[0].pending);
	assert_int_equal(admission_admit(w->admission, g[1].pending), 0);
	enter(w, &g[MAX], MAX);
	assert_int_equal(evicted_of(g, MAX + 1), 2);
	for (int i = 0; i <= MAX; i++)
		leave(w, &g[i]);
}

/* Those that have said something, and those that have not, each have half of
 * the places. */
static void neither_half_evicts_the_other(void **state)
{
	struct world *w = *state;
	struct guest g[MAX + 1];

	skip_without("figures of TCP");
	for (int spoken = 1; spoken < MAX; spoken++) {
		for (uint8_t i = 0; i < MAX; i++) {
			enter(w, &g[i], i);
			if (i < spoken)
				speak(&g[i]);
		}
		enter(w, &g[MAX], MAX);
		/* More than half have: one of them, else a silent one. */
		assert_int_equal(evicted_of(g, MAX + 1),
				 spoken > MAX / 2 ? 0 : spoken);
		for (int i = 0; i <= MAX; i++)
			leave(w, &g[i]);
	}
}

static void it_is_full_with_twice_as_many_threads(void **state)
{
	struct world *w = *state;
	struct guest g[2 * MAX];

	for (uint8_t i = 0; i < 2 * MAX; i++) {
		assert_int_equal(admission_is_full(w->admission), 0);
		enter(w, &g[i], i);
	}
	/* Half of them are evicted, and their threads are still there. */
	assert_int_equal(admission_is_full(w->admission), 1);
	for (int i = 0; i < MAX; i++)
		assert_true(is_evicted(&g[i]));
	leave(w, &g[0]);
	assert_int_equal(admission_is_full(w->admission), 0);
	admission_make_room(w->admission);
	assert_int_equal(evicted_of(g + MAX, MAX), 0);
	admission_close(w->admission);
	for (int i = 1; i < 2 * MAX; i++) {
		assert_true(is_evicted(&g[i]));
		leave(w, &g[i]);
	}
	/* One that was being connected meanwhile. */
	enter(w, &g[0], 0);
	assert_true(is_evicted(&g[0]));
	leave(w, &g[0]);
}

static uint64_t source_of(struct world *w, const char *address)
{
	struct sockaddr_storage sa = { .ss_family = AF_INET6 };
	struct sockaddr_in6 *in = (struct sockaddr_in6 *)&sa;
	struct guest g;
	uint64_t source;

	assert_int_equal(inet_pton(AF_INET6, address, &in->sin6_addr), 1);
	tcp_pair(g.fd);
	g.pending = admission_enter(w->admission, g.fd[1], &sa);
	assert_non_null(g.pending);
	source = admission_source(g.pending);
	leave(w, &g);
	return source;
}

/* A /64 network of IPv6 is one, and so is an IPv4 address, also where it comes
 * as one of IPv6. */
static void what_counts_as_one_source(void **state)
{
	struct world *w = *state;
	const uint64_t a = source_of(w, "2001:db8:0:1::1");
	struct guest g;

	assert_true(source_of(w, "2001:db8:0:1:f::") == a);
	assert_true(source_of(w, "2001:db8:0:2::1") != a);
	enter(w, &g, 1);
	assert_true(source_of(w, "::ffff:10.0.0.1") ==
		    admission_source(g.pending));
	assert_true(source_of(w, "::ffff:10.0.0.2") !=
		    admission_source(g.pending));
	leave(w, &g);
}

/* The thread of a connection waits for its socket and for its token.  Where no
 * descriptor was left for the token, the socket has to end the wait. */
static void eviction_wakes_a_wait_without_a_descriptor(void **state)
{
	struct world *w = *state;
	struct sockaddr_storage sa = { .ss_family = AF_INET };
	struct rlimit old;
	struct guest g, other;
	struct pollfd pfd = { .events = POLLIN };
	char byte;

	enter(w, &other, 1);
	tcp_pair(g.fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE,
				   &(struct rlimit){ 0, old.rlim_max }),
			 0);
	g.pending = admission_enter(w->admission, g.fd[1], &sa);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_non_null(g.pending);
	assert_int_equal(cancel_fd(admission_cancel(g.pending)), -1);
	admission_close(w->admission);
	assert_true(is_evicted(&g));
	pfd.fd = g.fd[1];
	assert_int_equal(poll(&pfd, 1, 0), 1);
	assert_int_equal(recv(g.fd[1], &byte, 1, 0), 0);
	/* With a descriptor the socket stays, for an answer to the peer. */
	pfd.fd = other.fd[1];
	assert_int_equal(poll(&pfd, 1, 0), 0);
	leave(w, &g);
	leave(w, &other);
}

#define EACH(name)                                                             \
	cmocka_unit_test_setup_teardown(name, world_make, world_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(one_more_evicts_the_oldest_of_equals),
		EACH(a_source_beyond_its_share_is_evicted_first),
		EACH(known_and_admitted_peers_stay),
		EACH(neither_half_evicts_the_other),
		EACH(it_is_full_with_twice_as_many_threads),
		EACH(what_counts_as_one_source),
		EACH(eviction_wakes_a_wait_without_a_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
