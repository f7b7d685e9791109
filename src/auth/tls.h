/*
 * tls.h - TLS 1.3 credentials: pre-shared key, X.509, pinned public key.
 *
 * Layer: auth.  Uses OpenSSL.
 * Threads: a struct tls is not changed after tls_new(), so that any thread may
 * use it; but see tls_set_psk().
 *
 * Both sides always authenticate each other.  TLS 1.3 only; no tickets, no
 * session cache, no early data; cipher suites and groups are set here and not
 * by openssl.cnf; a key update every 2^36 bytes sent.  See ferry(1), SECURITY
 * CONSIDERATIONS.
 */
#ifndef FERRY_AUTH_TLS_H
#define FERRY_AUTH_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/role.h"

enum security {
	SECURITY_NONE = 0, /* nothing chosen */
	SECURITY_PLAIN,
	SECURITY_PSK,
	SECURITY_X509,
	SECURITY_PIN,
	SECURITY_CODE,
	SECURITY_SSH, /* ssh has authenticated and encrypts; no TLS */
};

/* "plain", "psk", "x509", "pin", "code", "ssh": as in the session event. */
const char *security_name(enum security mode);

struct key;

struct tls_config {
	enum security mode; /* PSK, X509, PIN or CODE */
	enum net_role role; /* the side that connects is the TLS client */
	const char *key_file;  /* PSK */
	/* PSK, instead of key_file and with NET_LISTENS only: the peer must
	 * have one of them; copied.  NULL: key_file */
	const struct key *keys;
	size_t key_count;
	const char *cert_file; /* X509, PIN: PEM chain */
	const char *cert_key_file;
	const char *ca_file;   /* X509 */
	/* PIN: "sha256:HEX" of the peer's SPKI (DER); it must have one of
	 * them */
	const char *const *pins;
	size_t pin_count;
	/* X509: the name or address that the peer's certificate must contain;
	 * NULL, with NET_LISTENS only: any. */
	const char *host;
	/* X509, with NET_LISTENS only: the peer's certificate must have one of
	 * these subjects, as stream_identity() says them; none: any. */
	const char *const *subjects;
	size_t subject_count;
};

struct tls;

/*
 * Load credentials.  All files are read here, and not later.  Key files (the
 * shared key, the certificate's private key) must be safe for a secret; see
 * key_open_secret().
 *
 * Returns NULL with ERR_USAGE (a bad pin, an unsafe or malformed key file,
 * options that do not fit together), ERR_LOCAL (unreadable), ERR_RESOURCE; the
 * text names the file, gives advice, and never contains a byte of a key.
 *
 * PSK: one external PSK for TLS_AES_128_GCM_SHA256 and
 * TLS_CHACHA20_POLY1305_SHA256 (the suites with SHA-256, the PSK's hash),
 * psk_dhe_ke only.  No certificate is loaded, and each side refuses a handshake
 * in which OpenSSL did not use the PSK (SSL_session_reused() != 1).
 *
 * X509: the peer's chain is verified against ca_file alone and for its purpose;
 * the side that connects also checks the host name or IP address.  PIN: chain
 * and dates are ignored, and the SHA-256 of the peer's SPKI is compared in
 * constant time; a self-signed certificate is enough.  Both require a
 * certificate of both sides.
 *
 * CODE: as PSK, but no file is read; tls_set_psk() sets the key later.
 */
struct tls *tls_new(const struct tls_config *cfg, struct err *e);

enum { TLS_PSK_BYTES = 32, TLS_CREDENTIAL_MAX = 256 };

/*
 * With CODE: set the key that the code exchange gave (pake.h); it is copied.
 * Before that every handshake fails, as with a wrong key.  Called once; the
 * caller makes sure that no other thread uses t for a stream before.
 */
void tls_set_psk(struct tls *t, const uint8_t psk[TLS_PSK_BYTES]);

/* Whether two of the keys, pins or subjects are the same; a and b become their
 * indices. */
int tls_has_twins(const struct tls *t, size_t *a, size_t *b);

/* What stream_identity() says of a peer with this key or pin; terminated. */
void tls_credential(const struct tls *t, size_t index,
		    char text[TLS_CREDENTIAL_MAX]);

/*
 * With X509: whether handshakes will fail by the dates of what was loaded,
 * since this side's certificate or one that it is sent with is not valid now,
 * or no certificate of the CA file is.  cfg: as for tls_new(); its names of
 * files are for the text, which names the file and the date, and says what to
 * do.  Returns 1, or 0 with text "".
 */
int tls_has_bad_dates(const struct tls *t, const struct tls_config *cfg,
		      char *text, size_t size);

/* Wipe and free; NULL is allowed. */
void tls_free(struct tls *t);

/*
 * Every failure to authenticate is ERR_AUTH, with one of these texts: "the
 * other side did not prove that it has the same key" (PSK and CODE); "the other
 * side's certificate was rejected: REASON" and "the other side sent no
 * certificate" (X509 and PIN); "the other side refused this side or uses
 * another security mode: ..." with advice.  The peer gets at most a TLS alert,
 * with PSK and CODE the same one for a wrong identity as for a wrong key.
 */

/* For tests only: key update after so many bytes sent (0: the default,
 * 2^36). */
void tls_set_rekey(struct tls *t, uint64_t bytes);

#endif
