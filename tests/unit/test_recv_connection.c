/*
 * Connections with their threads: from the first byte to READY, and to SUMMARY.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recv_fixture.h"

#include "receiver/connection.h"
#include "receiver/sessions.h"
#include "session/admission.h"

enum { PEERS = 4 };

struct lab {
	struct recv_lab *recv; /* settings and events; no session of its own */
	struct sessions *sessions;
	struct admission *admission;
	struct recv_connection_set *set;
	int peer[PEERS];
	unsigned count;
	struct buf body; /* of the reply that came last */
	struct msg_ready ready;
};

static int has_session(void *ctx, uint64_t source)
{
	return sessions_has_source(ctx, source);
}

static int set_up(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	void *recv;

	assert_non_null(lab);
	if (lab_set_up(&recv))
		return -1;
	lab->recv = recv;
	assert_int_equal(rate_limit_init(&lab->recv->setup.rate_limit, 0), 0);
	lab->recv->hello = (struct msg_hello){
		.version = WIRE_VERSION,
		.digest = digest_xxh3.id,
		.streams = 2,
		.session = { 1 },
	};
	lab->sessions = sessions_new(&lab->recv->setup);
	lab->admission = admission_new(&(struct admission_config){
		.mode = &lab->recv->setup.mode,
		.max = 8,
		.has_session = has_session,
		.ctx = lab->sessions,
	});
	lab->set = recv_connection_set_new(&lab->recv->setup, lab->admission,
					   lab->sessions);
	assert_true(lab->sessions && lab->admission && lab->set);
	buf_init(&lab->body, 1 << 20);
	*state = lab;
	return 0;
}

/* Wait until all threads are through. */
static void reap(struct lab *lab)
{
	struct pollfd fd = { .fd = recv_connection_wake_fd(lab->set),
			     .events = POLLIN };

	for (unsigned i = 0; i < lab->count; i++)
		io_close(&lab->peer[i]);
	while (recv_connection_reap(lab->set) > 0) {
		assert_int_equal(poll(&fd, 1, FIXTURE_TIMEOUT_MS), 1);
		recv_connection_clear_wake(lab->set);
	}
}

static int tear_down(void **state)
{
	struct lab *lab = *state;
	void *recv = lab->recv;

	reap(lab);
	recv_connection_set_free(lab->set);
	admission_free(lab->admission);
	sessions_free(lab->sessions);
	rate_limit_release(&lab->recv->setup.rate_limit);
	buf_release(&lab->body);
	free(lab);
	return lab_tear_down(&recv);
}

/* ---- the sender ---- */

/* A connection; returns which. */
static unsigned connect_one(struct lab *lab)
{
	struct sockaddr_storage sa = { .ss_family = AF_INET };
	int fd[2];

	assert_true(lab->count < PEERS);
	tcp_pair(fd);
	recv_connection_start(lab->set, fd[1], "peer", &sa);
	lab->peer[lab->count] = fd[0];
	return lab->count++;
}

static void say(struct lab *lab, unsigned n, struct buf *b)
{
	assert_false(b->failed);
	frame_seal(b->data, b->len);
	assert_int_equal(send(lab->peer[n], b->data, b->len, MSG_NOSIGNAL),
			 b->len);
	buf_release(b);
}

/* The next frame but PING and TIMEOUT, its body in lab->body; 0: the end. */
static int hear(struct lab *lab, unsigned n)
{
	uint8_t head[FRAME_HEADER], *p;
	struct frame f;

	do {
		ssize_t got = recv(lab->peer[n], head, sizeof(head),
				   MSG_WAITALL);

		if (got <= 0)
			return 0;
		assert_int_equal(got, sizeof(head));
		assert_int_equal(frame_get(&f, head, 0), 0);
		buf_reset(&lab->body);
		p = buf_extend(&lab->body, f.len);
		if (f.len > 0)
			assert_int_equal(recv(lab->peer[n], p, f.len,
					      MSG_WAITALL),
					 f.len);
	} while (f.type == FRAME_PING || f.type == FRAME_BUSY ||
		 f.type == FRAME_TIMEOUT || f.type == FRAME_PROGRESS);
	return f.type;
}

