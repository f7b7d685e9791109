/*
 * list_other.h - in a dry run, the items of a LIST that are no files.
 *
 * Layer: receiver.
 * Threads: the stream's own.
 */
#ifndef FERRY_RECEIVER_LIST_OTHER_H
#define FERRY_RECEIVER_LIST_OTHER_H

#include "base/err.h"

struct item;
struct list;

/* Plan what would be done with a directory, symlink, special file or hard link,
 * as dir_meta.h and symlinks.h do it.  Returns 0, or an error that ends the
 * session. */
int list_other_plan(struct list *l, const struct item *it, struct err *e);

#endif
