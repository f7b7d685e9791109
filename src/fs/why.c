/*
 * Attributes, directories that are gone, and file systems such as /proc.
 */
#include "fs/why.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "fs/trial.h"
#include "os/protection.h"

static int is_removed(int dir_fd)
{
	struct stat st;

	return fstat(dir_fd, &st) == 0 ? st.st_nlink == 0 :
					 errno == ENOENT || errno == ESTALE;
}

static int is_closed(int dir_fd)
{
	return faccessat(dir_fd, ".", W_OK | X_OK, AT_EACCESS) < 0;
}

/* Whether nothing at all can be created, though the permissions would allow it.
 * Such file systems say EPERM, EACCES or ENOENT, which also have other causes;
 * a trial that fails otherwise, as for want of room, shows nothing. */
static int takes_no_entries(int dir_fd)
{
	int error;

	if (is_closed(dir_fd))
		return 0;
	error = trial_entries(dir_fd);
	return error == EPERM || error == EACCES || error == ENOENT;
}

int why_errno(int dir_fd, const char *name, int error)
{
	switch (error) {
	case ENOENT:
		if (name || is_removed(dir_fd))
			return error;
		/* /proc/sys says so of a name that may not be made there. */
		if (is_closed(dir_fd))
			return EACCES;
		return takes_no_entries(dir_fd) ? ERR_ERRNO_NO_ENTRIES : error;
	case EPERM:
	case EACCES:
	case EOPNOTSUPP: /* a symlink that is refused with EPERM */
		if (protection_is_set(dir_fd, "") ||
		    (name && protection_is_set(dir_fd, name)))
			return ERR_ERRNO_PROTECTED;
		/* Landlock refuses what has no path any more. */
		if (is_removed(dir_fd))
			return ENOENT;
		return !name && takes_no_entries(dir_fd) ? ERR_ERRNO_NO_ENTRIES
							 : error;
	default:
		return error;
	}
}
