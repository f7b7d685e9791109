/*
 * One session and its streams.
 */
#include "receiver/session.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "chunk/delta_key.h"
#include "fs/dirs.h"
#include "os/entropy.h"
#include "os/times.h"
#include "receiver/committer.h"
#include "receiver/cpu_share.h"
#include "receiver/delete.h"
#include "receiver/dir_meta.h"
#include "receiver/direct.h"
#include "receiver/file_table.h"
#include "receiver/flusher.h"
#include "receiver/keeper.h"
#include "receiver/made.h"
#include "receiver/placed.h"
#include "receiver/progress.h"
#include "receiver/quota.h"
#include "receiver/results.h"
#include "receiver/senders.h"
#include "receiver/setup.h"
#include "receiver/symlinks.h"
#include "receiver/unlocked.h"
#include "sandbox/sandbox.h"
#include "session/features.h"
#include "session/totals.h"
#include "wire/msg.h"

/* ---- what the committer calls ---- */

static void on_committed(void *ctx, const struct commit *c,
			 enum file_status status, unsigned cause)
{
	const struct recv_session *s = ctx;

	results_committed(s->transfer.results, c, status, cause);
}

static void on_group_done(void *ctx)
{
	const struct recv_session *s = ctx;

	results_push(s->transfer.results);
}

static void on_trouble(void *ctx, const char *path, size_t len, unsigned lost,
		       int err_no)
{
	const struct recv_session *s = ctx;

	results_note(s->transfer.results, path, len, lost, err_no);
}

static int finished_too_early(struct err *e)
{
	return err_set(e, ERR_PROTOCOL, "the sender finished too early");
}

/* All files are committed: make the symlinks, then set modes and times of
 * directories, which these would change. */
static int finish_transfer(struct recv_session *s, struct err *e)
{
	struct transfer *t = &s->transfer;
	struct totals totals;
	int rc;

	if (file_table_count(t->files) > 0)
		return finished_too_early(e);
	if (!t->symlinks)
		return 0;
	rc = symlinks_make(t->symlinks, NULL, e);
	if (rc == 0)
		rc = dir_meta_apply(t->dir_meta, on_trouble, s, e);
	if (rc < 0)
		return rc;
	/* What was deleted, or only given another mode or time, was in no
	 * commit group. */
	results_get_totals(t->results, &totals);
	if (transfer_is_dry_run(t))
		return 0;
	return rc > 0 || totals.updated > 0 || totals.not_kept > 0 ||
			       delete_has_deleted(t->deletion) ?
		       sync_all(s->sender->root_fd, t->sync, e) : 0;
}

/* In the committer's thread, as this may take long. */
static void on_finish(void *ctx)
{
	struct recv_session *s = ctx;
	struct err e;

	err_clear(&e);
	if (finish_transfer(s, &e))
		recv_session_fail(s, &e);
	results_push(s->transfer.results);
	pthread_mutex_lock(&s->lock);
	s->state = RECV_FINISHED;
	pthread_mutex_unlock(&s->lock);
	results_wake_first(s->transfer.results);
}

/* ---- beginning ---- */

/* The tag of the file with the directories that the transfer has made: the same
 * in all its sessions.  0: it is not going to have another one. */
static uint64_t made_tag(const struct recv_session *s)
{
	uint8_t text[STREAM_PEER + WIRE_TOKEN_LEN], sum[DIGEST_MAX];

	if (!s->will_retry)
		return 0;
	memcpy(text, s->peer_id, STREAM_PEER);
	memcpy(text + STREAM_PEER, s->id, WIRE_TOKEN_LEN);
	digest_sha256.sum(text, sizeof(text), sum);
	return be_get64(sum);
}

