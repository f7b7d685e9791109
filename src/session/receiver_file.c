/*
 * Files that come in chunks: verified, written at their offset, and handed to
 * the committer when they are whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/text.h"
#include "fs/name.h"
#include "session/receiver.h"
#include "wire/msg.h"

/* The largest file that is taken: its digest tree stays below 64 MiB. */
#define RECEIVE_SIZE_MAX ((uint64_t)1 << 46)

enum { BODY_MAX = 8192, ZEROS = 65536 };

static int malformed(const char *what, struct err *e)
{
	return err_set(e, ERR_PROTOCOL, "the sender sent a malformed %s frame",
		       what);
}

static int to_stdout(const struct rstream *st)
{
	return st->receiver->cfg->to_stdout;
}

static void infile_free(struct infile *f)
{
	if (f->commit && f->commit->dir)
		part_discard(&f->commit->part, held_dir_fd(f->commit->dir));
	commit_free(f->commit);
	tree_free(f->tree);
	free(f);
}

void rfile_discard_all(struct rsession *s)
{
	while (s->files) {
		struct infile *f = s->files;

		s->files = f->next;
		infile_free(f);
	}
}

static void report(struct rsession *s, const struct infile *f,
		   enum file_status status, unsigned cause, uint64_t need,
		   uint64_t have)
{
	struct item_result r = {
		.id = f->id,
		.kind = ITEM_FILE,
		.status = status,
		.cause = cause,
		.need = need,
		.have = have,
		.name = f->commit->name,
		.name_len = f->commit->name_len,
		.size = f->size == TREE_SIZE_UNKNOWN ? 0 : f->size,
	};

	rsession_result(s, &r);
	rsession_push(s);
}

/* ---- the table of open files ---- */

static void unlink_file(struct rsession *s, struct infile *f)
{
	struct infile **at = &s->files;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	s->open_count--;
}

static struct infile *find(struct rsession *s, uint64_t id)
{
	struct infile *f = s->files;

	while (f && f->id != id)
		f = f->next;
	return f;
}

/*
 * The open file with this id, in use by the caller; *out is NULL for one that
 * is over (its frames are passed over).  An id that never was is the
 * sender's fault.
 */
static int acquire(struct rsession *s, uint64_t id, struct infile **out,
		   struct err *e)
{
	int known;

	pthread_mutex_lock(&s->lock);
	known = id != 0 && id <= s->max_id;
	*out = find(s, id);
	if (*out && (*out)->is_dead)
		*out = NULL;
	if (*out)
		(*out)->users++;
	pthread_mutex_unlock(&s->lock);
	if (!known)
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent data of a file that it did "
			       "not announce");
	return 0;
}

/* The file takes no more; with a verdict.  The caller uses it. */
static void fail_file(struct rsession *s, struct infile *f, unsigned cause,
		      uint64_t need, uint64_t have)
{
	int first;

	pthread_mutex_lock(&s->lock);
	first = !f->is_dead;
	f->is_dead = 1;
	pthread_mutex_unlock(&s->lock);
	if (first)
		report(s, f, STATUS_FAILED, cause, need, have);
}

static int is_whole(const struct infile *f)
{
	return !f->is_dead && f->has_end && tree_is_complete(f->tree);
}

/* Everything is here: check the whole, give it its metadata, pass it on. */
static void complete(struct rstream *st, struct infile *f)
{
	struct rsession *s = st->session;
	struct commit *c = f->commit;
	uint8_t digest[DIGEST_MAX];
	struct err fe;

	err_clear(&fe);
	f->size = f->end_size;
	if (tree_final(f->tree, digest)) {
		report(s, f, STATUS_FAILED, CAUSE_RESOURCE, 0, 0);
		infile_free(f);
		return;
	}
	if (memcmp(digest, f->end_digest, s->digest->size) != 0) {
		report(s, f, STATUS_FAILED, CAUSE_MISMATCH, 0, 0);
		infile_free(f);
		return;
	}
	c->id = f->id;
	c->size = f->end_size;
	memcpy(c->digest, digest, sizeof(c->digest));
	if (to_stdout(st)) {
		rsession_committed(s, c, STATUS_COMMITTED, CAUSE_NONE);
		rsession_push(s);
		infile_free(f);
		return;
	}
	if (part_set_size(&c->part, f->end_size, &fe) ||
	    part_set_meta(&c->part, &f->meta, &fe)) {
		report(s, f, STATUS_FAILED, wire_cause_of_errno(fe.sys_errno),
		       0, 0);
		infile_free(f);
		return;
	}
	f->commit = NULL;
	infile_free(f);
	committer_add(s->committer, c);
	if (st->receiver->cfg->sync == SYNC_NONE)
		rsession_push(s);
}

