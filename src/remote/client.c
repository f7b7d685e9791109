/*
 * Giving the order and waiting for the answer, on a socket that is ssh's
 * standard input and output.  Nothing behind the answer is read here.
 */
#include "remote/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "chunk/digest.h"
#include "os/cancel.h"
#include "os/entropy.h"
#include "session/carrier.h"
#include "session/events.h"
#include "wire/msg.h"
#include "wire/order.h"

enum {
	NOISE_MAX = 64 * 1024,
	LINE_SHOWN_MAX = 200,
	LINES_SHOWN_MAX = 100,
	LOGIN_MS = 180000,
	/* How long ssh may take to end after it has closed its output. */
	STATUS_MS = 2000,
	SSH_FAILED = 255, /* ssh's own exit status */
	NOT_FOUND = 127,  /* a shell's, where a command does not exist */
	NOT_RUN = 126,    /* and where it cannot be executed */
};

struct client {
	struct ssh *ssh;
	char host[ADDR_TEXT_MAX]; /* escaped */
	int is_interactive;
	struct buf list; /* the order's */
	struct carrier carrier;
	const struct session_events *events;
};

/* One attempt, until the answer is there. */
struct login {
	struct client *client;
	int fd;
	const struct cancel *cancel;
	uint64_t until_ms;
	struct buf out; /* what is still to be sent */
	char marker[ORDER_MARKER];
	char tail[ORDER_MARKER]; /* the last bytes that came */
	struct buf noise;
	int is_answered; /* the marker has come */
};

/* ---- what the login shell printed ---- */

/* The length of the line at p, without its end. */
static size_t line_length(const uint8_t *p, size_t n)
{
	const uint8_t *end = memchr(p, '\n', n);

	return end ? (size_t)(end - p) : n;
}

static void show_noise(const struct login *l)
{
	const uint8_t *p = l->noise.data;
	size_t left = l->noise.len;
	char line[LINE_SHOWN_MAX];

	for (int i = 0; left > 0 && i < LINES_SHOWN_MAX; i++) {
		const size_t n = line_length(p, left);

		events_message(l->client->events, SESSION_VERBOSE,
			       "%s: the login shell printed: %s",
			       l->client->host,
			       text_escape(line, sizeof(line), p, n));
		p += n < left ? n + 1 : n;
		left -= n < left ? n + 1 : n;
	}
}

/* The last line that is not empty; "" where there is none. */
static const char *last_line(const struct login *l, char dst[LINE_SHOWN_MAX])
{
	const uint8_t *p = l->noise.data;
	size_t left = l->noise.len;

	dst[0] = '\0';
	while (left > 0) {
		const size_t n = line_length(p, left);

		if (n > 0)
			text_escape(dst, LINE_SHOWN_MAX, p, n);
		p += n < left ? n + 1 : n;
		left -= n < left ? n + 1 : n;
	}
	return dst;
}

/* ---- why there is no answer ---- */

/* ssh has closed its output: say why, from its exit status. */
static int explain_end(struct login *l, struct err *e)
{
	const char *host = l->client->host, *ssh = ssh_name(l->client->ssh);
	char line[LINE_SHOWN_MAX], noise[LINE_SHOWN_MAX + 32] = "";
	int status = -1;

	if (!ssh_wait(l->client->ssh, STATUS_MS, &status) || status == -1)
		return err_set(e, ERR_CONNECT, "%s: %s closed the connection "
			       "before ferry there answered", host, ssh);
	if (WIFSIGNALED(status))
		return err_set(e, ERR_CONNECT, "%s: %s was ended by signal %d "
			       "(%s)", host, ssh, WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	status = WEXITSTATUS(status);
	if (status == SSH_FAILED)
		return err_set(e, ERR_CONNECT, "%s: %s could not connect or log "
			       "in; try: ssh %s true", host, ssh, host);
	if (status == NOT_FOUND)
		return err_set(e, ERR_CONNECT,
			       "%s: no ferry there in PATH, /usr/local/bin, "
			       "~/bin or ~/.local/bin: install it (in its "
			       "sources: make install PREFIX=$HOME/.local), or "
			       "say where it is with --remote-ferry PATH", host);
	if (status == NOT_RUN)
		return err_set(e, ERR_CONNECT,
			       "%s: ferry there cannot be run (is it built for "
			       "another system?); name another with "
			       "--remote-ferry PATH", host);
	if (*last_line(l, line))
		snprintf(noise, sizeof(noise), ": \"%s\"", line);
	return err_set(e, ERR_CONNECT, "%s: the command there ended with status "
		       "%d without starting ferry%s", host, status, noise);
}

/* Wait for events on the socket.  Returns the revents, or an error. */
static int await(const struct login *l, short events, struct err *e)
{
	struct pollfd fds[2] = {
		{ .fd = l->fd, .events = events },
		{ .fd = cancel_fd(l->cancel), .events = POLLIN },
	};

	for (;;) {
		const int left = clock_left_ms(l->until_ms);
		int n;

		if (cancel_is_set(l->cancel))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (left == 0)
			return err_set(e, ERR_CONNECT,
				       "%s: ferry there did not answer in time",
				       l->client->host);
		n = poll(fds, 2, left);
		if (n > 0 && fds[0].revents)
			return fds[0].revents;
		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_RESOURCE, "waiting");
	}
}

