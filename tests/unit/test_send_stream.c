/*
 * A stream of a sender, without its thread: a real queue, filled by the scanner
 * from a directory of ours; a connection on the loopback, of which we are the
 * receiver, frame by frame.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/scratch.h"
#include "net_fixture.h"
#include "os_lacks.h"

#include "base/io.h"
#include "chunk/tree.h"
#include "fs/scan.h"
#include "sender/outcome.h"
#include "sender/outfile.h"
#include "sender/pack.h"
#include "sender/queue.h"
#include "sender/queue_files.h"
#include "sender/queue_tasks.h"
#include "sender/replies.h"
#include "sender/scanner.h"
#include "sender/send.h"
#include "sender/send_file.h"
#include "sender/send_list.h"
#include "sender/send_pack.h"
#include "sender/session.h"
#include "sender/stream.h"
#include "session/features.h"

enum { NAMES = 8, LEAF = TREE_LEAF };

struct lab {
	char path[128];
	int dir, peer; /* the directory; the receiver's end */
	struct sender s;
	struct send_config cfg;
	struct session_events events;
	struct send_stream st;
	struct scanner *scanner;
	struct task task;
	struct buf body; /* of the frame that came last */
	enum frame_type type; /* of the frame in body */
	/* what the user was told */
	unsigned files, messages;
	struct {
		enum file_status status;
		char name[32], error[256];
	} file[NAMES];
	char message[256];
	int scan_error;
};

static void on_file(void *ctx, uint64_t number, const struct session_file *f)
{
	struct lab *lab = ctx;
	const unsigned i = lab->files++ % NAMES;

	(void)number;
	lab->file[i].status = f->status;
	snprintf(lab->file[i].name, sizeof(lab->file[i].name), "%s", f->name);
	snprintf(lab->file[i].error, sizeof(lab->file[i].error), "%s",
		 f->error ? f->error : "");
}

static void on_message(void *ctx, enum session_level level, const char *text)
{
	struct lab *lab = ctx;

	(void)level;
	lab->messages++;
	snprintf(lab->message, sizeof(lab->message), "%s", text);
}

static void on_scan_failed(void *ctx, const struct err *e)
{
	struct lab *lab = ctx;

	lab->scan_error = e->code;
}

static int set_up(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	const struct stream_config cfg = { .timeout_ms = FIXTURE_TIMEOUT_MS };
	uint8_t *zeros = calloc(1, LEAF);
	struct err e;
	int fd[2];

	assert_non_null(lab);
	lab->dir = scratch_make(lab->path, sizeof(lab->path), "stream");
	lab->events.file = on_file;
	lab->events.message = on_message;
	lab->events.ctx = lab;
	lab->cfg.events = &lab->events;
	lab->cfg.digest = &digest_xxh3;
	lab->cfg.codec.ops = &codec_none;
	lab->cfg.stdin_fd = lab->cfg.cancel_fd = -1;
	lab->s.cfg = &lab->cfg;
	lab->s.queue = queue_new();
	lab->s.session = send_session_new(lab->s.queue);
	lab->s.outcome = outcome_new(&lab->cfg, &lab->s.count);
	lab->scanner = scanner_new(&lab->s, on_scan_failed, lab);
	assert_true(lab->s.queue && lab->s.session && lab->s.outcome &&
		    lab->scanner);
	snprintf(lab->s.peer.name, sizeof(lab->s.peer.name), "peer");
	digest_xxh3.sum(zeros, LEAF, lab->s.zero_digest);
	free(zeros);
	assert_int_equal(rate_limit_init(&lab->s.rate_limit, 0), 0);
	assert_int_equal(send_stream_init(&lab->st, &lab->s, 0, &e), 0);
	tcp_pair(fd);
	lab->peer = fd[1];
	channel_init(&lab->st.channel, tls_conn_open(fd[0], NULL, &cfg, &e), 1,
		     FIXTURE_TIMEOUT_MS);
	assert_non_null(lab->st.channel.stream);
	lab->st.state = STREAM_READY;
	lab->st.features = features_common(UINT32_MAX);
	buf_init(&lab->body, 4 << 20);
	*state = lab;
	return 0;
}

static int tear_down(void **state)
{
	struct lab *lab = *state;
	int rc = scratch_remove(lab->path);

	queue_close(lab->s.queue);
	(void)scanner_join(lab->scanner, NULL);
	scanner_free(lab->scanner);
	channel_release(&lab->st.channel);
	send_stream_release(&lab->st);
	rate_limit_release(&lab->s.rate_limit);
	outcome_free(lab->s.outcome);
	send_session_free(lab->s.session);
	queue_free(lab->s.queue);
	scan_free(lab->cfg.scan);
	buf_release(&lab->body);
	close(lab->peer);
	close(lab->dir);
	free(lab);
	return rc;
}

/* ---- the sender's side ---- */

