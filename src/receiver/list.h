/*
 * list.h - LIST: what of a list of items is wanted, by their metadata.
 *
 * Layer: receiver.
 * Threads: the stream's own.
 */
#ifndef FERRY_RECEIVER_LIST_H
#define FERRY_RECEIVER_LIST_H

#include <stddef.h>

#include "base/err.h"

struct worker;

/*
 * Handle a LIST, whose body of len bytes is still to be read, and answer it
 * with LISTED.  Every row is checked before the first of them is looked up.
 * With LIST_DRY_RUN nothing changes here, and there are no verdicts.  Blocks
 * while files are read whose digests came.  Returns 0, or an error that ends
 * the session.
 */
int recv_list(struct worker *w, size_t len, struct err *e);

#endif
