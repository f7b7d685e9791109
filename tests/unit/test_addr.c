/*
 * Unit tests of net/addr: hosts and ports from text, addresses to text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "net/addr.h"

static void valid_texts_are_parsed(void **state)
{
	static const struct {
		const char *text;
		const char *host;
		uint16_t port;
		int has_port;
	} rows[] = {
		{ "example.org", "example.org", 9473, 0 },
		{ "example.org:80", "example.org", 80, 1 },
		{ "h:1", "h", 1, 1 },
		{ "h:65535", "h", 65535, 1 },
		{ "192.0.2.1", "192.0.2.1", 9473, 0 },
		{ "192.0.2.1:7", "192.0.2.1", 7, 1 },
		{ "::1", "::1", 9473, 0 },
		{ "2001:db8::1", "2001:db8::1", 9473, 0 },
		{ "fe80::1%eth0", "fe80::1%eth0", 9473, 0 },
		{ "[::1]", "::1", 9473, 0 },
		{ "[::1]:22", "::1", 22, 1 },
		{ "[fe80::1%eth0]:22", "fe80::1%eth0", 22, 1 },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1", 9473, 0 },
		{ "a-b_c", "a-b_c", 9473, 0 },
		{ "b\xc3\xbc"
		  "cher.example",
		  "b\xc3\xbc"
		  "cher.example",
		  9473, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct host_port hp;
		struct err e = { 0 };

		assert_int_equal(addr_parse(&hp, rows[i].text, 9473, &e), 0);
		assert_string_equal(hp.host, rows[i].host);
		assert_int_equal(hp.port, rows[i].port);
		assert_int_equal(hp.has_port, rows[i].has_port);
	}
}

static void invalid_texts_are_refused(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} rows[] = {
		{ "", "missing" },
		{ ":80", "missing" },
		{ "[]:80", "missing" },
		{ "h:", "1 to 65535" },
		{ "h:0", "1 to 65535" },
		{ "h:65536", "1 to 65535" },
		{ "h:-1", "1 to 65535" },
		{ "h:+1", "1 to 65535" },
		{ "h: 1", "1 to 65535" },
		{ "h:1x", "1 to 65535" },
		{ "h:80:90", "more than one" },
		{ "1:2:3", "more than one" },
		{ "::1%", "more than one" },
		{ "-h", "'-'" },
		{ "-h:80", "'-'" },
		{ "a b", "space" },
		{ "a\tb", "space" },
		{ "a\033b", "space" },
		{ "a\177b", "space" },
		{ "a/b", "space" },
		{ "a]", "bracket" },
		{ "::1%lo]", "bracket" },
		{ "[::1", "']'" },
		{ "[::1]80", "':PORT'" },
		{ "[::1]:", "1 to 65535" },
		{ "[::1]:x", "1 to 65535" },
		{ "[example.org]:80", "IPv6" },
		{ "[::g]", "IPv6" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct host_port hp;
		struct err e = { 0 };

		assert_int_equal(addr_parse(&hp, rows[i].text, 9473, &e),
				 ERR_USAGE);
		assert_int_equal(e.code, ERR_USAGE);
		assert_non_null(strstr(e.text, rows[i].why));
	}
}

static void an_address_may_end_with_a_port(void **state)
{
	static const struct {
		const char *host;
		size_t len;
	} cases[] = {
		{ "::1:9473", 3 },
		{ "2001:db8::1:8080", 11 },
		{ "fe80::1:9473", 7 },
		{ "::9473", 0 }, /* there is no address before it */
		{ "2001:db8::9473", 0 },
		{ "::1:947", 0 },
		{ "::1:94a3", 0 },
		{ "::1", 0 },
		{ "1:2:3:4:5:6:7:9473", 0 },
		{ "::1%lo:9473", 6 },
		{ "192.0.2.1:9473", 0 },
		{ "host", 0 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(addr_before_port(cases[i].host), cases[i].len);
}

