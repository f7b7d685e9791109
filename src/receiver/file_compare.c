/*
 * The basis is read through the descriptor that was opened with the file, and
 * each leaf once: what was compared is what is written, whatever happens to the
 * basis meanwhile.
 */
#include "receiver/file_compare.h"

#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "chunk/cut.h"
#include "chunk/delta_key.h"
#include "chunk/digest.h"
#include "chunk/same.h"
#include "fs/journal.h"
#include "receiver/file.h"
#include "receiver/file_table.h"
#include "receiver/file_use.h"
#include "receiver/input.h"
#include "receiver/worker.h"
#include "session/channel.h"
#include "wire/msg.h"

enum {
	/* Answers are sent when they have so many bytes: a system call for each
	 * leaf would cost more than comparing its blocks. */
	REPLIES_FLUSH = 8192,
	/* Leaves that a sender may have compared in addition to twice those of
	 * the file and four times those of the basis: it has no use for more,
	 * and each costs us time. */
	SPARE_LEAVES = 64,
};

_Static_assert(TREE_LEAF / DELTA_BLOCK == SIGNATURE_BLOCKS_MAX,
	       "the blocks of a leaf");
_Static_assert(CUT_PIECE_MAX <= UINT16_MAX + 1, "the length of a piece");

/* Whether the sender may have so many more leaves compared. */
static int take_budget(struct recv_file *f, uint64_t leaves)
{
	const uint64_t most = 2 * tree_leaf_count(f->size) +
			      4 * tree_leaf_count(f->delta_size) + SPARE_LEAVES;

	return atomic_fetch_add(&f->compared, leaves) + leaves <= most;
}

/* ---- leaves at the same offset ---- */

static int flush_replies(struct worker *w, size_t least, struct err *e)
{
	if (w->channel->out.len < least)
		return 0;
	return channel_send(w->channel, NULL, 0, e);
}

static void put_same(struct worker *w, const struct recv_file *f,
		     uint64_t first, uint32_t count)
{
	const struct msg_signature m = {
		.id = f->id,
		.offset = first * TREE_LEAF,
		.count = count,
		.kind = SIGNATURE_SAME,
	};

	if (count > 0)
		msg_put_signature(&w->channel->out, &m);
}

/* The leaf of the basis, n bytes in w->raw, is the file's: write and record it.
 * Returns 0; 1 where the file failed; an error that ends the session. */
static int take_leaf(struct worker *w, struct recv_file *f, uint64_t leaf,
		     size_t n, struct err *e)
{
	struct transfer *t = w->transfer;
	uint8_t sum[DIGEST_MAX];
	struct err fe;
	int rc;

	err_clear(&fe);
	do
		rc = part_copy(&f->commit->part, f->delta_fd, leaf * TREE_LEAF,
			       w->raw, n, leaf * TREE_LEAF, &fe);
	while (rc && recv_file_make_room(f, &fe));
	if (rc) {
		file_use_fail(t, f, fe.sys_errno);
		return 1;
	}
	t->digest->sum(w->raw, n, sum);
	rc = file_table_put_leaf(t->files, f, leaf, sum, e);
	if (rc == 0 && f->commit->journal)
		journal_note(f->commit->journal, leaf, sum);
	return rc;
}

/* What compare_leaf() found. */
enum { LEAF_SAME = 1, LEAF_DIFFERS = 2 };

/*
 * Compare a leaf with the sender's digests of it.  The keyed digest of its
 * blocks shows in a tenth of the time that it differs; only SHA-256 shows that
 * it does not.  Puts the digests of its blocks in w->channel->out where it
 * differs, at least.  Returns one of the above.
 */
