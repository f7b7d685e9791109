/*
 * Unit tests of auth/key: which files are taken for secrets, the key file's
 * form, its making, and the derivation for TLS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cmocka.h>

#include <openssl/crypto.h>

#include "net_fixture.h"

#include "auth/hkdf.h"
#include "auth/key.h"
#include "base/num.h"

#define DIGITS                                                                 \
	"00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef"
#define LINE "ferry-key-1:" DIGITS

static const uint8_t secret[KEY_BYTES] = {
	0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa,
	0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab,
	0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
};

static int load_text(struct place *p, struct key *k, const char *text,
		     struct err *e)
{
	const char *path = place_path(p, "key");

	place_write(path, text, strlen(text), 0600);
	return key_load(k, path, e);
}

static void good_lines_are_loaded(void **state)
{
	static const char *const lines[] = {
		LINE "\n",
		LINE "\r\n",
		LINE,
		LINE "\r",
		("ferry-key-1:00112233445566778899AABBCCDDEEFF"
		 "0123456789abcDEF0123456789ABCDEF\n"),
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct err e = { 0 };
		struct key k;

		assert_int_equal(load_text(*state, &k, lines[i], &e), 0);
		assert_memory_equal(k.secret, secret, sizeof(secret));
	}
}

static void bad_lines_are_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"\n",
		"abc",
		DIGITS "\n",
		"ferry-key-2:" DIGITS "\n",
		"Ferry-key-1:" DIGITS "\n",
		" " LINE "\n",
		LINE " \n",
		LINE "0\n",
		LINE "00\n",
		LINE "\n\n",
		LINE "\n" LINE "\n",
		LINE "\r\n\r\n",
		LINE "\n\r",
		"ferry-key-1:0011\n",
		("ferry-key-1:g0112233445566778899aabbccddeeff"
		 "0123456789abcdef0123456789abcdef\n"),
	};
	static const uint8_t zero[KEY_BYTES] = { 0 };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct err e = { 0 };
		struct key k;

		memset(&k, 0x55, sizeof(k));
		assert_int_equal(load_text(*state, &k, lines[i], &e),
				 ERR_USAGE);
		assert_non_null(strstr(e.text, "not a key file"));
		/* Nothing of the key in the text, nothing leaked. */
		assert_null(strstr(e.text, "0011"));
		assert_memory_equal(k.secret, zero, sizeof(zero));
	}
}

static void a_nul_in_the_line_is_refused(void **state)
{
	char line[] = LINE "\n";
	const char *path = place_path(*state, "key");
	struct err e = { 0 };
	struct key k;

	line[40] = '\0';
	place_write(path, line, sizeof(line) - 1, 0600);
	assert_int_equal(key_load(&k, path, &e), ERR_USAGE);
}

static void unsafe_modes_are_refused(void **state)
{
	const char *path = place_path(*state, "key");
	struct err e = { 0 };
	struct key k;

	for (mode_t bit = 01; bit <= 040; bit <<= 1) {
		place_write(path, LINE "\n", strlen(LINE) + 1, 0600 | bit);
		assert_int_equal(key_load(&k, path, &e), ERR_USAGE);
		assert_non_null(strstr(e.text, "chmod 600 "));
		assert_non_null(strstr(e.text, path));
	}
	place_write(path, LINE "\n", strlen(LINE) + 1, 0400);
	assert_int_equal(key_load(&k, path, &e), 0);
}

static void a_foreign_owner_is_refused(void **state)
{
	const char *path = place_path(*state, "foreign");
	struct err e = { 0 };
	struct key k;

	place_write(path, LINE "\n", strlen(LINE) + 1, 0600);
	/* Only with CAP_CHOWN, and an id that the user namespace has. */
	if (chown(path, 12345, 12345) < 0)
		skip();
	assert_int_equal(key_load(&k, path, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "another user (uid 12345)"));
}

