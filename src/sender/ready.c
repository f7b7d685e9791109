/*
 * What the user asked for is compared with what the receiver grants, and the
 * session goes without the rest, or ends.
 */
#include "sender/ready.h"

#include <string.h>

#include "base/text.h"
#include "chunk/delta_key.h"
#include "os/entropy.h"
#include "os/xattr.h"
#include "sender/direct.h"
#include "sender/queue_delta.h"
#include "sender/queue_tasks.h"
#include "sender/send.h"
#include "sender/stream.h"
#include "session/events.h"
#include "session/features.h"

uint32_t ready_features(const struct sender *s)
{
	uint32_t unused = 0;

	if (s->cfg->delta == SEND_DELTA_OFF)
		unused |= FEATURE_DELTA | FEATURE_RECIPE | FEATURE_PIECES;
	if (!s->cfg->preserve)
		unused |= FEATURE_PRESERVE;
	if (!s->cfg->is_archive)
		unused |= FEATURE_ARCHIVE;
	if (!s->direct)
		unused |= FEATURE_DIRECT;
	return features_common(~unused);
}

/* ---- what is preserved ---- */

/* The words of these kinds, separated by commas.  Returns dst. */
static char *preserve_words(char *dst, size_t size, unsigned kinds)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {
#define X(id, number, word, with, archive, meaning) { id, word },
		FILE_META_PRESERVE(X)
#undef X
	};
	dst[0] = '\0';
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (kinds & words[i].bit)
			text_append(dst, size, ",", words[i].word);
	}
	return dst;
}

/* The words of receive --accept for them. */
static char *accept_words(char *dst, size_t size, unsigned kinds)
{
	unsigned accepts = 0;

#define X(id, number, word, with, archive, meaning)                            \
	accepts |= kinds & id ? (unsigned)(with) : 0;
	FILE_META_PRESERVE(X)
#undef X
	return preserve_words(dst, size, accepts);
}

/* Tell the user what of --archive the session does without: kinds that the
 * receiver does not accept, what this ferry cannot read, and symlinks. */
static void warn_of_unkept(const struct send_stream *st, unsigned lacking,
			   int is_unreadable)
{
	const struct sender *s = st->sender;
	const struct session_events *ev = s->cfg->events;
	const uint32_t requests = s->cfg->requests;
	char words[128];

	if (is_unreadable)
		events_message(ev, SESSION_WARNING,
			       "--archive: ACLs and extended attributes are not "
			       "kept: this ferry was built for any POSIX "
			       "system, and cannot read them");
	if (lacking)
		events_message(ev, SESSION_WARNING,
			       "%s: the receiver does not accept these of "
			       "--archive, which are not kept: %s",
			       s->peer.name,
			       preserve_words(words, sizeof(words), lacking));
	if ((st->features & requests) != requests)
		events_message(ev, SESSION_WARNING,
			       "%s: the receiver does not accept --symlinks "
			       "all: only symlinks that stay inside the tree are "
			       "sent", s->peer.name);
}

static int refuse_unreadable(struct send_stream *st, unsigned kinds,
			     struct err *e)
{
	char words[128];

	st->unmet = "the sender asks for --preserve of what its ferry cannot "
		    "read";
	return err_set(e, ERR_USAGE,
		       "--preserve %s: this ferry was built for any POSIX "
		       "system, and cannot read it; leave it out",
		       preserve_words(words, sizeof(words), kinds));
}

static int refuse_unknown(struct send_stream *st, struct err *e)
{
	st->unmet = "the sender asks for --preserve, which is not known here";
	return err_set(e, ERR_PROTOCOL,
		       "%s: the other side's ferry does not know --preserve: "
		       "use the same release of ferry on both sides",
		       st->sender->peer.name);
}

static int refuse_unaccepted(struct send_stream *st, unsigned kinds,
			     struct err *e)
{
	char words[128], accept[128];

	st->unmet = "the sender asks for --preserve, which is not accepted "
		    "here (--accept)";
	return err_set(e, ERR_REMOTE,
		       "%s: the receiver does not accept --preserve %s; leave "
		       "it out, or start the receiver with: ferry receive "
		       "--accept %s (with --config: accept in its file)",
		       st->sender->peer.name,
		       preserve_words(words, sizeof(words), kinds),
		       accept_words(accept, sizeof(accept), kinds));
}

/* Set what the session preserves: what was asked for, as far as it is accepted.
 * Returns 0; or an error where what the user asked for by name is not. */
static int agree_on_preserve(struct send_stream *st, const struct msg_ready *m,
			     struct err *e)
{
	struct sender *s = st->sender;
	const struct send_config *cfg = s->cfg;
	const int is_known = (st->features & FEATURE_PRESERVE) != 0;
	const unsigned unreadable =
		xattr_is_known() ? 0 : cfg->preserve & PRESERVE_ATTRS;
	const unsigned lacking = cfg->preserve & ~(is_known ? m->preserve : 0u);
	const unsigned kinds = cfg->preserve & ~(lacking | unreadable);
	const unsigned needed = cfg->is_archive ? cfg->preserve_needed :
						  cfg->preserve;

	if (unreadable & needed)
		return refuse_unreadable(st, unreadable & needed, e);
	if (lacking & needed)
		return is_known ? refuse_unaccepted(st, lacking & needed, e) :
				  refuse_unknown(st, e);
	/* With --preserve the scan starts only when the first session gets
	 * here, but goes on during later ones, and reads this: they write it
	 * only where it changes. */
	if (s->preserve.kinds != kinds) {
		s->preserve.kinds = kinds;
		s->preserve.ids = cfg->ids;
	}
	if (!s->has_told_unkept)
		warn_of_unkept(st, lacking, unreadable != 0);
	s->has_told_unkept = 1;
	return 0;
}

