/*
 * What comes through ssh before a session, on either side; and places on other
 * hosts, from the command line.
 *
 * Input: a byte that says which, then an order with its list, an answer, or the
 * text.
 */
#include "fuzz.h"

#include "base/err.h"
#include "remote/target.h"
#include "wire/order.h"

/* Every item lies inside the list and has no NUL. */
static void read_list(const uint8_t *data, size_t size)
{
	struct rd r;
	int count;

	rd_init(&r, data, size);
	count = order_get_count(&r);
	CHECK(count >= 0 && count <= ORDER_ITEMS_MAX);
	for (int i = 0; i < count && !r.failed; i++) {
		size_t n;
		const char *item = order_get_item(&r, &n);

		if (r.failed)
			break;
		CHECK((const uint8_t *)item >= data);
		CHECK((const uint8_t *)item + n <= data + size);
		CHECK(!memchr(item, '\0', n));
	}
}

static void read_order(const uint8_t *data, size_t size)
{
	struct order m;

	if (size < ORDER_HEADER || order_get(&m, data))
		return;
	if (m.version == ORDER_VERSION) {
		CHECK(m.len <= ORDER_LIST_MAX);
		read_list(data + ORDER_HEADER, size - ORDER_HEADER);
	}
}

static void read_answer(const uint8_t *data, size_t size)
{
	struct order_answer m;

	if (size < ORDER_ANSWER || order_get_answer(&m, data))
		return;
	if (m.version == ORDER_VERSION) {
		CHECK(m.len <= ORDER_LIST_MAX);
		read_list(data + ORDER_ANSWER, size - ORDER_ANSWER);
	}
}

/* What ssh gets cannot be taken for an option; the path is part of the text. */
static void read_target(const char *text)
{
	struct err e = { 0 };
	struct target t;
	char *name;

	if (!target_is_ssh(text))
		return;
	if (target_parse(&t, text, &e)) {
		CHECK(e.code == ERR_USAGE && *e.text);
		return;
	}
	CHECK(*t.host && *t.host != '-' && *t.path);
	/* ssh takes what is after the last @ for the host */
	CHECK(!strchr(t.host, '@') ||
	      (strrchr(t.host, '@')[1] && strrchr(t.host, '@')[1] != '-'));
	for (const char *p = t.host; *p; p++)
		CHECK((unsigned char)*p > ' ' && *p != 0x7f);
	if (target_name(t.path, &name, &e) == 0 && name) {
		CHECK(*name && !strchr(name, '/'));
		CHECK(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
		free(name);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	if (data[0] == 0) {
		read_order(data + 1, size - 1);
	} else if (data[0] == 1) {
		read_answer(data + 1, size - 1);
	} else {
		text = fuzz_string(data + 1, size - 1);
		read_target(text);
		free(text);
	}
	return 0;
}
