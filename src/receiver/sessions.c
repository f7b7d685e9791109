/*
 * The list of sessions.
 */
#include "receiver/sessions.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "receiver/exec_events.h"
#include "receiver/session.h"
#include "receiver/setup.h"
#include "session/totals.h"

enum {
	/* Sessions whose streams may come too late: the last that ended. */
	FORMER_MAX = 16,
	/* For how long the streams of a lost session may take what has
	 * arrived, and how long that is waited for. */
	DRAIN_MS = 1000,
	FORMER_MS = 2 * DRAIN_MS,
};

/* With --once: the sender may come back after its session was lost. */
struct awaited {
	uint64_t until_ms; /* clock_ms(); 0: nobody is awaited */
	uint8_t id[WIRE_TOKEN];
	/* what its lost sessions came to */
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
	uint8_t former[FORMER_MAX][WIRE_TOKEN]; /* tokens: a ring, */
	unsigned former_count;                  /* of all that ever were */
	int has_ended;     /* with --once, or a code: it is over, */
	struct err result; /* and this is what came of it */
	struct awaited awaited;
};

struct sessions *sessions_new(struct recv_setup *setup)
{
	struct sessions *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return NULL;
	ss->setup = setup;
	pthread_mutex_init(&ss->lock, NULL);
	clock_cond_init(&ss->gone);
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

	for (int i = 0; i < WIRE_TOKEN; i++)
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
		clock_cond_wait(&ss->gone, &ss->lock, DRAIN_MS);
	}
	pthread_mutex_unlock(&ss->lock);
}

/* Whether there is no place for another session.  Locked. */
static int is_busy(const struct sessions *ss, const uint8_t *id)
{
	const struct receive_config *cfg = ss->setup->cfg;

	if (ss->count >= cfg->max_sessions)
		return 1;
	if (!cfg->once)
		return 0;
	return ss->count > 0 || ss->has_ended ||
	       (ss->awaited.until_ms && !same_token(ss->awaited.id, id));
}

static int refuse(struct err *e)
{
	return err_set(e, ERR_RESOURCE, "too many sessions at a time");
}

int sessions_may_begin(struct sessions *ss, const uint8_t *id, struct err *e)
{
	int busy;

	pthread_mutex_lock(&ss->lock);
	busy = is_busy(ss, id);
	pthread_mutex_unlock(&ss->lock);
	return busy ? refuse(e) : 0;
}

int sessions_begin(struct sessions *ss, struct recv_session *s,
		   struct stream *stream, struct err *e)
{
	int busy;

	pthread_mutex_lock(&ss->lock);
	busy = is_busy(ss, s->id);
	if (!busy) {
		/* One that goes on has the number of the one that was lost. */
		if (!ss->awaited.until_ms)
			ss->last_number++;
		ss->awaited.until_ms = 0;
		recv_session_set_number(s, ss->last_number);
		(void)recv_session_attach(s, 0, stream);
		s->next = ss->list;
		ss->list = s;
		ss->count++;
	}
	pthread_mutex_unlock(&ss->lock);
	return busy ? refuse(e) : 0;
}

struct recv_session *sessions_join(struct sessions *ss, const uint8_t *token,
				   unsigned index, struct stream *stream,
				   int *is_late)
{
	struct recv_session *s;

	pthread_mutex_lock(&ss->lock);
	s = ss->list;
	while (s && !same_token(s->token, token))
		s = s->next;
	*is_late = s && recv_session_is_ending(s);
	for (unsigned i = 0; !s && i < FORMER_MAX && i < ss->former_count; i++)
		*is_late |= same_token(ss->former[i], token);
	if (s && recv_session_attach(s, index, stream))
		s = NULL;
	pthread_mutex_unlock(&ss->lock);
	return s;
}

/* ---- the end ---- */

/* Take it out of the list, and keep what it came to.  Locked. */
static void take_out(struct sessions *ss, struct recv_session *s)
{
	struct recv_session **at = &ss->list;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	ss->count--;
	memcpy(ss->former[ss->former_count % FORMER_MAX], s->token,
	       WIRE_TOKEN);
	ss->former_count++;
}

static void end_session(struct sessions *ss, struct recv_session *s)
{
	const struct receive_config *cfg = ss->setup->cfg;
	const struct session_events *ev = cfg->events;
	struct session_summary sum;
	struct totals totals;
	struct err e;
	int may_return;

	recv_session_conclude(s, &ss->awaited.totals, &totals, &sum, &e);
	may_return = cfg->once && recv_session_may_return(s);
	if (may_return) {
		events_message(ev, SESSION_WARNING,
			       "%s; waiting for the sender to reconnect",
			       e.text);
	} else {
		/* First, so that whoever sees the summary can count on it. */
		exec_events_session(ss->setup, s->number, s->peer, &sum);
		if (ev->summary)
			ev->summary(ev->ctx, s->number, &sum, &e);
	}
	pthread_mutex_lock(&ss->lock);
	take_out(ss, s);
	if (cfg->once) {
		ss->result = e;
		ss->has_ended = !may_return;
	}
	if (may_return) {
		ss->awaited.until_ms = clock_ms() + (uint64_t)cfg->timeout_ms;
		memcpy(ss->awaited.id, s->id, sizeof(ss->awaited.id));
		ss->awaited.summary = sum;
		ss->awaited.totals = totals;
	}
	pthread_cond_broadcast(&ss->gone);
	pthread_mutex_unlock(&ss->lock);
	recv_session_free(s);
}

void sessions_leave(struct sessions *ss, struct recv_session *s,
		    unsigned index)
{
	int last;

	/* Nobody may join what is ending. */
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
	ss->has_ended = 1;
	ss->result = *e;
	pthread_mutex_unlock(&ss->lock);
}

int sessions_have_ended(struct sessions *ss, int *left_ms)
{
	const struct session_events *ev = ss->setup->cfg->events;
	struct awaited *a = &ss->awaited;
	int has_ended, gave_up = 0;

	*left_ms = -1;
	pthread_mutex_lock(&ss->lock);
	if (a->until_ms && ss->count == 0) {
		*left_ms = clock_left_ms(a->until_ms);
		gave_up = *left_ms == 0;
		ss->has_ended |= gave_up;
	}
	has_ended = ss->has_ended;
	pthread_mutex_unlock(&ss->lock);
	if (gave_up && ev->summary)
		ev->summary(ev->ctx, ss->last_number, &a->summary,
			    &ss->result);
	return has_ended;
}

void sessions_get_result(struct sessions *ss, struct err *e)
{
	pthread_mutex_lock(&ss->lock);
	*e = ss->result;
	pthread_mutex_unlock(&ss->lock);
}
