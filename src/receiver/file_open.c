/*
 * The beginning of a file that comes in chunks: where it is to lie, what stands
 * there, and how much of it is here already.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/journal.h"
#include "fs/name.h"
#include "receiver/receiver.h"
#include "wire/msg.h"

enum {
	/* A larger file is resumed: the sender waits for our answer to its
	 * OPEN (smaller ones may be sent without that). */
	RESUME_SIZE_MIN = 8 << 20,
};

static int is_resumable(const struct infile *f)
{
	return f->size != TREE_SIZE_UNKNOWN && f->size > RESUME_SIZE_MIN;
}

/* ---- allocation ---- */

static struct infile *infile_new(struct rsession *s, const struct msg_open *m)
{
	struct infile *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->id = m->id;
	f->size = m->size;
	f->basis_fd = -1;
	f->meta = m->meta;
	f->users = 1;
	runs_init(&f->claims, STATE_RUNS_MAX);
	pthread_mutex_init(&f->basis_lock, NULL);
	f->commit = commit_new(m->name, m->name_len);
	f->tree = tree_new(s->digest, m->size);
	if (!f->commit || !f->tree) {
		rfile_free(f);
		return NULL;
	}
	return f;
}

/* Whether the part is worth keeping: it is another time's beginning. */
static int is_to_keep(const struct infile *f)
{
	return f->commit->journal && !f->is_dead &&
	       (f->is_resumed || tree_have_count(f->tree) > 0);
}

void rfile_free(struct infile *f)
{
	struct commit *c = f->commit;

	if (c && is_to_keep(f))
		journal_seal(c->journal, &c->part);
	else if (c)
		commit_discard(c);
	commit_free(c);
	io_close(&f->basis_fd);
	runs_release(&f->claims);
	pthread_mutex_destroy(&f->basis_lock);
	tree_free(f->tree);
	free(f);
}

/* ---- what stands under the final name ---- */

/* Whether a file that is there is looked into before anything is sent: where it
 * is going to decide, or most probably is the same. */
static int is_promising(const struct rstream *st, const struct infile *f,
			const struct stat *sb)
{
	if (!S_ISREG(sb->st_mode) || (uint64_t)sb->st_size != f->size ||
	    !is_resumable(f))
		return 0;
	return st->receiver->cfg->existing != CONFLICT_REPLACE ||
	       (sb->st_mtim.tv_sec == f->meta.mtime_s &&
		sb->st_mtim.tv_nsec == (long)f->meta.mtime_ns);
}

/*
 * What stands under the final name already decides early for a large file.
 * Returns 0 to go on, or the status (and cause) of the verdict.
 */
static int check_existing(struct rstream *st, struct infile *f, int dir,
			  const char *leaf, unsigned *cause)
{
	struct stat sb;
	enum conflict_action action;
	struct err e;

	if (part_stat(dir, leaf, &sb, &e))
		return 0;
	action = conflict_decide(st->receiver->cfg->existing, &sb, &f->meta);
	f->basis_action = action;
	if (is_promising(st, f, &sb))
		f->basis_fd = part_open_existing(dir, leaf, &sb, &e);
	if (f->basis_fd >= 0 && (uint64_t)sb.st_size != f->size)
		io_close(&f->basis_fd);
	if (f->basis_fd < 0)
		f->basis_fd = -1;
	if (f->basis_fd >= 0 || (action != ACTION_FAIL && action != ACTION_SKIP))
		return 0;
	/* It may turn out to be the same. */
	if (S_ISREG(sb.st_mode) && (f->size == TREE_SIZE_UNKNOWN ||
				    (uint64_t)sb.st_size == f->size))
		return 0;
	if (action == ACTION_SKIP)
		return STATUS_SKIPPED;
	*cause = conflict_cause(&sb);
	return STATUS_FAILED;
}

/* ---- the part ---- */

/* A kept part has its name from who sends it and how it is called. */
static uint64_t part_tag(const struct rsession *s, const char *leaf)
{
	uint8_t text[STREAM_PEER + NAME_COMPONENT_MAX], sum[DIGEST_MAX];
	size_t n = strlen(leaf);

	memcpy(text, s->peer_id, STREAM_PEER);
	memcpy(text + STREAM_PEER, leaf, n);
	digest_xxh3.sum(text, STREAM_PEER + n, sum);
	return be_get64(sum);
}

