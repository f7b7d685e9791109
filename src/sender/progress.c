/*
 * How far a transfer is.
 */
#include "sender/progress.h"

#include "base/clock.h"
#include "sender/outfile.h"
#include "sender/queue.h"
#include "sender/queue_files.h"
#include "sender/queue_tasks.h"
#include "sender/send.h"
#include "sender/session.h"
#include "sender/stream.h"
#include "session/events.h"
#include "session/idle.h"

enum {
	TELL_MS = 500,    /* between two frames to the receiver */
	TELL_BYTES = 128, /* room for one */
};

/* Whether the receiver tells what has arrived.  peer.ready must not be looked
 * at before that stage. */
static int is_told(struct sender *s)
{
	return send_session_stage(s->session) != SESSION_READY ||
	       s->peer.ready.features & FEATURE_PROGRESS;
}

/* Content that has arrived, in all sessions. */
static uint64_t arrived(struct sender *s)
{
	const struct counters *c = &s->count;
	const uint64_t sent = atomic_load(&c->sent);
	uint64_t now = is_told(s) ? atomic_load(&c->arrived) : sent;
	uint64_t most = sent;

	/* What is being sent may have arrived already, but not more; and what
	 * came of a frame that was cut off is lost. */
	if (send_session_count_streams(s->session) > 0)
		most += STREAMS_MAX * CHUNK_MAX;
	if (now > most)
		now = most;
	return atomic_load(&c->arrived_before) + now;
}

/* That need not be sent: what arrived in lost sessions has to be, where it has
 * no verdict, so it may be less than nothing. */
static uint64_t add_spared(uint64_t bytes, int64_t spared)
{
	if (spared < 0 && bytes < (uint64_t)-spared)
		return 0;
	return bytes + (uint64_t)spared;
}

/* When the session ends if the receiver makes no progress; 0: it is not its
 * turn.  *is_busy: it says that it is at work. */
static uint64_t give_up_ms(struct sender *s, int *is_busy)
{
	*is_busy = 0;
	if (send_session_stage(s->session) != SESSION_READY ||
	    queue_is_busy(s->queue, atomic_load(&s->blocked)))
		return 0;
	return idle_ends_ms(&s->idle, is_busy);
}

void send_progress_show(struct sender *s, int is_scanned)
{
	const struct session_events *ev = s->cfg->events;
	struct counters *c = &s->count;
	struct session_progress p = {
		.total_bytes = atomic_load(&c->total_bytes),
		.files = atomic_load(&c->files),
		.total_files = atomic_load(&c->total_files),
		.total_is_final = is_scanned,
		.is_endless = atomic_load(&c->is_endless),
		.is_unconnected = send_session_stage(s->session) ==
			    SESSION_CONNECTING,
		.streams = send_session_count_streams(s->session),
		.sent_bytes = arrived(s),
		.at_ms = is_told(s) ? atomic_load(&c->arrived_ms) : clock_ms(),
	};

	atomic_store(&c->is_scanned, is_scanned);
	p.bytes = add_spared(p.sent_bytes, atomic_load(&c->spared));
	/* A file may have been larger when it was scanned, and what a file
	 * system says of holes is not exact. */
	if (p.bytes > p.total_bytes ||
	    (is_scanned && p.files == p.total_files))
		p.bytes = p.total_bytes;
	p.give_up_ms = give_up_ms(s, &p.is_busy);
	/* While ssh logs in, the terminal is its own: for a password. */
	if (s->cfg->carrier && p.is_unconnected)
		return;
	if (ev->progress)
		ev->progress(ev->ctx, 1, &p);
}

void send_progress_restart(struct sender *s)
{
	struct counters *c = &s->count;
	const uint64_t before = arrived(s);

	atomic_store(&c->arrived_before, before);
	atomic_store(&c->arrived, 0);
	atomic_store(&c->sent, 0);
	atomic_store(&c->spared,
		     (int64_t)atomic_load(&c->done_bytes) - (int64_t)before);
	atomic_store(&c->files_before, atomic_load(&c->files));
	atomic_fetch_add(&c->replaced_before, atomic_exchange(&c->replaced, 0));
	atomic_fetch_add(&c->renamed_before, atomic_exchange(&c->renamed, 0));
	atomic_store(&c->told_ms, 0);
	atomic_store(&c->told_sum, 0);
	atomic_store(&c->told_final, 0);
}

void send_progress_spare(struct sender *s, struct outfile *f, uint64_t n)
{
	queue_count_spared(s->queue, f, n);
	atomic_fetch_add(&s->count.spared, (int64_t)n);
}

