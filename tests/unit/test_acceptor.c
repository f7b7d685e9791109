/*
 * Unit tests of session/acceptor: which streams a sender that listens gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net_fixture.h"

#include "base/buf.h"
#include "net/cidr.h"
#include "net/stream.h"
#include "os/cancel.h"
#include "session/acceptor.h"
#include "session/events.h"
#include "wire/msg.h"

enum { TRY_MS = 10, STEADY_MS = 300 };

static const struct cidr_list anywhere;

struct world {
	struct acceptor *acceptor;
	struct session_events events;
	uint16_t port;
	struct err e;
};

static void on_listening(void *ctx, const char *address, uint16_t port)
{
	struct world *w = ctx;

	assert_non_null(address);
	w->port = port;
}

static int world_make(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct acceptor_config cfg = {
		.net = { .family = AF_INET,
			 .timeout_ms = FIXTURE_TIMEOUT_MS },
		.mode = { .role = NET_LISTENS },
		.allow = &anywhere,
		.timeout_ms = FIXTURE_TIMEOUT_MS,
	};

	w->events.listening = on_listening;
	w->events.ctx = w;
	cfg.events = &w->events;
	w->acceptor = acceptor_new(&cfg, &w->e);
	*state = w;
	return w->acceptor ? acceptor_start(w->acceptor, &w->e) : -1;
}

static int world_remove(void **state)
{
	struct world *w = *state;

	acceptor_free(w->acceptor);
	free(w);
	return 0;
}

/* Connect, and say what for: FRAME_PING or FRAME_TIMEOUT. */
static int connect_from(struct world *w, const char *address,
			enum frame_type opening)
{
	struct net_options opt = loopback_options();
	const struct host_port hp = { .host = "127.0.0.1", .port = w->port };
	struct msg_timeout m = { .ms = 1000 };
	struct buf b;
	int fd;

	opt.bind = address;
	fd = dial_connect(&hp, &opt, NULL, NULL, &w->e);
	assert_true(fd >= 0);
	buf_init(&b, 64);
	if (opening == FRAME_TIMEOUT)
		msg_put_timeout(&b, &m);
	else
		frame_put(buf_extend(&b, FRAME_HEADER), opening, 0);
	frame_seal(b.data, b.len);
	assert_int_equal(send(fd, b.data, b.len, MSG_NOSIGNAL), b.len);
	buf_release(&b);
	return fd;
}

static int want_session(struct world *w, const char *address)
{
	return connect_from(w, address, FRAME_PING);
}

static int join_session(struct world *w, const char *address)
{
	return connect_from(w, address, FRAME_TIMEOUT);
}

/* Whether one is set aside in time; it takes the acceptor a moment. */
static int reserve(struct world *w, int wait_ms)
{
	const struct timespec ts = { .tv_nsec = TRY_MS * 1000000L };
	const uint64_t end_ms = clock_ms() + (uint64_t)wait_ms;

	while (!acceptor_reserve(w->acceptor)) {
		if (clock_left_ms(end_ms) == 0)
			return 0;
		nanosleep(&ts, NULL);
	}
	return 1;
}

static struct stream *first(struct world *w, const char *address)
{
	struct accepted got;

	assert_int_equal(acceptor_first(w->acceptor, 0, NULL, &got, &w->e), 0);
	assert_memory_equal(got.peer, address, strlen(address));
	return got.stream;
}

static void check_end(int fd)
{
	char byte;

	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
}

/* It is told why, then it ends. */
static void check_refused(int fd, const char *why)
{
	uint8_t p[512];
	struct frame f;
	struct msg_error m;
	ssize_t n = recv(fd, p, sizeof(p), MSG_WAITALL);

	assert_true(n > FRAME_HEADER);
	assert_int_equal(frame_get(&f, p, 1), 0);
	assert_int_equal(f.type, FRAME_ERROR);
	assert_int_equal(msg_get_error(&m, p + FRAME_HEADER, f.len), 0);
	assert_int_equal(m.text_len, strlen(why));
	assert_memory_equal(m.text, why, m.text_len);
	close(fd);
}

static const char busy[] = "the sender is sending to another receiver";

/* The stream of a reserved connection, or NULL. */
static struct stream *further(struct world *w)
{
	struct accepted got;

	return acceptor_further(w->acceptor, &got, &w->e) ? NULL : got.stream;
}

