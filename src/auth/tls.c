/*
 * Credentials, made into an SSL_CTX that openssl.cnf does not affect.  Three
 * measures ensure that: a library context of our own, which the file's
 * providers and default properties do not reach; the file is not loaded if
 * ferry is the first to use OpenSSL in the process; and every setting that
 * matters is made here explicitly, since once the file was loaded libssl
 * applies its "system_default" section to every SSL_CTX of the process.
 */
#include "auth/tls.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "auth/cert_text.h"
#include "auth/tls_priv.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/num.h"
#include "base/text.h"
#include "net/addr.h"
#include "os/locked.h"

#define PIN_PREFIX "sha256:"
/* The PSK identity with one-time codes; key_identity() makes those of shared
 * keys.  It says "sender" because only a sender could connect when it was
 * chosen. */
#define CODE_IDENTITY "ferry/1 sender code"
#define PSK_SUITES "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
/* AES-128 first: it is the fastest with AES in hardware. */
#define CERT_SUITES                                                            \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"                       \
	"TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256"
/*
 * The same with the hybrid of ML-KEM-768 and X25519 first, against those who
 * record sessions now and have a quantum computer later.  As OpenSSL 3.5 writes
 * it: a client sends shares of both (*), so that a server without the hybrid
 * needs no further round trip, and a server prefers what stands before the
 * slash.
 */
#define GROUPS_HYBRID "*X25519MLKEM768/*X25519:P-256"
/* RSA with PKCS #1 (RSA+SHA*) is for signatures in certificates only. */
#define SIGALGS                                                                \
	"ECDSA+SHA256:ed25519:ECDSA+SHA384:ECDSA+SHA512:ed448:"                \
	"RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"                        \
	"rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"            \
	"RSA+SHA256:RSA+SHA384:RSA+SHA512"

enum {
	SECRET_FILE_MAX = 64 * 1024,
	CERT_FILE_MAX = 4 * 1024 * 1024,
	/* Limits on the certificates that a peer may send. */
	PEER_CHAIN_MAX = 32 * 1024,
	CHAIN_DEPTH_MAX = 8,
	SECURITY_LEVEL = 2, /* 112 bits: RSA 2048, SHA-256 */
	DATES_MAX = 160,
	PATH_SHOWN = 200,
};

_Static_assert((int)TLS_PSK_BYTES == (int)KEY_BYTES, "one size of PSK");

static const uint64_t rekey_default = (uint64_t)1 << 36;

const char *security_name(enum security mode)
{
	switch (mode) {
	case SECURITY_PLAIN:
		return "plain";
	case SECURITY_PSK:
		return "psk";
	case SECURITY_X509:
		return "x509";
	case SECURITY_PIN:
		return "pin";
	case SECURITY_CODE:
		return "code";
	case SECURITY_SSH:
		return "ssh";
	case SECURITY_NONE:
		break;
	}
	return "none";
}

/* --------------------------------------------------------- reading files */

/* Read the whole file.  It may hold a key, so the buffer is one for secrets. */
static int read_file(int fd, const char *path, size_t max, struct buf *b,
		 struct err *e)
{
	uint8_t *p;
	ssize_t n;

	buf_init_secret(b, max + 1);
	p = buf_extend(b, max + 1);
	if (!p)
		return err_set(e, ERR_RESOURCE, "out of memory");
	n = io_read(fd, p, max + 1);
	if (n < 0)
		return err_sys(e, ERR_LOCAL, "cannot read %s", path);
	if ((size_t)n > max)
		return err_set(e, ERR_USAGE, "%s is too large", path);
	b->len = (size_t)n;
	return 0;
}

/* Never ask for a password at the terminal; record that one is needed. */
static int no_password(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(int *)asked = 1;
	return -1;
}

