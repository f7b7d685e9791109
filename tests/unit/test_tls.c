/*
 * Unit tests of auth/tls and auth/tls_conn, through streams: our two sides with
 * each other, and each against peers built directly from OpenSSL that do what
 * ours never would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <signal.h>
#include <sys/eventfd.h>

#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cmocka.h>

#include "auth/tls_priv.h"
#include "net_fixture.h"

enum { DAY = 24 * 3600, KIB = 1024, DATA_BYTES = 4 * 1024 * KIB };

/* ------------------------------------------------------------ certificates */

struct cert {
	X509 *x509;
	EVP_PKEY *key;
};

struct queue {
	const char *name;   /* of the files and of the subject */
	const char *issuer; /* NULL: itself */
	const char *san;
	int is_ca;
	long from; /* seconds from now */
	long to;
	const char *same_key; /* as this one; NULL: a new one */
};

static const struct queue plans[] = {
	{ "ca", NULL, NULL, 1, -DAY, DAY, NULL },
	{ "ca2", NULL, NULL, 1, -DAY, DAY, NULL },
	{ "server", "ca", "DNS:box.example,IP:127.0.0.1", 0, -DAY, DAY, NULL },
	{ "client", "ca", NULL, 0, -DAY, DAY, NULL },
	{ "server2", "ca2", "DNS:box.example", 0, -DAY, DAY, NULL },
	{ "client2", "ca2", NULL, 0, -DAY, DAY, NULL },
	{ "old-server", "ca", "DNS:box.example", 0, -2 * DAY, -DAY, NULL },
	{ "old-client", "ca", NULL, 0, -2 * DAY, -DAY, NULL },
	{ "lone", NULL, NULL, 0, -DAY, DAY, NULL },
	{ "lone2", NULL, NULL, 0, -2 * DAY, -DAY, NULL },
	{ "lone-renewed", NULL, NULL, 0, -DAY, DAY, "lone" },
};

enum { CERTS = sizeof(plans) / sizeof(plans[0]) };

struct world {
	struct place *place;
	struct cert certs[CERTS];
	char pins[CERTS][80];
};

static size_t cert_index(const char *name)
{
	size_t i = 0;

	while (i < CERTS && strcmp(plans[i].name, name) != 0)
		i++;
	assert_true(i < CERTS);
	return i;
}

static void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

static void make_cert(struct world *w, size_t i)
{
	const struct queue *plan = &plans[i];
	struct cert *c = &w->certs[i], *by = c;
	X509_NAME *name;

	c->x509 = X509_new();
	c->key = plan->same_key ? w->certs[cert_index(plan->same_key)].key
				: EVP_EC_gen("P-256");
	assert_true(c->x509 && c->key);
	if (plan->same_key)
		EVP_PKEY_up_ref(c->key);
	if (plan->issuer)
		by = &w->certs[cert_index(plan->issuer)];
	X509_set_version(c->x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c->x509), (long)i + 1);
	X509_gmtime_adj(X509_getm_notBefore(c->x509), plan->from);
	X509_gmtime_adj(X509_getm_notAfter(c->x509), plan->to);
	name = X509_get_subject_name(c->x509);
	assert_int_equal(X509_NAME_add_entry_by_txt(
				 name, "CN", MBSTRING_ASC,
				 (const unsigned char *)plan->name, -1, -1, 0),
			 1);
	X509_set_issuer_name(c->x509, X509_get_subject_name(by->x509));
	X509_set_pubkey(c->x509, c->key);
	if (plan->is_ca)
		add_extension(c->x509, by->x509, NID_basic_constraints,
			      "critical,CA:TRUE");
	if (plan->san)
		add_extension(c->x509, by->x509, NID_subject_alt_name,
			      plan->san);
	assert_true(X509_sign(c->x509, by->key, EVP_sha256()) > 0);
}

static void write_bio(const char *path, BIO *bio, mode_t mode)
{
	char *data;
	long n = BIO_get_mem_data(bio, &data);

	assert_true(n > 0);
	place_write(path, data, (size_t)n, mode);
	BIO_free(bio);
}

static void write_cert(struct world *w, size_t i)
{
	uint8_t digest[SHA256_DIGEST_LENGTH], *der = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	char name[64];
	int n;

	assert_int_equal(PEM_write_bio_X509(bio, w->certs[i].x509), 1);
	snprintf(name, sizeof(name), "%s.pem", plans[i].name);
	write_bio(place_path(w->place, name), bio, 0644);
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(bio, w->certs[i].key, NULL,
						  NULL, 0, NULL, NULL),
			 1);
	snprintf(name, sizeof(name), "%s.key", plans[i].name);
	write_bio(place_path(w->place, name), bio, 0600);
	/* The pin as a user would make it: SHA-256 of the key in DER. */
	n = i2d_PUBKEY(w->certs[i].key, &der);
	assert_true(n > 0);
	SHA256(der, (size_t)n, digest);
	OPENSSL_free(der);
	strcpy(w->pins[i], "sha256:");
	for (size_t k = 0; k < sizeof(digest); k++)
		snprintf(w->pins[i] + 7 + 2 * k, 3, "%02x", digest[k]);
}

static int world_make(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err e = { 0 };
	void *place;

	if (!w || place_make(&place) < 0)
		return -1;
	w->place = place;
	for (size_t i = 0; i < CERTS; i++) {
		make_cert(w, i);
		write_cert(w, i);
	}
	if (key_generate(place_path(w->place, "key"), &e) < 0 ||
	    key_generate(place_path(w->place, "key2"), &e) < 0)
		return -1;
	*state = w;
	return 0;
}

static int world_remove(void **state)
{
	struct world *w = *state;
	void *place = w->place;

	for (size_t i = 0; i < CERTS; i++) {
		X509_free(w->certs[i].x509);
		EVP_PKEY_free(w->certs[i].key);
	}
	free(w);
	return place_remove(&place);
}

/* -------------------------------------------------------- our own two sides */

/* One side's credentials, by the names above. */
struct who {
	const char *key;  /* PSK */
	const char *cert; /* X509, PIN */
	const char *ca;
	const char *pin;
	const char *host;
};

static struct tls *make_tls(struct world *w, enum net_role role,
			    const struct who *who, struct err *e)
{
	char cert[256], cert_key[256], ca[256], key[256];
	struct tls_config cfg = { .role = role, .host = who->host };
	const char *pins[2];

	if (who->key) {
		cfg.mode = SECURITY_PSK;
		snprintf(key, sizeof(key), "%s/%s", w->place->dir, who->key);
		cfg.key_file = key;
		return tls_new(&cfg, e);
	}
	cfg.mode = who->pin ? SECURITY_PIN : SECURITY_X509;
	snprintf(cert, sizeof(cert), "%s/%s.pem", w->place->dir, who->cert);
	snprintf(cert_key, sizeof(cert_key), "%s/%s.key", w->place->dir,
		 who->cert);
	cfg.cert_file = cert;
	cfg.cert_key_file = cert_key;
	if (who->pin) {
		/* one of several, and not the first */
		pins[0] = w->pins[0];
		pins[1] = w->pins[cert_index(who->pin)];
		cfg.pins = pins;
		cfg.pin_count = 2;
	}
	if (who->ca) {
		snprintf(ca, sizeof(ca), "%s/%s.pem", w->place->dir, who->ca);
		cfg.ca_file = ca;
	}
	return tls_new(&cfg, e);
}

