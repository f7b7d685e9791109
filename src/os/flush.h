/*
 * flush.h - making written data durable (Linux: syncfs();
 * POSIX: sync()).
 *
 * Layer: os.
 * Threads: any.  Each may block for as long as the disk takes.
 *
 * Never repeat a call that failed: Linux reports a write error once and then
 * counts the pages as clean, so the second call succeeds with the data lost.
 */
#ifndef FERRY_OS_FLUSH_H
#define FERRY_OS_FLUSH_H

/* A file's content, and the metadata that is needed to read it.  Returns 0, or
 * -1 with errno. */
int flush_data(int fd);

/* A file with all its metadata, or a directory with its entries.  As above. */
int flush_all(int fd);

/* Everything that was written to the file system of fd.  As above.  POSIX: may
 * return before that is written, and tells no error of the disk. */
int flush_filesystem(int fd);

/* Whether flush_filesystem() waits for the disk and tells its errors, so that
 * files need no flush of their own. */
int flush_filesystem_is_sure(void);

/* Whether error (an errno of these) says that this file system has no such
 * call, so that nothing was tried and nothing was lost. */
int flush_is_unsupported(int error);

#endif
