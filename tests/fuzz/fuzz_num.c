/*
 * Numbers, sizes, hex and codec choices from text, against a model with wider
 * arithmetic.
 *
 * Input: the text.
 */
#include "fuzz.h"

#include "base/err.h"
#include "base/num.h"
#include "chunk/codec.h"

/* v becomes v * by + plus; *ok falls where that is too large. */
static void grow(uint64_t *v, uint64_t by, unsigned plus, int *ok)
{
	if (*v > (UINT64_MAX - plus) / by)
		*ok = 0;
	else
		*v = *v * by + plus;
}

/* The number that all of s is, or 0 in *ok.  Suffixes only where wanted. */
static uint64_t model(const char *s, int with_suffix, int *ok)
{
	static const char suffixes[] = "KkMmGgTt";
	size_t n = strspn(s, "0123456789");
	const char *suffix;
	uint64_t v = 0;

	*ok = n > 0;
	for (size_t i = 0; i < n; i++)
		grow(&v, 10, (unsigned)(s[i] - '0'), ok);
	s += n;
	if (!*s)
		return v;
	suffix = with_suffix ? strchr(suffixes, *s) : NULL;
	if (!suffix || (s[1] && strcmp(s + 1, "iB") != 0))
		*ok = 0;
	else
		grow(&v, UINT64_C(1) << (10 * ((suffix - suffixes) / 2 + 1)),
		     0, ok);
	return v;
}

static void check(const char *s, int with_suffix, uint64_t min, uint64_t max)
{
	uint64_t got = 0x5a5a;
	int ok = 0, rc;
	uint64_t want = model(s, with_suffix, &ok);

	rc = with_suffix ? num_parse_size(s, min, max, &got) :
			   num_parse(s, min, max, &got);
	if (ok && want >= min && want <= max) {
		CHECK(rc == 0 && got == want);
	} else {
		CHECK(rc == ERR_RANGE && got == 0x5a5a);
	}
}

static void check_hex(const char *s)
{
	size_t n = strlen(s) / 2;
	uint8_t *bytes = fuzz_alloc(n);
	char *again = fuzz_alloc(2 * n + 1);

	if (hex_decode(bytes, n, s) == 0) {
		hex_encode(again, bytes, n);
		CHECK(strlen(again) == 2 * n && strlen(s) == 2 * n);
		for (size_t i = 0; i < 2 * n; i++)
			CHECK(again[i] == s[i] || again[i] == (s[i] | 0x20));
	} else {
		CHECK(strlen(s) % 2 ||
		      strspn(s, "0123456789abcdefABCDEF") < 2 * n);
	}
	free(bytes);
	free(again);
}

static void check_codec(const char *s)
{
	struct codec_choice c = { .level = -1 };
	int rc = codec_parse(s, &c);

	if (rc == 0) {
		CHECK(c.ops && c.level >= c.ops->level_min &&
		      c.level <= c.ops->level_max);
		CHECK(!c.is_auto || strncmp(s, "auto", 4) == 0);
	} else {
		CHECK(rc == ERR_RANGE && !c.ops && c.level == -1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);

	for (int with_suffix = 0; with_suffix < 2; with_suffix++) {
		check(text, with_suffix, 0, UINT64_MAX);
		check(text, with_suffix, 1, UINT16_MAX);
		check(text, with_suffix, 5, 5);
		check(text, with_suffix, 1, (uint64_t)1 << 53);
	}
	check_hex(text);
	check_codec(text);
	free(text);
	return 0;
}