static void only_regular_files_are_opened(void **state)
{
	const char *good = place_path(*state, "good");
	const char *link = place_path(*state, "link");
	const char *fifo = place_path(*state, "fifo");
	struct place *p = *state;
	struct err e = { 0 };
	struct key k;

	place_write(good, LINE "\n", strlen(LINE) + 1, 0600);
	assert_int_equal(symlink(good, link), 0);
	assert_int_equal(key_load(&k, link, &e), 0);
	/* What the link leads to is checked. */
	assert_int_equal(chmod(good, 0644), 0);
	assert_int_equal(key_load(&k, link, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "accessible to other users"));
	/* For the group alone, but not as a umask leaves it. */
	assert_int_equal(chmod(good, 0440), 0);
	assert_int_equal(key_load(&k, link, &e), 0);
	assert_int_equal(chmod(good, 0460), 0);
	assert_int_equal(key_load(&k, link, &e), ERR_USAGE);
	assert_int_equal(chmod(good, 0444), 0);
	assert_int_equal(key_load(&k, link, &e), ERR_USAGE);
	if (geteuid() == 0 && chown(good, 0, 12345) == 0) {
		assert_int_equal(chmod(good, 0640), 0);
		assert_int_equal(key_load(&k, link, &e), 0);
		assert_int_equal(chmod(good, 0641), 0);
		assert_int_equal(key_load(&k, link, &e), ERR_USAGE);
	}
	/* It must not wait for a writer. */
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(key_load(&k, fifo, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "not a regular file"));
	assert_int_equal(key_load(&k, p->dir, &e), ERR_USAGE);
	assert_int_equal(key_load(&k, "/dev/null", &e), ERR_USAGE);
	assert_int_equal(key_load(&k, place_path(p, "absent"), &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOENT);
}

static void a_secret_is_opened_for_reading_only(void **state)
{
	const char *path = place_path(*state, "secret");
	struct err e = { 0 };
	char byte;
	int fd;

	place_write(path, "x", 1, 0600);
	fd = key_open_secret(path, &e);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(fd);
}

static void a_made_key_is_private_and_can_be_loaded(void **state)
{
	const char *one = place_path(*state, "one");
	const char *two = place_path(*state, "two");
	mode_t old = umask(0);
	struct err e = { 0 };
	struct key k1, k2;
	struct stat st;

	assert_int_equal(key_generate(one, &e), 0);
	umask(0777);
	assert_int_equal(key_generate(two, &e), 0);
	umask(old);
	assert_int_equal(stat(one, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, strlen(LINE) + 1);
	assert_int_equal(stat(two, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(key_load(&k1, one, &e), 0);
	assert_int_equal(key_load(&k2, two, &e), 0);
	assert_memory_not_equal(k1.secret, k2.secret, KEY_BYTES);
	key_wipe(&k1);
	memset(&k2, 0, sizeof(k2));
	assert_memory_equal(k1.secret, k2.secret, KEY_BYTES);
}

static void a_key_never_overwrites(void **state)
{
	const char *there = place_path(*state, "there");
	const char *dangling = place_path(*state, "dangling");
	const char *target = place_path(*state, "target");
	struct err e = { 0 };
	char byte = 0;
	int fd;

	place_write(there, "x", 1, 0644);
	assert_int_equal(key_generate(there, &e), ERR_LOCAL);
	assert_non_null(strstr(e.text, "already exists"));
	fd = open(there, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	assert_int_equal(symlink(target, dangling), 0);
	assert_int_equal(key_generate(dangling, &e), ERR_LOCAL);
	assert_int_equal(access(target, F_OK), -1);
	assert_int_equal(key_generate(place_path(*state, "no/such"), &e),
			 ERR_LOCAL);
	assert_int_equal(e.sys_errno, ENOENT);
	assert_int_equal(key_generate("", &e), ERR_LOCAL);
}

static void a_key_that_cannot_be_written_leaves_nothing(void **state)
{
	const char *path = place_path(*state, "unwritten");
	struct rlimit old, none;
	struct err e = { 0 };
	int rc;

	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = old;
	none.rlim_cur = 10;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	rc = key_generate(path, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_true(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
	assert_int_equal(rc, ERR_LOCAL);
	assert_int_equal(e.sys_errno, EFBIG);
	assert_int_equal(access(path, F_OK), -1);
}

/* RFC 5869 from HMAC alone, for one block and no salt. */
static void hkdf(uint8_t out[32], const uint8_t *key, size_t key_len,
		 const char *info)
{
	uint8_t zero[32] = { 0 }, prk[32], block[128];
	size_t n = strlen(info);
	unsigned len = 0;

	assert_non_null(HMAC(EVP_sha256(), zero, sizeof(zero), key, key_len,
			     prk, &len));
	memcpy(block, info, n);
	block[n] = 1;
	assert_non_null(
		HMAC(EVP_sha256(), prk, sizeof(prk), block, n + 1, out, &len));
	assert_int_equal(len, 32);
}

/* The recomputation is right: RFC 5869, test case 3, its first block. */
static void the_tests_hkdf_fits_the_rfc(void **state)
{
	static const uint8_t want[32] = {
		0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f,
		0x71, 0x5f, 0x80, 0x2a, 0x06, 0x3c, 0x5a, 0x31,
		0xb8, 0xa1, 0x1f, 0x5c, 0x5e, 0xe1, 0x87, 0x9e,
		0xc3, 0x45, 0x4e, 0x5f, 0x3c, 0x73, 0x8d, 0x2d,
	};
	uint8_t ikm[22], out[32];

	(void)state;
	memset(ikm, 0x0b, sizeof(ikm));
	hkdf(out, ikm, sizeof(ikm), "");
	assert_memory_equal(out, want, sizeof(want));
}

static void psk_and_identity_are_derived(void **state)
{
	static const uint8_t nonce[KEY_NONCE] = { 1, 2, 3 }, other[KEY_NONCE];
	uint8_t psk[KEY_BYTES], id_key[KEY_BYTES], want[KEY_BYTES], tag[16];
	char identity[KEY_IDENTITY_MAX], second[KEY_IDENTITY_MAX];
	char hex[2 * sizeof(tag) + 1], text[KEY_IDENTITY_MAX];
	OSSL_LIB_CTX *libctx = hkdf_context();
	struct err e = { 0 };
	struct key k;
	size_t n;

	(void)state;
	memcpy(k.secret, secret, sizeof(secret));
	assert_int_equal(key_derive_psk(libctx, &k, psk, id_key, &e), 0);
	hkdf(want, secret, sizeof(secret), "ferry/1 sender psk");
	assert_memory_equal(psk, want, sizeof(want));
	hkdf(want, secret, sizeof(secret), "ferry/2 sender identity key");
	assert_memory_equal(id_key, want, sizeof(want));
	assert_int_equal(key_identity(libctx, id_key, nonce, identity), 0);
	assert_int_equal(hkdf_derive(libctx, id_key, sizeof(id_key),
				     "ferry/2 identity "
				     "01020300000000000000000000000000",
				     tag, sizeof(tag)),
			 0);
	hex_encode(hex, tag, sizeof(tag));
	snprintf(text, sizeof(text),
		 "ferry/2 01020300000000000000000000000000 %s", hex);
	assert_string_equal(identity, text);
	/* Another connection has nothing in common with it. */
	assert_int_equal(key_identity(libctx, id_key, other, second), 0);
	n = strlen(identity);
	assert_memory_not_equal(identity + n - 32, second + n - 32, 32);
	assert_true(key_is_identity(libctx, id_key, (uint8_t *)identity, n));
	assert_true(key_is_identity(libctx, id_key, (uint8_t *)second, n));
	/* Cut, changed, of another key. */
	for (size_t i = 0; i < n; i++) {
		memcpy(text, identity, n + 1);
		assert_false(key_is_identity(libctx, id_key, (uint8_t *)text,
					     i));
		text[i] ^= 1;
		assert_false(key_is_identity(libctx, id_key, (uint8_t *)text,
					     n));
	}
	assert_false(key_is_identity(libctx, psk, (uint8_t *)identity, n));
	OSSL_LIB_CTX_free(libctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines_are_loaded),
		cmocka_unit_test(bad_lines_are_refused),
		cmocka_unit_test(a_nul_in_the_line_is_refused),
		cmocka_unit_test(unsafe_modes_are_refused),
		cmocka_unit_test(a_foreign_owner_is_refused),
		cmocka_unit_test(only_regular_files_are_opened),
		cmocka_unit_test(a_secret_is_opened_for_reading_only),
		cmocka_unit_test(a_made_key_is_private_and_can_be_loaded),
		cmocka_unit_test(a_key_never_overwrites),
		cmocka_unit_test(a_key_that_cannot_be_written_leaves_nothing),
		cmocka_unit_test(the_tests_hkdf_fits_the_rfc),
		cmocka_unit_test(psk_and_identity_are_derived),
	};

	return cmocka_run_group_tests(tests, place_make, place_remove);
}