static struct tls *need_tls(struct world *w, enum net_role role,
			    const struct who *who)
{
	struct err e = { 0 };
	struct tls *t = make_tls(w, role, who, &e);

	assert_string_equal(e.text, "");
	assert_non_null(t);
	return t;
}

/* What became of a side that opens, exchanges a byte and closes. */
struct talk {
	int fd;
	struct tls *tls;
	enum net_role role;
	int rc;
	struct err e;
};

static void *run_talk(void *arg)
{
	struct talk *t = arg;
	char byte = t->role == NET_CONNECTS ? 's' : 'r';
	char other = t->role == NET_CONNECTS ? 'r' : 's';
	const struct stream_config cfg = { .timeout_ms = FIXTURE_TIMEOUT_MS };
	struct stream *s = tls_conn_open(t->fd, t->tls, &cfg, &t->e);

	if (!s)
		close(t->fd);
	t->rc = s ? 0 : t->e.code;
	/* The client receives first: the server has still to judge it. */
	if (t->rc == 0 && t->role == NET_LISTENS)
		t->rc = send_bytes(s, &byte, 1, &t->e);
	if (t->rc == 0)
		t->rc = stream_recv(s, &byte, 1, &t->e);
	if (t->rc == 0 && byte != other)
		t->rc = err_set(&t->e, ERR_PROTOCOL, "a wrong byte came");
	if (t->rc == 0 && t->role == NET_CONNECTS)
		t->rc = send_bytes(s, "s", 1, &t->e);
	if (t->rc == 0)
		t->rc = stream_close(s, FIXTURE_TIMEOUT_MS, &t->e);
	stream_free(s);
	return NULL;
}

static void talk(struct world *w, const struct who *sender,
		 const struct who *receiver, struct talk *a, struct talk *b)
{
	pthread_t thread;
	int fd[2];

	tcp_pair(fd);
	*a = (struct talk){ .fd = fd[0],
			    .role = NET_CONNECTS,
			    .tls = need_tls(w, 1, sender) };
	*b = (struct talk){ .fd = fd[1], .tls = need_tls(w, 0, receiver) };
	assert_int_equal(pthread_create(&thread, NULL, run_talk, b), 0);
	run_talk(a);
	assert_int_equal(pthread_join(thread, NULL), 0);
	tls_free(a->tls);
	tls_free(b->tls);
}

#define NOT_PROVEN "the other side did not prove that it has the same key"
#define REFUSED "the other side refused this side or uses another security mode: "
#define BAD_CERT "the other side's certificate was rejected: "

#define OTHER_MODE "the other side uses "

static void assert_begins(const char *text, const char *with)
{
	char head[128];

	snprintf(head, sizeof(head), "%.*s", (int)strlen(with), text);
	assert_string_equal(head, with);
}

static void check_outcome(const struct talk *t, int rc, const char *text)
{
	if (rc == 0)
		assert_string_equal(t->rc == 0 ? "" : t->e.text, "");
	else
		assert_begins(t->e.text, text);
	assert_int_equal(t->rc, rc);
}

struct row {
	struct who sender;
	struct who receiver;
	int sender_rc;
	const char *sender_text;
	int receiver_rc;
	const char *receiver_text;
};

static void try_rows(struct world *w, const struct row *rows, size_t n)
{
	struct talk a, b;

	for (size_t i = 0; i < n; i++) {
		talk(w, &rows[i].sender, &rows[i].receiver, &a, &b);
		check_outcome(&a, rows[i].sender_rc, rows[i].sender_text);
		check_outcome(&b, rows[i].receiver_rc, rows[i].receiver_text);
	}
}

static void psk_needs_the_same_key(void **state)
{
	static const struct row rows[] = {
		{ { .key = "key" }, { .key = "key" }, 0, "", 0, "" },
		{ { .key = "key" },
		  { .key = "key2" },
		  ERR_AUTH,
		  REFUSED,
		  ERR_AUTH,
		  NOT_PROVEN },
		{ { .key = "key2" },
		  { .key = "key" },
		  ERR_AUTH,
		  REFUSED,
		  ERR_AUTH,
		  NOT_PROVEN },
	};

	try_rows(*state, rows, sizeof(rows) / sizeof(rows[0]));
}

#define GOOD_SENDER                                                            \
	{                                                                      \
		.cert = "client", .ca = "ca", .host = "box.example"            \
	}
#define GOOD_RECEIVER                                                          \
	{                                                                      \
		.cert = "server", .ca = "ca"                                   \
	}

static void x509_needs_both_chains_and_the_host(void **state)
{
	static const struct row rows[] = {
		{ GOOD_SENDER, GOOD_RECEIVER, 0, "", 0, "" },
		{ { .cert = "client", .ca = "ca", .host = "127.0.0.1" },
		  GOOD_RECEIVER,
		  0,
		  "",
		  0,
		  "" },
		{ { .cert = "client", .ca = "ca", .host = "BOX.example." },
		  GOOD_RECEIVER,
		  0,
		  "",
		  0,
		  "" },
		{ { .cert = "client", .ca = "ca", .host = "other.example" },
		  GOOD_RECEIVER,
		  ERR_AUTH,
		  BAD_CERT "it is for box.example",
		  ERR_AUTH,
		  REFUSED },
		{ { .cert = "client", .ca = "ca", .host = "127.0.0.2" },
		  GOOD_RECEIVER,
		  ERR_AUTH,
		  BAD_CERT "it is for box.example",
		  ERR_AUTH,
		  REFUSED },
		/* A CN counts for nothing where there are names in the SAN. */
		{ { .cert = "client", .ca = "ca", .host = "server" },
		  GOOD_RECEIVER,
		  ERR_AUTH,
		  BAD_CERT "it is for box.example",
		  ERR_AUTH,
		  REFUSED },
		/* wrong CA, either side */
		{ { .cert = "client", .ca = "ca2", .host = "box.example" },
		  GOOD_RECEIVER,
		  ERR_AUTH,
		  BAD_CERT "it was issued by",
		  ERR_AUTH,
		  REFUSED "its --ca is not the CA" },
		{ GOOD_SENDER,
		  { .cert = "server2", .ca = "ca" },
		  ERR_AUTH,
		  BAD_CERT "it was issued by",
		  ERR_AUTH,
		  REFUSED "its --ca is not the CA" },
		{ GOOD_SENDER,
		  { .cert = "server", .ca = "ca2" },
		  ERR_AUTH,
		  REFUSED "its --ca is not the CA",
		  ERR_AUTH,
		  BAD_CERT "it was issued by" },
		{ { .cert = "client2", .ca = "ca", .host = "box.example" },
		  GOOD_RECEIVER,
		  ERR_AUTH,
		  REFUSED "its --ca is not the CA",
		  ERR_AUTH,
		  BAD_CERT "it was issued by" },
		{ { .cert = "lone", .ca = "ca", .host = "box.example" },
		  GOOD_RECEIVER,
		  ERR_AUTH,
		  REFUSED "its --ca is not the CA",
		  ERR_AUTH,
		  BAD_CERT "/CN=lone is self-signed" },
		/* expired, either side */
		{ GOOD_SENDER,
		  { .cert = "old-server", .ca = "ca" },
		  ERR_AUTH,
		  BAD_CERT "it expired on ",
		  ERR_AUTH,
		  REFUSED },
		{ { .cert = "old-client", .ca = "ca", .host = "box.example" },
		  GOOD_RECEIVER,
		  ERR_AUTH,
		  REFUSED "by its clock this side's certificate has expired",
		  ERR_AUTH,
		  BAD_CERT "it expired on " },
		/* each its own CA */
		{ { .cert = "client2", .ca = "ca", .host = "box.example" },
		  { .cert = "server", .ca = "ca2" },
		  0,
		  "",
		  0,
		  "" },
	};

	try_rows(*state, rows, sizeof(rows) / sizeof(rows[0]));
}

