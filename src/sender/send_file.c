/*
 * Sending a file in chunks: opening it, sending ranges of its leaves, checking
 * what the receiver has, ending it; and standard input.
 */
#include "sender/send_file.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fs/source.h"
#include "net/stream.h"
#include "os/cancel.h"
#include "sender/command.h"
#include "sender/delta.h"
#include "sender/input_end.h"
#include "sender/links.h"
#include "sender/meta.h"
#include "sender/outcome.h"
#include "sender/outfile.h"
#include "sender/progress.h"
#include "sender/queue_delta.h"
#include "sender/queue_files.h"
#include "sender/queue_lists.h"
#include "sender/recheck.h"
#include "sender/replies.h"
#include "sender/send.h"
#include "sender/send_delta.h"
#include "sender/session.h"
#include "sender/stream.h"

int send_file_abort(struct send_stream *st, struct outfile *f, struct err *fe,
		    struct err *e)
{
	struct msg_file_abort m = { .id = f->id };

	if (!queue_fail_file(st->sender->queue, f))
		return 0;
	if (f->id == 0) {
		send_stream_item_unsent(st, &f->item, outfile_name(f), fe);
		return 0;
	}
	outcome_item_failed(st->sender->outcome, &f->item, outfile_name(f), fe);
	links_settle(st->sender->links, f->item.linked, &f->item.st, 0);
	if (st->state == STREAM_OPENING)
		st->has_aborted = 1;
	m.cause = fe->code == ERR_CHANGED
			  ? CAUSE_CHANGED
			  : (uint16_t)wire_cause_of_source(fe->sys_errno);
	msg_put_file_abort(&st->channel.out, &m);
	return channel_send(&st->channel, NULL, 0, e);
}

/* ---- leaves ---- */

int send_file_record(struct send_stream *st, struct outfile *f, uint64_t leaf,
		     const uint8_t *digest, struct err *e)
{
	int rc = queue_put_leaf(st->sender->queue, f, leaf, digest);
	struct err fe;

	if (rc >= 0)
		return 0;
	if (rc == ERR_RESOURCE)
		return err_set(e, rc, "out of memory");
	err_set(&fe, ERR_CHANGED, "it changed while it was sent");
	rc = send_file_abort(st, f, &fe, e);
	return rc ? rc : SEND_FILE_DROPPED;
}

int send_file_is_hole(const struct send_stream *st, const struct outfile *f,
		      uint64_t leaf)
{
	return st->features & FEATURE_HOLES &&
	       outfile_hole_leaves(f, leaf, 1) == 1;
}

enum { LEAF_HELD = SEND_FILE_DROPPED + 1 };

/* Send a leaf of the file, of which that was read, in the way of t, which this
 * ends.  Returns as send_leaf(). */
static int send_chunk(struct send_stream *st, struct outfile *f, uint64_t leaf,
		      const struct delta_read *have, struct delta_take *t,
		      struct err *e)
{
	const struct digest_ops *digest = st->sender->cfg->digest;
	struct msg_chunk m = {
		.id = f->id,
		.offset = leaf * TREE_LEAF,
		.raw_len = (uint32_t)have->n,
	};
	const size_t n = have->n;
	struct delta_result made = { 0 };
	size_t found = 0; /* of the chunk, in the basis */
	struct payload payload;
	int is_held;
	int rc;

