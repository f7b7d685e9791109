/*
 * Unit tests of the messages, second part: rules between their fields, the
 * rows of a pack's table, and causes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include "base/err.h"
#include "wire/msg.h"

enum { DIGEST = 16 };

static const struct pack_form basic_form = { DIGEST, FILE_META_BASIC };

#define SUM "\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xdb\xdc\xdd\xde\xdf"
#define META "\0\0\x0d\xed\xff\xff\xff\xff\xff\xff\xff\xfe\x3b\x9a\xc9\xff"
#define META_VALUE 06755, -2, 999999999, 0, 0, NULL
#define BYTES(text) text, sizeof(text) - 1

static int get_chunk(uint32_t raw, uint8_t codec, size_t payload)
{
	struct msg_chunk m = { 1, 0, raw, codec, SUM };
	struct buf b;
	int rc;

	buf_init(&b, 100);
	msg_put_chunk(&b, &m, 4, 0);
	assert_int_equal(b.failed, 0);
	rc = msg_get_chunk(&m, 4, b.data + FRAME_HEADER, b.len - FRAME_HEADER,
			   payload);
	buf_release(&b);
	return rc;
}

static int get_pack(uint32_t raw, uint32_t table, uint8_t codec, size_t payload)
{
	struct msg_pack m = { 1, 1, raw, table, codec, SUM };
	struct buf b;
	int rc;

	buf_init(&b, 100);
	msg_put_pack(&b, &m, 32, 0);
	assert_int_equal(b.failed, 0);
	rc = msg_get_pack(&m, 32, b.data + FRAME_HEADER, b.len - FRAME_HEADER,
			  payload);
	buf_release(&b);
	return rc;
}

static void payloads_must_suit(void **state)
{
	(void)state;
	assert_int_equal(get_chunk(0, 0, 0), 0);
	assert_int_equal(get_chunk(0, 0, 1), ERR_PROTOCOL);
	assert_int_equal(get_chunk(0, 2, 1), ERR_PROTOCOL);
	assert_int_equal(get_chunk(1, 0, 0), ERR_PROTOCOL);
	assert_int_equal(get_chunk(1, 0, 1), 0);
	assert_int_equal(get_chunk(1, 2, 0), ERR_PROTOCOL);
	assert_int_equal(get_chunk(100, 0, 99), ERR_PROTOCOL);
	assert_int_equal(get_chunk(100, 0, 101), ERR_PROTOCOL);
	assert_int_equal(get_chunk(100, 1, 1), 0);
	assert_int_equal(get_chunk(100, 1, 100), 0);
	assert_int_equal(get_chunk(100, 1, 101), ERR_PROTOCOL);
	assert_int_equal(get_chunk(100, 1, UINT32_MAX), ERR_PROTOCOL);
#if SIZE_MAX > UINT32_MAX
	assert_int_equal(get_chunk(100, 1, (size_t)1 << 32 | 50), ERR_PROTOCOL);
#endif
	assert_int_equal(get_chunk(CHUNK_MAX, 0, CHUNK_MAX), 0);
	assert_int_equal(get_chunk(CHUNK_MAX + 1, 0, CHUNK_MAX + 1),
			 ERR_PROTOCOL);
	assert_int_equal(get_pack(1, 1, 0, 1), 0);
	assert_int_equal(get_pack(0, 0, 0, 0), ERR_PROTOCOL);
	assert_int_equal(get_pack(100, 100, 2, 0), ERR_PROTOCOL);
	assert_int_equal(get_pack(100, 100, 2, 100), 0);
	assert_int_equal(get_pack(100, 101, 2, 100), ERR_PROTOCOL);
	assert_int_equal(get_pack(100, 50, 2, 101), ERR_PROTOCOL);
	assert_int_equal(get_pack(100, 50, 0, 99), ERR_PROTOCOL);
	assert_int_equal(get_pack(CHUNK_MAX, CHUNK_MAX, 0, CHUNK_MAX), 0);
	assert_int_equal(get_pack(CHUNK_MAX + 1, 5, 2, 5), ERR_PROTOCOL);
}

/* Each digest size is on the wire as long as it is, and no longer one gets
 * through. */
