/*
 * Unit tests of auth/cert_text: what is said of certificates that are made
 * here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "auth/cert_text.h"

enum { DAY = 24 * 60 * 60 };

/* A certificate that is valid from and until so many seconds from now; with
 * this common name, if not NULL, and no signature. */
static X509 *make_cert(const char *common_name, long from, long until)
{
	X509 *cert = X509_new();

	assert_non_null(cert);
	X509_gmtime_adj(X509_getm_notBefore(cert), from);
	X509_gmtime_adj(X509_getm_notAfter(cert), until);
	if (common_name)
		assert_int_equal(X509_NAME_add_entry_by_txt(
					 X509_get_subject_name(cert), "CN",
					 MBSTRING_UTF8,
					 (const unsigned char *)common_name, -1,
					 -1, 0), 1);
	return cert;
}

static void add_name(GENERAL_NAMES *names, int type, const void *p, int len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *s = type == GEN_IPADD ? ASN1_OCTET_STRING_new() :
					     ASN1_IA5STRING_new();

	assert_true(name && s && ASN1_STRING_set(s, p, len));
	GENERAL_NAME_set0_value(name, type, s);
	assert_true(sk_GENERAL_NAME_push(names, name) > 0);
}

static void dates(void **state)
{
	X509 *valid = make_cert("a", -DAY, DAY);
	X509 *expired = make_cert("a", -2 * DAY, -DAY);
	X509 *early = make_cert("a", DAY, 2 * DAY);
	X509 *undated = X509_new();
	char text[300];

	(void)state;
	assert_null(cert_text_of_bad_date(valid, text, sizeof(text)));
	assert_ptr_equal(cert_text_of_bad_date(expired, text, sizeof(text)),
			 text);
	assert_memory_equal(text, "expired on 20", 13);
	assert_non_null(strstr(text, " UTC, and the clock here says 20"));
	assert_ptr_equal(cert_text_of_bad_date(early, text, sizeof(text)),
			 text);
	assert_memory_equal(text, "is not valid before 20", 22);
	assert_non_null(strstr(text, "(is it right?)"));
	cert_text_of_dates(valid, text, sizeof(text));
	assert_memory_equal(text, "valid from 20", 13);
	assert_non_null(strstr(text, " UTC to 20"));
	/* without a certificate, or with one that has no dates */
	cert_text_of_dates(NULL, text, sizeof(text));
	assert_memory_equal(text, "valid from ? to ?, and the clock here says 20",
			    45);
	assert_true(ASN1_STRING_set(X509_getm_notAfter(undated), "junk", 4));
	cert_text_of_dates(undated, text, sizeof(text));
	assert_non_null(strstr(text, " to ?, "));
	X509_free(valid);
	X509_free(expired);
	X509_free(early);
	X509_free(undated);
}

static void subjects(void **state)
{
	X509 *cert = make_cert("al\xc3\xafs,e", 0, DAY);
	X509 *nameless = make_cert(NULL, 0, DAY);
	const char want[] = "O=Example,CN=al\xc3\xafs\\,e";
	char text[sizeof(want)];

	(void)state;
	assert_true(X509_NAME_add_entry_by_txt(
		X509_get_subject_name(cert), "O", MBSTRING_UTF8,
		(const unsigned char *)"Example", -1, -1, 0));
	assert_int_equal(cert_text_of_subject(cert, text, sizeof(text)), 0);
	assert_string_equal(text, want);
	assert_int_equal(cert_text_of_subject(cert, text, sizeof(text) - 1), -1);
	assert_int_equal(cert_text_of_subject(nameless, text, sizeof(text)), -1);
	X509_free(cert);
	X509_free(nameless);
}

/* None of a subject's characters does anything at a terminal, whoever prints
 * it. */
static void controls_in_subjects(void **state)
{
	/* ESC, newline, DEL; U+009B (CSI), U+202E (right to left), U+2066 */
	X509 *cert = make_cert("\33[1m\n\x7f\xc2\x9b"
			       "1m\xe2\x80\xae\xc3\xa9\xe2\x81\xa6",
			       0, DAY);
	const char want[] = "CN=\\1B[1m\\0A\\7F\\C2\\9B"
			    "1m\\E2\\80\\AE\xc3\xa9\\E2\\81\\A6";
	char text[sizeof(want)];

	(void)state;
	assert_int_equal(cert_text_of_subject(cert, text, sizeof(text)), 0);
	assert_string_equal(text, want);
	assert_int_equal(cert_text_of_subject(cert, text, sizeof(text) - 1), -1);
	X509_free(cert);
}

