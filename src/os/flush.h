/*
 * flush.h - making what was written durable (Linux: syncfs()).
 *
 * Layer: os.
 * Threads: any.  Each may block for as long as the disk takes.
 *
 * Never repeat one that failed: the kernel counts the pages as clean after it
 * has reported an error once.
 */
#ifndef FERRY_OS_FLUSH_H
#define FERRY_OS_FLUSH_H

/* A file's content and what is needed to read it.  0, or -1 with errno. */
int flush_data(int fd);

/* A file or directory with its metadata: of a directory, its names. */
int flush_all(int fd);

/* Everything that was written to the file system of fd. */
int flush_filesystem(int fd);

#endif
