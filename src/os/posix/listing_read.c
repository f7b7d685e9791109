/*
 * readdir() of a descriptor that has the offset of the directory's own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "os/listing.h"

struct listing {
	int fd;   /* to be listed; -1: nothing, or its end was reached */
	DIR *dir; /* NULL: not opened yet */
	struct listing_entry entry;
};

struct listing *listing_new(void)
{
	struct listing *l = calloc(1, sizeof(*l));

	if (l)
		l->fd = -1;
	return l;
}

static void stop(struct listing *l)
{
	if (l->dir)
		closedir(l->dir);
	l->dir = NULL;
	l->fd = -1;
}

void listing_free(struct listing *l)
{
	if (l)
		stop(l);
	free(l);
}

void listing_begin(struct listing *l, int fd)
{
	stop(l);
	l->fd = fd;
}

/* Open a copy of the descriptor, which closedir() closes.  Returns 0 or an
 * errno. */
static int open_dir(struct listing *l)
{
	int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0), error;

	if (fd >= 0)
		l->dir = fdopendir(fd);
	if (l->dir)
		return 0;
	error = errno;
	io_close(&fd);
	return error;
}

const struct listing_entry *listing_next(struct listing *l, int *error)
{
	const struct dirent *d;

	*error = 0;
	if (l->fd < 0)
		return NULL;
	if (!l->dir)
		*error = open_dir(l);
	do {
		errno = 0;
		d = *error ? NULL : readdir(l->dir);
	} while (d && (strcmp(d->d_name, ".") == 0 ||
		       strcmp(d->d_name, "..") == 0));
	if (!d) {
		*error = *error ? *error : errno;
		stop(l);
		return NULL;
	}
	l->entry.name = d->d_name;
	l->entry.kind = LISTING_UNKNOWN;
	return &l->entry;
}