static void digests_have_the_session_size(void **state)
{
	static const size_t sizes[] = { 4, 16, 32 };
	struct msg_file_end m;
	struct buf b;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		buf_init(&b, 200);
		memset(&m, 0, sizeof(m));
		memset(m.digest, 0x5a, sizeof(m.digest));
		msg_put_file_end(&b, &m, sizes[i]);
		assert_int_equal(b.len, FRAME_HEADER + 16 + sizes[i]);
		memset(&m, 0, sizeof(m));
		for (size_t k = 0; k < 3; k++)
			assert_int_equal(msg_get_file_end(&m, sizes[k],
							  b.data + FRAME_HEADER,
							  b.len - FRAME_HEADER),
					 k == i ? 0 : ERR_PROTOCOL);
		buf_release(&b);
	}
	buf_init(&b, 200);
	msg_put_file_end(&b, &m, WIRE_DIGEST_MAX + 1);
	assert_int_equal(b.failed, 1);
	buf_reset(&b);
	buf_extend(&b, 16 + 33);
	memset(b.data, 0, b.len);
	assert_int_equal(msg_get_file_end(&m, 33, b.data, b.len), ERR_PROTOCOL);
	buf_release(&b);
}

static void verdicts_say_bytes_only_with_some_causes(void **state)
{
	(void)state;
	for (unsigned cause = 0; cause < 30; cause++) {
		int may = cause == 2 || cause == 3 || cause == 11 ||
			  cause == 12;

		for (unsigned facts = 0; facts < 4; facts++) {
			struct msg_verdict m = {
				5,
				1,
				STATUS_FAILED,
				(uint16_t)cause,
				facts & 1,
				facts & 2,
				0,
				NULL,
				0,
			};
			struct buf b;

			buf_init(&b, 100);
			msg_put_verdict(&b, &m);
			assert_int_equal(msg_get_verdict(&m,
							 b.data + FRAME_HEADER,
							 b.len - FRAME_HEADER),
					 may || facts == 0 ? 0 : ERR_PROTOCOL);
			buf_release(&b);
		}
	}
}

static void check_meta(const struct file_meta *m)
{
	assert_int_equal(m->mode, 06755);
	assert_true(m->mtime_s == -2);
	assert_int_equal(m->mtime_ns, 999999999);
}

/* The rows of a pack's table, by hand. */
#define ROW_FILE                                                               \
	"\x01" META "\0\x05"                                                   \
	"a/b.c"                                                                \
	"\0\x10\0\0" SUM
#define ROW_DIR                                                                \
	"\x02" META "\0\x01"                                                   \
	"d"
#define ROW_LINK                                                               \
	"\x03" META "\0\x02"                                                   \
	"ln"                                                                   \
	"\0\x04"                                                               \
	"../x"
static const struct {
	struct pack_item it;
	const char *bytes;
	size_t len;
} rows[] = {
	{ { ITEM_FILE, { META_VALUE }, "a/b.c", 5, 1 << 20, SUM, NULL, 0, 0, 0, 0 },
	  BYTES(ROW_FILE) },
	{ { ITEM_DIR, { META_VALUE }, "d", 1, 0, "", NULL, 0, 0, 0, 0 },
	  BYTES(ROW_DIR) },
	{ { ITEM_SYMLINK, { META_VALUE }, "ln", 2, 0, "", "../x", 4, 0, 0, 0 },
	  BYTES(ROW_LINK) },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void check_item(const struct pack_item *got,
		       const struct pack_item *want)
{
	assert_int_equal(got->kind, want->kind);
	check_meta(&got->meta);
	assert_int_equal(got->name_len, want->name_len);
	assert_memory_equal(got->name, want->name, want->name_len);
	assert_int_equal(got->size, want->size);
	assert_memory_equal(got->digest, want->digest, WIRE_DIGEST_MAX);
	assert_int_equal(got->target_len, want->target_len);
	if (want->target_len > 0)
		assert_memory_equal(got->target, want->target,
				    want->target_len);
	else
		assert_null(got->target);
}

static void pack_rows_have_their_bytes(void **state)
{
	static const char all[] = ROW_FILE ROW_DIR ROW_LINK;
	struct pack_item it;
	struct buf b;
	struct rd r;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < ROWS; i++)
		pack_put_item(&b, &rows[i].it, &basic_form);
	assert_int_equal(b.failed, 0);
	assert_int_equal(b.len, sizeof(all) - 1);
	assert_memory_equal(b.data, all, b.len);
	rd_init(&r, b.data, b.len);
	for (size_t i = 0; i < ROWS; i++) {
		assert_int_equal(rd_at_end(&r), 0);
		memset(&it, 0xee, sizeof(it));
		assert_int_equal(pack_get_item(&it, &r, &basic_form), 0);
		check_item(&it, &rows[i].it);
	}
	assert_int_equal(rd_at_end(&r), 1);
	assert_int_equal(pack_get_item(&it, &r, &basic_form), ERR_PROTOCOL);
	buf_release(&b);
}

