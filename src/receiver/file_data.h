/*
 * file_data.h - CHUNK and HOLE: the content of files.
 *
 * Layer: receiver.  Uses worker.h, input.h, file_use.h, file_table.h, stdout.h.
 */
#ifndef FERRY_RECEIVER_FILE_DATA_H
#define FERRY_RECEIVER_FILE_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct worker;

/* Receive a CHUNK whose body, of len bytes, is still to be read.  A file that
 * fails is no error here.  Returns 0, or an error that ends the session. */
int file_data_chunk(struct worker *w, size_t len, struct err *e);

/* Handle the body of a HOLE.  The same. */
int file_data_hole(struct worker *w, const uint8_t *body, size_t len,
		   struct err *e);

#endif
