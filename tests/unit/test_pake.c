/*
 * Unit tests of auth/pake: both sides over a socket, and everything that a
 * third party or a dishonest one can do to them.
 *
 * Preparing a code costs 0.1 s on purpose: here, once for each code.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <signal.h>

#include <openssl/evp.h>

#include <cmocka.h>

#include "auth/pake.h"
#include "auth/spake2.h"
#include "net_fixture.h"
#include "scrypt_once.h"

#define CODE  "4821-river-anchor"
#define WRONG "4821-river-ancient"
#define NEXT  "0007-anchor-river"

enum {
	HEADER = 8,
	DIGEST_MESSAGE = HEADER + 32,
	SHARE_MESSAGE = HEADER + SPAKE2_SHARE,
	PROOF_MESSAGE = HEADER + SPAKE2_SHARE + SPAKE2_MAC,
	MAC_MESSAGE = HEADER + SPAKE2_MAC,
	/* What the side that connects sends in all. */
	SENT = DIGEST_MESSAGE + PROOF_MESSAGE,
	UNFINISHED_MAX = 1024,
};

static const size_t message_size[] = { 0, DIGEST_MESSAGE, SHARE_MESSAGE,
				       PROOF_MESSAGE, MAC_MESSAGE };

/* For calls that may not even look at the connection. */
static const struct pake_conn none = { .fd = -1 };

/* One side of an exchange, in a thread. */
struct party {
	struct pake *pake;
	struct tls *tls;
	enum net_role role;
	const char *renewed; /* the code that follows a wrong guess, or NULL */
	int fd;
	uint64_t deadline_ms;
	const struct cancel *cancel;
	pthread_t thread;
	int rc;
	enum pake_use use;
	struct err e;
};

static void party_make(struct party *p, enum net_role role, const char *code)
{
	struct tls_config cfg = { .mode = SECURITY_CODE, .role = role };

	memset(p, 0, sizeof(*p));
	p->role = role;
	p->fd = -1;
	p->tls = tls_new(&cfg, &p->e);
	p->pake = pake_new(code, &p->e);
	assert_non_null(p->tls);
	assert_non_null(p->pake);
}

static void party_free(struct party *p)
{
	pake_free(p->pake);
	tls_free(p->tls);
}

static void *party_main(void *arg)
{
	struct party *p = arg;
	const struct pake_conn conn = { p->fd, p->cancel, p->deadline_ms };

	p->rc = p->role == NET_CONNECTS ?
			pake_connect(p->pake, p->tls, &conn, &p->e) :
			pake_listen(p->pake, p->tls, &conn, &p->use, &p->e);
	if (p->renewed && p->use == PAKE_GUESSED &&
	    pake_renew(p->pake, p->renewed, &p->e) == 0) {
		p->renewed = NULL;
		pake_tell_renewed(p->fd);
	}
	/* As the session does with a failure. */
	if (p->rc)
		shutdown(p->fd, SHUT_RDWR);
	return NULL;
}

static void party_start(struct party *p, int fd)
{
	p->fd = fd;
	p->use = PAKE_VALID;
	err_clear(&p->e);
	if (!p->deadline_ms)
		p->deadline_ms = clock_ms() + (uint64_t)FIXTURE_TIMEOUT_MS;
	assert_int_equal(pthread_create(&p->thread, NULL, party_main, p), 0);
}

static void party_join(struct party *p)
{
	assert_int_equal(pthread_join(p->thread, NULL), 0);
	p->deadline_ms = 0;
}

/* A whole exchange over a new connection. */
static void exchange(struct party *s, struct party *r)
{
	int fd[2];

	tcp_pair(fd);
	party_start(s, fd[0]);
	party_start(r, fd[1]);
	party_join(s);
	party_join(r);
	close(fd[0]);
	close(fd[1]);
}

/* ---- a proxy ---- */

