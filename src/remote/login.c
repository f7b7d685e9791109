/*
 * The socket is ssh's standard input and output.
 */
#include "remote/login.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "os/cancel.h"
#include "remote/ssh.h"
#include "session/events.h"

enum {
	NOISE_MAX = 64 * 1024,
	LINE_SHOWN_MAX = 200,
	LINES_SHOWN_MAX = 100,
	/* How long ssh may take to end after it has closed its output. */
	STATUS_MS = 2000,
	SSH_FAILED = 255, /* ssh's own exit status */
	NOT_FOUND = 127,  /* a shell's, where a command does not exist */
	NOT_RUN = 126,    /* and where it cannot be executed */
};

struct login {
	struct login_config cfg;
	int fd;
	int limit_ms;
	uint64_t until_ms;
	/* until the marker has come */
	const char *marker;
	size_t marker_len;
	char tail[LOGIN_MARKER_MAX]; /* the last bytes that came */
	int is_answered;
	struct buf noise;
};

/* ---- what the login shell printed ---- */

/* The length of the line at p, without its end. */
static size_t line_length(const uint8_t *p, size_t n)
{
	const uint8_t *end = memchr(p, '\n', n);

	return end ? (size_t)(end - p) : n;
}

/* Show it, and forget it. */
static void show_noise(struct login *l)
{
	const uint8_t *p = l->noise.data;
	size_t left = l->noise.len;
	char line[LINE_SHOWN_MAX];

	for (int i = 0; left > 0 && i < LINES_SHOWN_MAX; i++) {
		const size_t n = line_length(p, left);

		events_message(l->cfg.events, SESSION_VERBOSE,
			       "%s: the login shell printed: %s",
			       l->cfg.host,
			       text_escape(line, sizeof(line), p, n));
		p += n < left ? n + 1 : n;
		left -= n < left ? n + 1 : n;
	}
	buf_reset(&l->noise);
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

/* ferry there was not found or cannot be executed.  Returns 0 for other exit
 * statuses. */
static int explain_missing(const char *host, int status, struct err *e)
{
	if (status == NOT_FOUND)
		return err_set(e, ERR_CONNECT,
			       "%s: no ferry there in PATH, /usr/local/bin, "
			       "~/bin or ~/.local/bin: install it (in its "
			       "sources: make install PREFIX=$HOME/.local), "
			       "copy this one with --deploy, or say where it is "
			       "with --remote-ferry PATH", host);
	if (status == NOT_RUN)
		return err_set(e, ERR_CONNECT,
			       "%s: ferry there cannot be run (is it built for "
			       "another system?); name another with "
			       "--remote-ferry PATH", host);
	return 0;
}

/* ssh has closed its output: say why, from its exit status. */
static int explain_end(struct login *l, struct err *e)
{
	const char *host = l->cfg.host, *ssh = ssh_name(l->cfg.ssh);
	char line[LINE_SHOWN_MAX], noise[LINE_SHOWN_MAX + 32] = "";
	int status = -1;

	if (!ssh_wait(l->cfg.ssh, STATUS_MS, &status) || status == -1)
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
	if (!l->cfg.is_deploying && explain_missing(host, status, e))
		return e->code;
	if (*last_line(l, line))
		snprintf(noise, sizeof(noise), ": \"%s\"", line);
	if (l->cfg.is_deploying)
		return err_set(e, ERR_CONNECT, "%s: --deploy needs a shell "
			       "there, and no forced command; what was run "
			       "ended with status %d%s", host, status, noise);
	return err_set(e, ERR_CONNECT, "%s: the command there ended with status "
		       "%d without starting ferry%s", host, status, noise);
}

/* Wait for events on the socket.  Returns the revents, or an error. */
static int await(const struct login *l, short events, struct err *e)
{
	struct pollfd fds[2] = {
		{ .fd = l->fd, .events = events },
		{ .fd = cancel_fd(l->cfg.cancel), .events = POLLIN },
	};

	for (;;) {
		const int left = clock_left_ms(l->until_ms);
		int n;

		if (cancel_is_set(l->cfg.cancel))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (left == 0)
			return err_set(e, ERR_CONNECT,
				       "%s: ferry there did not answer in time",
				       l->cfg.host);
		n = poll(fds, 2, left);
		if (n > 0 && fds[0].revents)
			return fds[0].revents;
		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_RESOURCE, "cannot wait for ferry there");
	}
}

/* ---- until the marker ---- */

/* Count a byte as progress. */
static void go_on(struct login *l)
{
	l->until_ms = clock_ms() + (uint64_t)l->limit_ms;
}

/* Send what can be sent of *n bytes at *p, and leave the rest.  Where that
 * fails, ssh has ended, and reading says more. */
static void send_some(struct login *l, const uint8_t **p, size_t *n)
{
	const ssize_t sent = send(l->fd, *p, *n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent > 0) {
		*p += sent;
		*n -= (size_t)sent;
		go_on(l);
	} else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		*n = 0;
	}
}

/* Whether the bytes up to this one end with the marker. */
static int ends_marker(struct login *l, char byte)
{
	const size_t n = l->marker_len;

	memmove(l->tail, l->tail + 1, n - 1);
	l->tail[n - 1] = byte;
	return byte == '\n' && memcmp(l->tail, l->marker, n) == 0;
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
			       l->cfg.host, ssh_name(l->cfg.ssh));
	buf_put(&l->noise, bytes, (size_t)n);
	if (l->noise.failed)
		return err_set(e, ERR_CONNECT,
			       "%s: the login shell there prints more than %d "
			       "KiB, and ferry does not answer (try: ssh %s "
			       "true)", l->cfg.host, NOISE_MAX / 1024,
			       l->cfg.host);
	if (l->is_answered)
		l->noise.len -= l->marker_len;
	return 0;
}

static int pass_noise(struct login *l, const uint8_t *p, size_t n,
		      struct err *e)
{
	int rc = 0, revents;

	while (rc == 0 && !l->is_answered) {
		revents = await(l, n > 0 ? POLLIN | POLLOUT : POLLIN, e);
		if (revents < 0)
			return revents;
		if (revents & POLLOUT)
			send_some(l, &p, &n);
		if (revents & (POLLIN | POLLHUP | POLLERR))
			rc = take_noise(l, e);
	}
	return rc;
}

int login_exchange(struct login *l, const void *p, size_t n, const char *marker,
	       struct err *e)
{
	int rc;

	l->marker = marker;
	l->marker_len = strlen(marker);
	l->is_answered = 0;
	memset(l->tail, 0, sizeof(l->tail));
	go_on(l);
	rc = pass_noise(l, p, n, e);
	show_noise(l);
	return rc;
}

/* ---- after the marker ---- */

int login_read(struct login *l, void *p, size_t n, struct err *e)
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
		go_on(l);
	}
	return 0;
}

/* ---- beginning and end ---- */

struct login *login_start(const struct login_config *cfg, struct err *e)
{
	struct login *l = calloc(1, sizeof(*l));

	if (!l) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	l->cfg = *cfg;
	buf_init(&l->noise, NOISE_MAX + LOGIN_MARKER_MAX);
	l->fd = ssh_start(cfg->ssh, e);
	if (l->fd >= 0)
		return l;
	login_end(l);
	return NULL;
}

void login_end(struct login *l)
{
	if (!l)
		return;
	io_close(&l->fd);
	buf_release(&l->noise);
	free(l);
}

void login_limit(struct login *l, int ms)
{
	l->limit_ms = ms;
	go_on(l);
}

int login_take_socket(struct login *l)
{
	const int fd = l->fd;

	l->fd = -1;
	return fd;
}