static void say_hello(struct lab *lab, unsigned n)
{
	struct buf b;

	buf_init(&b, 256);
	msg_put_hello(&b, &lab->recv->hello);
	say(lab, n, &b);
}

static void expect_ready(struct lab *lab, unsigned n)
{
	assert_int_equal(hear(lab, n), FRAME_READY);
	assert_int_equal(msg_get_ready(&lab->ready, lab->body.data,
				       lab->body.len),
			 0);
}

/* Which of the first two connections has something to read. */
static unsigned whoever_is_told(struct lab *lab)
{
	struct pollfd fds[2] = { { .fd = lab->peer[0], .events = POLLIN },
				 { .fd = lab->peer[1], .events = POLLIN } };

	assert_true(poll(fds, 2, FIXTURE_TIMEOUT_MS) > 0);
	return fds[0].revents ? 0 : 1;
}

/* ERROR, and the connection ends. */
static void expect_error(struct lab *lab, unsigned n, enum wire_error code)
{
	struct msg_error m;

	assert_int_equal(hear(lab, n), FRAME_ERROR);
	assert_int_equal(msg_get_error(&m, lab->body.data, lab->body.len), 0);
	assert_int_equal(m.code, code);
	assert_int_equal(hear(lab, n), 0);
}

static unsigned begin(struct lab *lab)
{
	const unsigned n = connect_one(lab);

	say_hello(lab, n);
	expect_ready(lab, n);
	return n;
}

static void say_join(struct lab *lab, unsigned n, uint16_t index)
{
	struct msg_join m = { .version = WIRE_VERSION, .index = index };
	struct buf b;

	memcpy(m.token, lab->ready.token, sizeof(m.token));
	buf_init(&b, 256);
	msg_put_join(&b, &m);
	say(lab, n, &b);
}

static void say_finish(struct lab *lab, unsigned n)
{
	const struct msg_finish m = { 0 };
	struct buf b;

	buf_init(&b, 256);
	msg_put_finish(&b, &m);
	say(lab, n, &b);
}

static void say_end(struct lab *lab, unsigned n)
{
	struct buf b;

	buf_init(&b, 256);
	msg_put_stream_end(&b);
	say(lab, n, &b);
}

/* ---- sessions ---- */

static void an_empty_session(void **state)
{
	struct lab *lab = *state;
	const unsigned n = begin(lab);
	struct msg_summary m;

	assert_int_equal(lab->ready.version, WIRE_VERSION);
	assert_true(lab->ready.streams >= 1 && lab->ready.open_files >= 1);
	say_finish(lab, n);
	assert_int_equal(hear(lab, n), FRAME_SUMMARY);
	assert_int_equal(msg_get_summary(&m, lab->body.data, lab->body.len),
			 0);
	assert_int_equal(m.files, 0);
	assert_int_equal(hear(lab, n), 0);
	reap(lab);
	assert_int_equal(lab->recv->summaries, 1);
	assert_int_equal(lab->recv->summary_code, 0);
	assert_true(lab->recv->summary.wire_bytes > 0);
}

/* Verdicts come before SUMMARY, and it comes when the other streams have
 * ended. */
