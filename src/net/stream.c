/*
 * Whole receives from single steps of input; opening and closing a stream.
 * Sending is in stream_out.c.
 */
#include "net/stream.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/stream_priv.h"

/* -------------------------------------------------------------- receiving */

int stream_recv(struct stream *s, void *p, size_t n, struct err *e)
{
	uint8_t *to = p;
	size_t got, left = n;
	int rc, wait;

	if (sock_is_aborted(&s->sock))
		return stream_out_abort_error(s, 0, e);
	while (left > 0) {
		/* The peer may be waiting for what is not flushed yet. */
		wait = !stream_out_pending(s);
		rc = stream_in_read(s, to, left, wait, &got, e);
		to += got;
		left -= got;
		if (rc == 0 && left == 0)
			break;
		if (rc == ERR_AGAIN && !wait)
			rc = stream_flush(s, e);
		if (rc == ERR_CLOSED && left < n && !sock_is_aborted(&s->sock))
			return err_set(e, ERR_LOST,
				       "the other side closed the connection "
				       "in the middle of a message");
		rc = stream_out_step(s, rc, 0, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int stream_recv_some(struct stream *s, void *p, size_t cap, size_t *got,
		     struct err *e)
{
	int rc;

	*got = 0;
	rc = stream_in_read(s, p, cap, 0, got, e);
	if (rc == ERR_AGAIN)
		err_set(e, rc, "nothing to read yet");
	if (rc < 0 && sock_is_aborted(&s->sock))
		return err_set(e, ERR_LOST, "the connection was aborted");
	return rc;
}

/* One step of stream_wait().  Sets *events. */
static int wait_step(struct stream *s, int wake_fd, int max_ms, int *events,
		     struct err *e)
{
	int rc, revents, woken, ready = stream_in_is_buffered(s);

	if (!ready && stream_out_pending(s)) {
		rc = stream_flush(s, e);
		if (rc < 0)
			return rc;
	}
	if (ready && wake_fd < 0) {
		*events = STREAM_READABLE;
		return 0;
	}
	/* With buffered input, only poll wake_fd. */
	rc = sock_wait(&s->sock, ready ? 0 : POLLIN, wake_fd,
		       ready ? 0 : max_ms, &revents, &woken, e);
	if (rc < 0)
		return rc;
	/* What arrived may be part of a record, or a record without data. */
	if (revents && !ready && s->transport) {
		rc = stream_in_feed(s, 0, e);
		if (rc < 0 && rc != ERR_AGAIN)
			return rc;
		ready = s->transport->ops->has_input(s->transport);
	} else if (revents) {
		ready = 1;
	}
	*events = (ready ? STREAM_READABLE : 0) | (woken ? STREAM_WOKEN : 0);
	return 0;
}

int stream_wait(struct stream *s, int wake_fd, int max_ms, struct err *e)
{
	uint64_t end_ms = clock_ms() + (max_ms > 0 ? (uint64_t)max_ms : 0);
	int rc, events = 0, left = max_ms;

	if (sock_is_aborted(&s->sock))
		return stream_out_abort_error(s, 0, e);
	for (;;) {
		rc = wait_step(s, wake_fd, left, &events, e);
		rc = stream_out_step(s, rc, 0, e);
		if (rc < 0)
			return rc;
		if (events)
			return events;
		if (max_ms >= 0) {
			left = clock_left_ms(end_ms);
			if (left == 0)
				return 0;
		}
	}
}

/* ------------------------------------------------------ opening, closing */

static int handshake(struct stream *s, struct err *e)
{
	struct transport *t = s->transport;
	int rc;

	for (;;) {
		rc = t->ops->handshake(t, e);
		/* No alert after ERR_LOST: where the peer only closed its
		 * sending direction it would read the alert as a refusal. */
		if (rc < 0 && rc != ERR_AGAIN) {
			if (rc != ERR_LOST)
				stream_in_alert(s);
			return rc;
		}
		if (stream_out_records(s, e) < 0)
			return t->ops->explain_broken(e);
		if (rc == 0)
			return 0;
		rc = stream_in_feed(s, 1, e);
		rc = stream_out_step(s, rc, 0, e);
		if (rc < 0)
			return t->ops->explain_broken(e);
	}
}

struct stream *stream_open(int fd, const struct stream_config *cfg,
			   struct transport *t, struct err *e)
{
	struct stream *s = calloc(1, sizeof(*s));
	int rc;

	if (!s) {
		if (t)
			t->ops->free(t);
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	s->transport = t;
	s->ticked_ms = clock_ms();
	rc = sock_init(&s->sock, fd, cfg->timeout_ms, e);
	if (rc == 0 && t) {
		s->sock.deadline_ms = cfg->deadline_ms;
		s->sock.cancel = cfg->cancel;
		rc = handshake(s, e);
		s->sock.deadline_ms = 0;
		s->sock.cancel = NULL;
	}
	if (rc < 0) {
		sock_disown(&s->sock);
		stream_free(s);
		return NULL;
	}
	return s;
}

struct stream *stream_open_pair(int in, int out, int timeout_ms,
				struct err *e)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	s->ticked_ms = clock_ms();
	if (sock_init_pair(&s->sock, in, out, timeout_ms, e) == 0)
		return s;
	sock_disown(&s->sock);
	stream_free(s);
	return NULL;
}

void stream_set_hooks(struct stream *s, const struct stream_hooks *hooks)
{
	s->hooks = *hooks;
}

void stream_set_tick(struct stream *s, int tick_ms)
{
	sock_set_tick(&s->sock, tick_ms);
}

void stream_set_deadline(struct stream *s, uint64_t deadline_ms)
{
	s->sock.deadline_ms = deadline_ms;
}

void stream_set_cancel(struct stream *s, const struct cancel *cancel)
{
	s->sock.cancel = cancel;
}

/* Discard input until the peer has closed. */
static int wait_for_end(struct stream *s, uint64_t end_ms, struct err *e)
{
	uint8_t scrap[4096];
	int rc, revents, woken;
	size_t got;

	for (;;) {
		rc = stream_in_read(s, scrap, sizeof(scrap), 0, &got, e);
		if (rc == ERR_CLOSED && !sock_is_aborted(&s->sock))
			return 0;
		if (rc == ERR_AGAIN)
			rc = sock_wait(&s->sock, POLLIN, -1,
				       clock_left_ms(end_ms), &revents, &woken,
				       e);
		/* sending is 1: after our end on_tick must not send. */
		rc = stream_out_step(s, rc, 1, e);
		if (rc < 0)
			return rc;
		if (clock_left_ms(end_ms) == 0)
			return err_set(e, ERR_TIMEOUT,
				       "the other side did not close the "
				       "connection");
	}
}

int stream_close(struct stream *s, int max_ms, struct err *e)
{
	struct transport *t = s->transport;
	uint64_t end_ms;
	int rc = stream_flush(s, e);

	if (rc == 0 && t) {
		rc = t->ops->shutdown(t, e);
		if (rc == 0)
			rc = stream_out_records(s, e);
	}
	if (rc < 0)
		return rc;
	sock_end_output(&s->sock);
	end_ms = clock_ms() + (max_ms > 0 ? (uint64_t)max_ms : 0);
	return wait_for_end(s, end_ms, e);
}

void stream_abort(struct stream *s)
{
	sock_abort(&s->sock);
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	if (s->transport)
		s->transport->ops->free(s->transport);
	sock_release(&s->sock);
	free(s);
}

uint64_t stream_wire_in(const struct stream *s)
{
	return atomic_load_explicit(&s->sock.bytes_in, memory_order_relaxed);
}

uint64_t stream_wire_out(const struct stream *s)
{
	return atomic_load_explicit(&s->sock.bytes_out, memory_order_relaxed);
}

void stream_peer_id(const struct stream *s, uint8_t id[STREAM_PEER])
{
	memcpy(id, s->peer_id, STREAM_PEER);
	if (s->transport)
		s->transport->ops->peer_id(s->transport, id);
}

void stream_identity(const struct stream *s, char text[STREAM_IDENTITY])
{
	if (s->transport)
		s->transport->ops->identity(s->transport, text);
	else
		snprintf(text, STREAM_IDENTITY, "%s",
			 s->identity[0] ? s->identity : "plain");
}

void stream_set_peer(struct stream *s, const uint8_t id[STREAM_PEER],
		     const char *identity)
{
	memcpy(s->peer_id, id, STREAM_PEER);
	snprintf(s->identity, sizeof(s->identity), "%s", identity);
}

size_t stream_credential(const struct stream *s)
{
	return s->transport ? s->transport->ops->credential(s->transport) : 0;
}

int stream_is_plain(const struct stream *s)
{
	return !s->transport;
}

int stream_fd(const struct stream *s)
{
	return s->sock.fd;
}

uint64_t stream_idle_ms(const struct stream *s)
{
	return clock_ms() - s->sock.progress_ms;
}
