/*
 * The exchange of a one-time code, as the side that is ours: the sender or the
 * receiver, with a peer that knows the code, guesses, sends our own messages
 * back or sends anything.
 *
 * What must hold: it succeeds exactly with a peer that knows the code and not
 * a bit of whose messages was changed; then both have the same key, and
 * otherwise there is none.  Whoever could test a guess has used the code up,
 * on either side, and nobody else has.  And it ends once the peer is gone.
 *
 * Input: a byte (see below), then the peer's bytes; but for RAW these are
 * changes, made by exclusive or, to the two messages that the peer has to send
 * one after the other (nothing is changed where they end).
 */
#include "fuzz.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/tls.h"

/* Made for the code below in place of tls_set_psk(): no handshake follows. */
static void note_psk(struct tls *t, const uint8_t psk[TLS_PSK_BYTES]);
#define tls_set_psk note_psk

/* With it, as each input wants the state of a new struct pake, and pake_new()
 * takes long on purpose. */
#include "auth/pake.c" /* NOLINT(bugprone-suspicious-include) */

enum {
	PEER = 3, /* what it is: */
	KNOWS = 0,
	GUESSES = 1,
	REFLECTS = 2,
	RAW = 3,
	CONNECTS = 4, /* we are */
	USED = 8,      /* there was an exchange before, */
	BURNT = 16,    /* with a wrong guess */
};
enum {
	TIME_MS = 20000,
	DIGEST_MESSAGE = HEADER + COMMIT,
	SHARE_MESSAGE = HEADER + SPAKE2_SHARE,
	PROOF_MESSAGE = HEADER + PROOF,
	MAC_MESSAGE = HEADER + SPAKE2_MAC,
	CHANGES = DIGEST_MESSAGE + PROOF_MESSAGE, /* the most there can be */
};

static uint8_t right_w[SPAKE2_SCALAR], wrong_w[SPAKE2_SCALAR];

/* Of one input. */
struct round {
	unsigned flags;
	const uint8_t *raw;
	size_t raw_len;
	uint8_t changes[CHANGES];
	/* the peer's, in its thread */
	int peer_fd;
	struct spake2 *peer;
	int peer_is_convinced; /* our confirmation was good */
	/* ours */
	int rc;
	enum pake_use use;
};

static uint8_t given_psk[TLS_PSK_BYTES];
static unsigned psk_count;

static void note_psk(struct tls *t, const uint8_t psk[TLS_PSK_BYTES])
{
	(void)t;
	memcpy(given_psk, psk, TLS_PSK_BYTES);
	psk_count++;
}

/* ---- the peer ---- */

static int peer_get(const struct round *r, uint8_t *m, size_t n)
{
	return recv(r->peer_fd, m, n, MSG_WAITALL) == (ssize_t)n;
}

/* The length of the first of the two messages that the peer sends, and of
 * both. */
static size_t first_size(const struct round *r)
{
	return r->flags & CONNECTS ? SHARE_MESSAGE : DIGEST_MESSAGE;
}

static size_t both_sizes(const struct round *r)
{
	return first_size(r) +
	       (r->flags & CONNECTS ? MAC_MESSAGE : PROOF_MESSAGE);
}

/* Send a message with the changes that are meant for it. */
static void peer_put(const struct round *r, unsigned number,
		     const uint8_t *body, size_t n)
{
	const uint8_t *changes = r->changes;
	uint8_t m[PROOF_MESSAGE];

	if (number > 2)
		changes += first_size(r);
	memcpy(m, magic, MAGIC);
	m[MAGIC] = (uint8_t)number;
	memcpy(m + HEADER, body, n);
	for (size_t i = 0; i < HEADER + n; i++)
		m[i] ^= changes[i];
	(void)send(r->peer_fd, m, HEADER + n, MSG_NOSIGNAL);
}

