/*
 * Unit tests of places on other hosts, and of orders and answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remote/target.h"
#include "wire/order.h"

static void which_texts_are_for_ssh(void **state)
{
	static const struct {
		const char *text;
		const char *host, *path; /* NULL: not for ssh, or refused */
		int is_ssh;
	} rows[] = {
		{ "h:", "h", ".", 1 },
		{ "h:dir", "h", "dir", 1 },
		{ "me@h:dir", "me@h", "dir", 1 },
		{ "me@h:", "me@h", ".", 1 },
		{ "h:./22", "h", "./22", 1 },
		{ "h:22x", "h", "22x", 1 },
		{ "h:a:b", "h", "a:b", 1 },
		{ "h:22:b", "h", "22:b", 1 },
		{ "h:~/x", "h", "~/x", 1 },
		{ "[2001:db8::1]:dir", "2001:db8::1", "dir", 1 },
		{ "me@[fe80::1%eth0]:dir", "me@fe80::1%eth0", "dir", 1 },
		{ "h: a'b\n", "h", " a'b\n", 1 },
		{ "me@you@h:x", "me@you@h", "x", 1 },
		{ "me@you@[::1]:x", "me@you@::1", "x", 1 },
		{ "h:a@b", "h", "a@b", 1 },
		{ "h", NULL, NULL, 0 },
		{ "h:22", NULL, NULL, 0 },
		{ "h:99999", NULL, NULL, 0 },
		{ "[::1]:22", NULL, NULL, 0 },
		{ "[::1]", NULL, NULL, 0 },
		{ "[::1", NULL, NULL, 0 },
		{ "::1", NULL, NULL, 0 },
		{ "fe80::1%eth0", NULL, NULL, 0 },
		{ "2001:db8::1", NULL, NULL, 0 },
		{ "./h:dir", NULL, NULL, 0 },
		{ "a/b:c", NULL, NULL, 0 },
		{ "me@h", NULL, NULL, 0 },
		{ "me@h:22", NULL, NULL, 0 },
		{ "", NULL, NULL, 0 },
		/* for ssh, but not for any */
		{ ":dir", NULL, NULL, 1 },
		{ "me@:dir", NULL, NULL, 1 },
		{ "@h:dir", NULL, NULL, 1 },
		{ "-h:dir", NULL, NULL, 1 },
		{ "-oProxyCommand=x:dir", NULL, NULL, 1 },
		{ "me@-h:dir", NULL, NULL, 1 },
		/* ssh takes what is after the last @ for the host */
		{ "me@you@-h:dir", NULL, NULL, 1 },
		{ "me@you@:dir", NULL, NULL, 1 },
		{ "[-oProxyCommand=x]:dir", NULL, NULL, 1 },
		{ "me@[-h]:dir", NULL, NULL, 1 },
		{ "me[you@-h:dir", NULL, NULL, 1 },
		{ "me[you@:dir", NULL, NULL, 1 },
		{ "[me@-h]:dir", NULL, NULL, 1 },
		{ "[fe80::1%@-h]:dir", NULL, NULL, 1 },
		{ "[]:dir", NULL, NULL, 1 },
		{ "a b:dir", NULL, NULL, 1 },
		{ "a\tb:dir", NULL, NULL, 1 },
	};
	struct target t;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].text);
		assert_int_equal(!!target_is_ssh(rows[i].text), rows[i].is_ssh);
		if (!rows[i].is_ssh)
			continue;
		err_clear(&e);
		assert_int_equal(target_parse(&t, rows[i].text, &e),
				 rows[i].host ? 0 : ERR_USAGE);
		if (!rows[i].host)
			continue;
		assert_string_equal(t.host, rows[i].host);
		assert_string_equal(t.path, rows[i].path);
	}
}

static void a_host_that_is_too_long(void **state)
{
	char text[4 * ADDR_HOST_MAX];
	struct target t;
	struct err e;

	(void)state;
	memset(text, 'h', sizeof(text));
	memcpy(text + sizeof(text) - 3, ":x", 3);
	assert_int_equal(target_is_ssh(text), 1);
	assert_int_equal(target_parse(&t, text, &e), ERR_USAGE);
}

/* ---- orders ---- */

static void an_order_comes_back_as_it_was(void **state)
{
	static const char *const items[] = { "receive", "", "--a=b", "x y\n" };
	const struct order m = { .version = ORDER_VERSION,
				 .len = 77,
				 .nonce = { 1, 2, 0xff } };
	struct order got;
	struct buf b;
	struct rd r;
	size_t off, n;

	(void)state;
	buf_init(&b, 1000);
	order_put(&b, &m);
	assert_int_equal(b.len, ORDER_HEADER);
	assert_int_equal(order_get(&got, b.data), 0);
	assert_int_equal(got.len, 77);
	assert_memory_equal(got.nonce, m.nonce, ORDER_NONCE);
	/* golden bytes: these never change */
	assert_memory_equal(b.data, "FERRYORD\0\1\0\0\0\0\0\115\1\2\377\0", 20);
	buf_reset(&b);
	off = order_begin_list(&b);
	for (size_t i = 0; i < 4; i++)
		order_put_item(&b, off, items[i]);
	assert_int_equal(b.failed, 0);
	rd_init(&r, b.data, b.len);
	assert_int_equal(order_get_count(&r), 4);
	for (size_t i = 0; i < 4; i++) {
		const char *item = order_get_item(&r, &n);

		assert_int_equal(n, strlen(items[i]));
		assert_memory_equal(item, items[i], n);
	}
	assert_true(rd_at_end(&r));
	buf_reset(&b);
	order_put_marker(&b, m.nonce);
	assert_int_equal(b.len, ORDER_MARKER);
	assert_memory_equal(b.data, "ferry-remote:0102ff00", 21);
	assert_int_equal(b.data[ORDER_MARKER - 1], '\n');
	buf_release(&b);
}

static void malformed_orders_are_refused(void **state)
{
	uint8_t head[ORDER_HEADER] = "FERRYORD\0\1\0\0\0\0\0\1";
	static const uint8_t many[] = { 0xff, 0xff };
	static const uint8_t nul[] = { 0, 1, 0, 2, 'a', 0 };
	static const uint8_t cut[] = { 0, 1, 0, 9, 'a' };
	struct order m;
	struct rd r;
	size_t n;

	(void)state;
	assert_int_equal(order_get(&m, head), 0);
	head[11] = 1; /* reserved */
	assert_int_equal(order_get(&m, head), ERR_PROTOCOL);
	head[11] = 0;
	head[12] = 1; /* longer than allowed */
	assert_int_equal(order_get(&m, head), ERR_PROTOCOL);
	head[9] = 2; /* of another version only that is known */
	assert_int_equal(order_get(&m, head), 0);
	assert_int_equal(m.version, 2);
	head[0] = 'f';
	assert_int_equal(order_get(&m, head), ERR_PROTOCOL);
	rd_init(&r, many, sizeof(many));
	assert_int_equal(order_get_count(&r), 0);
	assert_int_equal(r.failed, 1);
	rd_init(&r, nul, sizeof(nul));
	assert_int_equal(order_get_count(&r), 1);
	(void)order_get_item(&r, &n);
	assert_int_equal(r.failed, 1);
	rd_init(&r, cut, sizeof(cut));
	assert_int_equal(order_get_count(&r), 1);
	assert_null(order_get_item(&r, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_texts_are_for_ssh),
		cmocka_unit_test(a_host_that_is_too_long),
		cmocka_unit_test(an_order_comes_back_as_it_was),
		cmocka_unit_test(malformed_orders_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
