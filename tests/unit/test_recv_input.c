/*
 * Bodies of frames, payloads, and standard output: what waits, and what ends
 * the wait.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recv_fixture.h"

#include "receiver/stdout.h"

enum { RESENDS_MAX = 4096 };

static void put_bytes(struct recv_lab *lab, const void *p, size_t n)
{
	assert_int_equal(send(lab->peer, p, n, MSG_NOSIGNAL), n);
}

/* The header of the next frame was read, and says this of its body. */
static void see_header(struct recv_lab *lab, const void *p, size_t n)
{
	lab->channel.body_check = frame_body_crc(p, n);
}

static void a_body(void **state)
{
	struct recv_lab *lab = *state;
	uint8_t body[INPUT_BODY_MAX];
	struct err e = { 0 };

	lab_connect(lab);
	put_bytes(lab, "abcdabcd", 8);
	see_header(lab, "abcd", 4);
	assert_int_equal(input_body(&lab->input, 4, body, &e), 0);
	assert_memory_equal(body, "abcd", 4);
	see_header(lab, "abce", 4);
	assert_int_equal(input_body(&lab->input, 4, body, &e), ERR_CORRUPT);
	assert_int_equal(input_body(&lab->input, INPUT_BODY_MAX + 1, body, &e),
			 ERR_PROTOCOL);
	/* a connection that ends within one */
	put_bytes(lab, "abc", 3);
	assert_int_equal(shutdown(lab->peer, SHUT_WR), 0);
	assert_int_equal(input_body(&lab->input, 4, body, &e), ERR_LOST);
}

static void payloads_of_each_codec(void **state)
{
	static const struct codec_ops *const codecs[] = { &codec_none,
							  &codec_zlib,
							  &codec_zstd };
	struct recv_lab *lab = *state;
	char text[3000];
	struct err e = { 0 };

	memset(text, 'x', sizeof(text));
	lab_begin(lab);
	for (unsigned i = 0; i < 3; i++) {
		struct buf b;

		lab_compress(&b, codecs[i], text, sizeof(text));
		put_bytes(lab, b.data, b.len);
		memset(lab->input.raw, 0, sizeof(text));
		assert_int_equal(input_payload(&lab->input, codecs[i]->id,
					       sizeof(text), b.len, &e),
				 0);
		assert_memory_equal(lab->input.raw, text, sizeof(text));
		buf_release(&b);
	}
}

/* Another length than was said is damage, which is no error here. */
static void payloads_that_are_damaged(void **state)
{
	static const struct codec_ops *const codecs[] = { &codec_zlib,
							  &codec_zstd };
	struct recv_lab *lab = *state;
	char text[3000];
	struct err e = { 0 };

	memset(text, 'x', sizeof(text));
	lab_begin(lab);
	for (unsigned i = 0; i < 2; i++) {
		struct buf b;

		lab_compress(&b, codecs[i], text, sizeof(text));
		for (int off = -1; off <= 1; off += 2) {
			put_bytes(lab, b.data, b.len);
			assert_int_equal(
				input_payload(&lab->input, codecs[i]->id,
					      (size_t)((int)sizeof(text) + off),
					      b.len, &e),
				ERR_CORRUPT);
			assert_int_equal(e.code, 0);
		}
		b.data[b.len / 2] ^= 0x55;
		put_bytes(lab, b.data, b.len - 1);
		assert_int_equal(input_payload(&lab->input, codecs[i]->id,
					       sizeof(text), b.len - 1, &e),
				 ERR_CORRUPT);
		assert_int_equal(e.code, 0);
		buf_release(&b);
	}
	/* Of a codec that there is not the session ends. */
	put_bytes(lab, "abc", 3);
	assert_int_equal(input_payload(&lab->input, 9, 10, 3, &e),
			 ERR_PROTOCOL);
	assert_int_equal(e.code, ERR_PROTOCOL);
}

static void what_is_skipped_is_read(void **state)
{
	struct recv_lab *lab = *state;
	uint8_t body[4];
	struct err e = { 0 };

	lab_connect(lab);
	put_bytes(lab, "skippedbody", 11);
	assert_int_equal(input_skip(&lab->input, 7, &e), 0);
	see_header(lab, "body", 4);
	assert_int_equal(input_body(&lab->input, 4, body, &e), 0);
	assert_memory_equal(body, "body", 4);
	assert_int_equal(input_skip(&lab->input, 0, &e), 0);
}