/* Decode one row at the end of its memory. */
static int get_row(const uint8_t *p, size_t n, size_t digest_size)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	struct pack_item it;
	struct rd r;
	int rc;

	assert_non_null(copy);
	if (n > 0)
		memcpy(copy, p, n);
	rd_init(&r, copy, n);
	rc = pack_get_item(&it, &r, &(struct pack_form){ digest_size,
							     FILE_META_BASIC });
	/* a row too short for its table is found by the caller */
	if (rc == 0 && !rd_at_end(&r))
		rc = 1;
	free(copy);
	return rc;
}

static void pack_rows_cut_are_refused(void **state)
{
	uint8_t longer[100];

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		const uint8_t *p = (const uint8_t *)rows[i].bytes;

		for (size_t cut = 0; cut < rows[i].len; cut++)
			assert_int_equal(get_row(p, cut, DIGEST), ERR_PROTOCOL);
		assert_int_equal(get_row(p, rows[i].len, DIGEST), 0);
		memcpy(longer, p, rows[i].len);
		longer[rows[i].len] = 0;
		assert_int_equal(get_row(longer, rows[i].len + 1, DIGEST), 1);
	}
	memset(longer, 0, sizeof(longer));
	memcpy(longer, ROW_FILE, sizeof(ROW_FILE) - 1);
	assert_int_equal(get_row(longer, sizeof(longer), 33), ERR_PROTOCOL);
}

static void put_field(uint8_t *p, size_t width, uint64_t v)
{
	for (size_t i = 0; i < width; i++)
		p[width - 1 - i] = (uint8_t)(v >> (8 * i));
}

static void try_row(size_t row, size_t off, size_t width, uint64_t v,
		    int is_good)
{
	uint8_t p[100];

	memcpy(p, rows[row].bytes, rows[row].len);
	put_field(p + off, width, v);
	assert_int_equal(get_row(p, rows[row].len, DIGEST),
			 is_good ? 0 : ERR_PROTOCOL);
}

static void pack_rows_at_their_limits(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 256; kind++)
		try_row(1, 0, 1, kind, kind == ITEM_DIR);
	for (size_t i = 0; i < ROWS; i++) {
		try_row(i, 1, 4, 0, 1);
		try_row(i, 1, 4, 07777, 1);
		try_row(i, 1, 4, 010000, 0);
		try_row(i, 1, 4, UINT32_MAX, 0);
		try_row(i, 5, 8, (uint64_t)1 << 63, 1);
		try_row(i, 13, 4, 0, 1);
		try_row(i, 13, 4, 1000000000, 0);
		try_row(i, 13, 4, UINT32_MAX, 0);
		try_row(i, 17, 2, 0, 0);
		try_row(i, 17, 2, 4096, 0);
		try_row(i, 17, 2, UINT16_MAX, 0);
	}
	try_row(0, 24, 4, 0, 1);
	try_row(0, 24, 4, CHUNK_MAX + 1, 0);
	try_row(0, 24, 4, INT32_MAX, 0);
	try_row(0, 24, 4, UINT32_MAX, 0);
	try_row(2, 21, 2, 0, 0);
	try_row(2, 21, 2, 5, 0);
	try_row(2, 21, 2, UINT16_MAX, 0);
}

static void pack_names_at_their_limits(void **state)
{
	char *name = malloc(5000);

	(void)state;
	assert_non_null(name);
	memset(name, 'n', 5000);
	for (size_t len = 4094; len <= 4096; len++) {
		struct pack_item it = { .kind = ITEM_SYMLINK,
					.name = name,
					.name_len = len,
					.target = name,
					.target_len = len };
		struct buf b;

		buf_init(&b, 20000);
		pack_put_item(&b, &it, &basic_form);
		assert_int_equal(b.failed, len > 4095);
		if (!b.failed)
			assert_int_equal(get_row(b.data, b.len, DIGEST), 0);
		buf_reset(&b);
		/* put together without the encoder */
		buf_put(&b, "\x02" META, 17);
		buf_put_u16(&b, (uint16_t)len);
		buf_put(&b, name, len);
		assert_int_equal(get_row(b.data, b.len, DIGEST),
				 len <= 4095 ? 0 : ERR_PROTOCOL);
		buf_reset(&b);
		buf_put(&b,
			"\x03" META "\0\x01"
			"a",
			20);
		buf_put_u16(&b, (uint16_t)len);
		buf_put(&b, name, len);
		assert_int_equal(get_row(b.data, b.len, DIGEST),
				 len <= 4095 ? 0 : ERR_PROTOCOL);
		buf_release(&b);
	}
	free(name);
}

