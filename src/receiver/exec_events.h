/*
 * exec_events.h - telling the process that runs the program of --exec what was
 * committed, and the user what became of it.  Whatever that is, it is not the
 * session's result.
 *
 * Layer: receiver.  Uses exec_helper.h, setup.h.
 */
#ifndef FERRY_RECEIVER_EXEC_EVENTS_H
#define FERRY_RECEIVER_EXEC_EVENTS_H

#include <stdint.h>

struct recv_setup;
struct session_summary;

/* Have the program run if the session committed something.  Waits while hundreds
 * of events wait.  From any thread. */
void exec_events_session(struct recv_setup *setup, uint64_t number,
			 const char *peer,
			 const struct session_summary *sum);

/* Tell the user how programs ended.  From one thread, as exec_events_end().
 * Returns ERR_AGAIN, or ERR_CLOSED when there will be no more. */
int exec_events_reports(struct recv_setup *setup);

/* Wait for the programs that run and those that are to run; after a signal, at
 * most ten seconds. */
void exec_events_end(struct recv_setup *setup);

#endif