static void release(struct rstream *st, struct infile *f)
{
	struct rsession *s = st->session;
	int whole = 0, gone = 0;

	pthread_mutex_lock(&s->lock);
	if (--f->users == 0) {
		whole = is_whole(f);
		gone = f->is_dead;
		if (whole || gone)
			unlink_file(s, f);
	}
	pthread_mutex_unlock(&s->lock);
	if (whole)
		complete(st, f);
	else if (gone)
		infile_free(f);
}

/* ---- OPEN ---- */

static int read_body(struct rstream *st, size_t len, uint8_t *body,
		     struct err *e)
{
	if (len > BODY_MAX)
		return malformed("over-long", e);
	return link_recv(&st->link, body, len, e);
}

static int reply_state(struct rstream *st, uint64_t id, enum file_state state,
		       struct err *e)
{
	struct msg_state m = { .id = id, .state = (uint8_t)state };

	msg_put_state(&st->link.out, &m);
	return link_send(&st->link, NULL, 0, e);
}

static struct infile *infile_new(struct rsession *s, const struct msg_open *m)
{
	struct infile *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->id = m->id;
	f->size = m->size;
	f->meta.mode = m->meta.mode;
	f->meta.mtime_s = m->meta.mtime_s;
	f->meta.mtime_ns = m->meta.mtime_ns;
	f->users = 1;
	f->commit = commit_new(m->name, m->name_len);
	f->tree = tree_new(s->digest, m->size);
	if (!f->commit || !f->tree) {
		infile_free(f);
		return NULL;
	}
	return f;
}

/*
 * What stands under the final name already decides early for a large file.
 * Returns 0 to go on, or the status (and cause) of the verdict.
 */