static void a_session_of_two_streams(void **state)
{
	struct lab *lab = *state;
	const unsigned first = begin(lab), second = connect_one(lab);
	struct msg_verdict v;
	struct pack_item row = pack_item(ITEM_DIR, "d");
	struct msg_pack m = { .first_id = 1, .count = 1 };
	struct buf b, table;

	say_join(lab, second, 1);
	expect_ready(lab, second);
	buf_init(&table, 256);
	pack_put_item(&table, &row, &(struct pack_form){
					    digest_xxh3.size, FILE_META_BASIC });
	m.table_len = m.raw_len = (uint32_t)table.len;
	digest_xxh3.sum(table.data, table.len, m.digest);
	buf_init(&b, 1024);
	msg_put_pack(&b, &m, digest_xxh3.size, m.raw_len);
	frame_seal(b.data, b.len);
	buf_put(&b, table.data, table.len);
	assert_int_equal(send(lab->peer[second], b.data, b.len, MSG_NOSIGNAL),
			 b.len);
	buf_release(&b);
	buf_release(&table);
	/* by whichever stream is the first to look */
	assert_int_equal(hear(lab, whoever_is_told(lab)), FRAME_VERDICT);
	assert_int_equal(msg_get_verdict(&v, lab->body.data, lab->body.len),
			 0);
	assert_int_equal(v.status, STATUS_COMMITTED);
	say_finish(lab, first);
	say_end(lab, second);
	assert_int_equal(hear(lab, first), FRAME_SUMMARY);
	reap(lab);
	assert_int_equal(lab->recv->summaries, 1);
	assert_int_equal(lab->recv->summary_code, 0);
}

static void frames_after_the_end(void **state)
{
	struct lab *lab = *state;
	const unsigned n = begin(lab);
	struct buf b;

	say_finish(lab, n);
	buf_init(&b, 256);
	msg_put_flush(&b);
	say(lab, n, &b);
	/* Whether SUMMARY went out before it was read is a matter of time. */
	while (hear(lab, n) != 0)
		;
	reap(lab);
	assert_int_equal(lab->recv->summaries, 1);
}

/* ---- what is refused before a session ---- */

static void another_version(void **state)
{
	struct lab *lab = *state;
	const unsigned n = connect_one(lab);

	lab->recv->hello.version = WIRE_VERSION + 1;
	say_hello(lab, n);
	expect_error(lab, n, WERR_VERSION);
	reap(lab);
	assert_int_equal(lab->recv->summaries, 0);
	assert_int_equal(lab->recv->messages, 1);
	assert_non_null(strstr(lab->recv->message, "no session"));
}

static void another_checksum(void **state)
{
	struct lab *lab = *state;
	const unsigned n = connect_one(lab);

	lab->recv->hello.digest = 99;
	say_hello(lab, n);
	expect_error(lab, n, WERR_PROTOCOL);
	reap(lab);
	assert_non_null(strstr(lab->recv->message, "checksum 99 is not known"));
	assert_non_null(strstr(lab->recv->message, "--checksum xxh3"));
}

static void no_ferry_at_all(void **state)
{
	struct lab *lab = *state;
	const unsigned n = connect_one(lab), flush = connect_one(lab);
	struct buf b;

	buf_init(&b, 256);
	buf_put(&b, "GET / HTTP/1.0\r\n\r\n", 18);
	assert_int_equal(send(lab->peer[n], b.data, b.len, 0), b.len);
	buf_release(&b);
	expect_error(lab, n, WERR_PROTOCOL);
	/* a frame of ours that begins no session */
	buf_init(&b, 256);
	msg_put_flush(&b);
	say(lab, flush, &b);
	expect_error(lab, flush, WERR_PROTOCOL);
}

static void one_that_says_nothing(void **state)
{
	struct lab *lab = *state;

	connect_one(lab);
	reap(lab);
	assert_int_equal(lab->recv->summaries, 0);
	assert_non_null(strstr(lab->recv->message, "no session"));
}

static void many_files_to_standard_output(void **state)
{
	struct lab *lab = *state;
	unsigned n;

	lab->recv->cfg.to_stdout = 1;
	lab->recv->cfg.stdout_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	io_close(&lab->recv->sender->root_fd);
	n = connect_one(lab);
	say_hello(lab, n);
	expect_error(lab, n, WERR_LOCAL);
	lab->recv->hello.flags = HELLO_SINGLE;
	n = begin(lab);
	say_finish(lab, n);
	assert_int_equal(hear(lab, n), FRAME_SUMMARY);
	reap(lab);
	close(lab->recv->cfg.stdout_fd);
}

