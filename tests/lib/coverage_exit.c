/*
 * coverage_exit.c - with COVERAGE=1: what happens before the counters are
 * written.
 *
 * gcc writes them when a program returns from main() or calls exit().  The
 * process that runs the program of --exec, and one that gets a second signal,
 * call _exit(), and what they ran would count as not tested.
 *
 * The code that writes them does not check malloc(), so that the program would
 * crash at its end where faultio.so lets an allocation fail.
 */
#include <dlfcn.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* gcc's and clang's. */
extern void __gcov_dump(void);

/* Runs before gcc's destructor, which has a priority. */
__attribute__((destructor)) static void stop_faults(void)
{
	void *symbol = dlsym(RTLD_DEFAULT, "faultio_stop");
	void (*stop)(void);

	/* ISO C converts no pointer to an object to one to a function. */
	memcpy(&stop, &symbol, sizeof(stop));
	if (stop)
		stop();
}

void _exit(int status)
{
	stop_faults();
	__gcov_dump();
	for (;;)
		syscall(SYS_exit_group, status);
}
