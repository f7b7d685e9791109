/*
 * The byte stream: sock.c's single steps made into whole receives, plain or
 * through tls_conn.c; its beginning and its end.  Sending is in stream_out.c.
 */
#include "net/stream.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/stream_priv.h"

/* -------------------------------------------------------------- receiving */

int stream_has_buffered(struct stream *s)
{
	return s->tls ? tls_conn_has_input(s->tls) : s->in_off < s->in_end;
}

/* From the socket to memory, waiting a tick or not. */
static int pull(struct stream *s, void *p, size_t n, int wait, int want_all,
		size_t *got, struct err *e)
{
	if (!wait)
		return sock_recv(&s->sock, p, n, got, e);
	return sock_recv_wait(&s->sock, p, n, want_all, got, e);
}

static int take_plain(struct stream *s, void *p, size_t n, int wait,
		      size_t *got, struct err *e)
{
	int rc;

	*got = 0;
	if (s->in_off == s->in_end) {
		s->in_off = s->in_end = 0;
		if (n >= STREAM_IN_BYTES)
			return pull(s, p, n, wait, 1, got, e);
		rc = pull(s, s->in, STREAM_IN_BYTES, wait, 0, &s->in_end, e);
		if (rc < 0)
			return rc;
	}
	*got = s->in_end - s->in_off;
	if (*got > n)
		*got = n;
	memcpy(p, s->in + s->in_off, *got);
	s->in_off += *got;
	return 0;
}

/* More ciphertext for TLS; the end of it is TLS's to judge. */
static int feed_tls(struct stream *s, int wait, struct err *e)
{
	size_t cap, got;
	void *p = tls_conn_in_space(s->tls, &cap, e);
	int rc;

	if (!p)
		return ERR_RESOURCE;
	if (cap == 0)
		return err_set(e, ERR_INTERNAL, "no room for TLS's input");
	rc = pull(s, p, cap, wait, 0, &got, e);
	if (rc == 0) {
		tls_conn_in_added(s->tls, got);
	} else if (rc == ERR_CLOSED) {
		tls_conn_in_eof(s->tls);
		if (e)
			err_clear(e);
		rc = 0;
	}
	return rc;
}

static int take_tls(struct stream *s, void *p, size_t n, int wait, size_t *got,
		    struct err *e)
{
	int rc = tls_conn_read(s->tls, p, n, got, e);

	if (rc == ERR_AGAIN) {
		rc = feed_tls(s, wait, e);
		if (rc < 0)
			return rc;
		rc = tls_conn_read(s->tls, p, n, got, e);
	}
	if (rc < 0 && rc != ERR_AGAIN && rc != ERR_CLOSED)
		stream_out_alert(s);
	return rc;
}

/* At least one byte, at most n; or, after a tick at the latest, ERR_AGAIN. */
static int take(struct stream *s, void *p, size_t n, int wait, size_t *got,
		struct err *e)
{
	int rc = s->tls ? take_tls(s, p, n, wait, got, e)
			: take_plain(s, p, n, wait, got, e);

	s->received += *got;
	return rc;
}

