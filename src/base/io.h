/*
 * io.h - reads and writes that handle EINTR and short counts.
 *
 * Layer: base.
 * Threads: any.  All block.
 */
#ifndef FERRY_BASE_IO_H
#define FERRY_BASE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Write all n bytes, at off for io_pwrite().  Returns 0, or -1 with errno;
 * ENOSPC where write() returns 0. */
int io_write(int fd, const void *p, size_t n);
int io_pwrite(int fd, const void *p, size_t n, uint64_t off);

/* Read n bytes, or up to the end of the file.  Returns the count, which is
 * below n only at the end; -1 with errno. */
ssize_t io_read(int fd, void *p, size_t n);
ssize_t io_pread(int fd, void *p, size_t n, uint64_t off);

/* Whether the first n bytes of two files are the same; 0 also where some of
 * them cannot be read, and when out of memory. */
int io_have_same(int fd_a, int fd_b, uint64_t n);

/* Close *fd if it is not negative, and set it to -1 in any case.  Returns 0, or
 * -1 with errno. */
int io_close(int *fd);

#endif
