/*
 * Sessions: who may begin and join one, how it ends, what is left of it for a
 * sender that comes back.
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

#include "receiver/sessions.h"

static struct sessions *sessions;

static int set_up(void **state)
{
	struct recv_lab *lab;

	if (lab_set_up(state))
		return -1;
	lab = *state;
	lab->hello.session[0] = 1;
	lab_connect(lab);
	sessions = sessions_new(&lab->setup);
	return sessions ? 0 : -1;
}

static int tear_down(void **state)
{
	struct recv_lab *lab = *state;

	sessions_free(sessions);
	/* its session is gone */
	lab->input.transfer = NULL;
	return lab_tear_down(state);
}

/* A session whose sender says that it is this one; NULL where it may not begin
 * (e). */
static struct recv_session *begin(struct recv_lab *lab, uint8_t id,
				  struct err *e)
{
	/* Each is another sender, but where ids are 0xf0 and above. */
	const uint8_t owner[STREAM_PEER] = { id < 0xf0 ? id : 0xf0 };
	struct recv_session *s;

	err_clear(e);
	lab->hello.session[0] = id;
	if (sessions_may_begin(sessions, lab->hello.session, owner, e))
		return NULL;
	s = lab_session(lab, e);
	assert_non_null(s);
	memcpy(s->owner, owner, sizeof(owner));
	if (sessions_begin(sessions, s, lab->channel.stream, e) == 0)
		return s;
	recv_session_free(s);
	return NULL;
}

static struct recv_session *must_begin(struct recv_lab *lab, uint8_t id)
{
	struct err e;
	struct recv_session *s = begin(lab, id, &e);

	assert_non_null(s);
	return s;
}

static void finish(struct recv_session *s)
{
	struct msg_finish m = { 0 };
	struct totals t;
	struct err e;

	results_get_totals(s->transfer.results, &t);
	m.files = t.committed + t.unchanged;
	m.bytes = t.bytes;
	memcpy(m.sum, t.sum, sizeof(m.sum));
	assert_int_equal(recv_session_finish(s, &m, &e), 0);
}

/* The committer wakes the first stream when it is through. */
static void wait_until_finished(struct recv_session *s)
{
	struct pollfd fd = { .fd = results_wake_fd(s->transfer.results, 1),
			     .events = POLLIN };

	while (!recv_session_has_finished(s)) {
		assert_int_equal(poll(&fd, 1, FIXTURE_TIMEOUT_MS), 1);
		results_clear_wake(s->transfer.results, 1);
	}
}

static void a_good_end(void **state)
{
	struct recv_lab *lab = *state;
	struct recv_session *s = must_begin(lab, 1);

	assert_int_equal(s->number, 1);
	finish(s);
	wait_until_finished(s);
	recv_session_set_summed(s);
	sessions_leave(sessions, s, 0);
	assert_int_equal(lab->summaries, 1);
	assert_int_equal(lab->summary_code, 0);
	assert_int_equal(lab->summary.files, 0);
	/* numbers go on */
	s = must_begin(lab, 2);
	assert_int_equal(s->number, 2);
	sessions_leave(sessions, s, 0);
	assert_int_equal(lab->summary_code, ERR_LOST);
}

static void a_sum_that_differs(void **state)
{
	struct recv_lab *lab = *state;
	struct recv_session *s = must_begin(lab, 1);
	const struct msg_finish m = { .files = 1 };
	struct err e;

	assert_int_equal(recv_session_finish(s, &m, &e), ERR_CORRUPT);
	assert_false(recv_session_is_ending(s));
	recv_session_fail(s, &e);
	assert_true(recv_session_is_ending(s));
	sessions_leave(sessions, s, 0);
	assert_int_equal(lab->summary_code, ERR_CORRUPT);
}

static void finishing_too_early(void **state)
{
	struct recv_lab *lab = *state;
	const struct lab_content c = { "a", 5 };
	const struct msg_finish m = { 0 };
	struct msg_state ms;
	struct err e;

	lab->session = must_begin(lab, 1);
	lab_make_worker(lab);
	assert_int_equal(lab_open_file(lab, 1, "f", &c, &ms), STATE_SEND);
	assert_int_equal(recv_session_finish(lab->session, &m, &e),
			 ERR_PROTOCOL);
	sessions_leave(sessions, lab->session, 0);
	lab->session = NULL;
	assert_int_equal(lab_names(lab), 0);
}

/* ---- further streams ---- */