#define WRONG_PIN BAD_CERT "its public key is not the pinned one"

static void a_pin_needs_that_very_key(void **state)
{
	static const struct row rows[] = {
		/* lone2 has expired: dates do not count. */
		{ { .cert = "lone", .pin = "lone2" },
		  { .cert = "lone2", .pin = "lone" },
		  0,
		  "",
		  0,
		  "" },
		{ { .cert = "lone2", .pin = "lone" },
		  { .cert = "lone", .pin = "lone2" },
		  0,
		  "",
		  0,
		  "" },
		/* The key counts, not the certificate. */
		{ { .cert = "lone-renewed", .pin = "lone2" },
		  { .cert = "lone2", .pin = "lone" },
		  0,
		  "",
		  0,
		  "" },
		{ { .cert = "lone", .pin = "lone" },
		  { .cert = "lone2", .pin = "lone" },
		  ERR_AUTH,
		  WRONG_PIN,
		  ERR_AUTH,
		  REFUSED },
		{ { .cert = "lone", .pin = "lone2" },
		  { .cert = "lone2", .pin = "lone2" },
		  ERR_AUTH,
		  REFUSED,
		  ERR_AUTH,
		  WRONG_PIN },
		{ { .cert = "client", .pin = "lone2" },
		  { .cert = "lone2", .pin = "lone" },
		  ERR_AUTH,
		  REFUSED,
		  ERR_AUTH,
		  WRONG_PIN },
	};

	try_rows(*state, rows, sizeof(rows) / sizeof(rows[0]));
}

static void modes_do_not_mix(void **state)
{
	static const struct row rows[] = {
		{ { .key = "key" }, GOOD_RECEIVER, ERR_AUTH, "", ERR_AUTH, "" },
		{ GOOD_SENDER,
		  { .key = "key" },
		  ERR_AUTH,
		  OTHER_MODE,
		  ERR_AUTH,
		  OTHER_MODE },
		{ { .key = "key" },
		  { .cert = "lone", .pin = "lone" },
		  ERR_AUTH,
		  "",
		  ERR_AUTH,
		  "" },
		{ { .cert = "lone", .pin = "lone" },
		  { .key = "key" },
		  ERR_AUTH,
		  OTHER_MODE,
		  ERR_AUTH,
		  OTHER_MODE },
	};

	try_rows(*state, rows, sizeof(rows) / sizeof(rows[0]));
}

/* ------------------------------------------- peers made of OpenSSL directly */

struct raw {
	int fd;
	SSL_CTX *ctx;
	int is_server;
	/* PSK, where identity is set */
	char identity[KEY_IDENTITY_MAX];
	uint8_t psk[KEY_BYTES];
	int sha384;
	/* read until the end? */
	int drain;
	/* what happened */
	int connected;
	int reused;
	int alert; /* the one that was received, or -1 */
	unsigned tickets;
	unsigned key_updates;
	uint64_t bytes;
	int group;
	char cipher[64];
	char last[8]; /* the last bytes that were read */
};

static int raw_use_psk(SSL *ssl, const EVP_MD *md, const unsigned char **id,
		       size_t *id_len, SSL_SESSION **session)
{
	static const unsigned char suite256[] = { 0x13, 0x01 };
	static const unsigned char suite384[] = { 0x13, 0x02 };
	struct raw *r = SSL_get_app_data(ssl);
	SSL_SESSION *s = SSL_SESSION_new();

	(void)md;
	SSL_SESSION_set1_master_key(s, r->psk, sizeof(r->psk));
	SSL_SESSION_set_cipher(
		s, SSL_CIPHER_find(ssl, r->sha384 ? suite384 : suite256));
	SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION);
	*id = (const unsigned char *)r->identity;
	*id_len = strlen(r->identity);
	*session = s;
	return 1;
}

static int raw_find_psk(SSL *ssl, const unsigned char *id, size_t id_len,
			SSL_SESSION **session)
{
	const unsigned char *own;
	size_t own_len;

	(void)id;
	(void)id_len;
	return raw_use_psk(ssl, NULL, &own, &own_len, session);
}

static void raw_on_message(int write_p, int version, int type, const void *buf,
			   size_t len, SSL *ssl, void *arg)
{
	struct raw *r = arg;
	const unsigned char *p = buf;

	(void)version;
	(void)ssl;
	if (write_p || len == 0)
		return;
	if (type == SSL3_RT_HANDSHAKE && p[0] == SSL3_MT_NEWSESSION_TICKET)
		r->tickets++;
	if (type == SSL3_RT_HANDSHAKE && p[0] == SSL3_MT_KEY_UPDATE)
		r->key_updates++;
	if (type == SSL3_RT_ALERT && len == 2)
		r->alert = p[1];
}

static struct raw raw_make(int is_server)
{
	struct raw r = { .is_server = is_server, .alert = -1 };

	/* For both roles: a configuration file may hold commands of either, and
	 * OpenSSL 3.5 makes no context of a role that lacks one of them. */
	r.ctx = SSL_CTX_new(TLS_method());
	assert_non_null(r.ctx);
	SSL_CTX_set_verify(r.ctx, SSL_VERIFY_NONE, NULL);
	return r;
}

static void raw_set_cert(struct raw *r, struct world *w, const char *name)
{
	const struct cert *c = &w->certs[cert_index(name)];

	assert_int_equal(SSL_CTX_use_certificate(r->ctx, c->x509), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(r->ctx, c->key), 1);
}

/* The real identity and key of a key file, for a peer who knows them. */
static void raw_set_psk(struct raw *r, struct world *w, const char *name)
{
	static const uint8_t nonce[KEY_NONCE] = { 7 };
	uint8_t id_key[KEY_BYTES];
	struct err e = { 0 };
	struct key k;

	assert_int_equal(key_load(&k, place_path(w->place, name), &e), 0);
	assert_int_equal(key_derive_psk(NULL, &k, r->psk, id_key, &e), 0);
	assert_int_equal(key_identity(NULL, id_key, nonce, r->identity), 0);
	if (r->is_server)
		SSL_CTX_set_psk_find_session_callback(r->ctx, raw_find_psk);
	else
		SSL_CTX_set_psk_use_session_callback(r->ctx, raw_use_psk);
}

static void raw_talk(struct raw *r, SSL *ssl)
{
	char buf[16 * 1024];
	int n;

	r->connected = 1;
	r->reused = SSL_session_reused(ssl);
	r->group = (int)SSL_get_negotiated_group(ssl);
	snprintf(r->cipher, sizeof(r->cipher), "%s", SSL_get_cipher(ssl));
	if (r->drain)
		(void)SSL_write(ssl, "s", 1);
	while ((n = SSL_read(ssl, buf, sizeof(buf))) > 0) {
		r->bytes += (uint64_t)n;
		if (!r->drain)
			break;
	}
	SSL_shutdown(ssl);
}

