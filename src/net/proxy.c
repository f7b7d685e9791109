/*
 * Connecting through a proxy.  Everything is read to the byte, as what follows
 * is the other host's.
 */
#include "net/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/wipe.h"
#include "net/cidr.h"
#include "os/cancel.h"

enum {
	SOCKS_VERSION = 5,
	SOCKS_NO_AUTH = 0,
	SOCKS_PASSWORD = 2,
	SOCKS_NO_METHOD = 0xff,
	SOCKS_CONNECT = 1,
	SOCKS_IPV4 = 1,
	SOCKS_NAME = 3,
	SOCKS_IPV6 = 4,
	PASSWORD_VERSION = 1,
	REQUEST_MAX = 2048, /* of HTTP; the credentials take 684 of it */
	LINE_SHOWN = 120,   /* of a status line in a message */
};

/* ---- what the user says ---- */

static int parse_user(struct proxy *p, const char *text, size_t n,
		      struct err *e)
{
	if (memchr(text, ':', n))
		return err_set(e, ERR_USAGE,
			       "a password is not taken from there, where others "
			       "can see it: write USER@HOST, and the password "
			       "into a file for --proxy-password-file");
	if (n == 0 || n >= sizeof(p->user))
		return err_set(e, ERR_USAGE, "the user before '@' must have 1 "
					     "to 255 bytes");
	memcpy(p->user, text, n);
	return 0;
}

static int parse_scheme(struct proxy *p, const char *text, size_t n)
{
	static const struct {
		const char *name;
		enum proxy_kind kind;
	} schemes[] = {
		{ "socks5", PROXY_SOCKS5 },
		{ "socks5h", PROXY_SOCKS5 },
		{ "http", PROXY_HTTP },
	};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		if (strlen(schemes[i].name) == n &&
		    strncasecmp(schemes[i].name, text, n) == 0)
			p->kind = schemes[i].kind;
	}
	return p->kind ? 0 : -1;
}

int proxy_parse(struct proxy *p, const char *text, struct err *e)
{
	const char *rest = strstr(text, "://"), *at;
	char place[ADDR_HOST_MAX + 16];
	size_t n;

	memset(p, 0, sizeof(*p));
	if (strcmp(text, "none") == 0)
		return 0;
	if (!rest || parse_scheme(p, text, (size_t)(rest - text)))
		return err_set(e, ERR_USAGE,
			       "it must be socks5://[USER@]HOST[:PORT], "
			       "http://[USER@]HOST[:PORT] or none");
	rest += 3;
	at = strrchr(rest, '@');
	if (at && parse_user(p, rest, (size_t)(at - rest), e))
		return e->code;
	rest = at ? at + 1 : rest;
	n = strlen(rest);
	n -= n > 0 && rest[n - 1] == '/';
	if (n >= sizeof(place))
		return err_set(e, ERR_USAGE, "the host is too long");
	memcpy(place, rest, n);
	place[n] = '\0';
	return addr_parse(&p->at, place, PROXY_PORT, e);
}

/* Whether the n bytes of a list's entry stand for the host. */
static int is_entry(const char *entry, size_t n, const char *host)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	const struct sockaddr *sa = NULL;
	const size_t len = strlen(host);
	char text[ADDR_HOST_MAX];
	struct cidr net;

	if (n == 1 && *entry == '*')
		return 1;
	if (n > 0 && *entry == '.') {
		entry++;
		n--;
	}
	if (n == 0 || n >= sizeof(text))
		return 0;
	if (len >= n && strncasecmp(host + len - n, entry, n) == 0 &&
	    (len == n || host[len - n - 1] == '.'))
		return 1;
	memcpy(text, entry, n);
	text[n] = '\0';
	if (inet_pton(AF_INET, host, &sin.sin_addr) == 1)
		sa = (const struct sockaddr *)&sin;
	else if (inet_pton(AF_INET6, host, &sin6.sin6_addr) == 1)
		sa = (const struct sockaddr *)&sin6;
	return sa && cidr_parse(&net, text) == 0 && cidr_has(&net, sa);
}

