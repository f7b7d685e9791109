/*
 * cpu_share.h - what each sender's sessions have of the processors, so that one
 * with many streams cannot keep them from the others.
 *
 * The kernel shares the processors between threads, and a sender has as many
 * here as it has streams.  So while there are several senders, only some
 * threads of each run at a time, twice as many as there are processors.
 * Otherwise a thread that uses little, and often waits for its peer, would
 * after each of these waits have to wait until all threads of another sender
 * have run.  And while the threads of a sender are preempted, those of a sender
 * that has had more in the last seconds pause, and get half of an equal share.
 * As long as no thread is preempted, or there is only one sender, each may use
 * all there is.
 *
 * Layer: receiver.
 * Threads: any; a meter belongs to one.
 */
#ifndef FERRY_RECEIVER_CPU_SHARE_H
#define FERRY_RECEIVER_CPU_SHARE_H

#include <stdint.h>

#include "net/stream.h"
#include "os/thread_usage.h"

struct cpu_shares;
struct cpu_share;

/* NULL when out of memory. */
struct cpu_shares *cpu_share_new(void);

/* NULL is allowed.  All shares were given back. */
void cpu_share_free(struct cpu_shares *all);

/* The share of a sender (recv_session_owner()), which all its sessions have
 * together; NULL when out of memory.  Is passed to cpu_share_give_back(). */
struct cpu_share *cpu_share_take(struct cpu_shares *all,
				 const uint8_t owner[STREAM_PEER]);

/* NULL is allowed. */
void cpu_share_give_back(struct cpu_share *s);

/* Of a thread that works for a sender; zeroed at first. */
struct cpu_meter {
	struct cpu_share *share; /* borrowed; NULL: is not limited */
	int works;          /* does not wait for its peer */
	int is_running;     /* counts as one of its sender's that run, */
	uint64_t until_ns;  /* until then: another one has its turn */
	uint64_t metered_ns; /* when `usage` was read; 0: not since there are
				two senders */
	struct thread_usage usage; /* what it had then */
	uint64_t taken_ns;  /* of the share, for what it is going to use */
};

/* To be called now and then while the thread works, without locks that others
 * of its sender may want: count what it has used, and sleep, for not more than
 * CPU_SHARE_PAUSE_MS, if its sender has had more than its share; and wait for
 * its turn before and after that, for not more than CPU_SHARE_TURN_MS each,
 * while other threads of its sender run.  Nothing is sent to the peer
 * meanwhile. */
void cpu_share_check(struct cpu_meter *m);

/* The thread has something to do (this may sleep and wait as cpu_share_check()
 * does), or is about to wait for its peer. */
void cpu_share_begin_work(struct cpu_meter *m);
void cpu_share_end_work(struct cpu_meter *m);

enum { CPU_SHARE_PAUSE_MS = 500, CPU_SHARE_TURN_MS = 1000 };

/* How many threads of a sender run at a time. */
unsigned cpu_share_run_max(const struct cpu_shares *all);

#endif
