/*
 * The beginning and the end of uses of files, and what follows from the end.
 */
#include "receiver/file_use.h"

#include <stdlib.h>
#include <string.h>

#include "fs/journal.h"
#include "fs/name.h"
#include "receiver/committer.h"
#include "receiver/file_priv.h"
#include "receiver/file_table.h"
#include "receiver/held_dir.h"
#include "receiver/input.h"
#include "receiver/placed.h"
#include "receiver/results.h"
#include "receiver/same_meta.h"
#include "receiver/transfer.h"
#include "wire/msg.h"

int file_use_begin(struct transfer *t, uint64_t id, struct recv_file **out,
		   struct err *e)
{
	const enum file_found found = file_table_acquire(t->files, id, out);

	/* A file that failed is gone while other streams still have frames for
	 * it on their way: a known id is no error. */
	if (found == FILE_EARLY ||
	    (found == FILE_NONE &&
	     (id == 0 || id > atomic_load(&t->max_id))))
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent data for a file that is not "
			       "open");
	return 0;
}

void file_use_report(struct transfer *t, const struct recv_file *f,
		     const struct verdict *v)
{
	const struct item_result item = {
		.id = f->id,
		.kind = ITEM_FILE,
		.v = *v,
		.name = f->commit->name,
		.name_len = f->commit->name_len,
		.size = f->commit->size == TREE_SIZE_UNKNOWN ? 0 :
							       f->commit->size,
		.digest = v->status == STATUS_UNCHANGED ||
				  v->status == STATUS_UPDATED ?
				  f->commit->digest : NULL,
	};

	results_add(t->results, &item);
	results_push(t->results);
}

void file_use_give_up(struct transfer *t, struct recv_file *f,
		      const struct verdict *v)
{
	if (file_table_give_up(t->files, f))
		file_use_report(t, f, v);
}

void file_use_fail(struct transfer *t, struct recv_file *f, int err_no)
{
	const struct verdict v = {
		.status = STATUS_FAILED,
		.cause = wire_cause_of_errno(err_no),
	};

	file_use_give_up(t, f, &v);
}

/* ---- a file that is whole ---- */

/* Compare the digest of the whole file.  STATUS_COMMITTED: it is what was
 * sent. */
static struct verdict check_whole_file(struct transfer *t, struct recv_file *f)
{
	uint8_t *digest = f->commit->digest;
	struct verdict v = { .status = STATUS_FAILED };

	if (tree_final(f->locked->tree, digest))
		v.cause = CAUSE_RESOURCE;
	else if (!f->is_other &&
		 memcmp(digest, f->locked->end_digest, t->digest->size) == 0)
		v.status = STATUS_COMMITTED;
	else if (recv_file_is_compare_only(f))
		v = recv_file_conflict(f, NULL);
	else
		v.cause = CAUSE_MISMATCH;
	return v;
}

/* The basis has the file's content: the verdict, after its metadata was set
 * where it differs. */
static struct verdict keep_basis(struct transfer *t, const struct recv_file *f)
{
	const struct same_meta how = transfer_same_meta(t);
	struct verdict v = { .status = STATUS_UNCHANGED };
	struct stat there;
	const struct same_file file = { f->basis_fd,
					held_dir_fd(f->commit->dir), &there };

	if (fstat(f->basis_fd, &there) < 0)
		return v;
	v = same_meta_take(&how, &file, &f->commit->meta);
	transfer_note_linked(t, &f->commit->meta, f->commit->name,
			     f->commit->name_len, f->basis_fd);
	return v;
}

/* Every leaf is here, and nobody else uses the file: check the whole, set its
 * metadata, hand it to the committer.  Takes over f. */
static void complete_file(struct transfer *t, struct recv_file *f)
{
	struct commit *c = f->commit;
	struct verdict v;
	struct err fe;

	err_clear(&fe);
	f->locked->is_over = 1; /* so that its part is not kept */
	c->size = f->locked->end_size;
	v = check_whole_file(t, f);
	if (v.status != STATUS_COMMITTED) {
		file_use_report(t, f, &v);
	} else if (t->stdout_fd >= 0) {
		results_committed(t->results, c, STATUS_COMMITTED, CAUSE_NONE);
		results_push(t->results);
	} else if (c->part.fd < 0) {
		/* The basis, which has the name, is the same. */
		const struct placed_name name = {
			.dir_fd = held_dir_fd(c->dir),
			.leaf = name_last(c->name),
			.path = c->name,
			.path_len = c->name_len,
		};

		v = keep_basis(t, f);
		free(c->rival);
		c->rival = placed_note_same(t->placed, &name);
		if (c->rival)
			v = (struct verdict){ .status = STATUS_FAILED,
					      .cause = CAUSE_RIVAL,
					      .rival = c->rival };
		commit_clear_kept(c, t->unlocked);
		file_use_report(t, f, &v);
	} else if (part_set_size(&c->part, c->size, &fe)) {
		v.status = STATUS_FAILED;
		v.cause = wire_cause_of_errno(fe.sys_errno);
		file_use_report(t, f, &v);
	} else {
		commit_set_meta(c, &t->preserve, &t->lacks);
		f->commit = NULL;
		committer_add(t->committer, c);
		/* As many files wait as the sender may have open: it waits for
		 * verdicts itself, so the group is complete. */
		if (file_table_count(t->files) == 0 &&
		    committer_pending(t->committer) >= t->open_files)
			committer_flush(t->committer);
		if (t->sync == SYNC_NONE)
			results_push(t->results);
	}
	recv_file_free(f);
}

void file_use_end(struct transfer *t, struct recv_file *f)
{
	switch (file_table_release(t->files, f)) {
	case FILE_STAYS:
		break;
	case FILE_WHOLE:
		complete_file(t, f);
		break;
	case FILE_OVER:
		recv_file_free(f);
		break;
	}
}

/* ---- FILE_END, FILE_ABORT ---- */

int file_use_take_end(struct transfer *t, const uint8_t *body, size_t len,
		      int *has_effect, struct err *e)
{
	struct msg_file_end m;
	struct recv_file *f;
	int rc;

	if (msg_get_file_end(&m, t->digest->size, body, len))
		return input_malformed("FILE_END", e);
	rc = file_use_begin(t, m.id, &f, e);
	if (rc || !f)
		return rc;
	if (file_table_end(t->files, f, &m))
		rc = err_set(e, ERR_PROTOCOL,
			     "the sender sent a FILE_END that does not match "
			     "its file");
	*has_effect = rc == 0;
	file_use_end(t, f);
	return rc;
}

int file_use_take_abort(struct transfer *t, const uint8_t *body, size_t len,
			struct err *e)
{
	struct msg_file_abort m;
	struct recv_file *f;
	int rc;

	if (msg_get_file_abort(&m, body, len))
		return input_malformed("FILE_ABORT", e);
	rc = file_use_begin(t, m.id, &f, e);
	if (rc || !f)
		return rc;
	(void)file_table_give_up(t->files, f);
	results_aborted(t->results, f->commit->name, f->commit->name_len,
			m.cause, t->asked != NULL);
	file_use_end(t, f);
	return 0;
}

/* ---- flushing meanwhile ---- */

int file_use_flush_next(struct transfer *t, uint64_t *after, uint64_t least)
{
	struct recv_file *f =
		file_table_next_unflushed(t->files, *after, least);
	struct err e;

	if (!f)
		return 0;
	*after = f->id;
	err_clear(&e);
	if (journal_flush(f->commit->journal, &f->commit->part, &e))
		file_use_fail(t, f, e.sys_errno);
	file_use_end(t, f);
	return 1;
}
