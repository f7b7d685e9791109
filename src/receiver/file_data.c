/*
 * The content of files that come in chunks: data is verified and written at
 * its offset, holes are left out, and what is here already is compared.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "fs/journal.h"
#include "receiver/receiver.h"
#include "wire/msg.h"

enum { ZEROS = 65536 };

static int to_stdout(const struct rstream *st)
{
	return st->receiver->cfg->to_stdout;
}

/* ---- CHUNK ---- */

/* Whether the chunk lies where a chunk of this file may lie. */
static int is_in_place(struct rsession *s, struct infile *f,
		       const struct msg_chunk *m)
{
	uint64_t end = m->offset + m->raw_len;
	uint64_t size;
	int ok;

	pthread_mutex_lock(&s->lock);
	size = f->has_end ? f->end_size : f->size;
	if (size != TREE_SIZE_UNKNOWN) {
		uint64_t leaf = m->offset / TREE_LEAF;

		ok = leaf < tree_leaf_count(size) &&
		     m->raw_len == tree_leaf_size(size, leaf);
	} else {
		ok = end <= RECEIVE_SIZE_MAX &&
		     (f->short_end == 0 || end <= f->short_end);
		if (ok && m->raw_len < TREE_LEAF) {
			ok = (m->raw_len > 0 || m->offset == 0) &&
			     end >= f->reach &&
			     (f->short_end == 0 || f->short_end == end);
			f->short_end = end;
		}
		if (ok && end > f->reach)
			f->reach = end;
	}
	pthread_mutex_unlock(&s->lock);
	return ok;
}

int rfile_has_leaf(struct rsession *s, const struct infile *f, uint64_t leaf)
{
	int has;

	pthread_mutex_lock(&s->lock);
	has = tree_has(f->tree, leaf);
	pthread_mutex_unlock(&s->lock);
	return has;
}

/* The payload's raw bytes in st->raw.  Returns 0; ERR_CORRUPT for a chunk
 * that arrived damaged; an error that ends the session. */
static int read_chunk(struct rstream *st, const struct msg_chunk *m,
		      size_t payload, struct err *e)
{
	const struct digest_ops *digest = st->session->digest;
	uint8_t *to = m->codec == CODEC_NONE ? st->raw : st->wire;
	uint8_t sum[DIGEST_MAX];
	int rc = channel_recv(&st->channel, to, payload, e);

	if (rc == 0)
		rc = rstream_pace(st, payload, e);
	if (rc)
		return rc;
	if (m->codec != CODEC_NONE) {
		rc = expander_run(st->expander, m->codec, st->raw, m->raw_len,
				  st->wire, payload);
		if (rc == ERR_CORRUPT)
			return rc;
		if (rc)
			return err_set(e, rc, "expanding a chunk: %s",
				       err_name(rc));
	}
	digest->sum(st->raw, m->raw_len, sum);
	return memcmp(sum, m->digest, digest->size) ? ERR_CORRUPT : 0;
}

static int ask_again(struct rstream *st, const struct msg_chunk *m,
		     struct err *e)
{
	struct msg_resend r = { .id = m->id, .offset = m->offset };

	/* What went to standard output cannot be put in order any more. */
	if (to_stdout(st))
		return err_set(e, ERR_CORRUPT,
			       "data arrived damaged and cannot be asked for "
			       "again with --stdout");
	return rstream_ask_again(st, "a chunk", &r, m->raw_len, e);
}

/* Where another stream recorded another content meanwhile, nobody knows which
 * of them was written last: the file is over, and its part too. */
static int put_leaf(struct rsession *s, struct infile *f, uint64_t leaf,
		    const uint8_t *digest, struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = tree_put(f->tree, leaf, digest);
	if (rc)
		f->is_dead = 1;
	(void)runs_remove(&f->claims, leaf, 1);
	pthread_mutex_unlock(&s->lock);
	return rc ? err_set(e, rc, "recording a chunk: %s", err_name(rc)) : 0;
}

static int record_leaf(struct rsession *s, struct infile *f, uint64_t leaf,
		       const uint8_t *digest, struct err *e)
{
	int rc = put_leaf(s, f, leaf, digest, e);

	if (rc == 0 && f->commit->journal)
		journal_note(f->commit->journal, leaf, digest);
	return rc;
}

