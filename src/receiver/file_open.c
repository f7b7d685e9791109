/*
 * Opening a file that comes in chunks: its directory, a basis, its part.
 */
#include "receiver/file_open.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "chunk/tree.h"
#include "fs/dirs.h"
#include "fs/mode_rules.h"
#include "fs/trial.h"
#include "fs/why.h"
#include "os/size_limit.h"
#include "os/space.h"
#include "receiver/committer.h"
#include "receiver/file_priv.h"
#include "receiver/file_table.h"
#include "receiver/file_use.h"
#include "receiver/flusher.h"
#include "receiver/held_dir.h"
#include "receiver/input.h"
#include "receiver/kept.h"
#include "receiver/placed.h"
#include "receiver/quota.h"
#include "receiver/sessions.h"
#include "receiver/worker.h"
#include "session/channel.h"
#include "session/events.h"
#include "wire/msg.h"

enum {
	/* Smaller files are not worth the round trip. */
	DELTA_SIZE_MIN = 64 << 10,
};

static int refuse_file(struct verdict *v, unsigned cause)
{
	v->status = STATUS_FAILED;
	v->cause = cause;
	return -1;
}

/* Whether data that is here already, in a part or a basis, may be used. */
static int may_resume(const struct transfer *t, const struct recv_file *f)
{
	return t->features & FEATURE_RESUME && recv_file_is_resumable(f);
}

/* ---- the part ---- */

/* How much more than there is, as part_check_space() reckons. */
static uint64_t missing(uint64_t need, uint64_t others, uint64_t have)
{
	if (__builtin_add_overflow(need, others, &need))
		return UINT64_MAX;
	return need > have ? need - have : 0;
}

/* Whether the content fits.  Where it does not, *have is how many bytes there
 * are. */
static int check_space(struct worker *w, struct recv_file *f, uint64_t *have,
		       struct err *e)
{
	const uint64_t others = file_table_outstanding(w->transfer->files);
	const uint64_t need = f->allocated < f->size ? f->allocated : f->size;
	struct part *p = &f->commit->part;
	int rc;

	if (f->size == TREE_SIZE_UNKNOWN || f->size == 0)
		return 0;
	if (!f->is_resumed && size_limit_check(p->fd, f->size) < 0)
		return err_sys(e, ERR_LOCAL, "cannot check the size");
	if (need < f->size) {
		part_make_holes(p);
		p->has_old_data = f->is_resumed;
	}
	do
		rc = part_check_space(p, need, others, have, e);
	while (rc && kept_give_way(f->keeper, p->fd,
				   missing(need, others, *have), e->sys_errno));
	return rc;
}

int file_open_part(struct worker *w, struct recv_file *f,
		   struct parts_found *found, struct verdict *v)
{
	struct commit *c = f->commit;
	const char *leaf = name_last(c->name);
	const int dir = held_dir_fd(c->dir);
	uint64_t have = 0;
	struct err fe;
	int rc;

	err_clear(&fe);
	do
		rc = may_resume(w->transfer, f) &&
				     part_is_keepable(c->meta.mode) ?
			     parts_create_kept(&w->parts, c, dir, leaf, found,
					       &fe) :
			     parts_create(&w->parts, c, dir, leaf, &fe);
	while (rc && kept_give_way(f->keeper, dir, 0, fe.sys_errno));
	f->is_resumed = found->is_resumed;
	f->is_sealed = found->is_sealed;
	if (rc == 0)
		rc = check_space(w, f, &have, &fe);
	if (rc == 0)
		return 0;
	refuse_file(v, wire_cause_of_errno(why_errno(dir, NULL, fe.sys_errno)));
	/* What is free says nothing of a limit on each file, and how much is
	 * left of a quota is not known. */
	if (wire_cause_has_room(v->cause) && v->cause != CAUSE_TOO_LARGE &&
	    v->cause != CAUSE_QUOTA) {
		v->need = f->allocated < f->size ? f->allocated : f->size;
		v->have = have;
	}
	return -1;
}

