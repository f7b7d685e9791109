/*
 * The content of files: data is verified and written at its offset, nothing is
 * written where holes are.
 */
#include "receiver/file_data.h"

#include <string.h>

#include "base/io.h"
#include "chunk/codec.h"
#include "chunk/recipe.h"
#include "chunk/same.h"
#include "fs/journal.h"
#include "receiver/file.h"
#include "receiver/file_table.h"
#include "receiver/file_use.h"
#include "receiver/input.h"
#include "receiver/quota.h"
#include "receiver/stdout.h"
#include "receiver/worker.h"
#include "session/channel.h"
#include "session/features.h"
#include "wire/msg.h"

/* ---- CHUNK ---- */

/* Write the verified bytes in w->raw, of which some lie in the basis where a
 * recipe (or NULL) says.  Returns 0 or ERR_LOCAL with errno. */
static int write_raw(struct worker *w, struct recv_file *f,
		     const struct msg_chunk *m, const struct recipe *r,
		     struct err *fe)
{
	const uint32_t count = r ? r->count : 0;
	struct part *p = &f->commit->part;
	size_t done = 0, at = 0; /* written, looked at */
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		const struct recipe_op op = recipe_op_at(r, i);
		const uint64_t off = m->offset + at;

		if (op.off != RECIPE_LITERAL &&
		    part_may_share(p, op.off, op.len, off)) {
			rc = part_write(p, w->raw + done, at - done,
					m->offset + done, fe);
			if (rc == 0)
				rc = part_copy(p, f->delta_fd, op.off,
					       w->raw + at, op.len, off, fe);
			done = at + op.len;
		}
		at += op.len;
	}
	return rc ? rc
		  : part_write(p, w->raw + done, m->raw_len - done,
			       m->offset + done, fe);
}

/* Write the verified bytes in w->raw, as write_raw().  Returns 0; 1 where the
 * file failed; an error that ends the session. */
static int write_chunk(struct worker *w, struct recv_file *f,
		       const struct msg_chunk *m, const struct recipe *r,
		       struct err *e)
{
	struct transfer *t = w->transfer;
	uint64_t off, len;
	struct verdict v;
	struct err fe;
	int rc;

	err_clear(&fe);
	if (f->size == TREE_SIZE_UNKNOWN &&
	    quota_take(t->quota, 0, m->raw_len, &v)) {
		file_use_give_up(t, f, &v);
		return 1;
	}
	if (t->stdout_fd >= 0)
		return stdout_write(w->input, t->stdout_fd, w->raw, m->raw_len,
				    e);
	/* As long as no leaf of the basis differs, the receiver has them
	 * all. */
	if (!recv_file_has_part(f))
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent a chunk that the receiver "
			       "already has");
	file_table_reserve(t->files, f, m->offset / TREE_LEAF, &off, &len);
	if (len > 0)
		part_reserve(&f->commit->part, off, len);
	do
		rc = write_raw(w, f, m, r, &fe);
	while (rc && recv_file_make_room(f, &fe));
	if (rc) {
		file_use_fail(t, f, fe.sys_errno);
		return 1;
	}
	return 0;
}

/* For recipe_expand(). */
static int read_basis(void *ctx, void *dst, size_t n, uint64_t off)
{
	const struct recv_file *f = ctx;

	return io_pread(f->delta_fd, dst, n, off) == (ssize_t)n ? 0 : -1;
}

/*
 * Read a payload that is a recipe, and make the chunk in w->raw.  *r is valid
 * as long as w->wire is not used for another.  Returns 0; ERR_CORRUPT, with e
 * untouched, where it does not make that chunk of what the basis is now; or an
 * error that ends the session.
 */
static int take_recipe(struct worker *w, struct recv_file *f,
		       const struct msg_chunk *m, size_t payload,
		       struct recipe *r, struct err *e)
{
	uint8_t sha[SAME_SIZE];
	int rc = input_fetch(w->input, m->codec, w->wire, payload, e);