static int store_chunk(struct rstream *st, struct infile *f,
		       const struct msg_chunk *m, struct err *e)
{
	struct rsession *s = st->session;
	struct item_result v = { .status = STATUS_FAILED };
	struct err fe;

	err_clear(&fe);
	if (f->size == TREE_SIZE_UNKNOWN &&
	    rsession_take(s, 0, m->raw_len, &v)) {
		rfile_give_up(s, f, &v);
		return 0;
	}
	if (to_stdout(st)) {
		int rc = rstdout_write(st, st->raw, m->raw_len, e);

		if (rc)
			return rc;
	} else if (f->commit->part.fd < 0) {
		/* All of it was claimed, and no check has differed. */
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent a chunk that is here");
	} else if (part_write(&f->commit->part, st->raw, m->raw_len, m->offset,
			      &fe)) {
		rfile_fail(s, f, wire_cause_of_errno(fe.sys_errno));
		return 0;
	}
	return record_leaf(s, f, m->offset / TREE_LEAF, m->digest, e);
}

/* With --stdout chunks must come in order. */
static int in_order(const struct rstream *st, const struct infile *f,
		    uint64_t offset)
{
	return !to_stdout(st) ||
	       offset == tree_have_count(f->tree) * (uint64_t)TREE_LEAF;
}

/* One that is not here yet. */
static int take_chunk(struct rstream *st, struct infile *f,
		      const struct msg_chunk *m, size_t payload, struct err *e)
{
	int rc = read_chunk(st, m, payload, e);

	if (rc == ERR_CORRUPT && !e->code)
		return ask_again(st, m, e);
	return rc ? rc : store_chunk(st, f, m, e);
}

int rfile_chunk(struct rstream *st, size_t len, struct err *e)
{
	struct rsession *s = st->session;
	size_t fixed = MSG_CHUNK_FIXED + s->digest->size, payload;
	uint8_t head[MSG_CHUNK_FIXED + DIGEST_MAX];
	struct infile *f = NULL;
	struct msg_chunk m;
	int rc;

	if (len < fixed)
		return rfile_malformed("CHUNK", e);
	payload = len - fixed;
	rc = channel_recv_fields(&st->channel, head, fixed, e);
	if (rc)
		return rc;
	if (msg_get_chunk(&m, s->digest->size, head, fixed, payload))
		return rfile_malformed("CHUNK", e);
	rc = rfile_acquire(s, m.id, &f, e);
	if (rc)
		return rc;
	if (!f || rfile_has_leaf(s, f, m.offset / TREE_LEAF))
		rc = rstream_skip(st, payload, e);
	else if (!is_in_place(s, f, &m) || !in_order(st, f, m.offset))
		rc = err_set(e, ERR_PROTOCOL,
			     "the sender sent a chunk outside its file");
	else
		rc = take_chunk(st, f, &m, payload, e);
	if (f)
		rfile_release(st->session, f);
	return rc;
}

/* ---- HOLE ---- */

static void compute_zero_digest(struct rsession *s)
{
	uint8_t *zeros;

	if (s->has_zero)
		return;
	zeros = calloc(1, TREE_LEAF);
	if (!zeros)
		return;
	s->digest->sum(zeros, TREE_LEAF, s->zero_digest);
	s->has_zero = 1;
	free(zeros);
}

static int write_zeros(struct rstream *st, uint64_t n, struct err *e)
{
	static const uint8_t zeros[ZEROS];
	int rc = 0;

	while (rc == 0 && n > 0) {
		size_t part = n < ZEROS ? (size_t)n : ZEROS;

		rc = rstdout_write(st, zeros, part, e);
		n -= part;
	}
	return rc;
}

/* What an earlier session wrote must not show through.  Returns 0, or 1 when
 * the file failed. */
static int punch(struct rstream *st, struct infile *f, const struct msg_hole *m)
{
	struct err fe;

	err_clear(&fe);
	if (part_punch(&f->commit->part, m->offset, m->len, &fe) == 0)
		return 0;
	rfile_fail(st->session, f, wire_cause_of_errno(fe.sys_errno));
	return 1;
}

