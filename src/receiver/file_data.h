/*
 * file_data.h - CHUNK and HOLE: the content of files.
 *
 * Layer: receiver.
 * Threads: the stream's own.
 */
#ifndef FERRY_RECEIVER_FILE_DATA_H
#define FERRY_RECEIVER_FILE_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct worker;

/* Handle a CHUNK whose body of len bytes is still to be read: the data is
 * verified, and in the part when this returns.  A file that fails gets its
 * verdict, and is no error here.  Returns 0, or an error that ends the
 * session. */
int file_data_chunk(struct worker *w, size_t len, struct err *e);

/* Handle the body of a HOLE.  Returns as file_data_chunk(). */
int file_data_hole(struct worker *w, const uint8_t *body, size_t len,
		   struct err *e);

#endif