/* ---- what is there under the final name ---- */

/* Whether the file that has the name is compared before anything is sent: where
 * the policy depends on whether it is the same, or it probably is. */
static int may_be_same(struct transfer *t, const struct recv_file *f, int dir,
		       const struct stat *there)
{
	const struct file_meta *meta = &f->commit->meta;

	if (!S_ISREG(there->st_mode) || !may_resume(t, f) ||
	    (uint64_t)there->st_size != f->size)
		return 0;
	return t->existing != CONFLICT_REPLACE ||
	       fs_lacks_same_time(&t->lacks, dir, &there->st_mtim, meta) ||
	       !fs_lacks_keeps_times(&t->lacks, dir);
}

/* Whether recipes may copy from the file that has the name. */
static int may_be_copied(const struct transfer *t, const struct recv_file *f,
			 const struct stat *there)
{
	/* A sender may not learn about a file that it may not replace. */
	return S_ISREG(there->st_mode) && t->features & FEATURE_DELTA &&
	       t->features & FEATURE_RECIPE && t->stdout_fd < 0 &&
	       (f->basis_action == ACTION_REPLACE ||
		f->basis_action == ACTION_BACKUP) &&
	       f->size != TREE_SIZE_UNKNOWN && f->size >= DELTA_SIZE_MIN &&
	       there->st_size >= DELTA_SIZE_MIN;
}

/* Open it for that, unless it is open already. */
static void open_delta(const struct transfer *t, struct recv_file *f, int dir,
		       const char *leaf, struct stat *there)
{
	struct err ignored;

	if (!may_be_copied(t, f, there))
		return;
	f->delta_fd = f->basis_fd;
	if (f->delta_fd < 0)
		f->delta_fd = part_open_existing(dir, leaf, there, &ignored);
	if (f->delta_fd < 0)
		f->delta_fd = -1;
	/* It may have changed between stat() and open(). */
	else if (f->delta_fd != f->basis_fd && !may_be_copied(t, f, there))
		io_close(&f->delta_fd);
	f->delta_size = (uint64_t)there->st_size;
}

/* Open what has the name as the basis, if it may be the same.  Returns 0 to go
 * on; or -1 with a verdict in v where the policy decides at once. */
static int probe_existing(struct worker *w, struct recv_file *f, int dir,
			  const char *leaf, struct verdict *v)
{
	const struct placed_name name = { dir, leaf, f->commit->name,
					  f->commit->name_len };
	struct stat there;
	struct err e;

	if (part_stat(dir, leaf, &there, &e))
		return 0;
	f->basis_action = conflict_decide(w->transfer->existing, &there,
					  &f->commit->meta, dir,
					  &w->transfer->lacks);
	if (f->basis_action == ACTION_FAIL || f->basis_action == ACTION_SKIP)
		f->commit->rival = placed_rival(w->transfer->placed, &name,
						&there, 0);
	if (may_be_same(w->transfer, f, dir, &there)) {
		f->basis_fd = part_open_existing(dir, leaf, &there, &e);
		/* It may have changed between stat() and open(). */
		if (f->basis_fd < 0)
			f->basis_fd = -1;
		else if ((uint64_t)there.st_size != f->size)
			io_close(&f->basis_fd);
	}
	open_delta(w->transfer, f, dir, leaf, &there);
	if (f->basis_fd >= 0 || (f->basis_action != ACTION_FAIL &&
				 f->basis_action != ACTION_SKIP))
		return 0;
	/* A file of the same size may be the same: compared at the end. */
	if (S_ISREG(there.st_mode) &&
	    (f->size == TREE_SIZE_UNKNOWN ||
	     (uint64_t)there.st_size == f->size))
		return 0;
	*v = recv_file_conflict(f, &there);
	return -1;
}

/* Whether leaf, which does not exist in dir, can be stored there: to know it
 * before the content is sent.  Returns 0, or -1 with a verdict in v. */
