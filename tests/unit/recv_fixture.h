/*
 * recv_fixture.h - a session of a receiver with one stream, without the thread
 * of a connection: the test is the sender, at the other end of a connection on
 * the loopback, and says when the receiver handles a frame.
 *
 * To be included after <cmocka.h>.  Everything is static inline, for each
 * test is a program of its own.
 */
#ifndef FERRY_TESTS_RECV_FIXTURE_H
#define FERRY_TESTS_RECV_FIXTURE_H

#include <errno.h>
#include <sys/stat.h>

#include "net_fixture.h"

#include "base/io.h"
#include "chunk/codec.h"
#include "chunk/tree.h"
#include "fs/dirs.h"
#include "os/cancel.h"
#include "receiver/dispatch.h"
#include "receiver/fd_budget.h"
#include "receiver/input.h"
#include "receiver/made.h"
#include "receiver/results.h"
#include "receiver/session.h"
#include "receiver/setup.h"
#include "receiver/worker.h"
#include "session/channel.h"
#include "session/totals.h"
#include "wire/msg.h"

enum { LAB_EVENTS = 16, LAB_MTIME = 1000000000 };

struct lab_file {
	enum file_status status;
	uint64_t size;
	char name[64], renamed[64], error[256];
};

struct recv_lab {
	char path[128];
	int dir, peer; /* the directory; the sender's end */
	/* may be changed before lab_begin() */
	struct session_events events;
	struct receive_config cfg;
	struct msg_hello hello;
	const struct digest_ops *digest;
	const struct digest_ops *check_digest; /* that STATE named */
	int is_known; /* whether the sender has an id of its own */
	/* the receiver */
	struct recv_setup setup;
	struct senders *senders; /* of setup, */
	struct sender *sender;   /* of these */
	struct recv_session *session;
	struct channel channel;
	struct input input;
	struct worker worker;
	enum dispatch_next next;
	/* of the reply that came last */
	struct buf body;
	/* what the user was told; guarded by lock */
	pthread_mutex_t lock;
	unsigned files, messages, summaries;
	struct lab_file file[LAB_EVENTS];
	char message[256];
	struct session_summary summary;
	int summary_code;
};

static inline void lab_on_file(void *ctx, uint64_t number,
			       const struct session_file *f)
{
	struct recv_lab *lab = ctx;
	struct lab_file *to;

	(void)number;
	pthread_mutex_lock(&lab->lock);
	to = &lab->file[lab->files++ % LAB_EVENTS];
	to->status = f->status;
	to->size = f->size;
	snprintf(to->name, sizeof(to->name), "%s", f->name);
	snprintf(to->renamed, sizeof(to->renamed), "%s",
		 f->renamed_to ? f->renamed_to : "");
	snprintf(to->error, sizeof(to->error), "%s", f->error ? f->error : "");
	pthread_mutex_unlock(&lab->lock);
}

static inline void lab_on_message(void *ctx, enum session_level level,
				  const char *text)
{
	struct recv_lab *lab = ctx;

	(void)level;
	pthread_mutex_lock(&lab->lock);
	lab->messages++;
	snprintf(lab->message, sizeof(lab->message), "%s", text);
	pthread_mutex_unlock(&lab->lock);
}

static inline void lab_on_summary(void *ctx, uint64_t number,
				  const struct session_summary *s,
				  const struct err *e)
{
	struct recv_lab *lab = ctx;

	(void)number;
	lab->summaries++;
	lab->summary = *s;
	lab->summary_code = e->code;
}

/* ---- beginning and end ---- */