static void set_transfer(struct recv_session *s)
{
	const struct recv_setup *setup = s->setup;
	const struct receive_config *cfg = setup->cfg;
	const struct sender *sender = s->sender;
	struct transfer *t = &s->transfer;

	t->events = t->lacks.events = cfg->events;
	t->peer = s->label;
	t->asked = cfg->asked;
	t->sync = cfg->sync;
	t->chmod = cfg->chmod;
	t->umask = setup->umask;
	t->open_files = s->share.open_files;
	t->stdout_fd = cfg->to_stdout ? cfg->stdout_fd : -1;
	t->keeper = (struct kept_sender){
		.kept = setup->keeper ? keeper_add(setup->keeper, sender) : NULL,
		.peer_id = s->peer_id,
		.max_bytes = sender->max_kept,
	};
	t->root_fd = sender->root_fd;
	t->walk_dirs = s->share.walk_dirs;
	t->began = s->began;
	atomic_init(&t->probe_budget, TRANSFER_PROBE_PACKS);
}

static int make_results(struct recv_session *s)
{
	struct transfer *t = &s->transfer;

	t->results = results_new(t->events, t->digest);
	if (!t->results)
		return -1;
	results_set_dir(t->results, t->root_fd);
	results_set_features(t->results, t->features);
	results_set_waits(t->results, delete_gives_way(t));
	return 0;
}

/* What there is only where files get names. */
static int make_names(struct recv_session *s)
{
	struct transfer *t = &s->transfer;
	const int replaces = t->existing == CONFLICT_REPLACE ||
			     t->existing == CONFLICT_NEWER ||
			     t->existing == CONFLICT_BACKUP;
	const uint64_t tag = made_tag(s);
	const struct made_file none = { 0 };
	const struct made_file dirs = { tag, &t->keeper };
	/* of another name */
	const struct made_file links = { tag ? tag + 1 : 0, &t->keeper };

	/* In a dry run no helper is asked to change anything. */
	t->unlocked = transfer_is_dry_run(t) ?
			      unlocked_new(NULL, NULL) :
			      unlocked_new(s->sender->opener,
					   s->setup->cfg->attrs);
	t->placed = placed_new(replaces, &s->began);
	t->made = made_new(t->root_fd, &dirs, t->quota);
	if (t->preserve.kinds & PRESERVE_HARDLINKS)
		t->linked = made_new(t->root_fd, &links, t->quota);
	if (transfer_is_dry_run(t))
		t->updated = made_new(t->root_fd, &none, t->quota);
	return t->unlocked && t->placed && t->made &&
	       (t->linked || !(t->preserve.kinds & PRESERVE_HARDLINKS)) &&
	       (t->updated || !transfer_is_dry_run(t)) ? 0 : -1;
}

/* What waits for the end of the session. */
static int make_deferred(struct recv_session *s)
{
	struct transfer *t = &s->transfer;
	const struct symlinks_config cfg = {
		.root_fd = t->root_fd,
		.dir_mode = s->setup->dir_mode,
		.walk_dirs = t->walk_dirs,
		.existing = t->existing,
		.sync = t->sync,
		.lacks = &t->lacks,
		.tells_sender = (t->features & FEATURE_DEFERRED) != 0,
		.results = t->results,
		.attrs = transfer_is_dry_run(t) ? NULL : s->setup->cfg->attrs,
		.preserve = t->features & FEATURE_PRESERVE ? &t->preserve : NULL,
		.unlocked = t->unlocked,
		.placed = t->placed,
		.made = t->made,
		.linked = t->linked,
	};

	t->symlinks = symlinks_new(&cfg);
	t->dir_meta = dir_meta_new(t->root_fd, t->made, t->unlocked, t->quota,
				   t->existing == CONFLICT_REPLACE ||
					   t->features & FEATURE_ARCHIVE);
	if (!t->symlinks || !t->dir_meta)
		return -1;
	dir_meta_set_held(t->dir_meta, t->walk_dirs);
	dir_meta_set_preserve(t->dir_meta, &t->preserve);
	return 0;
}