static int parse_certs(const struct tls *t, BIO *bio, const char *path,
		       STACK_OF(X509) * certs, struct err *e)
{
	int asked = 0;
	X509 *cert;

	for (;;) {
		cert = X509_new_ex(t->libctx, NULL);
		if (!cert)
			return err_set(e, ERR_RESOURCE, "out of memory");
		ERR_clear_error();
		if (!PEM_read_bio_X509(bio, &cert, no_password, &asked)) {
			X509_free(cert);
			break;
		}
		if (!sk_X509_push(certs, cert)) {
			X509_free(cert);
			return err_set(e, ERR_RESOURCE, "out of memory");
		}
	}
	if (sk_X509_num(certs) > 0 &&
	    ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
		ERR_clear_error();
		return 0;
	}
	return err_set(e, ERR_USAGE, "%s contains %s: it must be in PEM format",
		       path,
		       sk_X509_num(certs) > 0 ? "a damaged certificate"
					      : "no certificate");
}

/* The certificates of a PEM file, at least one.  The caller frees the stack
 * with its content, also on failure. */
static int load_certs(const struct tls *t, const char *path,
		      STACK_OF(X509) * *certs, struct err *e)
{
	struct buf b = { 0 };
	BIO *bio = NULL;
	int rc, fd;

	fd = key_open_file(path, e);
	if (fd < 0)
		return fd;
	rc = read_file(fd, path, CERT_FILE_MAX, &b, e);
	if (rc < 0)
		goto out;
	*certs = sk_X509_new_null();
	bio = BIO_new_mem_buf(b.data, (int)b.len);
	if (!*certs || !bio)
		rc = err_set(e, ERR_RESOURCE, "out of memory");
	else
		rc = parse_certs(t, bio, path, *certs, e);
out:
	BIO_free(bio);
	buf_release(&b);
	io_close(&fd);
	return rc;
}

static int load_private_key(const struct tls *t, const char *path,
			    EVP_PKEY **key, struct err *e)
{
	struct buf b = { 0 };
	BIO *bio = NULL;
	int asked = 0, rc, fd;

	fd = key_open_secret(path, e);
	if (fd < 0)
		return fd;
	rc = read_file(fd, path, SECRET_FILE_MAX, &b, e);
	if (rc < 0)
		goto out;
	bio = BIO_new_mem_buf(b.data, (int)b.len);
	if (bio)
		*key = PEM_read_bio_PrivateKey_ex(bio, NULL, no_password,
						  &asked, t->libctx, NULL);
	if (!bio)
		rc = err_set(e, ERR_RESOURCE, "out of memory");
	else if (!*key)
		rc = err_set(e, ERR_USAGE,
			     asked ? "the private key in %s is protected by "
				     "a password, which ferry cannot ask for"
				   : "%s contains no private key in PEM format",
			     path);
	ERR_clear_error();
out:
	BIO_free(bio);
	buf_release(&b);
	io_close(&fd);
	return rc;
}

/* ------------------------------------------------------- pre-shared key */

SSL_SESSION *tls_psk_session(SSL *ssl, const uint8_t psk[KEY_BYTES])
{
	static const unsigned char aes_128_gcm_sha256[] = { 0x13, 0x01 };
	const SSL_CIPHER *suite = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
	SSL_SESSION *s = SSL_SESSION_new();

	if (suite && s && SSL_SESSION_set1_master_key(s, psk, KEY_BYTES) &&
	    SSL_SESSION_set_cipher(s, suite) &&
	    SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION))
		return s;
	SSL_SESSION_free(s);
	return NULL;
}

int tls_identity(const struct tls *t, const uint8_t nonce[KEY_NONCE],
		 char identity[KEY_IDENTITY_MAX])
{
	if (t->mode == SECURITY_PSK)
		return key_identity(t->libctx, t->keys[0].id_key, nonce,
				    identity);
	snprintf(identity, KEY_IDENTITY_MAX, "%s", CODE_IDENTITY);
	return 0;
}