static int compare_leaf(struct worker *w, struct recv_file *f, uint64_t leaf,
			const uint8_t *theirs)
{
	const uint64_t off = leaf * TREE_LEAF;
	const uint64_t left = off < f->delta_size ? f->delta_size - off : 0;
	const size_t n = tree_leaf_size(f->size, leaf);
	const size_t want = left < n ? (size_t)left : n;
	uint8_t sums[SIGNATURE_BLOCKS_MAX * DELTA_SUM], sha[SAME_SIZE];
	struct msg_signature m = { .id = f->id, .offset = off,
				   .kind = SIGNATURE_BLOCKS, .list = sums };
	ssize_t got = 0;
	uint64_t sum;

	/* What another stream has sent meanwhile is not compared. */
	if (!file_table_has_leaf(w->transfer->files, f, leaf))
		got = io_pread(f->delta_fd, w->raw, want, off);
	got = got < 0 ? 0 : got;
	sum = delta_key_blocks(delta_key_get(w->transfer->delta_key), w->raw,
			       (size_t)got, sums);
	if ((size_t)got == n && sum == be_get64(theirs + COMPARE_SHA)) {
		if (same_digest(&w->same, w->raw, n, sha) == 0 &&
		    memcmp(sha, theirs, COMPARE_SHA) == 0)
			return LEAF_SAME;
	}
	m.count = (uint32_t)got / DELTA_BLOCK;
	if ((size_t)got == n && n % DELTA_BLOCK)
		m.count++;
	msg_put_signature(&w->channel->out, &m);
	return LEAF_DIFFERS;
}

static int compare_leaves(struct worker *w, struct recv_file *f,
			  const struct msg_compare *m, struct err *e)
{
	const uint64_t first = m->offset / TREE_LEAF;
	uint64_t same = first; /* where a run of equal leaves began */
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < m->count; i++) {
		const uint64_t leaf = first + i;

		if (compare_leaf(w, f, leaf, m->leaves + i * COMPARE_LEAF) ==
		    LEAF_SAME) {
			rc = take_leaf(w, f, leaf,
				       tree_leaf_size(f->size, leaf), e);
			if (rc)
				break;
		} else {
			put_same(w, f, same, (uint32_t)(leaf - same));
			same = leaf + 1;
		}
		rc = flush_replies(w, REPLIES_FLUSH, e);
		cpu_share_check(&w->cpu);
		if (rc == 0)
			rc = channel_ping_if_due(w->channel, 1, e);
	}
	if (rc == 0)
		put_same(w, f, same, (uint32_t)(first + m->count - same));
	if (rc >= 0 && flush_replies(w, 1, e))
		return e->code;
	return rc < 0 ? rc : 0;
}

/* ---- pieces ---- */

/* Pieces that adjoin, to be sent in one frame. */
struct pieces {
	struct msg_signature m;
	uint64_t end; /* where the next one has to begin */
	uint8_t list[SIGNATURE_PIECES_MAX * SIGNATURE_PIECE];
};

static int send_pieces(struct worker *w, struct pieces *p, struct err *e)
{
	if (p->m.count == 0)
		return 0;
	msg_put_signature(&w->channel->out, &p->m);
	p->m.count = 0;
	return channel_send(w->channel, NULL, 0, e);
}

static int add_piece(struct worker *w, struct pieces *p, uint64_t off,
		     const uint8_t *piece, size_t len, struct err *e)
{
	uint8_t *entry;

	if ((p->m.count == SIGNATURE_PIECES_MAX || off != p->end) &&
	    send_pieces(w, p, e))
		return e->code;
	if (p->m.count == 0)
		p->m.offset = off;
	entry = p->list + p->m.count * SIGNATURE_PIECE;
	be_put16(entry, (uint16_t)(len - 1));
	be_put64(entry + 2,
		 delta_key_sum(delta_key_get(w->transfer->delta_key), piece,
			       len));
	p->m.count++;
	p->end = off + len;
	return 0;
}

/* Cut the basis from at to end, or to where it ends now. */
static int cut_range(struct worker *w, struct recv_file *f, unsigned bits,
		     uint64_t at, uint64_t end, struct pieces *p,
		     struct err *e)
{
	const struct delta_key *key = delta_key_get(w->transfer->delta_key);
	size_t have = 0; /* bytes in w->raw, which begin at `at` */
	int rc = 0;

