/*
 * listing.h - the entries of a directory (Linux: getdents64(); POSIX:
 * readdir(), which does not tell kinds).
 *
 * Layer: os.
 * Threads: a struct listing belongs to one thread.
 */
#ifndef FERRY_OS_LISTING_H
#define FERRY_OS_LISTING_H

#include <stddef.h>

enum listing_kind {
	LISTING_UNKNOWN, /* fstatat() tells */
	LISTING_DIR,
	LISTING_FILE,
	LISTING_SYMLINK,
	LISTING_SPECIAL, /* FIFO, socket, device */
};

struct listing_entry {
	const char *name; /* valid until the next call */
	enum listing_kind kind;
};

struct listing;

/* Make one, which can list one directory after another.  NULL when out of
 * memory. */
struct listing *listing_new(void);

/* NULL is allowed. */
void listing_free(struct listing *l);

/* List the directory fd from here on, from where its offset is.  fd is borrowed
 * until the end of it was reached, or another one is begun, and nobody else
 * reads it. */
void listing_begin(struct listing *l, int fd);

/*
 * The next entry; "." and ".." are none.  Blocks for the disk.  NULL at the
 * end, with *error 0, or with an errno.  The end may be asked for again.
 */
const struct listing_entry *listing_next(struct listing *l, int *error);

/* The kind of an entry of the directory fd, where it was not known: asks for
 * it.  LISTING_UNKNOWN where that fails. */
enum listing_kind listing_kind_of(int fd, const struct listing_entry *entry);

#endif
