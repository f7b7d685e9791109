/*
 * file_compare.h - COMPARE: what a file shares with its basis.
 *
 * Layer: receiver.
 * Threads: the stream's own.
 */
#ifndef FERRY_RECEIVER_FILE_COMPARE_H
#define FERRY_RECEIVER_FILE_COMPARE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct worker;

/*
 * Handle the body of a COMPARE, and answer with SIGNATUREs: leaves that are the
 * same in the basis are copied to the part; of others the digests of the basis
 * are told.  Blocks while it reads the basis, and sends heart-beats meanwhile.
 * A file that fails gets its verdict, and is no error here.  Returns 0, or an
 * error that ends the session.
 */
int file_compare(struct worker *w, const uint8_t *body, size_t len,
		 struct err *e);

#endif
