/*
 * The list of sessions.
 */
#include "receiver/sessions.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pake.h"
#include "base/clock.h"
#include "os/cond.h"
#include "receiver/exec_events.h"
#include "receiver/progress.h"
#include "receiver/results.h"
#include "receiver/senders.h"
#include "receiver/session.h"
#include "receiver/setup.h"
#include "session/totals.h"

enum {
	/* How many tokens of ended sessions are kept, to recognise streams that
	 * join too late. */
	FORMER_MAX = 16,
	/* How long streams of a lost session may handle what has arrived (see
	 * connection.c), and how long a new session waits for that. */
	DRAIN_MS = 1000,
	FORMER_MS = 2 * DRAIN_MS,
	/* How long the files of a session are held up in all: by one that
	 * seems to be at work, as a lost connection may be noticed only when
	 * PROGRESS, sent 4 times a second, is answered by a reset; and by one
	 * that is over, which has to flush its data.  How often it is looked
	 * whether a part is free: another process may have had it. */
	HELD_UP_MS = 5000,
	HELD_UP_ENDING_MS = 10000,
	HELD_UP_LOOK_MS = 100,
	/* What a session that was lost has to bring to be progress: a chunk. */
	PROGRESS_BYTES = 1 << 20,
};

/* With --once: a session that was lost, and that another may go on with. */
struct lost_session {
	/* How long to wait for that (clock_ms()); 0: there is none. */
	uint64_t until_ms;
	/* The same, kept while another session goes on with it: that extends it
	 * only where it brings something. */
	uint64_t by_ms;
	uint8_t id[WIRE_TOKEN_LEN];
	/* of all sessions of this transfer so far */
	struct totals totals;
	struct session_summary summary;
};

struct sessions {
	struct recv_setup *setup; /* set once; borrowed */
	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t gone; /* a session ended */
	struct recv_session *list;
	unsigned count;
	uint64_t last_number;
	uint64_t dry_runs; /* sessions that were one, and have ended */
	uint8_t former[FORMER_MAX][WIRE_TOKEN_LEN]; /* a ring of tokens */
	unsigned former_count;                  /* all that were put there */
	int has_ended;     /* with --once, or a code: the receiver ends, */
	struct err result; /* with this result */
	struct lost_session lost;
	/* since sessions_restart() */
	int had_lost, has_progress;
};

struct sessions *sessions_new(struct recv_setup *setup)
{
	struct sessions *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return NULL;
	ss->setup = setup;
	pthread_mutex_init(&ss->lock, NULL);
	cond_init(&ss->gone);
	return ss;
}

void sessions_free(struct sessions *ss)
{
	if (!ss)
		return;
	pthread_cond_destroy(&ss->gone);
	pthread_mutex_destroy(&ss->lock);
	free(ss);
}

/* In constant time: a token is a secret, and so is a session's id. */
static int same_token(const uint8_t *a, const uint8_t *b)
{
	uint8_t diff = 0;

	for (int i = 0; i < WIRE_TOKEN_LEN; i++)
		diff |= a[i] ^ b[i];
	return diff == 0;
}

/* ---- beginning and joining ---- */

void sessions_end_former(struct sessions *ss, const uint8_t *id)
{
	const uint64_t until_ms = clock_ms() + FORMER_MS;

	pthread_mutex_lock(&ss->lock);
	for (;;) {
		struct recv_session *s = ss->list;

		while (s && !same_token(s->id, id))
			s = s->next;
		if (!s)
			break;
		recv_session_stop(s, clock_left_ms(until_ms) == 0);
		cond_wait(&ss->gone, &ss->lock, DRAIN_MS);
	}
	pthread_mutex_unlock(&ss->lock);
}

int sessions_await_former(struct sessions *ss, const struct recv_session *s,
			  uint64_t since_ms)
{
	unsigned max_ms = HELD_UP_MS;
	int is_others = 0, is_own = 0, left;

	pthread_mutex_lock(&ss->lock);
	for (struct recv_session *o = ss->list; o; o = o->next) {
		if (o == s || memcmp(o->peer_id, s->peer_id, STREAM_PEER) != 0)
			continue;
		/* Several hosts may have the same key, or none. */
		if (memcmp(o->owner, s->owner, STREAM_PEER) != 0) {
			is_others = 1;
			continue;
		}
		is_own = 1;
		if (recv_session_end_lost(o))
			max_ms = HELD_UP_ENDING_MS;
	}
	left = is_others && !is_own ? 0 : clock_left_ms(since_ms + max_ms);
	if (left > 0)
		cond_wait(&ss->gone, &ss->lock,
			  left < HELD_UP_LOOK_MS ? (unsigned)left
						 : HELD_UP_LOOK_MS);
	pthread_mutex_unlock(&ss->lock);
	return left > 0;
}