/* What a payload stands for has arrived, also where it is not wanted. */
static void what_is_skipped_has_arrived(void **state)
{
	struct recv_lab *lab = *state;
	const struct transfer *t;
	struct err e = { 0 };

	lab_begin(lab);
	t = &lab->session->transfer;
	put_bytes(lab, "payloadrest", 11);
	input_expect(&lab->input, 700, 7);
	assert_int_equal(input_skip(&lab->input, 7, &e), 0);
	assert_int_equal(t->content_bytes, 700);
	assert_int_equal(t->payload_bytes, 7);
	/* once */
	assert_int_equal(input_skip(&lab->input, 4, &e), 0);
	assert_int_equal(t->content_bytes, 700);
	assert_int_equal(t->payload_bytes, 7);
}

/* What came of a payload that is cut off is lost, and does not count. */
static void what_is_cut_off_has_not_arrived(void **state)
{
	struct recv_lab *lab = *state;
	struct input *in = &lab->input;
	uint8_t part[3];
	struct err e = { 0 };

	lab_begin(lab);
	put_bytes(lab, "wholepay", 8);
	input_expect(in, 500, 5);
	assert_int_equal(input_skip(in, 5, &e), 0);
	input_expect(in, 700, 7);
	assert_int_equal(channel_recv(in->channel, part, 3, &e), 0);
	/* all of it may have been in the stream's buffer */
	in->wire_began = stream_wire_in(in->channel->stream) - 3;
	assert_int_equal(input_tick(in, 0, &e), 0);
	assert_int_equal(in->transfer->content_bytes, 800);
	input_release(in);
	assert_int_equal(in->transfer->content_bytes, 500);
	assert_int_equal(input_alloc(in, &e), 0);
}

static void too_much_damage_ends_the_session(void **state)
{
	struct recv_lab *lab = *state;
	struct err e = { 0 };

	lab_begin(lab);
	assert_int_equal(input_ask_again(&lab->input, "a chunk", 3, CHUNK_MAX,
					 100, &e),
			 0);
	assert_int_equal(stream_flush(lab->channel.stream, &e), 0);
	lab_expect_resend(lab, 3, CHUNK_MAX);
	assert_string_equal(lab->message, "a chunk from peer arrived damaged; "
					  "asking for it again");
	assert_int_equal(lab->session->transfer.resent_bytes, 100);
	atomic_store(&lab->session->transfer.resends, RESENDS_MAX - 1);
	assert_int_equal(input_ask_again(&lab->input, "a chunk", 3, 0, 1, &e),
			 0);
	assert_int_equal(input_ask_again(&lab->input, "a chunk", 3, 0, 1, &e),
			 ERR_CORRUPT);
	assert_int_equal(lab->session->transfer.resent_bytes, 101);
}

/* ---- what ends a wait ---- */

static void a_wait_ends_by_its_reason(void **state)
{
	struct recv_lab *lab = *state;
	struct transfer *t;
	struct err e = { 0 };

	lab_begin(lab);
	t = &lab->session->transfer;
	assert_int_equal(input_tick(&lab->input, 0, &e), 0);
	atomic_store(&t->is_over, 1);
	assert_int_equal(input_tick(&lab->input, 0, &e), ERR_CLOSED);
	cancel_set(&lab->setup.stop);
	assert_int_equal(input_tick(&lab->input, 0, &e), ERR_INTERRUPTED);
	cancel_reset(&lab->setup.stop);
	atomic_store(&t->is_over, 0);
	/* After FINISH the first stream waits for the committer without an
	 * end, the others do not. */
	atomic_store(&t->end_by_ms, 1);
	assert_int_equal(input_tick(&lab->input, 0, &e), 0);
	lab->input.is_first = 0;
	assert_int_equal(input_tick(&lab->input, 0, &e), ERR_TIMEOUT);
	/* before HELLO */
	lab->input.transfer = NULL;
	assert_int_equal(input_tick(&lab->input, 0, &e), 0);
	lab->input.hello_by_ms = 1;
	assert_int_equal(input_tick(&lab->input, 0, &e), ERR_TIMEOUT);
}

