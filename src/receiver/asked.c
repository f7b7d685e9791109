/*
 * The names that a receiver has asked for.
 */
#include "receiver/asked.h"

#include <string.h>

int asked_has(const struct asked *a, const char *path, size_t len)
{
	const char *slash = memchr(path, '/', len);
	const size_t n = slash ? (size_t)(slash - path) : len;

	if (!a || a->any)
		return 1;
	for (size_t i = 0; i < a->count; i++) {
		if (strlen(a->names[i]) == n &&
		    memcmp(a->names[i], path, n) == 0)
			return 1;
	}
	return 0;
}