static int start_committer(struct recv_session *s)
{
	struct transfer *t = &s->transfer;
	const struct committer_config cfg = {
		.preserve = &t->preserve,
		.sync = t->sync,
		.existing = t->existing,
		.lacks = &t->lacks,
		.root_fd = t->root_fd,
		.open_max = s->share.commits,
		.walk_dirs = t->walk_dirs,
		.result = on_committed,
		.group_done = on_group_done,
		.finish = on_finish,
		.ctx = s,
		.unlocked = t->unlocked,
		.placed = t->placed,
		.linked = t->linked,
	};

	t->committer = committer_start(&cfg);
	return t->committer ? 0 : -1;
}

/* Make the parts of its transfer.  Returns 0 or -1. */
static int make_parts(struct recv_session *s)
{
	struct transfer *t = &s->transfer;

	set_transfer(s);
	if (make_results(s))
		return -1;
	results_set_limit(t->results, s->sender->max_files);
	t->quota = quota_new(s->sender->max_files, s->sender->max_size);
	t->files = file_table_new(t->digest, t->open_files);
	t->flusher = flusher_new(t);
	if (!t->quota || !t->files || !t->flusher)
		return -1;
	if (t->features & FEATURE_DELTA) {
		t->delta_key = delta_key_new();
		if (!t->delta_key)
			return -1;
		delta_key_begin(t->delta_key, s->token, sizeof(s->token));
	}
	if (!s->setup->cfg->to_stdout && (make_names(s) || make_deferred(s)))
		return -1;
	return start_committer(s);
}

/* Whether a peer has an id of its own, which nobody else can have: all senders
 * with a one-time code, or without TLS, have the same. */
static int is_known_peer(enum security mode, const uint8_t id[STREAM_PEER])
{
	static const uint8_t none[STREAM_PEER];

	return mode != SECURITY_PLAIN && mode != SECURITY_CODE &&
	       memcmp(id, none, STREAM_PEER) != 0;
}

/* The id of a named sender: not that of its key, so that what an interrupted
 * session has left can be gone on with after the key was replaced. */
static void name_id(const char *name, uint8_t id[STREAM_PEER])
{
	static const char prefix[] = "ferry sender ";
	char text[sizeof(prefix) + SENDER_NAME_MAX];
	uint8_t sum[DIGEST_MAX];
	const int n = snprintf(text, sizeof(text), "%s%s", prefix, name);

	digest_sha256.sum(text, (size_t)n, sum);
	memcpy(id, sum, STREAM_PEER);
}

void recv_session_owner(const struct recv_setup *setup,
			const struct recv_session_peer *peer,
			uint8_t owner[STREAM_PEER])
{
	const enum security mode = setup->cfg->security;

	memset(owner, 0, STREAM_PEER);
	if (peer->sender->name)
		name_id(peer->sender->name, owner);
	else if (mode == SECURITY_X509 || mode == SECURITY_PIN)
		stream_peer_id(peer->stream, owner);
	else
		memcpy(owner, &peer->source_key, sizeof(peer->source_key));
}

/* The sender's policy, where it asks for one and that is accepted. */
static enum conflict_policy policy_of(const struct sender *sender,
				      const struct msg_hello *m)
{
	const enum conflict_policy policies[] = {
		[EXISTING_UNSAID] = sender->existing,
		[EXISTING_FAIL] = CONFLICT_FAIL,
		[EXISTING_SKIP] = CONFLICT_SKIP,
		[EXISTING_REPLACE] = CONFLICT_REPLACE,
		[EXISTING_NEWER] = CONFLICT_NEWER,
		[EXISTING_RENAME] = CONFLICT_RENAME,
		[EXISTING_BACKUP] = CONFLICT_BACKUP,
	};

	return m->features & sender->accept & REQUEST_EXISTING ?
		       policies[m->existing] : sender->existing;
}

/* Whether another session may go on with this one if it is lost.  Through a
 * carrier only this side decides that: the sender is then started anew. */
static int may_be_continued(const struct receive_config *cfg, unsigned flags)
{
	if (cfg->carrier)
		return cfg->retry_ms > 0;
	return flags & HELLO_RETRY && (!cfg->connect_to || cfg->retry_ms > 0);
}

