/*
 * What a stream's thread works with: its buffers, the directories of the
 * sources, and sending within the rate limit.
 */
#include "sender/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fs/dirs.h"
#include "fs/scan.h"
#include "sender/item.h"
#include "sender/links.h"
#include "sender/outcome.h"
#include "sender/queue_delta.h"
#include "sender/replies.h"
#include "sender/send.h"
#include "sender/session.h"

enum {
	/* The longest single wait for the rate limit, so that the thread
	 * notices within that time that the user stopped the transfer. */
	RATE_SLICE_MS = 100,
	/* How often a task that reads much looks for answers. */
	KEEP_ALIVE_MS = 100,
	/* Bytes a second of one stream.  A file of 256 MiB of which 1 % has
	 * changed costs each side 0.4 s of processor time with a delta, where
	 * the processor has SHA extensions, and 0.14 s without; so above 640
	 * MiB a second a delta takes longer.  Less, as not all is the same. */
	COMPARE_RATE = 400 << 20,
	/* At first the kernel's buffers take what is sent, however slow the
	 * network is: 4 MiB here and 6 MiB there by default. */
	MEASURED_MIN = 32 << 20,
};

int send_stream_init(struct send_stream *st, struct sender *s, unsigned index,
		     struct err *e)
{
	memset(st, 0, sizeof(*st));
	st->sender = s;
	st->index = index;
	buf_init(&st->table, CHUNK_MAX);
	buf_init(&st->fields, CHUNK_MAX);
	st->raw = malloc(STREAM_RAW_CAP);
	return st->raw ? 0 : err_set(e, ERR_RESOURCE, "out of memory");
}

void send_stream_release(struct send_stream *st)
{
	dirs_free(st->dirs);
	compressor_release(&st->compressor);
	compressor_release(&st->list_compressor);
	send_delta_release(&st->delta);
	free(st->raw);
	buf_release(&st->table);
	buf_release(&st->fields);
	same_release(&st->same);
}

int send_stream_is_leaving(const struct send_stream *st)
{
	return st->index == 0 && send_session_is_cancelled(st->sender->session);
}

int send_stream_keep_alive(struct send_stream *st, struct err *e)
{
	const uint64_t now = clock_ms();
	int rc;

	if (send_stream_is_leaving(st))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	if (now - st->kept_alive_ms < KEEP_ALIVE_MS)
		return 0;
	st->kept_alive_ms = now;
	rc = replies_take(st, e);
	return rc ? rc : channel_ping_if_due(&st->channel, 1, e);
}

void send_stream_begin_task(struct send_stream *st)
{
	st->is_at_task = 1;
	st->is_flushed = 0;
	send_session_begin_task(st->sender->session);
}

void send_stream_end_task(struct send_stream *st)
{
	if (!st->is_at_task)
		return;
	st->is_at_task = 0;
	send_session_end_task(st->sender->session);
}

/* Make st->dirs lead to what is below the item's root. */
static int use_root(struct send_stream *st, const struct item *it,
		    struct err *e)
{
	const struct send_config *cfg = st->sender->cfg;

	/* One cache of directories for each stream, as it is not shared; the
	 * scan goes through the roots one after the other. */
	if (st->dirs && st->dirs_root == it->root)
		return 0;
	dirs_free(st->dirs);
	st->dirs = dirs_new(scan_root_fd(cfg->scan, it->root),
			    cfg->follow_links ? DIRS_FOLLOW : 0, NULL, NULL);
	st->dirs_root = it->root;
	if (!st->dirs)
		return err_set(e, ERR_RESOURCE, "out of memory");
	dirs_set_held(st->dirs, st->sender->stream_dirs);
	return 0;
}

int send_stream_open_parent(struct send_stream *st, const struct item *it,
			    const char *name, const char **leaf, struct err *e)
{
	int rc = use_root(st, it, e);

	return rc ? rc : dirs_parent(st->dirs, name + it->path_off,
				     it->name_len - it->path_off, leaf, e);
}

int send_stream_open_dir(struct send_stream *st, const struct item *it,
			 const char *name)
{
	struct err e;
	int fd = use_root(st, it, &e);

	if (fd == 0)
		fd = dirs_enter(st->dirs, name + it->path_off,
				it->name_len - it->path_off, &e);
	return fd < 0 ? -1 : fd;
}

int send_stream_follows(const struct send_stream *st, const struct item *it)
{
	const struct send_config *cfg = st->sender->cfg;

	return cfg->follow_links || scan_root_follow(cfg->scan, it->root);
}

