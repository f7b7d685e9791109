/*
 * Which parts of the protocol a session may use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "session/features.h"
#include "wire/msg.h"

enum {
	CODECS = FEATURE_ZLIB | FEATURE_ZSTD | FEATURE_SPARSE | FEATURE_RECIPE,
	WAYS = FEATURE_HOLES | FEATURE_OFFERS | FEATURE_RESUME |
	       FEATURE_DEFERRED,
	ALL = CODECS | WAYS | FEATURE_RIVALS | FEATURE_NOT_KEPT |
	      FEATURE_TIMEOUT | FEATURE_SAME | FEATURE_UNSENT |
	      FEATURE_BUSY | FEATURE_RECONNECT | FEATURE_DELTA |
	      FEATURE_PIECES | FEATURE_UPDATED | FEATURE_PROGRESS |
	      FEATURE_PRESERVE | FEATURE_ARCHIVE | FEATURE_DIRECT |
	      FEATURE_LISTS | FEATURE_LIST_META,
};

static void bits_have_their_numbers(void **state)
{
	(void)state;
	assert_int_equal(FEATURE_ZLIB, 1 << (CODEC_ZLIB - 1));
	assert_int_equal(FEATURE_ZSTD, 1 << (CODEC_ZSTD - 1));
	assert_int_equal(FEATURE_SPARSE, 1 << (CODEC_SPARSE - 1));
	assert_int_equal(FEATURE_RECIPE, 1 << (CODEC_RECIPE - 1));
	assert_int_equal(ALL, 0x3ffe7f0f);
}

static void requests_are_not_granted_by_knowing_them(void **state)
{
	const uint32_t both = REQUEST_LINKS | REQUEST_EXISTING;
	const char *theirs = NULL;

	(void)state;
	assert_int_equal(both, 0x18000);
	assert_int_equal(features_common(both), 0);
	assert_null(features_refused(0, 0, &theirs));
	assert_null(features_refused(both, both, &theirs));
	assert_null(features_refused(REQUEST_LINKS, REQUEST_LINKS, &theirs));
	assert_null(theirs);
	assert_non_null(strstr(features_refused(REQUEST_EXISTING, both,
						&theirs), "--accept links"));
	assert_non_null(strstr(theirs, "--symlinks all"));
	assert_non_null(strstr(features_refused(REQUEST_LINKS, both, &theirs),
			       "--accept existing"));
	assert_non_null(strstr(theirs, "--existing"));
	assert_int_equal(features_common(FEATURE_DRY_RUN), 0);
	assert_non_null(strstr(features_refused(0, FEATURE_DRY_RUN, &theirs),
			       "does not know --dry-run"));
	assert_non_null(strstr(theirs, "not known here"));
}

static void a_dry_run_has_no_content(void **state)
{
	static const enum frame_type refused[] = {
		FRAME_OPEN, FRAME_CHUNK, FRAME_HOLE,  FRAME_FILE_END,
		FRAME_FILE_ABORT, FRAME_PACK, FRAME_OFFER, FRAME_CHECK,
		FRAME_COMPARE,
	};
	static const enum frame_type allowed[] = {
		FRAME_LIST, FRAME_DELETE, FRAME_FLUSH, FRAME_FINISH,
		FRAME_STREAM_END, FRAME_NOTE, FRAME_PROGRESS, FRAME_TIMEOUT,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		assert_true(features_allow_frame(UINT32_MAX & ~FEATURE_DRY_RUN,
						 refused[i]));
		assert_false(features_allow_frame(UINT32_MAX, refused[i]));
	}
	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
		assert_true(features_allow_frame(UINT32_MAX, allowed[i]));
}

static void what_both_know_is_common(void **state)
{
	(void)state;
	assert_int_equal(features_common(0), 0);
	assert_int_equal(features_common(UINT32_MAX), ALL);
	assert_int_equal(features_common(~(uint32_t)ALL), 0);
	assert_int_equal(features_common(FEATURE_HOLES | 1u << 31),
			 FEATURE_HOLES);
	assert_int_equal(features_common(FEATURE_HOLES | FEATURE_MORE),
			 FEATURE_HOLES);
	/* Lists of metadata are lists, and of what is preserved. */
	assert_int_equal(features_common(FEATURE_LIST_META | FEATURE_PRESERVE),
			 FEATURE_PRESERVE);
	assert_int_equal(features_common(WAYS | FEATURE_SAME | FEATURE_LISTS |
					 FEATURE_LIST_META),
			 WAYS | FEATURE_SAME | FEATURE_LISTS);
	/* A delta needs both to ask and to send recipes. */
	assert_int_equal(features_common(FEATURE_RECIPE | FEATURE_PIECES |
					 FEATURE_HOLES),
			 FEATURE_HOLES);
	assert_int_equal(features_common(FEATURE_DELTA | FEATURE_PIECES), 0);
	assert_int_equal(features_common(FEATURE_DELTA | FEATURE_RECIPE),
			 FEATURE_DELTA | FEATURE_RECIPE);
}