static void joining(void **state)
{
	struct recv_lab *lab = *state;
	struct recv_session *s = must_begin(lab, 1);
	struct stream *stream = lab->channel.stream;
	uint8_t token[WIRE_TOKEN_LEN];
	int is_late = 9;

	memcpy(token, s->token, sizeof(token));
	assert_ptr_equal(sessions_join(sessions, token, 1, stream, &is_late),
			 s);
	assert_false(is_late);
	/* a place that is taken, and one that there is not */
	assert_null(sessions_join(sessions, token, 1, stream, &is_late));
	assert_null(sessions_join(sessions, token, 0, stream, &is_late));
	assert_false(is_late);
	/* a token that differs in its last bit */
	token[WIRE_TOKEN_LEN - 1] ^= 1;
	assert_null(sessions_join(sessions, token, 2, stream, &is_late));
	assert_false(is_late);
	token[WIRE_TOKEN_LEN - 1] ^= 1;
	/* A place is free again when its stream left. */
	sessions_leave(sessions, s, 1);
	assert_int_equal(lab->summaries, 0);
	assert_ptr_equal(sessions_join(sessions, token, 1, stream, &is_late),
			 s);
	/* FINISH came: late */
	finish(s);
	assert_null(sessions_join(sessions, token, 2, stream, &is_late));
	assert_true(is_late);
	sessions_leave(sessions, s, 1);
	sessions_leave(sessions, s, 0);
	assert_int_equal(lab->summaries, 1);
	/* so is who comes when it is gone */
	is_late = 0;
	assert_null(sessions_join(sessions, token, 2, stream, &is_late));
	assert_true(is_late);
}

static void no_more_streams_than_the_share(void **state)
{
	struct recv_lab *lab = *state;
	struct recv_session *s = must_begin(lab, 1);
	struct stream *stream = lab->channel.stream;
	int is_late;

	s->share.streams = 2;
	assert_null(sessions_join(sessions, s->token, 2, stream, &is_late));
	assert_non_null(sessions_join(sessions, s->token, 1, stream,
				      &is_late));
	sessions_leave(sessions, s, 1);
	sessions_leave(sessions, s, 0);
}

/* Only the last session's tokens are known as former ones. */
static void former_sessions_are_few(void **state)
{
	enum { FORMER_MAX = 16 };
	struct recv_lab *lab = *state;
	uint8_t token[FORMER_MAX + 1][WIRE_TOKEN_LEN];
	int is_late;

	for (unsigned i = 0; i <= FORMER_MAX; i++) {
		struct recv_session *s = must_begin(lab, 1);

		memcpy(token[i], s->token, WIRE_TOKEN_LEN);
		sessions_leave(sessions, s, 0);
	}
	for (unsigned i = 0; i <= FORMER_MAX; i++) {
		assert_null(sessions_join(sessions, token[i], 1,
					  lab->channel.stream, &is_late));
		assert_int_equal(is_late, i > 0);
	}
}

/* The committer is told when the first stream is the only one. */
static void the_others_end_before_the_committer(void **state)
{
	struct recv_lab *lab = *state;
	struct recv_session *s = must_begin(lab, 1);
	int is_late;

	assert_non_null(sessions_join(sessions, s->token, 1,
				      lab->channel.stream, &is_late));
	finish(s);
	assert_int_equal(s->state, RECV_FINISHING);
	assert_true(atomic_load(&s->transfer.end_by_ms) > clock_ms());
	sessions_leave(sessions, s, 1);
	wait_until_finished(s);
	sessions_leave(sessions, s, 0);
	/* Without SUMMARY it is no success. */
	assert_int_equal(lab->summary_code, ERR_LOST);
}

/* ---- how many ---- */

static void too_many_sessions(void **state)
{
	struct recv_lab *lab = *state;
	struct recv_session *a = must_begin(lab, 1), *b = must_begin(lab, 2);
	struct err e;

	assert_null(begin(lab, 3, &e));
	assert_int_equal(e.code, ERR_RESOURCE);
	sessions_leave(sessions, a, 0);
	a = must_begin(lab, 3);
	sessions_leave(sessions, a, 0);
	sessions_leave(sessions, b, 0);
}

static void one_sender_leaves_room_for_others(void **state)
{
	struct recv_lab *lab = *state;
	struct recv_session *s[4];
	struct err e = { 0 };

	lab->cfg.max_sessions = 4;
	for (int i = 0; i < 3; i++)
		s[i] = must_begin(lab, (uint8_t)(0xf0 + i));
	assert_null(begin(lab, 0xf3, &e));
	assert_int_equal(e.code, ERR_RESOURCE);
	assert_non_null(strstr(e.text, "of this sender"));
	s[3] = must_begin(lab, 1);
	for (int i = 0; i < 4; i++)
		sessions_leave(sessions, s[i], 0);
}