/* How many sessions one sender may have: of each four places, or fewer, one is
 * left for others. */
static unsigned sessions_a_sender(unsigned max)
{
	return max > 1 ? max - (max + 3) / 4 : 1;
}

static unsigned count_of_owner(const struct sessions *ss, const uint8_t *owner)
{
	unsigned count = 0;

	for (const struct recv_session *s = ss->list; s; s = s->next)
		count += memcmp(s->owner, owner, STREAM_PEER) == 0;
	return count;
}

/* Whether this side makes the connections, so that it is the one that comes
 * back. */
static int connects(const struct sessions *ss)
{
	return ss->setup->mode.role == NET_CONNECTS;
}

/* Whether there is room for a session with this id and owner: 0 or
 * ERR_RESOURCE.  Locked. */
static int check_room(const struct sessions *ss, const uint8_t *id,
		      const uint8_t *owner, struct err *e)
{
	const struct receive_config *cfg = ss->setup->cfg;

	/* Where we connect, a sender that was started again has another id. */
	if (ss->count >= cfg->max_sessions ||
	    (cfg->once &&
	     (ss->count > 0 || ss->has_ended ||
	      (ss->lost.until_ms && !connects(ss) &&
	       (!same_token(ss->lost.id, id) ||
		clock_left_ms(ss->lost.until_ms) == 0)))))
		return err_set(e, ERR_RESOURCE, "too many sessions at a time");
	if (count_of_owner(ss, owner) >= sessions_a_sender(cfg->max_sessions))
		return err_set(e, ERR_RESOURCE,
			       "too many sessions of this sender at a time "
			       "(see --max-sessions)");
	return 0;
}

int sessions_may_begin(struct sessions *ss, const uint8_t *id,
		       const uint8_t *owner, struct err *e)
{
	int rc;

	pthread_mutex_lock(&ss->lock);
	rc = check_room(ss, id, owner, e);
	pthread_mutex_unlock(&ss->lock);
	return rc;
}

int sessions_begin(struct sessions *ss, struct recv_session *s,
		   struct stream *stream, struct err *e)
{
	int rc;

	pthread_mutex_lock(&ss->lock);
	rc = check_room(ss, s->id, s->owner, e);
	if (rc == 0) {
		/* A session that resumes a lost one keeps its number.  One of a
		 * sender that was started again counts everything anew. */
		if (!ss->lost.until_ms) {
			ss->last_number++;
			ss->lost.by_ms = 0;
		} else if (!same_token(ss->lost.id, s->id)) {
			memset(&ss->lost.totals, 0, sizeof(ss->lost.totals));
		}
		ss->lost.until_ms = 0;
		recv_session_set_number(s, ss->last_number);
		/* Cannot fail: the session is new. */
		(void)recv_session_attach(s, 0, stream);
		s->next = ss->list;
		ss->list = s;
		ss->count++;
	}
	pthread_mutex_unlock(&ss->lock);
	return rc;
}

struct recv_session *sessions_join(struct sessions *ss, const uint8_t *token,
				   unsigned index, struct stream *stream,
				   int *has_ended)
{
	struct recv_session *s;

	pthread_mutex_lock(&ss->lock);
	s = ss->list;
	while (s && !same_token(s->token, token))
		s = s->next;
	*has_ended = s && recv_session_is_ending(s);
	for (unsigned i = 0; !s && i < FORMER_MAX && i < ss->former_count; i++)
		*has_ended |= same_token(ss->former[i], token);
	if (s && recv_session_attach(s, index, stream))
		s = NULL;
	pthread_mutex_unlock(&ss->lock);
	return s;
}

/* ---- the end ---- */

/* Take it out of the list, and keep its token.  Locked. */
static void remove_session(struct sessions *ss, struct recv_session *s)
{
	struct recv_session **at = &ss->list;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	ss->count--;
	memcpy(ss->former[ss->former_count % FORMER_MAX], s->token,
	       WIRE_TOKEN_LEN);
	ss->former_count++;
}

