/*
 * The table of digests.
 */
#include "chunk/digest.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"

static const struct digest_ops *const rows[] = {
	&digest_xxh3,
	&digest_sha256,
	&digest_crc32,
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

const struct digest_ops *digest_by_id(unsigned id)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i]->id == id)
			return rows[i];
	}
	return NULL;
}

const struct digest_ops *digest_by_name(const char *name)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (strcmp(rows[i]->name, name) == 0)
			return rows[i];
	}
	return NULL;
}

char *digest_text(char *dst, const struct digest_ops *ops,
		  const uint8_t *digest)
{
	char hex[2 * DIGEST_MAX + 1];

	hex_encode(hex, digest, ops->size);
	snprintf(dst, DIGEST_TEXT_MAX, "%s:%s", ops->name, hex);
	return dst;
}
