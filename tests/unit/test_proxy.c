/*
 * Unit tests of net/proxy: what the user says, and that not a byte too much is
 * read of what the proxy says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/proxy.h"

static void urls_that_are_taken(void **state)
{
	static const struct {
		const char *text, *host, *user;
		enum proxy_kind kind;
		unsigned port;
	} rows[] = {
		{ "none", "", "", PROXY_NONE, 0 },
		{ "socks5://h", "h", "", PROXY_SOCKS5, 1080 },
		{ "SOCKS5H://h:1", "h", "", PROXY_SOCKS5, 1 },
		{ "http://me@h:8080/", "h", "me", PROXY_HTTP, 8080 },
		{ "http://a@b@h", "h", "a@b", PROXY_HTTP, 1080 },
		{ "socks5://[::1]:9", "::1", "", PROXY_SOCKS5, 9 },
	};
	struct proxy p;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(proxy_parse(&p, rows[i].text, &e), 0);
		assert_int_equal(p.kind, rows[i].kind);
		assert_string_equal(p.at.host, rows[i].host);
		assert_int_equal(p.at.port, rows[i].port);
		assert_string_equal(p.user, rows[i].user);
		assert_string_equal(p.password, "");
	}
}

static void urls_that_are_refused(void **state)
{
	static const char *const rows[] = {
		"", "h", "h:1080", "None", "://h", "socks4://h", "https://h",
		"socks5:/h", "socks5://", "socks5://@h", "socks5://u:p@h",
		"socks5://u:@h", "http://h/path", "http://h:0", "http://h:x",
		"http://[::1", "http:// h", "http://-h",
	};
	struct proxy p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct err e = { 0 };

		assert_int_equal(proxy_parse(&p, rows[i], &e), ERR_USAGE);
		/* it may hold a password */
		assert_null(strstr(e.text, "u:p"));
	}
}

static void hosts_that_are_exempt(void **state)
{
	static const struct {
		const char *list, *host;
		int is;
	} rows[] = {
		{ "", "h", 0 },
		{ "*", "h", 1 },
		{ "a, b", "b", 1 },
		{ "a,b", "ab", 0 },
		{ "example.org", "www.example.org", 1 },
		{ ".example.org", "EXAMPLE.org", 1 },
		{ "example.org", "anexample.org", 0 },
		{ "192.0.2.1", "192.0.2.1", 1 },
		{ "192.0.2.0/24", "192.0.2.77", 1 },
		{ "192.0.2.0/24", "192.0.3.1", 0 },
		{ "2001:db8::/32", "2001:db8::5", 1 },
		{ "::1", "::1", 1 },
		{ ", ,", "h", 0 },
		{ ".", "h", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(proxy_is_exempt(rows[i].list, rows[i].host),
				 rows[i].is);
}

/* What the proxy says, before and with the other host's first bytes. */
static void check_talk(enum proxy_kind kind, const char *said, size_t n,
		       const char *asked, size_t asked_len)
{
	struct proxy p = { .kind = kind,
			   .at = { .host = "proxy", .port = 1 },
			   .to = { .host = "host", .port = 258 } };
	struct err e = { 0 };
	char text[1024];
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(send(fds[1], said, n, 0), n);
	assert_int_equal(proxy_connect(fds[0], &p, clock_ms() + 1000, NULL, &e),
			 0);
	/* the next byte is the other host's */
	assert_int_equal(recv(fds[0], text, sizeof(text), MSG_DONTWAIT), 5);
	assert_memory_equal(text, "FERRY", 5);
	assert_int_equal(recv(fds[1], text, sizeof(text), MSG_DONTWAIT),
			 asked_len);
	assert_memory_equal(text, asked, asked_len);
	close(fds[0]);
	close(fds[1]);
}

static void nothing_is_read_beyond_the_answer(void **state)
{
	static const char socks_asked[] = "\5\1\0\5\1\0\3\4host\1\2";
	static const char http_asked[] = "CONNECT host:258 HTTP/1.1\r\n"
					 "Host: host:258\r\n\r\n";
	static const char ipv4[] = "\5\0\5\0\0\1abcdefFERRY";
	static const char ipv6[] = "\5\0\5\0\0\4abcdefghijklmnopqrFERRY";
	static const char name[] = "\5\0\5\0\0\3\2ab12FERRY";
	static const char http[] = "HTTP/1.0 200 OK\r\n\r\nFERRY";
	static const char bare[] = "HTTP/1.1 299\nA: b\n\nFERRY";
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n"
				      "HTTP/1.1 200 OK\r\nA: \r\n\r\nFERRY";

	(void)state;
#define SOCKS(said)                                                            \
	check_talk(PROXY_SOCKS5, said, sizeof(said) - 1, socks_asked,          \
		   sizeof(socks_asked) - 1)
#define HTTP(said)                                                             \
	check_talk(PROXY_HTTP, said, sizeof(said) - 1, http_asked,             \
		   sizeof(http_asked) - 1)
	SOCKS(ipv4);
	SOCKS(ipv6);
	SOCKS(name);
	HTTP(http);
	HTTP(bare);
	HTTP(interim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_that_are_taken),
		cmocka_unit_test(urls_that_are_refused),
		cmocka_unit_test(hosts_that_are_exempt),
		cmocka_unit_test(nothing_is_read_beyond_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
