/*
 * The table of a pack, row by row, with the checks of names and links; and
 * both checks against a model that is written in another way.
 *
 * Input: a byte (which digest), then rows.
 */
#include "fuzz.h"

#include "base/err.h"
#include "fs/name.h"
#include "wire/msg.h"

/* Whether a component has the form ".ferry-<16 hex>.part", ".journal" or
 * ".new". */
static int model_is_own(const char *s, size_t n)
{
	char text[NAME_PART_MAX], hex[17];
	int used = -1;

	if (n >= sizeof(text) || memchr(s, 0, n))
		return 0;
	memcpy(text, s, n);
	text[n] = '\0';
	return sscanf(text, ".ferry-%16[0-9a-f]%n", hex, &used) == 1 &&
	       used == 23 &&
	       (strcmp(text + used, ".part") == 0 ||
		strcmp(text + used, ".journal") == 0 ||
		strcmp(text + used, ".new") == 0);
}

/* The components that end at slashes or the end; each must be fine. */
static int model_name(const char *s, size_t n)
{
	size_t depth = 0, from = 0;

	if (n < 1 || n > 4095)
		return 0;
	for (size_t i = 0; i <= n; i++) {
		size_t len = i - from;

		if (i < n && s[i] == '\0')
			return 0;
		if (i < n && s[i] != '/')
			continue;
		if (len < 1 || len > 255 || ++depth > 128 ||
		    (len == 1 && s[from] == '.') ||
		    (len == 2 && s[from] == '.' && s[from + 1] == '.') ||
		    model_is_own(s + from, len))
			return 0;
		from = i + 1;
	}
	return 1;
}

/* Whether a file system may take a component for another one: then it may be
 * refused as one of ferry's own (name_is_like_own()). */
static int may_be_folded(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const int is_last = i + 1 == n || s[i + 1] == '/';

		if ((unsigned char)s[i] >= 0x80 ||
		    (s[i] >= 'A' && s[i] <= 'Z') ||
		    (is_last && (s[i] == '.' || s[i] == ' ')))
			return 1;
	}
	return 0;
}

/* Walk a target from a directory that lies depth below the top: -1 where that
 * leaves the tree or ".." follows a name. */
static int model_walk(const char *s, size_t n, long depth)
{
	int below = 0; /* a name was met */

	for (size_t from = 0, i = 0; i <= n; i++) {
		size_t len = i - from;

		if (i < n && s[i] != '/')
			continue;
		if (len == 2 && s[from] == '.' && s[from + 1] == '.') {
			if (below || --depth < 0)
				return -1;
		} else if (len > 0 && !(len == 1 && s[from] == '.')) {
			below = 1;
		}
		from = i + 1;
	}
	return 0;
}

static void check_link(const struct pack_item *it, size_t prefix)
{
	const char *why = name_check_symlink(it->name, it->name_len, prefix,
					  it->target, it->target_len);
	long depth = 0;

	if (why)
		return;
	CHECK(it->target[0] != '/');
	CHECK(!memchr(it->target, 0, it->target_len));
	for (size_t i = 0; i < it->name_len; i++)
		depth += it->name[i] == '/';
	CHECK(depth >= (long)prefix);
	CHECK(model_walk(it->target, it->target_len, depth - (long)prefix) ==
	      0);
}

static void check_item(const struct pack_item *it)
{
	const char *why = name_check(it->name, it->name_len);

	CHECK(why || model_name(it->name, it->name_len));
	CHECK(!why || !model_name(it->name, it->name_len) ||
	      (may_be_folded(it->name, it->name_len) && strstr(why, "own")));
	if (!why && it->kind == ITEM_SYMLINK) {
		check_link(it, 0);
		check_link(it, 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t digests[] = { 16, 32, 4, 16 };
	struct pack_form form;
	struct rd r;
	struct buf b;

	if (size == 0)
		return 0;
	form.digest_size = digests[data[0] & 3];
	form.meta = data[0] & 4 ? FILE_META_EXTENDED : FILE_META_BASIC;
	rd_init(&r, data + 1, size - 1);
	while (!rd_at_end(&r)) {
		const uint8_t *from = r.p;
		struct pack_item it;
		int rc = pack_get_item(&it, &r, &form);

		CHECK(rc == 0 || rc == ERR_PROTOCOL);
		if (rc)
			break;
		buf_init(&b, 3 * CHUNK_MAX);
		pack_put_item(&b, &it, &form);
		CHECK(!b.failed && b.len == (size_t)(r.p - from));
		CHECK(memcmp(b.data, from, b.len) == 0);
		buf_release(&b);
		check_item(&it);
	}
	return 0;
}