static void scan(struct lab *lab)
{
	char source[sizeof(lab->path) + 2];
	struct err e = { 0 };

	snprintf(source, sizeof(source), "%s/.", lab->path);
	lab->cfg.scan = scan_new(SCAN_KEEP);
	assert_int_equal(scan_add(lab->cfg.scan, source, &e), 0);
	assert_int_equal(scanner_start(lab->scanner), 0);
	assert_int_equal(scanner_join(lab->scanner, &e), 0);
	assert_true(scanner_is_done(lab->scanner));
}

static enum task_kind take(struct lab *lab)
{
	assert_int_equal(queue_take(lab->s.queue, &lab->task, 0), QUEUE_TASK);
	return lab->task.kind;
}

static void flush(struct lab *lab)
{
	struct err e;

	assert_int_equal(stream_flush(lab->st.channel.stream, &e), 0);
}

static void send_next_pack(struct lab *lab)
{
	struct err e;

	assert_int_equal(take(lab), TASK_PACK);
	assert_int_equal(send_pack(&lab->st, lab->task.pack, &e), 0);
	flush(lab);
}

static void open_next_file(struct lab *lab)
{
	struct err e;

	assert_int_equal(take(lab), TASK_OPEN);
	assert_int_equal(send_file_open(&lab->st, lab->task.file, &e), 0);
	queue_release_task(lab->s.queue, &lab->task);
	flush(lab);
}

/* ---- the receiver's side ---- */

/* The next frame that came, its body in lab->body. */
static enum frame_type receive_any(struct lab *lab)
{
	uint8_t head[FRAME_HEADER], *p;
	struct frame f;

	assert_int_equal(recv(lab->peer, head, sizeof(head), MSG_WAITALL),
			 sizeof(head));
	assert_int_equal(frame_get(&f, head, 1), 0);
	buf_reset(&lab->body);
	p = buf_extend(&lab->body, f.len);
	if (f.len > 0)
		assert_int_equal(recv(lab->peer, p, f.len, MSG_WAITALL), f.len);
	lab->type = (enum frame_type)f.type;
	return lab->type;
}

/* Without PROGRESS, which may come any time. */
static enum frame_type receive(struct lab *lab)
{
	while (receive_any(lab) == FRAME_PROGRESS)
		;
	return lab->type;
}

static void assert_nothing_came(struct lab *lab)
{
	uint8_t byte;

	assert_int_equal(recv(lab->peer, &byte, 1, MSG_DONTWAIT | MSG_PEEK),
			 -1);
}

/* What was sent does not wait in the sender's buffer for more. */
static void assert_comes(struct lab *lab)
{
	struct pollfd pfd = { .fd = lab->peer, .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, FIXTURE_TIMEOUT_MS), 1);
}

/* Send the frames in b, and have the sender take them: its result. */
static int answer(struct lab *lab, struct buf *b, struct err *e)
{
	int rc = 0;

	assert_false(b->failed);
	frame_seal(b->data, b->len);
	assert_int_equal(send(lab->peer, b->data, b->len, 0), b->len);
	buf_release(b);
	err_clear(e);
	assert_true(stream_wait(lab->st.channel.stream, -1, -1, e) > 0);
	rc = replies_take(&lab->st, e);
	return rc;
}

static int answer_verdict(struct lab *lab, const struct msg_verdict *m)
{
	struct err e;
	struct buf b;

	buf_init(&b, 65536);
	msg_put_verdict(&b, m);
	return answer(lab, &b, &e);
}

static int verdict(struct lab *lab, uint64_t id, enum file_status status,
		   enum wire_cause cause)
{
	const struct msg_verdict m = {
		.first_id = id,
		.count = 1,
		.status = (uint8_t)status,
		.cause = (uint16_t)cause,
	};

	return answer_verdict(lab, &m);
}

/* ---- packs ---- */

/* The rows of the PACK or OFFER in lab->body, and its content. */
static void get_pack(struct lab *lab, struct msg_pack *m,
		     struct pack_item *rows, unsigned count,
		     const uint8_t **content)
{
	const size_t fixed = MSG_PACK_FIXED + digest_xxh3.size;
	const uint8_t *table = lab->body.data + fixed;
	const struct pack_form form = {
		lab->type == FRAME_OFFER ? SAME_SIZE : digest_xxh3.size,
		lab->st.features & FEATURE_PRESERVE ? FILE_META_EXTENDED :
						      FILE_META_BASIC,
	};
	struct rd r;

	assert_int_equal(msg_get_pack(m, digest_xxh3.size, lab->body.data,
				      fixed, lab->body.len - fixed),
			 0);
	assert_int_equal(m->count, count);
	rd_init(&r, table, m->table_len);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(pack_get_item(&rows[i], &r, &form), 0);
	assert_true(rd_at_end(&r));
	*content = table + m->table_len;
}

