/*
 * What a stream's thread does with a task: packs of small files, opening a
 * large one, ranges of it, standard input.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "fs/source.h"
#include "sender/sender.h"
#include "wire/msg.h"

/* Send what is in channel.out with the payload, paced. */
int sender_send_data(struct sender_stream *st, const void *payload, size_t n,
		     uint64_t content, struct err *e)
{
	const uint64_t began_ns = clock_ns();
	int rc = sender_stream_pace(st, n, e);

	if (rc)
		return rc;
	if (sender_is_leaving(st))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	rc = channel_send(&st->channel, payload, n, e);
	if (rc)
		return rc;
	if (st->codec)
		codec_sent(st->codec, clock_ns() - began_ns);
	atomic_fetch_add(&st->sender->bytes, content);
	if (!st->is_ready)
		st->early_bytes += content;
	return 0;
}

/* The directory of an item, and its last component. */
int sender_item_parent(struct sender_stream *st, const struct item *it,
		       const char *name, const char **leaf, struct err *e)
{
	const struct send_config *cfg = st->sender->cfg;

	if (!st->dirs || st->dirs_root != it->root) {
		dirs_free(st->dirs);
		st->dirs = dirs_new(scan_root_fd(cfg->scan, it->root),
				    cfg->follow_links ? DIRS_FOLLOW : 0, NULL,
				    NULL);
		st->dirs_root = it->root;
		if (!st->dirs)
			return err_set(e, ERR_RESOURCE, "out of memory");
	}
	return dirs_parent(st->dirs, name + it->path_off,
			   it->name_len - it->path_off, leaf, e);
}

int sender_follows(const struct sender_stream *st, const struct item *it)
{
	const struct send_config *cfg = st->sender->cfg;

	return cfg->follow_links || scan_root_follow(cfg->scan, it->root);
}

/* What a failed read means to the user: a file that went away has changed. */
static void as_source_error(struct err *e)
{
	if (e->code == ERR_LOCAL && e->sys_errno == ENOENT)
		e->code = ERR_CHANGED;
}

void sender_item_failed(struct sender_stream *st, const char *name,
			const struct item *it, struct err *e)
{
	char display[1024];

	as_source_error(e);
	sender_display(st->sender, it, name, display, sizeof(display));
	sender_file_failed(st->sender, name, it->name_len, it, display, e);
}

/* ---- files in chunks ---- */

/* The file cannot be completed: tell both sides. */
static int abort_file(struct sender_stream *st, struct outfile *f,
		      struct err *fe, struct err *e)
{
	struct msg_file_abort m = { .id = f->id };

	as_source_error(fe);
	m.cause = fe->code == ERR_CHANGED ? CAUSE_CHANGED :
					    (uint16_t)wire_cause_of_errno(
						    fe->sys_errno);
	if (!queue_fail_file(st->sender->queue, f))
		return 0;
	sender_item_failed(st, outfile_name(f), &f->item, fe);
	if (f->id == 0)
		return 0;
	if (!st->is_ready)
		st->has_aborted = 1;
	msg_put_file_abort(&st->channel.out, &m);
	return channel_send(&st->channel, NULL, 0, e);
}

/* As queue_put_leaf(); a source that reads otherwise than before was given up
 * when this returns ERR_CHANGED. */
static int put_leaf(struct sender_stream *st, struct outfile *f, uint64_t leaf,
		    const uint8_t *digest, struct err *e)
{
	int rc = queue_put_leaf(st->sender->queue, f, leaf, digest);
	struct err fe;

	if (rc == ERR_RESOURCE)
		return err_set(e, rc, "out of memory");
	if (rc >= 0)
		return rc;
	err_set(&fe, ERR_CHANGED, "it changed while it was sent");
	rc = abort_file(st, f, &fe, e);
	return rc ? rc : ERR_CHANGED;
}

