/*
 * pack.h - PACK and OFFER: many small files, directories and symlinks.
 *
 * Layer: receiver.  Uses worker.h, input.h, committer.h, conflict.h, dir_meta.h,
 * quota.h, results.h, stdout.h, symlinks.h.
 */
#ifndef FERRY_RECEIVER_PACK_H
#define FERRY_RECEIVER_PACK_H

#include <stddef.h>

#include "base/err.h"

struct worker;

/*
 * Receive a PACK, or with is_offer an OFFER (which has no content and is
 * answered with OFFERED), whose body, of len bytes, is still to be read.  Every
 * row and every byte is checked before the first of them touches the disk.  An
 * item that fails is no error here.  Returns 0, or an error that ends the
 * session.
 */
int recv_pack(struct worker *w, size_t len, int is_offer, struct err *e);

#endif