static void a_pack_goes_in_one_frame(void **state)
{
	struct lab *lab = *state;
	struct pack_item row[3];
	const uint8_t *content;
	struct msg_pack m;

	put_file(lab->dir, "a", "alpha");
	scan(lab);
	send_next_pack(lab);
	assert_int_equal(receive(lab), FRAME_PACK);
	get_pack(lab, &m, row, 1, &content);
	assert_int_equal(m.first_id, 1);
	assert_int_equal(m.raw_len, m.table_len + 5);
	assert_int_equal(row[0].kind, ITEM_FILE);
	assert_int_equal(row[0].size, 5);
	assert_memory_equal(row[0].name, "a", 1);
	assert_memory_equal(content, "alpha", 5);
	assert_int_equal(lab->s.count.sent, 5);
	assert_int_equal(lab->s.count.total_files, 1);
	assert_int_equal(verdict(lab, 1, STATUS_COMMITTED, CAUSE_NONE), 0);
	assert_int_equal(lab->files, 1);
	assert_int_equal(lab->file[0].status, STATUS_COMMITTED);
	assert_true(queue_is_over(lab->s.queue));
}

/* One that went away is reported and left out, one that grew too large goes on
 * its own. */
static void files_that_changed_leave_their_pack(void **state)
{
	struct lab *lab = *state;
	char *large = calloc(1, 2 * LEAF);
	struct pack_item row;
	const uint8_t *content;
	struct msg_pack m;

	put_file(lab->dir, "gone", "gone");
	put_file(lab->dir, "grown", "small");
	put_file(lab->dir, "kept", "kept");
	scan(lab);
	assert_int_equal(unlinkat(lab->dir, "gone", 0), 0);
	scratch_write(lab->dir, "grown", large, 2 * LEAF, O_TRUNC,
		      0644);
	send_next_pack(lab);
	assert_int_equal(receive(lab), FRAME_PACK);
	get_pack(lab, &m, &row, 1, &content);
	assert_memory_equal(row.name, "kept", 4);
	assert_memory_equal(content, "kept", 4);
	assert_int_equal(lab->files, 1);
	assert_string_equal(lab->file[0].name, "gone");
	assert_non_null(strstr(lab->file[0].error, "on this side: "));
	open_next_file(lab);
	assert_int_equal(receive(lab), FRAME_OPEN);
	assert_int_equal(lab->task.file->size, 2 * LEAF);
	free(large);
}

static void an_empty_pack_is_not_sent(void **state)
{
	struct lab *lab = *state;

	put_file(lab->dir, "gone", "gone");
	scan(lab);
	assert_int_equal(unlinkat(lab->dir, "gone", 0), 0);
	send_next_pack(lab);
	assert_nothing_came(lab);
	assert_true(queue_is_over(lab->s.queue));
}

/* Where one was found to be there, packs are offered: without content, which
 * follows where it is wanted, but counts once. */
static void what_may_be_there_is_offered(void **state)
{
	struct lab *lab = *state;
	static const char large[20000];
	struct msg_offered o = { .first_id = 1, .count = 2 };
	struct pack_item row[2];
	const uint8_t *content;
	struct msg_pack m;
	struct err e;
	struct buf b;

	put_file(lab->dir, "a", "alpha");
	scratch_write(lab->dir, "b", large, sizeof(large), O_EXCL, 0644);
	scan(lab);
	atomic_store(&lab->s.count.wants_offers, 1);
	send_next_pack(lab);
	assert_int_equal(receive(lab), FRAME_OFFER);
	get_pack(lab, &m, row, 2, &content);
	assert_int_equal(m.raw_len, m.table_len);
	assert_int_equal(lab->s.count.sent, 0);
	o.wanted[0] = row[0].size == 5 ? 1 : 2;
	buf_init(&b, 4096);
	msg_put_offered(&b, &o);
	assert_int_equal(answer(lab, &b, &e), 0);
	/* half of it: offers go on being worth it */
	assert_true(lab->s.count.wants_offers);
	send_next_pack(lab);
	assert_int_equal(receive(lab), FRAME_PACK);
	get_pack(lab, &m, row, 1, &content);
	assert_int_equal(m.first_id, 3);
	assert_memory_equal(content, "alpha", 5);
	/* what is offered counts when it is sent, or has its verdict */
	assert_int_equal(lab->s.count.sent, 5);
	assert_int_equal(lab->s.count.spared, 0);
	/* all of it: they do not */
	o.first_id = 4;
	o.count = 1;
	o.wanted[0] = 1;
	buf_init(&b, 4096);
	msg_put_offered(&b, &o);
	assert_int_equal(answer(lab, &b, &e), ERR_PROTOCOL);
	assert_false(lab->s.count.wants_offers);
}

/* An offer of little content would take longer than sending it. */
static void little_is_sent_without_an_offer(void **state)
{
	struct lab *lab = *state;

	put_file(lab->dir, "a", "alpha");
	scan(lab);
	atomic_store(&lab->s.count.wants_offers, 1);
	send_next_pack(lab);
	assert_int_equal(receive(lab), FRAME_PACK);
	assert_true(lab->s.count.wants_offers);
}

static void a_damaged_pack_is_sent_again(void **state)
{
	struct lab *lab = *state;
	const struct msg_resend m = { .id = 1 };
	struct err e;
	struct buf b;

	put_file(lab->dir, "a", "alpha");
	scan(lab);
	send_next_pack(lab);
	assert_int_equal(receive(lab), FRAME_PACK);
	buf_init(&b, 4096);
	msg_put_resend(&b, &m);
	assert_int_equal(answer(lab, &b, &e), 0);
	assert_int_equal(lab->s.count.resent_bytes, 0);
	assert_int_equal(lab->messages, 1);
	send_next_pack(lab);
	assert_int_equal(receive(lab), FRAME_PACK);
	assert_int_equal(lab->s.count.resent_bytes, 5);
}

