/*
 * Content is compared by digests, which the queue has of all leaves.  A file
 * whose every leaf is what it was when it was sent had all of that at the
 * moment when reading it again began, however often it was written to before or
 * since.
 */
#include "sender/recheck.h"

#include <string.h>
#include <sys/stat.h>

#include "chunk/digest.h"
#include "fs/source.h"
#include "sender/outfile.h"
#include "sender/queue_files.h"
#include "sender/replies.h"
#include "sender/send.h"
#include "sender/session.h"
#include "sender/stream.h"

static void set_changed(struct err *fe)
{
	err_set(fe, ERR_CHANGED, "it changed while it was sent");
}

/* The file has this status now.  Returns whether its content has to be
 * compared; where it has certainly changed, *fe says so. */
static int is_in_doubt(const struct send_stream *st, const struct outfile *f,
		       const struct stat *now, struct err *fe)
{
	switch (source_compare(&f->item.st, now)) {
	case SOURCE_SAME:
		return source_is_recent(now, &f->opened_at);
	case SOURCE_IN_DOUBT:
		return 1;
	case SOURCE_GREW:
		if (st->sender->cfg->growing)
			return 1;
		err_set(fe, ERR_CHANGED,
			"it grew while it was sent; --growing sends it as long "
			"as it was at the start");
		return 0;
	case SOURCE_CHANGED:
		break;
	}
	set_changed(fe);
	return 0;
}

/* Whether a range of leaves, if all of it is in tree, is not what was sent. */
static int range_differs(struct send_stream *st, struct outfile *f,
			 const struct tree *tree, uint64_t range)
{
	uint8_t now[DIGEST_MAX], sent[DIGEST_MAX];

	return tree_range_digest(tree, range, now) == 0 &&
	       queue_range_digest(st->sender->queue, f, range, sent) == 0 &&
	       memcmp(now, sent, st->sender->cfg->digest->size) != 0;
}

/* Put the digest of a leaf, or of as many as are a hole, into tree.  Returns
 * how many; or an error of the file, ERR_RESOURCE where memory ran out. */
static int read_leaves(struct send_stream *st, struct outfile *f,
		       struct tree *tree, uint64_t leaf, struct err *fe)
{
	const uint64_t in_range = TREE_RANGE_LEAVES - leaf % TREE_RANGE_LEAVES;
	const uint64_t hole = outfile_hole_leaves(f, leaf, in_range);
	const size_t n = tree_leaf_size(f->size, leaf);
	uint8_t sum[DIGEST_MAX];
	int rc;

	for (uint64_t i = 0; i < hole; i++) {
		if (tree_put(tree, leaf + i, st->sender->zero_digest))
			return err_set(fe, ERR_RESOURCE, "out of memory");
	}
	if (hole > 0)
		return (int)hole;
	rc = source_read(f->fd, st->raw, n, leaf * TREE_LEAF, fe);
	if (rc)
		return rc;
	st->sender->cfg->digest->sum(st->raw, n, sum);
	if (tree_put(tree, leaf, sum))
		return err_set(fe, ERR_RESOURCE, "out of memory");
	return 1;
}

/* Read the file again, into a tree of its own, as far as it is the same.
 * Returns as recheck_source(). */
static int read_again(struct send_stream *st, struct outfile *f,
		      struct tree *tree, struct err *fe, struct err *e)
{
	const uint64_t leaves = tree_leaf_count(f->size);
	uint64_t leaf = 0;
	int rc = 0;

	while (rc == 0 && leaf < leaves) {
		const uint64_t range = leaf / TREE_RANGE_LEAVES;
		int n;

		if (!queue_is_wanted(st->sender->queue, f))
			return 1;
		if (send_stream_is_leaving(st))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		n = read_leaves(st, f, tree, leaf, fe);
		if (n == ERR_RESOURCE) {
			*e = *fe;
			return n;
		}
		if (n < 0)
			return 0;
		leaf += (uint64_t)n;
		if (range_differs(st, f, tree, range)) {
			set_changed(fe);
			return 0;
		}
		rc = replies_take(st, e);
		if (rc == 0)
			rc = channel_ping_if_due(&st->channel, 1, e);
	}
	return rc;
}

static int compare_content(struct send_stream *st, struct outfile *f,
			   struct err *fe, struct err *e)
{
	const struct digest_ops *digest = st->sender->cfg->digest;
	struct tree *tree = tree_new(digest, f->size);
	uint8_t sum[DIGEST_MAX];
	int rc;

	if (!tree)
		return err_set(e, ERR_RESOURCE, "out of memory");
	rc = read_again(st, f, tree, fe, e);
	if (rc == 0 && !fe->code &&
	    (tree_final(tree, sum) ||
	     memcmp(sum, f->item.digest, digest->size) != 0))
		set_changed(fe);
	tree_free(tree);
	return rc;
}

int recheck_source(struct send_stream *st, struct outfile *f, struct err *fe,
		   struct err *e)
{
	struct stat now;
	int rc;

	if (f->is_stream)
		return 0;
	if (fstat(f->fd, &now)) {
		err_sys(fe, ERR_LOCAL, "cannot get its status");
		return 0;
	}
	if (!is_in_doubt(st, f, &now, fe))
		return 0;
	rc = compare_content(st, f, fe, e);
	if (rc || fe->code)
		return rc;
	/* It may have been truncated, or have grown, meanwhile. */
	if (fstat(f->fd, &now))
		err_sys(fe, ERR_LOCAL, "cannot get its status");
	else
		(void)is_in_doubt(st, f, &now, fe);
	return 0;
}