	if (have->digest)
		memcpy(m.digest, have->digest, digest->size);
	else
		digest->sum(have->raw, n, m.digest);
	rc = send_file_record(st, f, leaf, m.digest, e);
	if (rc == 0)
		made = send_delta_make(st, f->id, leaf, have, t);
	is_held = queue_delta_give(st->sender->queue, f, t, leaf,
				   made.payload.data != NULL, made.found);
	if (rc || is_held)
		return rc ? rc : LEAF_HELD;
	payload = made.payload;
	if (!payload.data)
		payload = compressor_run(&st->compressor, have->raw, n,
					 f->has_holes);
	else
		found = made.found;
	atomic_fetch_add(&st->sender->count.basis_bytes, found);
	m.codec = payload.codec;
	rc = send_progress_if_due(st, e);
	if (rc)
		return rc;
	msg_put_chunk(&st->channel.out, &m, digest->size,
		      (uint32_t)payload.len);
	rc = send_stream_send(st, payload.data, payload.len, n - found, e);
	if (rc == 0)
		atomic_fetch_add(&st->sender->count.spared, (int64_t)found);
	/* The digest being known says nothing: a CHECK needs it too. */
	if (rc == 0 && queue_leaf_sent(st->sender->queue, f, leaf, n))
		atomic_fetch_add(&st->sender->count.resent_bytes, n);
	return rc;
}

static int send_hole(struct send_stream *st, struct outfile *f, uint64_t leaf,
		     uint64_t count, struct err *e)
{
	const struct msg_hole m = {
		.id = f->id,
		.offset = leaf * TREE_LEAF,
		.len = count * TREE_LEAF,
	};

	for (uint64_t i = 0; i < count; i++) {
		int rc = send_file_record(st, f, leaf + i,
					  st->sender->zero_digest, e);

		if (rc)
			return rc == SEND_FILE_DROPPED ? 0 : rc;
	}
	msg_put_hole(&st->channel.out, &m);
	send_progress_spare_hole(st->sender, f, m.len);
	return send_stream_send(st, NULL, 0, 0, e);
}

/* Read a leaf and send it.  Returns 0; SEND_FILE_DROPPED; LEAF_HELD; or an
 * error that ends the session. */
static int send_leaf(struct send_stream *st, struct outfile *f, uint64_t leaf,
		     struct err *e)
{
	struct delta_read have = { .n = tree_leaf_size(f->size, leaf) };
	struct delta_take t;
	struct err fe;
	int rc;

	err_clear(&fe);
	queue_delta_take(st->sender->queue, f, leaf, &t);
	if (t.way == DELTA_HELD)
		return LEAF_HELD;
	rc = send_delta_read(st, f, leaf, &t, &have, &fe);
	if (rc == 0)
		return send_chunk(st, f, leaf, &have, &t, e);
	queue_delta_give(st->sender->queue, f, &t, leaf, 0, 0);
	if (rc != ERR_RESOURCE)
		return send_file_abort(st, f, &fe, e);
	*e = fe;
	return rc;
}

int send_file_range(struct send_stream *st, struct outfile *f, uint64_t leaf,
		    uint64_t count, struct err *e)
{
	const int has_holes = (st->features & FEATURE_HOLES) != 0;
	const uint64_t end = leaf + count;
	int rc = 0;

	while (rc == 0 && leaf < end && queue_is_wanted(st->sender->queue, f)) {
		const uint64_t hole =
			has_holes ? outfile_hole_leaves(f, leaf, end - leaf) : 0;

		if (hole > 0) {
			rc = send_hole(st, f, leaf, hole, e);
			leaf += hole;
		} else {
			rc = send_leaf(st, f, leaf, e);
			leaf += rc != LEAF_HELD;
		}
	}
	if (rc == LEAF_HELD) {
		rc = queue_delta_hold(st->sender->queue, f, leaf, end - leaf);
		return rc ? err_set(e, rc, "it differs in too many places") :
			    0;
	}
	return rc < 0 ? rc : 0;
}

/* ---- what the receiver says it has ---- */

/* Whether the receiver compares leaves of the file by SHA-256, and these are
 * not in the file's tree. */
static int is_checked_apart(const struct send_stream *st,
			    const struct outfile *f)
{
	return f->check_digest != st->sender->cfg->digest->id;
}

static size_t check_size(const struct send_stream *st, const struct outfile *f)
{
	return is_checked_apart(st, f) ? SAME_SIZE :
					 st->sender->cfg->digest->size;
}

