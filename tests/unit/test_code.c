/*
 * Unit tests of auth/words and auth/code: the list, codes as text, completion.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <cmocka.h>

#include "base/num.h"
#include "auth/code_file.h"
#include "base/io.h"
#include "net_fixture.h"

static void the_list_is_the_published_one(void **state)
{
	/* As published: the SHA-256 of english.txt, a word a line. */
	static const char want[] = "2f5eed53a4727b4bf8880d8f3f199efc"
				   "90e58503646d9ff8eff3a2ed3b24dbda";
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t hash[32];
	char hex[65];

	(void)state;
	assert_int_equal(EVP_DigestInit_ex(ctx, EVP_sha256(), NULL), 1);
	for (unsigned i = 0; i < WORDS_COUNT; i++) {
		EVP_DigestUpdate(ctx, words_at(i), strlen(words_at(i)));
		EVP_DigestUpdate(ctx, "\n", 1);
	}
	assert_int_equal(EVP_DigestFinal_ex(ctx, hash, NULL), 1);
	EVP_MD_CTX_free(ctx);
	hex_encode(hex, hash, sizeof(hash));
	assert_string_equal(hex, want);
}

static void words_are_found_by_prefix(void **state)
{
	unsigned first, count;

	(void)state;
	for (unsigned i = 0; i < WORDS_COUNT; i++) {
		const char *w = words_at(i);
		size_t n = strlen(w);

		assert_true(words_has(w, n));
		assert_int_equal(words_from(w, n, &count), i);
		/* Four letters tell a word. */
		first = words_from(w, n < 4 ? n : 4, &count);
		assert_int_equal(first, i);
		if (n >= 4)
			assert_int_equal(count, 1);
	}
	assert_int_equal(words_from("", 0, &count), 0);
	assert_int_equal(count, WORDS_COUNT);
	words_from("zz", 2, &count);
	assert_int_equal(count, 0);
	words_from("0", 1, &count);
	assert_int_equal(count, 0);
	assert_false(words_has("", 0));
	assert_false(words_has("riv", 3));
	assert_false(words_has("rivers", 6));
	/* "act" is a word, and so is "action". */
	assert_true(words_has("action", 3));
	assert_false(words_has("action", 4));
}

static void made_codes_have_their_form_and_differ(void **state)
{
	enum { MANY = 2000 };
	char code[CODE_MAX], back[CODE_MAX], last[CODE_MAX] = "";
	unsigned digits[10] = { 0 };
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(code_generate(code, &e), 0);
		assert_int_equal(code_parse(back, code, strlen(code), &e), 0);
		assert_string_equal(code, back);
		assert_string_not_equal(code, last);
		memcpy(last, code, sizeof(last));
		for (int d = 0; d < CODE_DIGITS; d++)
			digits[code[d] - '0']++;
	}
	/* 800 of each on average, with a deviation of 27. */
	for (int d = 0; d < 10; d++)
		assert_within(digits[d], 600, 1000);
}

static void spelling_is_tolerant(void **state)
{
	static const char *const texts[] = {
		"4821-river-anchor", "4821 river anchor", "4821-RIVER-Anchor",
		"  4821-river-anchor\n", "4821--river - anchor\r\n",
		"\t4821\triver\tanchor\t", "4821-river-anchor \n\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char code[CODE_MAX];
		struct err e = { 0 };

		assert_int_equal(code_parse(code, texts[i], strlen(texts[i]),
					    &e), 0);
		assert_string_equal(code, "4821-river-anchor");
	}
}

