/*
 * Choosing whom to evict.
 */
#include "session/admission.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "auth/secure.h"
#include "base/buf.h"
#include "net/addr.h"
#include "net/dial.h"
#include "wire/frame.h"

enum {
	/* On a long line all streams of a sender come before it has a session:
	 * STREAMS_MAX is a quarter of 64 pending connections. */
	SHARES = 4,
	/* What a peer has said at the least when it has said something. */
	FIRST_BYTES_PLAIN = FRAME_HEADER + 36, /* HELLO */
	FIRST_BYTES_CODE = 73, /* the first message of the code exchange */
	FIRST_BYTES_TLS = 200, /* ClientHello: 209 with a certificate, 285 with
				  a key */
};

struct pending {
	/* set once */
	uint64_t source_key;
	/* guarded by admission.lock */
	struct pending *next; /* the newest first */
	int fd; /* borrowed, to look at; admission_leave() ends that */
	int has_spoken;
	int is_admitted;
	int is_evicted;
	/* Has a lock of its own.  Where no descriptor is left for it, its flag
	 * is seen within a tick of the stream. */
	struct cancel cancel;
};

struct admission {
	/* set once */
	struct admission_config cfg;
	/* guarded by lock */
	pthread_mutex_t lock;
	struct pending *list;
	unsigned count;
	unsigned evicted; /* whose threads are still there */
	int is_closed;
};

/* How likely it is that a pending connection only takes up room. */
struct suspicion {
	int has_session; /* a session came from the same source */
	unsigned excess; /* connections of that source beyond its share */
	int is_over;     /* of those who have said something, or of those who
			    have not: whichever kind has more than its half */
};

struct admission *admission_new(const struct admission_config *cfg)
{
	struct admission *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->cfg = *cfg;
	pthread_mutex_init(&a->lock, NULL);
	return a;
}

void admission_free(struct admission *a)
{
	if (!a)
		return;
	pthread_mutex_destroy(&a->lock);
	free(a);
}

static uint64_t source_key(const struct sockaddr_storage *sa)
{
	uint8_t host[ADDR_BYTES];

	addr_bytes(host, (const struct sockaddr *)sa);
	return be_get64(addr_is_ipv4(host) ? host + 8 : host);
}

/* Note who has said something.  Returns whether these have more than half of the
 * places.  Each half is for one kind, so that neither can evict the other: one
 * that says nothing cannot evict a sender that waits for our answer, nor can one
 * that says much evict a sender that has just come. */
static int most_have_spoken(struct admission *a)
{
	const uint64_t first = a->cfg.mode->pake ? FIRST_BYTES_CODE :
			       a->cfg.mode->tls	 ? FIRST_BYTES_TLS :
						   FIRST_BYTES_PLAIN;
	unsigned count = 0;

	for (struct pending *p = a->list; p; p = p->next) {
		if (!p->has_spoken)
			p->has_spoken = dial_bytes_in(p->fd) >= first;
		count += p->has_spoken != 0;
	}
	return count > a->cfg.max / 2;
}

static struct suspicion suspect(const struct admission *a,
				const struct pending *p, int most_spoke)
{
	struct suspicion s = {
		.has_session = a->cfg.has_session(a->cfg.ctx, p->source_key),
		.is_over = p->has_spoken == most_spoke,
	};
	const unsigned share = a->cfg.max / SHARES;
	unsigned count = 0;

	for (const struct pending *o = a->list; o; o = o->next)
		count += o->source_key == p->source_key;
	s.excess = count > share ? count - share : 0;
	return s;
}

/* Whether a has to leave sooner than b. */
static int is_worse(const struct suspicion *a, const struct suspicion *b)
{
	if (a->has_session != b->has_session)
		return !a->has_session;
	if (a->excess != b->excess)
		return a->excess > b->excess;
	return a->is_over >= b->is_over;
}

/* Returns whether it was in the list.  Locked. */
static int take_out(struct admission *a, struct pending *p)
{
	struct pending **at = &a->list;

	while (*at && *at != p)
		at = &(*at)->next;
	if (!*at)
		return 0;
	*at = p->next;
	a->count--;
	return 1;
}

/* Evict the most suspect one, the oldest among equals, if there is one that can
 * be.  Locked. */
static void evict(struct admission *a)
{
	const int most_spoke = most_have_spoken(a);
	struct suspicion worst = { 0, 0, 0 };
	struct pending *found = NULL;

	for (struct pending *p = a->list; p; p = p->next) {
		struct suspicion s;

		if (p->is_admitted)
			continue;
		s = suspect(a, p, most_spoke);
		if (!found || is_worse(&s, &worst)) {
			worst = s;
			found = p;
		}
	}
	if (!found)
		return;
	(void)take_out(a, found);
	found->is_evicted = 1;
	a->evicted++;
	cancel_set(&found->cancel);
}

struct pending *admission_enter(struct admission *a, int fd,
				const struct sockaddr_storage *sa)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->fd = fd;
	(void)cancel_init(&p->cancel);
	p->source_key = source_key(sa);
	pthread_mutex_lock(&a->lock);
	if (a->count >= a->cfg.max)
		evict(a);
	p->next = a->list;
	a->list = p;
	a->count++;
	if (a->is_closed)
		cancel_set(&p->cancel);
	pthread_mutex_unlock(&a->lock);
	return p;
}

uint64_t admission_source(const struct pending *p)
{
	return p->source_key;
}

const struct cancel *admission_cancel(const struct pending *p)
{
	return &p->cancel;
}

int admission_admit(struct admission *a, struct pending *p)
{
	int ok;

	pthread_mutex_lock(&a->lock);
	ok = !p->is_evicted;
	p->is_admitted = ok;
	pthread_mutex_unlock(&a->lock);
	return ok ? 0 : -1;
}

void admission_leave(struct admission *a, struct pending *p)
{
	pthread_mutex_lock(&a->lock);
	(void)take_out(a, p);
	pthread_mutex_unlock(&a->lock);
	/* Nobody else sets it any more, and a session may last. */
	cancel_release(&p->cancel);
}

void admission_forget(struct admission *a, struct pending *p)
{
	pthread_mutex_lock(&a->lock);
	(void)take_out(a, p);
	if (p->is_evicted)
		a->evicted--;
	pthread_mutex_unlock(&a->lock);
	cancel_release(&p->cancel);
	free(p);
}

int admission_is_full(struct admission *a)
{
	unsigned count;

	pthread_mutex_lock(&a->lock);
	count = a->count + a->evicted;
	pthread_mutex_unlock(&a->lock);
	return count >= 2 * a->cfg.max;
}

void admission_make_room(struct admission *a)
{
	pthread_mutex_lock(&a->lock);
	evict(a);
	pthread_mutex_unlock(&a->lock);
}

void admission_close(struct admission *a)
{
	pthread_mutex_lock(&a->lock);
	a->is_closed = 1;
	for (struct pending *p = a->list; p; p = p->next)
		cancel_set(&p->cancel);
	pthread_mutex_unlock(&a->lock);
}
