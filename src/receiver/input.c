/*
 * The bodies of a stream's frames.
 */
#include "receiver/input.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "chunk/codec.h"
#include "net/stream.h"
#include "os/cancel.h"
#include "receiver/committer.h"
#include "receiver/cpu_share.h"
#include "receiver/progress.h"
#include "receiver/transfer.h"
#include "session/channel.h"
#include "session/events.h"
#include "session/features.h"
#include "session/rate_limit.h"
#include "wire/msg.h"

enum {
	SLICE_MS = 100, /* of a wait for the rate limit, between two ticks */
	/* More than this is not a bad cable: something changes the data on its
	 * way, and resending would go on for ever. */
	RESENDS_MAX = 4096,
	RESENDS_SAID = 20, /* without -v */
};

int input_alloc(struct input *in, struct err *e)
{
	in->wire = malloc(CHUNK_MAX);
	in->raw = malloc(CHUNK_MAX);
	in->expander = expander_new();
	if (in->wire && in->raw && in->expander)
		return 0;
	return err_set(e, ERR_RESOURCE, "out of memory");
}

void input_release(struct input *in)
{
	/* What came of a payload is lost where the rest does not come. */
	if (in->transfer)
		atomic_fetch_sub(&in->transfer->content_bytes, in->counted);
	in->counted = 0;
	expander_free(in->expander);
	free(in->wire);
	free(in->raw);
}

static void begin_work(struct input *in)
{
	in->works_since_ms = clock_ms();
	idle_begin_work(&in->transfer->idle);
	cpu_share_begin_work(in->cpu);
}

static void end_work(struct input *in)
{
	cpu_share_end_work(in->cpu);
	idle_end_work(&in->transfer->idle);
	in->worked_ms += clock_ms() - in->works_since_ms;
}

void input_begin_frame(struct input *in)
{
	in->is_at_frame = 1;
	in->has_effect = 0;
	in->worked_ms = 0;
	begin_work(in);
}

void input_end_frame(struct input *in, int is_progress)
{
	in->is_at_frame = 0;
	end_work(in);
	if (is_progress)
		idle_progress(&in->transfer->idle);
	else
		idle_worked(&in->transfer->idle, in->worked_ms);
}

/* The rest of the frame is still to come: this side waits for the sender. */
static void begin_receiving(struct input *in)
{
	in->is_receiving = 1;
	if (in->is_at_frame)
		end_work(in);
}

static void end_receiving(struct input *in)
{
	in->is_receiving = 0;
	if (in->is_at_frame)
		begin_work(in);
}

void input_expect(struct input *in, uint64_t content, size_t payload)
{
	in->content = content;
	in->payload = payload;
	in->counted = 0;
	in->wire_began = stream_wire_in(in->channel->stream);
}

static void count_content(struct transfer *t, uint64_t n)
{
	if (n == 0)
		return;
	atomic_fetch_add(&t->content_bytes, n);
	atomic_store(&t->content_ms, clock_ms());
}

/* Count the content that has arrived so far.  The bytes of the socket are finer
 * than the records of TLS, and more than the payload by little. */
static void count_arrived(struct input *in)
{
	const uint64_t got = stream_wire_in(in->channel->stream) -
			     in->wire_began;
	uint64_t now = in->content;

	if (now == 0)
		return;
	if (got < in->payload)
		now = in->content * got / in->payload;
	count_content(in->transfer, now > in->counted ? now - in->counted : 0);
	in->counted = now;
}

/* The payload is here. */
static void count_rest(struct input *in)
{
	if (in->content > 0)
		atomic_fetch_add(&in->transfer->payload_bytes, in->payload);
	count_content(in->transfer, in->content - in->counted);
	in->content = in->counted = 0;
}

static int recv_payload(struct input *in, void *p, size_t n, struct err *e)
{
	int rc;

	begin_receiving(in);
	rc = channel_recv(in->channel, p, n, e);
	end_receiving(in);
	return rc;
}

/* Whether the sender makes progress while this side waits for it.  *is_busy:
 * the sender waits for this side. */
static int check_progress(struct input *in, int *is_busy, struct err *e)
{
	struct transfer *t = in->transfer;

	/* After FINISH, and while files wait for the disk, the sender waits. */
	*is_busy = atomic_load(&t->end_by_ms) ||
		   committer_pending(t->committer) > 0;
	if (*is_busy)
		idle_progress(&t->idle);
	/* Nor does the time count in which a frame is handled; when that is
	 * over, it is known what came of it (input_end_frame()). */
	if (idle_is_working(&t->idle)) {
		*is_busy = 1;
		idle_worked(&t->idle, 0);
		return 0;
	}
	/* A large chunk may take long: its bytes are a sign of work. */
	if (in->is_receiving)
		idle_peer_is_busy(&t->idle,
				  clock_ms() -
					  stream_idle_ms(in->channel->stream));
	idle_peer_says_busy(&t->idle, in->channel->busy_ms);
	return idle_check(&t->idle, "the sender", e);
}

