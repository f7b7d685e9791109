/*
 * Four messages: a digest of the share of the side that connects; the share of
 * the side that listens; the former's share and confirmation, which the side
 * that listens checks before it sends its own confirmation.  So a peer that
 * guesses a code learns only whether it was right, and uses it up.
 *
 * The digest is for the words to verify.  A man in the middle who knows the
 * code has an exchange with each side, and wants both to give the same 44 bits.
 * If he saw a share before he chose his own, he could try 2^22 of his own in
 * each exchange offline until two keys match.  As it is, he has chosen when he
 * sees the other's, and his only tries are exchanges that he does not finish:
 * their number is limited.
 */
#include "auth/pake.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "auth/code_file.h"
#include "auth/hkdf.h"
#include "auth/key.h"
#include "auth/mode.h"
#include "auth/spake2.h"
#include "auth/tls.h"
#include "base/clock.h"
#include "os/locked.h"

/* Version of the exchange, and role or purpose, so that no key or message is
 * valid in another place. */
#define ID_CONNECTS "ferry/2 connects"
#define ID_LISTENS "ferry/2 listens"
#define AAD "ferry/2 code"
#define SALT "ferry/2 code scrypt"
#define PSK_LABEL "ferry/2 code psk"
#define WORDS_LABEL "ferry/2 code verify"
#define COMMIT_LABEL "ferry/2 code share"

enum {
	MAGIC = 7,
	FAMILY = MAGIC - 1, /* what all versions have in common */
	HEADER = MAGIC + 1, /* with the message's number */
	CONFIRMED = 4,      /* the last message */
	RENEWED = 5,        /* in its place: wrong, and there is another code */
	COMMIT = 32,        /* body of message 1 */
	PROOF = SPAKE2_SHARE + SPAKE2_MAC, /* body of message 3 */
	BODY_MAX = PROOF,
	/* How often our share is shown to a peer that does not go on.  Each
	 * time a man in the middle may hope for words to verify that match: a
	 * chance of 2^-44.  With this limit that is 2^-34 in all, about that of
	 * guessing the code.  A new code does not begin it anew. */
	UNFINISHED_MAX = 1024,
	/* Limits of reading after an alert; see refuse_other_mode(). */
	ALERT_DRAIN_MS = 1000,
	ALERT_DRAIN_READS = 16,
	TLS_HANDSHAKE = 0x16, /* type of the first record of TLS */
	SCRYPT_N = 1 << 15,
	SCRYPT_R = 8,
	SCRYPT_P = 1,
	SCRYPT_MEMORY = 40 << 20, /* limit: 128 * N * r = 32 MiB, and some */
};

static const uint8_t magic[MAGIC] = { 'f', 'e', 'r', 'r', 'y', '/', '2' };

/* OPEN changes to AGREED or SPENT.  While it waits for the peer's confirmation,
 * the side that connects is SPENT already, and may then become AGREED. */
enum state { OPEN, AGREED, SPENT };

struct pake {
	/* guarded by lock; so is setting the key in struct tls */
	pthread_mutex_t lock;
	uint8_t w[SPAKE2_SCALAR];
	unsigned code_number;   /* how many codes there were before */
	struct code_file *file; /* that the code is from, or NULL */
	enum state state;
	int is_renewed; /* the side that listens has another code */
	/* Exchanges in which our share was shown, with any code. */
	unsigned unfinished;
	char words[PAKE_VERIFY_MAX];
};

/* ---- from code to w ---- */

static int scrypt(const char *code, uint8_t seed[SPAKE2_SEED])
{
	OSSL_LIB_CTX *libctx = hkdf_context();
	uint64_t n = SCRYPT_N, memory = SCRYPT_MEMORY;
	uint32_t r = SCRYPT_R, p = SCRYPT_P;
	char salt[] = SALT;
	char *secret = strdup(code);
	EVP_KDF *kdf = NULL;
	EVP_KDF_CTX *ctx = NULL;
	OSSL_PARAM params[7];
	int ok = 0;

	if (libctx && secret)
		kdf = EVP_KDF_fetch(libctx, "SCRYPT", NULL);
	if (kdf)
		ctx = EVP_KDF_CTX_new(kdf);
	if (ctx) {
		params[0] = OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_PASSWORD, secret, strlen(secret));
		params[1] = OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SALT, salt, strlen(salt));
		params[2] = OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N,
							&n);
		params[3] = OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R,
							&r);
		params[4] = OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P,
							&p);
		params[5] = OSSL_PARAM_construct_uint64(
			OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory);
		params[6] = OSSL_PARAM_construct_end();
		ok = EVP_KDF_derive(ctx, seed, SPAKE2_SEED, params) == 1;
	}
	if (secret)
		OPENSSL_cleanse(secret, strlen(secret));
	free(secret);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	OSSL_LIB_CTX_free(libctx);
	return ok ? 0 : -1;
}

