/*
 * Comparing leaves with the basis at the same offset.
 */
#include "sender/send_compare.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "chunk/delta_key.h"
#include "fs/source.h"
#include "sender/delta.h"
#include "sender/outfile.h"
#include "sender/queue_delta.h"
#include "sender/queue_files.h"
#include "sender/send.h"
#include "sender/send_file.h"
#include "sender/stream.h"

/* A COMPARE that is being made. */
struct batch {
	struct msg_compare m;
	struct delta_leaf *list, **end;
	uint8_t leaves[COMPARE_LEAVES_MAX * COMPARE_LEAF];
};

static void batch_begin(struct batch *b, const struct outfile *f)
{
	b->m = (struct msg_compare){ .id = f->id, .kind = COMPARE_LEAVES,
				     .leaves = b->leaves };
	b->list = NULL;
	b->end = &b->list;
}

static void batch_free(struct batch *b)
{
	while (b->list) {
		struct delta_leaf *l = b->list;

		b->list = l->next;
		free(l);
	}
}

/* Add the leaf whose n bytes are in st->raw, with its digest.  Returns 0 or
 * ERR_RESOURCE. */
static int batch_add(struct send_stream *st, struct batch *b, uint64_t leaf,
		     size_t n, const uint8_t *digest)
{
	const size_t blocks = (n + DELTA_BLOCK - 1) / DELTA_BLOCK;
	struct delta_leaf *l = calloc(1, sizeof(*l) + blocks * DELTA_SUM);
	uint8_t *out = b->leaves + b->m.count * COMPARE_LEAF;

	if (!l)
		return ERR_RESOURCE;
	l->leaf = leaf;
	l->blocks = (unsigned)blocks;
	memcpy(l->digest, digest, DIGEST_MAX);
	if (same_digest(&st->same, st->raw, n, l->sha)) {
		free(l);
		return ERR_RESOURCE;
	}
	memcpy(out, l->sha, COMPARE_SHA);
	be_put64(out + COMPARE_SHA,
		 delta_key_blocks(delta_key_get(st->sender->delta_key),
				  st->raw, n, l->sums));
	if (b->m.count++ == 0)
		b->m.offset = leaf * TREE_LEAF;
	*b->end = l;
	b->end = &l->next;
	return 0;
}

static int batch_send(struct send_stream *st, struct outfile *f,
		      struct batch *b, struct err *e)
{
	if (b->m.count == 0)
		return 0;
	/* Before it is sent: another stream may read the answer. */
	queue_delta_compare(st->sender->queue, f, b->list);
	msg_put_compare(&st->channel.out, &b->m);
	batch_begin(b, f);
	return channel_send(&st->channel, NULL, 0, e);
}

/* The leaf is not compared after all. */
static int skip_leaf(struct send_stream *st, struct outfile *f, struct err *e)
{
	int rc = queue_delta_skip(st->sender->queue, f, 1);

	return rc ? err_set(e, rc, "it differs in too many places") : 0;
}

/* Compare a leaf, with others in b.  Returns 0, or an error that ends the
 * session. */
static int compare_leaf(struct send_stream *st, struct outfile *f,
			struct batch *b, uint64_t leaf, struct err *e)
{
	const size_t n = tree_leaf_size(f->size, leaf);
	uint8_t digest[DIGEST_MAX] = { 0 };
	struct err fe;
	int rc;

	err_clear(&fe);
	if (send_file_is_hole(st, f, leaf)) {
		rc = batch_send(st, f, b, e);
		rc = rc ? rc : send_file_range(st, f, leaf, 1, e);
		return rc ? rc : skip_leaf(st, f, e);
	}
	if (source_read(f->fd, st->raw, n, leaf * TREE_LEAF, &fe)) {
		rc = skip_leaf(st, f, e);
		return rc ? rc : send_file_abort(st, f, &fe, e);
	}
	st->sender->cfg->digest->sum(st->raw, n, digest);
	rc = send_file_record(st, f, leaf, digest, e);
	if (rc == SEND_FILE_DROPPED)
		return skip_leaf(st, f, e);
	if (rc == 0 && batch_add(st, b, leaf, n, digest))
		rc = err_set(e, ERR_RESOURCE, "out of memory");
	return rc;
}

int send_compare(struct send_stream *st, struct outfile *f, uint64_t leaf,
		 uint64_t count, struct err *e)
{
	struct batch b;
	int rc = 0;

	batch_begin(&b, f);
	while (rc == 0 && count > 0 &&
	       queue_is_wanted(st->sender->queue, f)) {
		rc = send_stream_keep_alive(st, e);
		if (rc == 0)
			rc = compare_leaf(st, f, &b, leaf, e);
		leaf++;
		count--;
	}
	if (rc == 0 && queue_is_wanted(st->sender->queue, f))
		rc = batch_send(st, f, &b, e);
	batch_free(&b);
	return rc;
}

int send_compare_pieces(struct send_stream *st, struct outfile *f,
			struct err *e)
{
	struct delta_request request;
	struct msg_compare m = { .id = f->id, .kind = COMPARE_PIECES };

	queue_delta_request(st->sender->queue, f, &request);
	m.offset = request.leaf * TREE_LEAF;
	m.count = request.count;
	m.bits = (uint8_t)request.bits;
	m.stride = (uint16_t)request.stride;
	msg_put_compare(&st->channel.out, &m);
	return channel_send(&st->channel, NULL, 0, e);
}