/* Whole leaves only; a hole at a partial end is sent as data. */
static int put_hole(struct rstream *st, struct infile *f,
		    const struct msg_hole *m, struct err *e)
{
	struct rsession *s = st->session;
	uint64_t leaf = m->offset / TREE_LEAF, n = m->len / TREE_LEAF;
	int rc = 0;

	if (f->size == TREE_SIZE_UNKNOWN || m->len % TREE_LEAF ||
	    m->offset > f->size || m->len > f->size - m->offset ||
	    !in_order(st, f, m->offset))
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent a hole outside its file");
	if (f->basis_fd >= 0 && f->commit->part.fd < 0)
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent a hole that is here");
	if (to_stdout(st))
		rc = write_zeros(st, m->len, e);
	else if (f->is_resumed || f->basis_fd >= 0)
		rc = punch(st, f, m);
	if (rc)
		return rc < 0 ? rc : 0;
	pthread_mutex_lock(&s->lock);
	compute_zero_digest(s);
	if (!s->has_zero)
		rc = err_set(e, ERR_RESOURCE, "out of memory");
	for (uint64_t i = 0; rc == 0 && i < n; i++) {
		/* Data that was written there already would stay. */
		if (tree_has(f->tree, leaf + i))
			rc = err_set(e, ERR_PROTOCOL,
				     "the sender sent a hole over data");
		else if (tree_put(f->tree, leaf + i, s->zero_digest))
			rc = err_set(e, ERR_RESOURCE, "out of memory");
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int rfile_hole(struct rstream *st, size_t len, struct err *e)
{
	uint8_t body[RFILE_BODY_MAX];
	struct infile *f = NULL;
	struct msg_hole m;
	int rc = rfile_read_body(st, len, body, e);

	if (rc)
		return rc;
	if (msg_get_hole(&m, body, len))
		return rfile_malformed("HOLE", e);
	rc = rfile_acquire(st->session, m.id, &f, e);
	if (rc || !f)
		return rc;
	rc = put_hole(st, f, &m, e);
	rfile_release(st->session, f);
	return rc;
}

/* ---- CHECK ---- */

/* The leaves of a check are claimed, and now looked at. */
static int take_claims(struct rsession *s, struct infile *f,
		       const struct msg_check *m)
{
	uint64_t leaf = m->offset / TREE_LEAF;
	uint64_t leaves = tree_leaf_count(f->size);
	int ok;

	if (f->size == TREE_SIZE_UNKNOWN || leaf >= leaves ||
	    m->count > leaves - leaf)
		return -1;
	if (m->kind == CHECK_RANGE &&
	    (leaf % TREE_RANGE_LEAVES ||
	     (m->count != TREE_RANGE_LEAVES && leaf + m->count != leaves)))
		return -1;
	pthread_mutex_lock(&s->lock);
	ok = 1;
	for (uint32_t i = 0; ok && i < m->count; i++)
		ok = runs_has(&f->claims, leaf + i);
	if (ok && runs_remove(&f->claims, leaf, m->count))
		ok = 0;
	pthread_mutex_unlock(&s->lock);
	return ok ? 0 : -1;
}

/* The digest of a leaf as it is here: from the journal where nobody touched the
 * part since, else read for it.  Returns 0, or -1 where it cannot be had. */
static int own_digest(struct rstream *st, struct infile *f, uint64_t leaf,
		      uint8_t *out)
{
	int fd = f->basis_fd >= 0 ? f->basis_fd : f->commit->part.fd;
	size_t n = tree_leaf_size(f->size, leaf);

	if (f->is_sealed && f->commit->journal &&
	    journal_get(f->commit->journal, leaf, out) == 0)
		return 0;
	if (io_pread(fd, st->raw, n, leaf * TREE_LEAF) != (ssize_t)n)
		return -1;
	st->session->digest->sum(st->raw, n, out);
	return 0;
}

/* Compare; *bits are the leaves that differ, own[] the digests of all.  A basis
 * that stays is read and not compared: *bits are what cannot be read of it.
 * Reading may take its time, so the peer hears of us. */
static int compare(struct rstream *st, struct infile *f,
		   const struct msg_check *m, uint8_t *own, uint64_t *bits,
		   struct err *e)
{
	const struct digest_ops *ops = st->session->digest;
	const int is_blind = rfile_basis_stays(f);
	uint64_t leaf = m->offset / TREE_LEAF;
	uint8_t sum[DIGEST_MAX];
	uint64_t all = 0;
	int rc = 0;

	*bits = 0;
	for (uint32_t i = 0; rc == 0 && i < m->count; i++) {
		const uint64_t bit = (uint64_t)1 << i;
		uint8_t *d = own + i * ops->size;

		all |= bit;
		if (own_digest(st, f, leaf + i, d))
			*bits |= bit;
		else if (m->kind == CHECK_LEAVES && !is_blind &&
			 memcmp(d, m->digests + i * ops->size, ops->size) != 0)
			*bits |= bit;
		rc = channel_ping_if_due(&st->channel, e);
	}
	if (rc || m->kind != CHECK_RANGE || is_blind)
		return rc;
	ops->sum(own, m->count * ops->size, sum);
	if (*bits || memcmp(sum, m->digests, ops->size) != 0)
		*bits = all;
	return 0;
}

/* The file under the final name is another one than is sent. */
static int basis_differs(struct rstream *st, struct infile *f)
{
	struct item_result v = { .status = STATUS_FAILED };
	struct err fe;

	if (f->commit->part.fd >= 0)
		return 0;
	err_clear(&fe);
	if (rfile_basis_stays(f)) {
		v = rfile_conflict(f);
	} else {
		if (rfile_leave_basis(st, f, &fe) == 0)
			return 0;
		v.cause = wire_cause_of_errno(fe.sys_errno);
	}
	rfile_give_up(st->session, f, &v);
	return -1;
}

/* The leaves that are what they should be count as received. */
static int take_same(struct rstream *st, struct infile *f,
		     const struct msg_check *m, const uint8_t *own,
		     uint64_t bits, struct err *e)
{
	const struct digest_ops *ops = st->session->digest;
	uint64_t leaf = m->offset / TREE_LEAF;
	int copies = f->basis_fd >= 0 && f->commit->part.fd >= 0, rc = 0;
	struct err fe;

	for (uint32_t i = 0; rc == 0 && i < m->count; i++) {
		if (bits >> i & 1)
			continue;
		err_clear(&fe);
		if (copies && rfile_copy_leaf(st, f, leaf + i, &fe)) {
			rfile_fail(st->session, f,
				   wire_cause_of_errno(fe.sys_errno));
			return 0;
		}
		rc = put_leaf(st->session, f, leaf + i, own + i * ops->size, e);
		if (rc == 0 && copies && f->commit->journal)
			journal_note(f->commit->journal, leaf + i,
				     own + i * ops->size);
	}
	return rc;
}

static int check_leaves(struct rstream *st, struct infile *f,
			const struct msg_check *m, struct err *e)
{
	struct msg_checked reply = { m->id, m->offset, m->count, 0 };
	uint8_t own[CHECK_LEAVES_MAX * DIGEST_MAX];
	int rc = compare(st, f, m, own, &reply.differing, e);

	if (rc == 0 && f->basis_fd >= 0 && reply.differing &&
	    basis_differs(st, f))
		return 0;
	if (rc == 0)
		rc = take_same(st, f, m, own, reply.differing, e);
	if (rc)
		return rc;
	msg_put_checked(&st->channel.out, &reply);
	return channel_send(&st->channel, NULL, 0, e);
}

int rfile_check(struct rstream *st, size_t len, struct err *e)
{
	struct rsession *s = st->session;
	uint8_t body[RFILE_BODY_MAX];
	struct infile *f = NULL;
	struct msg_check m;
	int rc = rfile_read_body(st, len, body, e);

	if (rc)
		return rc;
	if (msg_get_check(&m, s->digest->size, body, len))
		return rfile_malformed("CHECK", e);
	rc = rfile_acquire(s, m.id, &f, e);
	if (rc || !f)
		return rc;
	pthread_mutex_lock(&f->basis_lock);
	if (take_claims(s, f, &m))
		rc = err_set(e, ERR_PROTOCOL,
			     "the sender checks what was not claimed");
	else
		rc = check_leaves(st, f, &m, e);
	pthread_mutex_unlock(&f->basis_lock);
	rfile_release(s, f);
	return rc;
}
