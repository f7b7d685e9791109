/*
 * cpu_share.h - what each sender's sessions have of the processors, so that one
 * with many streams cannot keep them from the others.
 *
 * The kernel shares the processors between threads, and a sender has as many here
 * as it has streams.  So while the threads of a sender are preempted, those of a
 * sender that has had more in the last seconds pause, and have half of an equal
 * share.  As long as nobody is preempted, or there is one sender only, everyone may
 * use all there is.
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
	uint64_t looked_ns; /* when it last looked; 0: not since there are two
			     * senders */
	struct thread_usage usage; /* what it had then */
	uint64_t taken_ns;  /* of the share, for what it is going to use */
};

/* To be called now and then while the thread works, best without locks: count
 * what it has used, and sleep, for not more than CPU_SHARE_PAUSE_MS, if its sender
 * has had more than its share. */
void cpu_share_check(struct cpu_meter *m);

enum { CPU_SHARE_PAUSE_MS = 500 };

#endif