static void *raw_run(void *arg)
{
	struct raw *r = arg;
	SSL *ssl = SSL_new(r->ctx);

	SSL_set_app_data(ssl, r);
	SSL_set_msg_callback(ssl, raw_on_message);
	SSL_set_msg_callback_arg(ssl, r);
	SSL_set_fd(ssl, r->fd);
	if ((r->is_server ? SSL_accept(ssl) : SSL_connect(ssl)) == 1)
		raw_talk(r, ssl);
	ERR_clear_error();
	SSL_free(ssl);
	close(r->fd);
	SSL_CTX_free(r->ctx);
	return NULL;
}

/* Our side with these credentials against the raw one. */
static void talk_raw(struct world *w, const struct who *who, struct raw *r,
		     struct talk *t)
{
	const enum net_role role = r->is_server ? NET_CONNECTS : NET_LISTENS;
	int fd[2];
	pthread_t thread;

	tcp_pair(fd);
	r->fd = fd[role == NET_LISTENS ? 0 : 1];
	*t = (struct talk){ .fd = fd[role == NET_CONNECTS ? 0 : 1],
			    .role = role,
			    .tls = need_tls(w, role, who) };
	assert_int_equal(pthread_create(&thread, NULL, raw_run, r), 0);
	run_talk(t);
	assert_int_equal(pthread_join(thread, NULL), 0);
	tls_free(t->tls);
}

static const struct who psk_who = { .key = "key" };

/* The silent fall-back of OpenSSL that our check is for. */
static void a_server_without_the_key_is_refused(void **state)
{
	struct raw r = raw_make(1);
	struct talk t;

	raw_set_cert(&r, *state, "lone");
	talk_raw(*state, &psk_who, &r, &t);
	check_outcome(&t, ERR_AUTH, OTHER_MODE);
	assert_int_equal(r.connected, 0);
}

static void a_client_without_the_key_is_refused(void **state)
{
	struct raw r = raw_make(0);
	struct talk t;

	raw_set_cert(&r, *state, "lone");
	talk_raw(*state, &psk_who, &r, &t);
	check_outcome(&t, ERR_AUTH, OTHER_MODE);
	assert_int_equal(r.connected, 0);
}

static void suites_of_another_hash_are_refused(void **state)
{
	struct raw r = raw_make(1);
	struct talk t;

	assert_int_equal(
		SSL_CTX_set_ciphersuites(r.ctx, "TLS_AES_256_GCM_SHA384"), 1);
	raw_set_cert(&r, *state, "lone");
	raw_set_psk(&r, *state, "key");
	r.sha384 = 1;
	talk_raw(*state, &psk_who, &r, &t);
	check_outcome(&t, ERR_AUTH, REFUSED);

	r = raw_make(0);
	assert_int_equal(
		SSL_CTX_set_ciphersuites(r.ctx, "TLS_AES_256_GCM_SHA384"), 1);
	raw_set_psk(&r, *state, "key");
	r.sha384 = 1;
	talk_raw(*state, &psk_who, &r, &t);
	check_outcome(&t, ERR_AUTH, NOT_PROVEN);
	assert_int_equal(r.connected, 0);
}

static void older_versions_are_refused(void **state)
{
	static const struct who x509 = GOOD_SENDER;
	static const struct who *const whos[] = { &psk_who, &x509 };
	struct raw r;
	struct talk t;

	for (size_t i = 0; i < 2; i++) {
		r = raw_make(1);
		SSL_CTX_set_max_proto_version(r.ctx, TLS1_2_VERSION);
		raw_set_cert(&r, *state, "server");
		talk_raw(*state, whos[i], &r, &t);
		check_outcome(&t, ERR_AUTH, REFUSED);
		assert_int_equal(r.connected, 0);

		r = raw_make(0);
		SSL_CTX_set_max_proto_version(r.ctx, TLS1_2_VERSION);
		raw_set_cert(&r, *state, "client");
		talk_raw(*state, whos[i], &r, &t);
		check_outcome(&t, ERR_AUTH, REFUSED);
		assert_non_null(strstr(t.e.text, "TLS 1.3"));
		assert_int_equal(r.connected, 0);
	}
}

static void no_client_certificate_is_refused(void **state)
{
	static const struct who x509 = GOOD_RECEIVER;
	static const struct who pin = { .cert = "lone", .pin = "lone" };
	static const struct who *const whos[] = { &x509, &pin };
	struct talk t;

	for (size_t i = 0; i < 2; i++) {
		struct raw r = raw_make(0);

		talk_raw(*state, whos[i], &r, &t);
		check_outcome(&t, ERR_AUTH, "the other side sent no certificate");
		/* TLS 1.3: the client learns of it only when it reads. */
		assert_int_equal(r.connected, 1);
		assert_int_equal(r.bytes, 0);
		assert_int_equal(r.alert, SSL_AD_CERTIFICATE_REQUIRED);
	}
}

/* A peer that knows the identity, but not the key, and one that knows
 * neither, are told the same. */
static void guesses_all_look_the_same(void **state)
{
	struct raw r = raw_make(0);
	struct talk t;
	int alert;

	raw_set_psk(&r, *state, "key");
	r.psk[0] ^= 1;
	talk_raw(*state, &psk_who, &r, &t);
	check_outcome(&t, ERR_AUTH, NOT_PROVEN);
	alert = r.alert;
	assert_true(alert >= 0);
	r = raw_make(0);
	raw_set_psk(&r, *state, "key");
	r.identity[strlen(r.identity) - 1] ^= 1;
	talk_raw(*state, &psk_who, &r, &t);
	check_outcome(&t, ERR_AUTH, NOT_PROVEN);
	assert_int_equal(r.alert, alert);
	assert_int_equal(r.connected, 0);
	/* A server that takes any identity, but has another key. */
	r = raw_make(1);
	raw_set_psk(&r, *state, "key");
	r.psk[0] ^= 1;
	talk_raw(*state, &psk_who, &r, &t);
	assert_int_equal(t.rc, ERR_AUTH);
	assert_int_equal(r.connected, 0);
}

/* ------------------------------------------------- what is on the wire */

struct flow {
	struct stream *s;
	const uint8_t *out;
	uint8_t *in;
	int rc;
	struct err e;
};

static void *flow_out(void *arg)
{
	struct flow *f = arg;
	size_t piece = 100 * KIB, off = 0, n;

	while (f->rc == 0 && off < DATA_BYTES) {
		n = DATA_BYTES - off < piece ? DATA_BYTES - off : piece;
		f->rc = send_bytes(f->s, f->out + off, n, &f->e);
		off += n;
	}
	if (f->rc == 0)
		f->rc = stream_flush(f->s, &f->e);
	return NULL;
}

static void *flow_in(void *arg)
{
	struct flow *f = arg;

	f->rc = stream_recv(f->s, f->in, DATA_BYTES, &f->e);
	return NULL;
}

static uint8_t *make_data(void)
{
	uint8_t *p = malloc(DATA_BYTES);

	assert_non_null(p);
	for (size_t i = 0; i < DATA_BYTES; i++)
		p[i] = (uint8_t)((i * 2654435761u) >> 11);
	return p;
}

