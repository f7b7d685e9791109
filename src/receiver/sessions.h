/*
 * sessions.h - the list of sessions, and what is kept of a lost one until its
 * sender reconnects.
 *
 * Layer: receiver.
 * Threads: any; it has a lock of its own, inside which sessions' are taken.
 */
#ifndef FERRY_RECEIVER_SESSIONS_H
#define FERRY_RECEIVER_SESSIONS_H

#include <stdint.h>

#include "base/err.h"

struct recv_session;
struct recv_setup;
struct senders;
struct sessions;
struct stream;

/* setup is borrowed.  NULL when out of memory. */
struct sessions *sessions_new(struct recv_setup *setup);
void sessions_free(struct sessions *ss); /* NULL is allowed */

/*
 * A sender with this session id has connected again.  If its former session is
 * still in the list, its connection was lost without our noticing: end it, and
 * wait until its streams have handled what has arrived and it is over.
 */
void sessions_end_former(struct sessions *ss, const uint8_t *id);

/*
 * A file of session s is held up, since since_ms (clock_ms()), as another
 * transfer has the part that was kept of it: perhaps a former session of the
 * same sender, whose connection was lost without our noticing, or which still
 * handles what has arrived.  End that, and wait for a moment.  Returns 1 to
 * look again; 0 if it is not worth waiting any longer.
 */
int sessions_await_former(struct sessions *ss, const struct recv_session *s,
			  uint64_t since_ms);

/* Whether there is room for a session with this id and owner
 * (recv_session_owner()), who may have only some of the places: 0 or
 * ERR_RESOURCE.  To be called before waiting for descriptors, which another
 * session might need. */
int sessions_may_begin(struct sessions *ss, const uint8_t *id,
		       const uint8_t *owner, struct err *e);

/* Put a session into the list, with its first stream.  ERR_RESOURCE where there
 * are too many; the caller then still owns it. */
int sessions_begin(struct sessions *ss, struct recv_session *s,
		   struct stream *stream, struct err *e);

/* Attach a further stream by the session's token.  NULL where there is no such
 * session, or index is taken; *has_ended says whether the session is ending or
 * has ended. */
struct recv_session *sessions_join(struct sessions *ss, const uint8_t *token,
				   unsigned index, struct stream *stream,
				   int *has_ended);

/* Detach a stream.  With the last one the session ends: what arrived whole is
 * committed, its summary is reported, and it is freed.  Blocks for as long as
 * the disk takes. */
void sessions_leave(struct sessions *ss, struct recv_session *s,
		    unsigned index);

/* Whether there is a session of this source (admission.h). */
int sessions_has_source(struct sessions *ss, uint64_t source_key);

/* After a reload: end the sessions of senders that are not accepted any more.
 * Returns how many. */
unsigned sessions_revoke(struct sessions *ss, const struct senders *senders);

/* All sessions fail, for a reason of none of their streams. */
void sessions_fail(struct sessions *ss, const struct err *e);

/* Abort the connections of all sessions. */
void sessions_stop(struct sessions *ss);

/* The receiver ends without a session, with this result: a code was used up, or
 * connecting failed.  Has no effect while there is a session. */
void sessions_set_result(struct sessions *ss, const struct err *e);

/*
 * Whether the receiver is to end: with --once, when the session has ended, or
 * was lost and its sender has not reconnected in time.  Otherwise *left_ms is
 * how long it still has (-1: no limit).
 *
 * A receiver that connects always ends after a session.  Where that was lost
 * and is to be gone on with, it has no summary yet: sessions_restart() or
 * sessions_give_up() has to follow.
 */
int sessions_have_ended(struct sessions *ss, int *left_ms);

/* How many sessions there are now, a lost one that may be gone on with
 * included; *has_begun: whether there was one ever. */
unsigned sessions_count(struct sessions *ss, int *has_begun);

/* Call the progress event for each session. */
void sessions_show_progress(struct sessions *ss);

/* The result, when they have ended. */
void sessions_get_result(struct sessions *ss, struct err *e);

/*
 * For a receiver that connects again: they have not ended after all.
 * *had_session: whether there was a session since the last call; *has_progress:
 * whether it brought files, or as much as a chunk of one.
 */
void sessions_restart(struct sessions *ss, int *had_session, int *has_progress);

/* The summary of a lost session, where there is one, whose result is e. */
void sessions_give_up(struct sessions *ss, const struct err *e);

/* Whether this is the id of a lost session that another one may go on with. */
int sessions_have_lost(struct sessions *ss, const uint8_t *id);

#endif