static int is_identity(const struct tls *t, const struct tls_key *k,
		       const uint8_t *id, size_t n)
{
	if (t->mode == SECURITY_PSK)
		return key_is_identity(t->libctx, k->id_key, id, n);
	return n == sizeof(CODE_IDENTITY) - 1 &&
	       memcmp(id, CODE_IDENTITY, n) == 0;
}

/* All keys are tried, so that the time does not tell which one it was. */
const uint8_t *tls_find_psk(const struct tls *t, const uint8_t *id, size_t n,
			    size_t *key)
{
	const uint8_t *found = t->decoy;

	for (size_t i = 0; t->has_psk && i < t->key_count; i++) {
		if (is_identity(t, &t->keys[i], id, n)) {
			found = t->keys[i].psk;
			*key = i;
		}
	}
	return found;
}

/* With a PSK every certificate is rejected. */
static int on_refuse_cert(X509_STORE_CTX *store, void *ctx)
{
	(void)ctx;
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

static int setup_any_psk(struct tls *t, struct err *e)
{
	if (RAND_priv_bytes_ex(t->libctx, t->decoy, sizeof(t->decoy), 256) !=
		    1 ||
	    SSL_CTX_set_ciphersuites(t->ctx, PSK_SUITES) != 1)
		return err_set(e, ERR_RESOURCE, "cannot set up TLS");
	SSL_CTX_set_cert_verify_callback(t->ctx, on_refuse_cert, NULL);
	return 0;
}

static int make_keys(struct tls *t, size_t count, struct err *e)
{
	t->keys = locked_new((count + 1) * sizeof(*t->keys));
	if (!t->keys)
		return err_set(e, ERR_RESOURCE, "out of memory");
	t->key_count = count;
	return 0;
}

static int set_key(struct tls *t, struct tls_key *to, const struct key *k,
		   struct err *e)
{
	int rc = key_derive_psk(t->libctx, k, to->psk, to->id_key, e);

	return rc ? rc : key_name(t->libctx, k, to->name, e);
}

static int setup_psk(struct tls *t, const struct tls_config *cfg, struct err *e)
{
	const size_t count = cfg->keys ? cfg->key_count : 1;
	struct key k = { { 0 } };
	int rc = 0;

	if (!cfg->key_file && !cfg->keys)
		return err_set(e, ERR_USAGE, "missing key file (--key)");
	if (!cfg->keys)
		rc = key_load(&k, cfg->key_file, e);
	if (rc == 0)
		rc = make_keys(t, count, e);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = set_key(t, &t->keys[i], cfg->keys ? &cfg->keys[i] : &k, e);
	key_wipe(&k);
	if (rc < 0)
		return rc;
	t->has_psk = 1;
	return setup_any_psk(t, e);
}

static int setup_code(struct tls *t, struct err *e)
{
	int rc = make_keys(t, 1, e);

	if (rc)
		return rc;
	snprintf(t->keys[0].name, sizeof(t->keys[0].name), "code");
	return setup_any_psk(t, e);
}

void tls_set_psk(struct tls *t, const uint8_t psk[TLS_PSK_BYTES])
{
	memcpy(t->keys[0].psk, psk, KEY_BYTES);
	t->has_psk = 1;
}

/* --------------------------------------------------------- certificates */

static int setup_own_cert(struct tls *t, const struct tls_config *cfg,
			  struct err *e)
{
	STACK_OF(X509) *certs = NULL;
	EVP_PKEY *key = NULL;
	X509 *leaf = NULL;
	int rc;

	if (!cfg->cert_file || !cfg->cert_key_file)
		return err_set(e, ERR_USAGE,
			       "a certificate needs both --cert and "
			       "--cert-key");
	rc = load_certs(t, cfg->cert_file, &certs, e);
	if (rc == 0)
		rc = load_private_key(t, cfg->cert_key_file, &key, e);
	if (rc < 0)
		goto out;
	leaf = sk_X509_shift(certs);
	if (X509_check_private_key(leaf, key) != 1)
		rc = err_set(e, ERR_USAGE,
			     "%s is not the private key of the first "
			     "certificate in %s",
			     cfg->cert_key_file, cfg->cert_file);
	else if (SSL_CTX_use_cert_and_key(t->ctx, leaf, key, certs, 1) != 1)
		rc = err_set(e, ERR_USAGE,
			     "the certificate in %s cannot be used: %s",
			     cfg->cert_file,
			     ERR_reason_error_string(ERR_peek_last_error()));
out:
	ERR_clear_error();
	X509_free(leaf);
	EVP_PKEY_free(key);
	sk_X509_pop_free(certs, X509_free);
	return rc;
}

/* The host name or address that the server's certificate must carry. */
static int expect_host(struct tls *t, const char *host, struct err *e)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(t->ctx);
	char name[ADDR_HOST_MAX];
	size_t n;

	if (!host || !*host)
		return err_set(e, ERR_USAGE,
			       "missing host name to verify the certificate "
			       "against");
	/* Certificates contain neither the scope of an address nor the root's
	 * dot after a name. */
	n = strchr(host, ':') ? strcspn(host, "%") : strlen(host);
	if (n > 1 && host[n - 1] == '.')
		n--;
	if (n >= sizeof(name))
		return err_set(e, ERR_USAGE, "the host name is too long");
	memcpy(name, host, n);
	name[n] = '\0';
	snprintf(t->host, sizeof(t->host), "%s", name);
	X509_VERIFY_PARAM_set_hostflags(param,
					X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
		return 0;
	ERR_clear_error();
	if (X509_VERIFY_PARAM_set1_host(param, name, n) != 1)
		return err_set(e, ERR_RESOURCE, "out of memory");
	return 0;
}

static int copy_subjects(struct tls *t, const struct tls_config *cfg,
			 struct err *e)
{
	t->subjects = calloc(cfg->subject_count, sizeof(*t->subjects));
	while (t->subjects && t->subject_count < cfg->subject_count) {
		char *copy = strdup(cfg->subjects[t->subject_count]);

		if (!copy)
			break;
		t->subjects[t->subject_count++] = copy;
	}
	if (t->subject_count == cfg->subject_count)
		return 0;
	return err_set(e, ERR_RESOURCE, "out of memory");
}

int tls_find_subject(const struct tls *t, X509 *cert)
{
	char subject[TLS_CREDENTIAL_MAX];

	if (!t->subject_count)
		return 0;
	if (cert_text_of_subject(cert, subject, sizeof(subject)) < 0)
		return -1;
	for (size_t i = 0; i < t->subject_count; i++) {
		if (strcmp(t->subjects[i], subject) == 0)
			return (int)i;
	}
	return -1;
}

static int setup_x509(struct tls *t, const struct tls_config *cfg,
		      struct err *e)
{
	X509_STORE *store = SSL_CTX_get_cert_store(t->ctx);
	STACK_OF(X509) *cas = NULL;
	int rc;

	if (!cfg->ca_file)
		return err_set(e, ERR_USAGE,
			       "missing CA (--ca) or public key of the other "
			       "side (--pin)");
	rc = setup_own_cert(t, cfg, e);
	if (rc == 0)
		rc = load_certs(t, cfg->ca_file, &cas, e);
	for (int i = 0; rc == 0 && i < sk_X509_num(cas); i++) {
		if (X509_STORE_add_cert(store, sk_X509_value(cas, i)) != 1)
			rc = err_set(e, ERR_RESOURCE, "out of memory");
	}
	sk_X509_pop_free(cas, X509_free);
	/* A CA that the user names is trusted even if another CA signed it. */
	if (rc == 0 &&
	    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) != 1)
		rc = err_set(e, ERR_RESOURCE, "cannot set up TLS");
	if (rc == 0 && (t->role == NET_CONNECTS || cfg->host))
		rc = expect_host(t, cfg->host, e);
	if (rc == 0 && cfg->subject_count)
		rc = copy_subjects(t, cfg, e);
	return rc;
}

