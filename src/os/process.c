/*
 * One call, or one for each descriptor.
 */
#include "os/process.h"

#include <sys/resource.h>
#include <unistd.h>

/* With RLIMIT_NOFILE at infinity the loop would not end. */
enum { FDS_MAX = 65536 };

void process_close_from(int first)
{
	struct rlimit lim = { FDS_MAX, FDS_MAX };

	if (process_close_range_from(first) == 0)
		return;
	(void)getrlimit(RLIMIT_NOFILE, &lim);
	for (int fd = first; fd < FDS_MAX && (rlim_t)fd < lim.rlim_cur; fd++)
		close(fd);
}
