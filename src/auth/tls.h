/*
 * tls.h - TLS 1.3 credentials: pre-shared key, X.509, pinned public key.
 *
 * Layer: auth.  Uses base, net/role.h, key.h, OpenSSL.
 * Threads: a struct tls is made once and then only read: any thread; but see
 * tls_set_psk().
 *
 * Both sides authenticate each other, always.  TLS 1.3 only; no tickets, no
 * session cache, no early data, suites and groups set here and not by
 * openssl.cnf; key update every 2^36 bytes sent.  See
 * ferry(1), SECURITY CONSIDERATIONS.
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
};

/* "plain", "psk", "x509", "pin", "code": as in the session event. */
const char *security_name(enum security mode);

struct tls_config {
	enum security mode; /* PSK, X509, PIN or CODE */
	enum net_role role; /* who connects is the TLS client */
	const char *key_file;  /* PSK */
	const char *cert_file; /* X509, PIN: PEM chain */
	const char *cert_key_file;
	const char *ca_file;   /* X509 */
	const char *pin;       /* PIN: "sha256:HEX" of the peer's SPKI (DER) */
	const char *host;      /* X509, where we connect: name (or address) that
				  the peer's certificate must carry */
};

struct tls;

/*
 * Load credentials.  Files are opened here and not again.  Key files (the
 * shared key and the certificate's private key) must be regular files of our
 * own (or root's), not readable by others, not symlinks; see key_load().
 *
 * Returns NULL with ERR_USAGE (a bad pin, an unsafe or malformed key file,
 * options that do not fit together), ERR_LOCAL (unreadable), ERR_RESOURCE;
 * the text names the file and the remedy and never holds a byte of a key.
 *
 * PSK: one external PSK for TLS_AES_128_GCM_SHA256 and
 * TLS_CHACHA20_POLY1305_SHA256 (SHA-256, as the key), psk_dhe_ke only, no
 * certificate is loaded, and a handshake in which OpenSSL did not use the PSK
 * (SSL_session_reused() != 1) is refused on both sides.
 *
 * X509: the peer's chain is verified against ca_file alone, for its purpose;
 * the side that connects checks the host name or IP address.  PIN: chain and dates are
 * ignored, the SHA-256 of the peer's SPKI is compared in constant time; a
 * self-signed certificate will do.  Both sides demand a certificate.
 *
 * CODE: as PSK, but no file is read: the key comes later, by tls_set_psk().
 */
struct tls *tls_new(const struct tls_config *cfg, struct err *e);

enum { TLS_PSK_BYTES = 32 };

/*
 * With CODE: the key that the exchange of the code gave (pake.h), copied.
 * Before it is set every handshake fails, as with another key.  To be called
 * once, and before any other thread may use t for a stream: the caller sees to
 * that.
 */
void tls_set_psk(struct tls *t, const uint8_t psk[TLS_PSK_BYTES]);
void tls_free(struct tls *t);

/*
 * All failures to authenticate have this one code, ERR_AUTH, and one of these
 * texts: "the other side did not prove that it has the same key" (PSK; CODE
 * too), "the other side's certificate was rejected: REASON" and "the other side
 * sent no certificate" (ours to judge), "the other side refused this side or uses
 * another security mode: ..." with advice.  To the peer, all look the same: its TLS alert and the end.
 */

/* Test knob: key update after so many bytes sent (0: the default, 2^36). */
void tls_set_rekey(struct tls *t, uint64_t bytes);

#endif