/* Returns 1; 0 when memory ran out. */
static int sha256(const struct tls *t, const void *p, size_t n,
		  uint8_t hash[TLS_PIN_BYTES])
{
	EVP_MD *md = EVP_MD_fetch(t->libctx, "SHA256", NULL);
	unsigned int len = 0;
	int ok = md && EVP_Digest(p, n, hash, &len, md, NULL) == 1 &&
		 len == TLS_PIN_BYTES;

	EVP_MD_free(md);
	return ok;
}

static int hash_spki(const struct tls *t, X509 *cert,
		     uint8_t hash[TLS_PIN_BYTES])
{
	unsigned char *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	int ok = n > 0 && sha256(t, der, (size_t)n, hash);

	OPENSSL_free(der);
	return ok;
}

int tls_find_pin(const struct tls *t, X509 *cert)
{
	uint8_t hash[TLS_PIN_BYTES];
	int found = -1;

	if (!hash_spki(t, cert, hash))
		return -1;
	for (size_t i = 0; i < t->pin_count; i++) {
		if (CRYPTO_memcmp(hash, t->pins[i], sizeof(hash)) == 0)
			found = (int)i;
	}
	return found;
}

void tls_peer_hash(const struct tls *t, X509 *cert, size_t key,
		   uint8_t hash[TLS_PIN_BYTES])
{
	const char *name = cert ? NULL : t->keys[key].name;

	if (cert ? !hash_spki(t, cert, hash) :
		   !sha256(t, name, strlen(name), hash))
		memset(hash, 0, TLS_PIN_BYTES);
}

