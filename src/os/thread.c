/*
 * pthread_create() returns its error instead of setting errno.
 */
#include "os/thread.h"

#include <errno.h>

int thread_start(pthread_t *thread, void *(*main)(void *), void *arg)
{
	const int rc = pthread_create(thread, NULL, main, arg);

	if (rc == 0)
		return 0;
	errno = rc;
	return -1;
}

int thread_error(struct err *e)
{
	/* libc tries clone3() first, and clone() only after ENOSYS. */
	if (errno == EPERM)
		return err_sys(e, ERR_RESOURCE,
			       "cannot start a thread (a container's seccomp "
			       "policy may forbid clone3())");
	if (errno == EAGAIN)
		return err_sys(e, ERR_RESOURCE,
			       "cannot start a thread (ulimit -u, or the limit "
			       "on processes of a container)");
	return err_sys(e, ERR_RESOURCE, "cannot start a thread");
}