/* Read a leaf: its digest for the file's tree, and the one that the receiver
 * compares by.  Returns 0 or an error of the file. */
static int read_digests(struct send_stream *st, struct outfile *f,
			uint64_t leaf, uint8_t *tree, uint8_t *check,
			struct err *fe)
{
	const struct digest_ops *digest = st->sender->cfg->digest;
	const size_t n = tree_leaf_size(f->size, leaf);
	const int is_apart = is_checked_apart(st, f);
	int rc = 0;

	if (outfile_hole_leaves(f, leaf, 1) == 1) {
		memcpy(tree, st->sender->zero_digest, digest->size);
		if (is_apart)
			rc = same_zero_leaf(&st->same, check);
	} else {
		rc = source_read(f->fd, st->raw, n, leaf * TREE_LEAF, fe);
		if (rc)
			return rc;
		digest->sum(st->raw, n, tree);
		if (is_apart)
			rc = same_digest(&st->same, st->raw, n, check);
	}
	if (!is_apart)
		memcpy(check, tree, digest->size);
	return rc ? err_set(fe, rc, "out of memory") : 0;
}

/* Get the digest of a leaf that the receiver compares by, reading the source
 * where it is not known.  Returns 0 or an error of the file. */
static int leaf_digest(struct send_stream *st, struct outfile *f, uint64_t leaf,
		       uint8_t *out, struct err *fe)
{
	struct queue *queue = st->sender->queue;
	uint8_t tree[DIGEST_MAX];
	int rc;

	if (!is_checked_apart(st, f) &&
	    queue_leaf_digest(queue, f, leaf, out) == 0)
		return 0;
	rc = read_digests(st, f, leaf, tree, out, fe);
	if (rc)
		return rc;
	rc = queue_put_leaf(queue, f, leaf, tree);
	if (rc == ERR_PROTOCOL)
		return err_set(fe, ERR_CHANGED, "it changed while it was sent");
	return rc < 0 ? err_set(fe, rc, "out of memory") : 0;
}

/* Replace n digests by that of the range which they are, in place. */
static int sum_range(struct send_stream *st, const struct outfile *f,
		     uint8_t *digests, size_t n, struct err *fe)
{
	const struct digest_ops *ops = st->sender->cfg->digest;
	uint8_t sum[DIGEST_MAX];

	if (!is_checked_apart(st, f)) {
		ops->sum(digests, n * ops->size, sum);
		memcpy(digests, sum, ops->size);
		return 0;
	}
	if (same_digest(&st->same, digests, n * SAME_SIZE, sum))
		return err_set(fe, ERR_RESOURCE, "out of memory");
	memcpy(digests, sum, SAME_SIZE);
	return 0;
}

/* Set the kind of a CHECK and its digests: one digest where the leaves are a
 * whole range of the tree, else one for each leaf.  Returns 0, or an error: of
 * the file, in fe; or of the session, in e. */
static int fill_digests(struct send_stream *st, struct outfile *f,
			struct msg_check *m, uint8_t *digests, struct err *fe,
			struct err *e)
{
	struct queue *queue = st->sender->queue;
	const uint64_t leaves = tree_leaf_count(f->size);
	const uint64_t first = m->offset / TREE_LEAF;
	const int is_range = leaves > 1 && first % TREE_RANGE_LEAVES == 0 &&
			     (m->count == TREE_RANGE_LEAVES ||
			      first + m->count == leaves);

	m->kind = is_range ? CHECK_RANGE : CHECK_LEAVES;
	if (is_range && !is_checked_apart(st, f) &&
	    queue_range_digest(queue, f, first / TREE_RANGE_LEAVES,
					   digests) == 0)
		return 0;
	for (uint32_t i = 0; i < m->count; i++) {
		int rc = send_stream_keep_alive(st, e);

		if (rc == 0)
			rc = leaf_digest(st, f, first + i,
					 digests + i * check_size(st, f), fe);
		if (rc)
			return rc;
		if (!queue_is_wanted(queue, f))
			return 0;
	}
	return is_range ? sum_range(st, f, digests, m->count, fe) : 0;
}

