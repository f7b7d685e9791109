/*
 * How far a session is.
 */
#include "receiver/progress.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "receiver/results.h"
#include "receiver/transfer.h"
#include "session/channel.h"
#include "session/events.h"
#include "session/totals.h"
#include "wire/msg.h"

enum { FRAME_ROOM = 128 };

int recv_progress_take(struct transfer *t, const uint8_t *body, size_t n)
{
	struct msg_progress m;

	if (msg_get_progress(&m, body, n))
		return ERR_PROTOCOL;
	atomic_store(&t->spared_bytes, m.bytes);
	atomic_store(&t->total_bytes, m.total_bytes);
	atomic_store(&t->total_files, m.total_files);
	atomic_store(&t->total_flags, m.flags);
	return 0;
}

static void put_progress(struct transfer *t, struct buf *out)
{
	struct totals totals;
	struct msg_progress m = {
		.bytes = atomic_load(&t->content_bytes),
	};

	results_get_totals(t->results, &totals);
	m.replaced = totals.replaced;
	m.renamed = totals.renamed;
	msg_put_progress(out, &m);
}

void recv_progress_put_last(struct transfer *t, struct buf *out)
{
	if (t->features & FEATURE_PROGRESS)
		put_progress(t, out);
}

int recv_progress_if_due(struct transfer *t, struct channel *channel,
			 struct err *e)
{
	const uint64_t now = clock_ms();
	uint64_t told_ms = atomic_load(&t->told_ms);
	uint64_t bytes;
	struct buf frame;
	int rc;

	if (!(t->features & FEATURE_PROGRESS) ||
	    now - told_ms < RECV_PROGRESS_MS)
		return 0;
	bytes = atomic_load(&t->content_bytes);
	if (bytes == atomic_load(&t->told_bytes) ||
	    !atomic_compare_exchange_strong(&t->told_ms, &told_ms, now))
		return 0;
	atomic_store(&t->told_bytes, bytes);
	buf_init(&frame, FRAME_ROOM);
	put_progress(t, &frame);
	rc = channel_send_aside(channel, &frame, e);
	buf_release(&frame);
	return rc;
}

void recv_progress_get(struct transfer *t, struct session_progress *p)
{
	const unsigned flags = atomic_load(&t->total_flags);
	const uint64_t spared = atomic_load(&t->spared_bytes);
	struct totals totals;

	results_get_totals(t->results, &totals);
	memset(p, 0, sizeof(*p));
	p->sent_bytes = atomic_load(&t->content_bytes);
	p->at_ms = atomic_load(&t->content_ms);
	p->files = totals.committed + totals.unchanged + totals.skipped +
		   totals_failed_count(&totals);
	p->total_bytes = atomic_load(&t->total_bytes);
	p->total_files = atomic_load(&t->total_files);
	p->total_is_final = (flags & PROGRESS_FINAL) != 0;
	p->is_endless = (flags & PROGRESS_ENDLESS) != 0;
	p->bytes = p->sent_bytes + spared;
	if (p->bytes < spared)
		p->bytes = UINT64_MAX;
	if (!idle_is_working(&t->idle))
		p->give_up_ms = idle_ends_ms(&t->idle, &p->is_busy);
	/* The sender has told nothing, or less than has come since: of standard
	 * input, what it had read. */
	if (p->total_bytes < p->bytes && p->total_is_final && !p->is_endless)
		p->bytes = p->total_bytes;
	if (p->total_bytes < p->bytes)
		p->total_bytes = p->bytes;
	if (p->total_files < p->files)
		p->total_files = p->files;
}
