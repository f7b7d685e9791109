/*
 * A single step of a stream's input: from the socket to the caller's memory,
 * through a small buffer or the transport.  Large plain reads bypass the
 * buffer.
 */
#include "net/stream_priv.h"

#include <string.h>

int stream_in_is_buffered(struct stream *s)
{
	return s->transport ? s->transport->ops->has_input(s->transport)
			    : s->in_off < s->in_end;
}

/* Receive from the socket; with wait, wait up to a tick. */
static int read_socket(struct stream *s, void *p, size_t n, int wait,
		       int want_all, size_t *got, struct err *e)
{
	if (!wait)
		return sock_recv(&s->sock, p, n, got, e);
	return sock_recv_wait(&s->sock, p, n, want_all, got, e);
}

static int read_plain(struct stream *s, void *p, size_t n, int wait,
		      size_t *got, struct err *e)
{
	int rc;

	*got = 0;
	if (s->in_off == s->in_end) {
		s->in_off = s->in_end = 0;
		if (n >= STREAM_IN_BYTES)
			return read_socket(s, p, n, wait, 1, got, e);
		rc = read_socket(s, s->in, STREAM_IN_BYTES, wait, 0, &s->in_end,
				 e);
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

int stream_in_feed(struct stream *s, int wait, struct err *e)
{
	struct transport *t = s->transport;
	size_t cap, got;
	void *p = t->ops->in_space(t, &cap, e);
	int rc;

	if (!p)
		return ERR_RESOURCE;
	if (cap == 0)
		return err_set(e, ERR_INTERNAL, "no room for TLS's input");
	rc = read_socket(s, p, cap, wait, 0, &got, e);
	if (rc == 0) {
		t->ops->in_added(t, got);
	} else if (rc == ERR_CLOSED) {
		/* Only the transport knows whether this is a clean end. */
		t->ops->in_end(t);
		if (e)
			err_clear(e);
		rc = 0;
	}
	return rc;
}

void stream_in_alert(struct stream *s)
{
	struct transport *t = s->transport;
	struct err ignored;
	struct iovec iov;
	const void *p;
	size_t n, sent;

	/* An alert in the middle of a record would be read as part of it. */
	if (s->is_sending)
		return;
	p = t->ops->out(t, &n);
	if (n == 0)
		return;
	memcpy(&iov.iov_base, &p, sizeof(p));
	iov.iov_len = n;
	if (sock_send(&s->sock, &iov, 1, &sent, &ignored) == 0)
		t->ops->out_sent(t, sent);
}

static int read_decoded(struct stream *s, void *p, size_t n, int wait,
			size_t *got, struct err *e)
{
	struct transport *t = s->transport;
	int rc = t->ops->read(t, p, n, got, e);

	if (rc == ERR_AGAIN) {
		rc = stream_in_feed(s, wait, e);
		if (rc < 0)
			return rc;
		rc = t->ops->read(t, p, n, got, e);
	}
	if (rc < 0 && rc != ERR_AGAIN && rc != ERR_CLOSED)
		stream_in_alert(s);
	return rc;
}

int stream_in_read(struct stream *s, void *p, size_t n, int wait, size_t *got,
		   struct err *e)
{
	int rc = s->transport ? read_decoded(s, p, n, wait, got, e)
			      : read_plain(s, p, n, wait, got, e);

	s->received += *got;
	return rc;
}
