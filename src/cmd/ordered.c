/*
 * Which options of an order are taken.
 */
#include "cmd/ordered.h"

#include <string.h>

#include "base/text.h"
#include "cmd/options.h"

enum { SHOWN_MAX = 200 };

/* Whether arg is one of the names, alone or followed by "=". */
static int is_named(const char *names, const char *arg)
{
	const size_t n = strcspn(arg, "=");

	while (*names) {
		const size_t len = strcspn(names, " ");

		if (len == n && strncmp(names, arg, n) == 0)
			return 1;
		names += len;
		names += strspn(names, " ");
	}
	return 0;
}

/* Whether arg is the long name of a row, alone or followed by "=". */
static int is_in_group(const struct option_group *group, const char *arg)
{
	const size_t n = strcspn(arg, "=");

	for (size_t i = 0; group && i < group->count; i++) {
		const char *name = group->rows[i].name;

		if (name && n == strlen(name) + 2 &&
		    memcmp(arg, "--", 2) == 0 &&
		    memcmp(arg + 2, name, n - 2) == 0)
			return 1;
	}
	return 0;
}

int ordered_check(const struct ordered *o, const char *names,
		  const struct option_group *group, struct err *e)
{
	char shown[SHOWN_MAX];

	for (int i = 1; i < o->argc && strcmp(o->argv[i], "--") != 0; i++) {
		if (!is_named(names, o->argv[i]) &&
		    !is_in_group(group, o->argv[i]))
			return err_set(e, ERR_USAGE,
				       "ferry here does not take '%s' from "
				       "another host (is it an older release?)",
				       text_escape(shown, sizeof(shown),
						   o->argv[i],
						   strlen(o->argv[i])));
	}
	return 0;
}
