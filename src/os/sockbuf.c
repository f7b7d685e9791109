/*
 * POSIX has all of it.
 */
#include "os/sockbuf.h"

#include <sys/socket.h>

void sockbuf_enlarge(int fd, int bytes)
{
	int has = 0;
	socklen_t len = sizeof(has);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &has, &len) == 0 &&
	    has < bytes)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes,
				 sizeof(bytes));
}