/* A dry run does not use up the code: who has proved that he knows it has not
 * guessed. */
static void reopen_code(const struct recv_setup *setup)
{
	if (setup->mode.pake && pake_reopen(setup->mode.pake))
		events_message(setup->cfg->events, SESSION_WARNING,
			       "the file of --code-file could not be written: it "
			       "says that the code was used");
}

/* After a dry run, where one sender is waited for. */
static void go_on_waiting(struct sessions *ss)
{
	const struct recv_setup *setup = ss->setup;

	events_message(setup->cfg->events, SESSION_NOTICE,
		       "that was a dry run: still waiting for the sender%s",
		       setup->mode.pake ? ", and the code stays valid" : "");
}

/* Whether a session brought more than the lost ones before it. */
static int has_brought(const struct sessions *ss, struct recv_session *s,
		       const struct totals *totals)
{
	const struct totals *before = &ss->lost.totals;

	return totals->committed > before->committed ||
	       totals->unchanged > before->unchanged ||
	       atomic_load(&s->transfer.stored_bytes) >= PROGRESS_BYTES;
}

/* Keep what is to be known of a session whose sender was lost and may come
 * back.  The time for that runs from the last progress: a sender that comes
 * back and brings nothing must not keep others out for ever.  Locked. */
static void keep_lost(struct sessions *ss, struct recv_session *s,
		      const struct totals *totals,
		      const struct session_summary *sum)
{
	const int brought = has_brought(ss, s, totals);

	ss->had_lost = 1;
	ss->has_progress |= brought || sum->wire_bytes >= PROGRESS_BYTES;
	if (!ss->lost.by_ms || brought)
		ss->lost.by_ms = clock_ms() +
				 (uint64_t)ss->setup->cfg->timeout_ms;
	ss->lost.until_ms = connects(ss) ? UINT64_MAX : ss->lost.by_ms;
	memcpy(ss->lost.id, s->id, sizeof(ss->lost.id));
	ss->lost.summary = *sum;
	ss->lost.totals = *totals;
}

static void end_session(struct sessions *ss, struct recv_session *s)
{
	const struct receive_config *cfg = ss->setup->cfg;
	const int is_dry = transfer_is_dry_run(&s->transfer);
	/* No other one can come where this side has connected, or was given the
	 * connection. */
	const int goes_on = is_dry && cfg->once && !connects(ss) &&
			    cfg->connected_fd <= 0;
	const struct session_events *ev = cfg->events;
	struct session_summary sum;
	struct totals totals;
	struct err e;
	int may_return;

	recv_session_conclude(s, &ss->lost.totals, &totals, &sum, &e);
	may_return = cfg->once && recv_session_may_return(s);
	if (may_return && !connects(ss)) {
		refusals_tell_lost(&ss->setup->refusals,
				   "%s; waiting for the sender to reconnect",
				   e.text);
	} else if (!may_return) {
		/* Before the summary, so that a script that reads the summary
		 * can rely on the program being queued. */
		exec_events_session(ss->setup, s, &sum);
		if (ev->summary)
			ev->summary(ev->ctx, s->number, &sum, &e);
	}
	pthread_mutex_lock(&ss->lock);
	remove_session(ss, s);
	ss->dry_runs += (unsigned)is_dry;
	if (cfg->once && !goes_on) {
		ss->result = e;
		ss->has_ended = !may_return || connects(ss);
	}
	if (may_return)
		keep_lost(ss, s, &totals, &sum);
	pthread_cond_broadcast(&ss->gone);
	pthread_mutex_unlock(&ss->lock);
	recv_session_free(s);
	if (is_dry)
		reopen_code(ss->setup);
	if (goes_on)
		go_on_waiting(ss);
}

void sessions_leave(struct sessions *ss, struct recv_session *s,
		    unsigned index)
{
	int last;

	/* Locked, so that no stream can join between the last one's leaving
	 * and the end. */
	pthread_mutex_lock(&ss->lock);
	last = recv_session_detach(s, index);
	pthread_mutex_unlock(&ss->lock);
	if (last)
		end_session(ss, s);
}

int sessions_has_source(struct sessions *ss, uint64_t source_key)
{
	const struct recv_session *s;

	pthread_mutex_lock(&ss->lock);
	s = ss->list;
	while (s && s->source_key != source_key)
		s = s->next;
	pthread_mutex_unlock(&ss->lock);
	return s != NULL;
}