static int make_w(uint8_t w[SPAKE2_SCALAR], const char *code, struct err *e)
{
	uint8_t seed[SPAKE2_SEED];
	int rc;

	if (scrypt(code, seed) < 0)
		rc = err_set(e, ERR_RESOURCE, "out of memory while preparing "
					      "the code");
	else
		rc = spake2_make_w(w, seed, e);
	OPENSSL_cleanse(seed, sizeof(seed));
	return rc;
}

struct pake *pake_new(const char *code, struct err *e)
{
	struct pake *p = locked_new(sizeof(*p));

	if (!p || pthread_mutex_init(&p->lock, NULL)) {
		locked_free(p, sizeof(*p));
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	if (make_w(p->w, code, e) < 0) {
		pake_free(p);
		return NULL;
	}
	return p;
}

int pake_renew(struct pake *p, const char *code, struct err *e)
{
	uint8_t w[SPAKE2_SCALAR];
	int rc = make_w(w, code, e);

	if (rc == 0) {
		pthread_mutex_lock(&p->lock);
		memcpy(p->w, w, sizeof(w));
		memset(p->words, 0, sizeof(p->words));
		p->code_number++;
		code_file_free(p->file);
		p->file = NULL;
		p->is_renewed = 0;
		p->state = OPEN;
		pthread_mutex_unlock(&p->lock);
	}
	OPENSSL_cleanse(w, sizeof(w));
	return rc;
}

int pake_reopen(struct pake *p)
{
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	if (p->state == AGREED) {
		if (p->file)
			rc = code_file_unmark(p->file);
		memset(p->words, 0, sizeof(p->words));
		p->state = OPEN;
	}
	pthread_mutex_unlock(&p->lock);
	return rc ? -1 : 0;
}

struct pake *pake_new_from_file(const char *path, enum net_role role,
				struct err *e)
{
	char code[CODE_MAX];
	struct code_file *file = code_file_open(path, role, code, e);
	struct pake *p = file ? pake_new(code, e) : NULL;

	code_wipe(code);
	if (p)
		p->file = file;
	else
		code_file_free(file);
	return p;
}

void pake_free(struct pake *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	code_file_free(p->file);
	locked_free(p, sizeof(*p));
}

int pake_verify(struct pake *p, char text[PAKE_VERIFY_MAX])
{
	int rc;

	pthread_mutex_lock(&p->lock);
	rc = p->state == AGREED ? 0 : ERR_AGAIN;
	memcpy(text, p->words, PAKE_VERIFY_MAX);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static enum state state_of(struct pake *p)
{
	enum state state;

	pthread_mutex_lock(&p->lock);
	state = p->state;
	pthread_mutex_unlock(&p->lock);
	return state;
}

int pake_is_agreed(struct pake *p)
{
	return state_of(p) == AGREED;
}

int pake_is_renewed(struct pake *p)
{
	int is_renewed;

	pthread_mutex_lock(&p->lock);
	is_renewed = p->is_renewed;
	pthread_mutex_unlock(&p->lock);
	return is_renewed;
}

/* ---- messages ---- */

/* Wait until the socket is ready.  A token without a descriptor is seen too:
 * whoever sets it also shuts the socket down (admission.h). */
static int wait_for(const struct pake_conn *c, short events, struct err *e)
{
	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = c->fd, .events = events },
			{ .fd = cancel_fd(c->cancel), .events = POLLIN },
		};
		int left = clock_left_ms(c->deadline_ms), n;

		if (cancel_is_set(c->cancel))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (left == 0)
			return err_set(e, ERR_TIMEOUT,
				       "the code exchange timed out");
		n = poll(fds, 2, left);
		if (n > 0 && fds[0].revents && !cancel_is_set(c->cancel))
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_RESOURCE, "cannot wait for the other side");
	}
}

static int lost(struct err *e)
{
	return err_set(e, ERR_LOST,
		       "the connection ended during the code exchange");
}

/* Receive exactly n bytes; those after them belong to TLS. */
static int recv_all(const struct pake_conn *c, void *p, size_t n, int flags,
	       struct err *e)
{
	uint8_t *to = p;