/* ---- files ---- */

/* The number of leaves that came as CHUNK and HOLE, up to the next frame of
 * another type, which is returned. */
static enum frame_type receive_leaves(struct lab *lab, unsigned *chunks,
				      unsigned *holes)
{
	const size_t fixed = MSG_CHUNK_FIXED + digest_xxh3.size;
	struct msg_chunk chunk;
	struct msg_hole hole;
	enum frame_type type;

	*chunks = *holes = 0;
	for (;;) {
		type = receive(lab);
		if (type == FRAME_CHUNK) {
			assert_int_equal(msg_get_chunk(&chunk, digest_xxh3.size,
						       lab->body.data, fixed,
						       lab->body.len - fixed),
					 0);
			++*chunks;
		} else if (type == FRAME_HOLE) {
			assert_int_equal(msg_get_hole(&hole, lab->body.data,
						      lab->body.len),
					 0);
			*holes += (unsigned)(hole.len / LEAF);
		} else {
			return type;
		}
	}
}

/* A file of 4 leaves: the first and last have data, the others are holes. */
static int make_sparse(struct lab *lab)
{
	int fd = openat(lab->dir, "f", O_RDWR | O_CREAT, 0644);
	off_t data;

	assert_int_equal(ftruncate(fd, 4 * LEAF), 0);
	assert_int_equal(io_pwrite(fd, "x", 1, 0), 0);
	assert_int_equal(io_pwrite(fd, "x", 1, 3 * LEAF + 5), 0);
	data = lseek(fd, LEAF, SEEK_DATA);
	close(fd);
	return data >= 3 * LEAF && !os_lacks("holes");
}

static void a_file_is_sent_whole_with_its_holes(void **state)
{
	struct lab *lab = *state;
	int has_holes = make_sparse(lab);
	unsigned chunks, holes;

	scan(lab);
	open_next_file(lab);
	assert_int_equal(receive(lab), FRAME_OPEN);
	assert_int_equal(receive_leaves(lab, &chunks, &holes), FRAME_FILE_END);
	assert_int_equal(chunks, has_holes ? 2 : 4);
	assert_int_equal(holes, has_holes ? 2 : 0);
	assert_int_equal(lab->s.count.sent, chunks * LEAF);
	assert_int_equal(lab->s.count.spared, holes * LEAF);
	assert_int_equal(verdict(lab, 1, STATUS_COMMITTED, CAUSE_NONE), 0);
	assert_true(queue_is_over(lab->s.queue));
}

/* ---- a receiver that granted nothing ---- */

static void without_features_all_content_is_sent(void **state)
{
	struct lab *lab = *state;
	const uint8_t *content;
	struct pack_item row;
	unsigned chunks, holes;
	struct msg_pack m;

	lab->st.features = 0;
	atomic_store(&lab->s.count.wants_offers, 1);
	put_file(lab->dir, "a", "alpha");
	(void)make_sparse(lab);
	scan(lab);
	open_next_file(lab);
	assert_int_equal(receive(lab), FRAME_OPEN);
	assert_int_equal(receive_leaves(lab, &chunks, &holes), FRAME_FILE_END);
	assert_int_equal(chunks, 4);
	assert_int_equal(holes, 0);
	send_next_pack(lab);
	assert_int_equal(receive(lab), FRAME_PACK);
	get_pack(lab, &m, &row, 1, &content);
	assert_memory_equal(content, "alpha", 5);
}

/* An answer that the receiver gives where it was not granted. */
static void what_was_not_granted_is_refused(void **state)
{
	struct lab *lab = *state;
	const struct msg_state has = { .id = 1,
				       .state = STATE_RESUME,
				       .digest = DIGEST_SHA256,
				       .run_count = 1,
				       .runs = { { 1, 2 } } };
	const struct msg_checked checked = { .id = 1, .count = 1 };
	const struct msg_offered offered = { .first_id = 1, .count = 1 };
	struct err e;
	struct buf b;

	(void)make_sparse(lab);
	scan(lab);
	lab->st.state = STREAM_OPENING;
	open_next_file(lab);
	lab->st.state = STREAM_READY;
	lab->st.features &= ~(uint32_t)(FEATURE_RESUME | FEATURE_OFFERS |
					FEATURE_DEFERRED);
	buf_init(&b, 4096);
	msg_put_state(&b, &has);
	assert_int_equal(answer(lab, &b, &e), ERR_PROTOCOL);
	buf_init(&b, 4096);
	msg_put_checked(&b, &checked);
	assert_int_equal(answer(lab, &b, &e), ERR_PROTOCOL);
	assert_string_equal(e.text, "the receiver sent CHECKED, which was not "
				    "granted");
	buf_init(&b, 4096);
	msg_put_offered(&b, &offered);
	assert_int_equal(answer(lab, &b, &e), ERR_PROTOCOL);
	assert_string_equal(e.text, "the receiver sent OFFERED, which was not "
				    "granted");
	assert_int_equal(verdict(lab, 1, (enum file_status)STATUS_DEFERRED,
				 CAUSE_NONE),
			 ERR_PROTOCOL);
}

