/*
 * session.h - one session: its beginning, the streams that are attached to it,
 * its end.  Does not handle frames.
 *
 * Layer: receiver.
 * Threads: any, with a reference: each attached stream has one.
 */
#ifndef FERRY_RECEIVER_SESSION_H
#define FERRY_RECEIVER_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "net/addr.h"
#include "net/stream.h"
#include "receiver/fd_budget.h"
#include "receiver/senders.h"
#include "receiver/transfer.h"
#include "wire/frame.h"

struct cpu_share;
struct msg_finish;
struct msg_hello;
struct recv_setup;
struct session_summary;
struct totals;

/* In this order.  A session that fails or has lost its streams is over in any
 * state (transfer.is_over). */
enum recv_session_state {
	RECV_OPEN,      /* frames are handled, streams may join */
	RECV_FINISHING, /* FINISH came: no stream may join, further streams
			   end */
	RECV_CLOSING,   /* only the first stream is left: the committer was
			   told to finish */
	RECV_FINISHED,  /* it has finished: all is committed and reported */
	RECV_SUMMED,    /* SUMMARY was sent: a success for this side */
};

/* One of its streams. */
struct recv_slot {
	int is_taken;
	struct stream *stream; /* to be aborted, or NULL */
};

struct recv_session {
	struct recv_session *next; /* the list's (sessions.c) */
	/* set once */
	struct recv_setup *setup;  /* borrowed */
	struct senders *senders;   /* a reference, for sender */
	const struct sender *sender;
	uint64_t number;           /* set when it enters the list */
	int is_empty; /* nothing was in the directory when it began */
	uint64_t began_ns;
	struct timespec began;     /* by the clock that dates files */
	uint8_t token[WIRE_TOKEN_LEN]; /* for JOIN; secret */
	uint8_t id[WIRE_TOKEN_LEN];    /* of HELLO, kept by retries; secret */
	uint8_t peer_id[STREAM_PEER];
	char identity[STREAM_IDENTITY];
	int is_known;              /* nobody else has that id */
	uint64_t source_key;       /* see admission.h */
	uint8_t owner[STREAM_PEER]; /* who its place is counted for */
	struct fd_share share;     /* of the descriptors */
	struct cpu_share *cpu;     /* of the processors: its sender's */
	char peer[ADDR_TEXT_MAX];
	/* what messages call the peer: its name, if it has one, and address */
	char label[SENDER_LABEL_MAX];
	atomic_int is_revoked;     /* its sender may not send any more */
	struct transfer transfer;  /* what its streams receive into */

	/* guarded by lock */
	pthread_mutex_t lock;
	enum recv_session_state state;
	struct recv_slot slots[STREAMS_MAX];
	unsigned refs;  /* slots that are taken */
	struct err err; /* why it failed */
	/* If it is lost, another one is to go on with it. */
	int will_retry;
};

/* The sender that begins a session. */
struct recv_session_peer {
	const struct stream *stream;
	const char *text; /* the peer's address */
	struct senders *senders; /* the session takes a reference */
	struct sender *sender;   /* of senders */
	uint64_t source_key;
	const struct digest_ops *digest; /* of HELLO */
	uint64_t hello_by_ms;            /* deadline for the beginning */
};

/* Whom sessions are counted for, so that one sender cannot take all places: a
 * named sender, a certificate or pinned key; else the source address, as a
 * shared key, a code or none is the same for many hosts. */
void recv_session_owner(const struct recv_setup *setup,
			const struct recv_session_peer *peer,
			uint8_t owner[STREAM_PEER]);

/* Make a session with its parts and the committer's thread.  Where descriptors
 * are few, blocks until other sessions give back some, at most until
 * hello_by_ms.  NULL with ERR_RESOURCE. */
struct recv_session *recv_session_new(struct recv_setup *setup,
				      const struct recv_session_peer *peer,
				      const struct msg_hello *m,
				      struct err *e);

/* In a dry run: restrict the calling thread to reading
 * (sandbox_reading_thread()), where the process is confined.
 * recv_session_new() does so.  Returns 0 or ERR_RESOURCE. */
int recv_session_confine(const struct recv_session *s, struct err *e);

/* To be called before the first stream is attached. */
void recv_session_set_number(struct recv_session *s, uint64_t number);

/* To be called when no stream is attached any more.  NULL is allowed. */
void recv_session_free(struct recv_session *s);

/* Attach a stream, which is borrowed.  Returns 0; or -1 where index is taken or
 * too large, or the session is ending. */
int recv_session_attach(struct recv_session *s, unsigned index,
			struct stream *stream);

/* The stream is going to be freed, so it must not be aborted any more.  Its
 * place stays taken. */
void recv_session_forget_stream(struct recv_session *s, unsigned index);

/* Detach a stream.  Returns whether it was the last: the session is over then,
 * and the caller concludes it. */
int recv_session_detach(struct recv_session *s, unsigned index);

/* Whether FINISH came or the session is over. */
int recv_session_is_ending(struct recv_session *s);

/*
 * FINISH came on the first stream.  ERR_CORRUPT where the sender's counts
 * differ; ERR_PROTOCOL where files are open or not committed.  The committer is
 * told to finish once the first stream is the only one, as others may still be
 * handling a frame.
 */
int recv_session_finish(struct recv_session *s, const struct msg_finish *m,
			struct err *e);

/* Whether all is committed and reported, so that SUMMARY may be sent; and
 * record that it was. */
int recv_session_has_finished(struct recv_session *s);
void recv_session_set_summed(struct recv_session *s);

/* The sender sent ERROR, so it will not come back. */
void recv_session_forget_retry(struct recv_session *s);

/*
 * The session cannot go on: keep the more telling error, and stop all streams.
 * Where the sender was lost and may come back, they first handle what has
 * arrived, which then need not be sent again.
 */
void recv_session_fail(struct recv_session *s, const struct err *e);

/* Its sender is not accepted any more: end it, without handling what has
 * arrived. */
void recv_session_revoke(struct recv_session *s);

/* Have its streams end when they have handled what has arrived, or at_once;
 * abort their connections alone. */
void recv_session_stop(struct recv_session *s, int at_once);
void recv_session_abort(struct recv_session *s);

/* Its sender may have begun anew, by another session: end this one as if it had
 * failed, if its first connection is found to be lost.  Returns whether it is
 * over. */
int recv_session_end_lost(struct recv_session *s);

/*
 * The last stream is gone: commit what arrived whole, keep the parts of large
 * files that did not, and determine the result (e->code, 0 for a success).
 * before: the totals of earlier sessions of the same transfer, added to *t.
 * Blocks for as long as the disk takes.
 */
void recv_session_conclude(struct recv_session *s, const struct totals *before,
			   struct totals *t, struct session_summary *sum,
			   struct err *e);

/* Whether the sender was lost before SUMMARY, and said that it would come
 * back. */
int recv_session_may_return(struct recv_session *s);

#endif