static int send_chunk(struct sender_stream *st, struct outfile *f,
		      uint64_t leaf, size_t n, struct err *e)
{
	const struct digest_ops *digest = st->sender->cfg->digest;
	struct msg_chunk m = {
		.id = f->id,
		.offset = leaf * TREE_LEAF,
		.raw_len = (uint32_t)n,
	};
	const uint8_t *payload = st->raw;
	size_t packed = 0;
	int rc;

	digest->sum(st->raw, n, m.digest);
	rc = put_leaf(st, f, leaf, m.digest, e);
	if (rc < 0)
		return rc == ERR_CHANGED ? 0 : rc;
	if (rc == 1)
		atomic_fetch_add(&st->sender->resent_bytes, n);
	if (st->codec && n > 0)
		packed = codec_compress(st->codec, st->packed, st->packed_cap,
					st->raw, n, &m.codec);
	if (packed > 0)
		payload = st->packed;
	else
		packed = n;
	msg_put_chunk(&st->channel.out, &m, digest->size, (uint32_t)packed);
	return sender_send_data(st, payload, packed, n, e);
}

/* How many whole leaves from leaf on, at most count, are a hole. */
static uint64_t hole_leaves(const struct outfile *f, uint64_t leaf,
			    uint64_t count)
{
	uint64_t start, end, off = leaf * TREE_LEAF, n;

	if (source_next_data(f->fd, off, f->size, &start, &end, NULL))
		return 0;
	if (start >= f->size)
		n = f->size / TREE_LEAF - leaf;
	else
		n = start / TREE_LEAF - leaf;
	return n < count ? n : count;
}

static int send_hole(struct sender_stream *st, struct outfile *f,
		     uint64_t leaf, uint64_t count, struct err *e)
{
	struct sender *s = st->sender;
	struct msg_hole m = {
		.id = f->id,
		.offset = leaf * TREE_LEAF,
		.len = count * TREE_LEAF,
	};

	for (uint64_t i = 0; i < count; i++) {
		int rc = put_leaf(st, f, leaf + i, s->zero_digest, e);

		if (rc < 0)
			return rc == ERR_CHANGED ? 0 : rc;
	}
	msg_put_hole(&st->channel.out, &m);
	return sender_send_data(st, NULL, 0, count * TREE_LEAF, e);
}

static int has_holes(const struct outfile *f)
{
	return (uint64_t)f->item.st.st_blocks * 512 < f->size;
}

static int send_leaves(struct sender_stream *st, struct outfile *f,
		       uint64_t leaf, uint64_t count, struct err *e)
{
	uint64_t end = leaf + count;
	int holes = has_holes(f), rc = 0;

	while (rc == 0 && leaf < end && queue_is_wanted(st->sender->queue, f)) {
		uint64_t hole = holes ? hole_leaves(f, leaf, end - leaf) : 0;
		size_t n = tree_leaf_size(f->size, leaf);
		struct err fe;

		if (hole > 0) {
			rc = send_hole(st, f, leaf, hole, e);
			leaf += hole;
			continue;
		}
		err_clear(&fe);
		if (n > 0 &&
		    source_read(f->fd, st->raw, n, leaf * TREE_LEAF, &fe))
			return abort_file(st, f, &fe, e);
		rc = send_chunk(st, f, leaf, n, e);
		leaf++;
	}
	return rc;
}

/* ---- what the receiver says it has ---- */

/* The digest of a leaf, known already or read for it. */
static int leaf_digest(struct sender_stream *st, struct outfile *f,
		       uint64_t leaf, uint8_t *out, struct err *fe)
{
	struct sender *s = st->sender;
	size_t n = tree_leaf_size(f->size, leaf);
	int rc;

	if (queue_leaf_digest(s->queue, f, leaf, out) == 0)
		return 0;
	if (has_holes(f) && hole_leaves(f, leaf, 1) == 1) {
		memcpy(out, s->zero_digest, s->cfg->digest->size);
	} else {
		rc = source_read(f->fd, st->raw, n, leaf * TREE_LEAF, fe);
		if (rc)
			return rc;
		s->cfg->digest->sum(st->raw, n, out);
	}
	rc = queue_put_leaf(s->queue, f, leaf, out);
	if (rc == ERR_PROTOCOL)
		return err_set(fe, ERR_CHANGED, "it changed while it was sent");
	return rc < 0 ? err_set(fe, rc, "out of memory") : 0;
}

/* The digests for a CHECK: one of the whole range where it is one, else one a
 * leaf.  Returns 0, or an error of the file. */
static int check_digests(struct sender_stream *st, struct outfile *f,
			 struct msg_check *m, uint8_t *digests, struct err *fe)
{
	const struct digest_ops *ops = st->sender->cfg->digest;
	uint64_t leaves = tree_leaf_count(f->size), leaf = m->offset / TREE_LEAF;
	uint64_t range = leaf / TREE_RANGE_LEAVES;
	int is_range = leaves > 1 && leaf % TREE_RANGE_LEAVES == 0 &&
		       (m->count == TREE_RANGE_LEAVES ||
			leaf + m->count == leaves);
	uint8_t sum[DIGEST_MAX];