/* Two that wait for what a session takes: the second is refused at the end. */
static void two_that_begin_at_once(void **state)
{
	struct recv_lab *lab = *state;
	struct recv_session *a, *b;
	struct err e;

	lab->cfg.once = 1;
	a = lab_session(lab, &e);
	b = lab_session(lab, &e);
	assert_true(a && b);
	assert_int_equal(sessions_begin(sessions, a, lab->channel.stream, &e),
			 0);
	assert_int_equal(sessions_begin(sessions, b, lab->channel.stream, &e),
			 ERR_RESOURCE);
	recv_session_free(b);
	sessions_leave(sessions, a, 0);
}

static void sources_of_sessions(void **state)
{
	struct recv_lab *lab = *state;
	struct recv_session *s = must_begin(lab, 1);

	assert_true(sessions_has_source(sessions, 1));
	assert_false(sessions_has_source(sessions, 2));
	sessions_leave(sessions, s, 0);
	assert_false(sessions_has_source(sessions, 1));
}

static void stopping_ends_all_waits(void **state)
{
	struct recv_lab *lab = *state;
	struct recv_session *s = must_begin(lab, 1);
	struct err e;

	sessions_stop(sessions);
	assert_true(stream_wait(lab->channel.stream, -1, -1, &e) < 0);
	/* One that is about to be freed is left alone. */
	recv_session_forget_stream(s, 0);
	sessions_stop(sessions);
	sessions_leave(sessions, s, 0);
}

/* ---- one session (--once), and its sender that comes back ---- */

static void once_ends_with_its_session(void **state)
{
	struct recv_lab *lab = *state;
	struct recv_session *s;
	struct err e;
	int left_ms;

	lab->cfg.once = 1;
	s = must_begin(lab, 1);
	assert_false(sessions_have_ended(sessions, &left_ms));
	assert_int_equal(left_ms, -1);
	assert_null(begin(lab, 2, &e));
	sessions_leave(sessions, s, 0);
	assert_true(sessions_have_ended(sessions, &left_ms));
	sessions_get_result(sessions, &e);
	assert_int_equal(e.code, ERR_LOST);
	assert_null(begin(lab, 2, &e));
}

static void a_lost_sender_comes_back(void **state)
{
	struct recv_lab *lab = *state;
	struct err e;
	int left_ms;

	lab->cfg.once = 1;
	lab->hello.flags = HELLO_RETRY;
	lab->session = must_begin(lab, 1);
	lab_make_worker(lab);
	assert_int_equal(lab_take_file(lab, 1, "a", "alpha", &e), 0);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	sessions_leave(sessions, lab->session, 0);
	/* No summary yet: it may come back, and nobody else comes in
	 * between. */
	assert_int_equal(lab->summaries, 0);
	assert_int_equal(lab->messages, 1);
	assert_false(sessions_have_ended(sessions, &left_ms));
	assert_true(left_ms > 0);
	assert_null(begin(lab, 2, &e));
	lab->session = must_begin(lab, 1);
	assert_int_equal(lab->session->number, 1);
	assert_false(sessions_have_ended(sessions, &left_ms));
	assert_int_equal(left_ms, -1);
	dirs_free(lab->worker.dirs);
	lab_make_worker(lab);
	assert_int_equal(lab_take_file(lab, 1, "b", "beta", &e), 0);
	lab_expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	finish(lab->session);
	wait_until_finished(lab->session);
	recv_session_set_summed(lab->session);
	sessions_leave(sessions, lab->session, 0);
	lab->session = NULL;
	assert_int_equal(lab->summaries, 1);
	assert_int_equal(lab->summary_code, 0);
	/* both sessions' */
	assert_int_equal(lab->summary.files, 2);
	assert_int_equal(lab->summary.bytes, 9);
	assert_true(sessions_have_ended(sessions, &left_ms));
}

static void a_lost_sender_stays_away(void **state)
{
	struct recv_lab *lab = *state;
	struct err e;
	int left_ms;

	lab->cfg.once = 1;
	lab->cfg.timeout_ms = 0;
	lab->hello.flags = HELLO_RETRY;
	sessions_leave(sessions, must_begin(lab, 1), 0);
	assert_true(sessions_have_ended(sessions, &left_ms));
	assert_int_equal(lab->summaries, 1);
	assert_int_equal(lab->summary_code, ERR_LOST);
	sessions_get_result(sessions, &e);
	assert_int_equal(e.code, ERR_LOST);
}