/* A receiver of ours sends much to a raw client that counts messages. */
static void keys_are_updated_and_no_ticket_is_sent(void **state)
{
	struct raw r = raw_make(0);
	struct flow f = { .out = make_data() };
	struct tls *tls = need_tls(*state, 0, &psk_who);
	struct side b;
	pthread_t thread;
	int fd[2];

	tls_set_rekey(tls, 256 * KIB);
	raw_set_psk(&r, *state, "key");
	r.drain = 1;
	tcp_pair(fd);
	r.fd = fd[0];
	b = (struct side){ .fd = fd[1],
			   .tls = tls,
			   .timeout_ms = FIXTURE_TIMEOUT_MS };
	assert_int_equal(pthread_create(&thread, NULL, raw_run, &r), 0);
	side_open(&b);
	assert_non_null(b.s);
	f.s = b.s;
	flow_out(&f);
	assert_int_equal(f.rc, 0);
	assert_int_equal(stream_close(b.s, FIXTURE_TIMEOUT_MS, &f.e), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r.connected, 1);
	assert_int_equal(r.reused, 1);
	assert_int_equal(r.bytes, DATA_BYTES);
	assert_int_equal(r.tickets, 0);
	assert_within(r.key_updates, 11, 16);
	assert_string_equal(r.cipher, "TLS_AES_128_GCM_SHA256");
	/* X25519MLKEM768, where OpenSSL has it, which is no NID. */
	assert_true(r.group == NID_X25519 || (r.group & 0xffff) == 0x11ec);
	stream_free(b.s);
	tls_free(tls);
	memcpy(&f.in, &f.out, sizeof(f.in));
	free(f.in);
}

static void count_updates(int is_sent, int version, int type, const void *buf,
			  size_t len, SSL *ssl, void *arg)
{
	atomic_uint *counts = arg;

	(void)version;
	(void)ssl;
	if (type == SSL3_RT_HANDSHAKE && len > 0 &&
	    *(const unsigned char *)buf == SSL3_MT_KEY_UPDATE)
		atomic_fetch_add(&counts[is_sent != 0], 1);
}

static void watch_updates(struct tls *tls, atomic_uint counts[2])
{
	tls_set_rekey(tls, 64 * KIB);
	SSL_CTX_set_msg_callback(tls->ctx, count_updates);
	SSL_CTX_set_msg_callback_arg(tls->ctx, counts);
}

static void keys_are_updated_both_ways(void **state)
{
	/* taken, sent */
	atomic_uint of_client[2] = { 0 }, of_server[2] = { 0 };
	struct tls *client = need_tls(*state, 1, &psk_who);
	struct tls *server = need_tls(*state, 0, &psk_who);
	uint8_t *data = make_data(), *in = malloc(DATA_BYTES);
	struct flow out = { .out = data }, take = { .in = in };
	struct side a, b;
	pthread_t thread;

	watch_updates(client, of_client);
	watch_updates(server, of_server);
	open_sides(&a, &b, client, server, FIXTURE_TIMEOUT_MS);
	assert_true(a.s && b.s);
	for (int way = 0; way < 2; way++) {
		out.s = way == 0 ? a.s : b.s;
		take.s = way == 0 ? b.s : a.s;
		memset(in, 0, DATA_BYTES);
		assert_int_equal(pthread_create(&thread, NULL, flow_in, &take),
				 0);
		flow_out(&out);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(out.rc, 0);
		assert_int_equal(take.rc, 0);
		assert_memory_equal(in, data, DATA_BYTES);
	}
	/* Each 64 KiB and a part of a record; none before the first. */
	assert_within(of_client[1], 57, 63);
	assert_within(of_server[1], 57, 63);
	assert_int_equal(of_client[0], of_server[1]);
	assert_int_equal(of_server[0], of_client[1]);
	stream_free(a.s);
	stream_free(b.s);
	tls_free(client);
	tls_free(server);
	free(data);
	free(in);
}

static void the_other_suite_of_psk_works(void **state)
{
	struct raw r = raw_make(0);
	struct talk t;

	raw_set_psk(&r, *state, "key");
	assert_int_equal(
		SSL_CTX_set_ciphersuites(r.ctx, "TLS_CHACHA20_POLY1305_SHA256"),
		1);
	r.drain = 1;
	talk_raw(*state, &psk_who, &r, &t);
	check_outcome(&t, 0, "");
	assert_int_equal(r.reused, 1);
	assert_string_equal(r.cipher, "TLS_CHACHA20_POLY1305_SHA256");
}

static void certificates_use_the_fastest_suite(void **state)
{
	static const struct who x509 = GOOD_RECEIVER;
	struct raw r = raw_make(0);
	struct talk t;

	/* OpenSSL's client has AES-256 in front. */
	raw_set_cert(&r, *state, "client");
	r.drain = 1;
	talk_raw(*state, &x509, &r, &t);
	check_outcome(&t, 0, "");
	assert_string_equal(r.cipher, "TLS_AES_128_GCM_SHA256");
	assert_int_equal(r.tickets, 0);
}

/* ------------------------------------------------------ what is no TLS peer */

/* Open one side against bytes and, perhaps, an end. */
static int open_against(struct world *w, enum net_role role, const void *p,
			size_t n, int and_close, int timeout_ms, struct err *e)
{
	struct tls *tls = need_tls(w, role, &psk_who);
	const struct stream_config cfg = {
		.timeout_ms = FIXTURE_TIMEOUT_MS,
		.deadline_ms =
			timeout_ms ? clock_ms() + (uint64_t)timeout_ms : 0,
	};
	struct stream *s;
	int fd[2];

	tcp_pair(fd);
	assert_int_equal(send(fd[1], p, n, MSG_NOSIGNAL), n);
	if (and_close)
		assert_int_equal(shutdown(fd[1], SHUT_WR), 0);
	err_clear(e);
	s = tls_conn_open(fd[0], tls, &cfg, e);
	assert_null(s);
	close(fd[0]);
	close(fd[1]);
	tls_free(tls);
	return e->code;
}

static void plain_bytes_give_a_hint(void **state)
{
	static const char *const texts[] = { "fairy hello", "F",
					     "GETTING / HTTP/1.1\r\n\r\n",
					     "\x16QQQQQQQQQ" };
	static const char *const known[][2] = {
		{ "ferry/1 hello", "the other side uses a one-time code, " },
		{ "GET / HTTP/1.1\r\n\r\n",
		  "the other side is an HTTP client, not ferry" },
		{ "SSH-2.0-x\r\n", "the other side is ssh, not ferry" },
	};
	struct err e;

	for (int role = NET_LISTENS; role <= NET_CONNECTS; role++) {
		for (size_t i = 0; i < 4; i++) {
			assert_int_equal(
				open_against(*state, (enum net_role)role, texts[i],
					     strlen(texts[i]), 0, 0, &e),
				ERR_AUTH);
			assert_begins(e.text, REFUSED);
			assert_non_null(strstr(e.text, "--plain"));
		}
		for (size_t i = 0; i < 3; i++) {
			assert_int_equal(open_against(*state,
						      (enum net_role)role,
						      known[i][0],
						      strlen(known[i][0]), 0, 0,
						      &e),
					 ERR_AUTH);
			assert_begins(e.text, known[i][1]);
		}
	}
	/* An alert can be the first a sender sees, but no receiver. */
	assert_int_equal(
		open_against(*state, 1, "\x15\x03\x03\0\2\2\x28", 7, 0, 0, &e),
		ERR_AUTH);
	assert_begins(e.text, REFUSED);
	assert_null(strstr(e.text, "--plain"));
	assert_int_equal(
		open_against(*state, 0, "\x15\x03\x03\0\2\2\x28", 7, 0, 0, &e),
		ERR_AUTH);
}