void send_stream_item_unsent(struct send_stream *st, const struct item *it,
			     const char *name, struct err *e)
{
	outcome_item_unsent(st->sender->outcome, it, name, e);
	links_settle(st->sender->links, it->linked, &it->st, 0);
}

/* ---- sending content ---- */

void send_stream_set_blocked(struct send_stream *st, int is_blocked)
{
	const uint64_t out = stream_wire_out(st->channel.stream);

	/* A task is read before it is sent: where something goes out, that is
	 * progress of the receiver's. */
	if (is_blocked && out != st->wire_out)
		idle_progress(&st->sender->idle);
	st->wire_out = out;
	if (is_blocked && !st->is_blocked)
		atomic_fetch_add(&st->sender->blocked, 1);
	else if (!is_blocked && st->is_blocked)
		atomic_fetch_sub(&st->sender->blocked, 1);
	st->is_blocked = is_blocked;
}

/* Reserve bytes of the rate limit, and wait until they may be sent.  The
 * receiver's answers are read meanwhile, and heart-beats sent. */
static int wait_for_rate(struct send_stream *st, uint64_t bytes, struct err *e)
{
	unsigned ms = rate_limit_take_bytes(&st->sender->rate_limit, bytes);
	uint64_t until;

	if (ms == 0)
		return 0;
	until = clock_ms() + ms;
	while (clock_left_ms(until) > 0 && !send_stream_is_leaving(st)) {
		int left = clock_left_ms(until);
		int rc = stream_wait(
			st->channel.stream, -1,
			left < RATE_SLICE_MS ? left : RATE_SLICE_MS, e);

		if (rc > 0)
			rc = replies_take(st, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Give up deltas where the network is known to be faster: before much was sent
 * it is not.  Returns 0, or an error that ends the session. */
static int judge_network(struct send_stream *st, struct err *e)
{
	struct sender *s = st->sender;
	uint64_t rate;

	if (st->sent_bytes < MEASURED_MIN || !(st->features & FEATURE_DELTA) ||
	    s->cfg->delta != SEND_DELTA_AUTO)
		return 0;
	rate = st->sent_bytes * 1000 / (st->sent_ns / 1000000 + 1);
	if (rate < COMPARE_RATE || atomic_exchange(&s->is_faster_whole, 1))
		return 0;
	events_message(s->cfg->events, SESSION_VERBOSE,
		       "%s: the network takes %llu MiB a second: what is left "
		       "is sent whole, as comparing it with the files there "
		       "would take longer (--delta on compares)",
		       s->peer.name, (unsigned long long)rate >> 20);
	if (queue_delta_stop(s->queue))
		return err_set(e, ERR_RESOURCE, "out of memory");
	return 0;
}

/* Send the rest of a frame's payload, at the limit.  Where the user stops the
 * transfer it is completed at once, or the receiver would not find the ERROR
 * that follows. */
static int send_rest(struct send_stream *st, const uint8_t *p, size_t n,
		     size_t slice, struct err *e)
{
	int rc = 0;

	st->is_mid_frame = 1;
	while (rc == 0 && n > 0) {
		const size_t part = n < slice ? n : slice;

		rc = wait_for_rate(st, part, e);
		if (rc == 0)
			rc = channel_send_rest(&st->channel, p, part, e);
		p += part;
		n -= part;
	}
	st->is_mid_frame = 0;
	return rc;
}

int send_stream_send(struct send_stream *st, const void *payload, size_t n,
		     uint64_t content, struct err *e)
{
	const uint64_t began_ns = clock_ns();
	const size_t slice = rate_limit_slice(&st->sender->rate_limit);
	const size_t first = n < slice ? n : slice;
	uint64_t ns;
	int rc = wait_for_rate(st, first, e);

	if (rc)
		return rc;
	if (send_stream_is_leaving(st))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	rc = channel_send(&st->channel, payload, first, e);
	if (rc == 0 && n > first)
		rc = send_rest(st, (const uint8_t *)payload + first, n - first,
			       slice, e);
	if (st->is_blocked)
		send_stream_set_blocked(st, 0);
	if (rc)
		return rc;
	/* The wait for the rate limit counts: to the adaptive level, and to the
	 * delta, it is a slow network. */
	ns = clock_ns() - began_ns;
	compressor_sent(&st->compressor, ns);
	st->sent_bytes += n;
	st->sent_ns += ns;
	if (judge_network(st, e))
		return e->code;
	atomic_fetch_add(&st->sender->count.sent, content);
	if (content > 0) {
		atomic_fetch_add(&st->sender->count.content_sent, content);
		atomic_fetch_add(&st->sender->count.payload_sent, n);
	}
	if (st->state == STREAM_OPENING)
		st->early_bytes += content;
	return 0;
}
