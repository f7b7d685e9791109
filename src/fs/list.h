/*
 * list.h - names from a file or pipe, one behind the other.
 *
 * Layer: fs.  Uses base.
 * Threads: a struct list belongs to one thread.
 *
 * A list of any length is read through one buffer of fixed size.
 */
#ifndef FERRY_FS_LIST_H
#define FERRY_FS_LIST_H

#include "base/err.h"

struct list;

/* Names that come from fd (borrowed), each with the byte `end` behind it.
 * NULL when out of memory. */
struct list *list_new(int fd, char end);
void list_free(struct list *l); /* NULL is allowed */

enum list_got {
	LIST_NAME,
	LIST_END,
	LIST_WAITING, /* nothing came for a fifth of a second */
	LIST_FAILED,  /* e says why: the list cannot be read (errno), or holds
			 a name that is longer than any path, or one with a NUL
			 where lines are read */
};

/*
 * The next name, terminated, in memory of the list that the caller may write
 * to: valid until the next call.  Blocks for a fifth of a second at most.
 */
enum list_got list_next(struct list *l, char **name, struct err *e);

#endif