static void a_file_that_shrank_is_given_up(void **state)
{
	struct lab *lab = *state;
	struct msg_file_abort m;
	unsigned chunks, holes;
	struct err e;
	int fd;

	(void)make_sparse(lab);
	scan(lab);
	assert_int_equal(take(lab), TASK_OPEN);
	lab->st.state = STREAM_OPENING; /* not to be sent at once */
	assert_int_equal(send_file_open(&lab->st, lab->task.file, &e), 0);
	fd = openat(lab->dir, "f", O_RDWR);
	assert_int_equal(ftruncate(fd, 100), 0);
	close(fd);
	assert_int_equal(send_file_range(&lab->st, lab->task.file, 0, 4, &e),
			 0);
	queue_release_task(lab->s.queue, &lab->task);
	flush(lab);
	assert_int_equal(receive(lab), FRAME_OPEN);
	assert_int_equal(receive_leaves(lab, &chunks, &holes),
			 FRAME_FILE_ABORT);
	assert_int_equal(msg_get_file_abort(&m, lab->body.data, lab->body.len),
			 0);
	assert_int_equal(m.cause, CAUSE_CHANGED);
	assert_true(lab->st.has_aborted);
	assert_int_equal(lab->files, 1);
	assert_int_equal(lab->file[0].status, STATUS_FAILED);
}

/* The receiver has two of four leaves: those are checked, and the others sent;
 * of the checked ones one differs. */
static void what_the_receiver_has_is_checked(void **state)
{
	struct lab *lab = *state;
	struct msg_state has = { .id = 1,
				 .state = STATE_RESUME,
				 .digest = DIGEST_SHA256,
				 .run_count = 1,
				 .runs = { { 1, 2 } } };
	struct same same = { 0 };
	uint8_t zeros[SAME_SIZE];
	struct msg_checked checked = {
		.id = 1, .offset = LEAF, .count = 2, .differing = 2
	};
	struct msg_check m;
	unsigned chunks, holes;
	struct err e;
	struct buf b;

	(void)make_sparse(lab);
	scan(lab);
	lab->st.state = STREAM_OPENING;
	open_next_file(lab);
	lab->st.state = STREAM_READY;
	assert_int_equal(receive(lab), FRAME_OPEN);
	buf_init(&b, 4096);
	msg_put_state(&b, &has);
	assert_int_equal(answer(lab, &b, &e), 0);
	/* It counts before it is checked, and once. */
	assert_int_equal(lab->s.count.spared, 2 * LEAF);
	/* a range, a check after it, and so on */
	for (int i = 0; i < 3; i++) {
		const enum task_kind kind = take(lab);
		const struct task *t = &lab->task;

		assert_int_equal(kind, i == 1 ? TASK_CHECK : TASK_RANGE);
		if (kind == TASK_CHECK)
			assert_int_equal(send_file_check(&lab->st, t->file,
							 t->leaf, t->count, &e),
					 0);
		else
			assert_int_equal(send_file_range(&lab->st, t->file,
							 t->leaf, t->count, &e),
					 0);
		assert_int_equal(send_file_end(&lab->st, t->file, &e), 0);
		queue_release_task(lab->s.queue, t);
	}
	flush(lab);
	assert_int_equal(receive_leaves(lab, &chunks, &holes), FRAME_CHECK);
	assert_int_equal(chunks, 1);
	assert_int_equal(msg_get_check(&m, SAME_SIZE, lab->body.data,
				       lab->body.len),
			 0);
	assert_int_equal(m.kind, CHECK_LEAVES);
	assert_int_equal(m.offset, LEAF);
	assert_int_equal(m.count, 2);
	/* both are holes, or were read as such */
	assert_int_equal(same_zero_leaf(&same, zeros), 0);
	same_release(&same);
	assert_memory_equal(m.digests, zeros, SAME_SIZE);
	assert_int_equal(receive_leaves(lab, &chunks, &holes), FRAME_FILE_END);
	assert_int_equal(chunks, 1);
	assert_int_equal(lab->s.count.sent, 2 * LEAF);
	assert_int_equal(lab->s.count.spared, 2 * LEAF);
	buf_init(&b, 4096);
	msg_put_checked(&b, &checked);
	assert_int_equal(answer(lab, &b, &e), 0);
	assert_int_equal(lab->s.count.spared, LEAF);
	assert_int_equal(take(lab), TASK_RANGE);
	assert_int_equal(lab->task.leaf, 2);
	assert_int_equal(lab->task.count, 1);
	queue_release_task(lab->s.queue, &lab->task);
}

/* It is checked by the session's digest only if the receiver says so, and by no
 * third one.  CHECK goes out at once. */