static int check_name(int dir, const char *leaf, struct verdict *v)
{
	struct stat st;
	struct err e;
	int error;

	if (name_is_portable(leaf) || part_stat(dir, leaf, &st, &e) == 0)
		return 0;
	error = trial_name(dir, leaf);
	if (error == EINVAL || error == EILSEQ || error == EPERM ||
	    error == EACCES || error == ENOENT)
		return refuse_file(v, CAUSE_NAME);
	if (error == ENAMETOOLONG)
		return refuse_file(v, CAUSE_NAME_TOO_LONG);
	return 0;
}

/* ---- OPEN ---- */

/* A sender that was interrupted and is started again at once may find its
 * former session still at what had arrived: wait until that gives back the
 * part; otherwise all of the file would be received anew. */
static void await_former(struct worker *w, int dir, const char *leaf)
{
	atomic_uint_fast64_t *since = &w->transfer->held_up_ms;
	uint_fast64_t never;
	struct err ignored;

	/* An error is that of the next frame, too. */
	while (w->sessions && parts_is_taken(&w->parts, dir, leaf) &&
	       input_tick(w->input, 0, &ignored) == 0) {
		never = 0;
		atomic_compare_exchange_strong(since, &never, clock_ms());
		if (!sessions_await_former(w->sessions, w->session,
					   atomic_load(since)))
			break;
	}
}

/* Find the file's directory, and a basis or else make the part.  Returns 0, or
 * -1 with a verdict in v. */
static int find_place(struct worker *w, struct recv_file *f,
		      struct verdict *v)
{
	struct parts_found found = { .unverified = &f->locked->unverified };
	struct commit *c = f->commit;
	const char *leaf;
	struct err fe;
	int dir;

	err_clear(&fe);
	dir = dirs_parent(w->dirs, c->name, c->name_len, &leaf, &fe);
	if (dir < 0)
		return refuse_file(v, wire_cause_of_errno(fe.sys_errno));
	/* First, as the other one may commit the file. */
	if (may_resume(w->transfer, f))
		await_former(w, dir, leaf);
	if (probe_existing(w, f, dir, leaf, v))
		return -1;
	c->dir = held_dir_new(dir, w->parts.root_dev);
	if (!c->dir)
		return refuse_file(v, wire_cause_of_errno(errno));
	if (f->basis_fd < 0 && check_name(dir, leaf, v))
		return -1;
	if (f->basis_fd < 0) {
		int rc = file_open_part(w, f, &found, v);

		f->trusts_journal = found.trusts_journal;
		return rc;
	}
	/* So that the part that an earlier session kept is removed if the basis
	 * is the same. */
	c->tag = parts_tag(&w->parts, leaf);
	if (runs_add(&f->locked->unverified, 0, tree_leaf_count(f->size)))
		return refuse_file(v, CAUSE_RESOURCE);
	return 0;
}

/* Check the limits, then find_place().  is_crowded: there is no memory for its
 * digests in addition to those of the files that are open.  Returns as
 * find_place(). */
static int admit_file(struct worker *w, struct recv_file *f, int is_crowded,
		      struct verdict *v)
{
	struct transfer *t = w->transfer;
	/* Where the size is not known, bytes are counted as they come. */
	const uint64_t bytes = f->size == TREE_SIZE_UNKNOWN ? 0 : f->size;
	const uint64_t counted = bytes + file_meta_room(&f->commit->meta);
	int rc;

	if (quota_take(t->quota, 1, counted, v))
		return -1;
	if (t->stdout_fd >= 0)
		return 0;
	if (bytes > RECV_FILE_SIZE_MAX) {
		v->need = bytes;
		v->have = RECV_FILE_SIZE_MAX;
		rc = refuse_file(v, CAUSE_TOO_LARGE);
	} else if (is_crowded) {
		rc = refuse_file(v, CAUSE_RESOURCE);
	} else {
		rc = find_place(w, f, v);
	}
	if (rc)
		quota_give_back(t->quota, 1, counted);
	return rc;
}