/* A directory and settings; no session yet. */
static inline int lab_set_up(void **state)
{
	struct recv_lab *lab = calloc(1, sizeof(*lab));
	struct sender sender = {
		.dir = lab->path,
		.max_size = UINT64_MAX,
		.max_files = UINT64_MAX,
	};
	struct stat st;

	assert_non_null(lab);
	lab->dir = scratch_make(lab->path, sizeof(lab->path), "receiver");
	lab->peer = -1;
	lab->digest = &digest_xxh3;
	/* all that a sender knows, without --preserve and --dry-run */
	lab->hello.features = ~(uint32_t)(FEATURE_PRESERVE | FEATURE_ARCHIVE |
					  FEATURE_DRY_RUN);
	lab->events = (struct session_events){
		.file = lab_on_file,
		.message = lab_on_message,
		.summary = lab_on_summary,
		.ctx = lab,
	};
	lab->cfg = (struct receive_config){
		.dir = lab->path,
		.stdout_fd = -1,
		.sync = SYNC_NONE,
		.max_sessions = 2,
		.max_size = UINT64_MAX,
		.max_files = UINT64_MAX,
		.timeout_ms = FIXTURE_TIMEOUT_MS,
		.cancel_fd = -1,
		.events = &lab->events,
	};
	lab->setup.cfg = &lab->cfg;
	assert_int_equal(fstat(lab->dir, &st), 0);
	sender.root_fd = dup(lab->dir);
	sender.root_dev = st.st_dev;
	lab->setup.senders = senders_current_new();
	assert_non_null(lab->setup.senders);
	lab->senders = senders_new(NULL);
	assert_non_null(lab->senders);
	senders_current_set(lab->setup.senders, lab->senders);
	lab->sender = senders_add(lab->senders, &sender, 0);
	assert_non_null(lab->sender);
	lab->setup.umask = 022;
	lab->setup.dir_mode = 0755;
	lab->setup.boot[0] = 1; /* all zero: journals count only if flushed */
	lab->setup.fds = fd_budget_new(4);
	assert_non_null(lab->setup.fds);
	assert_int_equal(cancel_init(&lab->setup.stop), 0);
	lab->setup.mode.role = NET_LISTENS;
	refusals_init(&lab->setup.refusals, &lab->events);
	pthread_mutex_init(&lab->lock, NULL);
	buf_init(&lab->body, 1 << 20);
	/* As receive_run() does: modes come out as they are asked for. */
	umask(0);
	*state = lab;
	return 0;
}

static inline int lab_on_tick(void *ctx, int sending, struct err *e)
{
	return input_tick(ctx, sending, e);
}

/* The connection, before HELLO. */
static inline void lab_connect(struct recv_lab *lab)
{
	const struct stream_config cfg = { .timeout_ms = FIXTURE_TIMEOUT_MS };
	struct stream_hooks hooks = { NULL, lab_on_tick, &lab->input };
	struct stream *stream;
	struct err e;
	int fd[2];

	tcp_pair(fd);
	lab->peer = fd[0];
	stream = tls_conn_open(fd[1], NULL, &cfg, &e);
	assert_non_null(stream);
	stream_set_hooks(stream, &hooks);
	channel_init(&lab->channel, stream, 0, FIXTURE_TIMEOUT_MS);
	lab->input = (struct input){
		.channel = &lab->channel,
		.stop = &lab->setup.stop,
		.rate_limit = &lab->setup.rate_limit,
		.is_first = 1,
	};
	assert_int_equal(rate_limit_init(&lab->setup.rate_limit,
					 lab->cfg.limit_rate),
			 0);
	assert_int_equal(input_alloc(&lab->input, &e), 0);
}

/* A session, as HELLO makes it. */
static inline struct recv_session *lab_session(struct recv_lab *lab,
					       struct err *e)
{
	const struct recv_session_peer peer = {
		.stream = lab->channel.stream,
		.text = "peer",
		.senders = lab->senders,
		.sender = lab->sender,
		.source_key = 1,
		.digest = lab->digest,
		.hello_by_ms = clock_ms() + scaled(1000),
	};

	lab->sender->existing = lab->cfg.existing;
	lab->sender->accept = lab->cfg.accept;
	lab->sender->max_size = lab->cfg.max_size;
	lab->sender->max_files = lab->cfg.max_files;
	return recv_session_new(&lab->setup, &peer, &lab->hello, e);
}