	m->kind = is_range ? CHECK_RANGE : CHECK_LEAVES;
	if (is_range &&
	    queue_range_digest(st->sender->queue, f, range, digests) == 0)
		return 0;
	for (uint32_t i = 0; i < m->count; i++) {
		int rc = leaf_digest(st, f, leaf + i, digests + i * ops->size,
				     fe);

		if (rc)
			return rc;
		if (!queue_is_wanted(st->sender->queue, f))
			return 0;
	}
	if (is_range) {
		ops->sum(digests, m->count * ops->size, sum);
		memcpy(digests, sum, ops->size);
	}
	return 0;
}

static int do_check(struct sender_stream *st, const struct task *t,
		    struct err *e)
{
	uint8_t digests[CHECK_LEAVES_MAX * DIGEST_MAX];
	struct sender *s = st->sender;
	struct outfile *f = t->file;
	struct msg_check m = {
		.id = f->id,
		.offset = t->leaf * TREE_LEAF,
		.count = (uint32_t)t->count,
		.digests = digests,
	};
	struct err fe;
	int rc;

	err_clear(&fe);
	rc = check_digests(st, f, &m, digests, &fe);
	if (rc == ERR_RESOURCE) {
		*e = fe;
		return rc;
	}
	if (rc)
		return abort_file(st, f, &fe, e);
	if (!queue_is_wanted(s->queue, f))
		return 0;
	queue_add_check(s->queue, f);
	msg_put_check(&st->channel.out, &m, s->cfg->digest->size);
	for (uint32_t i = 0; i < m.count; i++)
		atomic_fetch_add(&s->bytes,
				 tree_leaf_size(f->size, t->leaf + i));
	return channel_send(&st->channel, NULL, 0, e);
}

/* If all of the file was sent, say so; but not of one that changed. */
static int end_file(struct sender_stream *st, struct outfile *f,
		    struct err *e)
{
	struct msg_file_end m = { .id = f->id };
	struct stat now;
	struct err fe;
	int mine = queue_take_end(st->sender->queue, f);

	if (mine == 0)
		return 0;
	err_clear(&fe);
	if (mine < 0) {
		err_set(&fe, ERR_RESOURCE, "out of memory");
		return abort_file(st, f, &fe, e);
	}
	if (!f->is_stream) {
		if (fstat(f->fd, &now))
			err_sys(&fe, ERR_LOCAL, "reading its status");
		else if (!source_is_same(&now, &f->item.st))
			err_set(&fe, ERR_CHANGED,
				"it changed while it was sent");
		if (fe.code)
			return abort_file(st, f, &fe, e);
	}
	m.size = f->size;
	memcpy(m.digest, f->item.digest, sizeof(m.digest));
	msg_put_file_end(&st->channel.out, &m, st->sender->cfg->digest->size);
	return channel_send(&st->channel, NULL, 0, e);
}

static int open_source(struct sender_stream *st, struct outfile *f,
		       struct err *fe)
{
	const char *leaf = NULL;
	int dir;

	if (f->is_stream) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		memset(&f->item.st, 0, sizeof(f->item.st));
		f->item.st.st_mode = 0644;
		f->item.st.st_mtim = now;
		return 0;
	}
	/* From an earlier session, as it was then. */
	if (f->fd >= 0)
		return 0;
	dir = sender_item_parent(st, &f->item, outfile_name(f), &leaf, fe);
	if (dir < 0)
		return dir;
	f->fd = source_open(dir, leaf, sender_follows(st, &f->item),
			    &f->item.st, fe);
	if (f->fd < 0)
		return f->fd;
	f->size = (uint64_t)f->item.st.st_size;
	if (f->size > WIRE_SIZE_MAX)
		return err_set(fe, ERR_LOCAL, "it is too large (over 8 PiB)");
	return 0;
}

/* With the digest of itself in the end. */
static void put_open(struct buf *b, const struct msg_open *m,
		     const struct digest_ops *digest)
{
	const size_t n = MSG_OPEN_FIXED + m->name_len;
	uint8_t *body;

	msg_put_open(b, m, digest->size);
	if (b->failed)
		return;
	body = b->data + b->len - digest->size - n;
	digest->sum(body, n, body + n);
}

