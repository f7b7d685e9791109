/*
 * size_limit.h - whether a file system can hold a file of a size (Linux:
 * lseek(); FUSE: by trying).
 *
 * Layer: os.
 * Threads: any; nobody else uses the file meanwhile.
 */
#ifndef FERRY_OS_SIZE_LIMIT_H
#define FERRY_OS_SIZE_LIMIT_H

#include <stdint.h>

/* Whether the file of fd, which is empty, can grow to size bytes; it is empty
 * again after that.  Returns 0, also where nobody can tell, or -1 with
 * EFBIG. */
int size_limit_check(int fd, uint64_t size);

#endif