/* Pass n bytes on, one of them changed; what came is kept at p. */
static int pass(int from, int to, uint8_t *p, size_t n, size_t flip)
{
	size_t got = 0;

	while (got < n) {
		ssize_t did = recv(from, p + got, n - got, 0);

		if (did <= 0)
			return -1;
		got += (size_t)did;
	}
	if (flip < n)
		p[flip] ^= 1;
	return send(to, p, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

/* An exchange with somebody in between, who changes byte `flip` of message
 * `number` (0: none). */
static void exchange_through(struct party *s, struct party *r, int number,
			     size_t flip, uint8_t seen[5][PROOF_MESSAGE])
{
	int left[2], right[2];

	tcp_pair(left);
	tcp_pair(right);
	party_start(s, left[0]);
	party_start(r, right[1]);
	for (int i = 1; i <= 4; i++) {
		int from = i % 2 ? left[1] : right[0];
		int to = i % 2 ? right[0] : left[1];

		if (pass(from, to, seen[i], message_size[i],
			 i == number ? flip : SIZE_MAX) < 0)
			break;
	}
	shutdown(left[1], SHUT_RDWR);
	shutdown(right[0], SHUT_RDWR);
	party_join(s);
	party_join(r);
	for (int i = 0; i < 2; i++) {
		close(left[i]);
		close(right[i]);
	}
}

/* ---- honest sides ---- */

static void tls_works(struct party *s, struct party *r)
{
	struct side a, b;
	char text[6] = "";
	struct err e = { 0 };

	open_sides(&a, &b, s->tls, r->tls, FIXTURE_TIMEOUT_MS);
	assert_non_null(a.s);
	assert_non_null(b.s);
	assert_int_equal(send_bytes(a.s, "hello", 6, &e), 0);
	assert_int_equal(stream_flush(a.s, &e), 0);
	assert_int_equal(stream_recv(b.s, text, 6, &e), 0);
	assert_string_equal(text, "hello");
	stream_free(a.s);
	stream_free(b.s);
}

static void tls_does_not_work(struct party *s, struct party *r)
{
	struct side a, b;

	open_sides(&a, &b, s->tls, r->tls, FIXTURE_TIMEOUT_MS);
	assert_null(a.s);
	assert_null(b.s);
	assert_int_equal(a.e.code, ERR_AUTH);
}

static void the_same_code_gives_a_key_for_all_streams(void **state)
{
	char mine[PAKE_VERIFY_MAX], theirs[PAKE_VERIFY_MAX];
	struct party s, r;

	(void)state;
	party_make(&s, NET_CONNECTS, CODE);
	party_make(&r, NET_LISTENS, CODE);
	assert_int_equal(pake_verify(s.pake, mine), ERR_AGAIN);
	tls_does_not_work(&s, &r);
	exchange(&s, &r);
	assert_int_equal(s.rc, 0);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.use, PAKE_USED);
	assert_int_equal(pake_verify(s.pake, mine), 0);
	assert_int_equal(pake_verify(r.pake, theirs), 0);
	assert_string_equal(mine, theirs);
	for (int i = 0; i < 3; i++)
		tls_works(&s, &r);
	/* Further connections do not exchange anything. */
	assert_int_equal(pake_connect(s.pake, s.tls, &none, &s.e), 0);
	party_free(&s);
	party_free(&r);
}

static void two_sessions_have_two_keys(void **state)
{
	char one[PAKE_VERIFY_MAX], two[PAKE_VERIFY_MAX];
	struct party s[2], r[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		party_make(&s[i], NET_CONNECTS, CODE);
		party_make(&r[i], NET_LISTENS, CODE);
		exchange(&s[i], &r[i]);
		assert_int_equal(s[i].rc, 0);
	}
	pake_verify(s[0].pake, one);
	pake_verify(s[1].pake, two);
	assert_string_not_equal(one, two);
	tls_does_not_work(&s[0], &r[1]);
	for (int i = 0; i < 2; i++) {
		party_free(&s[i]);
		party_free(&r[i]);
	}
}

/* ---- wrong codes ---- */

static void a_wrong_code_invalidates_it(void **state)
{
	char words[PAKE_VERIFY_MAX];
	struct party wrong, right, r;

	(void)state;
	party_make(&wrong, NET_CONNECTS, WRONG);
	party_make(&right, NET_CONNECTS, CODE);
	party_make(&r, NET_LISTENS, CODE);
	exchange(&wrong, &r);
	assert_int_equal(wrong.rc, ERR_AUTH);
	assert_int_equal(r.rc, ERR_AUTH);
	assert_int_equal(r.use, PAKE_GUESSED);
	assert_non_null(strstr(r.e.text, "no longer valid"));
	assert_non_null(strstr(wrong.e.text, "start the other side again"));
	assert_int_equal(pake_verify(r.pake, words), ERR_AGAIN);
	/* The right code now comes too late, and the result stays. */
	exchange(&right, &r);
	assert_int_equal(right.rc, ERR_AUTH);
	assert_int_equal(r.rc, ERR_AUTH);
	assert_int_equal(r.use, PAKE_VALID);
	tls_does_not_work(&right, &r);
	/* The one who was wrong does not ask twice either. */
	assert_int_equal(pake_connect(wrong.pake, wrong.tls, &none, &wrong.e),
			 ERR_AUTH);
	party_free(&wrong);
	party_free(&right);
	party_free(&r);
}

/* A wrong guess of a code that another one follows. */
static void another_code_follows_a_wrong_one(void **state)
{
	struct party s, other, r;

	(void)state;
	party_make(&s, NET_CONNECTS, WRONG);
	party_make(&other, NET_CONNECTS, CODE);
	party_make(&r, NET_LISTENS, CODE);
	r.renewed = NEXT;
	exchange(&s, &r);
	assert_int_equal(r.use, PAKE_GUESSED);
	assert_int_equal(s.rc, ERR_AUTH);
	assert_true(pake_is_renewed(s.pake));
	assert_non_null(strstr(s.e.text, "shows a new code"));
	/* The former code is a wrong guess of the new one. */
	exchange(&other, &r);
	assert_int_equal(other.rc, ERR_AUTH);
	assert_false(pake_is_renewed(other.pake));
	assert_int_equal(r.use, PAKE_GUESSED);
	/* Without another code, the one who was wrong does not ask again. */
	assert_int_equal(pake_renew(r.pake, CODE, &r.e), 0);
	assert_int_equal(pake_connect(s.pake, s.tls, &none, &s.e), ERR_AUTH);
	assert_int_equal(pake_renew(s.pake, CODE, &s.e), 0);
	assert_false(pake_is_renewed(s.pake));
	exchange(&s, &r);
	assert_int_equal(s.rc, 0);
	assert_int_equal(r.use, PAKE_USED);
	tls_works(&s, &r);
	party_free(&s);
	party_free(&other);
	party_free(&r);
}

/* Two at once, both with their shares out: one guess is judged, no more. */
static void guesses_at_the_same_time(const char *code, int rc_of_one)
{
	struct party s[2], r[2];
	int fd[2][2], used = 0, good = 0;

	party_make(&r[0], NET_LISTENS, CODE);
	r[1] = r[0]; /* a receiver, two connections */
	for (int i = 0; i < 2; i++) {
		party_make(&s[i], NET_CONNECTS, code);
		tcp_pair(fd[i]);
	}
	for (int i = 0; i < 2; i++) {
		party_start(&s[i], fd[i][0]);
		party_start(&r[i], fd[i][1]);
	}
	for (int i = 0; i < 2; i++) {
		party_join(&s[i]);
		party_join(&r[i]);
		used += r[i].use != PAKE_VALID;
		good += s[i].rc == 0;
		if (r[i].use)
			assert_int_equal(r[i].rc, rc_of_one);
		else
			assert_int_equal(r[i].rc, ERR_AUTH);
		close(fd[i][0]);
		close(fd[i][1]);
	}
	assert_int_equal(used, 1);
	assert_int_equal(good, rc_of_one == 0);
	party_free(&s[0]);
	party_free(&s[1]);
	party_free(&r[0]);
}

static void one_guess_at_a_time_counts(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		guesses_at_the_same_time(CODE, 0);
		guesses_at_the_same_time(WRONG, ERR_AUTH);
	}
}