static int do_open(struct sender_stream *st, struct outfile *f, int whole,
		   struct err *e)
{
	struct msg_open m = { .name = outfile_name(f),
			      .name_len = f->item.name_len };
	struct err fe;
	int rc;

	err_clear(&fe);
	if (open_source(st, f, &fe))
		return abort_file(st, f, &fe, e);
	if (!f->tree)
		f->tree = tree_new(st->sender->cfg->digest, f->size);
	whole = whole && !f->is_stream && f->size <= OUTFILE_WHOLE_MAX;
	if (!f->tree || queue_assign_file_id(st->sender->queue, f, whole) == 0)
		return err_set(e, ERR_RESOURCE, "out of memory");
	m.id = f->id;
	m.size = f->size;
	m.allocated = (uint64_t)f->item.st.st_blocks * 512;
	m.meta = file_meta_of_stat(&f->item.st);
	put_open(&st->channel.out, &m, st->sender->cfg->digest);
	rc = channel_send(&st->channel, NULL, 0, e);
	if (rc || !whole)
		return rc;
	rc = send_leaves(st, f, 0, tree_leaf_count(f->size), e);
	return rc ? rc : end_file(st, f, e);
}

/* ---- standard input ---- */

/*
 * Fill a chunk from standard input, serving the connection while the writer
 * takes its time.  Returns the bytes, fewer than a chunk only at the end;
 * a negative code: fe for trouble with the input, e for the connection.
 */
static ssize_t read_stream(struct sender_stream *st, struct outfile *f,
			   struct err *fe, struct err *e)
{
	int fd = f->fd;
	size_t got = 0;

	while (got < CHUNK_MAX && queue_is_wanted(st->sender->queue, f)) {
		ssize_t n;
		int ev = stream_wait(st->channel.stream, fd, -1, e);

		if (ev < 0)
			return ev;
		if (ev & STREAM_READABLE) {
			int rc = sender_take_replies(st, e);

			if (rc)
				return rc;
		}
		if (!(ev & STREAM_WOKEN))
			continue;
		n = read(fd, st->raw + got, CHUNK_MAX - got);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return err_sys(fe, ERR_LOCAL,
				       "reading standard input");
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static int do_stream(struct sender_stream *st, struct outfile *f,
		     struct err *e)
{
	struct err fe;
	ssize_t n;
	uint64_t leaf;
	int rc = 0, eof;

	err_clear(&fe);
	n = read_stream(st, f, &fe, e);
	if (n < 0)
		return fe.code ? abort_file(st, f, &fe, e) : (int)n;
	eof = n < CHUNK_MAX;
	atomic_fetch_add(&st->sender->total_bytes, (uint64_t)n);
	leaf = queue_add_stdin_leaf(st->sender->queue, f, (size_t)n, eof);
	/* An empty input still has one leaf, which is empty. */
	if (n > 0 || leaf == 0)
		rc = send_chunk(st, f, leaf, (size_t)n, e);
	return rc ? rc : end_file(st, f, e);
}

int sender_send_range(struct sender_stream *st, const struct task *t,
		      struct err *e)
{
	st->is_flushed = 0;
	return send_leaves(st, t->file, t->leaf, t->count, e);
}

int sender_end_range(struct sender_stream *st, const struct task *t,
		     struct err *e)
{
	int rc = end_file(st, t->file, e);

	queue_release_task(st->sender->queue, t);
	return rc;
}

int sender_do_task(struct sender_stream *st, const struct task *t,
		   struct err *e)
{
	int rc = 0;

	st->is_flushed = 0;
	switch (t->kind) {
	case TASK_PACK:
		return sender_do_pack(st, t->pack, e);
	case TASK_OPEN:
		rc = do_open(st, t->file, st->is_ready, e);
		break;
	case TASK_RANGE:
		rc = sender_send_range(st, t, e);
		if (rc == 0)
			rc = end_file(st, t->file, e);
		break;
	case TASK_CHECK:
		rc = do_check(st, t, e);
		if (rc == 0)
			rc = end_file(st, t->file, e);
		break;
	case TASK_STDIN:
		rc = do_stream(st, t->file, e);
		break;
	}
	queue_release_task(st->sender->queue, t);
	return rc;
}
