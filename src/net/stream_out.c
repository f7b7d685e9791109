/*
 * The sending half of a stream, and the hooks, which every wait calls.
 *
 * Plain bytes are sent from the caller's memory; only small sends are copied to
 * a buffer, so that a frame's header does not take a system call of its own.
 * With a transport, small sends first fill up a record, and records are
 * collected in the transport's large buffer.
 */
#include "net/stream_priv.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"

/* Sends below this are buffered. */
enum { SMALL_SEND = 4 * 1024 };

/* ---------------------------------------------------------------- hooks */

static int call_tick(struct stream *s, int sending, struct err *e)
{
	int rc;

	s->ticked_ms = clock_ms();
	s->is_input_muted = 0;
	if (!s->hooks.on_tick || s->in_tick)
		return 0;
	s->in_tick = 1;
	/* What it sends does not show that the peer is alive. */
	s->sock.is_heartbeat = 1;
	rc = s->hooks.on_tick(s->hooks.ctx, sending, e);
	s->sock.is_heartbeat = 0;
	s->in_tick = 0;
	return rc;
}

/* Call on_tick, and flush what it sent. */
static int tick_and_flush(struct stream *s, int sending, struct err *e)
{
	int rc = call_tick(s, sending, e);

	if (rc < 0 || sending || s->in_tick || !stream_out_pending(s))
		return rc;
	s->in_tick = 1;
	s->sock.is_heartbeat = 1;
	rc = stream_flush(s, e);
	s->sock.is_heartbeat = 0;
	s->in_tick = 0;
	/* on_tick may know why the stream was aborted. */
	if (rc < 0 && sock_is_aborted(&s->sock))
		return stream_out_abort_error(s, sending, e);
	return rc;
}

int stream_out_abort_error(struct stream *s, int sending, struct err *e)
{
	int rc = call_tick(s, sending, e);

	if (rc < 0)
		return rc;
	if (cancel_is_set(s->sock.cancel))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	return err_set(e, ERR_LOST, "the connection was aborted");
}

int stream_out_step(struct stream *s, int rc, int sending, struct err *e)
{
	if (sock_is_aborted(&s->sock))
		return stream_out_abort_error(s, sending, e);
	if (rc < 0 && rc != ERR_AGAIN)
		return rc;
	if (clock_ms() - s->ticked_ms >= (uint64_t)s->sock.tick_ms)
		return tick_and_flush(s, sending, e);
	return 0;
}

/* --------------------------------------------------------------- sending */

static int can_offer_input(const struct stream *s)
{
	return s->hooks.on_input && !s->in_tick && !s->is_input_muted;
}

/* Call on_input.  If it reads nothing it is not called again until the next
 * tick, since poll(2) would return at once each time. */
static int offer_input(struct stream *s, struct err *e)
{
	uint64_t received = s->received;
	uint64_t bytes_in = atomic_load_explicit(&s->sock.bytes_in,
					    memory_order_relaxed);
	int rc = s->hooks.on_input(s->hooks.ctx, e);

	if (rc == 0 && s->received == received &&
	    atomic_load_explicit(&s->sock.bytes_in, memory_order_relaxed) ==
		    bytes_in)
		s->is_input_muted = 1;
	return rc;
}

/* The socket is full: wait until it accepts output, and offer input
 * meanwhile. */
static int wait_for_room(struct stream *s, struct err *e)
{
	int rc, revents, woken, events = POLLOUT;

	if (can_offer_input(s) && stream_in_is_buffered(s)) {
		rc = offer_input(s, e);
		if (rc < 0)
			return rc;
	}
	if (can_offer_input(s))
		events |= POLLIN;
	rc = sock_wait(&s->sock, events, -1, -1, &revents, &woken, e);
	if (rc == 0 && (revents & POLLIN) && !sock_is_aborted(&s->sock))
		rc = offer_input(s, e);
	return stream_out_step(s, rc, 1, e);
}

/*
 * Sending failed with rc.  Input that the peer sent before may explain more
 * than "connection reset": a TLS alert that refuses our certificate, or a
 * message with the reason, for on_input to read.  Returns the error that tells
 * the user most.
 */
static int explain_loss(struct stream *s, int rc, struct err *e)
{
	struct err why = { 0 };
	size_t got;
	char byte;

	if (sock_is_aborted(&s->sock))
		return stream_out_abort_error(s, 1, e);
	s->is_input_muted = 0;
	if (can_offer_input(s)) {
		while (can_offer_input(s) && offer_input(s, &why) == 0)
			;
	} else if (s->transport &&
		   !s->transport->ops->has_begun(s->transport)) {
		(void)stream_in_read(s, &byte, 1, 0, &got, &why);
	}
	/* As much: what the other side said tells more than a reset. */
	if (err_weight(why.code) < err_weight(rc))
		return rc;
	if (e)
		*e = why;
	return why.code;
}

/* Advance iov by n bytes.  Returns how many of the count elements are left. */
static size_t skip_sent(struct iovec **iov, size_t count, size_t n)
{
	while (count > 0 && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		(*iov)++;
		count--;
	}
	if (count > 0) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
	return count;
}