/* Replaces OpenSSL's verification, so that chain and dates are ignored. */
static int on_check_pin(X509_STORE_CTX *store, void *ctx)
{
	X509 *cert = X509_STORE_CTX_get0_cert(store);

	if (cert && tls_find_pin(ctx, cert) >= 0) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

static int setup_pin(struct tls *t, const struct tls_config *cfg, struct err *e)
{
	size_t prefix = strlen(PIN_PREFIX);

	if (cfg->ca_file)
		return err_set(e, ERR_USAGE,
			       "--ca and --pin exclude each other");
	t->pins = calloc(cfg->pin_count + 1, sizeof(*t->pins));
	if (!t->pins)
		return err_set(e, ERR_RESOURCE, "out of memory");
	for (size_t i = 0; i < cfg->pin_count; i++) {
		const char *pin = cfg->pins[i];

		if (strncmp(pin, PIN_PREFIX, prefix) == 0 &&
		    hex_decode(t->pins[t->pin_count], TLS_PIN_BYTES,
			       pin + prefix) == 0)
			t->pin_count++;
	}
	if (t->pin_count == 0 || t->pin_count != cfg->pin_count)
		return err_set(e, ERR_USAGE,
			       "--pin needs 'sha256:' and 64 hex digits: the "
			       "SHA-256 of the other side's public key in DER "
			       "form");
	SSL_CTX_set_cert_verify_callback(t->ctx, on_check_pin, t);
	return setup_own_cert(t, cfg, e);
}

/* The first certificate that this side sends and that is not valid now: why
 * not. */
static int has_bad_own(const struct tls *t, const char *path, char *dst,
		       size_t size)
{
	const X509 *leaf = SSL_CTX_get0_certificate(t->ctx);
	STACK_OF(X509) *issuers = NULL;
	char why[DATES_MAX], shown[PATH_SHOWN];

	text_escape(shown, sizeof(shown), path, strlen(path));
	if (leaf && cert_text_of_bad_date(leaf, why, sizeof(why))) {
		snprintf(dst, size, "the certificate in %s %s: the other side "
			 "will refuse it (renew it, then reload or restart)",
			 shown, why);
		return 1;
	}
	SSL_CTX_get0_chain_certs(t->ctx, &issuers);
	for (int i = 0; i < sk_X509_num(issuers); i++) {
		if (!cert_text_of_bad_date(sk_X509_value(issuers, i), why,
					   sizeof(why)))
			continue;
		snprintf(dst, size, "certificate %d in %s, of an issuer, %s: "
			 "the other side may refuse it (renew it, then reload "
			 "or restart)", i + 2, shown, why);
		return 1;
	}
	return 0;
}

/* Whether no certificate of the CA file is valid now. */
static int has_bad_ca(const struct tls *t, const char *path, char *dst,
		      size_t size)
{
	const STACK_OF(X509_OBJECT) *all =
		X509_STORE_get0_objects(SSL_CTX_get_cert_store(t->ctx));
	char why[DATES_MAX], shown[PATH_SHOWN];

	text_escape(shown, sizeof(shown), path, strlen(path));
	*why = '\0';
	for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
		const X509 *ca =
			X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));

		if (ca && !cert_text_of_bad_date(ca, why, sizeof(why)))
			return 0;
	}
	snprintf(dst, size, "the CA certificate in %s %s: nobody will be "
		 "accepted (renew it, then reload or restart)", shown, why);
	return *why != '\0';
}