static void state_names_the_digest_of_checks(void **state)
{
	struct lab *lab = *state;
	struct msg_state has = { .id = 1,
				 .state = STATE_RESUME,
				 .digest = DIGEST_CRC32,
				 .run_count = 1,
				 .runs = { { 1, 2 } } };
	struct msg_check m;
	unsigned chunks, holes;
	struct err e;
	struct buf b;

	(void)make_sparse(lab);
	scan(lab);
	lab->st.state = STREAM_OPENING;
	open_next_file(lab);
	lab->st.state = STREAM_READY;
	assert_int_equal(receive(lab), FRAME_OPEN);
	buf_init(&b, 4096);
	msg_put_state(&b, &has);
	assert_int_equal(answer(lab, &b, &e), ERR_PROTOCOL);
	has.digest = DIGEST_XXH3;
	buf_init(&b, 4096);
	msg_put_state(&b, &has);
	assert_int_equal(answer(lab, &b, &e), 0);
	while (take(lab) != TASK_CHECK)
		queue_release_task(lab->s.queue, &lab->task);
	assert_int_equal(send_file_check(&lab->st, lab->task.file,
					 lab->task.leaf, lab->task.count, &e),
			 0);
	queue_release_task(lab->s.queue, &lab->task);
	assert_comes(lab);
	assert_int_equal(receive_leaves(lab, &chunks, &holes), FRAME_CHECK);
	assert_int_equal(msg_get_check(&m, digest_xxh3.size, lab->body.data,
				       lab->body.len),
			 0);
	assert_memory_equal(m.digests, lab->s.zero_digest, digest_xxh3.size);
}

static void standard_input_ends_with_its_writer(void **state)
{
	struct lab *lab = *state;
	struct msg_file_end end;
	unsigned chunks, holes;
	struct err e;
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	lab->cfg.stdin_fd = fd[0];
	lab->cfg.stdin_name = "stdin";
	assert_int_equal(write(fd[1], "some", 4), 4);
	close(fd[1]);
	assert_int_equal(scanner_start(lab->scanner), 0);
	assert_int_equal(scanner_join(lab->scanner, &e), 0);
	open_next_file(lab);
	assert_int_equal(receive(lab), FRAME_OPEN);
	{
		struct msg_state m = { .id = 1, .state = STATE_SEND };
		struct buf b;

		buf_init(&b, 4096);
		msg_put_state(&b, &m);
		assert_int_equal(answer(lab, &b, &e), 0);
	}
	assert_int_equal(take(lab), TASK_STDIN);
	assert_int_equal(send_file_stdin(&lab->st, lab->task.file, &e), 0);
	queue_release_task(lab->s.queue, &lab->task);
	flush(lab);
	assert_int_equal(receive_leaves(lab, &chunks, &holes), FRAME_FILE_END);
	assert_int_equal(chunks, 1);
	assert_int_equal(msg_get_file_end(&end, digest_xxh3.size,
					  lab->body.data, lab->body.len),
			 0);
	assert_int_equal(end.size, 4);
	assert_int_equal(lab->s.count.total_bytes, 4);
	close(fd[0]);
}

/* ---- answers ---- */

static void verdicts_count_and_are_told(void **state)
{
	struct lab *lab = *state;
	struct session_summary sum = { 0 };
	const struct msg_summary answer_sum = { 0 };
	struct msg_finish m;
	struct err e = { 0 };

	put_file(lab->dir, "a", "alpha");
	put_file(lab->dir, "b", "be");
	put_file(lab->dir, "c", "c");
	put_file(lab->dir, "d", "d");
	scan(lab);
	send_next_pack(lab);
	assert_int_equal(verdict(lab, 1, STATUS_UNCHANGED, CAUSE_NONE), 0);
	assert_true(lab->s.count.wants_offers);
	assert_int_equal(verdict(lab, 2, STATUS_SKIPPED, CAUSE_NONE), 0);
	assert_int_equal(verdict(lab, 3, STATUS_FAILED, CAUSE_NO_SPACE), 0);
	assert_non_null(strstr(lab->file[2].error, "on the receiver peer: "
						   "no space left"));
	assert_int_equal(verdict(lab, 4, STATUS_COMMITTED, CAUSE_NONE), 0);
	assert_int_equal(lab->files, 4);
	assert_int_equal(lab->s.count.files, 4);
	outcome_finish(lab->s.outcome, &m);
	assert_int_equal(m.files, 2);
	outcome_set_summary(lab->s.outcome, &answer_sum);
	/* a full disk takes precedence over failures of other files */
	assert_int_equal(outcome_sum_up(lab->s.outcome, &sum, &e), ERR_REMOTE);
	assert_int_equal(sum.files, 2);
	assert_int_equal(sum.unchanged, 1);
	assert_int_equal(sum.skipped, 1);
	assert_int_equal(sum.failed, 1);
	assert_string_equal(e.text, "2 of 4 files were not sent: 1 failed (see "
				    "above), 1 skipped by the receiver");
	/* but not what ends the session early */
	err_set(&e, ERR_LOST, "lost");
	assert_int_equal(outcome_sum_up(lab->s.outcome, &sum, &e), ERR_LOST);
	assert_int_equal(sum.code, ERR_LOST);
	assert_int_equal(sum.failed, 1);
	assert_string_equal(e.text, "lost; 2 of 4 files were not confirmed as "
				    "committed, 1 failed (see above), 1 "
				    "skipped by the receiver");
}

