/*
 * One-time codes as typed or read from a file: what is taken is a code and
 * means the same when it is read again, and completion adds nothing that is
 * not one.
 *
 * Input: the text.
 */
#include "fuzz.h"

#include "base/err.h"
#include "auth/code.h"

/* In lower case, with one hyphen for each run of blanks and hyphens: "" for
 * what has no code's form. */
static void model(char *out, const char *text, size_t n)
{
	static const char blanks[] = " \t\n\v\f\r";
	unsigned hyphens = 0;
	size_t used = 0;

	while (n > 0 && *text && strchr(blanks, *text)) {
		text++;
		n--;
	}
	while (n > 0 && text[n - 1] && strchr(blanks, text[n - 1]))
		n--;
	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)text[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (c == '-' || (c && strchr(blanks, c))) {
			if (used > 0 && out[used - 1] == '-')
				continue;
			c = '-';
			hyphens++;
		}
		out[used++] = (char)c;
	}
	out[used] = '\0';
	if (hyphens != 2 || used != strlen(out) || strcspn(out, "-") != 4 ||
	    strspn(out, "0123456789") != 4)
		*out = '\0';
}

static int is_word(const char *s, size_t n)
{
	for (unsigned i = 0; i < WORDS_COUNT; i++) {
		const char *w = words_at(i);

		if (strlen(w) == n && memcmp(w, s, n) == 0)
			return 1;
	}
	return 0;
}

static int model_is_code(const char *s)
{
	size_t n;

	if (!*s)
		return 0;
	s += 5;
	n = strcspn(s, "-");
	return is_word(s, n) && is_word(s + n + 1, strlen(s + n + 1));
}

static void check_parse(const char *text, size_t n)
{
	char *want = fuzz_alloc(n + 1), code[CODE_MAX], again[CODE_MAX];
	struct err e = { 0 };
	int rc;

	model(want, text, n);
	memset(code, 0xa5, sizeof(code));
	rc = code_parse(code, text, n, &e);
	if (model_is_code(want)) {
		CHECK(rc == 0 && strcmp(code, want) == 0);
		CHECK(code_parse(again, code, strlen(code), &e) == 0);
		CHECK(strcmp(code, again) == 0);
	} else {
		CHECK(rc == ERR_USAGE && e.code == rc && *e.text && !*code);
	}
	free(want);
}

/* With what is added there are as many words as were said, or less. */
static void check_complete(const char *text, size_t n)
{
	char rest[WORDS_LEN_MAX + 2], *more;
	unsigned first, count, first_then, then;
	size_t len;

	memset(rest, 0xa5, sizeof(rest));
	count = code_complete(text, n, rest, sizeof(rest), &first);
	CHECK(memchr(rest, 0, sizeof(rest)));
	CHECK(count <= WORDS_COUNT && first + count <= WORDS_COUNT);
	len = strlen(rest);
	if (count == 0) {
		/* a hyphen after the digits, at most */
		CHECK(len == 0 || strcmp(rest, "-") == 0);
		return;
	}
	if (len > 0 && rest[len - 1] == '-')
		rest[--len] = '\0';
	more = fuzz_alloc(n + len);
	if (n)
		memcpy(more, text, n);
	memcpy(more + n, rest, len);
	then = code_complete(more, n + len, rest, sizeof(rest), &first_then);
	CHECK(then == count && first_then == first);
	free(more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);

	check_parse(text, size);
	check_complete(text, size);
	free(text);
	return 0;
}