/* What is said of an error that was found with this certificate. */
static const char *explain(X509 *cert, int error, int depth, const char *wanted)
{
	static char text[600];
	X509_STORE_CTX *store = X509_STORE_CTX_new();

	assert_non_null(store);
	X509_STORE_CTX_set_error(store, error);
	X509_STORE_CTX_set_error_depth(store, depth);
	X509_STORE_CTX_set_current_cert(store, cert);
	assert_ptr_equal(cert_text_of_error(store, wanted, text, sizeof(text)),
			 text);
	X509_STORE_CTX_free(store);
	return text;
}

static int begins(const char *text, const char *begin)
{
	return strncmp(text, begin, strlen(begin)) == 0;
}

static void errors_by_date(void **state)
{
	X509 *expired = make_cert("a", -2 * DAY, -DAY);
	X509 *early = make_cert("a", DAY, 2 * DAY);

	(void)state;
	assert_true(begins(explain(expired, X509_V_ERR_CERT_HAS_EXPIRED, 0,
				   NULL), "it expired on 20"));
	assert_true(begins(explain(expired, X509_V_ERR_CERT_HAS_EXPIRED, 1,
				   NULL),
			   "the certificate of its issuer expired on 20"));
	assert_true(begins(explain(early, X509_V_ERR_CERT_NOT_YET_VALID, 0,
				   NULL), "it is not valid before 20"));
	/* which certificate it is, is not known */
	assert_string_equal(explain(NULL, X509_V_ERR_CERT_HAS_EXPIRED, 0, NULL),
			    "certificate has expired");
	X509_free(expired);
	X509_free(early);
}

static void errors_by_name(void **state)
{
	static const unsigned char v4[] = { 192, 0, 2, 1 };
	static const unsigned char v6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	X509 *cert = make_cert("common.example", 0, DAY);
	X509 *nameless = make_cert(NULL, 0, DAY);
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	const char *text;

	(void)state;
	text = explain(cert, X509_V_ERR_HOSTNAME_MISMATCH, 0, "host.example");
	assert_true(begins(text, "it is for common.example, not for "
				 "host.example (if"));
	text = explain(nameless, X509_V_ERR_HOSTNAME_MISMATCH, 0, NULL);
	assert_true(begins(text, "it is for no name, not for the host (if"));
	/* names that are compared, and one that is not; what a terminal would
	 * take for a command is escaped */
	add_name(names, GEN_DNS, "a.example", 9);
	add_name(names, GEN_EMAIL, "a@example", 9);
	add_name(names, GEN_IPADD, v4, sizeof(v4));
	add_name(names, GEN_IPADD, v6, sizeof(v6));
	add_name(names, GEN_DNS, "\033[2J", 4);
	assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0,
					   0), 1);
	text = explain(cert, X509_V_ERR_IP_ADDRESS_MISMATCH, 0, "192.0.2.2");
	assert_true(begins(text, "it is for a.example, 192.0.2.1, 2001:db8::1, "));
	assert_null(strchr(text, '\033'));
	assert_null(strstr(text, "common.example"));
	assert_null(strstr(text, "..."));
	/* six of them are enough */
	add_name(names, GEN_DNS, "e.example", 9);
	add_name(names, GEN_DNS, "f.example", 9);
	add_name(names, GEN_DNS, "g.example", 9);
	add_name(names, GEN_DNS, "h.example", 9);
	assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0,
					   X509V3_ADD_REPLACE), 1);
	text = explain(cert, X509_V_ERR_HOSTNAME_MISMATCH, 0, "host.example");
	assert_non_null(strstr(text, "f.example, ..., not for"));
	assert_null(strstr(text, "g.example"));
	GENERAL_NAMES_free(names);
	X509_free(cert);
	X509_free(nameless);
}

static void other_errors(void **state)
{
	static const int of_the_issuer[] = {
		X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
		X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
		X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
		X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
	};
	X509 *cert = make_cert("a", 0, DAY);

	(void)state;
	assert_true(X509_NAME_add_entry_by_txt(
		X509_get_issuer_name(cert), "CN", MBSTRING_UTF8,
		(const unsigned char *)"Example CA", -1, -1, 0));
	for (int i = 0; i < 4; i++) {
		const char *text = explain(cert, of_the_issuer[i], 0, NULL);

		assert_string_equal(
			text,
			of_the_issuer[i] ==
					X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ?
				"/CN=Example CA is self-signed, and not in "
				"--ca" :
				"it was issued by /CN=Example CA, which is not "
				"in --ca");
	}
	assert_string_equal(explain(cert, X509_V_ERR_CERT_REVOKED, 0, NULL),
			    X509_verify_cert_error_string(
				    X509_V_ERR_CERT_REVOKED));
	X509_free(cert);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates),
		cmocka_unit_test(subjects),
		cmocka_unit_test(controls_in_subjects),
		cmocka_unit_test(errors_by_date),
		cmocka_unit_test(errors_by_name),
		cmocka_unit_test(other_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
