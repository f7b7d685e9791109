/*
 * A thread, since no other one of a session is always free to answer.
 */
#include "cmd/on_signal.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "cmd/signals.h"
#include "os/thread.h"
#include "os/wake.h"

struct on_signal {
	/* set once */
	void (*call)(void *ctx);
	void *ctx;
	pthread_t thread;
	struct wake stop;
};

static void *thread_main(void *arg)
{
	struct on_signal *o = arg;
	struct pollfd fds[2] = {
		{ .fd = signals_report()->fd, .events = POLLIN },
		{ .fd = o->stop.fd, .events = POLLIN },
	};

	for (;;) {
		(void)poll(fds, 2, -1);
		if (fds[1].revents)
			return NULL;
		if (fds[0].revents) {
			wake_clear(signals_report());
			o->call(o->ctx);
		}
	}
}

struct on_signal *on_signal_start(void (*call)(void *ctx), void *ctx)
{
	struct on_signal *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->call = call;
	o->ctx = ctx;
	if (signals_report()->fd >= 0 && wake_open(&o->stop) == 0) {
		if (thread_start(&o->thread, thread_main, o) == 0)
			return o;
		wake_close(&o->stop);
	}
	free(o);
	return NULL;
}

void on_signal_stop(struct on_signal *o)
{
	if (!o)
		return;
	wake_signal(&o->stop);
	pthread_join(o->thread, NULL);
	wake_close(&o->stop);
	free(o);
}
