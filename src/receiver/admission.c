/*
 * Strangers: connections that have not shown yet that they may have a
 * session.  They are few at a time, whoever they are; where there are too
 * many, one has to leave for the newcomer, so that nobody can keep others out
 * by being many, or by saying nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"
#include "receiver/receiver.h"

enum {
	SHARES = 4, /* as many as STREAMS_MAX are one of STRANGERS_MAX */
	FIRST_BYTES_PLAIN = FRAME_HEADER + 36,
	FIRST_BYTES_CODE = 73,
	FIRST_BYTES_TLS = 200, /* 209 with a certificate, 285 with a key */
};

/* How likely a stranger is to be one who only takes up room. */
struct suspicion {
	int is_known;   /* a session came from the same address */
	unsigned count; /* strangers of that address beyond its share */
	int is_over;    /* of those who have said something, or of those who
			   have not: whoever has more than his half */
};

/* Addresses that somebody has at his disposal count as one: an IPv4 address,
 * or a network of IPv6. */
static void door_key(uint8_t key[DOOR_KEY], const struct sockaddr_storage *sa)
{
	uint8_t host[ADDR_BYTES];

	memset(key, 0, DOOR_KEY);
	addr_bytes(host, (const struct sockaddr *)sa);
	if (addr_is_ipv4(host))
		memcpy(key, host + 8, DOOR_KEY);
	else
		memcpy(key, host, DOOR_KEY);
}

static int is_known(const struct receiver *r, const uint8_t *key)
{
	for (const struct rsession *s = r->sessions; s; s = s->next) {
		if (memcmp(s->door_key, key, DOOR_KEY) == 0)
			return 1;
	}
	return 0;
}

/* The bytes that a sender has said at the least when he has said something:
 * HELLO, the first of the exchange of a code, or ClientHello. */
static uint64_t first_bytes(const struct receive_config *cfg)
{
	if (cfg->pake)
		return FIRST_BYTES_CODE;
	return cfg->tls ? FIRST_BYTES_TLS : FIRST_BYTES_PLAIN;
}

/*
 * Whether those who have said something have more than half of the places.
 * Each half is for the one kind, so that neither can turn the other out: not
 * he who says nothing a sender who waits for our answer, nor he who says
 * much a sender who has come this moment.
 */
static int most_have_spoken(struct receiver *r)
{
	unsigned count = 0;

	for (struct rstream *st = r->strangers; st; st = st->next_stranger) {
		if (st->sock >= 0 && !st->has_spoken)
			st->has_spoken = dial_bytes_in(st->sock) >=
					 first_bytes(r->cfg);
		if (st->has_spoken)
			count++;
	}
	return count > r->strangers_max / 2;
}

static struct suspicion suspect(const struct receiver *r,
				const struct rstream *st, int most_spoke)
{
	struct suspicion s = { .is_known = is_known(r, st->door_key) };
	/* On a long line a sender's streams come before it has a session. */
	const unsigned share = r->strangers_max / SHARES;
	unsigned count = 0;

	for (const struct rstream *o = r->strangers; o; o = o->next_stranger)
		count += memcmp(o->door_key, st->door_key, DOOR_KEY) == 0;
	s.count = count > share ? count - share : 0;
	s.is_over = st->has_spoken == most_spoke;
	return s;
}

/* Whether a has to leave sooner than b. */
static int is_worse(const struct suspicion *a, const struct suspicion *b)
{
	if (a->is_known != b->is_known)
		return !a->is_known;
	if (a->count != b->count)
		return a->count > b->count;
	return a->is_over >= b->is_over;
}

/* The most suspect stranger, the oldest among equals, as the newest stands
 * first; NULL where there is none that could leave. */
static struct rstream *most_suspect(struct receiver *r)
{
	struct suspicion worst = { 0, 0, 0 };
	const int most_spoke = most_have_spoken(r);
	struct rstream *found = NULL;

	for (struct rstream *st = r->strangers; st; st = st->next_stranger) {
		struct suspicion s;

		if (st->session || st->sock < 0)
			continue;
		s = suspect(r, st, most_spoke);
		if (!found || is_worse(&s, &worst)) {
			worst = s;
			found = st;
		}
	}
	return found;
}

/* Take st out of the list.  Returns whether it was there.  Locked. */
static int unlink_stranger(struct receiver *r, struct rstream *st)
{
	struct rstream **at = &r->strangers;

	while (*at && *at != st)
		at = &(*at)->next_stranger;
	if (!*at)
		return 0;
	*at = st->next_stranger;
	r->stranger_count--;
	return 1;
}

/* Locked. */
static void send_away_one(struct receiver *r)
{
	struct rstream *st = most_suspect(r);

	if (!st)
		return;
	unlink_stranger(r, st);
	st->is_leaving = 1;
	r->leaving_count++;
	(void)shutdown(st->sock, SHUT_RDWR);
}

void receiver_door_make_room(struct receiver *r)
{
	pthread_mutex_lock(&r->lock);
	send_away_one(r);
	pthread_mutex_unlock(&r->lock);
}

int receiver_door_is_full(struct receiver *r)
{
	unsigned count;

	pthread_mutex_lock(&r->lock);
	count = r->stranger_count + r->leaving_count;
	pthread_mutex_unlock(&r->lock);
	return count >= 2 * r->strangers_max;
}

/* Its thread could not be started.  Locked. */
static void forget(struct receiver *r, struct rstream *st)
{
	if (!unlink_stranger(r, st))
		r->leaving_count--;
	r->thread_count--;
	io_close(&st->sock);
	io_close(&st->fd);
}

void receiver_door_enter(struct receiver *r, int fd, const char *peer,
			 const struct sockaddr_storage *sa)
{
	struct rstream *st = calloc(1, sizeof(*st));

	if (!st) {
		io_close(&fd);
		return;
	}
	st->receiver = r;
	st->fd = fd;
	/* the stream closes its own at any time, and the number may then be
	 * another's */
	st->sock = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	st->deadline_ms = clock_ms() + HELLO_MS;
	snprintf(st->peer, sizeof(st->peer), "%s", peer);
	door_key(st->door_key, sa);
	pthread_mutex_lock(&r->lock);
	if (r->stranger_count >= r->strangers_max)
		send_away_one(r);
	st->next_stranger = r->strangers;
	r->strangers = st;
	r->stranger_count++;
	r->thread_count++;
	pthread_mutex_unlock(&r->lock);
	if (pthread_create(&st->thread, NULL, rstream_main, st) == 0)
		return;
	pthread_mutex_lock(&r->lock);
	forget(r, st);
	pthread_mutex_unlock(&r->lock);
	free(st);
}

void receiver_door_leave(struct rstream *st)
{
	struct receiver *r = st->receiver;

	pthread_mutex_lock(&r->lock);
	unlink_stranger(r, st);
	io_close(&st->sock);
	pthread_mutex_unlock(&r->lock);
}

void receiver_door_close(struct receiver *r)
{
	pthread_mutex_lock(&r->lock);
	for (struct rstream *st = r->strangers; st; st = st->next_stranger) {
		if (st->sock >= 0)
			(void)shutdown(st->sock, SHUT_RDWR);
	}
	pthread_mutex_unlock(&r->lock);
}