int proxy_is_exempt(const char *list, const char *host)
{
	while (*list) {
		const size_t n = strcspn(list, ", ");

		if (is_entry(list, n, host))
			return 1;
		list += n;
		list += strspn(list, ", ");
	}
	return 0;
}

/* ---- bytes to and from the proxy ---- */

/* An exchange with the proxy. */
struct exchange {
	int fd;
	const struct proxy *p;
	uint64_t deadline_ms;
	const struct cancel *cancel;
};

/* Fail, with the proxy and the host in the text. */
static int fail(const struct exchange *x, int code, struct err *e, const char *what)
{
	return err_set(e, code,
		       "proxy %s port %u, for a connection to %s port %u: %s",
		       x->p->at.host, (unsigned)x->p->at.port, x->p->to.host,
		       (unsigned)x->p->to.port, what);
}

static int wait_for(const struct exchange *x, short events, struct err *e)
{
	struct pollfd fds[2] = {
		{ .fd = x->fd, .events = events },
		{ .fd = cancel_fd(x->cancel), .events = POLLIN },
	};

	for (;;) {
		const int left = clock_left_ms(x->deadline_ms);

		if (cancel_is_set(x->cancel))
			return err_set(e, ERR_INTERRUPTED,
				       "interrupted while connecting");
		if (left == 0)
			return fail(x, ERR_CONNECT, e, "no answer in time");
		if (poll(fds, 2, left) < 0 && errno != EINTR)
			return err_sys(e, ERR_RESOURCE, "cannot wait for the proxy");
		if (fds[0].revents)
			return 0;
	}
}

static int send_all(const struct exchange *x, const void *data, size_t n,
		    struct err *e)
{
	const uint8_t *p = data;

	while (n > 0) {
		const ssize_t sent = send(x->fd, p, n,
					  MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
		} else if (errno != EAGAIN && errno != EINTR) {
			return fail(x, ERR_CONNECT, e,
				    "the proxy closed the connection");
		} else if (wait_for(x, POLLOUT, e)) {
			return e->code;
		}
	}
	return 0;
}

/* Read up to n bytes, at least one; flags: MSG_PEEK or 0.  Returns their number
 * or an error. */
static ssize_t recv_some(const struct exchange *x, void *p, size_t n, int flags,
			 struct err *e)
{
	for (;;) {
		const ssize_t got = recv(x->fd, p, n, MSG_DONTWAIT | flags);

		if (got > 0)
			return got;
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			return fail(x, ERR_CONNECT, e,
				    "the proxy closed the connection");
		if (wait_for(x, POLLIN, e))
			return e->code;
	}
}

