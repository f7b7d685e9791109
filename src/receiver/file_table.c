/*
 * Files that come in chunks: the table of those that are open, how each ends,
 * and that it is handed to the committer when it is whole.
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "receiver/receiver.h"
#include "wire/msg.h"

int rfile_malformed(const char *what, struct err *e)
{
	return err_set(e, ERR_PROTOCOL, "the sender sent a malformed %s frame",
		       what);
}

void rfile_discard_all(struct rsession *s)
{
	while (s->files) {
		struct infile *f = s->files;

		s->files = f->next;
		rfile_free(f);
	}
}

void rfile_report(struct rsession *s, const struct infile *f,
		  const struct item_result *v)
{
	struct item_result r = *v;

	r.id = f->id;
	r.kind = ITEM_FILE;
	r.name = f->commit->name;
	r.name_len = f->commit->name_len;
	r.size = f->size == TREE_SIZE_UNKNOWN ? 0 : f->size;
	rsession_result(s, &r);
	rsession_push(s);
}

static void report_failed(struct rsession *s, const struct infile *f,
			  unsigned cause)
{
	const struct item_result v = { .status = STATUS_FAILED, .cause = cause };

	rfile_report(s, f, &v);
}

/* ---- the table of open files ---- */

static void unlink_file(struct rsession *s, struct infile *f)
{
	struct infile **at = &s->files;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	s->open_count--;
	if (f->size != TREE_SIZE_UNKNOWN)
		s->open_bytes -= f->size;
}

struct infile *rfile_find(const struct rsession *s, uint64_t id)
{
	struct infile *f = s->files;

	while (f && f->id != id)
		f = f->next;
	return f;
}

int rfile_acquire(struct rsession *s, uint64_t id, struct infile **out,
		  struct err *e)
{
	int known;

	pthread_mutex_lock(&s->lock);
	*out = rfile_find(s, id);
	if (*out && (*out)->is_dead)
		*out = NULL;
	known = id != 0 && id <= s->max_id && (!*out || (*out)->is_open);
	if (!known)
		*out = NULL;
	if (*out)
		(*out)->users++;
	pthread_mutex_unlock(&s->lock);
	if (!known)
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent data of a file that is not "
			       "open");
	return 0;
}

void rfile_give_up(struct rsession *s, struct infile *f,
		   const struct item_result *v)
{
	int first;

	pthread_mutex_lock(&s->lock);
	first = !f->is_dead;
	f->is_dead = 1;
	pthread_mutex_unlock(&s->lock);
	if (first)
		rfile_report(s, f, v);
}

void rfile_fail(struct rsession *s, struct infile *f, unsigned cause)
{
	const struct item_result v = { .status = STATUS_FAILED, .cause = cause };

	rfile_give_up(s, f, &v);
}

int rfile_basis_stays(const struct infile *f)
{
	return f->basis_fd >= 0 &&
	       (f->basis_action == ACTION_FAIL || f->basis_action == ACTION_SKIP);
}

struct item_result rfile_conflict(const struct infile *f)
{
	struct item_result v = { .status = STATUS_SKIPPED };

	if (f->basis_action == ACTION_FAIL) {
		v.status = STATUS_FAILED;
		v.cause = CAUSE_EXISTS;
	}
	return v;
}

static int is_whole(const struct infile *f)
{
	return !f->is_dead && f->has_end && tree_is_complete(f->tree);
}

/* What is there under the name is the same; nothing was written. */
static void complete_basis(struct rsession *s, struct infile *f)
{
	const struct item_result v = { .status = STATUS_UNCHANGED,
				       .digest = f->commit->digest };

	rfile_clear_kept(s, f);
	rfile_report(s, f, &v);
	rfile_free(f);
}

/* Whether what is here is what was sent.  Returns 0, or -1 with the verdict. */
static int check_whole(const struct rsession *s, const struct infile *f,
		       struct item_result *v)
{
	uint8_t *digest = f->commit->digest;

	*v = (struct item_result){ .status = STATUS_FAILED };
	if (tree_final(f->tree, digest))
		v->cause = CAUSE_RESOURCE;
	else if (memcmp(digest, f->end_digest, s->digest->size) == 0)
		return 0;
	else if (rfile_basis_stays(f))
		*v = rfile_conflict(f);
	else
		v->cause = CAUSE_MISMATCH;
	return -1;
}

/* Everything is here: check the whole, give it its metadata, pass it on. */
static void complete(struct rsession *s, struct infile *f)
{
	struct commit *c = f->commit;
	struct item_result v;
	struct err fe;

	err_clear(&fe);
	f->size = f->end_size;
	f->is_dead = 1; /* for rfile_free(): it is not kept any more */
	c->id = f->id;
	c->size = f->end_size;
	c->meta = f->meta;
	if (check_whole(s, f, &v)) {
		rfile_report(s, f, &v);
		rfile_free(f);
		return;
	}
	if (s->receiver->cfg->to_stdout) {
		rsession_committed(s, c, STATUS_COMMITTED, CAUSE_NONE);
		rsession_push(s);
		rfile_free(f);
		return;
	}
	if (c->part.fd < 0) {
		complete_basis(s, f);
		return;
	}
	if (part_set_size(&c->part, f->end_size, &fe) ||
	    part_set_meta(&c->part, &f->meta, &fe)) {
		report_failed(s, f, wire_cause_of_errno(fe.sys_errno));
		rfile_free(f);
		return;
	}
	f->commit = NULL;
	rfile_free(f);
	committer_add(s->committer, c);
	if (s->receiver->cfg->sync == SYNC_NONE)
		rsession_push(s);
}

void rfile_release(struct rsession *s, struct infile *f)
{
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
		complete(s, f);
	else if (gone)
		rfile_free(f);
}

int rfile_read_body(struct rstream *st, size_t len, uint8_t *body,
		    struct err *e)
{
	if (len > RFILE_BODY_MAX)
		return rfile_malformed("over-long", e);
	return channel_recv_fields(&st->channel, body, len, e);
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
	uint8_t body[RFILE_BODY_MAX];
	struct msg_file_end m;
	struct infile *f = NULL;
	int rc = rfile_read_body(st, len, body, e);

	if (rc)
		return rc;
	if (msg_get_file_end(&m, s->digest->size, body, len))
		return rfile_malformed("FILE_END", e);
	rc = rfile_acquire(s, m.id, &f, e);
	if (rc || !f)
		return rc;
	pthread_mutex_lock(&s->lock);
	if (note_end(f, &m))
		rc = rfile_malformed("FILE_END", e);
	pthread_mutex_unlock(&s->lock);
	rfile_release(st->session, f);
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
	uint8_t body[RFILE_BODY_MAX];
	struct msg_file_abort m;
	struct infile *f = NULL;
	int rc = rfile_read_body(st, len, body, e);

	if (rc)
		return rc;
	if (msg_get_file_abort(&m, body, len))
		return rfile_malformed("FILE_ABORT", e);
	rc = rfile_acquire(s, m.id, &f, e);
	if (rc || !f)
		return rc;
	pthread_mutex_lock(&s->lock);
	f->is_dead = 1;
	totals_failed(&s->totals,
		     m.cause == CAUSE_CHANGED ? TOTALS_CHANGED : TOTALS_REMOTE,
		     CAUSE_NONE);
	pthread_mutex_unlock(&s->lock);
	report_abort(s, f, m.cause);
	rfile_release(st->session, f);
	return 0;
}