/* Whatever is wrong inside, a file without a verdict is not a success. */
static void what_has_no_verdict_is_missing(void **state)
{
	const struct item dir = { .kind = ITEM_DIR, .root = ITEM_NO_ROOT,
				  .name_len = 1 };
	struct lab *lab = *state;
	struct session_summary sum = { 0 };
	const struct msg_summary answer_sum = { 0 };
	struct err e = { 0 };

	put_file(lab->dir, "a", "alpha");
	put_file(lab->dir, "b", "be");
	scan(lab);
	send_next_pack(lab);
	assert_int_equal(verdict(lab, 1, STATUS_COMMITTED, CAUSE_NONE), 0);
	outcome_set_summary(lab->s.outcome, &answer_sum);
	assert_int_equal(outcome_sum_up(lab->s.outcome, &sum, &e), ERR_INTERNAL);
	assert_non_null(strstr(e.text, "of 2 files found 1 are known to be there"));
	err_clear(&e);
	assert_int_equal(verdict(lab, 2, STATUS_UNCHANGED, CAUSE_NONE), 0);
	assert_int_equal(outcome_sum_up(lab->s.outcome, &sum, &e), 0);
	/* directories are not among the files that were found */
	err_set(&e, ERR_LOCAL, "its attributes cannot be read");
	outcome_item_unsent(lab->s.outcome, &dir, "d", &e);
	err_clear(&e);
	assert_int_equal(outcome_sum_up(lab->s.outcome, &sum, &e),
			 ERR_SOME_FAILED);
	assert_string_equal(e.text, "1 of 3 files was not sent (see above)");
}

static void put_zeros(struct lab *lab, const char *name, off_t size)
{
	int fd = openat(lab->dir, name, O_WRONLY | O_CREAT, 0644);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

/* A list is in no frame yet while its files are read. */
static void a_list_is_kept_when_the_connection_is_lost(void **state)
{
	struct lab *lab = *state;
	struct err e;

	put_zeros(lab, "a", 3 * LEAF);
	put_zeros(lab, "b", 3 * LEAF);
	scan(lab);
	lab->s.count.wants_offers = 1;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(take(lab), TASK_OPEN);
		assert_int_equal(send_file_open(&lab->st, lab->task.file, &e), 0);
		queue_release_task(lab->s.queue, &lab->task);
	}
	close(lab->peer);
	lab->peer = -1;
	assert_int_equal(take(lab), TASK_PACK);
	assert_true(lab->task.pack->is_list);
	assert_true(send_list(&lab->st, lab->task.pack, &e) < 0);
	queue_pause(lab->s.queue);
	queue_restart(lab->s.queue);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(take(lab), TASK_PACK);
		assert_int_equal(lab->task.pack->count, 1);
		pack_free(lab->task.pack);
	}
}

static int summary(struct lab *lab, struct msg_summary *m)
{
	struct err e;
	struct buf b;

	buf_init(&b, 4096);
	msg_put_summary(&b, m);
	return answer(lab, &b, &e);
}

static void the_summary_has_to_be_the_same(void **state)
{
	struct lab *lab = *state;
	const struct msg_note note = { .cause = CAUSE_PERMISSION,
				       .kind = ITEM_DIR,
				       .name = "d",
				       .name_len = 1 };
	struct msg_summary m = { .files = 0 };
	struct err e;
	struct buf b;

	assert_int_equal(summary(lab, &m), ERR_PROTOCOL);
	assert_false(outcome_is_confirmed(lab->s.outcome));
	lab->st.state = STREAM_FINISHING;
	buf_init(&b, 4096);
	msg_put_note(&b, &note);
	lab->s.dirs_sent = 1;
	assert_int_equal(answer(lab, &b, &e), 0);
	assert_int_equal(lab->messages, 1);
	/* More would fill the memory and the log. */
	msg_put_note(&b, &note);
	assert_int_equal(answer(lab, &b, &e), ERR_PROTOCOL);
	assert_int_equal(lab->messages, 1);
	assert_int_equal(summary(lab, &m), 0);
	assert_int_equal(lab->st.state, STREAM_FINISHED);
	assert_false(outcome_is_confirmed(lab->s.outcome));
	lab->st.state = STREAM_FINISHING;
	m.notes = 1;
	assert_int_equal(summary(lab, &m), 0);
	assert_true(outcome_is_confirmed(lab->s.outcome));
}

static int ready(struct lab *lab, uint16_t version, struct err *e)
{
	const struct msg_ready m = { .version = version,
				     .streams = 3,
				     .open_files = 2 };
	struct buf b;

	buf_init(&b, 4096);
	msg_put_ready(&b, &m);
	return answer(lab, &b, e);
}