static void an_end_in_the_handshake_is_a_loss(void **state)
{
	struct err e;

	for (int role = NET_LISTENS; role <= NET_CONNECTS; role++) {
		assert_int_equal(
			open_against(*state, (enum net_role)role, "", 0, 1, 0, &e),
			ERR_LOST);
		assert_non_null(strstr(e.text, "the same security mode"));
		assert_int_equal(open_against(*state, (enum net_role)role,
					      "\x16\x03\x01\x02\x00\x01", 6, 1,
					      0, &e),
				 ERR_LOST);
	}
}

static void *cancel_main(void *arg)
{
	struct timespec ts = { .tv_nsec = 50 * 1000 * 1000 };

	nanosleep(&ts, NULL);
	cancel_set(arg);
	return NULL;
}

/* In both roles, whether it waits when the token is set or begins later. */
static void a_handshake_can_be_cancelled(void **state)
{
	for (int role = NET_LISTENS; role <= NET_CONNECTS; role++) {
		struct tls *tls =
			need_tls(*state, (enum net_role)role, &psk_who);
		struct cancel cancel;
		const struct stream_config cfg = {
			.timeout_ms = FIXTURE_TIMEOUT_MS, .cancel = &cancel
		};
		uint64_t start = clock_ms();
		struct err e = { 0 };
		pthread_t thread;

		assert_int_equal(cancel_init(&cancel), 0);
		assert_int_equal(pthread_create(&thread, NULL, cancel_main,
						&cancel),
				 0);
		for (int i = 0; i < 2; i++) {
			int fd[2];

			tcp_pair(fd);
			err_clear(&e);
			assert_null(tls_conn_open(fd[0], tls, &cfg, &e));
			assert_int_equal(e.code, ERR_INTERRUPTED);
			close(fd[0]);
			close(fd[1]);
		}
		/* A tick of the stream's waits is a second. */
		assert_true(clock_ms() - start < scaled(10000));
		assert_int_equal(pthread_join(thread, NULL), 0);
		cancel_release(&cancel);
		tls_free(tls);
	}
}

static void silence_in_the_handshake_times_out(void **state)
{
	struct err e;
	uint64_t start = clock_ms();

	assert_int_equal(open_against(*state, 0, "\x16\x03\x01", 3, 0, 150, &e),
			 ERR_TIMEOUT);
	assert_int_equal(open_against(*state, 1, "", 0, 0, 150, &e),
			 ERR_TIMEOUT);
	assert_within(clock_ms() - start, 300, scaled(5000));
}

static void a_long_handshake_is_cut(void **state)
{
	char junk[20000];
	struct err e;

	/* A ClientHello said to be long: nothing is wrong with it so far. */
	memset(junk, 0, sizeof(junk));
	memcpy(junk, "\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb\x03\x03", 11);
	assert_int_equal(open_against(*state, 0, junk, sizeof(junk), 0, 0, &e),
			 ERR_AUTH);
	assert_non_null(strstr(e.text, "too long"));
}

/* Our own hello comes back: whoever echoes must not pass for a peer. */
static void an_echo_is_refused(void **state)
{
	struct talk t = { .role = NET_CONNECTS };
	struct pollfd pfd = { .events = POLLIN };
	char buf[4096];
	pthread_t thread;
	ssize_t n;
	int fd[2];

	tcp_pair(fd);
	t.fd = fd[0];
	t.tls = need_tls(*state, 1, &psk_who);
	assert_int_equal(pthread_create(&thread, NULL, run_talk, &t), 0);
	pfd.fd = fd[1];
	while (poll(&pfd, 1, FIXTURE_TIMEOUT_MS) == 1 &&
	       (n = recv(fd[1], buf, sizeof(buf), 0)) > 0)
		(void)send(fd[1], buf, (size_t)n, MSG_NOSIGNAL);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(fd[1]);
	tls_free(t.tls);
	check_outcome(&t, ERR_AUTH, NOT_PROVEN);
}

/* --------------------------------------------------- after the handshake */

static void *open_and_free(void *arg)
{
	side_open(arg);
	stream_free(((struct side *)arg)->s);
	return NULL;
}

