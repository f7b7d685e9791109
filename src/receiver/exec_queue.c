/*
 * A list, the oldest first.
 */
#include "receiver/exec_queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "net/stream.h"
#include "os/cond.h"
#include "receiver/exec_helper.h"
#include "receiver/senders.h"

struct entry {
	struct entry *next;
	struct senders *senders; /* a reference, for exec */
	struct exec_helper *exec;
	uint8_t owner[STREAM_PEER];
	struct exec_helper_event event;
};

struct exec_queue {
	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t room; /* one was removed */
	struct entry *list;
	unsigned count;
};

struct exec_queue *exec_queue_new(void)
{
	struct exec_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	pthread_mutex_init(&q->lock, NULL);
	cond_init(&q->room);
	return q;
}

static void free_entry(struct entry *en)
{
	senders_release(en->senders);
	free(en);
}

void exec_queue_free(struct exec_queue *q)
{
	struct entry *en;

	if (!q)
		return;
	while ((en = q->list)) {
		q->list = en->next;
		free_entry(en);
	}
	pthread_cond_destroy(&q->room);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* Whether an entry before end (NULL: any) is for that process.  Locked. */
static int has_before(const struct exec_queue *q, const struct entry *end,
		      const struct exec_helper *exec)
{
	const struct entry *en = q->list;

	while (en != end && en->exec != exec)
		en = en->next;
	return en != end;
}

/* Append an entry, if there is room.  Locked. */
static int keep(struct exec_queue *q, const struct exec_queue_sender *s,
		const struct exec_helper_event *ev)
{
	struct entry **at = &q->list, *en;
	unsigned own = 0;

	for (; *at; at = &(*at)->next)
		own += memcmp((*at)->owner, s->owner, STREAM_PEER) == 0;
	if (q->count >= EXEC_QUEUE_MAX || own >= EXEC_QUEUE_A_SENDER)
		return ERR_AGAIN;
	en = calloc(1, sizeof(*en));
	if (!en)
		return ERR_AGAIN;
	en->senders = senders_hold(s->senders);
	en->exec = s->exec;
	memcpy(en->owner, s->owner, STREAM_PEER);
	en->event = *ev;
	*at = en;
	q->count++;
	return 0;
}

int exec_queue_add(struct exec_queue *q, const struct exec_queue_sender *s,
		   const struct exec_helper_event *ev)
{
	int rc = ERR_AGAIN;

	pthread_mutex_lock(&q->lock);
	if (!has_before(q, NULL, s->exec))
		rc = exec_helper_post(s->exec, ev);
	if (rc == ERR_AGAIN)
		rc = keep(q, s, ev);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

void exec_queue_wait(struct exec_queue *q, unsigned ms)
{
	pthread_mutex_lock(&q->lock);
	cond_wait(&q->room, &q->lock, ms);
	pthread_mutex_unlock(&q->lock);
}

unsigned exec_queue_count(struct exec_queue *q)
{
	unsigned count;

	pthread_mutex_lock(&q->lock);
	count = q->count;
	pthread_mutex_unlock(&q->lock);
	return count;
}

/* Remove and return the next entry that can be handed over, and was, or has to
 * be given up: *rc says which.  NULL: there is none. */
static struct entry *take_next(struct exec_queue *q, int is_end, int *rc)
{
	struct entry **at, *en;

	pthread_mutex_lock(&q->lock);
	for (at = &q->list; (en = *at); at = &en->next) {
		*rc = has_before(q, en, en->exec) ?
			      ERR_AGAIN :
			      exec_helper_post(en->exec, &en->event);
		if (*rc != ERR_AGAIN || is_end)
			break;
	}
	if (en) {
		*at = en->next;
		q->count--;
		pthread_cond_broadcast(&q->room);
	}
	pthread_mutex_unlock(&q->lock);
	return en;
}

void exec_queue_pass_on(struct exec_queue *q, int is_end,
			void (*not_run)(void *ctx, uint64_t session, int rc),
			void *ctx)
{
	struct entry *en;
	int rc;

	/* Not locked: to release senders may free them, and not_run() reports
	 * events. */
	while ((en = take_next(q, is_end, &rc))) {
		if (rc)
			not_run(ctx, en->event.session, rc);
		free_entry(en);
	}
}