int tls_has_bad_dates(const struct tls *t, const struct tls_config *cfg,
		      char *text, size_t size)
{
	*text = '\0';
	/* with pins, nobody looks at dates */
	if (t->mode != SECURITY_X509)
		return 0;
	return has_bad_own(t, cfg->cert_file, text, size) ||
	       has_bad_ca(t, cfg->ca_file, text, size);
}

/* ------------------------------------------------------------ the context */

static int set_groups(SSL_CTX *ctx)
{
	if (SSL_CTX_set1_groups_list(ctx, GROUPS_HYBRID) == 1)
		return 1;
	/* An older OpenSSL knows neither the group nor the signs. */
	ERR_clear_error();
	return SSL_CTX_set1_groups_list(ctx, GROUPS) == 1;
}

/*
 * Settings of all modes.  Tickets are disabled, because a ticket that the
 * client has not read would make its close(2) a reset, which can destroy data.
 * This is done by a ticket count of 0 and not by SSL_OP_NO_TICKET, which in TLS
 * 1.3 makes the session cache grow (CVE-2024-2511).
 */
static int set_common_options(SSL_CTX *ctx)
{
	SSL_CTX_clear_options(ctx, ~(uint64_t)0);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
	SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
	SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ctx, 0);
	SSL_CTX_set_post_handshake_auth(ctx, 0);
	SSL_CTX_set_max_cert_list(ctx, PEER_CHAIN_MAX);
	SSL_CTX_set_verify_depth(ctx, CHAIN_DEPTH_MAX);
	SSL_CTX_set_verify(
		ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	/* The maximum first: a minimum above a maximum set by openssl.cnf would
	 * be refused. */
	return SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_ciphersuites(ctx, CERT_SUITES) == 1 &&
	       set_groups(ctx) &&
	       SSL_CTX_set1_sigalgs_list(ctx, SIGALGS) == 1 &&
	       SSL_CTX_set1_client_sigalgs_list(ctx, SIGALGS) == 1 &&
	       SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
	       SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
	       SSL_CTX_set_recv_max_early_data(ctx, 0) == 1 &&
	       SSL_CTX_set_block_padding(ctx, 0) == 1 &&
	       SSL_CTX_set_max_send_fragment(ctx, SSL3_RT_MAX_PLAIN_LENGTH) ==
		       1;
}