int input_tick(struct input *in, int sending, struct err *e)
{
	int is_busy = 0, rc;
	uint64_t by_ms = in->hello_by_ms;

	if (cancel_is_set(in->stop))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	if (in->transfer) {
		/* Whoever ended it has said why, or this stream does. */
		if (atomic_load(&in->transfer->is_over) &&
		    clock_left_ms(in->tell_by_ms) == 0)
			return err_set(e, ERR_CLOSED, "the session is over");
		/* The first stream waits for the committer, which takes as long
		 * as the disk does. */
		by_ms = in->is_first ? 0 :
				       atomic_load(&in->transfer->end_by_ms);
	}
	if (by_ms && clock_left_ms(by_ms) == 0)
		return err_set(e, ERR_TIMEOUT, "the sender took too long");
	if (!in->transfer)
		return 0;
	count_arrived(in);
	rc = check_progress(in, &is_busy, e);
	if (rc || sending)
		return rc;
	rc = recv_progress_if_due(in->transfer, in->channel, e);
	if (rc)
		return rc;
	return channel_ping_if_due(in->channel, is_busy, e);
}

int input_fields(struct input *in, void *p, size_t n, struct err *e)
{
	int rc;

	begin_receiving(in);
	rc = channel_recv_fields(in->channel, p, n, e);
	end_receiving(in);
	return rc;
}

int input_body(struct input *in, size_t len, uint8_t *body, struct err *e)
{
	if (len > INPUT_BODY_MAX)
		return input_malformed("over-long", e);
	return input_fields(in, body, len, e);
}

static int wait_for_rate(struct input *in, size_t bytes, struct err *e)
{
	unsigned ms = rate_limit_take_bytes(in->rate_limit, bytes);
	unsigned sender_ms = 0;

	if (in->sender_rate_limit)
		sender_ms = rate_limit_take_bytes(in->sender_rate_limit, bytes);
	ms = sender_ms > ms ? sender_ms : ms;
	if (ms == 0)
		return 0;
	cpu_share_end_work(in->cpu);
	while (ms > 0) {
		const unsigned slice = ms < SLICE_MS ? ms : SLICE_MS;
		const struct timespec ts = { .tv_nsec = (long)slice * 1000000 };
		int rc = input_tick(in, 0, e);

		if (rc)
			return rc;
		nanosleep(&ts, NULL);
		ms -= slice;
	}
	cpu_share_begin_work(in->cpu);
	return 0;
}

int input_fetch(struct input *in, unsigned codec, uint8_t *to, size_t len,
		struct err *e)
{
	const size_t slice = rate_limit_slice(in->rate_limit);
	int rc = 0;

	if (!features_allow_codec(in->transfer->features, codec))
		return err_set(e, ERR_PROTOCOL,
			       "the sender used codec %u, which was not "
			       "granted", codec);
	while (rc == 0 && len > 0) {
		const size_t part = len < slice ? len : slice;

		rc = recv_payload(in, to, part, e);
		if (rc == 0)
			rc = wait_for_rate(in, part, e);
		to += part;
		len -= part;
	}
	if (rc == 0)
		count_rest(in);
	return rc;
}

int input_expand(struct input *in, unsigned codec, uint8_t *dst,
		 size_t raw_len, const uint8_t *src, size_t n, struct err *e)
{
	int rc = expander_run(in->expander, codec, dst, raw_len, src, n);

	if (rc && rc != ERR_CORRUPT)
		err_set(e, rc, "cannot decompress a payload: %s", err_name(rc));
	return rc;
}

int input_payload(struct input *in, unsigned codec, size_t raw_len, size_t len,
		  struct err *e)
{
	uint8_t *to = codec == CODEC_NONE ? in->raw : in->wire;
	int rc = input_fetch(in, codec, to, len, e);

	if (rc || codec == CODEC_NONE)
		return rc;
	return input_expand(in, codec, in->raw, raw_len, in->wire, len, e);
}

int input_skip(struct input *in, size_t n, struct err *e)
{
	while (n > 0) {
		const size_t part = n < CHUNK_MAX ? n : CHUNK_MAX;
		int rc = recv_payload(in, in->wire, part, e);

		if (rc)
			return rc;
		n -= part;
	}
	count_rest(in);
	return 0;
}

int input_ask_again(struct input *in, const char *what, uint64_t id,
		    uint64_t offset, uint64_t bytes, struct err *e)
{
	const struct msg_resend m = { .id = id, .offset = offset };
	struct transfer *t = in->transfer;
	const unsigned before = atomic_fetch_add(&t->resends, 1);

	if (before >= RESENDS_MAX)
		return err_set(e, ERR_CORRUPT,
			       "data arrived damaged more than %d times",
			       RESENDS_MAX);
	atomic_fetch_add(&t->resent_bytes, bytes);
	events_session_message(t->events, t->number,
			       before < RESENDS_SAID ? SESSION_WARNING
						     : SESSION_VERBOSE,
			       "%s from %s arrived damaged; asking for it "
			       "again",
			       what, t->peer);
	msg_put_resend(&in->channel->out, &m);
	return channel_send(in->channel, NULL, 0, e);
}

int input_malformed(const char *frame, struct err *e)
{
	return err_set(e, ERR_PROTOCOL, "the sender sent a malformed %s frame",
		       frame);
}