	while (n > 0) {
		ssize_t got;
		int rc = wait_for(c, POLLIN, e);

		if (rc < 0)
			return rc;
		got = recv(c->fd, to, n, flags | MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return lost(e);
		if (got > 0) {
			to += got;
			n -= (size_t)got;
		}
	}
	return 0;
}

static int send_all(const struct pake_conn *c, const void *p, size_t n,
		    struct err *e)
{
	const uint8_t *from = p;

	while (n > 0) {
		ssize_t did;
		int rc = wait_for(c, POLLOUT, e);

		if (rc < 0)
			return rc;
		did = send(c->fd, from, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (did < 0 && errno != EAGAIN && errno != EINTR)
			return lost(e);
		if (did > 0) {
			from += did;
			n -= (size_t)did;
		}
	}
	return 0;
}

static int send_message(const struct pake_conn *c, unsigned number,
			const void *body, size_t n, struct err *e)
{
	uint8_t m[HEADER + BODY_MAX];

	memcpy(m, magic, MAGIC);
	m[MAGIC] = (uint8_t)number;
	memcpy(m + HEADER, body, n);
	return send_all(c, m, HEADER + n, e);
}

static int no_exchange(struct err *e)
{
	return err_set(e, ERR_PROTOCOL,
		       "the other side sent no code exchange (do both sides "
		       "use the same security mode?)");
}

/* Returns the number of the message whose body follows, or an error. */
static int recv_header(const struct pake_conn *c, struct err *e)
{
	uint8_t head[HEADER] = { 0 };
	int rc = recv_all(c, head, 1, 0, e);

	if (rc == 0 && head[0] == magic[0])
		rc = recv_all(c, head + 1, HEADER - 1, 0, e);
	if (rc < 0)
		return rc;
	if (memcmp(head, magic, FAMILY) == 0 && head[FAMILY] != magic[FAMILY])
		return err_set(e, ERR_PROTOCOL,
			       "the other side's ferry uses another version of "
			       "the code exchange: use the same release of "
			       "ferry on both sides");
	return memcmp(head, magic, MAGIC) == 0 ? head[MAGIC] : no_exchange(e);
}

/* The header is checked before waiting for the body: a peer with another
 * protocol might never send that much. */
static int recv_message(const struct pake_conn *c, int number, void *body,
			size_t n, struct err *e)
{
	const int got = recv_header(c, e);

	if (got < 0)
		return got;
	return got == number ? recv_all(c, body, n, 0, e) : no_exchange(e);
}

/* A code, as w, that an exchange is for. */
struct attempt {
	uint8_t w[SPAKE2_SCALAR];
	unsigned code_number;
};

/* With lock held. */
static void copy_code(struct attempt *a, const struct pake *p)
{
	memcpy(a->w, p->w, sizeof(a->w));
	a->code_number = p->code_number;
}

/* Wipes the code in a. */
static struct spake2 *new_spake2(struct attempt *a, enum spake2_role role,
				 struct err *e)
{
	struct spake2_config cfg = {
		.role = role,
		.id_a = ID_CONNECTS,
		.id_b = ID_LISTENS,
		.aad = AAD,
	};
	struct spake2 *s;

	memcpy(cfg.w, a->w, sizeof(cfg.w));
	OPENSSL_cleanse(a->w, sizeof(a->w));
	s = spake2_new(&cfg, e);
	OPENSSL_cleanse(&cfg, sizeof(cfg));
	return s;
}

/* The digest by which the side that connects commits to its share. */
static int commit_to(uint8_t digest[COMMIT], const uint8_t share[SPAKE2_SHARE],
		     struct err *e)
{
	OSSL_LIB_CTX *libctx = hkdf_context();
	EVP_MD *md = libctx ? EVP_MD_fetch(libctx, "SHA256", NULL) : NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = md && ctx && EVP_DigestInit_ex2(ctx, md, NULL) == 1 &&
		 EVP_DigestUpdate(ctx, COMMIT_LABEL,
				  sizeof(COMMIT_LABEL) - 1) == 1 &&
		 EVP_DigestUpdate(ctx, share, SPAKE2_SHARE) == 1 &&
		 EVP_DigestFinal_ex(ctx, digest, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	OSSL_LIB_CTX_free(libctx);
	return ok ? 0 : err_set(e, ERR_RESOURCE, "out of memory");
}

/* ---- confirmation ---- */

static void make_words(const uint8_t *bytes, char text[PAKE_VERIFY_MAX])
{
	size_t used = 0;

	for (int i = 0; i < PAKE_VERIFY_WORDS; i++) {
		unsigned v = (unsigned)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
		const char *word = words_at(v % WORDS_COUNT);

		if (i > 0)
			text[used++] = '-';
		memcpy(text + used, word, strlen(word));
		used += strlen(word);
	}
	text[used] = '\0';
}

/* From now on the code is not valid, here or in its file.  With lock held. */
static int spend(struct pake *p, struct err *e)
{
	p->state = SPENT;
	return p->file ? code_file_mark(p->file, e) : 0;
}

/* Check the peer's confirmation, after spend(), and set the key.  With lock
 * held: a thread that sees AGREED may use tls at once. */
static int check_confirmation(struct pake *p, const struct spake2 *s,
			      struct tls *tls, const uint8_t *mac,
			      struct err *e)
{
	uint8_t psk[KEY_BYTES], bytes[2 * PAKE_VERIFY_WORDS];
	int rc;