/* Nothing is compared by the session's checksum. */
static void comparing_needs_sha256(void **state)
{
	const uint32_t comparing = FEATURE_OFFERS | FEATURE_RESUME;
	struct err e;

	(void)state;
	assert_int_equal(features_common(ALL & ~(uint32_t)FEATURE_SAME),
			 ALL & ~(FEATURE_SAME | FEATURE_LISTS |
				 FEATURE_LIST_META | comparing));
	assert_int_equal(features_check_grant(ALL, &e), 0);
	assert_int_equal(features_check_grant(CODECS, &e), 0);
	assert_int_equal(features_check_grant(FEATURE_OFFERS, &e),
			 ERR_PROTOCOL);
	assert_int_equal(features_check_grant(FEATURE_RESUME, &e),
			 ERR_PROTOCOL);
}

static void frames_need_their_feature(void **state)
{
	static const struct {
		enum frame_type type;
		uint32_t needs;
	} optional[] = {
		{ FRAME_HOLE, FEATURE_HOLES },
		{ FRAME_OFFER, FEATURE_OFFERS },
		{ FRAME_OFFERED, FEATURE_OFFERS },
		{ FRAME_CHECK, FEATURE_RESUME },
		{ FRAME_CHECKED, FEATURE_RESUME },
		{ FRAME_BUSY, FEATURE_BUSY },
		{ FRAME_COMPARE, FEATURE_DELTA },
		{ FRAME_SIGNATURE, FEATURE_DELTA },
		{ FRAME_TIMEOUT, FEATURE_TIMEOUT },
		{ FRAME_PROGRESS, FEATURE_PROGRESS },
		{ FRAME_DIRECT, FEATURE_DIRECT },
		{ FRAME_STREAMS, FEATURE_DIRECT },
		{ FRAME_DELETE, REQUEST_DELETE },
		{ FRAME_EXTRA, REQUEST_DELETE },
		{ FRAME_LIST, FEATURE_LISTS },
		{ FRAME_LISTED, FEATURE_LISTS },
	};

	(void)state;
	for (unsigned type = FRAME_HELLO; type < FRAME_TYPES; type++) {
		uint32_t needs = 0;

		for (size_t i = 0; i < sizeof(optional) / sizeof(*optional);
		     i++) {
			if (optional[i].type == type)
				needs = optional[i].needs;
		}
		assert_true(features_allow_frame(needs, type));
		assert_true(features_allow_frame(ALL | REQUEST_DELETE, type));
		assert_int_equal(features_allow_frame(0, type), needs == 0);
		assert_int_equal(features_allow_frame(ALL & ~needs, type),
				 needs == 0);
	}
}

static void codecs_need_their_feature(void **state)
{
	(void)state;
	assert_true(features_allow_codec(0, CODEC_NONE));
	assert_false(features_allow_codec(WAYS, CODEC_ZLIB));
	assert_false(features_allow_codec(WAYS, CODEC_ZSTD));
	assert_true(features_allow_codec(FEATURE_ZLIB, CODEC_ZLIB));
	assert_false(features_allow_codec(FEATURE_ZLIB, CODEC_ZSTD));
	assert_true(features_allow_codec(FEATURE_ZSTD, CODEC_ZSTD));
	assert_false(features_allow_codec(FEATURE_ZSTD, CODEC_ZLIB));
	/* Bits beyond those of codecs stand for other things. */
	for (unsigned id = 5; id < 300; id++)
		assert_false(features_allow_codec(ALL, id));
	assert_int_equal(FEATURE_MORE, 1 << FEATURE_CODECS);
	assert_true(features_allow_codec(1u << 6, FEATURE_CODECS));
	assert_false(features_allow_codec(UINT32_MAX, FEATURE_CODECS + 1));
}