/* One that failed for another reason is not waited for, nor when the receiver
 * stops. */
static void senders_that_will_not_come_back(void **state)
{
	struct recv_lab *lab = *state;
	struct recv_session *s;
	struct err e;

	lab->hello.flags = HELLO_RETRY;
	s = must_begin(lab, 1);
	assert_true(recv_session_may_return(s));
	cancel_set(&lab->setup.stop);
	assert_false(recv_session_may_return(s));
	cancel_reset(&lab->setup.stop);
	err_set(&e, ERR_LOST, "lost");
	recv_session_fail(s, &e);
	assert_true(recv_session_may_return(s));
	err_set(&e, ERR_LOCAL, "disk");
	recv_session_fail(s, &e);
	assert_false(recv_session_may_return(s));
	/* The more telling error stays. */
	err_set(&e, ERR_LOST, "lost");
	recv_session_fail(s, &e);
	sessions_leave(sessions, s, 0);
	assert_int_equal(lab->summary_code, ERR_LOCAL);
}

static void *end_former(void *arg)
{
	const struct recv_lab *lab = arg;

	sessions_end_former(sessions, lab->hello.session);
	return NULL;
}

/* Its sender is back, and its streams have not noticed that it was lost. */
static void a_former_session_is_ended(void **state)
{
	struct recv_lab *lab = *state;
	struct recv_session *other = must_begin(lab, 2);
	struct recv_session *s = must_begin(lab, 1);
	struct pollfd fd = { .fd = results_wake_fd(s->transfer.results, 1),
			     .events = POLLIN };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, end_former, lab), 0);
	assert_int_equal(poll(&fd, 1, FIXTURE_TIMEOUT_MS), 1);
	assert_true(atomic_load(&s->transfer.is_over));
	assert_false(atomic_load(&other->transfer.is_over));
	sessions_leave(sessions, s, 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(lab->summaries, 1);
	sessions_leave(sessions, other, 0);
	/* Where there is none, nobody is waited for. */
	sessions_end_former(sessions, lab->hello.session);
}

/* ---- what a session comes to ---- */

static void the_summary_counts_failures(void **state)
{
	struct recv_lab *lab = *state;
	struct err e;

	put_file(lab->dir, "a", "old");
	lab->session = must_begin(lab, 1);
	lab_make_worker(lab);
	assert_int_equal(lab_take_file(lab, 1, "a", "new", &e), 0);
	lab_expect(lab, 1, 1, STATUS_FAILED, CAUSE_EXISTS);
	assert_int_equal(lab_take_file(lab, 2, "b", "beta", &e), 0);
	lab_expect(lab, 2, 1, STATUS_COMMITTED, CAUSE_NONE);
	finish(lab->session);
	wait_until_finished(lab->session);
	recv_session_set_summed(lab->session);
	sessions_leave(sessions, lab->session, 0);
	lab->session = NULL;
	assert_int_equal(lab->summary_code, ERR_SOME_FAILED);
	assert_int_equal(lab->summary.failed, 1);
	assert_int_equal(lab->summary.files, 1);
}

static void a_code_that_is_used_up(void **state)
{
	struct err e = { 0 };
	int left_ms;

	(void)state;
	err_set(&e, ERR_AUTH, "wrong code");
	sessions_set_result(sessions, &e);
	assert_true(sessions_have_ended(sessions, &left_ms));
	err_clear(&e);
	sessions_get_result(sessions, &e);
	assert_int_equal(e.code, ERR_AUTH);
}

#define sessions_test(name) \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		sessions_test(a_good_end),
		sessions_test(a_sum_that_differs),
		sessions_test(finishing_too_early),
		sessions_test(joining),
		sessions_test(no_more_streams_than_the_share),
		sessions_test(former_sessions_are_few),
		sessions_test(the_others_end_before_the_committer),
		sessions_test(too_many_sessions),
		sessions_test(one_sender_leaves_room_for_others),
		sessions_test(two_that_begin_at_once),
		sessions_test(sources_of_sessions),
		sessions_test(stopping_ends_all_waits),
		sessions_test(once_ends_with_its_session),
		sessions_test(a_lost_sender_comes_back),
		sessions_test(a_lost_sender_stays_away),
		sessions_test(senders_that_will_not_come_back),
		sessions_test(a_former_session_is_ended),
		sessions_test(the_summary_counts_failures),
		sessions_test(a_code_that_is_used_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