static struct journal_id identity(const struct rsession *s,
				  const struct infile *f)
{
	struct journal_id id = {
		.size = f->size,
		.mtime_s = f->meta.mtime_s,
		.mtime_ns = f->meta.mtime_ns,
		.digest_id = s->digest->id,
		.digest_size = (uint8_t)s->digest->size,
		.leaf_size = TREE_LEAF,
	};

	memcpy(id.peer, s->peer_id, sizeof(id.peer));
	memcpy(id.boot, s->receiver->boot, sizeof(id.boot));
	return id;
}

/* What an earlier session left, or a beginning. */
static int take_journal(struct rsession *s, struct infile *f, int dir,
			int was_there, struct err *e)
{
	const struct journal_id id = identity(s, f);
	struct commit *c = f->commit;

	if (was_there)
		c->journal = journal_load(dir, c->tag, &c->part, &id, &f->claims,
					  &f->is_sealed);
	if (c->journal && f->claims.len > 0) {
		f->is_resumed = 1;
		return 0;
	}
	journal_close(c->journal);
	if (was_there && part_set_size(&c->part, 0, e))
		return e->code;
	c->journal = journal_create(dir, c->tag, &c->part, &id, e);
	/* Without one it is sent as well, only not resumed. */
	err_clear(e);
	return 0;
}

static int open_kept(struct rstream *st, struct infile *f, int dir,
		     const char *leaf, struct err *e)
{
	struct commit *c = f->commit;
	int was_there, rc;

	c->tag = part_tag(st->session, leaf);
	rc = part_open_kept(&c->part, dir, c->tag, &was_there, e);
	return rc ? rc : take_journal(st->session, f, dir, was_there, e);
}

/* Where a part cannot be locked, or another transfer has it. */
static int is_unlockable(int rc, const struct err *e)
{
	return rc == ERR_AGAIN ||
	       (rc < 0 && (e->sys_errno == ENOLCK || e->sys_errno == EINVAL ||
			   e->sys_errno == EOPNOTSUPP));
}

void rfile_clear_kept(struct rsession *s, const struct infile *f)
{
	const uint64_t tag = part_tag(s, name_last(f->commit->name));
	const int dir = held_dir_fd(f->commit->dir);

	if (journal_clear(dir, tag) == 0)
		(void)journal_remove(dir, tag);
}

int rfile_new_part(struct rstream *st, struct commit *c, int dir,
		   const char *leaf, uint32_t mode, struct err *e)
{
	int rc = ERR_AGAIN, was_there = 0;

	if (!st->names.is_visible)
		rc = part_create_hidden(&c->part, dir, mode,
					held_dir_is_exact(c->dir), e);
	/* The source may have been large enough to be kept another time. */
	if (rc == 0 && !dirs_is_young(st->dirs))
		(void)journal_clear(dir, part_tag(st->session, leaf));
	if (rc != ERR_AGAIN)
		return rc;
	st->names.is_visible = 1;
	/* Under a name that is found again, so that what a killed process left
	 * is cleared away. */
	c->tag = part_tag(st->session, leaf);
	rc = part_open_kept(&c->part, dir, c->tag, &was_there, e);
	if (rc == 0 && was_there)
		rc = part_set_size(&c->part, 0, e);
	if (!is_unlockable(rc, e))
		return rc;
	err_clear(e);
	return part_create(&c->part, &st->names, dir, e);
}

static int create_part(struct rstream *st, struct infile *f, int dir,
		       const char *leaf, struct err *e)
{
	int rc;

	if (is_resumable(f) && part_is_keepable(f->meta.mode)) {
		rc = open_kept(st, f, dir, leaf, e);
		if (!is_unlockable(rc, e))
			return rc;
		err_clear(e);
	}
	return rfile_new_part(st, f->commit, dir, leaf, f->meta.mode, e);
}