static void ready_comes_once(void **state)
{
	struct lab *lab = *state;
	struct err e;

	lab->st.state = STREAM_OPENING;
	assert_int_equal(ready(lab, WIRE_VERSION + 1, &e), ERR_PROTOCOL);
	assert_non_null(strstr(e.text, "the same release of ferry"));
	assert_int_equal(lab->st.state, STREAM_OPENING);
	assert_int_equal(ready(lab, WIRE_VERSION, &e), 0);
	assert_int_equal(lab->st.state, STREAM_READY);
	assert_int_equal(lab->s.peer.ready.streams, 3);
	assert_int_equal(ready(lab, WIRE_VERSION, &e), ERR_PROTOCOL);
	assert_string_equal(e.text, "the receiver sent an unexpected READY frame");
}

/* READY grants nothing: a codec that was named ends the session. */
static void a_codec_that_is_missing_is_named(void **state)
{
	struct lab *lab = *state;
	struct err e;

	lab->st.state = STREAM_OPENING;
	assert_int_equal(codec_parse("zstd", &lab->cfg.codec), 0);
	assert_int_equal(ready(lab, WIRE_VERSION, &e), ERR_PROTOCOL);
	assert_non_null(strstr(e.text, "peer: the other side's ferry does not "
				       "know zstd compression: "));
	assert_non_null(lab->st.unmet);
	assert_int_equal(lab->st.state, STREAM_OPENING);
	assert_int_equal(codec_parse("auto", &lab->cfg.codec), 0);
	assert_int_equal(ready(lab, WIRE_VERSION, &e), 0);
	assert_int_equal(lab->st.features, 0);
	assert_null(lab->st.compressor.codec);
	assert_null(lab->st.unmet);
}

static void an_error_names_the_receiver(void **state)
{
	struct lab *lab = *state;
	const struct msg_error m = { .code = WERR_BUSY,
				     .text = "full",
				     .text_len = 4 };
	struct err e;
	struct buf b;

	buf_init(&b, 4096);
	msg_put_error(&b, &m);
	assert_int_equal(answer(lab, &b, &e), ERR_CONNECT);
	assert_string_equal(e.text, "peer: the other side says: full");
}

/* ---- the scanner ---- */

/* A second walk brings directories alone. */
static void directories_are_scanned_again(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(mkdirat(lab->dir, "d", 0755), 0);
	assert_int_equal(mkdirat(lab->dir, "d/e", 0755), 0);
	put_file(lab->dir, "d/f", "f");
	scan(lab);
	assert_int_equal(take(lab), TASK_PACK);
	assert_int_equal(lab->task.pack->count, 3);
	queue_assign_pack_ids(lab->s.queue, lab->task.pack);
	scanner_rescan_dirs(lab->scanner);
	assert_int_equal(scanner_join(lab->scanner, NULL), 0);
	assert_int_equal(take(lab), TASK_PACK);
	assert_int_equal(lab->task.pack->count, 2);
	assert_int_equal(lab->task.pack->items[0].kind, ITEM_DIR);
	assert_int_equal(lab->s.count.total_files, 1);
	queue_assign_pack_ids(lab->s.queue, lab->task.pack);
}

/* Its failure is known in the end, whatever became of the session meanwhile. */
static void a_scan_that_failed_stays_failed(void **state)
{
	struct lab *lab = *state;
	struct err e = { 0 };
	/* open for writing only: cannot be read */
	int fd = openat(lab->dir, "list", O_WRONLY | O_CREAT, 0644);

	lab->cfg.scan = scan_new(SCAN_KEEP);
	assert_int_equal(scan_add_list(lab->cfg.scan, lab->path, fd, '\n', &e),
			 0);
	assert_int_equal(scanner_start(lab->scanner), 0);
	assert_int_equal(scanner_join(lab->scanner, &e), ERR_LOCAL);
	assert_int_equal(lab->scan_error, ERR_LOCAL);
	assert_int_equal(e.code, ERR_LOCAL);
	assert_true(scanner_is_done(lab->scanner));
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pack_goes_in_one_frame),
		TEST(files_that_changed_leave_their_pack),
		TEST(an_empty_pack_is_not_sent),
		TEST(what_may_be_there_is_offered),
		TEST(little_is_sent_without_an_offer),
		TEST(a_damaged_pack_is_sent_again),
		TEST(a_file_is_sent_whole_with_its_holes),
		TEST(without_features_all_content_is_sent),
		TEST(what_was_not_granted_is_refused),
		TEST(a_file_that_shrank_is_given_up),
		TEST(what_the_receiver_has_is_checked),
		TEST(state_names_the_digest_of_checks),
		TEST(standard_input_ends_with_its_writer),
		TEST(verdicts_count_and_are_told),
		TEST(what_has_no_verdict_is_missing),
		TEST(a_list_is_kept_when_the_connection_is_lost),
		TEST(the_summary_has_to_be_the_same),
		TEST(ready_comes_once),
		TEST(a_codec_that_is_missing_is_named),
		TEST(an_error_names_the_receiver),
		TEST(directories_are_scanned_again),
		TEST(a_scan_that_failed_stays_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