static void long_hosts_end_at_the_limit(void **state)
{
	char text[ADDR_HOST_MAX + 16];
	struct host_port hp;
	struct err e = { 0 };

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text + ADDR_HOST_MAX - 1, ":80", 4);
	assert_int_equal(addr_parse(&hp, text, 1, &e), 0);
	assert_int_equal(strlen(hp.host), ADDR_HOST_MAX - 1);
	memset(text, 'a', sizeof(text));
	memcpy(text + ADDR_HOST_MAX, ":80", 4);
	assert_int_equal(addr_parse(&hp, text, 1, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "too long"));
}

static void addresses_become_text(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(9473) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons(65535) };
	const struct sockaddr *sa4 = (const struct sockaddr *)&sin;
	const struct sockaddr *sa6 = (const struct sockaddr *)&sin6;
	struct sockaddr none = { .sa_family = AF_UNIX };
	char text[ADDR_TEXT_MAX];

	(void)state;
	assert_int_equal(inet_pton(AF_INET, "192.0.2.1", &sin.sin_addr), 1);
	assert_string_equal(addr_text(text, sa4, sizeof(sin)),
			    "192.0.2.1:9473");
	assert_string_equal(addr_host_text(text, sa4, sizeof(sin)),
			    "192.0.2.1");
	assert_int_equal(addr_port(sa4), 9473);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &sin6.sin6_addr),
			 1);
	assert_string_equal(addr_text(text, sa6, sizeof(sin6)),
			    "[2001:db8::1]:65535");
	assert_string_equal(addr_host_text(text, sa6, sizeof(sin6)),
			    "2001:db8::1");
	assert_int_equal(addr_port(sa6), 65535);
	assert_int_equal(
		inet_pton(AF_INET6, "::ffff:192.0.2.7", &sin6.sin6_addr), 1);
	assert_string_equal(addr_text(text, sa6, sizeof(sin6)),
			    "192.0.2.7:65535");
	/* Interface 1 is "lo" wherever there is one; 4e9 is none. */
	assert_int_equal(inet_pton(AF_INET6, "fe80::1", &sin6.sin6_addr), 1);
	sin6.sin6_scope_id = 4000000000u;
	assert_string_equal(addr_text(text, sa6, sizeof(sin6)),
			    "[fe80::1%4000000000]:65535");
	assert_string_equal(addr_text(text, &none, sizeof(none)), "?:0");
	assert_string_equal(addr_host_text(text, sa6, sizeof(sin)), "?");
}

static void addresses_become_bytes(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr none = { .sa_family = AF_UNIX };
	uint8_t a[ADDR_BYTES], b[ADDR_BYTES], zero[ADDR_BYTES] = { 0 };

	(void)state;
	assert_int_equal(inet_pton(AF_INET, "192.0.2.1", &sin.sin_addr), 1);
	addr_bytes(a, (const struct sockaddr *)&sin);
	assert_int_equal(
		inet_pton(AF_INET6, "::ffff:192.0.2.1", &sin6.sin6_addr), 1);
	addr_bytes(b, (const struct sockaddr *)&sin6);
	assert_memory_equal(a, b, ADDR_BYTES);
	assert_memory_equal(a, &sin6.sin6_addr, ADDR_BYTES);
	assert_true(addr_is_ipv4(a));
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &sin6.sin6_addr),
			 1);
	addr_bytes(b, (const struct sockaddr *)&sin6);
	assert_memory_equal(b, &sin6.sin6_addr, ADDR_BYTES);
	assert_false(addr_is_ipv4(b));
	addr_bytes(b, &none);
	assert_memory_equal(b, zero, ADDR_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_texts_are_parsed),
		cmocka_unit_test(invalid_texts_are_refused),
		cmocka_unit_test(an_address_may_end_with_a_port),
		cmocka_unit_test(long_hosts_end_at_the_limit),
		cmocka_unit_test(addresses_become_text),
		cmocka_unit_test(addresses_become_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