int send_file_check(struct send_stream *st, struct outfile *f, uint64_t leaf,
		    uint64_t count, struct err *e)
{
	uint8_t digests[CHECK_LEAVES_MAX * DIGEST_MAX];
	struct sender *s = st->sender;
	struct msg_check m = {
		.id = f->id,
		.offset = leaf * TREE_LEAF,
		.count = (uint32_t)count,
		.digests = digests,
	};
	struct err fe;
	int rc;

	err_clear(&fe);
	rc = fill_digests(st, f, &m, digests, &fe, e);
	if (rc && !fe.code)
		return rc;
	if (rc == ERR_RESOURCE) {
		*e = fe;
		return rc;
	}
	if (rc)
		return send_file_abort(st, f, &fe, e);
	if (!queue_is_wanted(s->queue, f))
		return 0;
	/* Before it is sent: another stream may read the answer. */
	queue_add_check(s->queue, f);
	msg_put_check(&st->channel.out, &m, check_size(st, f));
	/* The leaves count as done; the answer subtracts those that differ. */
	for (uint32_t i = 0; i < m.count; i++)
		send_progress_spare_checked(s, f,
					    tree_leaf_size(f->size, leaf + i));
	rc = channel_send(&st->channel, NULL, 0, e);
	/* The receiver compares these while the next ones are digested. */
	return rc ? rc : stream_flush(st->channel.stream, e);
}

/* ---- the end ---- */

int send_file_end(struct send_stream *st, struct outfile *f, struct err *e)
{
	struct msg_file_end m;
	struct err fe;
	int rc = 0, take = queue_take_end(st->sender->queue, f);

	if (take == 0)
		return 0;
	err_clear(&fe);
	/* The last moment to notice a change: after FILE_END the receiver may
	 * commit the file. */
	if (take < 0)
		err_set(&fe, ERR_RESOURCE, "out of memory");
	else
		rc = recheck_source(st, f, &fe, e);
	if (rc)
		return rc < 0 ? rc : 0;
	if (fe.code)
		return send_file_abort(st, f, &fe, e);
	m.id = f->id;
	m.size = f->size;
	memcpy(m.digest, f->item.digest, sizeof(m.digest));
	msg_put_file_end(&st->channel.out, &m, st->sender->cfg->digest->size);
	return channel_send(&st->channel, NULL, 0, e);
}

/* ---- the beginning ---- */

/* Open the file, and set its status and size.  Returns 0 or an error of the
 * file. */
static int open_source(struct send_stream *st, struct outfile *f,
		       struct err *fe)
{
	const char *leaf = NULL;
	int dir;

	if (f->is_stream) {
		memset(&f->item.st, 0, sizeof(f->item.st));
		f->item.st.st_mode = 0644;
		clock_gettime(CLOCK_REALTIME, &f->item.st.st_mtim);
		return 0;
	}
	/* Opened in an earlier session: its status from then shows whether it
	 * has changed since. */
	if (f->fd >= 0)
		return 0;
	dir = send_stream_open_parent(st, &f->item, outfile_name(f), &leaf, fe);
	if (dir < 0)
		return dir;
	clock_gettime(CLOCK_REALTIME, &f->opened_at);
	f->fd = source_open(dir, leaf, send_stream_follows(st, &f->item),
			    &f->item.st, fe);
	if (f->fd < 0)
		return f->fd;
	f->size = (uint64_t)f->item.st.st_size;
	f->has_holes = source_has_holes(f->fd, &f->item.st);
	if (f->size > WIRE_SIZE_MAX)
		return err_set(fe, ERR_LOCAL, "it is too large (over 8 PiB)");
	return 0;
}

/* Read the file's further metadata to st->fields.  Returns 0 or an error of the
 * file. */