/* Space for the content; for one with holes, only looked at. */
static int reserve(struct infile *f, uint64_t allocated, uint64_t *need,
		   uint64_t *have, struct err *e)
{
	struct statvfs vfs;

	*need = f->size;
	if (f->size == TREE_SIZE_UNKNOWN || f->size == 0)
		return 0;
	if (allocated >= f->size)
		return part_reserve(&f->commit->part, f->size, have, e);
	*need = allocated;
	if (fstatvfs(f->commit->part.fd, &vfs))
		return 0;
	*have = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	if (allocated <= *have)
		return 0;
	errno = ENOSPC;
	return err_sys(e, ERR_LOCAL, "reserving space");
}

/* The file's directory, and what is there under its name.  Returns 0, or the
 * status of a verdict given in *v. */
static int find_place(struct rstream *st, struct infile *f, const char **leaf,
		      int *dir, struct item_result *v)
{
	struct err fe;

	err_clear(&fe);
	*dir = dirs_parent(st->dirs, f->commit->name, f->commit->name_len, leaf,
			   &fe);
	if (*dir >= 0) {
		int status = check_existing(st, f, *dir, *leaf, &v->cause);

		if (status)
			return status;
		f->commit->dir = held_dir_new(*dir, st->receiver->root_dev);
		if (!f->commit->dir)
			err_sys(&fe, ERR_LOCAL, "holding a directory");
	}
	if (!fe.code)
		return 0;
	v->cause = wire_cause_of_errno(fe.sys_errno);
	return STATUS_FAILED;
}

/* What holes cost is memory for their digests alone: all open files of a
 * session together have no more of it than one may have. */
static int has_trees(struct rsession *s)
{
	uint64_t bytes;

	pthread_mutex_lock(&s->lock);
	bytes = s->open_bytes;
	pthread_mutex_unlock(&s->lock);
	return bytes <= RECEIVE_SIZE_MAX;
}

/* Returns 0, or the status of a verdict given in *v. */
static int prepare(struct rstream *st, struct infile *f, uint64_t allocated,
		   struct item_result *v)
{
	const char *leaf;
	struct err fe;
	int dir, status;

	err_clear(&fe);
	if (f->size != TREE_SIZE_UNKNOWN && f->size > RECEIVE_SIZE_MAX) {
		v->cause = CAUSE_TOO_LARGE;
		v->need = f->size;
		v->have = RECEIVE_SIZE_MAX;
		return STATUS_FAILED;
	}
	if (f->size != TREE_SIZE_UNKNOWN && !has_trees(st->session)) {
		v->cause = CAUSE_RESOURCE;
		return STATUS_FAILED;
	}
	status = find_place(st, f, &leaf, &dir, v);
	if (status)
		return status;
	if (f->basis_fd >= 0)
		return runs_add(&f->claims, 0, tree_leaf_count(f->size)) ?
			       STATUS_FAILED :
			       0;
	if (create_part(st, f, dir, leaf, &fe) == 0 &&
	    reserve(f, allocated, &v->need, &v->have, &fe) == 0) {
		v->need = v->have = 0;
		return 0;
	}
	v->cause = wire_cause_of_errno(fe.sys_errno);
	if (!wire_cause_has_room(v->cause))
		v->need = v->have = 0;
	return STATUS_FAILED;
}

/* ---- a basis that is not the same after all ---- */

int rfile_copy_leaf(struct rstream *st, struct infile *f, uint64_t leaf,
		    struct err *e)
{
	size_t n = tree_leaf_size(f->size, leaf);

	if (io_pread(f->basis_fd, st->raw, n, leaf * TREE_LEAF) != (ssize_t)n)
		return err_sys(e, ERR_LOCAL, "reading the file that is there");
	return part_write(&f->commit->part, st->raw, n, leaf * TREE_LEAF, e);
}

int rfile_leave_basis(struct rstream *st, struct infile *f, struct err *e)
{
	const char *leaf = name_last(f->commit->name);
	uint64_t leaves = tree_leaf_count(f->size), need, have;
	int dir = held_dir_fd(f->commit->dir);
	int rc = create_part(st, f, dir, leaf, e);

	if (rc == 0)
		rc = reserve(f, f->size, &need, &have, e);
	for (uint64_t i = 0; rc == 0 && i < leaves; i++) {
		if (rfile_has_leaf(st->session, f, i))
			rc = rfile_copy_leaf(st, f, i, e);
	}
	return rc;
}

/* ---- OPEN ---- */