/* ---- the order ---- */

static int send_some(struct login *l, struct err *e)
{
	const ssize_t n = send(l->fd, l->out.data, l->out.len,
			       MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n >= 0)
		buf_consume(&l->out, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		/* its end comes with POLLIN, and says more */
		buf_reset(&l->out);
	(void)e;
	return 0;
}

/* Whether the bytes up to this one end with the marker. */
static int ends_marker(struct login *l, char byte)
{
	memmove(l->tail, l->tail + 1, sizeof(l->tail) - 1);
	l->tail[sizeof(l->tail) - 1] = byte;
	return byte == '\n' &&
	       memcmp(l->tail, l->marker, sizeof(l->tail)) == 0;
}

/* Take what has come, up to the marker and not more. */
static int take_noise(struct login *l, struct err *e)
{
	uint8_t bytes[4096];
	ssize_t n = recv(l->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
	ssize_t used = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return explain_end(l, e);
	while (used < n && !l->is_answered)
		l->is_answered = ends_marker(l, (char)bytes[used++]);
	n = recv(l->fd, bytes, (size_t)used, MSG_DONTWAIT);
	if (n != used)
		return err_set(e, ERR_LOST, "%s: cannot read from %s",
			       l->client->host, ssh_name(l->client->ssh));
	buf_put(&l->noise, bytes, (size_t)n);
	if (l->noise.failed)
		return err_set(e, ERR_CONNECT,
			       "%s: the login shell there prints more than %d "
			       "KiB, and ferry does not answer (try: ssh %s "
			       "true)", l->client->host, NOISE_MAX / 1024,
			       l->client->host);
	if (l->is_answered)
		l->noise.len -= ORDER_MARKER;
	return 0;
}

static int give_order(struct login *l, struct err *e)
{
	int rc = 0, revents;

	while (rc == 0 && !l->is_answered) {
		revents = await(l, l->out.len > 0 ? POLLIN | POLLOUT : POLLIN,
				e);
		if (revents < 0)
			return revents;
		if (revents & POLLOUT)
			rc = send_some(l, e);
		if (rc == 0 && (revents & (POLLIN | POLLHUP | POLLERR)))
			rc = take_noise(l, e);
	}
	return rc;
}

/* ---- the answer ---- */

static int read_bytes(struct login *l, void *p, size_t n, struct err *e)
{
	uint8_t *to = p;

	while (n > 0) {
		const int revents = await(l, POLLIN, e);
		ssize_t got;

		if (revents < 0)
			return revents;
		got = recv(l->fd, to, n, MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			return explain_end(l, e);
		to += got;
		n -= (size_t)got;
	}
	return 0;
}

static int refused(const struct login *l, const struct order_answer *m,
		   const char *text, size_t n, struct err *e)
{
	char shown[WIRE_TEXT_MAX];
	const int code = m->code == WERR_PROTOCOL || m->code == WERR_VERSION
				 ? ERR_PROTOCOL
			 : m->code == WERR_RESOURCE ? ERR_RESOURCE
						    : ERR_REMOTE;

	return err_set(e, code, "%s: %s", l->client->host,
		       text_escape(shown, sizeof(shown), text, n));
}

static int read_answer(struct login *l, struct err *e)
{
	uint8_t head[ORDER_ANSWER], *list = NULL;
	struct order_answer m;
	const char *text = NULL;
	size_t n = 0;
	struct rd r;
	int rc = read_bytes(l, head, sizeof(head), e);

	if (rc)
		return rc;
	if (order_get_answer(&m, head) || m.version != ORDER_VERSION)
		return err_set(e, ERR_PROTOCOL,
			       "%s: ferry there is of a release that this one "
			       "does not know: use the same on both hosts",
			       l->client->host);
	list = malloc(m.len + 1);
	if (!list)
		return err_set(e, ERR_RESOURCE, "out of memory");
	rc = read_bytes(l, list, m.len, e);
	rd_init(&r, list, m.len);
	if (rc == 0 && order_get_count(&r) > 0)
		text = order_get_item(&r, &n);
	if (rc == 0 && r.failed)
		rc = err_set(e, ERR_PROTOCOL, "%s: malformed answer",
			     l->client->host);
	if (rc == 0 && m.code)
		rc = refused(l, &m, text ? text : "", n, e);
	free(list);
	return rc;
}

/* ---- the carrier ---- */

static int make_order(struct login *l, struct err *e)
{
	struct order m = { .version = ORDER_VERSION,
			   .len = (uint32_t)l->client->list.len };
	struct buf marker;

	if (entropy_get(m.nonce, sizeof(m.nonce)))
		return err_sys(e, ERR_RESOURCE, "random bytes");
	buf_init(&l->out, ORDER_HEADER + ORDER_LIST_MAX);
	buf_init(&marker, ORDER_MARKER);
	order_put(&l->out, &m);
	buf_put(&l->out, l->client->list.data, l->client->list.len);
	order_put_marker(&marker, m.nonce);
	if (l->out.failed || marker.failed) {
		buf_release(&marker);
		return err_set(e, ERR_RESOURCE, "out of memory");
	}
	memcpy(l->marker, marker.data, sizeof(l->marker));
	buf_release(&marker);
	return 0;
}

/* ssh has proved that it is the host of this name. */
static void name_peer(const struct client *c, struct stream *stream)
{
	char identity[ADDR_TEXT_MAX + 8];
	uint8_t id[STREAM_PEER];

	snprintf(identity, sizeof(identity), "ssh:%s", c->host);
	digest_sha256.sum(identity, strlen(identity), id);
	stream_set_peer(stream, id, identity);
}

static struct stream *open_stream(void *ctx, const struct stream_config *cfg,
				  char peer[ADDR_TEXT_MAX], struct err *e)
{
	struct client *c = ctx;
	struct login l = { .client = c, .fd = -1, .cancel = cfg->cancel };
	const int login_ms = c->is_interactive && cfg->timeout_ms < LOGIN_MS
				     ? LOGIN_MS
				     : cfg->timeout_ms;
	struct stream *stream = NULL;
	int rc;

	memcpy(peer, c->host, sizeof(c->host));
	buf_init(&l.noise, NOISE_MAX + ORDER_MARKER);
	rc = make_order(&l, e);
	if (rc == 0) {
		l.fd = ssh_start(c->ssh, e);
		rc = l.fd < 0 ? l.fd : 0;
	}
	if (rc == 0) {
		l.until_ms = clock_ms() + (uint64_t)login_ms;
		rc = give_order(&l, e);
		show_noise(&l);
	}
	if (rc == 0) {
		l.until_ms = clock_ms() + (uint64_t)cfg->timeout_ms;
		rc = read_answer(&l, e);
	}
	if (rc == 0)
		stream = stream_open(l.fd, cfg, NULL, e);
	if (stream)
		name_peer(c, stream);
	if (!stream)
		io_close(&l.fd);
	buf_release(&l.out);
	buf_release(&l.noise);
	return stream;
}

/* ---- making and ending ---- */

static int has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	io_close(&fd);
	return 1;
}

struct client *client_new(const struct ssh_config *ssh,
			  char *const *args, struct err *e)
{
	struct client *c = calloc(1, sizeof(*c));
	size_t off;

	if (!c) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	buf_init(&c->list, ORDER_LIST_MAX);
	off = order_begin_list(&c->list);
	for (int i = 0; args[i]; i++)
		order_put_item(&c->list, off, args[i]);
	if (c->list.failed)
		err_set(e, ERR_USAGE,
			"the names and options for the other host are longer "
			"than %d KiB", ORDER_LIST_MAX / 1024);
	else
		c->ssh = ssh_new(ssh, e);
	if (!c->ssh) {
		client_free(c);
		return NULL;
	}
	text_escape(c->host, sizeof(c->host), ssh->host, strlen(ssh->host));
	c->is_interactive = has_terminal();
	c->carrier.open = open_stream;
	c->carrier.ctx = c;
	return c;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	ssh_free(c->ssh);
	buf_release(&c->list);
	free(c);
}

void client_set_events(struct client *c, const struct session_events *events)
{
	c->events = events;
}

const struct carrier *client_carrier(const struct client *c)
{
	return &c->carrier;
}

int client_remote_status(struct client *c, int ms)
{
	int status = -1;

	if (!ssh_wait(c->ssh, ms, &status) || status == -1 ||
	    !WIFEXITED(status) || WEXITSTATUS(status) == SSH_FAILED)
		return -1;
	return WEXITSTATUS(status);
}
