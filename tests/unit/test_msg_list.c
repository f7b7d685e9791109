/*
 * Unit tests of LIST and LISTED, and of the rows of a list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "wire/msg_list.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1
#define SHA "0123456789abcdef0123456789abcdef"

enum { DIGEST = 16 };

/* Decode one row of these bytes, which lie at the end of their memory. */
static int get_row(struct msg_row *row, struct msg_rows *rows,
		   const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	struct rd r;
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	rd_init(&r, copy, n);
	rc = msg_get_row(row, rows, &r);
	if (rc == 0 && !rd_at_end(&r))
		rc = ERR_PROTOCOL;
	free(copy);
	return rc;
}

static int is_row(const uint8_t *bytes, size_t n)
{
	struct msg_rows rows = { .name_len = 0 };
	struct msg_row row;

	return get_row(&row, &rows, bytes, n) == 0;
}

static int is_extended_row(const uint8_t *bytes, size_t n)
{
	struct msg_rows rows = { .form = FILE_META_EXTENDED };
	struct msg_row row;

	return get_row(&row, &rows, bytes, n) == 0;
}

static void rows_have_their_bytes(void **state)
{
	static const char bytes[] =
		/* a file: mode, time, name, size */
		"\1" "\1\xa4" "\x02" "\x3b\x9a\xc9\xff" "\0\5" "d/abc" "\x80\x20"
		/* another: the mode is the same, the time one second earlier,
		 * four bytes of the name are the same; with its digest */
		"\x1d" "\1" "\0\0\0\1" "\4\1" "d" "\0" SHA
		/* one that the sender cannot read */
		"\x85" "\0" "\0\0\0\1" "\4\1" "e" "\1"
		/* a directory */
		"\2" "\1\xed" "\0" "\0\0\0\0" "\1\0"
		/* a symlink */
		"\3" "\1\xff" "\0" "\0\0\0\0" "\1\2" "/s" "\2" "..";
	struct msg_row rows[] = {
		{ .item = { .kind = ITEM_FILE,
			    .meta = { 0644, 1, 999999999, 0, 0, NULL },
			    .name = "d/abc",
			    .name_len = 5,
			    .size = 4096 } },
		{ .item = { .kind = ITEM_FILE,
			    .meta = { 0644, 0, 1, 0, 0, NULL },
			    .name = "d/abd",
			    .name_len = 5,
			    .size = 0 },
		  .has_digest = 1,
		  .by_content = 1 },
		{ .item = { .kind = ITEM_FILE,
			    .meta = { 0644, 0, 1, 0, 0, NULL },
			    .name = "d/abe",
			    .name_len = 5,
			    .size = 1 },
		  .is_unreadable = 1 },
		{ .item = { .kind = ITEM_DIR,
			    .meta = { 0755, 0, 0, 0, 0, NULL },
			    .name = "d",
			    .name_len = 1 } },
		{ .item = { .kind = ITEM_SYMLINK,
			    .meta = { 0777, 0, 0, 0, 0, NULL },
			    .name = "d/s",
			    .name_len = 3,
			    .target = "..",
			    .target_len = 2 } },
	};
	struct msg_rows put = { .name_len = 0 }, got = { .name_len = 0 };
	struct msg_row row;
	struct buf b;
	struct rd r;

	(void)state;
	memcpy(rows[1].item.digest, SHA, strlen(SHA));
	buf_init(&b, 1000);
	for (size_t i = 0; i < 5; i++)
		msg_put_row(&b, &put, &rows[i]);
	assert_int_equal(b.failed, 0);
	assert_int_equal(b.len, sizeof(bytes) - 1);
	assert_memory_equal(b.data, bytes, b.len);
	rd_init(&r, b.data, b.len);
	for (size_t i = 0; i < 5; i++) {
		const struct pack_item *want = &rows[i].item;

		assert_int_equal(msg_get_row(&row, &got, &r), 0);
		assert_int_equal(row.item.kind, want->kind);
		assert_int_equal(row.item.meta.mode, want->meta.mode);
		assert_int_equal(row.item.meta.mtime_s, want->meta.mtime_s);
		assert_int_equal(row.item.meta.mtime_ns, want->meta.mtime_ns);
		assert_int_equal(row.item.name_len, want->name_len);
		assert_memory_equal(row.item.name, want->name, want->name_len);
		assert_int_equal(row.item.size, want->size);
		assert_int_equal(row.has_digest, rows[i].has_digest);
		assert_int_equal(row.by_content, rows[i].by_content);
		assert_int_equal(row.is_unreadable, rows[i].is_unreadable);
		assert_memory_equal(row.item.digest, want->digest, LIST_DIGEST);
		assert_int_equal(row.item.target_len, want->target_len);
	}
	assert_true(rd_at_end(&r));
	buf_release(&b);
}