/* Who sends, and what this is called. */
static void set_peer(struct recv_session *s, const struct recv_session_peer *peer)
{
	const struct recv_setup *setup = s->setup;

	snprintf(s->peer, sizeof(s->peer), "%s", peer->text);
	if (s->sender->name)
		snprintf(s->label, sizeof(s->label), "%s (%s)",
			 s->sender->name, s->peer);
	else
		snprintf(s->label, sizeof(s->label), "%s", s->peer);
	stream_peer_id(peer->stream, s->peer_id);
	if (s->sender->name)
		name_id(s->sender->name, s->peer_id);
	stream_identity(peer->stream, s->identity);
	s->is_known = is_known_peer(setup->cfg->security, s->peer_id);
	s->source_key = peer->source_key;
	recv_session_owner(setup, peer, s->owner);
}

/* The features that are granted of those that HELLO asks for. */
static uint32_t grant(const struct recv_session *s, const struct msg_hello *m)
{
	const struct receive_config *cfg = s->setup->cfg;
	const unsigned accept = s->sender->accept;
	uint32_t granted = features_common(m->features) | (m->features & accept);

	if (granted & FEATURE_LISTS)
		granted |= m->features & FEATURE_DRY_RUN;
	/* Directories that are there are as the receiver's user left them. */
	if (!(accept & REQUEST_EXISTING))
		granted &= ~(uint32_t)FEATURE_ARCHIVE;
	if (cfg->to_stdout)
		granted &= ~(uint32_t)REQUEST_DELETE;
	if (!recv_direct_features(s->setup->direct) || cfg->to_stdout)
		granted &= ~(uint32_t)FEATURE_DIRECT;
	return granted;
}

/* What HELLO asks for and this side allows. */
static void set_terms(struct recv_session *s, const struct msg_hello *m)
{
	const struct receive_config *cfg = s->setup->cfg;
	struct transfer *t = &s->transfer;

	memcpy(s->id, m->session, sizeof(s->id));
	t->features = grant(s, m);
	t->existing = policy_of(s->sender, m);
	/* Standard output cannot be rewound for another attempt, and a dry run
	 * leaves nothing that another session could go on with. */
	s->will_retry = !cfg->to_stdout && cfg->connected_fd <= 0 &&
			!transfer_is_dry_run(t) &&
			may_be_continued(cfg, m->flags);
	if (!cfg->connect_to || !s->will_retry)
		t->features &= ~(uint32_t)FEATURE_RECONNECT;
	if (t->features & FEATURE_PRESERVE) {
		/* A reload cannot widen what the sandbox allows. */
		t->preserve.kinds = s->sender->preserve & cfg->preserve;
		t->preserve.ids = cfg->ids;
		t->meta_form = FILE_META_EXTENDED;
	}
}

int recv_session_confine(const struct recv_session *s, struct err *e)
{
	if (!transfer_is_dry_run(&s->transfer) || !s->setup->is_confined)
		return 0;
	return sandbox_reading_thread(s->setup->cfg->sandbox,
				      s->sender->root_fd, e);
}

struct recv_session *recv_session_new(struct recv_setup *setup,
				      const struct recv_session_peer *peer,
				      const struct msg_hello *m,
				      struct err *e)
{
	struct recv_session *s = calloc(1, sizeof(*s));
	/* No other stream can reach it. */
	const int is_alone = setup->cfg->to_stdout ||
			     setup->cfg->connected_fd > 0;

