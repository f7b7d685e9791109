/*
 * exec_queue.h - sessions that have ended and whose program (--exec) could not
 * be handed to the process that runs it yet, as the socket to that is full.
 * They hold no place of --max-sessions, so there is a limit on them, and on
 * those of one sender.
 *
 * Layer: receiver.
 * Threads: exec_queue_add(), exec_queue_wait() and exec_queue_count() from any
 * thread; the rest from one.
 */
#ifndef FERRY_RECEIVER_EXEC_QUEUE_H
#define FERRY_RECEIVER_EXEC_QUEUE_H

#include <stdint.h>

struct exec_helper;
struct exec_helper_event;
struct exec_queue;
struct senders;

enum {
	EXEC_QUEUE_MAX = 256,
	EXEC_QUEUE_A_SENDER = EXEC_QUEUE_MAX / 4 * 3,
};

/* Whose session it is.  Borrowed. */
struct exec_queue_sender {
	struct senders *senders; /* that exec belongs to */
	struct exec_helper *exec;
	const uint8_t *owner; /* STREAM_PEER bytes: recv_session_owner() */
};

/* NULL when out of memory. */
struct exec_queue *exec_queue_new(void);
void exec_queue_free(struct exec_queue *q); /* NULL is allowed */

/*
 * Hand the facts of a session to the process of its sender, or keep them until
 * that can be done.  Programs of a process run in the order of these calls.
 * Returns 0; ERR_AGAIN when there is no room, at all or for this sender; or
 * ERR_LOST when the process is gone.
 */
int exec_queue_add(struct exec_queue *q, const struct exec_queue_sender *s,
		   const struct exec_helper_event *ev);

/* Wait for room, at most for ms milliseconds. */
void exec_queue_wait(struct exec_queue *q, unsigned ms);

/* How many sessions are kept. */
unsigned exec_queue_count(struct exec_queue *q);

/* Hand over what can be.  not_run is called with the number of each session
 * whose process is gone (rc: ERR_LOST); and if is_end, of each that could not
 * be handed over (ERR_AGAIN). */
void exec_queue_pass_on(struct exec_queue *q, int is_end,
			void (*not_run)(void *ctx, uint64_t session, int rc),
			void *ctx);

#endif