static void times_are_of_64_bits(void **state)
{
	static const int64_t times[] = { 0, INT64_MIN, INT64_MAX, -1, 1,
					 INT64_MIN, 1700000000 };
	struct msg_rows put = { .name_len = 0 }, got = { .name_len = 0 };
	struct msg_row row = { .item = { .kind = ITEM_DIR, .name = "d",
					 .name_len = 1 } };
	struct buf b;
	struct rd r;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < 7; i++) {
		row.item.meta.mtime_s = times[i];
		msg_put_row(&b, &put, &row);
	}
	rd_init(&r, b.data, b.len);
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(msg_get_row(&row, &got, &r), 0);
		assert_true(row.item.meta.mtime_s == times[i]);
	}
	assert_true(rd_at_end(&r));
	buf_release(&b);
}

static void malformed_rows_are_refused(void **state)
{
	(void)state;
	assert_true(is_row(BYTES("\5" "\0" "\0\0\0\0" "\0\1" "a" "\7")));
	/* kinds and bits */
	assert_false(is_row(BYTES("\4" "\0" "\0\0\0\0" "\0\1" "a" "\7")));
	assert_false(is_row(BYTES("\x25" "\0" "\0\0\0\0" "\0\1" "a" "\7")));
	assert_false(is_row(BYTES("\x16" "\0" "\0\0\0\0" "\0\1" "a")));
	assert_false(is_row(BYTES("\x0e" "\0" "\0\0\0\0" "\0\1" "a" SHA)));
	/* mode, nanoseconds */
	assert_false(is_row(BYTES("\1" "\x10\0" "\0" "\0\0\0\0" "\0\1" "a\7")));
	assert_false(is_row(BYTES("\5" "\0" "\x3b\x9a\xca\0" "\0\1" "a" "\7")));
	/* numbers: longer than needed, over 64 bits, without an end */
	assert_false(is_row(BYTES("\5" "\x80\0" "\0\0\0\0" "\0\1" "a" "\7")));
	assert_false(is_row(BYTES("\5" "\0" "\0\0\0\0" "\0\1" "a"
				  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\2")));
	assert_false(is_row(BYTES("\5" "\0" "\0\0\0\0" "\0\1" "a"
				  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")));
	/* a size that is too large; the largest */
	assert_false(is_row(BYTES("\5" "\0" "\0\0\0\0" "\0\1" "a"
				  "\x81\x80\x80\x80\x80\x80\x80\x10")));
	assert_true(is_row(BYTES("\5" "\0" "\0\0\0\0" "\0\1" "a"
				 "\x80\x80\x80\x80\x80\x80\x80\x10")));
	/* names: none, more in common than there was, too long */
	assert_false(is_row(BYTES("\5" "\0" "\0\0\0\0" "\0\0" "\7")));
	assert_false(is_row(BYTES("\5" "\0" "\0\0\0\0" "\1\1" "a" "\7")));
	assert_false(is_row(BYTES("\5" "\0" "\0\0\0\0" "\0\x80\x20" "a\7")));
	assert_false(is_row(BYTES("\5" "\0" "\0\0\0\0" "\0"
				  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1")));
	/* a target of no bytes */
	assert_false(is_row(BYTES("\7" "\0" "\0\0\0\0" "\0\1" "a" "\0")));
	assert_true(is_row(BYTES("\7" "\0" "\0\0\0\0" "\0\1" "a" "\1t")));
}

static void rows_cut_are_refused(void **state)
{
	static const char bytes[] = "\x09" "\1\xa4" "\x02" "\0\0\0\1" "\0\1" "a"
				    "\x80\x20" SHA;

	(void)state;
	assert_true(is_row(BYTES(bytes)));
	for (size_t n = 0; n < sizeof(bytes) - 1; n++)
		assert_false(is_row((const uint8_t *)bytes, n));
}

/* ---- rows with further metadata ---- */

/* tag 1: user and group 0, without names */
#define OWNER "\1\0\x0b\1" "\0\0\0\0" "\0\0\0\0" "\0\0"
#define SETID "\2\0\0"

static void rows_of_all_kinds_have_further_metadata(void **state)
{
	static const char owner[] = OWNER, both[] = OWNER SETID;
	static const char bytes[] =
		/* no further metadata, as before the first row */
		"\x21" "\1\xa4" "\0" "\0\0\0\0" "\0\1" "a" "\0"
		/* some */
		"\5" "\0" "\0\0\0\0" "\x0e" OWNER "\0\1" "b" "\0"
		/* the same, of a hard link and of a device */
		"\x65" "\0" "\0\0\0\0" "\0\1" "c" "\1" "a"
		"\x66" "\0" "\0\0\0\0" "\0\1" "d" "\3" "\5" "\x80\2"
		/* more, and none again */
		"\5" "\0" "\0\0\0\0" "\x11" OWNER SETID "\0\1" "e" "\0"
		"\6" "\0" "\0\0\0\0" "\0" "\0\1" "f";
#define META(fields, len) { 0644, 0, 0, 0, len, (const uint8_t *)(fields) }
	const struct pack_item items[] = {
		{ .kind = ITEM_FILE, .meta = META(NULL, 0), .name = "a" },
		{ .kind = ITEM_FILE, .meta = META(owner, 14), .name = "b" },
		{ .kind = ITEM_LINK, .meta = META(owner, 14), .name = "c",
		  .target = "a", .target_len = 1 },
		{ .kind = ITEM_SPECIAL, .meta = META(owner, 14), .name = "d",
		  .special = SPECIAL_CHAR, .major = 5, .minor = 256 },
		{ .kind = ITEM_FILE, .meta = META(both, 17), .name = "e" },
		{ .kind = ITEM_DIR, .meta = META(NULL, 0), .name = "f" },
	};
	struct msg_rows put = { .form = FILE_META_EXTENDED };
	struct msg_rows got = { .form = FILE_META_EXTENDED };
	struct msg_row row = { .has_digest = 0 };
	struct buf b;
	struct rd r;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < 6; i++) {
		row.item = items[i];
		row.item.name_len = 1;
		msg_put_row(&b, &put, &row);
	}
	assert_int_equal(b.failed, 0);
	assert_int_equal(b.len, sizeof(bytes) - 1);
	assert_memory_equal(b.data, bytes, b.len);
	rd_init(&r, b.data, b.len);
	for (size_t i = 0; i < 6; i++) {
		const struct pack_item *want = &items[i];

		assert_int_equal(msg_get_row(&row, &got, &r), 0);
		assert_int_equal(row.item.kind, want->kind);
		assert_int_equal(row.item.meta.fields_len,
				 want->meta.fields_len);
		assert_int_equal(row.item.meta.further,
				 i == 0 || i == 5 ? 0 : i == 4 ? 6 : 2);
		if (want->meta.fields_len)
			assert_memory_equal(row.item.meta.fields,
					    want->meta.fields,
					    want->meta.fields_len);
		assert_int_equal(row.item.target_len, want->target_len);
		assert_int_equal(row.item.special, want->special);
		assert_int_equal(row.item.major, want->major);
		assert_int_equal(row.item.minor, want->minor);
	}
	assert_true(rd_at_end(&r));
	buf_release(&b);
}

static void malformed_extended_rows_are_refused(void **state)
{
	struct msg_rows basic = { .name_len = 0 };
	struct msg_row row = { .item = { .kind = ITEM_LINK, .name = "a",
					 .name_len = 1, .target = "b",
					 .target_len = 1 } };
	struct buf b;

	(void)state;
	assert_true(is_extended_row(BYTES("\x25" "\0" "\0\0\0\0" "\0\1" "a\7")));
	assert_true(is_extended_row(BYTES("\5" "\0" "\0\0\0\0" "\0" "\0\1"
					  "a\7")));
	/* a hard link that cannot be read, and kinds that there are not */
	assert_false(is_extended_row(BYTES("\xe5" "\0" "\0\0\0\0" "\0\1" "a"
					   "\1t")));
	assert_false(is_extended_row(BYTES("\x67" "\0" "\0\0\0\0" "\0\1" "a\7")));
	assert_false(is_extended_row(BYTES("\x64" "\0" "\0\0\0\0" "\0\1" "a\7")));
	/* only the content of files is compared */
	assert_false(is_extended_row(BYTES("\x75" "\0" "\0\0\0\0" "\0\1" "a"
					   "\1t")));
	assert_false(is_extended_row(BYTES("\x6d" "\0" "\0\0\0\0" "\0\1" "a"
					   "\1t" SHA)));
	/* further metadata: cut, malformed, of more bytes than there can be */
	assert_false(is_extended_row(BYTES("\5" "\0" "\0\0\0\0" "\2" "\2\0"
					   "\0\1" "a\7")));
	assert_false(is_extended_row(BYTES("\5" "\0" "\0\0\0\0" "\6" SETID SETID
					   "\0\1" "a\7")));
	assert_false(is_extended_row(BYTES("\5" "\0" "\0\0\0\0" "\x80\x80\4"
					   SETID "\0\1" "a\7")));
	/* a hard link to nothing; special files: types and numbers */
	assert_false(is_extended_row(BYTES("\x65" "\0" "\0\0\0\0" "\0\1" "a\0")));
	assert_true(is_extended_row(BYTES("\x66" "\0" "\0\0\0\0" "\0\1" "a"
					  "\1\0\0")));
	assert_false(is_extended_row(BYTES("\x66" "\0" "\0\0\0\0" "\0\1" "a"
					   "\0\0\0")));
	assert_false(is_extended_row(BYTES("\x66" "\0" "\0\0\0\0" "\0\1" "a"
					   "\5\0\0")));
	assert_false(is_extended_row(BYTES("\x66" "\0" "\0\0\0\0" "\0\1" "a"
					   "\1\0\1")));
	assert_false(is_extended_row(BYTES("\x66" "\0" "\0\0\0\0" "\0\1" "a"
					   "\3\0\x80\x80\x80\x80\x10")));
	/* none of it without the feature */
	assert_false(is_row(BYTES("\x65" "\0" "\0\0\0\0" "\0\1" "a" "\1b")));
	assert_false(is_row(BYTES("\x66" "\0" "\0\0\0\0" "\0\1" "a" "\1\0\0")));
	buf_init(&b, 100);
	msg_put_row(&b, &basic, &row);
	assert_int_equal(b.failed, 1);
	buf_release(&b);
}

/* ---- frames ---- */

static int get_list(struct msg_list m, size_t payload)
{
	struct msg_list got;
	struct buf b;
	int rc;

	buf_init(&b, 100);
	msg_put_list(&b, &m, DIGEST, 0);
	assert_int_equal(b.len, FRAME_HEADER + MSG_LIST_FIXED + DIGEST);
	rc = msg_get_list(&got, DIGEST, b.data + FRAME_HEADER,
			  b.len - FRAME_HEADER, payload);
	if (rc == 0) {
		assert_int_equal(got.first_id, m.first_id);
		assert_int_equal(got.count, m.count);
		assert_int_equal(got.raw_len, m.raw_len);
		assert_int_equal(got.codec, m.codec);
	}
	buf_release(&b);
	return rc;
}

static void lists_at_their_limits(void **state)
{
	struct msg_list m = { .first_id = 7, .count = PACK_ITEMS_MAX,
			      .raw_len = CHUNK_MAX };

	(void)state;
	assert_int_equal(get_list(m, CHUNK_MAX), 0);
	m.count++;
	assert_int_equal(get_list(m, CHUNK_MAX), ERR_PROTOCOL);
	m.count = 0;
	assert_int_equal(get_list(m, CHUNK_MAX), ERR_PROTOCOL);
	m.count = 2;
	m.first_id = UINT64_MAX;
	assert_int_equal(get_list(m, CHUNK_MAX), ERR_PROTOCOL);
	m.first_id = 1;
	m.raw_len++;
	assert_int_equal(get_list(m, CHUNK_MAX + 1), ERR_PROTOCOL);
	m.raw_len = 0;
	assert_int_equal(get_list(m, 0), ERR_PROTOCOL);
	m.raw_len = 100;
	assert_int_equal(get_list(m, 99), ERR_PROTOCOL);
	m.codec = 1;
	assert_int_equal(get_list(m, 99), 0);
}

static int get_listed(struct msg_listed *m, const uint8_t *p, size_t n)
{
	memset(m, 0xee, sizeof(*m));
	return msg_get_listed(m, p, n);
}

#define HEAD "\0\0\0\0\0\0\0\7" "\0\0\0\5" "\0\0\0\0"

static void answers_have_runs(void **state)
{
	static const char bytes[] = HEAD "\0\0\0\0\2" "\x09\0\4\0\1" "\5\0\0\0\2";
	struct msg_listed m;
	struct buf b;

	(void)state;
	assert_int_equal(get_listed(&m, BYTES(bytes)), 0);
	assert_int_equal(m.first_id, 7);
	assert_int_equal(m.count, 5);
	assert_int_equal(m.items[1].state, LISTED_DONE);
	assert_int_equal(m.items[2].state, LISTED_FAILED);
	assert_int_equal(m.items[2].cause, CAUSE_PERMISSION);
	assert_int_equal(m.items[4].state, LISTED_COMPARE);
	buf_init(&b, 100);
	msg_put_listed(&b, &m);
	assert_int_equal(b.len, FRAME_HEADER + sizeof(bytes) - 1);
	assert_memory_equal(b.data + FRAME_HEADER, bytes, sizeof(bytes) - 1);
	buf_release(&b);
	/* too few, too many, none; an unknown state; a cause without reason */
	assert_int_equal(get_listed(&m, BYTES(HEAD "\0\0\0\0\4")), ERR_PROTOCOL);
	assert_int_equal(get_listed(&m, BYTES(HEAD "\0\0\0\0\6")), ERR_PROTOCOL);
	assert_int_equal(get_listed(&m, BYTES(HEAD "\0\0\0\0\5" "\0\0\0\0\0")),
			 ERR_PROTOCOL);
	assert_int_equal(get_listed(&m, BYTES(HEAD "\0\0\0\0\0" "\0\0\0\0\5")),
			 ERR_PROTOCOL);
	assert_int_equal(get_listed(&m, BYTES(HEAD "\x0b\0\0\0\5")),
			 ERR_PROTOCOL);
	assert_int_equal(get_listed(&m, BYTES(HEAD "\1\0\4\0\5")), ERR_PROTOCOL);
	assert_int_equal(get_listed(&m, BYTES(HEAD)), ERR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_have_their_bytes),
		cmocka_unit_test(times_are_of_64_bits),
		cmocka_unit_test(malformed_rows_are_refused),
		cmocka_unit_test(rows_cut_are_refused),
		cmocka_unit_test(rows_of_all_kinds_have_further_metadata),
		cmocka_unit_test(malformed_extended_rows_are_refused),
		cmocka_unit_test(lists_at_their_limits),
		cmocka_unit_test(answers_have_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