/* ---- other peers ---- */

/* Send these bytes to the receiver and close; returns its result. */
static int other_peer_sends(struct party *r, const void *p, size_t n)
{
	int fd[2];

	tcp_pair(fd);
	party_start(r, fd[1]);
	assert_int_equal(send(fd[0], p, n, MSG_NOSIGNAL), n);
	shutdown(fd[0], SHUT_WR);
	party_join(r);
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(r->use, PAKE_VALID);
	return r->rc;
}

/* The other peer says the first n bytes of m, or all of that and something
 * else at `at`, which the receiver takes for an exchange that was begun. */
static void begun_by_other(struct party *r, uint8_t *m, size_t n)
{
	const int shows_share = n >= DIGEST_MESSAGE;

	assert_int_equal(other_peer_sends(r, m, n),
			 shows_share ? ERR_AUTH : ERR_LOST);
	if (shows_share)
		assert_non_null(strstr(r->e.text, "did not finish it"));
}

static void other_peers_do_not_invalidate_the_code(void **state)
{
	uint8_t seen[5][PROOF_MESSAGE], m[SENT];
	uint8_t *const share = m + DIGEST_MESSAGE + HEADER;
	struct party s, r, spare;

	(void)state;
	party_make(&s, NET_CONNECTS, CODE);
	party_make(&spare, NET_LISTENS, CODE);
	party_make(&r, NET_LISTENS, CODE);
	/* A good first message, from an exchange with another receiver. */
	exchange_through(&s, &spare, 0, 0, seen);
	assert_int_equal(s.rc, 0);
	memcpy(m, seen[1], DIGEST_MESSAGE);
	memcpy(m + DIGEST_MESSAGE, seen[3], PROOF_MESSAGE);

	assert_int_equal(other_peer_sends(&r, "", 0), ERR_LOST);
	assert_int_equal(other_peer_sends(&r, "GET / HTTP/1.0\r\n\r\n", 18),
			 ERR_AUTH);
	assert_int_equal(other_peer_sends(&r, "hello ferry", 11), ERR_PROTOCOL);
	assert_int_equal(other_peer_sends(&r, "f", 1), ERR_LOST);
	/* Every beginning of the two messages, but not both of them. */
	for (size_t n = 1; n < sizeof(m); n++)
		begun_by_other(&r, m, n);
	/* Another share than it has committed to, infinity, off the curve. */
	share[SPAKE2_SHARE - 1] ^= 1;
	begun_by_other(&r, m, sizeof(m));
	memset(share, 0, SPAKE2_SHARE);
	begun_by_other(&r, m, sizeof(m));
	memcpy(m + DIGEST_MESSAGE, seen[3], PROOF_MESSAGE);
	m[HEADER] ^= 1;
	begun_by_other(&r, m, sizeof(m));
	/* A message of the receiver's own, or another's number. */
	assert_int_equal(other_peer_sends(&r, seen[2], SHARE_MESSAGE),
			 ERR_PROTOCOL);
	assert_int_equal(other_peer_sends(&r, seen[3], PROOF_MESSAGE),
			 ERR_PROTOCOL);
	/* An older version: a share comes first. */
	memcpy(m, "ferry/1\1\4", 9);
	assert_int_equal(other_peer_sends(&r, m, SHARE_MESSAGE), ERR_PROTOCOL);
	assert_non_null(strstr(r.e.text, "the same release of ferry"));
	party_free(&s);

	party_make(&s, NET_CONNECTS, CODE);
	exchange(&s, &r);
	assert_int_equal(s.rc, 0);
	assert_int_equal(r.rc, 0);
	party_free(&s);
	party_free(&r);
	party_free(&spare);
}