int stream_recv(struct stream *s, void *p, size_t n, struct err *e)
{
	uint8_t *to = p;
	size_t got, left = n;
	int rc, wait;

	if (sock_is_aborted(&s->sock))
		return stream_out_given_up(s, 0, e);
	while (left > 0) {
		wait = !stream_out_pending(s);
		rc = take(s, to, left, wait, &got, e);
		to += got;
		left -= got;
		if (rc == 0 && left == 0)
			break;
		if (rc == ERR_AGAIN && !wait)
			rc = stream_out_flush(s, e);
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
	rc = take(s, p, cap, 0, got, e);
	if (rc == ERR_AGAIN)
		err_set(e, rc, "there is nothing to read yet");
	if (rc < 0 && sock_is_aborted(&s->sock))
		return err_set(e, ERR_LOST, "the connection was given up");
	return rc;
}

/* One wait of stream_wait().  Sets *events. */
static int wait_step(struct stream *s, int wake_fd, int max_ms, int *events,
		     struct err *e)
{
	int rc, revents, woken, ready = stream_has_buffered(s);

	if (!ready && stream_out_pending(s)) {
		rc = stream_out_flush(s, e);
		if (rc < 0)
			return rc;
	}
	if (ready && wake_fd < 0) {
		*events = STREAM_READABLE;
		return 0;
	}
	/* With input at hand only a look at wake_fd is missing. */
	rc = sock_wait(&s->sock, ready ? 0 : POLLIN, wake_fd,
		       ready ? 0 : max_ms, &revents, &woken, e);
	if (rc < 0)
		return rc;
	/* With TLS, what came may be less than a record, or no data at all. */
	if (revents && !ready && s->tls) {
		rc = feed_tls(s, 0, e);
		if (rc < 0 && rc != ERR_AGAIN)
			return rc;
		ready = tls_conn_has_input(s->tls);
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
		return stream_out_given_up(s, 0, e);
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

/* ---------------------------------------------------------- begin and end */

/* Say in what the connection broke: nothing else tells a user that the other
 * side was started in another mode and could make nothing of our hello. */
static int tell_handshake(struct err *e)
{
	if (e->code == ERR_LOST)
		err_prefix(e, "in the TLS handshake (does the other side use "
			      "--plain?)");
	else if (e->code == ERR_TIMEOUT)
		err_prefix(e, "in the TLS handshake");
	return e->code;
}

static int handshake(struct stream *s, struct err *e)
{
	int rc;

	for (;;) {
		rc = tls_conn_handshake(s->tls, e);
		if (rc < 0 && rc != ERR_AGAIN) {
			stream_out_alert(s);
			return rc;
		}
		if (stream_out_records(s, e) < 0)
			return tell_handshake(e);
		if (rc == 0)
			return 0;
		rc = feed_tls(s, 1, e);
		if (rc < 0 && rc != ERR_AGAIN)
			return tell_handshake(e);
	}
}

/* fd becomes the stream's also on failure. */
static int begin(struct stream *s, int fd, struct tls *tls, int timeout_ms,
		 uint64_t deadline_ms, struct err *e)
{
	int rc = sock_init(&s->sock, fd, timeout_ms, e);

	s->ticked_ms = clock_ms();
	if (rc < 0 || !tls)
		return rc;
	s->tls = tls_conn_new(tls, e);
	if (!s->tls)
		return ERR_RESOURCE;
	s->sock.deadline_ms = deadline_ms;
	rc = handshake(s, e);
	s->sock.deadline_ms = 0;
	return rc;
}

struct stream *stream_open(int fd, struct tls *tls, int timeout_ms,
			   uint64_t deadline_ms, struct err *e)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct sock gone = { .fd = fd };

	if (!s) {
		sock_release(&gone);
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	if (begin(s, fd, tls, timeout_ms, deadline_ms, e) < 0) {
		stream_free(s);
		return NULL;
	}
	return s;
}

int stream_send(struct stream *s, const struct iovec *parts, int count,
		struct err *e)
{
	return stream_out_send(s, parts, count, e);
}

int stream_flush(struct stream *s, struct err *e)
{
	return stream_out_flush(s, e);
}

void stream_set_hooks(struct stream *s, const struct stream_hooks *hooks)
{
	s->hooks = *hooks;
}

void stream_set_deadline(struct stream *s, uint64_t deadline_ms)
{
	s->sock.deadline_ms = deadline_ms;
}

/* Throw input away until the peer's end. */
static int await_end(struct stream *s, uint64_t end_ms, struct err *e)
{
	uint8_t scrap[4096];
	int rc, revents, woken;
	size_t got;

	for (;;) {
		rc = take(s, scrap, sizeof(scrap), 0, &got, e);
		if (rc == ERR_CLOSED && !sock_is_aborted(&s->sock))
			return 0;
		if (rc == ERR_AGAIN)
			rc = sock_wait(&s->sock, POLLIN, -1,
				       clock_left_ms(end_ms), &revents, &woken,
				       e);
		/* "Sending", for on_tick must not send any more. */
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
	uint64_t end_ms;
	int rc = stream_out_flush(s, e);

	if (rc == 0 && s->tls) {
		rc = tls_conn_shutdown(s->tls, e);
		if (rc == 0)
			rc = stream_out_records(s, e);
	}
	if (rc < 0)
		return rc;
	(void)shutdown(s->sock.fd, SHUT_WR);
	end_ms = clock_ms() + (max_ms > 0 ? (uint64_t)max_ms : 0);
	return await_end(s, end_ms, e);
}

void stream_abort(struct stream *s)
{
	sock_abort(&s->sock);
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	tls_conn_free(s->tls);
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
	memset(id, 0, STREAM_PEER);
	if (s->tls)
		tls_conn_peer_id(s->tls, id);
}

int stream_fd(const struct stream *s)
{
	return s->sock.fd;
}

uint64_t stream_idle_ms(const struct stream *s)
{
	return clock_ms() - s->sock.moved_ms;
}
