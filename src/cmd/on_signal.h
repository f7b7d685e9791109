/*
 * on_signal.h - a thread that calls a function when SIGUSR1 comes.
 *
 * Layer: cmd.
 * Threads: main's; the function is called in the thread.
 */
#ifndef FERRY_CMD_ON_SIGNAL_H
#define FERRY_CMD_ON_SIGNAL_H

struct on_signal;

/* Start the thread, after signals_start().  NULL where it cannot be had: then
 * the signal is without effect. */
struct on_signal *on_signal_start(void (*call)(void *ctx), void *ctx);

/* End it; call() is not called any more.  NULL is allowed. */
void on_signal_stop(struct on_signal *o);

#endif
