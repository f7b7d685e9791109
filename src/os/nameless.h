/*
 * nameless.h - files without a name (Linux: O_TMPFILE, memfd), which the kernel
 * removes with their last descriptor: a process that is killed leaves none.
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_NAMELESS_H
#define FERRY_OS_NAMELESS_H

#include <sys/types.h>

/*
 * Create one on the file system of dir_fd, open for reading and writing, with
 * mode less the umask.  Returns a descriptor, or -1 with errno: EOPNOTSUPP,
 * whatever the system call's own error, where this kernel or file system does
 * not support them.
 */
int nameless_create(int dir_fd, mode_t mode);

/* Create one in memory, open for reading and writing.  Returns a descriptor, or
 * -1 with errno. */
int nameless_create_in_memory(void);

/* Give it a name in dir_fd, which must be on the same file system.  Returns 0,
 * or -1 with errno: EEXIST where the name is taken. */
int nameless_link(int fd, int dir_fd, const char *name);

#endif