	if (!s) {
		err_set(e, ERR_RESOURCE, "out of memory for a session");
		return NULL;
	}
	s->setup = setup;
	s->senders = senders_hold(peer->senders);
	s->sender = peer->sender;
	s->began_ns = clock_ns();
	times_now(&s->began);
	s->transfer.digest = peer->digest;
	idle_init(&s->transfer.idle, setup->cfg->timeout_ms);
	set_peer(s, peer);
	set_terms(s, m);
	recv_direct_begin(setup->direct, s->transfer.features, s->peer);
	pthread_mutex_init(&s->lock, NULL);
	/* Before its threads are started. */
	if (recv_session_confine(s, e) ||
	    fd_budget_take(setup->fds, is_alone ? 1 : STREAMS_MAX,
			   peer->hello_by_ms, &setup->stop, &s->share,
			   e)) {
		recv_session_free(s);
		return NULL;
	}
	if (setup->cpu)
		s->cpu = cpu_share_take(setup->cpu, s->owner);
	if ((setup->cpu && !s->cpu) ||
	    entropy_get(s->token, sizeof(s->token)) || make_parts(s)) {
		/* Memory, descriptors or threads. */
		err_sys(e, ERR_RESOURCE, "cannot begin a session");
		recv_session_free(s);
		return NULL;
	}
	s->is_empty = setup->cfg->to_stdout || dirs_is_empty(s->sender->root_fd);
	return s;
}

/* End the threads, then free the files that these may have used. */
static void stop_threads(struct transfer *t)
{
	flusher_free(t->flusher);
	t->flusher = NULL;
	committer_stop(t->committer);
	t->committer = NULL;
	file_table_free(t->files);
	t->files = NULL;
}

void recv_session_free(struct recv_session *s)
{
	struct transfer *t;

	if (!s)
		return;
	t = &s->transfer;
	stop_threads(t);
	delete_free(t->deletion);
	dir_meta_free(t->dir_meta);
	made_free(t->made);
	made_free(t->linked);
	made_free(t->updated);
	symlinks_free(t->symlinks);
	unlocked_free(t->unlocked);
	placed_free(t->placed);
	quota_free(t->quota);
	results_free(t->results);
	if (s->share.streams > 0)
		fd_budget_give_back(s->setup->fds, &s->share);
	cpu_share_give_back(s->cpu);
	senders_release(s->senders);
	pthread_mutex_destroy(&s->lock);
	delta_key_free(t->delta_key);
	free(s);
}

void recv_session_set_number(struct recv_session *s, uint64_t number)
{
	s->number = s->transfer.number = s->transfer.lacks.number = number;
	results_set_sender(s->transfer.results, s->sender->name);
	results_set_session(s->transfer.results, number, s->label);
}

/* ---- streams ---- */

int recv_session_attach(struct recv_session *s, unsigned index,
			struct stream *stream)
{
	struct recv_slot *slot = &s->slots[index];
	int ok;

	pthread_mutex_lock(&s->lock);
	ok = index < s->share.streams && !slot->is_taken &&
	     s->state == RECV_OPEN && !atomic_load(&s->transfer.is_over);
	if (ok) {
		slot->is_taken = 1;
		slot->stream = stream;
		s->refs++;
	}
	pthread_mutex_unlock(&s->lock);
	return ok ? 0 : -1;
}

void recv_session_forget_stream(struct recv_session *s, unsigned index)
{
	pthread_mutex_lock(&s->lock);
	s->slots[index].stream = NULL;
	pthread_mutex_unlock(&s->lock);
}

/* Tell the committer to finish if only the first stream is left.  Locked, so
 * that this stream cannot detach meanwhile, which would end the session. */
static void close_if_alone(struct recv_session *s)
{
	if (s->state != RECV_FINISHING || s->refs != 1 ||
	    !s->slots[0].is_taken)
		return;
	s->state = RECV_CLOSING;
	committer_finish(s->transfer.committer);
}

int recv_session_detach(struct recv_session *s, unsigned index)
{
	int last;

	pthread_mutex_lock(&s->lock);
	s->slots[index] = (struct recv_slot){ 0 };
	last = --s->refs == 0;
	close_if_alone(s);
	if (last)
		atomic_store(&s->transfer.is_over, 1);
	pthread_mutex_unlock(&s->lock);
	return last;
}

