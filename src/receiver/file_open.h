/*
 * file_open.h - OPEN: announces a file that will come in chunks.
 *
 * Layer: receiver.
 * Threads: the stream's own.
 */
#ifndef FERRY_RECEIVER_FILE_OPEN_H
#define FERRY_RECEIVER_FILE_OPEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct parts_found;
struct recv_file;
struct verdict;
struct worker;

/*
 * Handle the body of an OPEN: find the file's directory and what has its name
 * already, make its part, and answer STATE.  A file that cannot be received is
 * refused, which is no error here.  Returns 0, or an error that ends the
 * session.
 */
int file_open(struct worker *w, const uint8_t *body, size_t len,
	      struct err *e);

/*
 * Make the part of a file (one that is kept, if the file is large enough) in
 * its directory, with room for its content.  found: as in
 * parts_create_kept(); unchanged where nothing is found.  Returns 0; or -1 with
 * a verdict in v.
 */
int file_open_part(struct worker *w, struct recv_file *f,
		   struct parts_found *found, struct verdict *v);

#endif