static int read_fields(struct send_stream *st, struct outfile *f,
		       struct err *fe)
{
	unsigned lost = 0;
	int rc = 0;

	buf_reset(&st->fields);
	f->item.fields_off = f->item.fields_len = 0;
	/* Standard input has no owner. */
	if (st->features & FEATURE_PRESERVE && !f->is_stream)
		rc = meta_read(st, &f->item, f->fd, FILE_META_FIELDS_MAX, &lost,
			       fe);
	if (rc)
		return rc;
	f->item.fields_len = (uint16_t)st->fields.len;
	f->item.cut |= (uint8_t)lost;
	return 0;
}

/* Whether the file is sent without waiting for STATE. */
static int goes_whole(const struct send_stream *st, const struct outfile *f)
{
	return st->state == STREAM_READY && !f->is_stream &&
	       f->size <= OUTFILE_WHOLE_MAX &&
	       st->sender->cfg->delta != SEND_DELTA_ON;
}

/* Whether the receiver is first asked, by a list, if it has that file. */
static int is_to_list(const struct send_stream *st, const struct outfile *f)
{
	return goes_whole(st, f) && !f->was_listed &&
	       st->features & FEATURE_LISTS &&
	       atomic_load(&st->sender->count.wants_offers);
}

int send_file_open(struct send_stream *st, struct outfile *f, struct err *e)
{
	const struct digest_ops *digest = st->sender->cfg->digest;
	struct buf *out = &st->channel.out;
	struct msg_open m = { 0 };
	struct err fe;
	size_t begin;
	int is_whole, rc;

	if (is_to_list(st, f))
		return queue_list_file(st->sender->queue, f) ?
			       err_set(e, ERR_RESOURCE, "out of memory") : 0;
	err_clear(&fe);
	if (open_source(st, f, &fe) || read_fields(st, f, &fe))
		return send_file_abort(st, f, &fe, e);
	/* A tree from an earlier session is kept: where the source has changed
	 * since, its digests show that. */
	if (!f->tree)
		f->tree = tree_new(digest, f->size);
	is_whole = goes_whole(st, f);
	if (!f->tree ||
	    queue_assign_file_id(st->sender->queue, f, is_whole) == 0)
		return err_set(e, ERR_RESOURCE, "out of memory");
	m.id = f->id;
	m.size = f->size;
	/* What is compressed on the disk here need not be there. */
	m.allocated = f->has_holes || f->is_stream ?
			      source_allocated(&f->item.st) :
			      f->size;
	m.meta = meta_of_item(st, &f->item);
	m.name = outfile_name(f);
	m.name_len = f->item.name_len;
	begin = out->len + FRAME_HEADER;
	msg_put_open(out, &m, digest->size, meta_form(st));
	/* OPEN ends with the digest of the fields before. */
	if (!out->failed) {
		uint8_t *end = out->data + out->len - digest->size;
		uint8_t *fields = out->data + begin;

		digest->sum(fields, (size_t)(end - fields), end);
	}
	rc = channel_send(&st->channel, NULL, 0, e);
	if (rc || !is_whole)
		return rc;
	rc = send_file_range(st, f, 0, tree_leaf_count(f->size), e);
	return rc ? rc : send_file_end(st, f, e);
}

/* ---- standard input ---- */

/* Read what there is, at most until the chunk in st->raw, with *n bytes, is
 * full.  Blocks until there is something; the receiver's answers are read
 * meanwhile.  Returns 0 or an error that ends the session; *fe gets an error of
 * the file. */