/* The receiver's refusal comes while we are sending already. */
static void a_late_refusal_is_found_while_sending(void **state)
{
	static const struct who sender = { .cert = "client2",
					   .ca = "ca",
					   .host = "box.example" };
	static const struct who receiver = GOOD_RECEIVER;
	struct tls *client = need_tls(*state, 1, &sender);
	struct tls *server = need_tls(*state, 0, &receiver);
	uint8_t *data = make_data();
	struct side a, b;
	pthread_t thread;
	int fd[2], rc;

	tcp_pair(fd);
	a = (struct side){ .fd = fd[0],
			   .tls = client,
			   .timeout_ms = FIXTURE_TIMEOUT_MS };
	b = (struct side){ .fd = fd[1],
			   .tls = server,
			   .timeout_ms = FIXTURE_TIMEOUT_MS };
	assert_int_equal(pthread_create(&thread, NULL, open_and_free, &b), 0);
	side_open(&a);
	assert_non_null(a.s);
	do
		rc = send_bytes(a.s, data, DATA_BYTES, &a.e);
	while (rc == 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_begins(a.e.text, REFUSED "its --ca is not the CA");
	assert_int_equal(rc, ERR_AUTH);
	assert_int_equal(b.e.code, ERR_AUTH);
	stream_free(a.s);
	tls_free(client);
	tls_free(server);
	free(data);
}

/* Passes bytes both ways, and flips a bit once it is told to. */
struct wire {
	int fd[2];
	int spoil; /* eventfd */
};

static void *run_wire(void *arg)
{
	struct wire *w = arg;
	struct pollfd fds[2] = { { .fd = w->fd[0], .events = POLLIN },
				 { .fd = w->fd[1], .events = POLLIN } };
	eventfd_t told;
	char buf[4096];
	ssize_t n;

	while (poll(fds, 2, FIXTURE_TIMEOUT_MS) > 0) {
		int from = fds[0].revents ? 0 : 1;

		n = recv(w->fd[from], buf, sizeof(buf), 0);
		if (n <= 0)
			break;
		if (eventfd_read(w->spoil, &told) == 0)
			buf[n - 1] ^= 1;
		(void)send(w->fd[!from], buf, (size_t)n, MSG_NOSIGNAL);
	}
	shutdown(w->fd[0], SHUT_RDWR);
	shutdown(w->fd[1], SHUT_RDWR);
	return NULL;
}

static void a_flipped_bit_is_found(void **state)
{
	struct tls *client = need_tls(*state, 1, &psk_who);
	struct tls *server = need_tls(*state, 0, &psk_who);
	struct wire w = { .spoil = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	struct side a = { .tls = client, .timeout_ms = FIXTURE_TIMEOUT_MS };
	struct side b = { .tls = server, .timeout_ms = FIXTURE_TIMEOUT_MS };
	pthread_t wire, thread;
	char in[10];
	int left[2], right[2];

	tcp_pair(left);
	tcp_pair(right);
	a.fd = left[0];
	w.fd[0] = left[1];
	b.fd = right[0];
	w.fd[1] = right[1];
	assert_int_equal(pthread_create(&wire, NULL, run_wire, &w), 0);
	assert_int_equal(pthread_create(&thread, NULL, side_open, &b), 0);
	side_open(&a);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(a.s && b.s);
	assert_int_equal(send_bytes(a.s, "0123456789", 10, &a.e), 0);
	assert_int_equal(stream_flush(a.s, &a.e), 0);
	assert_int_equal(stream_recv(b.s, in, 10, &b.e), 0);
	assert_int_equal(eventfd_write(w.spoil, 1), 0);
	assert_int_equal(send_bytes(a.s, "0123456789", 10, &a.e), 0);
	assert_int_equal(stream_flush(a.s, &a.e), 0);
	assert_int_equal(stream_recv(b.s, in, 10, &b.e), ERR_CORRUPT);
	/* It stays so, and the alert tells the other side. */
	assert_int_equal(stream_recv(b.s, in, 10, &b.e), ERR_CORRUPT);
	assert_int_equal(stream_recv(a.s, in, 10, &a.e), ERR_CORRUPT);
	stream_free(a.s);
	stream_free(b.s);
	assert_int_equal(pthread_join(wire, NULL), 0);
	close(w.fd[0]);
	close(w.fd[1]);
	close(w.spoil);
	tls_free(client);
	tls_free(server);
}

/* A thread that opens a stream, or goes on with an open one, and lives on. */
struct lingerer {
	struct side side;
	int rc;
	int done;
	int leave;
};

static void *use_and_linger(void *arg)
{
	struct lingerer *l = arg;
	struct flow f = { .s = l->side.s };
	eventfd_t value;

	if (!f.s) {
		side_open(&l->side);
		l->rc = l->side.e.code;
	} else {
		f.out = f.in = make_data();
		if (l->side.sends)
			flow_out(&f);
		else
			flow_in(&f);
		l->rc = f.rc;
		free(f.in);
	}
	(void)eventfd_write(l->done, 1);
	(void)eventfd_read(l->leave, &value);
	return NULL;
}

static void linger(const struct side *side, pthread_t *thread,
		   struct lingerer *l)
{
	*l = (struct lingerer){ .side = *side,
				.done = eventfd(0, EFD_CLOEXEC),
				.leave = eventfd(0, EFD_CLOEXEC) };
	assert_int_equal(pthread_create(thread, NULL, use_and_linger, l), 0);
}

/* OpenSSL keeps things of a library context for each thread that used it. */
static void a_thread_may_outlive_the_credentials(void **state)
{
	struct tls *client = need_tls(*state, 1, &psk_who);
	struct tls *server = need_tls(*state, 0, &psk_who);
	struct side a = { .tls = client,
			  .sends = 1,
			  .timeout_ms = FIXTURE_TIMEOUT_MS };
	struct side b = { .tls = server, .timeout_ms = FIXTURE_TIMEOUT_MS };
	struct lingerer l[4];
	pthread_t thread[4];
	eventfd_t value;
	int fd[2];

	tcp_pair(fd);
	a.fd = fd[0];
	b.fd = fd[1];
	tls_set_rekey(client, 64 * KIB);
	for (int i = 0; i < 4; i += 2) {
		/* First two that make the handshake, then two for the data. */
		linger(i == 0 ? &a : &l[0].side, &thread[i], &l[i]);
		linger(i == 0 ? &b : &l[1].side, &thread[i + 1], &l[i + 1]);
		for (int k = i; k < i + 2; k++) {
			assert_int_equal(eventfd_read(l[k].done, &value), 0);
			assert_int_equal(l[k].rc, 0);
		}
	}
	/* Freed in a third place. */
	stream_free(l[0].side.s);
	stream_free(l[1].side.s);
	tls_free(client);
	tls_free(server);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(eventfd_write(l[i].leave, 1), 0);
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		close(l[i].done);
		close(l[i].leave);
	}
}

/* ----------------------------------------------------------- credentials */

static void bad_credentials_are_reported(void **state)
{
	const char *const short_pin = "sha256:00";
	const char *const good_pin = ((struct world *)*state)->pins[0];
	const char *const bad_pin = good_pin + 1;
	struct world *w = *state;
	char pem[256], key[256], psk[256], open_key[256], locked[256];
	char empty[256], absent[256];
	BIO *bio = BIO_new(BIO_s_mem());
	char password[] = "password";
	const struct {
		struct tls_config cfg;
		int rc;
		const char *text;
	} rows[] = {
		{ { .mode = SECURITY_NONE }, ERR_USAGE, "TLS needs" },
		{ { .mode = SECURITY_PLAIN }, ERR_USAGE, "TLS needs" },
		{ { .mode = SECURITY_PSK }, ERR_USAGE, "--key" },
		{ { .mode = SECURITY_PSK, .key_file = absent },
		  ERR_LOCAL,
		  absent },
		{ { .mode = SECURITY_PSK, .key_file = pem },
		  ERR_USAGE,
		  "chmod 600" },
		{ { .mode = SECURITY_PSK, .key_file = key },
		  ERR_USAGE,
		  "not a key file" },
		{ { .mode = SECURITY_X509,
		    .cert_file = pem,
		    .cert_key_file = key },
		  ERR_USAGE,
		  "--ca" },
		{ { .mode = SECURITY_X509, .cert_file = pem, .ca_file = pem },
		  ERR_USAGE,
		  "--cert-key" },
		{ { .mode = SECURITY_X509,
		    .cert_key_file = key,
		    .ca_file = pem },
		  ERR_USAGE,
		  "--cert" },
		{ { .mode = SECURITY_X509,
		    .cert_file = pem,
		    .cert_key_file = key,
		    .ca_file = pem,
		    .role = NET_CONNECTS },
		  ERR_USAGE,
		  "host name" },
		{ { .mode = SECURITY_X509,
		    .cert_file = absent,
		    .cert_key_file = key,
		    .ca_file = pem },
		  ERR_LOCAL,
		  absent },
		{ { .mode = SECURITY_X509,
		    .cert_file = pem,
		    .cert_key_file = key,
		    .ca_file = absent },
		  ERR_LOCAL,
		  absent },
		{ { .mode = SECURITY_X509,
		    .cert_file = pem,
		    .cert_key_file = key,
		    .ca_file = empty },
		  ERR_USAGE,
		  "no certificate" },
		{ { .mode = SECURITY_X509,
		    .cert_file = key,
		    .cert_key_file = key,
		    .ca_file = pem },
		  ERR_USAGE,
		  "no certificate" },
		{ { .mode = SECURITY_X509,
		    .cert_file = pem,
		    .cert_key_file = open_key,
		    .ca_file = pem },
		  ERR_USAGE,
		  "chmod 600" },
		{ { .mode = SECURITY_X509,
		    .cert_file = pem,
		    .cert_key_file = locked,
		    .ca_file = pem },
		  ERR_USAGE,
		  "password" },
		{ { .mode = SECURITY_X509,
		    .cert_file = pem,
		    .cert_key_file = psk,
		    .ca_file = pem },
		  ERR_USAGE,
		  "no private key" },
		{ { .mode = SECURITY_X509,
		    .cert_file = place_path(w->place, "client.pem"),
		    .cert_key_file = key,
		    .ca_file = pem },
		  ERR_USAGE,
		  "not the private key" },
		{ { .mode = SECURITY_PIN,
		    .cert_file = pem,
		    .cert_key_file = key },
		  ERR_USAGE,
		  "64 hex digits" },
		{ { .mode = SECURITY_PIN,
		    .cert_file = pem,
		    .cert_key_file = key,
		    .pins = &short_pin,
		    .pin_count = 1 },
		  ERR_USAGE,
		  "64 hex digits" },
		{ { .mode = SECURITY_PIN,
		    .cert_file = pem,
		    .cert_key_file = key,
		    .pins = &bad_pin, .pin_count = 1 },
		  ERR_USAGE,
		  "64 hex digits" },
		{ { .mode = SECURITY_PIN,
		    .cert_file = pem,
		    .ca_file = pem,
		    .cert_key_file = key,
		    .pins = &good_pin, .pin_count = 1 },
		  ERR_USAGE,
		  "exclude each other" },
		{ { .mode = SECURITY_PIN, .pins = &good_pin, .pin_count = 1 },
		  ERR_USAGE,
		  "--cert" },
	};

	snprintf(pem, sizeof(pem), "%s/server.pem", w->place->dir);
	snprintf(key, sizeof(key), "%s/server.key", w->place->dir);
	snprintf(psk, sizeof(psk), "%s/key", w->place->dir);
	snprintf(open_key, sizeof(open_key), "%s/open", w->place->dir);
	snprintf(locked, sizeof(locked), "%s/locked", w->place->dir);
	snprintf(empty, sizeof(empty), "%s/empty", w->place->dir);
	snprintf(absent, sizeof(absent), "%s/absent", w->place->dir);
	place_write(open_key, "x", 1, 0640);
	place_write(empty, "", 0, 0600);
	assert_int_equal(PEM_write_bio_PrivateKey(
				 bio, w->certs[2].key, EVP_aes_128_cbc(),
				 (unsigned char *)password, 8, NULL, NULL),
			 1);
	write_bio(locked, bio, 0600);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = { 0 };

		assert_null(tls_new(&rows[i].cfg, &e));
		assert_int_equal(e.code, rows[i].rc);
		assert_non_null(strstr(e.text, rows[i].text));
	}
	tls_free(NULL);
}

