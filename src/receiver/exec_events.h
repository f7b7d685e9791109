/*
 * exec_events.h - has the program of --exec run after a session, and tells the
 * user how it ended.  A program that fails does not change the session's
 * result.
 *
 * Layer: receiver.
 */
#ifndef FERRY_RECEIVER_EXEC_EVENTS_H
#define FERRY_RECEIVER_EXEC_EVENTS_H

struct recv_session;
struct recv_setup;
struct session_summary;

/* Have the program run if the session committed something.  Blocks while the
 * queue is full, or its sender has its share of that (exec_queue.h).  From any
 * thread. */
void exec_events_session(struct recv_setup *setup,
			 const struct recv_session *s,
			 const struct session_summary *sum);

/* Tell the user how programs ended, and hand over those that wait.  Returns
 * ERR_AGAIN; or ERR_CLOSED when there will be no more reports.  From one
 * thread, as exec_events_end(). */
int exec_events_reports(struct recv_setup *setup);

/* Wait for the programs that run or are to run, once the user has stopped the
 * receiver for ten seconds at most. */
void exec_events_end(struct recv_setup *setup);

#endif
