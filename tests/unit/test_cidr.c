/*
 * Networks: what is one, and who is in it, bit by bit.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "net/cidr.h"

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage sa;
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };

	memset(&sa, 0, sizeof(sa));
	if (inet_pton(AF_INET, text, &sin.sin_addr) == 1) {
		memcpy(&sa, &sin, sizeof(sin));
		return sa;
	}
	assert_int_equal(inet_pton(AF_INET6, text, &sin6.sin6_addr), 1);
	memcpy(&sa, &sin6, sizeof(sin6));
	return sa;
}

static void addresses_in_a_network(void **state)
{
	static const struct {
		const char *net, *addr;
		int has;
	} rows[] = {
		{ "192.0.2.0/24", "192.0.2.0", 1 },
		{ "192.0.2.0/24", "192.0.2.255", 1 },
		{ "192.0.2.0/24", "192.0.3.0", 0 },
		{ "192.0.2.0/24", "192.0.1.255", 0 },
		{ "192.0.2.0/24", "::ffff:192.0.2.9", 1 },
		{ "192.0.2.9", "192.0.2.9", 1 },
		{ "192.0.2.9", "192.0.2.8", 0 },
		{ "192.0.2.9/32", "192.0.2.8", 0 },
		{ "0.0.0.0/0", "255.255.255.255", 1 },
		{ "0.0.0.0/0", "::ffff:1.2.3.4", 1 },
		{ "0.0.0.0/0", "::1", 0 },
		{ "128.0.0.0/1", "128.0.0.1", 1 },
		{ "128.0.0.0/1", "127.0.0.1", 0 },
		{ "10.64.0.0/10", "10.127.255.255", 1 },
		{ "10.64.0.0/10", "10.128.0.0", 0 },
		{ "2001:db8::/32", "2001:db8:ffff::1", 1 },
		{ "2001:db8::/32", "2001:db9::1", 0 },
		{ "2001:db8::/33", "2001:db8:8000::", 0 },
		{ "fe80::/10", "febf::1", 1 },
		{ "fe80::/10", "fec0::1", 0 },
		{ "::1", "::1", 1 },
		{ "::1", "::2", 0 },
		{ "::/0", "2001:db8::1", 1 },
		{ "::/0", "192.0.2.1", 0 },
		{ "::/0", "::ffff:192.0.2.1", 0 },
		{ "::ffff:192.0.2.0/120", "192.0.2.200", 1 },
		{ "::ffff:192.0.2.0/120", "192.0.3.1", 0 },
		{ "::ffff:0.0.0.0/96", "8.8.8.8", 1 },
		{ "::ffff:0.0.0.0/96", "::1", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct sockaddr_storage sa = address(rows[i].addr);
		struct cidr c;

		assert_int_equal(cidr_parse(&c, rows[i].net), 0);
		if (cidr_has(&c, (const struct sockaddr *)&sa) != rows[i].has)
			fail_msg("%s in %s", rows[i].addr, rows[i].net);
	}
}

/* Against a plain comparison of numbers, for every length of the network. */
static void every_length(void **state)
{
	const uint32_t base = 0xc0a8f35b;

	(void)state;
	for (unsigned bits = 0; bits <= 32; bits++) {
		const uint32_t mask = bits ? 0xffffffffu << (32 - bits) : 0;
		char text[32], net[INET_ADDRSTRLEN];
		struct in_addr in = { htonl(base & mask) };
		struct cidr c;

		inet_ntop(AF_INET, &in, net, sizeof(net));
		snprintf(text, sizeof(text), "%s/%u", net, bits);
		assert_int_equal(cidr_parse(&c, text), 0);
		for (unsigned flip = 0; flip < 32; flip++) {
			struct sockaddr_in sin = { .sin_family = AF_INET };
			const uint32_t addr = base ^ 1u << flip;

			sin.sin_addr.s_addr = htonl(addr);
			assert_int_equal(
				cidr_has(&c, (const struct sockaddr *)&sin),
				(addr & mask) == (base & mask));
		}
	}
}

static void malformed_networks_are_refused(void **state)
{
	static const char *const texts[] = {
		"", "/", "/8", "10", "10/8", "10.0.0/24", "10.0.0.0/33",
		"10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x", "10.0.0.0/ 8",
		"10.0.0.0/8/8", "10.0.0.1/8", "10.0.0.0/255.0.0.0",
		"010.0.0.0/8", "256.0.0.0/8", "localhost", "*", "::/129",
		"2001:db8::1/32", "2001:db8::/64:", "fe80::1%lo", "::/0 ",
		"[::1]", "[::1]/128", "10.0.0.0:80", "0.0.0.1/0", "::1/0",
		"0x0a000000/8", "::ffff:10.0.0.1/104", "-10.0.0.0/8",
		"10.0.0.0,10.1.0.0", "10.0.0.0/4294967304",
		("1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111"
		 ":1111:1111:1111:1111/1"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct cidr c;

		if (cidr_parse(&c, texts[i]) != ERR_RANGE)
			fail_msg("'%s' is taken for a network", texts[i]);
	}
}

static void lists(void **state)
{
	const struct sockaddr_storage a = address("192.0.2.1");
	const struct sockaddr_storage b = address("2001:db8::1");
	struct sockaddr none = { .sa_family = AF_UNIX };
	struct cidr_list l = { .count = 0 };

	(void)state;
	assert_true(cidr_list_has(&l, (const struct sockaddr *)&a));
	assert_int_equal(cidr_parse(&l.nets[l.count++], "198.51.100.0/24"), 0);
	assert_false(cidr_list_has(&l, (const struct sockaddr *)&a));
	assert_int_equal(cidr_parse(&l.nets[l.count++], "192.0.2.1"), 0);
	assert_true(cidr_list_has(&l, (const struct sockaddr *)&a));
	assert_false(cidr_list_has(&l, (const struct sockaddr *)&b));
	assert_int_equal(cidr_parse(&l.nets[l.count++], "::/0"), 0);
	assert_true(cidr_list_has(&l, (const struct sockaddr *)&b));
	assert_false(cidr_list_has(&l, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_in_a_network),
		cmocka_unit_test(every_length),
		cmocka_unit_test(malformed_networks_are_refused),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
