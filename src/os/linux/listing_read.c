/*
 * getdents64() with a buffer of our own.
 */
#define _GNU_SOURCE 1
/* musl declares getdents64() for it */
#define _LARGEFILE64_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "os/listing.h"

enum { BUFFER_SIZE = 32768 };

struct listing {
	int fd;
	size_t pos, end;
	struct listing_entry entry;
	_Alignas(struct dirent64) char buffer[BUFFER_SIZE];
};

struct listing *listing_new(void)
{
	struct listing *l = malloc(sizeof(*l));

	if (l)
		listing_begin(l, -1);
	return l;
}

void listing_free(struct listing *l)
{
	free(l);
}

void listing_begin(struct listing *l, int fd)
{
	l->fd = fd;
	l->pos = l->end = 0;
}

static enum listing_kind kind_of(unsigned char type)
{
	switch (type) {
	case DT_UNKNOWN:
		return LISTING_UNKNOWN;
	case DT_DIR:
		return LISTING_DIR;
	case DT_REG:
		return LISTING_FILE;
	case DT_LNK:
		return LISTING_SYMLINK;
	default:
		return LISTING_SPECIAL;
	}
}

/* Read further entries.  Returns how many bytes; or -1 with errno. */
static ssize_t fill(struct listing *l)
{
	ssize_t n;

	do {
		n = getdents64(l->fd, (void *)l->buffer, BUFFER_SIZE);
	} while (n < 0 && errno == EINTR);
	l->pos = 0;
	l->end = n > 0 ? (size_t)n : 0;
	return n;
}

const struct listing_entry *listing_next(struct listing *l, int *error)
{
	*error = 0;
	for (;;) {
		const struct dirent64 *d;

		if (l->pos == l->end) {
			const ssize_t n = fill(l);

			if (n <= 0) {
				*error = n < 0 ? errno : 0;
				return NULL;
			}
		}
		d = (const void *)(l->buffer + l->pos);
		l->pos += d->d_reclen;
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		l->entry.name = d->d_name;
		l->entry.kind = kind_of(d->d_type);
		return &l->entry;
	}
}