int recv_session_is_ending(struct recv_session *s)
{
	int is_ending;

	pthread_mutex_lock(&s->lock);
	is_ending = s->state != RECV_OPEN || atomic_load(&s->transfer.is_over);
	pthread_mutex_unlock(&s->lock);
	return is_ending;
}

/* ---- a good end ---- */

int recv_session_finish(struct recv_session *s, const struct msg_finish *m,
			struct err *e)
{
	struct transfer *t = &s->transfer;
	int is_alone;

	pthread_mutex_lock(&s->lock);
	is_alone = s->refs == 1;
	pthread_mutex_unlock(&s->lock);
	/* FILE_ABORT may still be on its way on another stream: what is open is
	 * looked at when these have ended. */
	if ((is_alone && file_table_count(t->files) > 0) ||
	    committer_pending(t->committer) > 0)
		return finished_too_early(e);
	if (!results_match(t->results, m))
		return err_set(e, ERR_CORRUPT,
			       "the sender's sum differs from what arrived");
	atomic_store(&t->end_by_ms,
		     clock_ms() + (uint64_t)s->setup->cfg->timeout_ms);
	pthread_mutex_lock(&s->lock);
	s->state = RECV_FINISHING;
	close_if_alone(s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int recv_session_has_finished(struct recv_session *s)
{
	int has;

	pthread_mutex_lock(&s->lock);
	has = s->state >= RECV_FINISHED;
	pthread_mutex_unlock(&s->lock);
	return has;
}

void recv_session_set_summed(struct recv_session *s)
{
	pthread_mutex_lock(&s->lock);
	s->state = RECV_SUMMED;
	pthread_mutex_unlock(&s->lock);
}

/* ---- a bad end ---- */

void recv_session_forget_retry(struct recv_session *s)
{
	pthread_mutex_lock(&s->lock);
	s->will_retry = 0;
	pthread_mutex_unlock(&s->lock);
}

/* Whether the sender was lost, and may come back.  Locked. */
static int is_lost(const struct recv_session *s)
{
	return s->will_retry &&
	       (err_is_lost(s->err.code) || s->err.code == 0);
}

void recv_session_abort(struct recv_session *s)
{
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		if (s->slots[i].stream)
			stream_abort(s->slots[i].stream);
	}
	pthread_mutex_unlock(&s->lock);
}

void recv_session_stop(struct recv_session *s, int at_once)
{
	atomic_store(&s->transfer.is_over, 1);
	results_wake(s->transfer.results);
	if (at_once)
		recv_session_abort(s);
}

int recv_session_end_lost(struct recv_session *s)
{
	struct pollfd p = { .fd = -1 };
	int is_over;

	pthread_mutex_lock(&s->lock);
	/* After FINISH all is with the committer. */
	if (s->state == RECV_OPEN && s->slots[0].stream)
		p.fd = stream_fd(s->slots[0].stream);
	/* What has arrived before it was lost may take long to be read, at a
	 * rate limit, and is not needed to know that. */
	if (p.fd >= 0 && poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR))
		atomic_store(&s->transfer.is_over, 1);
	is_over = atomic_load(&s->transfer.is_over);
	pthread_mutex_unlock(&s->lock);
	if (is_over)
		results_wake(s->transfer.results);
	return is_over;
}

void recv_session_revoke(struct recv_session *s)
{
	struct err e;

	err_set(&e, ERR_AUTH, "%s: ended: this sender is not accepted any more "
		"(see --config)", s->label);
	atomic_store(&s->is_revoked, 1);
	pthread_mutex_lock(&s->lock);
	s->will_retry = 0;
	err_merge(&s->err, &e);
	pthread_mutex_unlock(&s->lock);
	/* Not at once, so that the streams can tell the sender. */
	recv_session_stop(s, 0);
}