/* Each is a try for a man in the middle, who can abandon an exchange whose
 * words do not match those of the other side. */
static void exchanges_that_are_not_finished_are_limited(void **state)
{
	uint8_t m[DIGEST_MESSAGE] = "ferry/2\1";
	struct party s, r;
	int fd[2];

	(void)state;
	party_make(&s, NET_CONNECTS, CODE);
	party_make(&r, NET_LISTENS, CODE);
	for (int i = 0; i < UNFINISHED_MAX; i++)
		begun_by_other(&r, m, sizeof(m));
	tcp_pair(fd);
	party_start(&r, fd[1]);
	assert_int_equal(send(fd[0], m, sizeof(m), MSG_NOSIGNAL), sizeof(m));
	party_join(&r);
	assert_int_equal(r.rc, ERR_AUTH);
	assert_int_equal(r.use, PAKE_USED);
	assert_non_null(strstr(r.e.text, "get between"));
	close(fd[0]);
	close(fd[1]);
	exchange(&s, &r);
	assert_int_equal(s.rc, ERR_AUTH);
	assert_int_equal(r.use, PAKE_VALID);
	party_free(&s);
	party_free(&r);
}

/* A recorded session says nothing to a receiver with the same code. */
static void a_replay_is_a_wrong_guess(void **state)
{
	uint8_t seen[5][PROOF_MESSAGE], m[SENT];
	struct party s, r;
	int fd[2];

	(void)state;
	party_make(&s, NET_CONNECTS, CODE);
	party_make(&r, NET_LISTENS, CODE);
	exchange_through(&s, &r, 0, 0, seen);
	assert_int_equal(r.rc, 0);
	memcpy(m, seen[1], DIGEST_MESSAGE);
	memcpy(m + DIGEST_MESSAGE, seen[3], PROOF_MESSAGE);
	party_free(&r);
	party_make(&r, NET_LISTENS, CODE);
	tcp_pair(fd);
	party_start(&r, fd[1]);
	assert_int_equal(send(fd[0], m, sizeof(m), MSG_NOSIGNAL), sizeof(m));
	party_join(&r);
	assert_int_equal(r.rc, ERR_AUTH);
	assert_int_equal(r.use, PAKE_GUESSED);
	close(fd[0]);
	close(fd[1]);
	party_free(&s);
	party_free(&r);
}