/* A heart-beat where one is due: not while sending, nor without a session. */
static void heart_beats(void **state)
{
	struct recv_lab *lab = *state;
	struct transfer *t;
	uint8_t head[FRAME_HEADER];
	struct frame f;
	struct err e = { 0 };

	lab_begin(lab);
	lab->channel.last_out_ms = 0;
	lab->channel.ping_ms = 1;
	assert_int_equal(input_tick(&lab->input, 1, &e), 0);
	t = lab->input.transfer;
	lab->input.transfer = NULL;
	assert_int_equal(input_tick(&lab->input, 0, &e), 0);
	lab_assert_no_reply(lab);
	lab->input.transfer = t;
	assert_int_equal(input_tick(&lab->input, 0, &e), 0);
	assert_int_equal(recv(lab->peer, head, sizeof(head), MSG_WAITALL),
			 sizeof(head));
	assert_int_equal(frame_get(&f, head, 0), 0);
	assert_int_equal(f.type, FRAME_PING);
}

/* The interval is the shorter one of two, but a peer cannot have any. */
static void the_peers_timeout_shortens_heart_beats(void **state)
{
	static const uint8_t none[4] = { 0 };
	struct recv_lab *lab = *state;
	struct err e;

	lab_begin(lab);
	lab->channel.ping_ms = 5000;
	channel_set_peer_timeout(&lab->channel, 86400000);
	assert_int_equal(lab->channel.ping_ms, 5000);
	channel_set_peer_timeout(&lab->channel, 4000);
	assert_int_equal(lab->channel.ping_ms, 1000);
	/* A longer one later changes nothing, as our own may be short. */
	channel_set_peer_timeout(&lab->channel, 8000);
	assert_int_equal(lab->channel.ping_ms, 1000);
	/* A peer cannot have more than a few a second. */
	channel_set_peer_timeout(&lab->channel, 1);
	assert_int_equal(lab->channel.ping_ms, 250);
	assert_int_equal(channel_take_timeout(&lab->channel, none, 4, &e),
			 ERR_PROTOCOL);
}

/* A payload is read at once and handed on at the pace of the limit; the end of
 * the session ends that wait. */
static void the_rate_limit(void **state)
{
	enum { RATE = 100000, BYTES = 20000 };
	struct recv_lab *lab = *state;
	uint8_t *bytes = calloc(1, BYTES);
	uint64_t began_ms;
	struct err e = { 0 };

	lab->cfg.limit_rate = RATE;
	lab_begin(lab);
	for (int i = 0; i < 2; i++) {
		put_bytes(lab, bytes, BYTES);
		if (i == 0)
			began_ms = clock_ms();
		assert_int_equal(input_payload(&lab->input, CODEC_NONE, BYTES,
					       BYTES, &e),
				 0);
	}
	/* 40 kB at 100 kB/s, of which a tenth of a second was saved up */
	assert_true(clock_ms() - began_ms >= 190);
	(void)rate_limit_take_bytes(&lab->setup.rate_limit, RATE * 3600ULL);
	atomic_store(&lab->session->transfer.is_over, 1);
	put_bytes(lab, bytes, BYTES);
	assert_int_equal(input_payload(&lab->input, CODEC_NONE, BYTES, BYTES,
				       &e),
			 ERR_CLOSED);
	free(bytes);
}

/* ---- standard output ---- */

struct reader {
	int fd;
	size_t got;
	int is_wrong;
};