static int setup_context(struct tls *t, struct err *e)
{
	static const unsigned char id[] = { 'f', 'e', 'r', 'r', 'y' };

	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	t->libctx = OSSL_LIB_CTX_new();
	if (t->libctx)
		t->ctx = SSL_CTX_new_ex(t->libctx, NULL,
					t->role == NET_CONNECTS
						? TLS_client_method()
						: TLS_server_method());
	/* OpenSSL treats a PSK as session resumption, and a server that
	 * verifies peers resumes no session without a session id context.  A
	 * client must not have one. */
	if (t->ctx && set_common_options(t->ctx) &&
	    (t->role == NET_CONNECTS ||
	     SSL_CTX_set_session_id_context(t->ctx, id, sizeof(id)) == 1) &&
	    SSL_CTX_set_app_data(t->ctx, t))
		return 0;
	return err_set(e, ERR_RESOURCE, "cannot set up TLS");
}

static int setup_mode(struct tls *t, const struct tls_config *cfg,
		      struct err *e)
{
	switch (t->mode) {
	case SECURITY_PSK:
		return setup_psk(t, cfg, e);
	case SECURITY_X509:
		return setup_x509(t, cfg, e);
	case SECURITY_PIN:
		return setup_pin(t, cfg, e);
	case SECURITY_CODE:
		return setup_code(t, e);
	case SECURITY_NONE:
	case SECURITY_PLAIN:
	case SECURITY_SSH:
		break;
	}
	return err_set(e, ERR_USAGE,
		       "TLS needs a key, or a certificate with a CA or a pin");
}

struct tls *tls_new(const struct tls_config *cfg, struct err *e)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (!t) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	t->mode = cfg->mode;
	t->role = cfg->role;
	t->rekey_bytes = rekey_default;
	if (setup_context(t, e) < 0 || setup_mode(t, cfg, e) < 0) {
		tls_free(t);
		return NULL;
	}
	tls_leave_thread(t);
	return t;
}

static int is_twin(const struct tls *t, size_t a, size_t b)
{
	if (t->mode == SECURITY_PSK)
		return strcmp(t->keys[a].name, t->keys[b].name) == 0;
	if (t->mode == SECURITY_PIN)
		return memcmp(t->pins[a], t->pins[b], TLS_PIN_BYTES) == 0;
	return strcmp(t->subjects[a], t->subjects[b]) == 0;
}

int tls_has_twins(const struct tls *t, size_t *a, size_t *b)
{
	const size_t count = t->mode == SECURITY_PSK ? t->key_count :
			     t->mode == SECURITY_PIN ? t->pin_count :
						       t->subject_count;

	for (*b = 1; *b < count; ++*b) {
		for (*a = 0; *a < *b; ++*a) {
			if (is_twin(t, *a, *b))
				return 1;
		}
	}
	return 0;
}

void tls_credential(const struct tls *t, size_t index,
		    char text[TLS_CREDENTIAL_MAX])
{
	if (t->mode == SECURITY_PIN) {
		memcpy(text, PIN_PREFIX, sizeof(PIN_PREFIX));
		hex_encode(text + sizeof(PIN_PREFIX) - 1, t->pins[index],
			   TLS_PIN_BYTES);
	} else {
		snprintf(text, TLS_CREDENTIAL_MAX, "%s",
			 t->mode == SECURITY_PSK ? t->keys[index].name :
						   t->subjects[index]);
	}
}

void tls_leave_thread(const struct tls *t)
{
	OPENSSL_thread_stop_ex(t->libctx);
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	OSSL_LIB_CTX_free(t->libctx);
	locked_free(t->keys, t->key_count * sizeof(*t->keys));
	free(t->pins);
	while (t->subject_count > 0)
		free(t->subjects[--t->subject_count]);
	free(t->subjects);
	OPENSSL_cleanse(t, sizeof(*t));
	free(t);
}

void tls_set_rekey(struct tls *t, uint64_t bytes)
{
	t->rekey_bytes = bytes > 0 ? bytes : rekey_default;
}