/* What frames are handled with. */
static inline void lab_make_worker(struct recv_lab *lab)
{
	struct worker *w = &lab->worker;

	memset(w, 0, sizeof(*w));
	lab->input.transfer = w->transfer = &lab->session->transfer;
	lab->input.cpu = &w->cpu;
	w->channel = &lab->channel;
	w->input = &lab->input;
	w->wire = lab->input.wire;
	w->raw = lab->input.raw;
	if (lab->cfg.to_stdout)
		return;
	w->dirs = dirs_new(lab->dir, DIRS_CREATE, NULL, NULL);
	assert_non_null(w->dirs);
	dirs_set_mode(w->dirs, 0777 & ~lab->setup.umask);
	dirs_set_since(w->dirs, &lab->session->began);
	made_serve(lab->session->transfer.made, w->dirs);
	w->parts.digest = lab->digest;
	w->parts.peer_id = lab->session->peer_id;
	w->parts.is_known = lab->is_known;
	w->parts.boot = lab->setup.boot;
	w->parts.lacks = &lab->session->transfer.lacks;
	w->parts.dirs = w->dirs;
	w->parts.root_dev = lab->sender->root_dev;
}

/* A session with its first stream. */
static inline void lab_begin(struct recv_lab *lab)
{
	struct err e = { 0 };

	lab_connect(lab);
	lab->session = lab_session(lab, &e);
	assert_non_null(lab->session);
	recv_session_set_number(lab->session, 1);
	assert_int_equal(recv_session_attach(lab->session, 0,
					     lab->channel.stream),
			 0);
	lab_make_worker(lab);
	lab->next = DISPATCH_GO_ON;
}

/* The connection is gone. */
static inline void lab_disconnect(struct recv_lab *lab)
{
	if (lab->peer < 0)
		return;
	dirs_free(lab->worker.dirs);
	same_release(&lab->worker.same);
	lab->worker.dirs = NULL;
	channel_release(&lab->channel);
	input_release(&lab->input);
	rate_limit_release(&lab->setup.rate_limit);
	io_close(&lab->peer);
}

/* And the session: what is open is kept or removed. */
static inline void lab_end(struct recv_lab *lab)
{
	lab_disconnect(lab);
	recv_session_free(lab->session);
	lab->session = NULL;
}

static inline int lab_tear_down(void **state)
{
	struct recv_lab *lab = *state;
	int rc;

	lab_end(lab);
	fd_budget_free(lab->setup.fds);
	cancel_release(&lab->setup.stop);
	senders_current_free(lab->setup.senders);
	rc = scratch_remove(lab->path);
	buf_release(&lab->body);
	pthread_mutex_destroy(&lab->lock);
	io_close(&lab->dir);
	free(lab);
	return rc;
}

#define lab_test(name) \
	cmocka_unit_test_setup_teardown(name, lab_set_up, lab_tear_down)

/* ---- the sender's side ---- */

/* Send the frames in b, which is released, and the payload of the last. */
static inline void lab_send(struct recv_lab *lab, struct buf *b,
			    const void *payload, size_t n)
{
	assert_false(b->failed);
	frame_seal(b->data, b->len);
	assert_int_equal(send(lab->peer, b->data, b->len, MSG_NOSIGNAL),
			 b->len);
	if (n > 0)
		assert_int_equal(send(lab->peer, payload, n, MSG_NOSIGNAL), n);
	buf_release(b);
}

/* Have the receiver handle the next frame: its result. */
static inline int lab_handle(struct recv_lab *lab, struct err *e)
{
	struct frame f;
	int rc;

	err_clear(e);
	while ((rc = channel_poll_header(&lab->channel, &f, e)) == ERR_AGAIN)
		assert_true(stream_wait(lab->channel.stream, -1, -1, e) > 0);
	if (rc == 0)
		rc = dispatch_frame(&lab->worker, lab->session, &f, &lab->next,
				    e);
	if (rc == 0)
		assert_int_equal(stream_flush(lab->channel.stream, e), 0);
	return rc;
}

