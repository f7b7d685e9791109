/*
 * What a proxy answers, and the URL and the list that name proxies: every
 * answer ends, with a connection or an error, and what is read of it is
 * bounded.
 *
 * Input: a byte (bit 0: HTTP; bit 1: with a user), then the proxy's answer,
 * which is read as a URL and as a list too.
 */
#include "fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/proxy.h"

enum { LEFT_MAX = 1 << 17 };

static void talk(unsigned flags, const uint8_t *data, size_t size)
{
	struct proxy p = { .kind = flags & 1 ? PROXY_HTTP : PROXY_SOCKS5,
			   .at = { .host = "proxy", .port = 1 },
			   .to = { .host = "host", .port = 2 } };
	static uint8_t left[LEFT_MAX];
	struct err e = { 0 };
	int fds[2], rc;
	ssize_t n;

	if (flags & 2)
		snprintf(p.user, sizeof(p.user), "user");
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	n = send(fds[1], data, size, MSG_DONTWAIT);
	(void)shutdown(fds[1], SHUT_WR);
	rc = proxy_connect(fds[0], &p, clock_ms() + 60000, NULL, &e);
	CHECK(rc == 0 || (rc == e.code && *e.text));
	CHECK(rc == 0 || rc == ERR_CONNECT || rc == ERR_AUTH);
	for (const char *c = e.text; *c; c++)
		CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
	/* bounded: whatever comes after that is still there */
	if (n > PROXY_HEAD_MAX + 1024)
		CHECK(recv(fds[0], left, sizeof(left), MSG_DONTWAIT) >=
		      n - PROXY_HEAD_MAX - 1024);
	close(fds[0]);
	close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;
	struct err e = { 0 };
	struct proxy p;

	if (size == 0)
		return 0;
	talk(data[0], data + 1, size - 1);
	text = fuzz_string(data + 1, size - 1);
	if (proxy_parse(&p, text, &e) == 0)
		CHECK(p.kind == PROXY_NONE || (*p.at.host && p.at.port));
	else
		CHECK(e.code == ERR_USAGE && *e.text);
	CHECK(proxy_is_exempt(text, "host.example") >= 0);
	(void)proxy_is_exempt(text, "192.0.2.1");
	free(text);
	return 0;
}
