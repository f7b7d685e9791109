/*
 * attr_names.h - the names of extended attributes of what is not open.
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_ATTR_NAMES_H
#define FERRY_OS_ATTR_NAMES_H

#include <stddef.h>
#include <sys/types.h>

/*
 * The names of the extended attributes, ACLs among them, of an entry of a
 * directory, as listxattr(2): each terminated, in size bytes at list.  A
 * symlink is followed where follow says so.  Returns their length; or -1 with
 * errno, which says nothing about the entry unless it is EOPNOTSUPP: then it
 * can have none, or this build knows of none (POSIX).
 */
ssize_t attr_names_of_entry(int dir_fd, const char *name, int follow, char *list,
			    size_t size);

#endif
