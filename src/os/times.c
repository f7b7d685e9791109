/*
 * Setting the times of symlinks, and reading the birth time.
 */
#include "os/times.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"

const char times_empty_path[TIMES_EMPTY_PATH_SIZE]
	__attribute__((aligned(TIMES_EMPTY_PATH_SIZE))) = "";

int times_set_symlink(int dir_fd, const char *name,
		      const struct timespec times[2])
{
	/* By descriptor, as the sandbox does not allow paths: a symlink can be
	 * opened with O_PATH only, and utimensat() accepts such a descriptor
	 * since Linux 5.8 (EINVAL before). */
	int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int rc = fd < 0 ? -1 :
			  utimensat(fd, times_empty_path, times, AT_EMPTY_PATH);
	int saved;

	if (rc < 0 && errno == EINVAL)
		rc = utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW);
	/* A wrong time is no reason to fail the symlink. */
	if (rc < 0 && (errno == EPERM || errno == ENOSYS || errno == EOPNOTSUPP))
		rc = 0;
	saved = errno;
	io_close(&fd);
	errno = saved;
	return rc;
}

int times_of_birth(int fd, struct timespec *birth_out, uint32_t *mode_out)
{
	const unsigned wanted = STATX_BTIME | STATX_TYPE | STATX_MODE;
	struct statx sx = { 0 };
	const int rc = statx(fd, "", AT_EMPTY_PATH, wanted, &sx);

	*mode_out = sx.stx_mode;
	if (rc < 0 || !(sx.stx_mask & STATX_BTIME))
		return -1;
	birth_out->tv_sec = (time_t)sx.stx_btime.tv_sec;
	birth_out->tv_nsec = (long)sx.stx_btime.tv_nsec;
	return 0;
}