void recv_session_fail(struct recv_session *s, const struct err *e)
{
	const int is_stopping = cancel_is_set(&s->setup->stop);
	int lost;

	pthread_mutex_lock(&s->lock);
	/* A stream that was stopped because another one failed has no error of
	 * its own. */
	if (e->code != ERR_INTERRUPTED || is_stopping ||
	    !atomic_load(&s->transfer.is_over))
		err_merge(&s->err, e);
	lost = is_lost(s);
	pthread_mutex_unlock(&s->lock);
	/* All streams of a sender who has been revoked tell it, and one that is
	 * cut off before could be what the sender meets first. */
	recv_session_stop(s, is_stopping ||
			     !(lost || atomic_load(&s->is_revoked)));
}

/* ---- the result ---- */

int recv_session_may_return(struct recv_session *s)
{
	int may;

	pthread_mutex_lock(&s->lock);
	may = s->state != RECV_SUMMED && is_lost(s) &&
	      !cancel_is_set(&s->setup->stop);
	pthread_mutex_unlock(&s->lock);
	return may;
}

/* Say which of the files failed, were not deleted, or lost metadata: the worst
 * of these; nothing where all is well. */
static void describe_files(const struct recv_session *s, const struct totals *t,
			   char *text, size_t size)
{
	const struct transfer *tr = &s->transfer;
	const uint64_t failed = totals_failed_count(t);
	char number[TEXT_COUNT_MAX];

	text[0] = 0;
	if (failed)
		snprintf(text, size, "%s from %s %s",
			 text_count(number, failed, "file"), s->label,
			 transfer_is_dry_run(tr) ? "would fail"
						 : "failed (see above)");
	else if (t->not_deleted)
		snprintf(text, size, "%s could not be deleted (see above)",
			 text_count(number, t->not_deleted, "item"));
	else if (t->not_kept)
		snprintf(text, size,
			 "%s of %s from %s were not kept (see above)",
			 results_lost(tr->results),
			 text_count(number, t->not_kept, "item"), s->label);
}

/* A list of what the transfer has made, or NULL. */
static void end_made(struct made *m, int is_over)
{
	if (m && is_over)
		made_forget(m);
	else if (m)
		made_leave(m);
}

void recv_session_conclude(struct recv_session *s, const struct totals *before,
			   struct totals *t, struct session_summary *sum,
			   struct err *e)
{
	const struct transfer *tr = &s->transfer;
	char files[SENDER_LABEL_MAX + 80];
	struct session_progress p;
	int is_summed;

	/* First, as the committer still commits and counts what waits.  After
	 * that nobody else uses the session, and no lock is needed. */
	stop_threads(&s->transfer);
	/* Does nothing where FINISH has done it. */
	if (tr->dir_meta)
		dir_meta_restore(tr->dir_meta, on_trouble, s);
	is_summed = s->state == RECV_SUMMED;
	end_made(tr->made, is_summed || !s->will_retry);
	end_made(tr->linked, is_summed || !s->will_retry);
	results_tell_losses(tr->results);
	results_get_totals(tr->results, t);
	totals_add(t, before);
	describe_files(s, t, files, sizeof(files));
	err_clear(e);
	if (!is_summed)
		*e = s->err;
	if (!e->code && !is_summed)
		err_set(e, ERR_LOST, "%s disconnected before the end of the "
				     "session",
			s->label);
	memset(sum, 0, sizeof(*sum));
	sum->code = totals_conclude(t, 0, files, e);
	totals_summary(t, sum);
	sum->is_dry_run = transfer_is_dry_run(tr);
	sum->wire_bytes = atomic_load(&tr->wire_bytes);
	sum->sent_bytes = atomic_load(&tr->content_bytes);
	sum->payload_bytes = atomic_load(&tr->payload_bytes);
	sum->resent_bytes = atomic_load(&tr->resent_bytes);
	sum->seconds = (double)(clock_ns() - s->began_ns) / 1e9;
	recv_progress_get(&s->transfer, &p);
	sum->done_bytes = p.bytes;
	if (p.total_is_final || p.total_bytes > p.bytes)
		sum->total_bytes = p.is_endless ? 0 : p.total_bytes;
	sum->total_is_final = p.total_is_final;
}
