/*
 * The order is read byte by byte as far as it goes, so that nothing of the
 * session is read with it.
 */
#include "remote/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "chunk/digest.h"
#include "os/fds.h"
#include "session/carrier.h"
#include "wire/msg.h"
#include "wire/order.h"

enum { LOW_FD = STDERR_FILENO + 1, PIPE_BYTES = 1 << 20 };

struct server {
	int in, out;
	struct order order;
	char **args;
	int count;
	const char *host; /* see ORDER_HOST; or NULL */
	char *text;       /* what args and host point into */
	int has_answered;
	struct carrier carrier;
};

/* ---- the order ---- */

/* Move standard input and output to other numbers, so that nothing else can
 * read or write them. */
static int take_descriptors(struct server *s)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), rc = -1;

	s->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, LOW_FD);
	s->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, LOW_FD);
	/* sshd's pipes hold 64 KiB, and every chunk waits for it to read them
	 * many times.  No pipe, or not allowed: as it is. */
	fds_enlarge_pipe(s->in, PIPE_BYTES);
	fds_enlarge_pipe(s->out, PIPE_BYTES);
	if (null >= 0 && s->in >= 0 && s->out >= 0 &&
	    dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0)
		rc = 0;
	io_close(&null);
	return rc;
}

static int read_bytes(const struct server *s, uint64_t until_ms, void *p,
		      size_t n, struct err *e)
{
	struct pollfd pfd = { .fd = s->in, .events = POLLIN };
	uint8_t *to = p;

	while (n > 0) {
		ssize_t got;

		if (clock_left_ms(until_ms) == 0)
			return err_set(e, ERR_TIMEOUT,
				       "no order came from the other side");
		if (poll(&pfd, 1, clock_left_ms(until_ms)) <= 0)
			continue;
		got = read(s->in, to, n);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return err_set(e, ERR_LOST,
				       "standard input ended before the order "
				       "of the other side");
		to += got;
		n -= (size_t)got;
	}
	return 0;
}

/* Make args of the list. */
static int take_list(struct server *s, const uint8_t *list, struct err *e)
{
	struct rd r;
	int count;
	char *to;

	rd_init(&r, list, s->order.len);
	count = order_get_count(&r);
	s->args = calloc((size_t)count + 1, sizeof(*s->args));
	/* a length takes two bytes, a NUL only one */
	to = s->text = malloc(s->order.len + 1);
	if (!s->args || !s->text)
		return err_set(e, ERR_RESOURCE, "out of memory");
	for (int i = 0; i < count && !r.failed; i++) {
		size_t n;
		const char *item = order_get_item(&r, &n);

		if (r.failed)
			break;
		memcpy(to, item, n);
		to[n] = '\0';
		if (i == 1 && strncmp(to, ORDER_HOST, sizeof(ORDER_HOST) - 1) == 0)
			s->host = to + sizeof(ORDER_HOST) - 1;
		else
			s->args[s->count++] = to;
		to += n + 1;
	}
	if (!rd_at_end(&r) || count == 0)
		return err_set(e, ERR_PROTOCOL, "malformed order");
	return 0;
}

static int read_order(struct server *s, int timeout_ms, struct err *e)
{
	const uint64_t until_ms = clock_ms() + (uint64_t)timeout_ms;
	uint8_t head[ORDER_HEADER], *list;
	int rc = read_bytes(s, until_ms, head, sizeof(head), e);

	if (rc)
		return rc;
	if (order_get(&s->order, head))
		return err_set(e, ERR_PROTOCOL,
			       "standard input is not an order of ferry send or "
			       "receive on another host");
	if (s->order.version != ORDER_VERSION)
		return err_set(e, ERR_PROTOCOL,
			       "ferry here does not know version %u of orders: "
			       "use the same release on both hosts",
			       (unsigned)s->order.version);
	list = malloc(s->order.len + 1);
	if (!list)
		return err_set(e, ERR_RESOURCE, "out of memory");
	rc = read_bytes(s, until_ms, list, s->order.len, e);
	if (rc == 0)
		rc = take_list(s, list, e);
	free(list);
	return rc;
}

/* ---- the answer ---- */

static int answer(struct server *s, unsigned code, const char *text)
{
	struct order_answer m = { .version = ORDER_VERSION,
				  .code = (uint16_t)code };
	struct buf b, list;
	size_t off;
	int rc = -1;

	s->has_answered = 1;
	buf_init(&b, ORDER_LIST_MAX);
	buf_init(&list, ORDER_LIST_MAX);
	off = order_begin_list(&list);
	if (text)
		order_put_item(&list, off, text);
	m.len = (uint32_t)list.len;
	order_put_marker(&b, s->order.nonce);
	order_put_answer(&b, &m);
	buf_put(&b, list.data, list.len);
	if (!b.failed && !list.failed)
		rc = io_write(s->out, b.data, b.len);
	buf_release(&b);
	buf_release(&list);
	return rc;
}

void server_refuse(struct server *s, const struct err *e)
{
	const unsigned code = e->code == ERR_PROTOCOL ? WERR_PROTOCOL
			      : e->code == ERR_RESOURCE ? WERR_RESOURCE
			      : e->code == ERR_LOCAL	? WERR_LOCAL
							: WERR_REFUSED;

	if (!s->has_answered)
		(void)answer(s, code, e->text);
}

static struct stream *open_stream(void *ctx, const struct stream_config *cfg,
				  char peer[ADDR_TEXT_MAX], struct err *e)
{
	struct server *s = ctx;
	struct stream *stream = NULL;
	uint8_t id[STREAM_PEER];

	snprintf(peer, ADDR_TEXT_MAX, "the other host");
	if (answer(s, 0, NULL))
		err_sys(e, ERR_LOST, "cannot answer the other host");
	else
		stream = stream_open_pair(s->in, s->out, cfg->timeout_ms, e);
	if (stream) {
		s->in = s->out = -1; /* the stream's */
		/* whoever can log in as this user */
		digest_sha256.sum("ssh", 3, id);
		stream_set_peer(stream, id, "ssh");
	}
	return stream;
}

/* ---- making and freeing ---- */

struct server *server_new(int timeout_ms, struct err *e)
{
	struct server *s;

	if (isatty(STDIN_FILENO) || isatty(STDOUT_FILENO)) {
		err_set(e, ERR_USAGE,
			"it is started by ssh, from another host: ferry send "
			"PATH... HOST:DIR, or ferry receive HOST:PATH... DIR");
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	s->in = s->out = -1;
	s->carrier.open = open_stream;
	s->carrier.ctx = s;
	if (take_descriptors(s)) {
		err_sys(e, ERR_RESOURCE, "standard input and output");
	} else if (read_order(s, timeout_ms, e) == 0) {
		return s;
	} else if (s->order.version) {
		/* its nonce is known */
		server_refuse(s, e);
	}
	server_free(s);
	return NULL;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	io_close(&s->in);
	io_close(&s->out);
	free(s->args);
	free(s->text);
	free(s);
}

char **server_order(const struct server *s, int *count)
{
	*count = s->count;
	return s->args;
}

const char *server_host(const struct server *s)
{
	return s->host;
}

const struct carrier *server_carrier(const struct server *s)
{
	return &s->carrier;
}
