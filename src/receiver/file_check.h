/*
 * file_check.h - CHECK: compares leaves that the receiver has with the
 * sender's.
 *
 * Layer: receiver.
 * Threads: the stream's own.
 */
#ifndef FERRY_RECEIVER_FILE_CHECK_H
#define FERRY_RECEIVER_FILE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct worker;

/*
 * Handle the body of a CHECK, and answer CHECKED.  Blocks while it reads the
 * leaves, and sends heart-beats meanwhile.  A file that fails gets its verdict,
 * and is no error here.  Returns 0, or an error that ends the session.
 */
int file_check(struct worker *w, const uint8_t *body, size_t len,
	       struct err *e);

#endif
