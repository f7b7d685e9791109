/*
 * features.h - which optional parts of the protocol the peers of a session
 * may use, and what is done where one is missing.
 *
 * Layer: session.  Pure.
 * Specified in ferry-protocol(7), FEATURES.
 *
 * HELLO says what the sender knows, READY grants a part of it.  Both sides then
 * hold the same set, a bit mask of enum wire_feature; what is not in it is
 * neither sent nor accepted.
 */
#ifndef FERRY_SESSION_FEATURES_H
#define FERRY_SESSION_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "chunk/codec.h"
#include "wire/frame.h"

/* The features that both sides know, given those in the peer's HELLO or READY;
 * without requests.  Without comparing by SHA-256 there are no offers and no
 * resuming. */
uint32_t features_common(uint32_t theirs);

/* Whether a READY may grant this: a receiver that grants offers or resuming and
 * not SHA-256 would compare by the session's checksum.  Returns 0, or
 * ERR_PROTOCOL with a text for the user. */
int features_check_grant(uint32_t granted, struct err *e);

/* Whether the set lacks one of these requests (enum wire_request, or
 * FEATURE_DRY_RUN): the text for
 * the sender's user, and in *theirs that for the receiver's; else NULL. */
const char *features_refused(uint32_t features, uint32_t requests,
			     const char **theirs);

/* Whether a frame of this type may be used in a session with these
 * features. */
int features_allow_frame(uint32_t features, enum frame_type type);

/* Whether a payload may have this codec; CODEC_NONE always may. */
int features_allow_codec(uint32_t features, unsigned codec_id);

/*
 * The codec to compress with: the one that was asked for; for auto, the best
 * that the receiver knows.  Returns 0, or ERR_PROTOCOL with a text for the user
 * where one was asked for by its name and the receiver does not know it.
 */
int features_choose_codec(uint32_t features, const struct codec_choice *asked,
			  struct codec_choice *chosen, struct err *e);

/* The names of those features that this version knows and the set lacks,
 * separated by commas; "" where there are none.  Returns dst. */
char *features_missing(uint32_t features, char *dst, size_t size);

#endif
