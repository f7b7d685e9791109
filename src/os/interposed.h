/*
 * interposed.h - whether a preloaded library, such as that of proxychains or
 * torsocks, takes the place of libc's connect() or getaddrinfo().
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_INTERPOSED_H
#define FERRY_OS_INTERPOSED_H

#include <stddef.h>

/* Write the file name of that library, without its directory, to dst.  Returns
 * dst, or NULL where the functions are libc's. */
const char *interposed_by(char *dst, size_t size);

#endif
