/*
 * direct.h - the direct streams of a session by ssh.
 *
 * Layer: receiver.
 * Threads: any, unless said otherwise; it has a lock of its own, which is taken
 * last.  Only recv_direct_open() blocks.
 *
 * Where this process was started by ssh it listens, else it connects; what it
 * has to do next is done by the accept loop.  There is one session at a time.
 *
 * All functions may be called with NULL, where there are no direct streams.
 */
#ifndef FERRY_RECEIVER_DIRECT_H
#define FERRY_RECEIVER_DIRECT_H

#include "base/err.h"
#include "net/addr.h"

struct channel;
struct msg_direct;
struct msg_streams;
struct receive_config;
struct recv_direct;
struct secure_mode;
struct stream;
struct wake;

/* ---- the accept loop's ---- */

/* wake (borrowed) is signalled when there is something to do.  NULL where cfg
 * has no carrier, or DIRECT_NEVER, or with an error in e: ERR_RESOURCE. */
struct recv_direct *recv_direct_new(const struct receive_config *cfg,
				    const struct wake *wake, struct err *e);
void recv_direct_free(struct recv_direct *d);

/* Where this side listens: the port that it has, 0 for none; before the
 * sandbox. */
void recv_direct_set_port(struct recv_direct *d, uint16_t port);

/* Whether connections are to be accepted now; *left_ms is lowered to how long
 * that may still be so.  Whether listening is to end for good. */
int recv_direct_is_open(struct recv_direct *d, int *left_ms);
int recv_direct_is_over(struct recv_direct *d);

/* How many connections are to be started. */
unsigned recv_direct_take_wanted(struct recv_direct *d);

/* End recv_direct_open() in other threads; and, when there are none any more,
 * prepare for another session. */
void recv_direct_cancel(struct recv_direct *d);
void recv_direct_restart(struct recv_direct *d);

/* ---- the first stream's ---- */

/* What of enum wire_feature may be granted: FEATURE_DIRECT or 0. */
uint32_t recv_direct_features(struct recv_direct *d);

/* HELLO came from this peer: without the feature, nobody is going to
 * connect. */
void recv_direct_begin(struct recv_direct *d, uint32_t features,
		       const char *peer);

/* STREAMS came: say where to connect to, or have connections started.  Returns
 * 0; ERR_PROTOCOL; otherwise as channel_send(). */
int recv_direct_streams(struct recv_direct *d, const struct msg_streams *m,
			struct channel *ch, struct err *e);

/* DIRECT came: have a connection started.  Returns 0 or ERR_PROTOCOL, or what
 * recv_direct_failed() returns. */
int recv_direct_offered(struct recv_direct *d, const struct msg_direct *m,
			struct err *e);

/* ---- direct streams ---- */

/* How those are secured that were accepted. */
const struct secure_mode *recv_direct_mode(const struct recv_direct *d);

/* Connect; as direct_open(). */
struct stream *recv_direct_open(struct recv_direct *d, char *peer,
				struct err *e);

/* It belongs to the session with this number and peer. */
void recv_direct_joined(struct recv_direct *d, uint64_t number,
			const char *peer, const char *address);

/* It could not be opened, for this reason.  Returns 0, or ERR_CONNECT where the
 * session has to fail, with the reason in e. */
int recv_direct_failed(struct recv_direct *d, struct err *e);

#endif