/* Say something of another mode, more than is read at once: an alert. */
static void another_mode_gets_an_alert(uint8_t first)
{
	uint8_t hello[20000] = { first, 3, 1 };
	static const uint8_t alert[] = { 0x15, 3, 3, 0, 2, 2, 120 };
	uint8_t got[32];
	struct party r;
	int fd[2];

	party_make(&r, NET_LISTENS, CODE);
	tcp_pair(fd);
	assert_int_equal(send(fd[0], hello, sizeof(hello), 0), sizeof(hello));
	shutdown(fd[0], SHUT_WR);
	party_start(&r, fd[1]);
	party_join(&r);
	assert_int_equal(r.rc, first == 0x16 ? ERR_AUTH : ERR_PROTOCOL);
	assert_int_equal(r.use, PAKE_VALID);
	close(fd[1]);
	assert_int_equal(recv(fd[0], got, sizeof(got), MSG_WAITALL),
			 sizeof(alert));
	assert_memory_equal(got, alert, sizeof(alert));
	close(fd[0]);
	party_free(&r);
}

static void other_modes_get_an_alert(void **state)
{
	(void)state;
	another_mode_gets_an_alert(0x16); /* TLS */
	another_mode_gets_an_alert(1);    /* HELLO */
}

static void a_second_exchange_is_refused(void **state)
{
	struct party s, late, r;

	(void)state;
	party_make(&s, NET_CONNECTS, CODE);
	party_make(&late, NET_CONNECTS, CODE);
	party_make(&r, NET_LISTENS, CODE);
	exchange(&s, &r);
	assert_int_equal(r.rc, 0);
	exchange(&late, &r);
	assert_int_equal(late.rc, ERR_AUTH);
	assert_int_equal(r.rc, ERR_AUTH);
	assert_int_equal(r.use, PAKE_VALID);
	/* The first one goes on. */
	tls_works(&s, &r);
	party_free(&s);
	party_free(&late);
	party_free(&r);
}

static void a_code_that_is_reopened_allows_one_more(void **state)
{
	struct party s, again, wrong, r;

	(void)state;
	party_make(&s, NET_CONNECTS, CODE);
	party_make(&again, NET_CONNECTS, CODE);
	party_make(&wrong, NET_CONNECTS, "4822-river-anchor-tree");
	party_make(&r, NET_LISTENS, CODE);
	/* where none was agreed on, nothing */
	assert_int_equal(pake_reopen(r.pake), 0);
	exchange(&s, &r);
	assert_int_equal(r.rc, 0);
	assert_int_equal(pake_reopen(r.pake), 0);
	assert_false(pake_is_agreed(r.pake));
	exchange(&again, &r);
	assert_int_equal(again.rc, 0);
	assert_int_equal(r.rc, 0);
	tls_works(&again, &r);
	/* a guess still uses it up, for good */
	assert_int_equal(pake_reopen(r.pake), 0);
	exchange(&wrong, &r);
	assert_int_equal(r.rc, ERR_AUTH);
	assert_int_equal(pake_reopen(r.pake), 0);
	party_free(&again);
	party_make(&again, NET_CONNECTS, CODE);
	exchange(&again, &r);
	assert_int_equal(again.rc, ERR_AUTH);
	party_free(&s);
	party_free(&again);
	party_free(&wrong);
	party_free(&r);
}

