/*
 * statx().
 */
#define _GNU_SOURCE 1
#include "os/protection.h"

#include <fcntl.h>
#include <sys/stat.h>

/* The kernel's numbers of STATX_ATTR_IMMUTABLE and STATX_ATTR_APPEND, which
 * musl does not have. */
enum { PROTECTED = 0x10 | 0x20 };

int protection_is_set(int dir_fd, const char *name)
{
	const int flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
	struct statx sx;

	return statx(dir_fd, name, flags, 0, &sx) == 0 &&
	       sx.stx_attributes & PROTECTED;
}
