/*
 * The content of files: data is verified and written at its offset, nothing is
 * written where holes are.
 */
#include "receiver/file_data.h"

#include <string.h>

#include "fs/journal.h"
#include "receiver/file.h"
#include "receiver/file_table.h"
#include "receiver/file_use.h"
#include "receiver/input.h"
#include "receiver/quota.h"
#include "receiver/stdout.h"
#include "receiver/worker.h"
#include "session/channel.h"
#include "wire/msg.h"

/* ---- CHUNK ---- */

/* Write the verified bytes in w->raw.  Returns 0; 1 where the file failed; an
 * error that ends the session. */
static int write_chunk(struct worker *w, struct recv_file *f,
		       const struct msg_chunk *m, struct err *e)
{
	struct transfer *t = w->transfer;
	struct verdict v;
	struct err fe;

	err_clear(&fe);
	memset(&v, 0, sizeof(v));
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
	if (part_write(&f->commit->part, w->raw, m->raw_len, m->offset, &fe)) {
		file_use_fail(t, f, fe.sys_errno);
		return 1;
	}
	return 0;
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
	int rc = input_payload(w->input, m->codec, m->raw_len, payload, e);

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
	if (rc == ERR_CORRUPT && !e->code)
		return input_ask_again(w->input, "a chunk", m->id, m->offset,
				       m->raw_len, e);
	if (rc == 0)
		rc = write_chunk(w, f, m, e);
	if (rc)
		return rc < 0 ? rc : 0;
	rc = file_table_put_leaf(t->files, f, leaf, m->digest, e);
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
	int rc;

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
	rc = write_hole(w, f, m, e);
	if (rc)
		return rc < 0 ? rc : 0;
	return file_table_put_hole(files, f, leaf, m->len / TREE_LEAF, e);
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
