/*
 * xattr.h - extended attributes of an open file, which ACLs are too (Linux:
 * fgetxattr() and others; POSIX: EOPNOTSUPP).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_XATTR_H
#define FERRY_OS_XATTR_H

#include <stddef.h>
#include <sys/types.h>

/* Whether this build knows of any (POSIX: no). */
int xattr_is_known(void);

/* The names, each terminated, in list (size bytes).  Returns how many bytes
 * that are; or -1 with errno: ERANGE where there are more. */
ssize_t xattr_list(int fd, char *list, size_t size);

/* The value of one.  Returns its size, also with size 0, which asks for that
 * only; or -1 with errno: ERANGE where it is larger, see xattr_is_none(). */
ssize_t xattr_get(int fd, const char *name, void *value, size_t size);

/* Set or replace one; remove one.  Return 0, or -1 with errno. */
int xattr_set(int fd, const char *name, const void *value, size_t size);
int xattr_remove(int fd, const char *name);

/* Whether error, an errno of these, says that the file has no such attribute,
 * or cannot have any. */
int xattr_is_none(int error);

#endif