/* The mode that the file is to have. */
static uint32_t final_mode(const struct transfer *t, const struct recv_file *f)
{
	/* Standard input has no mode: it becomes a new file of this user. */
	if (f->size == TREE_SIZE_UNKNOWN)
		return mode_rules_apply(t->chmod, 0666 & ~t->umask, 0,
					t->umask);
	return transfer_mode(t, &f->commit->meta, 0);
}

/* Decode an OPEN, and check its digest and the name. */
static int decode_open(const struct transfer *t, struct msg_open *m,
		       const uint8_t *body, size_t len, struct err *e)
{
	const struct digest_ops *digest = t->digest;
	uint8_t sum[DIGEST_MAX];
	const char *why;

	if (msg_get_open(m, digest->size, t->meta_form, body, len) ||
	    !transfer_allows_meta(t, &m->meta))
		return input_malformed("OPEN", e);
	digest->sum(body, len - digest->size, sum);
	if (memcmp(sum, m->digest, digest->size) != 0)
		return err_set(e, ERR_CORRUPT, "an OPEN frame arrived damaged");
	why = transfer_check_name(t, m->name, m->name_len);
	if (why)
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent an invalid name: %s",
			       why);
	return 0;
}

/* Tell the user that a part of the file was kept. */
static void tell_resumed(const struct transfer *t, const struct recv_file *f,
			 const struct msg_state *reply)
{
	const uint64_t leaves = tree_leaf_count(f->size);
	char name[512], have_text[32], size_text[32];
	uint64_t have = 0;

	if (!f->is_resumed || reply->state != STATE_RESUME)
		return;
	for (uint32_t i = 0; i < reply->run_count; i++) {
		const struct msg_run *run = &reply->runs[i];

		have += tree_leaves_size(f->size, run->count,
					 run->first + run->count == leaves);
	}
	text_escape(name, sizeof(name), f->commit->name, f->commit->name_len);
	events_session_message(
		t->events, t->number, SESSION_NOTICE,
		"%s: from %s: going on at %s of %s", name, t->peer,
		text_size(have_text, sizeof(have_text), (double)have),
		text_size(size_text, sizeof(size_text), (double)f->size));
}

int file_open(struct worker *w, const uint8_t *body, size_t len,
	      struct err *e)
{
	struct transfer *t = w->transfer;
	struct verdict v = { .status = STATUS_COMMITTED };
	struct msg_state reply;
	struct recv_file *f;
	struct msg_open m;
	int rc, is_refused;

	rc = decode_open(t, &m, body, len, e);
	if (rc)
		return rc;
	f = recv_file_new(&m, t->digest, &t->keeper);
	if (!f)
		return err_set(e, ERR_RESOURCE, "out of memory");
	f->commit->meta.mode = final_mode(t, f);
	rc = file_table_add(t->files, f, e);
	if (rc == ERR_PROTOCOL) {
		recv_file_free(f);
		return rc;
	}
	/* Also for a file that is refused: chunks of it may be on their way. */
	(void)transfer_see_ids(t, f->id, 1);
	is_refused = admit_file(w, f, rc == ERR_RESOURCE, &v) != 0;
	/* It has its verdict; what is accepted has yet to come. */
	w->input->has_effect = is_refused;
	if (is_refused) {
		file_use_give_up(t, f, &v);
	} else if (f->commit->journal) {
		file_table_watch(t->files, f);
		flusher_start(t->flusher);
	}
	reply.id = f->id;
	file_table_answer(t->files, f, is_refused, &reply);
	tell_resumed(t, f, &reply);
	if (f->delta_fd >= 0 && !is_refused) {
		const struct msg_signature basis = { .id = f->id,
						     .offset = f->delta_size,
						     .kind = SIGNATURE_BASIS };

		msg_put_signature(&w->channel->out, &basis);
	}
	msg_put_state(&w->channel->out, &reply);
	rc = channel_send(w->channel, NULL, 0, e);
	file_use_end(t, f);
	return rc;
}