static int recv_all(const struct exchange *x, void *data, size_t n, struct err *e)
{
	uint8_t *p = data;

	while (n > 0) {
		const ssize_t got = recv_some(x, p, n, 0, e);

		if (got < 0)
			return (int)got;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

/* ---- SOCKS5 ---- */

static int not_socks(const struct exchange *x, struct err *e)
{
	return fail(x, ERR_CONNECT, e,
		    "it does not speak SOCKS5 (is it one for http://?)");
}

/* RFC 1929 */
static int socks_log_in(const struct exchange *x, struct err *e)
{
	uint8_t m[3 + 2 * PROXY_SECRET_MAX], answer[2];
	const size_t user = strlen(x->p->user);
	const size_t password = strlen(x->p->password);
	size_t n = 0;
	int rc;

	m[n++] = PASSWORD_VERSION;
	m[n++] = (uint8_t)user;
	memcpy(m + n, x->p->user, user);
	n += user;
	m[n++] = (uint8_t)password;
	memcpy(m + n, x->p->password, password);
	n += password;
	rc = send_all(x, m, n, e);
	wipe(m, sizeof(m));
	if (rc == 0)
		rc = recv_all(x, answer, sizeof(answer), e);
	if (rc)
		return rc;
	if (answer[0] != PASSWORD_VERSION)
		return not_socks(x, e);
	return answer[1] == 0 ? 0 : fail(x, ERR_AUTH, e,
					 "it refused the user or password");
}

static int socks_begin(const struct exchange *x, struct err *e)
{
	const int has_user = x->p->user[0] != '\0';
	uint8_t hello[4] = { SOCKS_VERSION, (uint8_t)(1 + has_user),
			     SOCKS_NO_AUTH, SOCKS_PASSWORD };
	uint8_t answer[2];
	int rc = send_all(x, hello, (size_t)(3 + has_user), e);

	if (rc == 0)
		rc = recv_all(x, answer, sizeof(answer), e);
	if (rc)
		return rc;
	if (answer[0] != SOCKS_VERSION)
		return not_socks(x, e);
	if (answer[1] == SOCKS_NO_AUTH)
		return 0;
	if (answer[1] == SOCKS_PASSWORD && has_user)
		return socks_log_in(x, e);
	if (answer[1] != SOCKS_NO_METHOD)
		return not_socks(x, e);
	return fail(x, ERR_AUTH, e,
		    has_user ? "it takes no user and password of this kind" :
			       "it wants a user and password: write "
			       "socks5://USER@HOST, and --proxy-password-file");
}

/* The host as an address or a name.  Returns its length; 0 where it cannot be
 * said. */
static size_t socks_put_host(uint8_t *dst, const char *host)
{
	const size_t n = strlen(host);

	if (inet_pton(AF_INET, host, dst + 1) == 1) {
		dst[0] = SOCKS_IPV4;
		return 1 + 4;
	}
	if (inet_pton(AF_INET6, host, dst + 1) == 1) {
		dst[0] = SOCKS_IPV6;
		return 1 + 16;
	}
	if (n > 255 || strchr(host, '%'))
		return 0;
	dst[0] = SOCKS_NAME;
	dst[1] = (uint8_t)n;
	memcpy(dst + 2, host, n);
	return 2 + n;
}

static const char *socks_cause(unsigned code)
{
	static const char *const causes[] = {
		[1] = "it failed",
		[2] = "its rules do not allow it",
		[3] = "network unreachable from there",
		[4] = "host unreachable from there, or its name is not known "
		      "there",
		[5] = "connection refused there (does ferry listen on that "
		      "host and port?)",
		[6] = "the time to live expired",
		[7] = "it does not connect for others",
		[8] = "it does not know this kind of address",
	};

	return code < sizeof(causes) / sizeof(*causes) && causes[code] ?
		       causes[code] : "it failed for an unknown reason";
}

static int socks_connect(const struct exchange *x, struct err *e)
{
	uint8_t request[3 + 2 + 255 + 2] = { SOCKS_VERSION, SOCKS_CONNECT, 0 };
	uint8_t answer[4], rest[255 + 2], len = 0;
	size_t n = socks_put_host(request + 3, x->p->to.host);
	int rc;

	if (n == 0)
		return fail(x, ERR_CONNECT, e,
			    "an address with a zone cannot be reached through "
			    "a proxy");
	n += 3;
	request[n++] = (uint8_t)(x->p->to.port >> 8);
	request[n++] = (uint8_t)x->p->to.port;
	rc = send_all(x, request, n, e);
	if (rc == 0)
		rc = recv_all(x, answer, sizeof(answer), e);
	if (rc)
		return rc;
	if (answer[0] != SOCKS_VERSION)
		return not_socks(x, e);
	if (answer[1] != 0)
		return fail(x, ERR_CONNECT, e, socks_cause(answer[1]));
	/* the address it connects from, which is of no use */
	if (answer[3] == SOCKS_NAME)
		rc = recv_all(x, &len, 1, e);
	else
		len = answer[3] == SOCKS_IPV4 ? 4 :
		      answer[3] == SOCKS_IPV6 ? 16 : 0;
	if (rc == 0 && len == 0 && answer[3] != SOCKS_NAME)
		return not_socks(x, e);
	return rc ? rc : recv_all(x, rest, (size_t)len + 2, e);
}

/* ---- HTTP ---- */

static int http_ask(const struct exchange *x, struct err *e)
{
	const struct proxy *p = x->p;
	const int is_v6 = strchr(p->to.host, ':') != NULL;
	char plain[2 * PROXY_SECRET_MAX], coded[4 * PROXY_SECRET_MAX];
	char place[ADDR_HOST_MAX + 16], request[REQUEST_MAX];
	int n, rc;

	snprintf(place, sizeof(place), is_v6 ? "[%s]:%u" : "%s:%u", p->to.host,
		 (unsigned)p->to.port);
	n = snprintf(plain, sizeof(plain), "%s:%s", p->user, p->password);
	base64_encode(coded, plain, (size_t)n);
	n = snprintf(request, sizeof(request),
		     "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", place,
		     place, p->user[0] ? "Proxy-Authorization: Basic " : "",
		     p->user[0] ? coded : "", p->user[0] ? "\r\n" : "");
	rc = send_all(x, request, (size_t)n, e);
	wipe(plain, sizeof(plain));
	wipe(coded, sizeof(coded));
	wipe(request, sizeof(request));
	return rc;
}

/* Read a response head up to and with its empty line, and keep its first line.
 * *left: bytes that may still come. */
static int http_head(const struct exchange *x, char line[LINE_SHOWN], size_t *left,
		     struct err *e)
{
	char piece[512];
	size_t kept = 0;
	int newlines = 0, is_first = 1;

	line[0] = '\0';
	while (newlines < 2) {
		ssize_t got = recv_some(x, piece, sizeof(piece), MSG_PEEK, e);
		size_t n = 0;

		if (got < 0)
			return (int)got;
		while (n < (size_t)got && newlines < 2) {
			const char c = piece[n++];

			if (c == '\n')
				newlines++;
			else if (c != '\r')
				newlines = 0;
			is_first &= c != '\n';
			if (is_first && c != '\r' && kept + 1 < LINE_SHOWN) {
				line[kept++] = c;
				line[kept] = '\0';
			}
		}
		if (n > *left)
			return fail(x, ERR_CONNECT, e, "its answer is too long");
		*left -= n;
		if (recv_all(x, piece, n, e))
			return e->code;
	}
	return 0;
}

/* The status of "HTTP/1.1 200 OK"; -1 for what is not such a line. */
static int http_status(const char *line)
{
	if (strncmp(line, "HTTP/1.", 7) != 0 || line[7] < '0' ||
	    line[7] > '9' || line[8] != ' ')
		return -1;
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return -1;
	}
	if (line[12] != '\0' && line[12] != ' ')
		return -1;
	return (line[9] - '0') * 100 + (line[10] - '0') * 10 + line[11] - '0';
}

static int http_connect(const struct exchange *x, struct err *e)
{
	size_t left = PROXY_HEAD_MAX;
	char line[LINE_SHOWN] = "", shown[4 * LINE_SHOWN];
	char text[6 * LINE_SHOWN];
	int status, rc = http_ask(x, e);

	do {
		if (rc == 0)
			rc = http_head(x, line, &left, e);
		if (rc)
			return rc;
		status = http_status(line);
	} while (status >= 100 && status < 200); /* the answer is still to come */
	if (status >= 200 && status < 300)
		return 0;
	text_escape(shown, sizeof(shown), line, strlen(line));
	if (status < 0)
		snprintf(text, sizeof(text),
			 "it does not speak HTTP (is it one for socks5://?): "
			 "'%s'", shown);
	else if (status == 407)
		snprintf(text, sizeof(text), "%s: %s", shown,
			 x->p->user[0] ? "it refused the user or password" :
			 "it wants a user and password: write "
			 "http://USER@HOST, and --proxy-password-file");
	else
		snprintf(text, sizeof(text), "it refused: %s", shown);
	return fail(x, status == 407 ? ERR_AUTH : ERR_CONNECT, e, text);
}

int proxy_connect(int fd, const struct proxy *p, uint64_t deadline_ms,
		  const struct cancel *cancel, struct err *e)
{
	const struct exchange x = { fd, p, deadline_ms, cancel };
	int rc;

	if (p->kind == PROXY_HTTP)
		return http_connect(&x, e);
	rc = socks_begin(&x, e);
	return rc ? rc : socks_connect(&x, e);
}
