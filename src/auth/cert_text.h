/*
 * cert_text.h - what users are told about a certificate.
 *
 * Layer: auth.  Uses base/text.h, OpenSSL.
 * Threads: any.
 *
 * Names come from a peer that is not authenticated, and are escaped.
 */
#ifndef FERRY_AUTH_CERT_TEXT_H
#define FERRY_AUTH_CERT_TEXT_H

#include <stddef.h>

#include <openssl/x509_vfy.h>

/* Why a chain was rejected: the context's error, with the date and the clock,
 * or the names that the certificate has and the one that it should have (may be
 * NULL).  Returns dst. */
char *cert_text_of_error(X509_STORE_CTX *store, const char *wanted, char *dst,
			 size_t size);

/* Why a certificate is not valid by its dates: "expired on DATE, and the clock
 * here says DATE", or that it is not valid yet.  Returns dst, or NULL where it
 * is valid. */
char *cert_text_of_bad_date(const X509 *cert, char *dst, size_t size);

/* From when to when a certificate is valid, and what the clock says.  Returns
 * dst. */
char *cert_text_of_dates(const X509 *cert, char *dst, size_t size);

/* The subject of a certificate as in RFC 4514, such as "CN=alice,O=Example", in
 * UTF-8; control characters are escaped as there.  Returns 0; -1 where it is
 * empty, malformed or does not fit, with dst undefined. */
int cert_text_of_subject(X509 *cert, char *dst, size_t size);

#endif