	if (rc)
		return rc;
	if (f->delta_fd < 0)
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent a recipe for a file that has "
			       "no basis");
	rc = recipe_get(r, w->wire, payload, m->raw_len, f->delta_size);
	if (rc == 0) {
		atomic_fetch_add(&w->transfer->content_bytes, r->literal_len);
		atomic_fetch_add(&w->transfer->payload_bytes, r->payload_len);
		if (!features_allow_codec(w->transfer->features, r->codec))
			rc = ERR_CORRUPT;
	}
	if (rc == 0)
		rc = input_expand(w->input, r->codec,
				  w->raw + m->raw_len - r->literal_len,
				  r->literal_len, r->literals, r->payload_len,
				  e);
	if (rc == 0)
		rc = recipe_expand(r, w->raw, m->raw_len, read_basis, f);
	if (rc)
		return rc;
	if (same_digest(&w->same, w->raw, m->raw_len, sha))
		return err_set(e, ERR_RESOURCE, "out of memory");
	return memcmp(sha, r->sha, RECIPE_SHA) == 0 ? 0 : ERR_CORRUPT;
}

/*
 * A recipe did not make its chunk: the basis has changed since it was compared,
 * which is not the network's fault, or it was damaged on its way.  Returns as
 * channel_send().
 */
static int ask_without_recipe(struct worker *w, struct recv_file *f,
			      const struct msg_chunk *m, struct err *e)
{
	const struct msg_resend resend = { .id = m->id, .offset = m->offset };

	/* Not for ever: the sender sends no chunk as a recipe twice. */
	if (atomic_fetch_add(&f->misfits, 1) >= tree_leaf_count(f->size))
		return input_ask_again(w->input, "a chunk", m->id, m->offset,
				       m->raw_len, e);
	msg_put_resend(&w->channel->out, &resend);
	return channel_send(w->channel, NULL, 0, e);
}

/* A chunk that is wanted: read and expand it, verify, write, record. */
static int take_chunk(struct worker *w, struct recv_file *f,
		      const struct msg_chunk *m, size_t payload,
		      struct err *e)
{
	struct transfer *t = w->transfer;
	const struct digest_ops *digest = t->digest;
	const uint64_t leaf = m->offset / TREE_LEAF;
	uint8_t sum[DIGEST_MAX];
	const int is_recipe = m->codec == CODEC_RECIPE;
	struct recipe recipe = { 0 };
	int rc = is_recipe ? take_recipe(w, f, m, payload, &recipe, e)
			   : input_payload(w->input, m->codec, m->raw_len,
					   payload, e);

	if (rc == 0) {
		digest->sum(w->raw, m->raw_len, sum);
		if (memcmp(sum, m->digest, digest->size) != 0)
			rc = ERR_CORRUPT;
	}
	/* Chunks go to standard output in order, and one that is sent again
	 * comes after others. */
	if (rc == ERR_CORRUPT && !e->code && t->stdout_fd >= 0)
		return err_set(e, ERR_CORRUPT,
			       "data arrived damaged and cannot be sent again "
			       "with --stdout");
	if (rc == ERR_CORRUPT && !e->code && is_recipe)
		return ask_without_recipe(w, f, m, e);
	if (rc == ERR_CORRUPT && !e->code)
		return input_ask_again(w->input, "a chunk", m->id, m->offset,
				       m->raw_len, e);
	if (rc == 0)
		rc = write_chunk(w, f, m, is_recipe ? &recipe : NULL, e);
	if (rc)
		return rc < 0 ? rc : 0;
	rc = file_table_put_leaf(t->files, f, leaf, m->digest, e);
	w->input->has_effect = rc == 0;
	if (rc == 0)
		atomic_fetch_add(&t->stored_bytes, m->raw_len);
	if (rc == 0 && f->commit->journal)
		journal_note(f->commit->journal, leaf, m->digest);
	return rc;
}

