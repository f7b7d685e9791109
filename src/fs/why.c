/*
 * Attributes, and directories that are gone.
 */
#include "fs/why.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/err.h"
#include "os/protection.h"

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
		if (protection_is_set(dir_fd, "") ||
		    (name && protection_is_set(dir_fd, name)))
			return ERR_ERRNO_PROTECTED;
		/* Landlock refuses what has no path any more. */
		return is_removed(dir_fd) ? ENOENT : error;
	default:
		return error;
	}
}