/* ---- somebody in between ---- */

static void share_digest(uint8_t digest[32], const uint8_t *share)
{
	static const char label[] = "ferry/2 code share";
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	assert_int_equal(EVP_DigestInit_ex(ctx, EVP_sha256(), NULL), 1);
	EVP_DigestUpdate(ctx, label, sizeof(label) - 1);
	EVP_DigestUpdate(ctx, share, SPAKE2_SHARE);
	assert_int_equal(EVP_DigestFinal_ex(ctx, digest, NULL), 1);
	EVP_MD_CTX_free(ctx);
}

static void the_messages_are_as_the_manual_says(void **state)
{
	uint8_t digest[32];
	uint8_t seen[5][PROOF_MESSAGE];
	struct party s, r;

	(void)state;
	party_make(&s, NET_CONNECTS, CODE);
	party_make(&r, NET_LISTENS, CODE);
	exchange_through(&s, &r, 0, 0, seen);
	assert_int_equal(s.rc, 0);
	assert_int_equal(r.rc, 0);
	for (int i = 1; i <= 4; i++) {
		assert_memory_equal(seen[i], "ferry/2", 7);
		assert_int_equal(seen[i][7], i);
	}
	assert_int_equal(seen[2][HEADER], 4);
	assert_int_equal(seen[3][HEADER], 4);
	/* Who knows the code could steer the words to verify by a share that he
	 * chooses after this one. */
	share_digest(digest, seen[3] + HEADER);
	assert_memory_equal(seen[1] + HEADER, digest, sizeof(digest));
	party_free(&s);
	party_free(&r);
}

/* Nothing that fails before the confirmations costs the code. */
static void every_byte_before_the_confirmation_counts(void **state)
{
	uint8_t seen[5][PROOF_MESSAGE];
	struct party s, r;

	(void)state;
	party_make(&s, NET_CONNECTS, CODE);
	party_make(&r, NET_LISTENS, CODE);
	for (int number = 1; number <= 2; number++) {
		for (size_t at = 0; at < message_size[number]; at++) {
			/* A digest that is damaged is noticed when the share
			 * has come, with the confirmation of the side that
			 * connects. */
			if (number == 1 && at >= HEADER) {
				party_free(&s);
				party_make(&s, NET_CONNECTS, CODE);
				at += 7;
			}
			exchange_through(&s, &r, number, at, seen);
			assert_int_equal(s.rc, ERR_AUTH);
			assert_true(r.rc < 0);
			assert_int_equal(r.use, PAKE_VALID);
		}
		party_free(&s);
		party_make(&s, NET_CONNECTS, CODE);
	}
	exchange(&s, &r);
	assert_int_equal(s.rc, 0);
	party_free(&s);
	party_free(&r);
}

static void every_byte_of_the_confirmations_counts(void **state)
{
	/* Of message 4; in message 3 the share is before it. */
	static const size_t where[] = { HEADER, HEADER + 13, MAC_MESSAGE - 1 };
	uint8_t seen[5][PROOF_MESSAGE];
	struct party s, r;

	(void)state;
	for (int number = 3; number <= 4; number++) {
		for (int i = 0; i < 3; i++) {
			party_make(&s, NET_CONNECTS, CODE);
			party_make(&r, NET_LISTENS, CODE);
			exchange_through(&s, &r, number,
					 number == 3 ? SPAKE2_SHARE + where[i]
						     : where[i],
					 seen);
			assert_int_equal(s.rc, ERR_AUTH);
			/* Message 4 comes after the receiver's verdict. */
			assert_int_equal(r.rc, number == 3 ? ERR_AUTH : 0);
			assert_int_equal(r.use,
					 number == 3 ? PAKE_GUESSED : PAKE_USED);
			tls_does_not_work(&s, &r);
			/* No second try for the one in between. */
			exchange(&s, &r);
			assert_int_equal(s.rc, ERR_AUTH);
			party_free(&s);
			party_free(&r);
		}
	}
}

