/*
 * prctl() and close_range().
 */
#define _GNU_SOURCE 1
#include <limits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/process.h"

int process_hide_memory(void)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int process_gain_nothing(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int process_close_range_from(int first)
{
	/* Since Linux 5.9; glibc has a function for it since 2.34 only. */
	return syscall(SYS_close_range, first, UINT_MAX, 0) == 0 ? 0 : -1;
}