static void anything_else_is_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "is incomplete" },
		{ " \n", "is incomplete" },
		{ "4821", "is incomplete" },
		{ "4821-river", "is incomplete" },
		{ "4821-river-", "is incomplete" },
		{ "482-river-anchor", "four digits" },
		{ "48211-river-anchor", "four digits" },
		{ "482o-river-anchor", "four digits" },
		{ "482111111111-river-anchor", "four digits" },
		{ "river-anchor-4821", "four digits" },
		{ "-4821-river-anchor", "is incomplete" },
		{ "4821-rivre-anchor", "first word" },
		{ "4821-rive-anchor", "first word" },
		{ "4821-rivers-anchor", "first word" },
		{ "4821-riverriver-anchor", "first word" },
		{ "4821-river-ankor", "second word" },
		{ "4821-river-anchor\x80", "second word" },
		{ "4821-river_anchor", "first word" },
		{ "4821-river-anchor-zoo", "continues after" },
		{ "4821-river-anchor-", "continues after" },
		{ "4821-river-anchor x", "continues after" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char code[CODE_MAX] = "x";
		struct err e = { 0 };

		assert_int_equal(code_parse(code, cases[i].text,
					    strlen(cases[i].text), &e),
				 ERR_USAGE);
		assert_non_null(strstr(e.text, cases[i].why));
		assert_string_equal(code, "");
		/* Not a word of it is repeated. */
		assert_null(strstr(e.text, "rive-"));
		assert_null(strstr(e.text, "rivre"));
		assert_null(strstr(e.text, "ankor"));
	}
}

static void a_nul_is_no_blank(void **state)
{
	char code[CODE_MAX];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(code_parse(code, "4821-river-anchor", 18, &e),
			 ERR_USAGE);
	assert_int_equal(code_parse(code, "4821\0river-anchor", 17, &e),
			 ERR_USAGE);
}

static int load(struct place *p, const char *text, size_t n, mode_t mode,
		char code[CODE_MAX], struct err *e)
{
	const char *path = place_path(p, "code");

	struct code_file *f;

	place_write(path, text, n, mode);
	f = code_file_open(path, NET_LISTENS, code, e);
	code_file_free(f);
	return f ? 0 : e->code;
}

static void codes_are_loaded_from_safe_files_only(void **state)
{
	char code[CODE_MAX], long_text[4096];
	struct err e = { 0 };

	assert_int_equal(load(*state, "0007 zoo ABLE\n", 14, 0600, code, &e),
			 0);
	assert_string_equal(code, "0007-zoo-able");
	assert_int_equal(load(*state, "0007-zoo-able", 13, 0640, code, &e),
			 ERR_USAGE);
	assert_non_null(strstr(e.text, "chmod 600"));
	assert_int_equal(load(*state, "", 0, 0600, code, &e), ERR_USAGE);
	assert_int_equal(load(*state, "1234", 4, 0600, code, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "does not contain a valid code"));
	memset(long_text, ' ', sizeof(long_text));
	memcpy(long_text, "0007-zoo-able", 13);
	long_text[4000] = 'x';
	/* Its beginning alone would be a code. */
	assert_int_equal(load(*state, long_text, sizeof(long_text), 0600, code,
			      &e), ERR_USAGE);
	assert_null(code_file_open(place_path(*state, "absent"), NET_LISTENS,
				   code, &e));
	assert_int_equal(e.code, ERR_LOCAL);
	assert_string_equal(code, "");
}