static void peer_of_connecting(struct round *r)
{
	const int reflects = (r->flags & PEER) == REFLECTS;
	uint8_t digest[DIGEST_MESSAGE], proof[PROOF_MESSAGE];
	struct err e;

	if (!peer_get(r, digest, sizeof(digest)))
		return;
	peer_put(r, 2, spake2_share(r->peer), SPAKE2_SHARE);
	if (!peer_get(r, proof, sizeof(proof)))
		return;
	CHECK(commit_to(digest, proof + HEADER, &e) == 0 &&
	      spake2_take_share(r->peer, proof + HEADER, &e) == 0);
	r->peer_is_convinced =
		spake2_check(r->peer, proof + HEADER + SPAKE2_SHARE);
	peer_put(r, 4, reflects ? proof + HEADER + SPAKE2_SHARE :
				  spake2_mac(r->peer),
		 SPAKE2_MAC);
}

/* Nothing can be reflected: the side that listens confirms last. */
static void peer_of_listening(struct round *r)
{
	uint8_t share[SHARE_MESSAGE], mac[MAC_MESSAGE];
	uint8_t digest[COMMIT], proof[PROOF];
	struct err e;

	CHECK(commit_to(digest, spake2_share(r->peer), &e) == 0);
	peer_put(r, 1, digest, sizeof(digest));
	if (!peer_get(r, share, sizeof(share)))
		return;
	CHECK(spake2_take_share(r->peer, share + HEADER, &e) == 0);
	memcpy(proof, spake2_share(r->peer), SPAKE2_SHARE);
	memcpy(proof + SPAKE2_SHARE, spake2_mac(r->peer), SPAKE2_MAC);
	peer_put(r, 3, proof, sizeof(proof));
	if (peer_get(r, mac, sizeof(mac)))
		r->peer_is_convinced = spake2_check(r->peer, mac + HEADER);
}

static void *peer_main(void *arg)
{
	struct round *r = arg;
	uint8_t scrap[256];

	if ((r->flags & PEER) == RAW)
		(void)send(r->peer_fd, r->raw, r->raw_len, MSG_NOSIGNAL);
	else if (r->flags & CONNECTS)
		peer_of_connecting(r);
	else
		peer_of_listening(r);
	(void)shutdown(r->peer_fd, SHUT_WR);
	while (recv(r->peer_fd, scrap, sizeof(scrap), 0) > 0)
		;
	return NULL;
}

/* ---- both ---- */

static struct spake2 *new_peer(unsigned flags)
{
	struct spake2_config cfg = {
		.role = flags & CONNECTS ? SPAKE2_B : SPAKE2_A,
		.id_a = ID_CONNECTS,
		.id_b = ID_LISTENS,
		.aad = AAD,
	};
	struct spake2 *s;
	struct err e;

	memcpy(cfg.w, (flags & PEER) == KNOWS ? right_w : wrong_w,
	       SPAKE2_SCALAR);
	s = spake2_new(&cfg, &e);
	CHECK(s);
	return s;
}

