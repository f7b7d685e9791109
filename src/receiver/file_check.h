/*
 * file_check.h - CHECK: comparing leaves that are here with those of the sender.
 *
 * Layer: receiver.  Uses worker.h, file_open.h, file_use.h, file_table.h.
 */
#ifndef FERRY_RECEIVER_FILE_CHECK_H
#define FERRY_RECEIVER_FILE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct worker;

/*
 * Handle the body of a CHECK and answer CHECKED.  Reads the leaves, so it takes
 * its time; heart-beats go out meanwhile.  A file that fails is no error here.
 * Returns 0, or an error that ends the session.
 */
int file_check(struct worker *w, const uint8_t *body, size_t len,
	       struct err *e);

#endif