/* ---- a receiver that is none ---- */

/* Answer the sender with this share and its own confirmation, if with_mac.
 * What the sender made of it. */
static int answer(struct party *s, const uint8_t *share, int with_mac)
{
	uint8_t got[PROOF_MESSAGE], m[SHARE_MESSAGE] = "ferry/2\2";
	int fd[2];

	tcp_pair(fd);
	party_start(s, fd[0]);
	assert_int_equal(recv(fd[1], got, DIGEST_MESSAGE, MSG_WAITALL),
			 DIGEST_MESSAGE);
	memcpy(m + HEADER, share, SPAKE2_SHARE);
	assert_int_equal(send(fd[1], m, sizeof(m), MSG_NOSIGNAL), sizeof(m));
	if (with_mac) {
		assert_int_equal(recv(fd[1], got, PROOF_MESSAGE, MSG_WAITALL),
				 PROOF_MESSAGE);
		memcpy(m, "ferry/2\4", HEADER);
		memcpy(m + HEADER, got + SHARE_MESSAGE, SPAKE2_MAC);
		assert_int_equal(send(fd[1], m, MAC_MESSAGE, MSG_NOSIGNAL),
				 MAC_MESSAGE);
	}
	shutdown(fd[1], SHUT_WR);
	party_join(s);
	close(fd[0]);
	close(fd[1]);
	return s->rc;
}

static void a_false_receiver_gets_one_confirmation(void **state)
{
	struct spake2_config cfg = { .role = SPAKE2_B, .id_a = "", .id_b = "",
				     .aad = "" };
	static const uint8_t no_share[SPAKE2_SHARE];
	struct spake2 *b;
	struct party s, r;
	struct err e;

	(void)state;
	party_make(&s, NET_CONNECTS, CODE);
	party_make(&r, NET_LISTENS, CODE);
	memset(cfg.w, 1, sizeof(cfg.w));
	b = spake2_new(&cfg, &e);
	assert_non_null(b);
	/* Not a share: it has shown nothing. */
	assert_int_equal(answer(&s, no_share, 0), ERR_AUTH);
	/* Its confirmation sent back, or none: that was the one guess. */
	assert_int_equal(answer(&s, spake2_share(b), 1), ERR_AUTH);
	assert_non_null(strstr(s.e.text, "was tampered with"));
	exchange(&s, &r);
	assert_int_equal(s.rc, ERR_AUTH);
	assert_int_equal(r.use, PAKE_VALID);
	party_free(&s);

	party_make(&s, NET_CONNECTS, CODE);
	assert_int_equal(answer(&s, spake2_share(b), 0), ERR_AUTH);
	exchange(&s, &r);
	assert_int_equal(s.rc, ERR_AUTH);
	party_free(&s);
	party_free(&r);
	spake2_free(b);
}

static void peers_in_other_modes_are_told_apart(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *told;
	} cases[] = {
		{ "", 0, "does not accept codes" },
		{ "\x15\x03\x03\0\2\2\x28", 7, "uses TLS, this side a one-" },
		{ "\x15\x03\x03\0\2\2\x73", 7, "uses a shared key (--key), " },
		{ "\x15\x03\x03\0\2\2\x74", 7, "uses certificates (" },
		{ "\x15\x03\x03\0\2\2\x31", 7, "from this address (" },
		{ "\x1f\0", 2, "uses no encryption (--plain), " },
		{ "?", 1, "does not accept codes" },
	};
	struct party s, r;

	(void)state;
	party_make(&s, NET_CONNECTS, CODE);
	party_make(&r, NET_LISTENS, CODE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd[2];

		tcp_pair(fd);
		assert_int_equal(send(fd[1], cases[i].text, cases[i].n, 0),
				 cases[i].n);
		shutdown(fd[1], SHUT_WR);
		party_start(&s, fd[0]);
		party_join(&s);
		assert_int_equal(s.rc, ERR_AUTH);
		assert_non_null(strstr(s.e.text, cases[i].told));
		close(fd[0]);
		close(fd[1]);
	}
	/* It has not shown anything that could be tested. */
	exchange(&s, &r);
	assert_int_equal(s.rc, 0);
	party_free(&s);
	party_free(&r);
}