/* Only of what was committed, and only of the kinds that there are. */
static void metadata_that_is_not_kept(void **state)
{
	(void)state;
	for (unsigned status = STATUS_COMMITTED; status <= STATUS_FAILED;
	     status++) {
		for (unsigned kinds = 0; kinds < 256; kinds++) {
			const struct msg_verdict v = {
				.first_id = 1, .count = 1,
				.status = (uint8_t)status,
				.not_kept = (uint8_t)kinds };
			const struct msg_note n = {
				.kind = ITEM_DIR, .name = "d", .name_len = 1,
				.not_kept = (uint8_t)kinds };
			struct msg_verdict v2;
			struct msg_note n2;
			struct buf b;

			buf_init(&b, 100);
			msg_put_verdict(&b, &v);
			assert_int_equal(
				msg_get_verdict(&v2, b.data + FRAME_HEADER,
						b.len - FRAME_HEADER) == 0,
				kinds == 0 || (kinds <= FILE_META_ALL_KINDS &&
					       status == STATUS_COMMITTED));
			buf_reset(&b);
			msg_put_note(&b, &n);
			assert_int_equal(msg_get_note(&n2, b.data + FRAME_HEADER,
						      b.len - FRAME_HEADER) == 0,
					 kinds <= FILE_META_ALL_KINDS);
			buf_release(&b);
		}
	}
}

/* The path of a rival: only with its cause, and of one item. */
static void rivals(void **state)
{
	static const struct msg_verdict good = {
		.first_id = 7, .count = 1, .status = STATUS_FAILED,
		.cause = CAUSE_RIVAL, .rival = "a/b", .rival_len = 3 };

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct msg_verdict v = good, got;
		struct buf b;

		if (i == 1)
			v.count = 2;
		else if (i == 2)
			v.cause = CAUSE_EXISTS;
		else if (i == 3)
			v.status = STATUS_SKIPPED;
		buf_init(&b, 100);
		msg_put_verdict(&b, &v);
		if (i == 4)
			buf_put_u8(&b, 'x');
		assert_int_equal(msg_get_verdict(&got, b.data + FRAME_HEADER,
						 b.len - FRAME_HEADER),
				 i ? ERR_PROTOCOL : 0);
		if (i == 0) {
			assert_int_equal(got.rival_len, 3);
			assert_memory_equal(got.rival, "a/b", 3);
		}
		buf_release(&b);
	}
}

static void causes_have_texts(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= CAUSE_OTHER_BASIS; i++) {
		assert_string_not_equal(wire_cause_text(i), "unknown error");
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(wire_cause_text(i),
						wire_cause_text(k));
	}
	assert_string_equal(wire_cause_text(CAUSE_NO_SPACE),
			    "no space left on the disk");
	assert_string_equal(wire_cause_text(CAUSE_OTHER_BASIS + 1),
			    "unknown error");
	assert_string_equal(wire_cause_text(UINT32_MAX), "unknown error");
}

static void causes_fit_errnos(void **state)
{
	static const struct {
		int err;
		enum wire_cause cause;
	} want[] = {
		{ ENOSPC, CAUSE_NO_SPACE },
		{ EDQUOT, CAUSE_QUOTA },
		{ EACCES, CAUSE_PERMISSION },
		{ EPERM, CAUSE_PERMISSION },
		{ EROFS, CAUSE_READ_ONLY },
		{ EEXIST, CAUSE_EXISTS },
		{ ENAMETOOLONG, CAUSE_NAME_TOO_LONG },
		{ ENOTDIR, CAUSE_NOT_DIR },
		{ ELOOP, CAUSE_NOT_DIR },
		{ EISDIR, CAUSE_IS_DIR },
		{ EIO, CAUSE_IO },
		{ EFBIG, CAUSE_TOO_LARGE },
		{ ENOENT, CAUSE_VANISHED },
		{ EINVAL, CAUSE_INVALID },
		{ ENOTCONN, CAUSE_IO },
		{ EAGAIN, CAUSE_BUSY },
		{ EOPNOTSUPP, CAUSE_UNSUPPORTED },
		{ ENOMEM, CAUSE_RESOURCE },
		{ EMFILE, CAUSE_RESOURCE },
		{ 0, CAUSE_OTHER },
		{ ESRCH, CAUSE_OTHER },
		{ -5, CAUSE_OTHER },
		{ 99999, CAUSE_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(wire_cause_of_errno(want[i].err),
				 want[i].cause);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(payloads_must_suit),
		cmocka_unit_test(digests_have_the_session_size),
		cmocka_unit_test(verdicts_say_bytes_only_with_some_causes),
		cmocka_unit_test(pack_rows_have_their_bytes),
		cmocka_unit_test(pack_rows_cut_are_refused),
		cmocka_unit_test(pack_rows_at_their_limits),
		cmocka_unit_test(pack_names_at_their_limits),
		cmocka_unit_test(metadata_that_is_not_kept),
		cmocka_unit_test(rivals),
		cmocka_unit_test(causes_have_texts),
		cmocka_unit_test(causes_fit_errnos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
