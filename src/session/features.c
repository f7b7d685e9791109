/*
 * What may be used in a session, from the bits of HELLO and READY.
 */
#include "session/features.h"

#include "base/text.h"
#include "wire/msg.h"

static const struct feature {
	uint32_t bit;
	const char *name;
} features_known[] = {
#define X(id, number, text) { id, text },
	WIRE_FEATURES(X)
#undef X
};

enum { KNOWN = sizeof(features_known) / sizeof(features_known[0]) };

uint32_t features_common(uint32_t theirs)
{
	uint32_t ours = 0;

	for (size_t i = 0; i < KNOWN; i++)
		ours |= features_known[i].bit;
	ours &= theirs;
	if (!(ours & FEATURE_SAME))
		ours &= ~(uint32_t)(FEATURE_OFFERS | FEATURE_RESUME);
	/* What a list does not decide is offered. */
	if (!(ours & FEATURE_OFFERS))
		ours &= ~(uint32_t)FEATURE_LISTS;
	if (!(ours & FEATURE_LISTS) || !(ours & FEATURE_PRESERVE))
		ours &= ~(uint32_t)FEATURE_LIST_META;
	/* Neither is of use without the other. */
	if (!(ours & FEATURE_DELTA) || !(ours & FEATURE_RECIPE))
		ours &= ~(uint32_t)(FEATURE_DELTA | FEATURE_RECIPE |
				    FEATURE_PIECES);
	return ours;
}

int features_check_grant(uint32_t granted, struct err *e)
{
	if (granted & FEATURE_SAME ||
	    !(granted & (FEATURE_OFFERS | FEATURE_RESUME)))
		return 0;
	return err_set(e, ERR_PROTOCOL,
		       "the other side's ferry does not compare files by "
		       "SHA-256: use the same release of ferry on both sides");
}

/* How to start a receiver that accepts what is asked for. */
#define ACCEPTING(word)                                                        \
	"ferry receive --accept " word " (with --config: accept in its file)"

const char *features_refused(uint32_t features, uint32_t requests,
			     const char **theirs)
{
	const uint32_t lacking = requests & ~features;

	if (lacking & REQUEST_LINKS) {
		*theirs = "the sender asks for --symlinks all, which is not "
			  "accepted here (--accept links)";
		return "the receiver does not accept --symlinks all; to accept "
		       "symlinks that lead anywhere, start it with: "
		       ACCEPTING("links");
	}
	if (lacking & REQUEST_EXISTING) {
		*theirs = "the sender asks for --existing, which is not "
			  "accepted here (--accept existing)";
		return "the receiver does not accept --existing of a sender; "
		       "leave it out, or start the receiver with: "
		       ACCEPTING("existing");
	}
	if (lacking & REQUEST_DELETE) {
		*theirs = "the sender asks for --delete, which is not accepted "
			  "here (--accept delete)";
		return "the receiver does not accept --delete; to let senders "
		       "delete what they do not have, start it with: "
		       ACCEPTING("delete");
	}
	if (lacking & FEATURE_DRY_RUN) {
		*theirs = "the sender asks for --dry-run, which is not known here";
		return "the other side's ferry does not know --dry-run: use the "
		       "same release of ferry on both sides, or --list, which "
		       "asks nobody";
	}
	return NULL;
}

int features_allow_frame(uint32_t features, enum frame_type type)
{
	const uint32_t needs = frame_needs(type);

	if (features & FEATURE_DRY_RUN && frame_is_content(type))
		return 0;
	return (features & needs) == needs;
}

static uint32_t bit_of_codec(unsigned id)
{
	return id >= 1 && id <= FEATURE_CODECS ? (uint32_t)1 << (id - 1) : 0;
}

int features_allow_codec(uint32_t features, unsigned codec_id)
{
	return codec_id == CODEC_NONE ||
	       (features & bit_of_codec(codec_id)) != 0;
}

/* Choose what auto uses where the receiver does not know zstd.  A level that
 * the user gave was meant for zstd. */
static void fall_back(uint32_t features, struct codec_choice *c)
{
	const int has_level = !c->is_adaptive;

	/* Only zstd's levels are known well enough to move between them. */
	c->is_adaptive = 0;
	c->ops = features_allow_codec(features, CODEC_ZLIB) ? &codec_zlib
							    : &codec_none;
	if (!has_level)
		c->level = c->ops->level_default;
	else if (c->level > c->ops->level_max)
		c->level = c->ops->level_max;
}

int features_choose_codec(uint32_t features, const struct codec_choice *asked,
			  struct codec_choice *chosen, struct err *e)
{
	const char *name = "that";

	*chosen = *asked;
	if (features_allow_codec(features, asked->ops->id))
		return 0;
	if (asked->is_auto) {
		fall_back(features, chosen);
		return 0;
	}
	for (size_t i = 0; i < KNOWN; i++) {
		if (features_known[i].bit == bit_of_codec(asked->ops->id))
			name = features_known[i].name;
	}
	return err_set(e, ERR_PROTOCOL,
		       "the other side's ferry does not know %s: use "
		       "--compress=auto or none, or a newer ferry there",
		       name);
}

char *features_missing(uint32_t features, char *dst, size_t size)
{
	dst[0] = '\0';
	for (size_t i = 0; i < KNOWN; i++) {
		if (!(features & features_known[i].bit))
			text_append(dst, size, ", ", features_known[i].name);
	}
	return dst;
}
