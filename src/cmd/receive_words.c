/*
 * The words, as tables.
 */
#include "cmd/receive_words.h"

#include <string.h>

#include "base/err.h"
#include "receiver/conflict.h"
#include "session/events.h" /* enum wire_request */

const struct option_word receive_words_existing[] = {
	{ "fail", CONFLICT_FAIL },
	{ "skip", CONFLICT_SKIP },
	{ "replace", CONFLICT_REPLACE },
	{ "newer", CONFLICT_NEWER },
	{ "rename", CONFLICT_RENAME },
	{ "backup", CONFLICT_BACKUP },
	{ NULL, 0 },
};

static const struct accept_word {
	const char *word;
	struct accept what;
} accept_words[] = {
#define X(id, number, text) { text, { id, 0 } },
	WIRE_REQUESTS(X)
#undef X
	{ "owner", { 0, PRESERVE_OWNER } },
	{ "acl", { 0, PRESERVE_ACL } },
	/* trusted.* only as root */
	{ "xattr", { 0, PRESERVE_XATTR | PRESERVE_TRUSTED } },
	{ "specials", { 0, PRESERVE_SPECIALS } },
	/* both give a program rights of its own */
	{ "setid", { 0, PRESERVE_SETID | PRESERVE_CAPABILITY } },
	{ "all", { UINT32_MAX, PRESERVE_KNOWN } },
};

const struct accept receive_words_accept_all = {
	0
#define X(id, number, text) | (uint32_t)id
	WIRE_REQUESTS(X)
#undef X
	, PRESERVE_KNOWN
};

int receive_words_set_accept(void *field, const char *value)
{
	const size_t count = sizeof(accept_words) / sizeof(accept_words[0]);
	struct accept *accept = field;

	for (;;) {
		const size_t n = strcspn(value, ",");
		const struct accept_word *w = accept_words;

		while (w < accept_words + count &&
		       (strlen(w->word) != n || memcmp(w->word, value, n) != 0))
			w++;
		if (w == accept_words + count)
			return ERR_RANGE;
		accept->requests |= w->what.requests &
				    receive_words_accept_all.requests;
		accept->preserve |= w->what.preserve;
		if (!value[n])
			return 0;
		value += n + 1;
	}
}
