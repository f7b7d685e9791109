/*
 * prctl() and close_range().
 */
#include "os/process.h"

#include <limits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Descriptors that are closed one by one: with RLIMIT_NOFILE at infinity the
 * loop would not end. */
enum { FDS_MAX = 65536 };

int process_hide_memory(void)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void process_close_from(int first)
{
	struct rlimit lim = { FDS_MAX, FDS_MAX };

	/* Since Linux 5.9; glibc has a function for it since 2.34 only. */
	if (syscall(SYS_close_range, first, UINT_MAX, 0) == 0)
		return;
	(void)getrlimit(RLIMIT_NOFILE, &lim);
	for (int fd = first; fd < FDS_MAX && (rlim_t)fd < lim.rlim_cur; fd++)
		close(fd);
}
