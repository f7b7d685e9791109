/*
 * list.h - reading a list of names from a file or pipe.
 *
 * Layer: fs.
 * Threads: a struct list belongs to one thread.
 *
 * A list of any length is read through one buffer of fixed size (64 KiB).
 */
#ifndef FERRY_FS_LIST_H
#define FERRY_FS_LIST_H

#include "base/err.h"

struct list;

/* Read names from fd (borrowed), each of which ends with the byte end.  Only
 * the last line of a regular file need not: anything else that ends within a
 * name may come from a process that was killed.  NULL when out of memory. */
struct list *list_new(int fd, char end);
void list_free(struct list *l); /* NULL is allowed */

/* Whether the list is a regular file, which ends where it ends, with no process
 * involved. */
int list_is_file(const struct list *l);

enum list_result {
	LIST_NAME,    /* *name is set */
	LIST_END,     /* there are no more names */
	LIST_WAITING, /* no whole name is there yet: call again */
	LIST_FAILED,  /* e says why: the list cannot be read (errno), or has a
			 name of more than 8 KiB, or one with a NUL in it (with
			 '\n' as the end), or ends within a name */
};

/*
 * Read the next name, terminated, in memory of l that the caller may write to:
 * valid until the next call.  Blocks while bytes keep coming without the end of
 * a name; returns LIST_WAITING when none have come for 200 ms, or after a
 * signal.
 */
enum list_result list_next(struct list *l, char **name, struct err *e);

#endif