static void *read_slowly(void *arg)
{
	struct reader *r = arg;
	uint8_t block[1000];
	ssize_t n;

	while ((n = read(r->fd, block, sizeof(block))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			r->is_wrong |= block[i] != (r->got + (size_t)i < 200000 ?
							      'x' :
							      0);
		r->got += (size_t)n;
	}
	return NULL;
}

static void standard_output_waits_for_its_reader(void **state)
{
	struct recv_lab *lab = *state;
	uint8_t *bytes = malloc(200000);
	struct reader r = { 0 };
	pthread_t thread;
	struct err e = { 0 };
	int fd[2];

	memset(bytes, 'x', 200000);
	lab_begin(lab);
	assert_int_equal(pipe(fd), 0);
	r.fd = fd[0];
	assert_int_equal(pthread_create(&thread, NULL, read_slowly, &r), 0);
	assert_int_equal(stdout_write(&lab->input, fd[1], bytes, 200000, &e),
			 0);
	assert_int_equal(stdout_write_zeros(&lab->input, fd[1], 150000, &e), 0);
	close(fd[1]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r.got, 350000);
	assert_false(r.is_wrong);
	close(fd[0]);
	free(bytes);
}

static void a_full_standard_output(void **state)
{
	struct recv_lab *lab = *state;
	uint8_t *bytes = calloc(1, 1 << 20);
	struct err e = { 0 };
	int fd[2];

	lab_begin(lab);
	assert_int_equal(pipe(fd), 0);
	/* Nobody reads, and the session is over. */
	atomic_store(&lab->session->transfer.is_over, 1);
	assert_int_equal(stdout_write(&lab->input, fd[1], bytes, 1 << 20, &e),
			 ERR_CLOSED);
	close(fd[0]);
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(stdout_write(&lab->input, fd[1], bytes, 1, &e),
			 ERR_LOCAL);
	assert_int_equal(e.sys_errno, EPIPE);
	close(fd[1]);
	free(bytes);
}

/* ---- frames that do not belong here ---- */

static int empty_frame(struct recv_lab *lab, enum frame_type type,
		       struct err *e)
{
	struct buf b;

	buf_init(&b, 64);
	frame_put(buf_extend(&b, FRAME_HEADER), type, 0);
	return lab_frame(lab, &b, NULL, 0, e);
}

static void frames_out_of_turn(void **state)
{
	const struct msg_file_abort abort = { 1, CAUSE_IO };
	struct recv_lab *lab = *state;
	struct buf b;
	struct err e;

	lab_begin(lab);
	buf_init(&b, 256);
	msg_put_hello(&b, &lab->hello);
	assert_int_equal(lab_frame(lab, &b, NULL, 0, &e), ERR_PROTOCOL);
	assert_non_null(strstr(e.text, "an unexpected HELLO frame"));
	/* the first stream does not end by itself, */
	assert_int_equal(empty_frame(lab, FRAME_STREAM_END, &e), ERR_PROTOCOL);
	/* and only it may finish */
	lab->input.is_first = 0;
	buf_init(&b, 256);
	msg_put_finish(&b, &(struct msg_finish){ 0 });
	assert_int_equal(lab_frame(lab, &b, NULL, 0, &e), ERR_PROTOCOL);
	assert_int_equal(lab->next, DISPATCH_GO_ON);
	assert_int_equal(empty_frame(lab, FRAME_STREAM_END, &e), 0);
	assert_int_equal(lab->next, DISPATCH_END);
	/* Nothing but ERROR comes after FINISH. */
	lab->next = DISPATCH_FINISH;
	assert_int_equal(empty_frame(lab, FRAME_FLUSH, &e), ERR_PROTOCOL);
	/* of a file that never was */
	lab->next = DISPATCH_GO_ON;
	buf_init(&b, 256);
	msg_put_file_abort(&b, &abort);
	assert_int_equal(lab_frame(lab, &b, NULL, 0, &e), ERR_PROTOCOL);
}

static void an_error_of_the_sender(void **state)
{
	const struct msg_error m = { WERR_LOCAL, "disk\n", 5 };
	struct recv_lab *lab = *state;
	struct buf b;
	struct err e;

	lab->hello.flags = HELLO_RETRY;
	lab_begin(lab);
	assert_true(recv_session_may_return(lab->session));
	lab->next = DISPATCH_FINISH;
	buf_init(&b, 256);
	msg_put_error(&b, &m);
	assert_true(lab_frame(lab, &b, NULL, 0, &e) < 0);
	assert_non_null(strstr(e.text, "disk"));
	assert_null(strchr(e.text, '\n'));
	/* It will not come back. */
	assert_false(recv_session_may_return(lab->session));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		lab_test(a_body),
		lab_test(payloads_of_each_codec),
		lab_test(payloads_that_are_damaged),
		lab_test(what_is_skipped_is_read),
		lab_test(what_is_skipped_has_arrived),
		lab_test(what_is_cut_off_has_not_arrived),
		lab_test(too_much_damage_ends_the_session),
		lab_test(a_wait_ends_by_its_reason),
		lab_test(heart_beats),
		lab_test(the_peers_timeout_shortens_heart_beats),
		lab_test(the_rate_limit),
		lab_test(standard_output_waits_for_its_reader),
		lab_test(a_full_standard_output),
		lab_test(frames_out_of_turn),
		lab_test(an_error_of_the_sender),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