/* Send one frame, and have it handled. */
static inline int lab_frame(struct recv_lab *lab, struct buf *b,
			    const void *payload, size_t n, struct err *e)
{
	lab_send(lab, b, payload, n);
	return lab_handle(lab, e);
}

/* What other threads left for the sender goes out. */
static inline void lab_send_results(struct recv_lab *lab)
{
	struct err e;

	if (!results_take_frames(lab->session->transfer.results, 1, 0,
				 &lab->channel.out))
		return;
	assert_int_equal(channel_send(&lab->channel, NULL, 0, &e), 0);
	assert_int_equal(stream_flush(lab->channel.stream, &e), 0);
}

/* The next frame that the receiver sends, its body in lab->body. */
static inline enum frame_type lab_any_reply(struct recv_lab *lab)
{
	struct results *results = lab->session->transfer.results;
	struct pollfd fds[2] = { { .fd = lab->peer, .events = POLLIN },
				 { .fd = results_wake_fd(results, 1),
				   .events = POLLIN } };
	uint8_t head[FRAME_HEADER], *p;
	struct frame f;

	do {
		lab_send_results(lab);
		assert_true(poll(fds, 2, FIXTURE_TIMEOUT_MS) > 0);
		if (fds[1].revents)
			results_clear_wake(results, 1);
	} while (!fds[0].revents);
	assert_int_equal(recv(lab->peer, head, sizeof(head), MSG_WAITALL),
			 sizeof(head));
	assert_int_equal(frame_get(&f, head, 0), 0);
	buf_reset(&lab->body);
	p = buf_extend(&lab->body, f.len);
	if (f.len > 0)
		assert_int_equal(recv(lab->peer, p, f.len, MSG_WAITALL), f.len);
	assert_int_equal(frame_body_crc(lab->body.data, f.len), f.body_check);
	return (enum frame_type)f.type;
}

/* The same without PROGRESS, which may come any time. */
static inline enum frame_type lab_reply(struct recv_lab *lab)
{
	enum frame_type type;

	do {
		type = lab_any_reply(lab);
	} while (type == FRAME_PROGRESS);
	return type;
}

static inline void lab_assert_no_reply(struct recv_lab *lab)
{
	uint8_t byte;

	lab_send_results(lab);
	assert_int_equal(recv(lab->peer, &byte, 1, MSG_DONTWAIT | MSG_PEEK),
			 -1);
}

/* The next frame is a verdict on these items. */
static inline struct msg_verdict lab_verdict(struct recv_lab *lab)
{
	struct msg_verdict m;

	assert_int_equal(lab_reply(lab), FRAME_VERDICT);
	assert_int_equal(msg_get_verdict(&m, lab->body.data, lab->body.len), 0);
	return m;
}

#define lab_expect(lab, id, items, what, why)                    \
	do {                                                     \
		const struct msg_verdict vm = lab_verdict(lab);  \
		assert_int_equal(vm.first_id, id);               \
		assert_int_equal(vm.count, items);               \
		assert_int_equal(vm.status, what);               \
		assert_int_equal(vm.cause, why);                 \
	} while (0)

static inline void lab_expect_resend(struct recv_lab *lab, uint64_t id,
				     uint64_t offset)
{
	struct msg_resend m;

	assert_int_equal(lab_reply(lab), FRAME_RESEND);
	assert_int_equal(msg_get_resend(&m, lab->body.data, lab->body.len), 0);
	assert_int_equal(m.id, id);
	assert_int_equal(m.offset, offset);
}

/* ---- packs ---- */

struct lab_pack {
	struct recv_lab *lab;
	struct msg_pack m;
	struct buf table, raw; /* raw: the content */
	const struct codec_ops *codec;
	int is_offer;
	int has_digest; /* m.digest is the test's */
};

static inline void pack_start(struct lab_pack *p, struct recv_lab *lab,
			      uint64_t first_id)
{
	memset(p, 0, sizeof(*p));
	p->lab = lab;
	p->m.first_id = first_id;
	p->codec = &codec_none;
	buf_init(&p->table, CHUNK_MAX);
	buf_init(&p->raw, CHUNK_MAX);
}

