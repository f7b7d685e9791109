/*
 * control.h - one session, from connecting to its end.
 *
 * Layer: sender.
 * Threads: the control thread's, which is the caller of send_run().
 */
#ifndef FERRY_SENDER_CONTROL_H
#define FERRY_SENDER_CONTROL_H

struct scanner;
struct sender;

/*
 * Run a session: start streams as growth.h says, show progress, and end
 * everything when the user stops the transfer.  Blocks until all threads of
 * streams have ended.  send_session_error() then says how the session ended.
 */
void control_run_session(struct sender *s, struct scanner *scanner);

#endif
