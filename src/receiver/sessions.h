/*
 * sessions.h - the sessions that there are, and what a sender may come back to.
 *
 * Layer: receiver.  Uses session.h, exec_events.h.
 * Threads: any; it has a lock of its own, inside which sessions' are taken.
 */
#ifndef FERRY_RECEIVER_SESSIONS_H
#define FERRY_RECEIVER_SESSIONS_H

#include <stdint.h>

#include "base/err.h"

struct recv_session;
struct recv_setup;
struct sessions;
struct stream;

/* setup is borrowed.  NULL when out of memory. */
struct sessions *sessions_new(struct recv_setup *setup);
void sessions_free(struct sessions *ss); /* NULL is allowed */

/*
 * A sender whose session has this id has come back: if that is still there, its
 * connection was lost and we have not noticed.  End it, and wait until it is
 * over: its streams end by themselves when they have taken what has arrived.
 */
void sessions_end_former(struct sessions *ss, const uint8_t *id);

/* Whether a session with this id would find a place: 0 or ERR_RESOURCE.  To be
 * asked before what it takes is waited for. */
int sessions_may_begin(struct sessions *ss, const uint8_t *id, struct err *e);

/* Put a session in, with its first stream.  ERR_RESOURCE where there are too
 * many; then it is still the caller's. */
int sessions_begin(struct sessions *ss, struct recv_session *s,
		   struct stream *stream, struct err *e);

/* Attach a further stream by the session's token.  NULL where there is no such
 * session, or its place is taken; *is_late where the session is ending, or was
 * there. */
struct recv_session *sessions_join(struct sessions *ss, const uint8_t *token,
				   unsigned index, struct stream *stream,
				   int *is_late);

/* Detach a stream; with the last one the session ends: what arrived whole is
 * committed, its summary is told, it is freed.  May take long. */
void sessions_leave(struct sessions *ss, struct recv_session *s,
		    unsigned index);

/* Whether there is a session of this source (admission.h). */
int sessions_has_source(struct sessions *ss, uint64_t source_key);

/* End all at once. */
void sessions_stop(struct sessions *ss);

/* A code was used up without a session: that is the receiver's result. */
void sessions_set_result(struct sessions *ss, const struct err *e);

/*
 * With --once: whether the one session is over, also when its sender, which said
 * it would come back, did not in time.  Else *left_ms is for how long that may
 * take (-1: there is nothing to wait for).
 */
int sessions_have_ended(struct sessions *ss, int *left_ms);

/* The result when they have. */
void sessions_get_result(struct sessions *ss, struct err *e);

#endif