/* ---- time ---- */

static void the_deadline_is_absolute(void **state)
{
	struct party r;
	int fd[2];

	(void)state;
	party_make(&r, NET_LISTENS, CODE);
	tcp_pair(fd);
	r.deadline_ms = clock_ms() + 300;
	party_start(&r, fd[1]);
	/* A byte now and then does not help. */
	for (int i = 0; i < 100; i++) {
		struct timespec ts = { .tv_nsec = 20 * 1000000L };

		if (send(fd[0], i < 7 ? &"ferry/2"[i] : "\1", 1,
			 MSG_NOSIGNAL) != 1)
			break;
		nanosleep(&ts, NULL);
	}
	party_join(&r);
	assert_int_equal(r.rc, ERR_TIMEOUT);
	assert_int_equal(r.use, PAKE_VALID);
	close(fd[0]);
	close(fd[1]);
	party_free(&r);
}

/* Whether a wait that has begun ends when its token is set, and one that
 * begins later ends at once. */
static void cancel_ends(enum net_role role)
{
	struct timespec ts = { .tv_nsec = 50 * 1000 * 1000 };
	struct cancel cancel;
	struct party p;
	int fd[2];

	party_make(&p, role, CODE);
	tcp_pair(fd);
	assert_int_equal(cancel_init(&cancel), 0);
	p.cancel = &cancel;
	party_start(&p, fd[0]);
	nanosleep(&ts, NULL);
	cancel_set(&cancel);
	party_join(&p);
	assert_int_equal(p.rc, ERR_INTERRUPTED);
	party_start(&p, fd[0]);
	party_join(&p);
	assert_int_equal(p.rc, ERR_INTERRUPTED);
	assert_int_equal(p.use, PAKE_VALID);
	cancel_release(&cancel);
	close(fd[0]);
	close(fd[1]);
	party_free(&p);
}

/* A token without a descriptor: whoever sets it also ends the socket. */
static void a_token_without_a_descriptor_is_seen(void **state)
{
	struct timespec ts = { .tv_nsec = 50 * 1000 * 1000 };
	struct cancel cancel;
	struct party p;
	int fd[2];

	(void)state;
	party_make(&p, NET_LISTENS, CODE);
	tcp_pair(fd);
	cancel_init_flag(&cancel);
	p.cancel = &cancel;
	party_start(&p, fd[0]);
	nanosleep(&ts, NULL);
	cancel_set(&cancel);
	assert_int_equal(shutdown(fd[0], SHUT_RDWR), 0);
	party_join(&p);
	assert_int_equal(p.rc, ERR_INTERRUPTED);
	assert_int_equal(p.use, PAKE_VALID);
	close(fd[0]);
	close(fd[1]);
	party_free(&p);
}

static void both_sides_can_be_cancelled(void **state)
{
	(void)state;
	cancel_ends(NET_CONNECTS);
	cancel_ends(NET_LISTENS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_code_gives_a_key_for_all_streams),
		cmocka_unit_test(two_sessions_have_two_keys),
		cmocka_unit_test(a_wrong_code_invalidates_it),
		cmocka_unit_test(another_code_follows_a_wrong_one),
		cmocka_unit_test(one_guess_at_a_time_counts),
		cmocka_unit_test(other_peers_do_not_invalidate_the_code),
		cmocka_unit_test(exchanges_that_are_not_finished_are_limited),
		cmocka_unit_test(a_replay_is_a_wrong_guess),
		cmocka_unit_test(other_modes_get_an_alert),
		cmocka_unit_test(a_second_exchange_is_refused),
		cmocka_unit_test(a_code_that_is_reopened_allows_one_more),
		cmocka_unit_test(the_messages_are_as_the_manual_says),
		cmocka_unit_test(every_byte_before_the_confirmation_counts),
		cmocka_unit_test(every_byte_of_the_confirmations_counts),
		cmocka_unit_test(a_false_receiver_gets_one_confirmation),
		cmocka_unit_test(peers_in_other_modes_are_told_apart),
		cmocka_unit_test(the_deadline_is_absolute),
		cmocka_unit_test(both_sides_can_be_cancelled),
		cmocka_unit_test(a_token_without_a_descriptor_is_seen),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