static void a_busy_receiver(void **state)
{
	struct lab *lab = *state;
	unsigned n;

	lab->recv->cfg.max_sessions = 1;
	begin(lab);
	n = connect_one(lab);
	lab->recv->hello.session[0]++;
	say_hello(lab, n);
	expect_error(lab, n, WERR_BUSY);
}

static void a_token_of_no_session(void **state)
{
	struct lab *lab = *state;
	const unsigned first = begin(lab), second = connect_one(lab);

	lab->ready.token[0] ^= 1;
	say_join(lab, second, 1);
	expect_error(lab, second, WERR_TOKEN);
	/* The session goes on. */
	say_finish(lab, first);
	assert_int_equal(hear(lab, first), FRAME_SUMMARY);
	reap(lab);
	assert_int_equal(lab->recv->summary_code, 0);
}

/* ---- bad ends ---- */

/* The session ends with its text, which tells nothing of ours. */
static void a_broken_protocol(void **state)
{
	struct lab *lab = *state;
	const unsigned n = begin(lab);
	struct msg_error m;

	say_end(lab, n);
	assert_int_equal(hear(lab, n), FRAME_ERROR);
	assert_int_equal(msg_get_error(&m, lab->body.data, lab->body.len), 0);
	assert_int_equal(m.code, WERR_PROTOCOL);
	reap(lab);
	assert_int_equal(lab->recv->summaries, 1);
	assert_int_equal(lab->recv->summary_code, ERR_PROTOCOL);
}

static void a_lost_sender(void **state)
{
	struct lab *lab = *state;

	begin(lab);
	reap(lab);
	assert_int_equal(lab->recv->summaries, 1);
	assert_int_equal(lab->recv->summary_code, ERR_LOST);
}

/* One stream fails, and the others end with it. */
static void one_stream_ends_the_others(void **state)
{
	struct lab *lab = *state;
	const unsigned first = begin(lab), second = connect_one(lab);

	say_join(lab, second, 1);
	expect_ready(lab, second);
	say_hello(lab, second); /* out of turn */
	assert_int_equal(hear(lab, second), FRAME_ERROR);
	io_close(&lab->peer[second]);
	while (hear(lab, first) != 0)
		;
	reap(lab);
	assert_int_equal(lab->recv->summary_code, ERR_PROTOCOL);
}

/* With the same session id it takes the place of the one that was lost, which
 * has not noticed. */
static void a_sender_that_comes_back(void **state)
{
	struct lab *lab = *state;
	unsigned n;

	lab->recv->cfg.once = 1;
	lab->recv->hello.flags = HELLO_RETRY;
	begin(lab);
	n = begin(lab);
	say_finish(lab, n);
	assert_int_equal(hear(lab, n), FRAME_SUMMARY);
	reap(lab);
	assert_int_equal(lab->recv->summaries, 1);
	assert_int_equal(lab->recv->summary_code, 0);
}

static void stopping(void **state)
{
	struct lab *lab = *state;
	const unsigned n = begin(lab);

	cancel_set(&lab->recv->setup.stop);
	sessions_stop(lab->sessions);
	while (hear(lab, n) != 0)
		;
	reap(lab);
	assert_int_equal(lab->recv->summary_code, ERR_INTERRUPTED);
}

#define connection_test(name) \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		connection_test(an_empty_session),
		connection_test(a_session_of_two_streams),
		connection_test(frames_after_the_end),
		connection_test(another_version),
		connection_test(another_checksum),
		connection_test(no_ferry_at_all),
		connection_test(one_that_says_nothing),
		connection_test(many_files_to_standard_output),
		connection_test(a_busy_receiver),
		connection_test(a_token_of_no_session),
		connection_test(a_broken_protocol),
		connection_test(a_lost_sender),
		connection_test(one_stream_ends_the_others),
		connection_test(a_sender_that_comes_back),
		connection_test(stopping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