/* Send all bytes of iov, which is modified. */
static int send_block(struct stream *s, struct iovec *iov, size_t count,
		      struct err *e)
{
	size_t n;
	int rc = 0;

	s->is_sending = 1;
	while (rc == 0 && count > 0) {
		rc = sock_send(&s->sock, iov, count, &n, e);
		if (rc == ERR_AGAIN)
			rc = wait_for_room(s, e);
		else if (rc < 0)
			rc = explain_loss(s, rc, e);
		count = skip_sent(&iov, count, n);
	}
	s->is_sending = 0;
	return rc;
}

int stream_out_records(struct stream *s, struct err *e)
{
	struct transport *t = s->transport;
	struct iovec iov;
	const void *p;
	size_t n;
	int rc = 0;

	while (rc == 0) {
		p = t->ops->out(t, &n);
		if (n == 0)
			break;
		memcpy(&iov.iov_base, &p, sizeof(p));
		iov.iov_len = n;
		rc = send_block(s, &iov, 1, e);
		if (rc == 0)
			t->ops->out_sent(t, n);
	}
	return rc;
}

/* Make records of n bytes, sending those that do not fit the transport. */
static int encode(struct stream *s, const uint8_t *p, size_t n, struct err *e)
{
	struct transport *t = s->transport;
	size_t took;
	int rc = 0;

	while (rc == 0 && n > 0) {
		rc = t->ops->write(t, p, n, &took, e);
		p += took;
		n -= took;
		if (rc == ERR_AGAIN)
			rc = stream_out_records(s, e);
	}
	return rc;
}

/* Make a record of the buffered bytes. */
static int encode_buffer(struct stream *s, struct err *e)
{
	int rc = encode(s, s->out, s->out_len, e);

	s->out_len = 0;
	return rc;
}

/* Make records of one part: full ones directly from p, the rest through out[]
 * together with the next part, so that no record is shorter than necessary. */
static int encode_part(struct stream *s, const uint8_t *p, size_t n,
		       struct err *e)
{
	size_t now;
	int rc = 0;

	while (rc == 0 && n > 0) {
		if (s->out_len == 0 && n >= STREAM_OUT_BYTES) {
			now = n - n % STREAM_OUT_BYTES;
			rc = encode(s, p, now, e);
		} else {
			now = STREAM_OUT_BYTES - s->out_len;
			now = n < now ? n : now;
			memcpy(s->out + s->out_len, p, now);
			s->out_len += now;
			if (s->out_len == STREAM_OUT_BYTES)
				rc = encode_buffer(s, e);
		}
		p += now;
		n -= now;
	}
	return rc;
}

static int send_encoded(struct stream *s, const struct iovec *parts, int count,
			struct err *e)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < count; i++)
		rc = encode_part(s, parts[i].iov_base, parts[i].iov_len, e);
	if (rc == 0)
		rc = stream_flush(s, e);
	return rc;
}

static int send_plain(struct stream *s, const struct iovec *parts, int count,
		      struct err *e)
{
	struct iovec iov[STREAM_PARTS_MAX + 1];
	int rc;

	iov[0].iov_base = s->out;
	iov[0].iov_len = s->out_len;
	memcpy(iov + 1, parts, (size_t)count * sizeof(*parts));
	rc = send_block(s, iov, (size_t)count + 1, e);
	s->out_len = 0;
	return rc;
}

int stream_flush(struct stream *s, struct err *e)
{
	struct iovec iov = { .iov_base = s->out, .iov_len = s->out_len };
	int rc;

	if (sock_is_aborted(&s->sock))
		return stream_out_abort_error(s, 1, e);
	if (s->transport) {
		rc = encode_buffer(s, e);
		return rc < 0 ? rc : stream_out_records(s, e);
	}
	if (s->out_len == 0)
		return 0;
	rc = send_block(s, &iov, 1, e);
	s->out_len = 0;
	return rc;
}

int stream_send(struct stream *s, const struct iovec *parts, int count,
		struct err *e)
{
	size_t total = 0;

	if (count < 1 || count > STREAM_PARTS_MAX)
		return err_set(e, ERR_INTERNAL, "a send of %d parts", count);
	if (sock_is_aborted(&s->sock))
		return stream_out_abort_error(s, 1, e);
	for (int i = 0; i < count; i++)
		total += parts[i].iov_len;
	if (total >= SMALL_SEND || total > STREAM_OUT_BYTES - s->out_len)
		return s->transport ? send_encoded(s, parts, count, e)
				    : send_plain(s, parts, count, e);
	for (int i = 0; i < count; i++) {
		if (parts[i].iov_len == 0)
			continue;
		memcpy(s->out + s->out_len, parts[i].iov_base,
		       parts[i].iov_len);
		s->out_len += parts[i].iov_len;
	}
	return 0;
}

int stream_out_pending(const struct stream *s)
{
	size_t n = 0;

	if (s->transport)
		s->transport->ops->out(s->transport, &n);
	return s->out_len > 0 || n > 0;
}