void send_progress_spare_hole(struct sender *s, struct outfile *f, uint64_t n)
{
	/* Set before there are leaves to be sent. */
	if (!f->has_counted_holes)
		send_progress_spare(s, f, n);
}

void send_progress_spare_checked(struct sender *s, struct outfile *f,
				 uint64_t n)
{
	if (!f->has_counted_part)
		send_progress_spare(s, f, n);
}

void send_progress_spare_state(struct sender *s, uint64_t part, uint64_t holes)
{
	atomic_fetch_add(&s->count.spared, (int64_t)(part + holes));
	if (part + holes > 0)
		atomic_store(&s->count.told_ms, 0);
}

/* PROGRESS may come by several streams, in another order.  Returns whether the
 * counter was lower. */
static int raise_to(atomic_uint_fast64_t *counter, uint64_t value)
{
	uint64_t known = atomic_load(counter);

	while (value > known) {
		if (atomic_compare_exchange_weak(counter, &known, value))
			return 1;
	}
	return 0;
}

int send_progress_take(struct sender *s, const uint8_t *body, size_t n)
{
	struct counters *c = &s->count;
	struct msg_progress m;

	if (msg_get_progress(&m, body, n))
		return ERR_PROTOCOL;
	raise_to(&c->replaced, m.replaced);
	raise_to(&c->renamed, m.renamed);
	if (raise_to(&c->arrived, m.bytes)) {
		const uint64_t now = clock_ms();

		atomic_store(&c->arrived_ms, now);
		/* What a slow line still carries may take longer than the
		 * timeout until the next verdict. */
		idle_peer_is_busy(&s->idle, now);
	}
	return 0;
}

/* ---- telling the receiver ---- */

static struct msg_progress current(const struct counters *c)
{
	const struct msg_progress m = {
		.bytes = add_spared(atomic_load(&c->arrived_before),
				    atomic_load(&c->spared)),
		.total_bytes = atomic_load(&c->total_bytes),
		.total_files = atomic_load(&c->total_files) -
			       atomic_load(&c->files_before),
		.flags = (atomic_load(&c->is_scanned) ? PROGRESS_FINAL : 0) |
			 (atomic_load(&c->is_endless) ? PROGRESS_ENDLESS : 0),
	};

	return m;
}

/* Put it into out where it is time, something has changed, and this thread is
 * the one to do it.  It is time at once when the scan has ended: on a slow
 * line, what is sent next may take minutes, during which nothing can be told.
 * Returns whether it was. */
static int put_if_due(struct send_stream *st, struct buf *out)
{
	struct counters *c = &st->sender->count;
	const uint64_t now = clock_ms();
	uint64_t told = atomic_load(&c->told_ms), sum;
	struct msg_progress m;
	int is_final;

	/* After FINISH nothing may be sent. */
	if (!(st->features & FEATURE_PROGRESS) ||
	    st->state >= STREAM_FINISHING)
		return 0;
	m = current(c);
	is_final = (m.flags & PROGRESS_FINAL) != 0;
	if (now - told < TELL_MS && (!is_final || atomic_load(&c->told_final)))
		return 0;
	/* To tell that nothing was found yet would delay the first that
	 * counts. */
	if (m.total_files == 0 && m.flags == 0)
		return 0;
	sum = m.bytes * 3 + m.total_bytes * 5 + m.total_files * 7 + m.flags + 1;
	if (sum == atomic_load(&c->told_sum) ||
	    !atomic_compare_exchange_strong(&c->told_ms, &told, now))
		return 0;
	atomic_store(&c->told_sum, sum);
	atomic_fetch_or(&c->told_final, is_final);
	msg_put_progress(out, &m);
	return 1;
}

int send_progress_if_due(struct send_stream *st, struct err *e)
{
	if (!put_if_due(st, &st->channel.out))
		return 0;
	return channel_send(&st->channel, NULL, 0, e);
}

int send_progress_tick(struct send_stream *st, struct err *e)
{
	struct buf out;
	int rc = 0;

	buf_init(&out, TELL_BYTES);
	if (put_if_due(st, &out))
		rc = channel_send_aside(&st->channel, &out, e);
	buf_release(&out);
	return rc;
}

void send_progress_leave(struct send_stream *st)
{
	struct err ignored;

	atomic_store(&st->sender->count.told_ms, 0);
	(void)send_progress_tick(st, &ignored);
}