static int read_stdin(struct send_stream *st, struct outfile *f, size_t *n,
		      int *is_end, struct err *fe, struct err *e)
{
	int rc = 0, ev = stream_wait(st->channel.stream, f->fd, -1, e);
	ssize_t got;

	if (ev < 0)
		return ev;
	if (ev & STREAM_READABLE)
		rc = replies_take(st, e);
	if (rc || !(ev & STREAM_WOKEN))
		return rc;
	got = read(f->fd, st->raw + *n, CHUNK_MAX - *n);
	if (got < 0 && errno != EINTR && errno != EAGAIN)
		err_sys(fe, ERR_LOCAL, "cannot read standard input");
	*is_end = got == 0;
	/* The first bytes of a chunk: they cannot be read again. */
	if (got > 0 && *n == 0)
		queue_set_stdin_begun(st->sender->queue, f);
	*n += got > 0 ? (size_t)got : 0;
	return 0;
}

/* Wait until the command has ended.  Returns 0 or an error that ends the
 * session; *fe gets how a command that failed has ended. */
static int await_command(struct send_stream *st, struct command *command,
			 struct err *fe, struct err *e)
{
	while (command_take_result(command, fe) == ERR_AGAIN) {
		int ev = stream_wait(st->channel.stream,
				     command_result_fd(command), -1, e);

		if (ev > 0 && ev & STREAM_READABLE)
			ev = replies_take(st, e);
		if (ev < 0)
			return ev;
	}
	return 0;
}

/* Whether the end of input is due to a signal. */
static int is_signalled(const struct send_stream *st, const struct outfile *f)
{
	struct pollfd stopped = {
		.fd = cancel_fd(send_session_stop(st->sender->session)),
		.events = POLLIN,
	};
	struct stat status;
	int n;

	/* A regular file ends where it ends, with no process involved. */
	if (fstat(f->fd, &status) == 0 && S_ISREG(status.st_mode))
		return 0;
	if (!input_end_is_signalled(st->sender->cfg->cancel_fd))
		return 0;
	/* The control thread is about to cancel the session: only then can this
	 * stream tell the receiver why. */
	do {
		n = poll(&stopped, 1, -1);
	} while (n < 0 && errno == EINTR);
	return 1;
}

/* The input has ended.  Returns 0 where what was read is the whole; an error
 * that ends the session, or with *fe an error of the file. */
static int check_stdin_end(struct send_stream *st, const struct outfile *f,
			   struct err *fe, struct err *e)
{
	struct command *command = st->sender->cfg->command;
	int rc = command ? await_command(st, command, fe, e) : 0;

	if (rc)
		return rc;
	/* Before an error of the command, which the signal may have ended. */
	if (is_signalled(st, f))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	if (!command && input_end_is_hung_up(f->fd))
		(void)err_set(fe, ERR_LOCAL,
			      "the terminal that it was read from hung up");
	return 0;
}

int send_file_stdin(struct send_stream *st, struct outfile *f, struct err *e)
{
	struct delta_take as_is = { .way = DELTA_AS_IS };
	struct queue *queue = st->sender->queue;
	int is_end = 0, rc = 0;
	struct err fe;
	uint64_t leaf;
	size_t n = 0;

	err_clear(&fe);
	/* Every chunk except the last must be full, however little each read
	 * returns. */
	while (rc == 0 && n < CHUNK_MAX && !is_end && !fe.code &&
	       queue_is_wanted(queue, f))
		rc = read_stdin(st, f, &n, &is_end, &fe, e);
	if (rc == 0 && is_end)
		rc = check_stdin_end(st, f, &fe, e);
	if (rc)
		return rc;
	if (fe.code)
		return send_file_abort(st, f, &fe, e);
	/* The session or the file was given up: this is no end of input. */
	if (!is_end && n < CHUNK_MAX)
		return 0;
	atomic_fetch_add(&st->sender->count.total_bytes, n);
	if (is_end)
		atomic_store(&st->sender->count.is_endless, 0);
	leaf = queue_add_stdin_leaf(queue, f, n, is_end);
	/* Even an empty file has one leaf, which is empty. */
	if (n > 0 || leaf == 0) {
		const struct delta_read have = { .raw = st->raw, .n = n };

		rc = send_chunk(st, f, leaf, &have, &as_is, e);
	}
	return rc < 0 ? rc : send_file_end(st, f, e);
}
