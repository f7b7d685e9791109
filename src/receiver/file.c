/*
 * Files that are received in chunks: making and freeing them.
 */
#include "receiver/file_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "fs/journal.h"
#include "receiver/kept.h"
#include "wire/msg.h"

enum { RESUME_SIZE_MIN = 8 << 20 };

struct recv_file *recv_file_new(const struct msg_open *m,
				const struct digest_ops *ops,
				const struct kept_sender *keeper)
{
	struct recv_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->locked = calloc(1, sizeof(*f->locked));
	if (!f->locked) {
		free(f);
		return NULL;
	}
	f->keeper = keeper;
	f->id = m->id;
	f->size = m->size;
	f->allocated = m->allocated;
	f->basis_fd = -1;
	f->delta_fd = -1;
	f->locked->users = 1;
	runs_init(&f->locked->unverified, STATE_RUNS_MAX);
	runs_init(&f->locked->reserved, STATE_RUNS_MAX);
	pthread_mutex_init(&f->locked->basis_lock, NULL);
	f->locked->tree = tree_new(ops, m->size);
	f->commit = commit_new(m->name, m->name_len);
	if (!f->commit || !f->locked->tree) {
		recv_file_free(f);
		return NULL;
	}
	f->commit->id = m->id;
	f->commit->size = m->size;
	if (commit_copy_meta(f->commit, &m->meta)) {
		recv_file_free(f);
		return NULL;
	}
	return f;
}

void recv_file_free(struct recv_file *f)
{
	struct recv_file_locked *l = f->locked;
	struct commit *c = f->commit;
	/* Data of an earlier session is kept even if none of it was checked. */
	const int is_kept = c && c->journal && !l->is_over &&
			    (f->is_resumed || tree_have_count(l->tree) > 0) &&
			    kept_wants(f->keeper);
	const uint64_t tag = c ? c->tag : 0;
	const size_t len = c ? c->name_len : 0;
	char *name = is_kept ? strdup(c->name) : NULL;

	if (is_kept)
		part_trim(&c->part);
	/* A seal says that the part has what the journal says.  Where somebody
	 * may have written to it since, only the leaves of this session are
	 * known to be so. */
	if (is_kept && (f->is_sealed || !f->is_resumed))
		journal_seal(c->journal, &c->part);
	else if (is_kept)
		journal_write(c->journal, &c->part);
	else if (c)
		commit_discard(c);
	commit_free(c);
	/* The part is no longer locked. */
	if (name)
		kept_note(f->keeper, name, len, tag);
	free(name);
	if (f->delta_fd != f->basis_fd)
		io_close(&f->delta_fd);
	io_close(&f->basis_fd);
	runs_release(&l->unverified);
	runs_release(&l->reserved);
	pthread_mutex_destroy(&l->basis_lock);
	tree_free(l->tree);
	free(l);
	free(f);
}

int recv_file_is_resumable(const struct recv_file *f)
{
	return f->size != TREE_SIZE_UNKNOWN && f->size > RESUME_SIZE_MIN;
}

int recv_file_is_compare_only(const struct recv_file *f)
{
	return f->basis_fd >= 0 && (f->basis_action == ACTION_FAIL ||
				    f->basis_action == ACTION_SKIP);
}

struct verdict recv_file_conflict(const struct recv_file *f,
				  const struct stat *there)
{
	struct verdict v = { .status = STATUS_SKIPPED };

	if (f->basis_action == ACTION_FAIL || f->commit->rival) {
		v.status = STATUS_FAILED;
		v.cause = there ? conflict_cause(-1, NULL, there, UINT64_MAX) :
				  CAUSE_EXISTS;
	}
	if (f->commit->rival) {
		v.cause = CAUSE_RIVAL;
		v.rival = f->commit->rival;
	}
	return v;
}

void recv_file_lock_basis(struct recv_file *f)
{
	pthread_mutex_lock(&f->locked->basis_lock);
}

void recv_file_unlock_basis(struct recv_file *f)
{
	pthread_mutex_unlock(&f->locked->basis_lock);
}

int recv_file_has_part(struct recv_file *f)
{
	int has = 1;

	/* Without a basis it is made before the first chunk may come. */
	if (f->basis_fd >= 0) {
		recv_file_lock_basis(f);
		has = f->commit->part.fd >= 0;
		recv_file_unlock_basis(f);
	}
	return has;
}

int recv_file_make_room(const struct recv_file *f, const struct err *e)
{
	return kept_give_way(f->keeper, f->commit->part.fd, 0, e->sys_errno);
}