static int check_existing(struct rstream *st, const struct infile *f, int dir,
			  const char *leaf, unsigned *cause)
{
	enum existing existing = st->receiver->cfg->existing;
	struct stat sb;
	struct err e;

	if (part_stat(dir, leaf, &sb, &e))
		return 0;
	if (S_ISDIR(sb.st_mode)) {
		*cause = CAUSE_IS_DIR;
		return STATUS_FAILED;
	}
	if (existing == EXISTING_REPLACE)
		return 0;
	/* It may turn out to be the same. */
	if (S_ISREG(sb.st_mode) && (f->size == TREE_SIZE_UNKNOWN ||
				    (uint64_t)sb.st_size == f->size))
		return 0;
	if (existing == EXISTING_SKIP)
		return STATUS_SKIPPED;
	*cause = CAUSE_EXISTS;
	return STATUS_FAILED;
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

/* Returns 0, or the status of a verdict given in *v. */
static int prepare(struct rstream *st, struct infile *f, uint64_t allocated,
		   struct item_result *v)
{
	struct rsession *s = st->session;
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
	dir = dirs_parent(st->dirs, f->commit->name, f->commit->name_len,
			  &leaf, &fe);
	if (dir >= 0) {
		status = check_existing(st, f, dir, leaf, &v->cause);
		if (status)
			return status;
		f->commit->dir = held_dir_new(dir, s->receiver->root_dev);
		if (!f->commit->dir)
			err_sys(&fe, ERR_LOCAL, "holding a directory");
	}
	if (fe.code || part_create(&f->commit->part, &st->names, dir, &fe) ||
	    reserve(f, allocated, &v->need, &v->have, &fe)) {
		v->cause = wire_cause_of_errno(fe.sys_errno);
		if (v->cause != CAUSE_NO_SPACE && v->cause != CAUSE_QUOTA &&
		    v->cause != CAUSE_TOO_LARGE)
			v->need = v->have = 0;
		return STATUS_FAILED;
	}
	v->need = v->have = 0;
	return 0;
}

static int announce(struct rsession *s, struct infile *f, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (find(s, f->id) || f->id == 0)
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
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* Within the limits, and ready to be written.  As prepare(). */
static int admit(struct rstream *st, struct infile *f, uint64_t allocated,
		 struct item_result *v)
{
	/* a stream's are counted as they come */
	const uint64_t bytes = f->size == TREE_SIZE_UNKNOWN ? 0 : f->size;
	int status = rsession_take(st->session, 1, bytes, v);

	if (status || to_stdout(st))
		return status;
	status = prepare(st, f, allocated, v);
	if (status)
		rsession_give_back(st->session, 1, bytes);
	return status;
}

int rfile_open(struct rstream *st, size_t len, struct err *e)
{
	struct rsession *s = st->session;
	struct item_result v = { .kind = ITEM_FILE };
	uint8_t body[BODY_MAX];
	const char *why;
	struct msg_open m;
	struct infile *f;
	int rc = read_body(st, len, body, e), status = 0;

	if (rc)
		return rc;
	if (msg_get_open(&m, body, len))
		return malformed("OPEN", e);
	why = name_check(m.name, m.name_len);
	if (why)
		return err_set(e, ERR_PROTOCOL,
			       "the sender offered a name that is refused: %s",
			       why);
	f = infile_new(s, &m);
	if (!f)
		return err_set(e, ERR_RESOURCE, "out of memory");
	rc = announce(s, f, e);
	if (rc) {
		infile_free(f);
		return rc;
	}
	status = admit(st, f, m.allocated, &v);
	if (status) {
		pthread_mutex_lock(&s->lock);
		f->is_dead = 1;
		pthread_mutex_unlock(&s->lock);
		report(s, f, (enum file_status)status, v.cause, v.need,
		       v.have);
	}
	rc = reply_state(st, f->id, status ? STATE_REFUSED : STATE_SEND, e);
	release(st, f);
	return rc;
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

static int has_leaf(struct rsession *s, const struct infile *f, uint64_t leaf)
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
	int rc = link_recv(&st->link, to, payload, e);

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
	atomic_fetch_add(&st->session->resent_bytes, m->raw_len);
	receiver_message(st->receiver, SESSION_WARNING,
			 "a chunk from %s arrived damaged; asking again",
			 st->session->peer);
	msg_put_resend(&st->link.out, &r);
	return link_send(&st->link, NULL, 0, e);
}

static int record_leaf(struct rsession *s, struct infile *f, uint64_t leaf,
		       const uint8_t *digest, struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = tree_put(f->tree, leaf, digest);
	pthread_mutex_unlock(&s->lock);
	return rc ? err_set(e, rc, "recording a chunk: %s", err_name(rc)) : 0;
}

static int store_chunk(struct rstream *st, struct infile *f,
		       const struct msg_chunk *m, struct err *e)
{
	struct rsession *s = st->session;
	struct item_result v = { .kind = ITEM_FILE };
	struct err fe;

	if (f->size == TREE_SIZE_UNKNOWN &&
	    rsession_take(s, 0, m->raw_len, &v)) {
		fail_file(s, f, v.cause, v.need, v.have);
		return 0;
	}
	if (to_stdout(st)) {
		int rc = rstdout_write(st, st->raw, m->raw_len, e);

		if (rc)
			return rc;
	} else if (part_write(&f->commit->part, st->raw, m->raw_len, m->offset,
			      &fe)) {
		fail_file(s, f, wire_cause_of_errno(fe.sys_errno), 0, 0);
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

int rfile_chunk(struct rstream *st, size_t len, struct err *e)
{
	struct rsession *s = st->session;
	size_t fixed = MSG_CHUNK_FIXED + s->digest->size, payload;
	uint8_t head[MSG_CHUNK_FIXED + DIGEST_MAX];
	struct infile *f = NULL;
	struct msg_chunk m;
	int rc;

	if (len < fixed)
		return malformed("CHUNK", e);
	payload = len - fixed;
	rc = link_recv(&st->link, head, fixed, e);
	if (rc)
		return rc;
	if (msg_get_chunk(&m, s->digest->size, head, fixed, payload))
		return malformed("CHUNK", e);
	rc = acquire(s, m.id, &f, e);
	if (rc)
		return rc;
	if (!f || has_leaf(s, f, m.offset / TREE_LEAF))
		rc = rstream_skip(st, payload, e);
	else if (!is_in_place(s, f, &m) || !in_order(st, f, m.offset))
		rc = err_set(e, ERR_PROTOCOL,
			     "the sender sent a chunk outside its file");
	else
		rc = read_chunk(st, &m, payload, e);
	if (rc == ERR_CORRUPT && f && !e->code)
		rc = ask_again(st, &m, e);
	else if (rc == 0 && f)
		rc = store_chunk(st, f, &m, e);
	if (f)
		release(st, f);
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
	if (to_stdout(st))
		rc = write_zeros(st, m->len, e);
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
	uint8_t body[BODY_MAX];
	struct infile *f = NULL;
	struct msg_hole m;
	int rc = read_body(st, len, body, e);

	if (rc)
		return rc;
	if (msg_get_hole(&m, body, len))
		return malformed("HOLE", e);
	rc = acquire(st->session, m.id, &f, e);
	if (rc || !f)
		return rc;
	rc = put_hole(st, f, &m, e);
	release(st, f);
	return rc;
}

/* ---- FILE_END, FILE_ABORT ---- */

/* Under the session's lock. */
static int note_end(struct infile *f, const struct msg_file_end *m)
{
	if (f->has_end)
		return ERR_PROTOCOL;
	if (f->size == TREE_SIZE_UNKNOWN) {
		if ((f->short_end && m->size != f->short_end) ||
		    m->size < f->reach || m->size > RECEIVE_SIZE_MAX ||
		    tree_set_size(f->tree, m->size))
			return ERR_PROTOCOL;
	} else if (m->size != f->size) {
		return ERR_PROTOCOL;
	}
	f->has_end = 1;
	f->end_size = m->size;
	memcpy(f->end_digest, m->digest, sizeof(f->end_digest));
	return 0;
}

int rfile_end(struct rstream *st, size_t len, struct err *e)
{
	struct rsession *s = st->session;
	uint8_t body[BODY_MAX];
	struct msg_file_end m;
	struct infile *f = NULL;
	int rc = read_body(st, len, body, e);

	if (rc)
		return rc;
	if (msg_get_file_end(&m, s->digest->size, body, len))
		return malformed("FILE_END", e);
	rc = acquire(s, m.id, &f, e);
	if (rc || !f)
		return rc;
	pthread_mutex_lock(&s->lock);
	if (note_end(f, &m))
		rc = malformed("FILE_END", e);
	pthread_mutex_unlock(&s->lock);
	release(st, f);
	return rc;
}

/* The sender gave a file up; it knows why, so no verdict goes back. */
static void report_abort(struct rsession *s, const struct infile *f,
			 unsigned cause)
{
	const struct session_events *ev = s->receiver->cfg->events;
	char name[512], error[1024];
	struct session_file sf = {
		.name = f->commit->name,
		.name_len = f->commit->name_len,
		.status = STATUS_FAILED,
		.error = error,
	};

	text_escape(name, sizeof(name), sf.name, sf.name_len);
	snprintf(error, sizeof(error), "%s: given up by the sender %s: %s",
		 name, s->peer, wire_cause_text(cause));
	if (ev->file)
		ev->file(ev->ctx, s->number, &sf);
}

int rfile_abort(struct rstream *st, size_t len, struct err *e)
{
	struct rsession *s = st->session;
	uint8_t body[BODY_MAX];
	struct msg_file_abort m;
	struct infile *f = NULL;
	int rc = read_body(st, len, body, e);

	if (rc)
		return rc;
	if (msg_get_file_abort(&m, body, len))
		return malformed("FILE_ABORT", e);
	rc = acquire(s, m.id, &f, e);
	if (rc || !f)
		return rc;
	pthread_mutex_lock(&s->lock);
	f->is_dead = 1;
	tally_failed(&s->tally,
		     m.cause == CAUSE_CHANGED ? TALLY_CHANGED : TALLY_REMOTE,
		     CAUSE_NONE);
	pthread_mutex_unlock(&s->lock);
	report_abort(s, f, m.cause);
	release(st, f);
	return 0;
}