static void modes_have_names(void **state)
{
	(void)state;
	assert_string_equal(security_name(SECURITY_PLAIN), "plain");
	assert_string_equal(security_name(SECURITY_PSK), "psk");
	assert_string_equal(security_name(SECURITY_X509), "x509");
	assert_string_equal(security_name(SECURITY_PIN), "pin");
	assert_string_equal(security_name(SECURITY_CODE), "code");
}

/*
 * The last one, for it changes OpenSSL's settings for the whole process: an
 * openssl.cnf that wants everything otherwise is loaded, and nothing changes.
 */
static void a_configuration_file_changes_nothing(void **state)
{
	static const char cnf[] = "openssl_conf = init\n"
				  "[init]\nssl_conf = ssl\n"
				  "[ssl]\nsystem_default = all\n"
				  "[all]\n"
				  "MinProtocol = TLSv1\nMaxProtocol = TLSv1.2\n"
				  "Ciphersuites = TLS_AES_256_GCM_SHA384\n"
				  "Groups = P-521\n"
				  "SignatureAlgorithms = RSA+SHA512\n"
				  "ClientSignatureAlgorithms = RSA+SHA512\n"
				  "Options = AllowNoDHEKEX,NoRenegotiation,"
				  "UnsafeLegacyRenegotiation\n"
				  "NumTickets = 4\n"
				  "RecordPadding = 4096\n"
				  "VerifyMode = Request\n";
	struct world *w = *state;
	const char *path = place_path(w->place, "cnf");
	struct raw r;
	struct talk t;
	SSL_CTX *ctx;

	place_write(path, cnf, sizeof(cnf) - 1, 0644);
	assert_true(CONF_modules_load_file(path, NULL, 0) > 0);
	/* It does change what others make. */
	ctx = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_get_num_tickets(ctx), 4);
	assert_int_equal(SSL_CTX_get_max_proto_version(ctx), TLS1_2_VERSION);
	SSL_CTX_free(ctx);
	psk_needs_the_same_key(state);
	a_pin_needs_that_very_key(state);
	r = raw_make(0);
	assert_int_equal(SSL_CTX_set_max_proto_version(r.ctx, 0), 1);
	assert_int_equal(SSL_CTX_set_block_padding(r.ctx, 0), 1);
	assert_int_equal(SSL_CTX_set_ciphersuites(r.ctx,
						  "TLS_AES_256_GCM_SHA384:"
						  "TLS_AES_128_GCM_SHA256"),
			 1);
	assert_int_equal(SSL_CTX_set1_groups_list(r.ctx, "P-521:X25519"), 1);
	raw_set_psk(&r, w, "key");
	r.drain = 1;
	talk_raw(w, &psk_who, &r, &t);
	check_outcome(&t, 0, "");
	assert_int_equal(r.reused, 1);
	assert_int_equal(r.tickets, 0);
	assert_int_equal(r.group, NID_X25519);
	assert_string_equal(r.cipher, "TLS_AES_128_GCM_SHA256");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(psk_needs_the_same_key),
		cmocka_unit_test(x509_needs_both_chains_and_the_host),
		cmocka_unit_test(a_pin_needs_that_very_key),
		cmocka_unit_test(modes_do_not_mix),
		cmocka_unit_test(a_server_without_the_key_is_refused),
		cmocka_unit_test(a_client_without_the_key_is_refused),
		cmocka_unit_test(suites_of_another_hash_are_refused),
		cmocka_unit_test(older_versions_are_refused),
		cmocka_unit_test(no_client_certificate_is_refused),
		cmocka_unit_test(guesses_all_look_the_same),
		cmocka_unit_test(keys_are_updated_and_no_ticket_is_sent),
		cmocka_unit_test(keys_are_updated_both_ways),
		cmocka_unit_test(the_other_suite_of_psk_works),
		cmocka_unit_test(certificates_use_the_fastest_suite),
		cmocka_unit_test(plain_bytes_give_a_hint),
		cmocka_unit_test(an_end_in_the_handshake_is_a_loss),
		cmocka_unit_test(a_handshake_can_be_cancelled),
		cmocka_unit_test(silence_in_the_handshake_times_out),
		cmocka_unit_test(a_long_handshake_is_cut),
		cmocka_unit_test(an_echo_is_refused),
		cmocka_unit_test(a_late_refusal_is_found_while_sending),
		cmocka_unit_test(a_flipped_bit_is_found),
		cmocka_unit_test(a_thread_may_outlive_the_credentials),
		cmocka_unit_test(bad_credentials_are_reported),
		cmocka_unit_test(modes_have_names),
		cmocka_unit_test(a_configuration_file_changes_nothing),
	};

	/* The raw peers write with write(2).  Ours must do without this:
	 * test_stream.c leaves the signal deadly. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, world_make, world_remove);
}