static inline struct pack_item pack_item(uint8_t kind, const char *name)
{
	return (struct pack_item){
		.kind = kind,
		.meta = { .mode = kind == ITEM_DIR ? 0755 : 0644,
			  .mtime_s = LAB_MTIME },
		.name = name,
		.name_len = strlen(name),
	};
}

static inline void pack_row(struct lab_pack *p, const struct pack_item *it)
{
	const struct pack_form form = {
		p->is_offer ? DIGEST_MAX : p->lab->digest->size,
		p->lab->worker.transfer->meta_form,
	};

	pack_put_item(&p->table, it, &form);
	p->m.count++;
}

static inline void pack_file(struct lab_pack *p, const char *name,
			     const char *content)
{
	struct pack_item it = pack_item(ITEM_FILE, name);
	const size_t len = strlen(content);

	it.size = len;
	(p->is_offer ? &digest_sha256 : p->lab->digest)
		->sum(content, len, it.digest);
	pack_row(p, &it);
	buf_put(&p->raw, content, len);
}

static inline void pack_dir(struct lab_pack *p, const char *name)
{
	const struct pack_item it = pack_item(ITEM_DIR, name);

	pack_row(p, &it);
}

static inline void pack_symlink(struct lab_pack *p, const char *name,
				const char *target)
{
	struct pack_item it = pack_item(ITEM_SYMLINK, name);

	it.target = target;
	it.target_len = strlen(target);
	pack_row(p, &it);
}

/* Compress n bytes into b. */
static inline void lab_compress(struct buf *b, const struct codec_ops *ops,
				const void *p, size_t n)
{
	const size_t cap = ops->bound(n);
	void *state;
	size_t len;

	buf_init(b, cap + 1);
	if (ops == &codec_none) {
		buf_put(b, p, n);
		return;
	}
	state = ops->open(ops->level_default);
	len = ops->compress(state, buf_extend(b, cap), cap, p, n);
	ops->close(state);
	assert_true(len > 0 && len < n);
	b->len = len;
}

/* Send it, and have it handled. */
static inline int pack_take(struct lab_pack *p, struct err *e)
{
	const size_t size = p->lab->digest->size;
	struct buf b, payload;
	int rc;

	if (!p->has_digest)
		p->lab->digest->sum(p->table.data, p->table.len, p->m.digest);
	if (!p->m.table_len)
		p->m.table_len = (uint32_t)p->table.len;
	if (!p->is_offer)
		buf_put(&p->table, p->raw.data, p->raw.len);
	if (!p->m.raw_len)
		p->m.raw_len = (uint32_t)p->table.len;
	p->m.codec = p->codec->id;
	lab_compress(&payload, p->codec, p->table.data, p->table.len);
	buf_init(&b, 65536);
	if (p->is_offer)
		msg_put_offer(&b, &p->m, size, (uint32_t)payload.len);
	else
		msg_put_pack(&b, &p->m, size, (uint32_t)payload.len);
	rc = lab_frame(p->lab, &b, payload.data, payload.len, e);
	buf_release(&payload);
	buf_release(&p->table);
	buf_release(&p->raw);
	return rc;
}

static inline int lab_take_file(struct recv_lab *lab, uint64_t id,
				const char *name, const char *content,
				struct err *e)
{
	struct lab_pack p;

	pack_start(&p, lab, id);
	pack_file(&p, name, content);
	return pack_take(&p, e);
}

/* ---- files in chunks ---- */

/* Leaf i is full of the i-th of these letters; '.': zeros.  The last one may be
 * shorter. */
struct lab_content {
	const char *letters;
	uint64_t size;
};

static inline size_t lab_leaf(const struct lab_content *c, uint64_t i,
			      uint8_t *leaf)
{
	const size_t n = tree_leaf_size(c->size, i);

	assert_true(i < strlen(c->letters));
	memset(leaf, c->letters[i] == '.' ? 0 : c->letters[i], n);
	return n;
}