	if (!spake2_check(s, mac))
		return ERR_AUTH;
	rc = spake2_derive(s, PSK_LABEL, psk, sizeof(psk), e);
	if (rc == 0)
		rc = spake2_derive(s, WORDS_LABEL, bytes, sizeof(bytes), e);
	if (rc == 0) {
		make_words(bytes, p->words);
		tls_set_psk(tls, psk);
		p->state = AGREED;
	}
	OPENSSL_cleanse(psk, sizeof(psk));
	return rc;
}

/* ---- the side that connects ---- */

static int no_answer(struct err *e)
{
	return err_set(e, ERR_AUTH,
		       "the other side does not accept codes, or its code was "
		       "already used: start the other side again, without "
		       "--key, --cert and --plain, for a new code (and with the "
		       "same release of ferry as here)");
}

static int not_accepted(struct err *e)
{
	return err_set(e, ERR_AUTH,
		       "the code was wrong, or the connection was tampered "
		       "with: start the other side again for a new code");
}

static int other_code(struct err *e)
{
	return err_set(e, ERR_AUTH,
		       "the code was wrong, or the connection was tampered "
		       "with: the other side shows a new code; run the same "
		       "command again with that one");
}

/* The other side refuses by closing the connection, so that a lost connection,
 * an invalid message and a refusal cannot be told apart: all get the same
 * text. */
static int to_auth_error(int rc, int (*text)(struct err *e), struct err *e)
{
	return rc == ERR_LOST || rc == ERR_PROTOCOL || rc == ERR_AUTH ? text(e)
								      : rc;
}

/* The first byte of the answer: where it is not ours, the other side is in
 * another mode, which an alert or a frame shows. */
static int check_first(const struct pake_conn *c, struct err *e)
{
	uint8_t first[MODE_ALERT];
	int rc = wait_for(c, POLLIN, e);
	ssize_t n;

	if (rc < 0)
		return to_auth_error(rc, no_answer, e);
	/* An alert comes whole, in one segment; we do not wait for more. */
	n = recv(c->fd, first, sizeof(first), MSG_PEEK | MSG_DONTWAIT);
	if (n <= 0)
		return no_answer(e);
	if (!mode_differs(first, (size_t)n, SECURITY_CODE))
		return 0;
	return mode_set_error(first, (size_t)n, SECURITY_CODE, e);
}

/* The answer to our confirmation.  Returns 0, with the other side's, or an
 * error that is the same for all kinds of a refusal but that of a renewed
 * code. */
static int recv_answer(struct pake *p, const struct pake_conn *c,
		       uint8_t mac[SPAKE2_MAC], struct err *e)
{
	int rc = recv_header(c, e);

	if (rc == RENEWED) {
		pthread_mutex_lock(&p->lock);
		p->is_renewed = 1;
		pthread_mutex_unlock(&p->lock);
		return not_accepted(e);
	}
	if (rc >= 0)
		rc = rc == CONFIRMED ? recv_all(c, mac, SPAKE2_MAC, 0, e)
				     : no_exchange(e);
	return rc;
}

/* Our confirmation lets the other side test one guess, so that it must not be
 * sent for this code again, whatever happens now. */
static int use_code(struct pake *p, unsigned code_number, struct err *e)
{
	int rc;

	pthread_mutex_lock(&p->lock);
	rc = p->state == OPEN && p->code_number == code_number ?
		     spend(p, e) : not_accepted(e);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static int confirm(struct pake *p, struct tls *tls, const struct pake_conn *c,
		   const struct spake2 *s, struct err *e)
{
	uint8_t proof[PROOF], mac[SPAKE2_MAC];
	int rc;

	memcpy(proof, spake2_share(s), SPAKE2_SHARE);
	memcpy(proof + SPAKE2_SHARE, spake2_mac(s), SPAKE2_MAC);
	rc = send_message(c, 3, proof, sizeof(proof), e);
	if (rc == 0)
		rc = recv_answer(p, c, mac, e);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&p->lock);
	rc = check_confirmation(p, s, tls, mac, e);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

int pake_connect(struct pake *p, struct tls *tls, const struct pake_conn *c,
		 struct err *e)
{
	uint8_t share[SPAKE2_SHARE], commit[COMMIT];
	struct attempt code;
	struct spake2 *s;
	enum state state;
	int rc;

	pthread_mutex_lock(&p->lock);
	state = p->state;
	copy_code(&code, p);
	pthread_mutex_unlock(&p->lock);
	if (state != OPEN) {
		OPENSSL_cleanse(&code, sizeof(code));
		return state == AGREED ? 0 : not_accepted(e);
	}
	s = new_spake2(&code, SPAKE2_A, e);
	if (!s)
		return ERR_RESOURCE;
	rc = commit_to(commit, spake2_share(s), e);
	if (rc == 0)
		rc = send_message(c, 1, commit, sizeof(commit), e);
	rc = rc ? to_auth_error(rc, no_answer, e) : check_first(c, e);
	if (rc < 0)
		goto out;
	rc = recv_message(c, 2, share, sizeof(share), e);
	if (rc == 0)
		rc = spake2_take_share(s, share, e);
	rc = to_auth_error(rc, no_answer, e);
	if (rc == 0)
		rc = use_code(p, code.code_number, e);
	if (rc == 0)
		rc = to_auth_error(confirm(p, tls, c, s, e), not_accepted, e);
	if (rc == ERR_AUTH && pake_is_renewed(p))
		rc = other_code(e);
out:
	spake2_free(s);
	return rc;
}

/* ---- the side that listens ---- */

static int used_already(struct err *e)
{
	return err_set(e, ERR_AUTH, "the code was already used");
}

static int guessed_wrong(const struct pake *p, struct err *e)
{
	if (p->file)
		return err_set(e, ERR_AUTH,
			       "gave a wrong code, so this one is no longer "
			       "valid: write a new one to %s and start this "
			       "side again",
			       code_file_path(p->file));
	return err_set(e, ERR_AUTH,
		       "gave a wrong code, so this one is no longer valid: "
		       "start this side again for a new code");
}

/*
 * Refuse a peer in another security mode, without parsing what it sent.  It
 * gets a TLS alert (handshake_failure), from which it can tell a wrong mode
 * from a lost connection.  If data were left unread, close(2) would send a
 * reset, at which the peer's kernel may discard the alert; so some data is
 * read.
 */
static int refuse_other_mode(const struct pake_conn *c, struct err *e)
{
	uint8_t alert[MODE_ALERT], first[MODE_ALERT];
	ssize_t n = recv(c->fd, first, sizeof(first), MSG_PEEK | MSG_DONTWAIT);
	struct pake_conn brief = *c;
	uint64_t end_ms = clock_ms() + ALERT_DRAIN_MS;
	uint8_t scrap[4096];

	mode_put_alert(alert, SECURITY_CODE);
	if (end_ms < brief.deadline_ms)
		brief.deadline_ms = end_ms;
	if (send_all(&brief, alert, sizeof(alert), NULL) == 0)
		(void)shutdown(c->fd, SHUT_WR);
	for (int i = 0; i < ALERT_DRAIN_READS; i++) {
		if (wait_for(&brief, POLLIN, NULL) < 0 ||
		    recv(c->fd, scrap, sizeof(scrap), MSG_DONTWAIT) <= 0)
			break;
	}
	if (n > 0 && mode_differs(first, (size_t)n, SECURITY_CODE))
		return mode_set_error(first, (size_t)n, SECURITY_CODE, e);
	return err_set(e, ERR_PROTOCOL,
		       "the other side started without the code exchange (do "
		       "both sides use the same security mode?)");
}

/* Begin an exchange, and count it, as our share is about to be shown.  Returns
 * 0; or ERR_AUTH where the code is used up, also by too many of these
 * (*use). */
static int begin_exchange(struct pake *p, struct attempt *a, enum pake_use *use,
			  struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	copy_code(a, p);
	if (p->state != OPEN) {
		rc = used_already(e);
	} else if (p->unfinished < UNFINISHED_MAX) {
		p->unfinished++;
	} else {
		*use = PAKE_USED;
		rc = spend(p, e);
		if (rc == 0)
			rc = err_set(e, ERR_AUTH,
				     "%d code exchanges were begun and not "
				     "finished, so the code is no longer "
				     "valid: somebody may try to get between "
				     "the two sides; start this side "
				     "again for a new code",
				     UNFINISHED_MAX);
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* The peer has seen our share and does not go on: that is no guess, but worth
 * knowing. */
static int unfinished(int rc, struct err *e)
{
	if (rc != ERR_LOST && rc != ERR_TIMEOUT && rc != ERR_PROTOCOL &&
	    rc != ERR_AUTH)
		return rc;
	return err_set(e, ERR_AUTH,
		       "began a code exchange and did not finish it; the code "
		       "stays valid");
}

/* Show our share, and get the peer's with its confirmation: the guess. */
static int receive_proof(const struct pake_conn *c, struct spake2 *s,
			 const uint8_t commit[COMMIT],
			 uint8_t mac[SPAKE2_MAC], struct err *e)
{
	uint8_t proof[PROOF], digest[COMMIT];
	int rc = send_message(c, 2, spake2_share(s), SPAKE2_SHARE, e);

	if (rc == 0)
		rc = recv_message(c, 3, proof, sizeof(proof), e);
	if (rc == 0)
		rc = commit_to(digest, proof, e);
	if (rc == 0 && memcmp(digest, commit, COMMIT) != 0)
		rc = err_set(e, ERR_AUTH, "the share is another one");
	if (rc == 0)
		rc = spake2_take_share(s, proof, e);
	memcpy(mac, proof + SPAKE2_SHARE, SPAKE2_MAC);
	return unfinished(rc, e);
}

/* The exchange from the peer's digest on. */
static int receive_guess(struct pake *p, struct tls *tls,
			 const struct pake_conn *c, enum pake_use *use,
			 struct err *e)
{
	uint8_t commit[COMMIT], mac[SPAKE2_MAC];
	struct attempt a = { .code_number = 0 };
	struct spake2 *s;
	int is_guess, rc = recv_message(c, 1, commit, sizeof(commit), e);

	/* Checked after each message: another connection may have used the code
	 * up while this one waited, and there may be another code since. */
	if (rc == 0)
		rc = begin_exchange(p, &a, use, e);
	if (rc < 0) {
		OPENSSL_cleanse(&a, sizeof(a));
		return rc;
	}
	s = new_spake2(&a, SPAKE2_B, e);
	if (!s)
		return ERR_RESOURCE;
	rc = receive_proof(c, s, commit, mac, e);
	if (rc < 0)
		goto out;
	/* Check and use in one step, or two guesses could be tested at once. */
	pthread_mutex_lock(&p->lock);
	p->unfinished--;
	is_guess = p->state == OPEN && p->code_number == a.code_number;
	rc = is_guess ? spend(p, e) : used_already(e);
	if (is_guess)
		*use = PAKE_USED;
	if (rc == 0)
		rc = check_confirmation(p, s, tls, mac, e);
	if (is_guess && rc == ERR_AUTH) {
		*use = PAKE_GUESSED;
		guessed_wrong(p, e);
	}
	pthread_mutex_unlock(&p->lock);
	if (rc == 0)
		rc = send_message(c, CONFIRMED, spake2_mac(s), SPAKE2_MAC, e);
out:
	spake2_free(s);
	return rc;
}

void pake_tell_renewed(int fd)
{
	uint8_t m[HEADER];

	memcpy(m, magic, MAGIC);
	m[MAGIC] = RENEWED;
	(void)send(fd, m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL);
}

int pake_listen(struct pake *p, struct tls *tls, const struct pake_conn *c,
		enum pake_use *use, struct err *e)
{
	uint8_t first;
	int rc;

	*use = PAKE_VALID;
	rc = recv_all(c, &first, 1, MSG_PEEK, e);
	if (rc < 0)
		return rc;
	if (first == magic[0])
		return receive_guess(p, tls, c, use, e);
	if (first == TLS_HANDSHAKE && state_of(p) == AGREED)
		return 0;
	return refuse_other_mode(c, e);
}
