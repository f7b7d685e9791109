/*
 * Unit tests of frame headers: which frames there are, who may send them, how
 * long they may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/frame.h"

enum { SENDER = 1, RECEIVER = 2, BOTH = 3 };

/* As ferry-protocol(7) has it, counted by hand: the test of the table must not
 * be the table. */
static const struct {
	unsigned type;
	const char *name;
	int from;
	uint32_t min, max;
} frames[] = {
	{ 1, "HELLO", SENDER, 36, 512 },
	{ 2, "JOIN", SENDER, 28, 512 },
	{ 3, "OPEN", SENDER, 47, 4169 + 2 + 65535 },
	{ 4, "CHUNK", SENDER, 28, 1048632 },
	{ 5, "HOLE", SENDER, 24, 24 },
	{ 6, "FILE_END", SENDER, 20, 48 },
	{ 7, "FILE_ABORT", SENDER, 10, 10 },
	{ 8, "PACK", SENDER, 29, 1048632 },
	{ 9, "STREAM_END", SENDER, 0, 0 },
	{ 10, "FINISH", SENDER, 32, 32 },
	{ 11, "FLUSH", SENDER, 0, 0 },
	{ 16, "READY", RECEIVER, 28, 512 },
	{ 12, "CHECK", SENDER, 28, 2072 },
	{ 13, "OFFER", SENDER, 29, 1048632 },
	{ 14, "COMPARE", SENDER, 24, 24 + 64 * 40 },
	{ 24, "SIGNATURE", RECEIVER, 24, 24 + 1600 * 10 },
	{ 15, "LIST", SENDER, 25, 20 + 32 + 1048576 },
	{ 26, "LISTED", RECEIVER, 21, 16 + 1024 * 5 },
	{ 17, "STATE", RECEIVER, 16, 8208 },
	{ 18, "VERDICT", RECEIVER, 32, 32 + 2 + 4095 },
	{ 19, "RESEND", RECEIVER, 16, 16 },
	{ 20, "NOTE", BOTH, 7, 4101 },
	{ 21, "SUMMARY", RECEIVER, 40, 40 },
	{ 22, "CHECKED", RECEIVER, 32, 32 },
	{ 23, "OFFERED", RECEIVER, 17, 144 },
	{ 25, "PROGRESS", BOTH, 44, 44 },
	{ 36, "DIRECT", BOTH, 36, 36 + 8 * 16 },
	{ 37, "STREAMS", SENDER, 4, 4 },
	{ 32, "DELETE", SENDER, 4, 4 + 65536 },
	{ 33, "EXTRA", RECEIVER, 8, 8 + 16000 },
	{ 28, "BUSY", BOTH, 0, 0 },
	{ 29, "TIMEOUT", BOTH, 4, 4 },
	{ 30, "PING", BOTH, 0, 0 },
	{ 31, "ERROR", BOTH, 4, 516 },
};
enum { FRAMES = sizeof(frames) / sizeof(frames[0]) };

/* Decode a header at the very end of its memory. */
static int get(struct frame *f, const uint8_t *header, int from_sender)
{
	uint8_t *copy = malloc(FRAME_HEADER);
	int rc;

	assert_non_null(copy);
	memcpy(copy, header, FRAME_HEADER);
	rc = frame_get(f, copy, from_sender);
	free(copy);
	return rc;
}

static int get_len(unsigned type, uint32_t len, int from_sender)
{
	uint8_t header[FRAME_HEADER] = { (uint8_t)type };
	struct frame f;
	int rc;

	be_put32(header + 4, len);
	be_put16(header + 2, frame_header_crc(header));
	rc = get(&f, header, from_sender);
	if (rc == 0) {
		assert_int_equal(f.type, type);
		assert_int_equal(f.len, len);
	}
	return rc;
}

static void headers_have_their_bytes(void **state)
{
	static const uint8_t want[] = {
		4, 0, 0x74, 0x55, 0x00, 0x01, 0x23, 0x45, 0, 0, 0, 0,
	};
	uint8_t *got = malloc(FRAME_HEADER);

	(void)state;
	assert_non_null(got);
	memset(got, 0xaa, FRAME_HEADER);
	frame_put(got, FRAME_CHUNK, 0x12345);
	assert_memory_equal(got, want, FRAME_HEADER);
	frame_put(got, FRAME_ERROR, UINT32_MAX);
	assert_memory_equal(got, "\x1f\0\x48\x58\xff\xff\xff\xff\0\0\0\0", FRAME_HEADER);
	free(got);
}

static void lengths_are_bounded(void **state)
{
	static const uint32_t others[] = {
		0,
		1,
		16384,
		1 << 20,
		INT32_MAX,
		(uint32_t)1 << 31,
		UINT32_MAX - 1,
		UINT32_MAX,
	};

	(void)state;
	for (size_t i = 0; i < FRAMES; i++) {
		unsigned type = frames[i].type;
		uint32_t min = frames[i].min, max = frames[i].max;
		int from = frames[i].from == RECEIVER ? 0 : 1;

		assert_int_equal(get_len(type, min, from), 0);
		assert_int_equal(get_len(type, max, from), 0);
		assert_int_equal(get_len(type, max + 1, from), ERR_PROTOCOL);
		assert_int_equal(get_len(type, min - 1, from), ERR_PROTOCOL);
		if (max > min) {
			assert_int_equal(get_len(type, min + 1, from), 0);
			assert_int_equal(get_len(type, max - 1, from), 0);
		}
		for (size_t k = 0; k < sizeof(others) / sizeof(*others); k++)
			assert_int_equal(get_len(type, others[k], from),
					 others[k] >= min && others[k] <= max
						 ? 0
						 : ERR_PROTOCOL);
	}
}