static inline void lab_leaf_digest(const struct digest_ops *ops,
				   const struct lab_content *c, uint64_t i,
				   uint8_t *out)
{
	uint8_t *leaf = malloc(TREE_LEAF);

	assert_non_null(leaf);
	ops->sum(leaf, lab_leaf(c, i, leaf), out);
	free(leaf);
}

static inline void lab_digest(const struct recv_lab *lab,
			      const struct lab_content *c, uint8_t *out)
{
	struct tree *t = tree_new(lab->digest, c->size);
	uint8_t sum[DIGEST_MAX];

	for (uint64_t i = 0; i < tree_leaf_count(c->size); i++) {
		lab_leaf_digest(lab->digest, c, i, sum);
		assert_int_equal(tree_put(t, i, sum), 0);
	}
	assert_int_equal(tree_final(t, out), 0);
	tree_free(t);
}

static inline int lab_open(struct recv_lab *lab, const struct msg_open *m,
			   struct err *e)
{
	struct msg_open filled = *m;
	const size_t size = lab->digest->size;
	struct buf b;

	if (!filled.name_len)
		filled.name_len = strlen(filled.name);
	if (!filled.meta.mode)
		filled.meta.mode = 0644;
	if (!filled.meta.mtime_s)
		filled.meta.mtime_s = LAB_MTIME;
	buf_init(&b, 65536);
	msg_put_open(&b, &filled, size, lab->worker.transfer->meta_form);
	lab->digest->sum(b.data + FRAME_HEADER, b.len - FRAME_HEADER - size,
			 b.data + b.len - size);
	return lab_frame(lab, &b, NULL, 0, e);
}

/* Open a file of this content, and read STATE: its state. */
static inline enum file_state lab_open_file(struct recv_lab *lab, uint64_t id,
					    const char *name,
					    const struct lab_content *c,
					    struct msg_state *m)
{
	const struct msg_open open = {
		.id = id,
		.size = c->size,
		.allocated = c->size,
		.name = name,
	};
	struct err e;
	enum frame_type type;

	assert_int_equal(lab_open(lab, &open, &e), 0);
	/* before it, where there is a basis */
	type = lab_reply(lab);
	if (type == FRAME_SIGNATURE)
		type = lab_reply(lab);
	assert_int_equal(type, FRAME_STATE);
	assert_int_equal(msg_get_state(m, lab->body.data, lab->body.len), 0);
	assert_int_equal(m->id, id);
	lab->check_digest = digest_by_id(m->digest);
	return (enum file_state)m->state;
}

static inline int lab_chunk(struct recv_lab *lab, uint64_t id,
			    const struct lab_content *c, uint64_t i,
			    struct err *e)
{
	uint8_t *leaf = malloc(TREE_LEAF);
	struct msg_chunk m = { .id = id, .offset = i * TREE_LEAF };
	const struct codec_ops *ops = &codec_zstd;
	struct buf b, payload;
	int rc;

	assert_non_null(leaf);
	m.raw_len = (uint32_t)lab_leaf(c, i, leaf);
	if (m.raw_len < 64)
		ops = &codec_none;
	m.codec = ops->id;
	lab->digest->sum(leaf, m.raw_len, m.digest);
	lab_compress(&payload, ops, leaf, m.raw_len);
	buf_init(&b, 65536);
	msg_put_chunk(&b, &m, lab->digest->size, (uint32_t)payload.len);
	rc = lab_frame(lab, &b, payload.data, payload.len, e);
	buf_release(&payload);
	free(leaf);
	return rc;
}

static inline int lab_hole(struct recv_lab *lab, uint64_t id, uint64_t leaf,
			   uint64_t count, struct err *e)
{
	const struct msg_hole m = { id, leaf * TREE_LEAF, count * TREE_LEAF };
	struct buf b;

	buf_init(&b, 256);
	msg_put_hole(&b, &m);
	return lab_frame(lab, &b, NULL, 0, e);
}

