/*
 * coverage_exit.c - with COVERAGE=1: what happens before the counters are
 * written, and what is needed so that they can be.
 *
 * gcc writes them when a program returns from main() or calls exit().  Those
 * that call _exit(), as helpers do, or end by a signal, as ferry does after
 * SIGTERM, would count as not tested; so would those that run as another user
 * or are confined by Landlock.
 *
 * The code that writes them does not check malloc(), so that the program would
 * crash at its end where faultio.so lets an allocation fail.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "sandbox/landlock.h"

enum { DUMP_SECONDS = 5, RULES_MAX = 16 };

/* gcc's and clang's. */
extern void __gcov_dump(void);

/* Runs before gcc's destructor, which has a priority. */
__attribute__((destructor)) static void before_dump(void)
{
	void *symbol = dlsym(RTLD_DEFAULT, "faultio_stop");
	void (*stop)(void);

	/* ISO C converts no pointer to an object to one to a function. */
	memcpy(&stop, &symbol, sizeof(stop));
	if (stop)
		stop();
	/* the next process that adds to these files may be another user's */
	umask(0);
}

static void dump(void)
{
	before_dump();
	__gcov_dump();
}

void _exit(int status)
{
	dump();
	for (;;)
		syscall(SYS_exit_group, status);
}

/* Have a signal sent to this process soon. */
static void send_later(int sig)
{
	const struct itimerspec soon = { .it_value.tv_sec = DUMP_SECONDS };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = sig };
	int timer;

	if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) == 0)
		syscall(SYS_timer_settime, timer, 0, &soon, NULL);
}

int raise(int sig)
{
	struct sigaction act;

	if (sigaction(sig, NULL, &act) == 0 && act.sa_handler == SIG_DFL &&
	    (sig == SIGINT || sig == SIGTERM || sig == SIGHUP)) {
		/* A handler that calls this may have interrupted malloc(), for
		 * whose lock the dump would wait for ever. */
		send_later(sig);
		dump();
	}
	return (int)syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig);
}

/* The linker has all calls of landlock_confine() come here (--wrap). */
int __real_landlock_confine(const struct landlock_policy *p, struct err *e);
int __wrap_landlock_confine(const struct landlock_policy *p, struct err *e);

int __wrap_landlock_confine(const struct landlock_policy *p, struct err *e)
{
	const char *dir = getenv("GCOV_PREFIX");
	struct landlock_rule rules[RULES_MAX];
	struct landlock_policy own = *p;
	int fd, rc;

	if (!dir || p->any_file || p->count >= RULES_MAX)
		return __real_landlock_confine(p, e);
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return __real_landlock_confine(p, e);
	if (p->count)
		memcpy(rules, p->rules, p->count * sizeof(*rules));
	rules[own.count++] = (struct landlock_rule){
		fd, LANDLOCK_READ_FILE | LANDLOCK_WRITE_FILE |
			    LANDLOCK_MAKE_DIR | LANDLOCK_MAKE_REG |
			    LANDLOCK_TRUNCATE
	};
	own.rules = rules;
	rc = __real_landlock_confine(&own, e);
	io_close(&fd);
	return rc;
}