unsigned sessions_revoke(struct sessions *ss, const struct senders *senders)
{
	unsigned count = 0;

	pthread_mutex_lock(&ss->lock);
	for (struct recv_session *s = ss->list; s; s = s->next) {
		if (senders_accept(senders, s->sender->name, s->identity))
			continue;
		recv_session_revoke(s);
		count++;
	}
	pthread_mutex_unlock(&ss->lock);
	return count;
}

void sessions_fail(struct sessions *ss, const struct err *e)
{
	pthread_mutex_lock(&ss->lock);
	for (struct recv_session *s = ss->list; s; s = s->next) {
		struct err named = *e;

		err_prefix(&named, "%s", s->peer);
		recv_session_fail(s, &named);
	}
	pthread_mutex_unlock(&ss->lock);
}

void sessions_stop(struct sessions *ss)
{
	pthread_mutex_lock(&ss->lock);
	for (struct recv_session *s = ss->list; s; s = s->next)
		recv_session_abort(s);
	pthread_mutex_unlock(&ss->lock);
}

void sessions_set_result(struct sessions *ss, const struct err *e)
{
	pthread_mutex_lock(&ss->lock);
	if (ss->count == 0) {
		ss->has_ended = 1;
		ss->result = *e;
	}
	pthread_mutex_unlock(&ss->lock);
}

int sessions_have_ended(struct sessions *ss, int *left_ms)
{
	const struct session_events *ev = ss->setup->cfg->events;
	struct lost_session *lost = &ss->lost;
	int has_ended, is_given_up = 0;

	*left_ms = -1;
	pthread_mutex_lock(&ss->lock);
	if (lost->until_ms && ss->count == 0) {
		*left_ms = clock_left_ms(lost->until_ms);
		is_given_up = *left_ms == 0;
		ss->has_ended |= is_given_up;
	}
	has_ended = ss->has_ended;
	pthread_mutex_unlock(&ss->lock);
	if (is_given_up && ev->summary)
		ev->summary(ev->ctx, ss->last_number, &lost->summary,
			    &ss->result);
	return has_ended;
}

unsigned sessions_count(struct sessions *ss, int *has_begun)
{
	unsigned count;

	pthread_mutex_lock(&ss->lock);
	count = ss->count + (ss->lost.until_ms != 0);
	*has_begun = ss->last_number > ss->dry_runs;
	pthread_mutex_unlock(&ss->lock);
	return count;
}

void sessions_show_progress(struct sessions *ss)
{
	const struct session_events *ev = ss->setup->cfg->events;
	struct session_progress p;

	pthread_mutex_lock(&ss->lock);
	for (struct recv_session *s = ss->list; s; s = s->next) {
		recv_progress_get(&s->transfer, &p);
		pthread_mutex_lock(&s->lock);
		p.streams = s->refs;
		pthread_mutex_unlock(&s->lock);
		ev->progress(ev->ctx, s->number, &p);
	}
	pthread_mutex_unlock(&ss->lock);
}

void sessions_get_result(struct sessions *ss, struct err *e)
{
	pthread_mutex_lock(&ss->lock);
	*e = ss->result;
	pthread_mutex_unlock(&ss->lock);
}

void sessions_restart(struct sessions *ss, int *had_session, int *has_progress)
{
	pthread_mutex_lock(&ss->lock);
	*had_session = ss->had_lost;
	*has_progress = ss->has_progress;
	ss->had_lost = ss->has_progress = ss->has_ended = 0;
	err_clear(&ss->result);
	pthread_mutex_unlock(&ss->lock);
}

void sessions_give_up(struct sessions *ss, const struct err *e)
{
	const struct session_events *ev = ss->setup->cfg->events;
	struct lost_session *lost = &ss->lost;

	if (!lost->until_ms || ss->count > 0)
		return;
	lost->until_ms = 0;
	lost->summary.code = e->code;
	if (ev->summary)
		ev->summary(ev->ctx, ss->last_number, &lost->summary, e);
}

int sessions_have_lost(struct sessions *ss, const uint8_t *id)
{
	int has;

	pthread_mutex_lock(&ss->lock);
	has = ss->lost.until_ms && same_token(ss->lost.id, id);
	pthread_mutex_unlock(&ss->lock);
	return has;
}