static inline int lab_file_end(struct recv_lab *lab, uint64_t id,
			       const struct lab_content *c, struct err *e)
{
	struct msg_file_end m = { .id = id, .size = c->size };
	struct buf b;

	lab_digest(lab, c, m.digest);
	buf_init(&b, 256);
	msg_put_file_end(&b, &m, lab->digest->size);
	return lab_frame(lab, &b, NULL, 0, e);
}

/* CHECK count leaves from this one on, as they are in c: each, or as a
 * range. */
static inline int lab_check_as(struct recv_lab *lab, enum check_kind kind,
			       uint64_t id, const struct lab_content *c,
			       uint64_t leaf, uint32_t count, struct err *e)
{
	const struct digest_ops *ops =
		lab->check_digest ? lab->check_digest : lab->digest;
	uint8_t digests[CHECK_LEAVES_MAX * DIGEST_MAX];
	const struct msg_check m = {
		.id = id,
		.offset = leaf * TREE_LEAF,
		.count = count,
		.kind = (uint8_t)kind,
		.digests = digests,
	};
	uint8_t sum[DIGEST_MAX];
	struct buf b;

	for (uint32_t i = 0; i < count; i++) {
		lab_leaf_digest(ops, c, leaf + i, sum);
		memcpy(digests + i * ops->size, sum, ops->size);
	}
	if (kind == CHECK_RANGE) {
		ops->sum(digests, count * ops->size, sum);
		memcpy(digests, sum, ops->size);
	}
	buf_init(&b, 65536);
	msg_put_check(&b, &m, ops->size);
	return lab_frame(lab, &b, NULL, 0, e);
}

static inline int lab_check(struct recv_lab *lab, uint64_t id,
			    const struct lab_content *c, uint64_t leaf,
			    uint32_t count, struct err *e)
{
	return lab_check_as(lab, CHECK_LEAVES, id, c, leaf, count, e);
}

/* The answer: which leaves differ. */
static inline uint64_t lab_checked(struct recv_lab *lab)
{
	struct msg_checked m;

	assert_int_equal(lab_reply(lab), FRAME_CHECKED);
	assert_int_equal(msg_get_checked(&m, lab->body.data, lab->body.len), 0);
	return m.differing;
}

/* ---- what is in the directory ---- */

static inline void assert_content(const struct recv_lab *lab, const char *name,
				  const char *content)
{
	char text[256] = "";
	int fd = openat(lab->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(io_read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, content);
}

static inline void assert_leaves(const struct recv_lab *lab, const char *name,
				 const struct lab_content *c)
{
	uint8_t *leaf = malloc(TREE_LEAF), *there = malloc(TREE_LEAF);
	int fd = openat(lab->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	assert_true(fd >= 0 && leaf && there);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, c->size);
	for (uint64_t i = 0; i < tree_leaf_count(c->size); i++) {
		const size_t n = lab_leaf(c, i, leaf);

		assert_int_equal(io_pread(fd, there, n, i * TREE_LEAF), n);
		assert_memory_equal(there, leaf, n);
	}
	close(fd);
	free(leaf);
	free(there);
}

static inline void assert_gone(const struct recv_lab *lab, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(lab->dir, name, &st, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(errno, ENOENT);
}

/* How many names are in the directory. */
static inline int lab_names(const struct recv_lab *lab)
{
	return count_entries(opendir(lab->path)) - 2;
}

static inline void put_leaves(const struct recv_lab *lab, const char *name,
			      const struct lab_content *c, int64_t mtime_s)
{
	const struct timespec times[2] = { { .tv_sec = mtime_s },
					   { .tv_sec = mtime_s } };
	uint8_t *leaf = malloc(TREE_LEAF);
	int fd = openat(lab->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			0644);

	assert_true(fd >= 0 && leaf);
	for (uint64_t i = 0; i < tree_leaf_count(c->size); i++) {
		const size_t n = lab_leaf(c, i, leaf);

		assert_int_equal(io_write(fd, leaf, n), 0);
	}
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
	free(leaf);
}

#endif