/* ---- READY ---- */

/* Set what the session may use.  Returns 0; or an error where READY does not
 * grant what the user asked for. */
static int agree_on_features(struct send_stream *st, const struct msg_ready *m,
			     struct err *e)
{
	struct sender *s = st->sender;
	const struct send_config *cfg = s->cfg;
	const char *refused;
	int rc = features_check_grant(m->features, e);

	if (rc)
		return err_prefix(e, "%s", s->peer.name);
	s->peer.ready.features = st->features =
		features_common(m->features & ready_features(s)) |
		(m->features & cfg->requests);
	refused = features_refused(st->features,
				   cfg->is_archive ? cfg->requests_needed
						   : cfg->requests,
				   &st->unmet);
	if (refused)
		return err_set(e, ERR_REMOTE, "%s: %s", s->peer.name, refused);
	return agree_on_preserve(st, m, e);
}

/* Set up what depends on the features of the stream. */
static int use_features(struct send_stream *st, struct err *e)
{
	struct codec_choice fast;

	st->channel.tells_busy = (st->features & FEATURE_BUSY) != 0;
	/* Lists are compressed whatever the user said of content: they shrink
	 * to a third, and are small. */
	if (st->features & FEATURE_LISTS && codec_parse("auto:1", &fast) == 0) {
		int rc = compressor_init(&st->list_compressor, &fast,
					 st->features, e);

		if (rc)
			return rc;
	}
	return compressor_init(&st->compressor, &st->sender->cfg->codec,
			       st->features, e);
}

static void begin_deltas(struct sender *s, const struct msg_ready *m)
{
	const uint32_t features = s->peer.ready.features;
	uint64_t salt = 0;

	if (!(features & FEATURE_DELTA))
		return;
	atomic_store(&s->is_faster_whole, 0);
	delta_key_begin(s->delta_key, m->token, sizeof(m->token));
	/* Without a random salt a hostile receiver could make lookups find
	 * less, and nothing worse. */
	(void)entropy_get(&salt, sizeof(salt));
	queue_delta_begin(s->queue, (features & FEATURE_PIECES) != 0, salt);
}

static void tell_missing(struct sender *s)
{
	char missing[512];

	/* A receiver that knows these four may yet not grant them. */
	if (*features_missing(s->peer.ready.features | FEATURE_RECONNECT |
				      FEATURE_ARCHIVE | FEATURE_PRESERVE |
				      FEATURE_DIRECT | ~ready_features(s),
			      missing, sizeof(missing)))
		events_message(s->cfg->events, SESSION_VERBOSE,
			       "%s: the other side's ferry does not know: %s",
			       s->peer.name, missing);
}

static void tell_session(struct send_stream *st)
{
	const struct sender *s = st->sender;
	const struct session_events *ev = s->cfg->events;
	char identity[STREAM_IDENTITY];
	const struct session_peer who = {
		.address = s->peer.name,
		.security = security_name(s->cfg->security),
		.identity = identity,
		.data = s->cfg->carrier ? "ssh" : NULL,
	};

	stream_identity(st->channel.stream, identity);
	if (ev->session)
		ev->session(ev->ctx, 1, &who);
}

/* READY on the first stream.  What it grants holds for all streams, which read
 * it once the session's stage is SESSION_READY. */
static int begin_session(struct send_stream *st, const struct msg_ready *m,
			 struct err *e)
{
	struct sender *s = st->sender;
	int rc;

	s->peer.ready = *m;
	rc = agree_on_features(st, m, e);
	if (rc)
		return rc;
	rc = use_features(st, e);
	st->unmet = rc != ERR_PROTOCOL ? NULL :
		"the receiver does not know the compression that was asked for";
	if (rc)
		return err_prefix(e, "%s", s->peer.name);
	/* Where something is there already, the first packs are offered,
	 * too. */
	if (st->features & FEATURE_LISTS && !(m->flags & READY_EMPTY))
		atomic_store(&s->count.wants_offers, 1);
	tell_missing(s);
	begin_deltas(s, m);
	rc = send_direct_granted(s->direct, st->features, m->streams, e);
	if (rc)
		return rc;
	queue_set_open_limit(s->queue, m->open_files, s->open_files_max);
	tell_session(st);
	return 0;
}

int ready_take(struct send_stream *st, const uint8_t *body, size_t n,
	       struct err *e)
{
	const int version = msg_version(FRAME_READY, body, n);
	const char *peer = st->sender->peer.name;
	struct msg_ready m;
	int rc = 0;

	if (version >= 0 && version != WIRE_VERSION)
		return err_set(e, ERR_PROTOCOL,
			       "%s uses protocol version %d, this side version "
			       "%d: use the same release of ferry on both "
			       "sides",
			       peer, version, WIRE_VERSION);
	if (msg_get_ready(&m, body, n))
		return err_set(e, ERR_PROTOCOL,
			       "%s sent a malformed READY frame", peer);
	if (st->index == 0)
		rc = begin_session(st, &m, e);
	if (rc)
		return rc;
	st->state = STREAM_READY;
	if (st->index > 0)
		send_direct_joined(st->sender->direct);
	return 0;
}

int ready_adopt(struct send_stream *st, struct err *e)
{
	st->features = st->sender->peer.ready.features;
	return use_features(st, e);
}