static void each_side_sends_its_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < FRAMES; i++) {
		assert_int_equal(get_len(frames[i].type, frames[i].min, 1),
				 frames[i].from & SENDER ? 0 : ERR_PROTOCOL);
		assert_int_equal(get_len(frames[i].type, frames[i].min, 0),
				 frames[i].from & RECEIVER ? 0 : ERR_PROTOCOL);
		/* any non-zero value says "sender" */
		assert_int_equal(get_len(frames[i].type, frames[i].min, 2),
				 frames[i].from & SENDER ? 0 : ERR_PROTOCOL);
	}
}

static void replies_fit_in_the_small_buffer(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		for (uint32_t len = FRAME_REPLY_MAX + 1; len < 1 << 21;
		     len += 4099)
			assert_int_equal(get_len(type, len, 0), ERR_PROTOCOL);
	}
}

static void other_types_are_refused(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		const char *name = "?";

		for (size_t i = 0; i < FRAMES; i++) {
			if (frames[i].type == type)
				name = frames[i].name;
		}
		assert_string_equal(frame_name(type), name);
		for (uint32_t len = 0; len < 50 && name[0] == '?'; len++) {
			assert_int_equal(get_len(type, len, 0), ERR_PROTOCOL);
			assert_int_equal(get_len(type, len, 1), ERR_PROTOCOL);
		}
	}
	assert_string_equal(frame_name(256 + 1), "?");
	assert_string_equal(frame_name(UINT32_MAX), "?");
}

static void flags_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < FRAMES; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			uint8_t header[FRAME_HEADER];
			struct frame f;

			frame_put(header, frames[i].type, frames[i].min);
			header[1] = (uint8_t)(1 << bit);
			be_put16(header + 2, frame_header_crc(header));
			assert_int_equal(get(&f, header,
					     frames[i].from != RECEIVER),
					 ERR_PROTOCOL);
		}
	}
}

static void bodies_have_their_checks(void **state)
{
	static const uint8_t digits[] = "123456789";
	uint8_t b[3 * FRAME_HEADER + 9 + 9];
	uint8_t *second = b + FRAME_HEADER + 9, *third = second + FRAME_HEADER;
	struct frame f;

	(void)state;
	assert_int_equal(frame_body_crc(digits, 0), 0);
	assert_int_equal(frame_body_crc(digits, 9), 0xcbf43926);
	/* one with a body, one without, one whose payload is elsewhere */
	frame_put(b, FRAME_NOTE, 9);
	memcpy(b + FRAME_HEADER, digits, 9);
	frame_put(second, FRAME_PING, 0);
	frame_put(third, FRAME_CHUNK, 1000);
	memcpy(third + FRAME_HEADER, digits, 9);
	frame_seal(b, 3 * FRAME_HEADER + 18);
	assert_int_equal(be_get32(b + 8), 0xcbf43926);
	assert_int_equal(be_get32(second + 8), 0);
	assert_int_equal(be_get32(third + 8), 0xcbf43926);
	assert_int_equal(frame_get(&f, third, 1), 0);
	assert_int_equal(f.body_check, 0xcbf43926);
	second[11] = 1;
	assert_int_equal(frame_get(&f, second, 1), ERR_PROTOCOL);
}

/* Up to three bits that flip, anywhere in type, flags, check and length. */
static void damage_is_seen(void **state)
{
	const unsigned bits = 8 * 8; /* the body check is for itself */

	(void)state;
	for (size_t i = 0; i < FRAMES; i++) {
		int from = frames[i].from != RECEIVER;
		uint32_t len = (frames[i].min + frames[i].max) / 2;

		for (unsigned n = 0; n < bits * bits * bits; n++) {
			unsigned at[] = { n % bits, n / bits % bits,
					  n / bits / bits };
			uint8_t header[FRAME_HEADER], whole[FRAME_HEADER];
			struct frame f;

			frame_put(whole, frames[i].type, len);
			memcpy(header, whole, sizeof(header));
			for (int k = 0; k < 3; k++)
				header[at[k] / 8] ^=
					(uint8_t)(1 << at[k] % 8);
			assert_int_equal(frame_get(&f, header, from),
					 memcmp(header, whole,
						sizeof(header)) == 0 ?
						 0 : ERR_PROTOCOL);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_have_their_bytes),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(each_side_sends_its_own),
		cmocka_unit_test(replies_fit_in_the_small_buffer),
		cmocka_unit_test(other_types_are_refused),
		cmocka_unit_test(flags_are_refused),
		cmocka_unit_test(bodies_have_their_checks),
		cmocka_unit_test(damage_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