static void further_streams_are_those_of_the_first_peer(void **state)
{
	struct world *w = *state;
	int fd = want_session(w, "127.0.0.2"), more;
	struct stream *s = first(w, "127.0.0.2"), *t;

	assert_int_equal(acceptor_reserve(w->acceptor), 0);
	assert_null(further(w));
	assert_int_equal(w->e.code, ERR_CLOSED);
	check_end(join_session(w, "127.0.0.3"));
	assert_int_equal(acceptor_reserve(w->acceptor), 0);
	more = join_session(w, "127.0.0.2");
	assert_int_equal(reserve(w, FIXTURE_TIMEOUT_MS), 1);
	/* It was one, and is not set aside twice. */
	assert_int_equal(acceptor_reserve(w->acceptor), 0);
	t = further(w);
	assert_non_null(t);
	assert_int_equal(send(more, "x", 1, 0), 1);
	assert_int_equal(stream_wait(t, -1, FIXTURE_TIMEOUT_MS, &w->e),
			 STREAM_READABLE);
	stream_free(s);
	stream_free(t);
	close(fd);
	close(more);
}

/* A receiver that comes during a session is no stream of it, not even from the
 * same host. */
static void another_receiver_is_refused_with_a_reason(void **state)
{
	struct world *w = *state;
	int fd = want_session(w, "127.0.0.2"), other;
	struct stream *s;

	/* So that it is in the list by then, or nearly always. */
	assert_int_equal(reserve(w, STEADY_MS), 0);
	other = want_session(w, "127.0.0.3");
	assert_int_equal(reserve(w, STEADY_MS), 0);
	s = first(w, "127.0.0.2");
	check_refused(other, busy);
	check_refused(want_session(w, "127.0.0.3"), busy);
	check_refused(want_session(w, "127.0.0.2"), busy);
	assert_int_equal(acceptor_reserve(w->acceptor), 0);
	stream_free(s);
	close(fd);
}

/* What begins otherwise is not a receiver, and the wait goes on. */
static void others_are_no_receivers(void **state)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	struct world *w = *state;
	struct net_options opt = loopback_options();
	const struct host_port hp = { .host = "127.0.0.1", .port = w->port };
	int silent = dial_connect(&hp, &opt, NULL, NULL, &w->e);
	int http = dial_connect(&hp, &opt, NULL, NULL, &w->e);
	int fd;

	assert_true(silent >= 0 && http >= 0);
	assert_int_equal(send(http, request, sizeof(request) - 1, 0),
			 sizeof(request) - 1);
	check_refused(http, "this side uses another security mode");
	check_refused(connect_from(w, "127.0.0.2", FRAME_STREAM_END),
		      "both sides send: one of them has to run "
		      "'ferry receive'");
	/* For a session that there is not. */
	check_end(join_session(w, "127.0.0.2"));
	fd = want_session(w, "127.0.0.2");
	stream_free(first(w, "127.0.0.2"));
	close(fd);
	close(silent);
}

/* What was connected for a session is not handed to the next one, which may be
 * with another peer. */
static void a_new_session_gets_no_stream_of_the_old_one(void **state)
{
	struct world *w = *state;
	int fd = want_session(w, "127.0.0.2"), more, other;
	struct stream *s = first(w, "127.0.0.2");

	more = join_session(w, "127.0.0.2");
	assert_int_equal(reserve(w, FIXTURE_TIMEOUT_MS), 1);
	stream_free(s);
	close(fd);
	acceptor_restart(w->acceptor);
	check_end(more);
	other = want_session(w, "127.0.0.3");
	s = first(w, "127.0.0.3");
	more = join_session(w, "127.0.0.3");
	/* The old reservation is void: what is there now needs its own. */
	assert_null(further(w));
	assert_int_equal(reserve(w, FIXTURE_TIMEOUT_MS), 1);
	stream_free(further(w));
	check_end(more);
	stream_free(s);
	close(other);
}

static void the_wait_for_the_first_has_a_limit(void **state)
{
	struct world *w = *state;
	struct accepted got;

	assert_int_equal(acceptor_first(w->acceptor, clock_ms() + 20, NULL,
					&got, &w->e),
			 ERR_TIMEOUT);
}

static void *cancel_soon(void *arg)
{
	const struct timespec ts = { .tv_nsec = 50 * 1000000L };

	nanosleep(&ts, NULL);
	cancel_set(arg);
	return NULL;
}

static void the_wait_for_the_first_can_be_cancelled(void **state)
{
	struct world *w = *state;
	struct accepted got;
	struct cancel cancel;
	pthread_t thread;

	assert_int_equal(cancel_init(&cancel), 0);
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel),
			 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(acceptor_first(w->acceptor, 0, &cancel, &got,
						&w->e),
				 ERR_INTERRUPTED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	cancel_release(&cancel);
}

#define EACH(name)                                                             \
	cmocka_unit_test_setup_teardown(name, world_make, world_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(further_streams_are_those_of_the_first_peer),
		EACH(another_receiver_is_refused_with_a_reason),
		EACH(others_are_no_receivers),
		EACH(a_new_session_gets_no_stream_of_the_old_one),
		EACH(the_wait_for_the_first_can_be_cancelled),
		EACH(the_wait_for_the_first_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