static int announce(struct rsession *s, struct infile *f, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (rfile_find(s, f->id) || f->id == 0)
		rc = err_set(e, ERR_PROTOCOL,
			     "the sender opened a file twice");
	else if (s->open_count >= s->receiver->open_files)
		rc = err_set(e, ERR_PROTOCOL,
			     "the sender opened more files than allowed");
	if (rc == 0) {
		if (f->id > s->max_id)
			s->max_id = f->id;
		f->next = s->files;
		s->files = f;
		s->open_count++;
		if (f->size != TREE_SIZE_UNKNOWN)
			s->open_bytes += f->size;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* From here on the journal is the flusher's too. */
static void want_flusher(struct rsession *s, struct infile *f)
{
	pthread_mutex_lock(&s->lock);
	f->is_flushed = 1;
	if (!s->flusher && s->receiver->cfg->sync != SYNC_NONE)
		s->flusher = flusher_start(s);
	pthread_mutex_unlock(&s->lock);
}

static int reply_state(struct rstream *st, struct infile *f, int is_refused,
		       struct err *e)
{
	struct msg_state m = { .id = f->id, .state = STATE_SEND };

	pthread_mutex_lock(&st->session->lock);
	if (is_refused)
		m.state = STATE_REFUSED;
	else if (f->claims.len > 0)
		m.state = STATE_RESUME;
	for (size_t i = 0; m.state == STATE_RESUME && i < f->claims.len; i++) {
		m.runs[i].first = f->claims.v[i].first;
		m.runs[i].count = f->claims.v[i].count;
		m.run_count++;
	}
	f->is_open = 1;
	pthread_mutex_unlock(&st->session->lock);
	msg_put_state(&st->channel.out, &m);
	return channel_send(&st->channel, NULL, 0, e);
}

/* Within the limits, and ready to be written.  As prepare(). */
static int admit(struct rstream *st, struct infile *f, uint64_t allocated,
		 struct item_result *v)
{
	/* a stream's are counted as they come */
	const uint64_t bytes = f->size == TREE_SIZE_UNKNOWN ? 0 : f->size;
	int status = rsession_take(st->session, 1, bytes, v);

	if (status || st->receiver->cfg->to_stdout)
		return status;
	status = prepare(st, f, allocated, v);
	if (status)
		rsession_give_back(st->session, 1, bytes);
	return status;
}

/* Decode an OPEN whose name and meta are those that the sender wrote. */
static int take_open(const struct rsession *s, struct msg_open *m,
		     const uint8_t *body, size_t len, struct err *e)
{
	const struct digest_ops *digest = s->digest;
	uint8_t sum[DIGEST_MAX];
	const char *why;

	if (msg_get_open(m, digest->size, body, len))
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent a malformed OPEN frame");
	digest->sum(body, len - digest->size, sum);
	if (memcmp(sum, m->digest, digest->size) != 0)
		return err_set(e, ERR_CORRUPT, "an OPEN frame came damaged");
	why = name_check(m->name, m->name_len);
	if (why)
		return err_set(e, ERR_PROTOCOL,
			       "the sender offered a name that is refused: %s",
			       why);
	return 0;
}

int rfile_open(struct rstream *st, size_t len, struct err *e)
{
	struct rsession *s = st->session;
	struct item_result v = { .status = STATUS_COMMITTED };
	uint8_t body[RFILE_BODY_MAX];
	struct msg_open m;
	struct infile *f;
	int rc = rfile_read_body(st, len, body, e), status = 0;

	if (rc == 0)
		rc = take_open(s, &m, body, len, e);
	if (rc)
		return rc;
	f = infile_new(s, &m);
	if (!f)
		return err_set(e, ERR_RESOURCE, "out of memory");
	rc = announce(s, f, e);
	if (rc) {
		rfile_free(f);
		return rc;
	}
	status = admit(st, f, m.allocated, &v);
	if (status) {
		pthread_mutex_lock(&s->lock);
		f->is_dead = 1;
		pthread_mutex_unlock(&s->lock);
		v.status = (enum file_status)status;
		rfile_report(s, f, &v);
	} else if (f->commit->journal) {
		want_flusher(s, f);
	}
	rc = reply_state(st, f, status != 0, e);
	rfile_release(s, f);
	return rc;
}