static void run(struct round *r, struct pake *p)
{
	struct pake_conn conn = { .deadline_ms = clock_ms() + TIME_MS };
	pthread_t thread;
	struct err e = { 0 };
	int fd[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	conn.fd = fd[0];
	r->peer_fd = fd[1];
	if ((r->flags & PEER) != RAW)
		r->peer = new_peer(r->flags);
	CHECK(pthread_create(&thread, NULL, peer_main, r) == 0);
	r->rc = r->flags & CONNECTS
			? pake_connect(p, NULL, &conn, &e)
			: pake_listen(p, NULL, &conn, &r->use, &e);
	CHECK(r->rc == 0 || (e.code == (enum err_code)r->rc && *e.text));
	/* As the session does. */
	CHECK(shutdown(fd[0], SHUT_RDWR) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(close(fd[0]) == 0 && close(fd[1]) == 0);
}

static int is_changed(const struct round *r, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (r->changes[i])
			return 1;
	}
	return 0;
}

/* ---- what must hold ---- */

static void check_agreed(const struct round *r, struct pake *p)
{
	uint8_t psk[TLS_PSK_BYTES];
	char words[PAKE_VERIFY_MAX];
	struct err e;

	CHECK(r->rc == 0 && p->state == AGREED && r->peer_is_convinced);
	CHECK((r->use == PAKE_USED) == !(r->flags & CONNECTS));
	CHECK(psk_count == 1);
	CHECK(spake2_derive(r->peer, PSK_LABEL, psk, sizeof(psk), &e) == 0);
	CHECK(memcmp(psk, given_psk, sizeof(psk)) == 0);
	CHECK(pake_verify(p, words) == 0 && *words);
}

/* Whether no peer of this kind could learn anything about a guess. */
static int tests_nothing(const struct round *r)
{
	const size_t first = first_size(r);

	if ((r->flags & PEER) == RAW)
		return r->raw_len < (r->flags & CONNECTS ? first
							 : both_sizes(r));
	/* A side that listens also compares the share with its digest. */
	return is_changed(r, 0, r->flags & CONNECTS ? HEADER : first) ||
	       (!(r->flags & CONNECTS) &&
		is_changed(r, first, first + HEADER + SPAKE2_SHARE));
}

/* Whether it did. */
static int tests_guess(const struct round *r)
{
	return (r->flags & PEER) != RAW && !is_changed(r, 0, first_size(r)) &&
	       !tests_nothing(r);
}

static void check_refused(const struct round *r, struct pake *p)
{
	char words[PAKE_VERIFY_MAX];

	CHECK(r->rc < 0 && r->rc != ERR_TIMEOUT && r->rc != ERR_RESOURCE);
	CHECK(psk_count == 0 && pake_verify(p, words) == ERR_AGAIN && !*words);
	CHECK(p->state == OPEN || p->state == SPENT);
	if (tests_nothing(r))
		CHECK(p->state == OPEN);
	if (tests_guess(r))
		CHECK(p->state == SPENT);
	if (r->flags & CONNECTS) {
		/* which shows its confirmation first */
		CHECK(r->rc == ERR_AUTH && !r->use);
		CHECK(!p->is_renewed || p->state == SPENT);
		CHECK(r->peer_is_convinced ==
		      ((r->flags & PEER) == KNOWS && tests_guess(r)));
	} else {
		CHECK((r->use == PAKE_GUESSED) == (p->state == SPENT));
		CHECK(!r->use || r->rc == ERR_AUTH);
		CHECK(!p->is_renewed);
		CHECK(!r->peer_is_convinced);
	}
}

/* The code was used before: a receiver goes on with who begins with TLS and
 * has the key; a sender has no need of another exchange. */
static void check_used(const struct round *r, const struct pake *p,
		       enum state before)
{
	CHECK(p->state == before && psk_count == 0);
	CHECK(!r->use && !r->peer_is_convinced);
	if (before == SPENT)
		CHECK(r->rc < 0 && r->rc != ERR_TIMEOUT);
	else if (r->flags & CONNECTS)
		CHECK(r->rc == 0);
	else if ((r->flags & PEER) == RAW && r->raw_len > 0)
		CHECK((r->rc == 0) == (r->raw[0] == TLS_HANDSHAKE));
}

static void make_codes(void)
{
	static const char *const codes[] = { "4821-river-anchor",
					     "4821-river-ancient" };
	uint8_t *const to[] = { right_w, wrong_w };

	for (int i = 0; i < 2; i++) {
		struct err e;
		struct pake *p = pake_new(codes[i], &e);

		CHECK(p);
		memcpy(to[i], p->w, SPAKE2_SCALAR);
		pake_free(p);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t none[SPAKE2_SCALAR];
	struct round r = { .raw = data + 1, .raw_len = size - 1 };
	struct pake p = { .lock = PTHREAD_MUTEX_INITIALIZER };
	enum state before = OPEN;

	if (size < 1)
		return 0;
	if (memcmp(right_w, none, sizeof(none)) == 0)
		make_codes();
	r.flags = data[0];
	memcpy(r.changes, r.raw, r.raw_len < CHANGES ? r.raw_len : CHANGES);
	memcpy(p.w, right_w, sizeof(p.w));
	if (r.flags & USED)
		before = r.flags & BURNT ? SPENT : AGREED;
	p.state = before;
	psk_count = 0;
	run(&r, &p);
	if (before != OPEN)
		check_used(&r, &p, before);
	else if ((r.flags & PEER) == KNOWS && !is_changed(&r, 0, both_sizes(&r)))
		check_agreed(&r, &p);
	else
		check_refused(&r, &p);
	spake2_free(r.peer);
	pthread_mutex_destroy(&p.lock);
	return 0;
}
