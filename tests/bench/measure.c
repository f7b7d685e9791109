/*
 * measure OUT COMMAND... - run a command and say exactly what it took.
 *
 * Writes to OUT one line of JSON: when it started and when the command and
 * the last of its descendants ended (CLOCK_MONOTONIC, ns), CPU time of all of
 * them (us), peak resident memory of the largest (KiB) and the exit status.
 * As a subreaper it also waits for descendants whose parents have ended, so
 * nothing escapes it.  SIGTERM, SIGINT and SIGHUP go on to the command's
 * process group; KILL_AFTER_S later what is left is killed.
 *
 * Exits 0 if the command was run, whatever became of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILL_AFTER_S 5

struct result {
	uint64_t start_ns;
	uint64_t main_end_ns;
	uint64_t all_end_ns;
	int status;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/*
 * The handler needs to know whom to tell: the one mutable global.  Zero until
 * the command runs; signals are blocked until then.
 */
static volatile sig_atomic_t group;

static void pass_on(int sig)
{
	kill((pid_t)-group, sig == SIGALRM ? SIGKILL : sig);
	if (sig != SIGALRM)
		alarm(KILL_AFTER_S);
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = pass_on };
	const int sigs[] = { SIGTERM, SIGINT, SIGHUP, SIGALRM };
	size_t i;

	for (i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaction(sigs[i], &sa, NULL);
}

static pid_t start(char **argv, const sigset_t *old_mask)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, old_mask, NULL);
	execvp(argv[0], argv);
	fprintf(stderr, "measure: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static void reap_all(pid_t command, struct result *r)
{
	for (;;) {
		int status;
		pid_t pid = wait(&status);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			break;
		r->all_end_ns = now_ns();
		if (pid != command)
			continue;
		r->main_end_ns = r->all_end_ns;
		r->status = WIFEXITED(status) ? WEXITSTATUS(status)
					      : 128 + WTERMSIG(status);
	}
}

static uint64_t us(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * 1000000U + (uint64_t)tv.tv_usec;
}

static int report(const char *path, const struct result *r)
{
	struct rusage ru;
	FILE *f = fopen(path, "w");

	if (!f || getrusage(RUSAGE_CHILDREN, &ru))
		return -1;
	fprintf(f,
		"{\"start_ns\":%" PRIu64 ",\"main_end_ns\":%" PRIu64
		",\"all_end_ns\":%" PRIu64 ",\"user_us\":%" PRIu64
		",\"sys_us\":%" PRIu64 ",\"peak_kib\":%ld,\"status\":%d}\n",
		r->start_ns, r->main_end_ns, r->all_end_ns, us(ru.ru_utime),
		us(ru.ru_stime), ru.ru_maxrss, r->status);
	return fclose(f);
}

int main(int argc, char **argv)
{
	struct result r = { 0 };
	sigset_t mask, old_mask;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: measure OUT COMMAND...\n");
		return 2;
	}
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, &old_mask);
	prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL);
	catch_signals();
	r.start_ns = now_ns();
	pid = start(argv + 2, &old_mask);
	if (pid < 0) {
		perror("measure: fork");
		return 1;
	}
	setpgid(pid, pid);
	group = pid;
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	reap_all(pid, &r);
	if (report(argv[1], &r)) {
		perror(argv[1]);
		return 1;
	}
	return 0;
}
