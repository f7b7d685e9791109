/*
 * pack.h - PACK and OFFER: many small files, directories and symlinks in a
 * frame.
 *
 * Layer: receiver.
 * Threads: the stream's own.
 */
#ifndef FERRY_RECEIVER_PACK_H
#define FERRY_RECEIVER_PACK_H

#include <stddef.h>

#include "base/err.h"

struct worker;

/*
 * Handle a PACK, or with is_offer an OFFER (which has no content, and is
 * answered with OFFERED), whose body of len bytes is still to be read.  Every
 * row and every byte is checked before the first item is written.  An item that
 * fails gets its verdict, and is no error here.  Returns 0, or an error that
 * ends the session.
 */
int recv_pack(struct worker *w, size_t len, int is_offer, struct err *e);

#endif
