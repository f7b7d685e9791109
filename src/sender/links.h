/*
 * links.h - files with several names, of which the first is sent as a file and
 * the others as hard links to that, once the receiver has it.
 *
 * Layer: sender.
 * Threads: any; it has a lock of its own, which is taken last.  Only
 * links_await() blocks.
 *
 * Known by device and inode.  Memory is bounded: beyond that, files are sent
 * for each of their names.
 */
#ifndef FERRY_SENDER_LINKS_H
#define FERRY_SENDER_LINKS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"

struct links;

/* NULL when out of memory. */
struct links *links_new(void);
void links_free(struct links *l); /* NULL is allowed */

/* A name of a file that was found. */
struct links_name {
	const char *name; /* terminated */
	size_t name_len, path_off; /* as in struct item */
	unsigned root;
	const struct stat *st;
};

enum links_state {
	LINKS_FIRST, /* send it as a file, which *number stands for */
	LINKS_THERE, /* send it as a link to *first */
	LINKS_LATER, /* it is kept until that is known: links_next() */
	LINKS_FULL,  /* send it as a file: too many are remembered */
};

/* What to do with a name.  first: reset and filled with the name,
 * terminated. */
enum links_state links_find(struct links *l, const struct links_name *n,
			    uint32_t *number, struct buf *first);

/* The file with this number (0: none) has its result: whether it is there, as
 * the inode that st says. */
void links_settle(struct links *l, uint32_t number, const struct stat *st,
		  int is_there);

/* A name that was kept and can be sent now, as a file or as a link; its own
 * name is in `name`, terminated, and n->name is set to that.  Returns 0 where
 * there is none: then *left says how many are still kept. */
int links_next(struct links *l, struct links_name *n, struct stat *st,
	       struct buf *name, size_t *left);

/* Whether so many are kept that no more should be found. */
int links_is_full(struct links *l);

/* Block until a file has its result, or links_close() was called, which returns
 * -1. */
int links_await(struct links *l);

/* Nothing more is sent. */
void links_close(struct links *l);

#endif
