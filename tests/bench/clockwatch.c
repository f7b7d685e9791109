/*
 * clockwatch - how much time did this machine lose to its host?
 *
 * A thread on each CPU wakes every few milliseconds, at real-time priority, so
 * nothing on this machine keeps it waiting for long.  When one wakes much too
 * late, the CPU was not there: a virtual machine's host ran something else.
 *
 * For each line on standard input prints one line: the milliseconds lost
 * since the line before, by the CPU that lost the most.  Ends with its input.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
	PERIOD_NS = 5000000, /* each wake-up costs some 50 us */
	/* Interrupts and long system calls may delay a thread this much. */
	GRACE_NS = 2000000,
};

struct watch {
	int cpu;
	atomic_uint_fast64_t lost_ns;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void *watch_cpu(void *arg)
{
	struct watch *w = arg;
	struct timespec period = { .tv_nsec = PERIOD_NS };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned int)w->cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	for (;;) {
		uint64_t before = now_ns(), took;

		nanosleep(&period, NULL);
		took = now_ns() - before;
		if (took > PERIOD_NS + GRACE_NS)
			atomic_fetch_add(&w->lost_ns, took - PERIOD_NS);
	}
	return NULL;
}

static uint64_t take_worst(struct watch *watches, long count)
{
	uint64_t worst = 0;
	long i;

	for (i = 0; i < count; i++) {
		uint64_t lost = atomic_exchange(&watches[i].lost_ns, 0);

		worst = lost > worst ? lost : worst;
	}
	return worst;
}

int main(void)
{
	const struct sched_param param = { .sched_priority = 2 };
	long i, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct watch *watches = calloc((size_t)cpus, sizeof(*watches));
	char line[64];

	if (!watches)
		return 1;
	prctl(PR_SET_PDEATHSIG, 9UL, 0UL, 0UL, 0UL);
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		fprintf(stderr, "clockwatch: no real-time priority: load on "
				"this machine will look like lost time\n");
	mlockall(MCL_CURRENT);
	for (i = 0; i < cpus; i++) {
		pthread_t thread;

		watches[i].cpu = (int)i;
		if (pthread_create(&thread, NULL, watch_cpu, &watches[i]))
			return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		printf("%.3f\n", (double)take_worst(watches, cpus) / 1e6);
		fflush(stdout);
	}
	return 0;
}