	while (rc == 0 && at < end) {
		const uint64_t left = end - at - have;
		const size_t room = CHUNK_MAX - have;
		const size_t want = left < room ? (size_t)left : room;
		const ssize_t got = io_pread(f->delta_fd, w->raw + have, want,
					     at + have);
		size_t pos = 0;

		have += got < 0 ? 0 : (size_t)got;
		if (got < (ssize_t)want)
			end = at + have;
		while (rc == 0 && pos < have &&
		       (have - pos >= cut_max(bits) || at + have == end)) {
			const size_t len = cut_next(key, bits, w->raw + pos,
						    have - pos);

			rc = add_piece(w, p, at + pos, w->raw + pos, len, e);
			pos += len;
		}
		memmove(w->raw, w->raw + pos, have - pos);
		have -= pos;
		at += pos;
		cpu_share_check(&w->cpu);
		if (rc == 0)
			rc = input_tick(w->input, 0, e);
	}
	return rc;
}

/* How many leaves a COMPARE_PIECES is about, as far as the basis has them. */
static uint64_t leaves_in_basis(const struct recv_file *f,
				const struct msg_compare *m)
{
	const uint64_t first = m->offset / TREE_LEAF;
	const uint64_t leaves = tree_leaf_count(f->delta_size);
	const uint64_t left = first < leaves ? leaves - first : 0;

	return m->count < left ? m->count : left;
}

/* How many leaves' worth of the basis has to be read for that. */
static uint64_t leaves_to_read(const struct recv_file *f,
			       const struct msg_compare *m)
{
	const uint64_t leaves = leaves_in_basis(f, m);

	if (m->stride == 0)
		return leaves + 1;
	return leaves / m->stride / (TREE_LEAF / COMPARE_SAMPLE) + 1;
}

static int name_pieces(struct worker *w, struct recv_file *f,
		       const struct msg_compare *m, struct err *e)
{
	const uint64_t first = m->offset / TREE_LEAF;
	const uint64_t count = leaves_in_basis(f, m);
	/* With a stride samples are cut one by one, else all at once. */
	const uint64_t step = m->stride > 0 ? m->stride : count;
	const uint64_t each =
		m->stride > 0 ? COMPARE_SAMPLE : count * TREE_LEAF;
	struct pieces p = { .m = { .id = f->id, .kind = SIGNATURE_PIECES } };
	const struct msg_signature end = { .id = f->id, .offset = m->offset,
					   .kind = SIGNATURE_END };
	int rc = 0;

	p.m.list = p.list;
	for (uint64_t i = 0; rc == 0 && i < count; i += step) {
		const uint64_t from = (first + i) * TREE_LEAF;
		const uint64_t to = from + each;

		rc = cut_range(w, f, m->bits, from,
			       to < f->delta_size ? to : f->delta_size, &p, e);
	}
	if (rc == 0)
		rc = send_pieces(w, &p, e);
	if (rc)
		return rc;
	msg_put_signature(&w->channel->out, &end);
	return channel_send(w->channel, NULL, 0, e);
}

/* ---- COMPARE ---- */

static int outside(struct err *e)
{
	return err_set(e, ERR_PROTOCOL,
		       "the sender compares what is not there");
}

static int compare(struct worker *w, struct recv_file *f,
		   const struct msg_compare *m, struct err *e)
{
	const uint64_t leaf = m->offset / TREE_LEAF;
	const uint64_t leaves = tree_leaf_count(f->size);

	/* The sender was not told of a basis; or nothing of it differs yet, so
	 * that there is no part. */
	if (f->delta_fd < 0 || !recv_file_has_part(f))
		return outside(e);
	if (m->kind == COMPARE_LEAVES) {
		if (leaf >= leaves || m->count > leaves - leaf ||
		    !take_budget(f, m->count))
			return outside(e);
		return compare_leaves(w, f, m, e);
	}
	if (!(w->transfer->features & FEATURE_PIECES) ||
	    m->bits < CUT_BITS_MIN || m->bits > CUT_BITS_MAX ||
	    !take_budget(f, leaves_to_read(f, m)))
		return outside(e);
	return name_pieces(w, f, m, e);
}

int file_compare(struct worker *w, const uint8_t *body, size_t len,
		 struct err *e)
{
	struct recv_file *f;
	struct msg_compare m;
	int rc;

	if (msg_get_compare(&m, body, len))
		return input_malformed("COMPARE", e);
	rc = file_use_begin(w->transfer, m.id, &f, e);
	if (rc || !f)
		return rc;
	rc = compare(w, f, &m, e);
	w->input->has_effect = rc == 0;
	file_use_end(w->transfer, f);
	return rc;
}