/* What is asked for, what there is, and what is taken: NULL for an error. */
static const struct choice_case {
	const char *asked;
	uint32_t features;
	const struct codec_ops *ops;
	int level, is_adaptive;
} choices[] = {
	{ "none", 0, &codec_none, 0, 0 },
	{ "zlib:4", ALL, &codec_zlib, 4, 0 },
	{ "zlib:4", FEATURE_ZLIB, &codec_zlib, 4, 0 },
	{ "zlib", FEATURE_ZSTD | WAYS, NULL, 0, 0 },
	{ "zstd:19", FEATURE_ZSTD, &codec_zstd, 19, 0 },
	{ "zstd", FEATURE_ZLIB | WAYS, NULL, 0, 0 },
	{ "zstd", 0, NULL, 0, 0 },
	{ "auto", ALL, &codec_zstd, 3, 1 },
	{ "auto:7", FEATURE_ZSTD, &codec_zstd, 7, 0 },
	{ "auto", FEATURE_ZLIB, &codec_zlib, 6, 0 },
	{ "auto:7", FEATURE_ZLIB, &codec_zlib, 7, 0 },
	{ "auto:19", FEATURE_ZLIB, &codec_zlib, 9, 0 },
	{ "auto", WAYS, &codec_none, 0, 0 },
	{ "auto:19", 0, &codec_none, 0, 0 },
};

static void a_codec_is_chosen_that_both_know(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
		const struct choice_case *c = &choices[i];
		struct codec_choice asked, chosen;
		struct err e = { 0 };

		assert_int_equal(codec_parse(c->asked, &asked), 0);
		if (!c->ops) {
			assert_int_equal(features_choose_codec(c->features,
							       &asked, &chosen,
							       &e),
					 ERR_PROTOCOL);
			continue;
		}
		assert_int_equal(
			features_choose_codec(c->features, &asked, &chosen, &e),
			0);
		assert_ptr_equal(chosen.ops, c->ops);
		assert_int_equal(chosen.level, c->level);
		assert_int_equal(chosen.is_adaptive, c->is_adaptive);
		assert_int_equal(chosen.is_auto, asked.is_auto);
	}
}

static void the_user_is_told_which_codec_is_missing(void **state)
{
	struct codec_choice asked, chosen;
	struct err e = { 0 };

	(void)state;
	codec_parse("zstd", &asked);
	features_choose_codec(0, &asked, &chosen, &e);
	assert_string_equal(e.text,
			    "the other side's ferry does not know zstd "
			    "compression: use --compress=auto or none, or a "
			    "newer ferry there");
	codec_parse("zlib:9", &asked);
	features_choose_codec(FEATURE_ZSTD, &asked, &chosen, &e);
	assert_non_null(strstr(e.text, "not know zlib compression: "));
}

static void what_is_missing_is_named(void **state)
{
	char text[512], small[8];

	(void)state;
	assert_string_equal(features_missing(ALL, text, sizeof(text)), "");
	assert_string_equal(features_missing(UINT32_MAX, text, sizeof(text)),
			    "");
	assert_string_equal(features_missing(ALL & ~(uint32_t)FEATURE_RESUME,
					     text, sizeof(text)),
			    "resume");
	assert_string_equal(features_missing(0, text, sizeof(text)),
			    "zlib compression, zstd compression, sparse "
			    "chunks, holes, offers, resume, deferred symlinks, "
			    "rivals, preserving more metadata, archives, "
			    "comparing by SHA-256, metadata that is "
			    "not kept, busy heart-beats, lists of more "
			    "metadata, notes of what was not sent, direct "
			    "streams, "
			    "receivers that reconnect, time-outs, recipes, "
			    "delta, delta of shifted content, progress "
			    "reports, lists, metadata that is set alone");
	assert_string_equal(features_missing(0, small, sizeof(small)),
			    "zlib co");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_have_their_numbers),
		cmocka_unit_test(requests_are_not_granted_by_knowing_them),
		cmocka_unit_test(a_dry_run_has_no_content),
		cmocka_unit_test(what_both_know_is_common),
		cmocka_unit_test(comparing_needs_sha256),
		cmocka_unit_test(frames_need_their_feature),
		cmocka_unit_test(codecs_need_their_feature),
		cmocka_unit_test(a_codec_is_chosen_that_both_know),
		cmocka_unit_test(the_user_is_told_which_codec_is_missing),
		cmocka_unit_test(what_is_missing_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
