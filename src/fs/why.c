/*
 * Attributes, and directories that are gone.
 */
#include "fs/why.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/err.h"

/* The kernel's numbers of STATX_ATTR_IMMUTABLE and STATX_ATTR_APPEND, which musl
 * does not have. */
enum { PROTECTED = 0x10 | 0x20 };

static int is_protected(int dir_fd, const char *name)
{
	const int flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
	struct statx sx;

	return statx(dir_fd, name, flags, 0, &sx) == 0 &&
	       sx.stx_attributes & PROTECTED;
}

static int is_removed(int dir_fd)
{
	struct stat st;

	return fstat(dir_fd, &st) == 0 ? st.st_nlink == 0 :
					 errno == ENOENT || errno == ESTALE;
}

int why_errno(int dir_fd, const char *name, int error)
{
	switch (error) {
	case EPERM:
	case EACCES:
	case EOPNOTSUPP: /* a symlink that is refused with EPERM */
		if (is_protected(dir_fd, "") ||
		    (name && is_protected(dir_fd, name)))
			return ERR_ERRNO_PROTECTED;
		/* Landlock refuses what has no path any more. */
		return is_removed(dir_fd) ? ENOENT : error;
	default:
		return error;
	}
}
