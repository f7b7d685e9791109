/*
 * The control thread during a session: a loop that starts streams, shows
 * progress, and ends the session when the user stops the transfer.
 */
#include "sender/control.h"

#include <poll.h>

#include "base/clock.h"
#include "os/thread.h"
#include "sender/connection.h"
#include "sender/direct.h"
#include "sender/growth.h"
#include "sender/progress.h"
#include "sender/queue.h"
#include "sender/scanner.h"
#include "sender/send.h"
#include "sender/sender.h"
#include "sender/session.h"
#include "session/acceptor.h"

enum {
	TICK_MS = 100,
	/* The first tick, at which further streams may be started, comes early,
	 * as a small transfer is over within TICK_MS; each later one comes
	 * after twice as long, up to TICK_MS. */
	TICK_FIRST_MS = 5,
};

struct control {
	struct sender *sender;
	pthread_t threads[STREAMS_MAX]; /* of the streams */
	unsigned started;               /* how many of them there are */
};

static int start_stream(struct control *c)
{
	if (send_connection_start(c->sender, c->started,
				  &c->threads[c->started]))
		return -1;
	c->started++;
	return 0;
}

static void start_further_streams(struct control *c)
{
	struct sender *s = c->sender;
	const struct send_config *cfg = s->cfg;
	struct growth g = {
		.asked = cfg->streams,
		.is_compressing = cfg->codec.ops->id != CODEC_NONE,
		.may_be_early = !cfg->code.pake && !s->acceptor,
		.backlog = queue_backlog(s->queue),
		.bytes = atomic_load(&s->count.total_bytes),
		.files = atomic_load(&s->count.total_files),
	};
	const enum session_stage stage = send_session_stage(s->session);
	unsigned want;

	if (stage < SESSION_CONNECTED || send_session_has_failed(s->session))
		return;
	g.is_long = s->peer.rtt_us >= DIAL_LONG_RTT_US;
	g.is_ready = stage == SESSION_READY;
	if (g.is_ready)
		g.allowed = s->peer.ready.streams;
	want = cfg->carrier
		       ? send_direct_streams(
				 s->direct, &g, c->started,
				 send_session_count_streams(s->session))
		       : growth_streams(&g, c->started);
	while (c->started < want &&
	       (!s->acceptor || acceptor_reserve(s->acceptor)) &&
	       start_stream(c) == 0)
		;
}

void control_run_session(struct sender *s, struct scanner *scanner)
{
	struct pollfd fds[3] = {
		{ .fd = send_session_wake_fd(s->session), .events = POLLIN },
		{ .fd = s->cfg->cancel_fd, .events = POLLIN },
		{ .events = POLLIN },
	};
	struct control c = { .sender = s };
	/* When the user has stopped the transfer: until when the first stream
	 * may tell the receiver; else 0. */
	uint64_t leave_until_ms = 0;
	int wait = TICK_FIRST_MS;
	struct err e;

	idle_init(&s->idle, s->cfg->timeout_ms);
	atomic_store(&s->blocked, 0);
	atomic_store(&s->dirs_sent, 0);
	atomic_store(&s->notes, 0);
	atomic_store(&s->resends, 0);
	if (start_stream(&c)) {
		thread_error(&e);
		send_session_fail(s->session, &e);
	}
	while (send_session_count_streams(s->session) > 0) {
		fds[2].fd = send_direct_fd(s->direct);
		if (poll(fds, 3, wait) > 0) {
			if (fds[0].revents)
				send_session_clear_wake(s->session);
			if (fds[1].revents) {
				/* It stays readable: do not poll it again. */
				fds[1].fd = -1;
				if (send_session_cancel(s->session))
					leave_until_ms = clock_ms() +
							 SESSION_LEAVE_MS;
			}
		}
		if (leave_until_ms && clock_left_ms(leave_until_ms) == 0) {
			leave_until_ms = 0;
			send_session_error(s->session, &e);
			send_session_fail(s->session, &e);
		}
		start_further_streams(&c);
		send_progress_show(s, scanner_is_done(scanner));
		if (wait < TICK_MS)
			wait *= 2;
	}
	for (unsigned i = 0; i < c.started; i++)
		pthread_join(c.threads[i], NULL);
}
