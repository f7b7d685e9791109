/*
 * Pending connections, and the choice of the one that is evicted.
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
	/* A source may have max / SHARES connections.  With a long round trip
	 * all streams of a sender connect before it has a session: STREAMS_MAX
	 * (16) is a quarter of 64 pending connections. */
	SHARES = 4,
	/* The least number of bytes of a peer's first message. */
	FIRST_BYTES_PLAIN = FRAME_HEADER + 36, /* HELLO */
	FIRST_BYTES_CODE = 40, /* the first message of the code exchange */
	FIRST_BYTES_TLS = 200, /* ClientHello: 209 with a certificate, 285 with
				  a key */
};

struct pending {
	/* set once */
	uint64_t source_key;
	/* guarded by admission.lock */
	struct pending *next; /* the newest first */
	int fd; /* borrowed until admission_leave(); for dial_bytes_in() */
	int has_spoken; /* its first message has arrived */
	int is_admitted;
	int is_evicted;
	struct cancel cancel; /* needs no lock; set by end_pending() */
};

struct admission {
	/* set once */
	struct admission_config cfg;
	/* guarded by lock */
	pthread_mutex_t lock;
	struct pending *list;
	unsigned count;
	unsigned evicted; /* whose threads have not ended */
	int is_closed;
};

/* How likely it is that a pending connection is an attacker's. */
struct suspicion {
	int has_session; /* there is a session with its source */
	unsigned excess; /* connections of its source beyond the share */
	int is_over;     /* it is of the kind, with or without a first
			    message, that has more than half of the limit */
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

/* Update has_spoken.  Returns whether the connections whose first message has
 * arrived are more than half of the limit.  Each kind has one half, so that
 * neither can evict the other: silent connections cannot evict a sender that
 * waits for an answer, and connections with a message cannot evict a sender
 * that has just connected. */
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

static struct suspicion suspicion_of(const struct admission *a,
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

/* Whether a is to be evicted rather than b; with equals a, which is older. */
static int is_worse(const struct suspicion *a, const struct suspicion *b)
{
	if (a->has_session != b->has_session)
		return !a->has_session;
	if (a->excess != b->excess)
		return a->excess > b->excess;
	return a->is_over >= b->is_over;
}

/* Remove p from the list.  Returns whether it was there.  The caller holds the
 * lock. */
static int remove_pending(struct admission *a, struct pending *p)
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

/* Make the connection's thread end it.  The caller holds the lock, so that fd
 * is still open. */
static void end_pending(struct pending *p)
{
	cancel_set(&p->cancel);
	/* No descriptor was left for the token: the thread waits for the socket
	 * alone.  Else the socket stays, for an answer to the peer. */
	if (cancel_fd(&p->cancel) < 0)
		(void)shutdown(p->fd, SHUT_RDWR);
}

/* Evict the most suspect connection, the oldest of equals, except admitted
 * ones.  The caller holds the lock. */
static void evict(struct admission *a)
{
	const int most_spoke = most_have_spoken(a);
	struct suspicion worst = { 0, 0, 0 };
	struct pending *found = NULL;

	for (struct pending *p = a->list; p; p = p->next) {
		struct suspicion s;

		if (p->is_admitted)
			continue;
		s = suspicion_of(a, p, most_spoke);
		if (!found || is_worse(&s, &worst)) {
			worst = s;
			found = p;
		}
	}
	if (!found)
		return;
	(void)remove_pending(a, found);
	found->is_evicted = 1;
	a->evicted++;
	end_pending(found);
}

struct pending *admission_enter(struct admission *a, int fd,
				const struct sockaddr_storage *sa)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->fd = fd;
	/* Refusing the connection where this fails would keep peers out as long
	 * as an attacker holds descriptors. */
	(void)cancel_init(&p->cancel);
	p->source_key = source_key(sa);
	pthread_mutex_lock(&a->lock);
	if (a->count >= a->cfg.max)
		evict(a);
	p->next = a->list;
	a->list = p;
	a->count++;
	if (a->is_closed)
		end_pending(p);
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
	(void)remove_pending(a, p);
	pthread_mutex_unlock(&a->lock);
	/* Nobody else sets it any more, and a session may last. */
	cancel_release(&p->cancel);
}

void admission_forget(struct admission *a, struct pending *p)
{
	pthread_mutex_lock(&a->lock);
	(void)remove_pending(a, p);
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
		end_pending(p);
	pthread_mutex_unlock(&a->lock);
}
