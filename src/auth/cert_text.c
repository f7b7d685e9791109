/*
 * Dates and names of certificates as text.
 */
#include "auth/cert_text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/text.h"

enum { DATE_MAX = 40, NAME_SHOWN = 100, NAMES_SHOWN = 6 };

static void time_text(char dst[DATE_MAX], const struct tm *tm)
{
	if (strftime(dst, DATE_MAX, "%Y-%m-%d %H:%M:%S UTC", tm) == 0)
		snprintf(dst, DATE_MAX, "?");
}

static void date_text(char dst[DATE_MAX], const ASN1_TIME *t)
{
	struct tm tm;

	if (t && ASN1_TIME_to_tm(t, &tm) == 1)
		time_text(dst, &tm);
	else
		snprintf(dst, DATE_MAX, "?");
}

static void clock_text(char dst[DATE_MAX])
{
	const time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm))
		time_text(dst, &tm);
	else
		snprintf(dst, DATE_MAX, "?");
}

char *cert_text_of_dates(const X509 *cert, char *dst, size_t size)
{
	char from[DATE_MAX], to[DATE_MAX], now[DATE_MAX];

	date_text(from, cert ? X509_get0_notBefore(cert) : NULL);
	date_text(to, cert ? X509_get0_notAfter(cert) : NULL);
	clock_text(now);
	snprintf(dst, size, "valid from %s to %s, and the clock here says %s",
		 from, to, now);
	return dst;
}

/* One subject alternative name; "" for a kind that is not compared. */
static void name_text(char dst[NAME_SHOWN], const GENERAL_NAME *name)
{
	const ASN1_STRING *s;

	dst[0] = '\0';
	if (name->type == GEN_DNS) {
		s = name->d.dNSName;
		text_escape(dst, NAME_SHOWN,
			    (const char *)ASN1_STRING_get0_data(s),
			    (size_t)ASN1_STRING_length(s));
	} else if (name->type == GEN_IPADD) {
		s = name->d.iPAddress;
		inet_ntop(ASN1_STRING_length(s) == 16 ? AF_INET6 : AF_INET,
			  ASN1_STRING_get0_data(s), dst, NAME_SHOWN);
	}
}

/* The names of a certificate, or its common name where it has none. */
static void names_text(X509 *cert, char *dst, size_t size)
{
	GENERAL_NAMES *names =
		X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	char one[NAME_SHOWN];
	int shown = 0;

	dst[0] = '\0';
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		name_text(one, sk_GENERAL_NAME_value(names, i));
		if (!*one)
			continue;
		text_append(dst, size, ", ", shown < NAMES_SHOWN ? one : "...");
		if (shown++ == NAMES_SHOWN)
			break;
	}
	GENERAL_NAMES_free(names);
	if (!*dst) {
		const X509_NAME *subject = X509_get_subject_name(cert);
		int at = X509_NAME_get_index_by_NID(subject, NID_commonName,
						    -1);
		const ASN1_STRING *s =
			at < 0 ? NULL
			       : X509_NAME_ENTRY_get_data(
					 X509_NAME_get_entry(subject, at));

		if (s)
			text_escape(dst, size,
				    (const char *)ASN1_STRING_get0_data(s),
				    (size_t)ASN1_STRING_length(s));
		else
			snprintf(dst, size, "no name");
	}
}

/* Copy n bytes of UTF-8, with the control characters escaped as in RFC 4514
 * that OpenSSL leaves: those beyond ASCII, and what changes the direction of
 * text.  Returns 0, or -1 where it does not fit. */
static int copy_subject(char *dst, size_t size, const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t used = 0;

	while (n > 0) {
		unsigned cp = 0;
		const size_t len = text_utf8_next(p, n, &cp);
		const int is_control = text_is_control(cp);

		if (len == 0 || used + (is_control ? 3 * len : len) >= size)
			return -1;
		for (size_t i = 0; i < len && is_control; i++)
			used += (size_t)snprintf(dst + used, size - used,
						 "\\%02X", p[i]);
		if (!is_control) {
			memcpy(dst + used, p, len);
			used += len;
		}
		p += len;
		n -= len;
	}
	dst[used] = '\0';
	return 0;
}

int cert_text_of_subject(X509 *cert, char *dst, size_t size)
{
	/* RFC 4514 keeps UTF-8 as it is. */
	const unsigned long flags = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long n = 0;
	int rc = -1;

	if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0,
				      flags) >= 0)
		n = BIO_get_mem_data(bio, &text);
	if (n > 0)
		rc = copy_subject(dst, size, text, (size_t)n);
	BIO_free(bio);
	ERR_clear_error();
	return rc;
}

/* Who issued it, in one line. */
static void issuer_text(X509 *cert, char *dst, size_t size)
{
	char line[256];

	if (!X509_NAME_oneline(X509_get_issuer_name(cert), line, sizeof(line)))
		line[0] = '\0';
	text_escape(dst, size, line, strlen(line));
}

static void expired_text(const X509 *cert, char *dst, size_t size)
{
	char now[DATE_MAX], date[DATE_MAX];

	clock_text(now);
	date_text(date, X509_get0_notAfter(cert));
	snprintf(dst, size, "expired on %s, and the clock here says %s", date,
		 now);
}

static void not_yet_text(const X509 *cert, char *dst, size_t size)
{
	char now[DATE_MAX], date[DATE_MAX];

	clock_text(now);
	date_text(date, X509_get0_notBefore(cert));
	snprintf(dst, size,
		 "is not valid before %s, and the clock here says %s (is it "
		 "right?)", date, now);
}

char *cert_text_of_bad_date(const X509 *cert, char *dst, size_t size)
{
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		expired_text(cert, dst, size);
	else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		not_yet_text(cert, dst, size);
	else
		return NULL;
	return dst;
}

char *cert_text_of_error(X509_STORE_CTX *store, const char *wanted, char *dst,
			 size_t size)
{
	const int error = X509_STORE_CTX_get_error(store);
	X509 *cert = X509_STORE_CTX_get_current_cert(store);
	const char *which = X509_STORE_CTX_get_error_depth(store) > 0
				    ? "the certificate of its issuer"
				    : "it";
	char text[300];

	snprintf(dst, size, "%s", X509_verify_cert_error_string(error));
	if (!cert)
		return dst;
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		expired_text(cert, text, sizeof(text));
		snprintf(dst, size, "%s %s", which, text);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		not_yet_text(cert, text, sizeof(text));
		snprintf(dst, size, "%s %s", which, text);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		names_text(cert, text, sizeof(text));
		snprintf(dst, size,
			 "it is for %s, not for %s (if that is the right host, "
			 "name it as the certificate does with --peer-name)",
			 text, wanted ? wanted : "the host");
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		issuer_text(cert, text, sizeof(text));
		snprintf(dst, size, "it was issued by %s, which is not in --ca",
			 text);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		issuer_text(cert, text, sizeof(text));
		snprintf(dst, size, "%s is self-signed, and not in --ca", text);
		break;
	default:
		break;
	}
	ERR_clear_error();
	return dst;
}