int file_data_chunk(struct worker *w, size_t len, struct err *e)
{
	struct transfer *t = w->transfer;
	const size_t fixed = MSG_CHUNK_FIXED + t->digest->size;
	uint8_t fields[MSG_CHUNK_FIXED + DIGEST_MAX];
	struct recv_file *f = NULL;
	struct msg_chunk m;
	size_t payload;
	int rc;

	if (len < fixed)
		return input_malformed("CHUNK", e);
	payload = len - fixed;
	/* The fields alone first: a payload that is not wanted is discarded
	 * without being decompressed. */
	rc = input_fields(w->input, fields, fixed, e);
	if (rc)
		return rc;
	if (msg_get_chunk(&m, t->digest->size, fields, fixed, payload))
		return input_malformed("CHUNK", e);
	/* How much of a recipe is content is said in its payload. */
	input_expect(w->input, m.codec == CODEC_RECIPE ? 0 : m.raw_len,
		     payload);
	rc = file_use_begin(t, m.id, &f, e);
	if (rc)
		return rc;
	if (!f)
		return input_skip(w->input, payload, e);
	switch (file_table_place(t->files, f, &m, t->stdout_fd >= 0)) {
	case CHUNK_WANTED:
		rc = take_chunk(w, f, &m, payload, e);
		break;
	case CHUNK_HERE:
		rc = input_skip(w->input, payload, e);
		break;
	case CHUNK_OUTSIDE:
		rc = err_set(e, ERR_PROTOCOL,
			     "the sender sent a chunk outside its file");
		break;
	}
	file_use_end(t, f);
	return rc;
}

/* ---- HOLE ---- */

/* Make sure that the part has zeros where the hole is.  Returns as
 * write_chunk(). */
static int write_hole(struct worker *w, struct recv_file *f,
		      const struct msg_hole *m, struct err *e)
{
	struct transfer *t = w->transfer;
	struct err fe;

	if (t->stdout_fd >= 0)
		return stdout_write_zeros(w->input, t->stdout_fd, m->len, e);
	if (f->basis_fd < 0 && !f->is_resumed)
		return 0; /* a new part: unwritten ranges read as zeros */
	err_clear(&fe);
	if (part_punch(&f->commit->part, m->offset, m->len, &fe) == 0)
		return 0;
	file_use_fail(t, f, fe.sys_errno);
	return 1;
}

static int take_hole(struct worker *w, struct recv_file *f,
		     const struct msg_hole *m, struct err *e)
{
	struct file_table *files = w->transfer->files;
	const uint64_t leaf = m->offset / TREE_LEAF;
	int is_known, rc;

	/* Holes are whole leaves: the last leaf, if it is not full, is sent as
	 * data. */
	if (f->size == TREE_SIZE_UNKNOWN || m->len % TREE_LEAF ||
	    m->offset > f->size || m->len > f->size - m->offset ||
	    (w->transfer->stdout_fd >= 0 &&
	     !file_table_is_next(files, f, leaf)))
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent a hole outside its file");
	if (w->transfer->stdout_fd < 0 && !recv_file_has_part(f))
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent a hole that the receiver "
			       "already has");
	is_known = file_table_has_leaf(files, f, leaf);
	rc = write_hole(w, f, m, e);
	if (rc)
		return rc < 0 ? rc : 0;
	rc = file_table_put_hole(files, f, leaf, m->len / TREE_LEAF, e);
	w->input->has_effect = rc == 0 && !is_known;
	return rc;
}

int file_data_hole(struct worker *w, const uint8_t *body, size_t len,
		   struct err *e)
{
	struct recv_file *f;
	struct msg_hole m;
	int rc;

	if (msg_get_hole(&m, body, len))
		return input_malformed("HOLE", e);
	rc = file_use_begin(w->transfer, m.id, &f, e);
	if (rc || !f)
		return rc;
	rc = take_hole(w, f, &m, e);
	file_use_end(w->transfer, f);
	return rc;
}