/* Whether another process cannot have the code at the same time. */
static int is_refused_elsewhere(const char *path)
{
	const pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		struct err e = { 0 };
		char code[CODE_MAX];

		_exit(!code_file_open(path, NET_LISTENS, code, &e) &&
		      e.code == ERR_USAGE ? 42 : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
	       WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

static void a_marked_code_is_not_loaded_again(void **state)
{
	static const char text[] = " 0007-zoo-able \n", next[] = "1111-zoo-able";
	const char *path = place_path(*state, "code");
	char code[CODE_MAX], now[64] = "";
	struct err e = { 0 };
	struct code_file *f, *other;
	int fd;

	place_write(path, text, sizeof(text) - 1, 0600);
	f = code_file_open(path, NET_LISTENS, code, &e);
	assert_non_null(f);
	/* Another receiver would allow another guess; a sender with the same
	 * file does not. */
	assert_true(is_refused_elsewhere(path));
	other = code_file_open(path, NET_CONNECTS, code, &e);
	assert_non_null(other);
	assert_int_equal(code_file_mark(f, &e), 0);
	assert_int_equal(code_file_unmark(f), 0);
	assert_int_equal(code_file_unmark(f), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_read(fd, now, sizeof(now)), sizeof(text) - 1);
	close(fd);
	assert_memory_equal(now, text, sizeof(text) - 1);
	assert_int_equal(code_file_mark(f, &e), 0);
	/* Twice is as once, but for a sender, which must not guess again. */
	assert_int_equal(code_file_mark(f, &e), 0);
	assert_int_equal(code_file_mark(other, &e), ERR_AUTH);
	code_file_free(other);
	code_file_free(f);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_read(fd, now, sizeof(now)), sizeof(text) - 1);
	close(fd);
	assert_string_equal(now, "used           \n");
	assert_null(code_file_open(path, NET_LISTENS, code, &e));
	assert_int_equal(e.code, ERR_AUTH);
	assert_string_equal(code, "");

	/* A code that was written meanwhile is another one. */
	place_write(path, text, sizeof(text) - 1, 0600);
	f = code_file_open(path, NET_LISTENS, code, &e);
	place_write(path, next, sizeof(next) - 1, 0600);
	assert_int_equal(code_file_mark(f, &e), 0);
	assert_int_equal(code_file_unmark(f), 0);
	code_file_free(f);
	assert_int_equal(load(*state, next, sizeof(next) - 1, 0600, code, &e),
			 0);
}

static void completion(void **state)
{
	static const struct {
		const char *text, *rest;
		unsigned count;
	} cases[] = {
		{ "", "", 0 },
		{ "482", "", 0 },
		{ "4821", "-", 0 },
		{ "48211", "", 0 },
		{ "abcd", "", 0 },
		{ "4821-", "", WORDS_COUNT },
		{ "4821-rive", "r-", 1 },
		{ "4821-river", "-", 1 },
		{ "4821-riv", "", 2 }, /* river, rival */
		{ "4821-RIVE", "r-", 1 },
		{ " 4821 rive", "r-", 1 },
		{ "4821-rivre", "", 0 },
		{ "4821-abandonabandon", "", 0 },
		{ "4821-river-an", "", 16 },
		{ "4821-river-anch", "or", 1 },
		{ "4821-river-anchor", "", 1 },
		{ "4821-river-sn", "", 5 },
		{ "4821-wedd", "ing-", 1 },
		{ "4821-hos", "", 2 },
		{ "4821-hun", "", 3 },
		{ "4821-xyz-anch", "or", 1 },
		{ "4821-river-anchor-", "", 0 },
		{ "4821-river-anchor-zo", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char rest[WORDS_LEN_MAX + 2];
		unsigned first, count;

		count = code_complete(cases[i].text, strlen(cases[i].text),
				      rest, sizeof(rest), &first);
		if (count != cases[i].count ||
		    strcmp(rest, cases[i].rest) != 0)
			fail_msg("'%s': %u '%s'", cases[i].text, count, rest);
	}
}

/* Where several words go on alike, that much is added and no more. */
static void common_prefixes_are_completed(void **state)
{
	unsigned tried = 0;

	(void)state;
	for (unsigned i = 0; i + 1 < WORDS_COUNT; i++) {
		const char *a = words_at(i), *b = words_at(i + 1);
		char text[32], rest[WORDS_LEN_MAX + 2];
		unsigned first, count;

		if (strncmp(a, b, 3) != 0)
			continue;
		snprintf(text, sizeof(text), "4821-%.2s", a);
		count = code_complete(text, strlen(text), rest, sizeof(rest),
				      &first);
		assert_within(count, 2, WORDS_COUNT);
		for (unsigned k = first; k < first + count; k++)
			assert_memory_equal(words_at(k) + 2, rest,
					    strlen(rest));
		tried++;
	}
	assert_within(tried, 100, WORDS_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_is_the_published_one),
		cmocka_unit_test(words_are_found_by_prefix),
		cmocka_unit_test(made_codes_have_their_form_and_differ),
		cmocka_unit_test(spelling_is_tolerant),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(a_nul_is_no_blank),
		cmocka_unit_test(codes_are_loaded_from_safe_files_only),
		cmocka_unit_test(a_marked_code_is_not_loaded_again),
		cmocka_unit_test(completion),
		cmocka_unit_test(common_prefixes_are_completed),
	};

	return cmocka_run_group_tests(tests, place_make, place_remove);
}
