/*
 * control.h - one session, from connecting to its end.
 *
 * Layer: sender.
 * Threads: the control thread's, which makes those of the streams.
 */
#ifndef FERRY_SENDER_CONTROL_H
#define FERRY_SENDER_CONTROL_H

struct scanner;
struct sender;

/*
 * Run a session: starts streams as they are worth it, shows progress, and ends
 * all when the user wants it.  Blocks until every stream's thread has ended.
 * How it ended is in s->session.
 */
void control_run_session(struct sender *s, struct scanner *scanner);

/* Call the progress event. */
void control_show_progress(struct sender *s, struct scanner *scanner);

#endif
