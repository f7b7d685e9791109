/*
 * sender.h - what all threads of a transfer share.
 *
 * Layer: sender.
 * Threads: send.c makes it before other threads start, and frees it after they
 * have ended.  Each part does its own locking.
 *
 * Lock order: the queue's lock, then the outcome's.  No other lock is taken
 * while the session's, the scanner's or that of direct streams is held.
 */
#ifndef FERRY_SENDER_SENDER_H
#define FERRY_SENDER_SENDER_H

#include <stdint.h>
#include <time.h>

#include "chunk/digest.h"
#include "fs/preserve.h"
#include "net/dial.h"
#include "sender/counters.h"
#include "session/idle.h"
#include "session/rate_limit.h"
#include "wire/msg.h"

struct acceptor;
struct delta_session_key;
struct links;
struct names_set;
struct outcome;
struct queue;
struct send_config;
struct send_direct;
struct send_session;
struct waiting;

/* The receiver, set by the first stream: all but ready before the session's
 * stage is SESSION_CONNECTED, ready before it is SESSION_READY.  Other threads
 * read it only from then on. */
struct send_peer {
	char name[ADDR_TEXT_MAX]; /* escaped */
	struct dial_peer address; /* for further streams */
	unsigned rtt_us;
	struct msg_ready ready;
};

struct sender {
	const struct send_config *cfg;
	struct queue *queue;
	struct send_session *session;
	struct outcome *outcome;
	struct links *links; /* with PRESERVE_HARDLINKS; else NULL */
	struct send_direct *direct; /* NULL: no direct streams */
	/* The most files in chunks that may be open, whatever READY allows, and
	 * the most directories that a stream holds; set before the first
	 * session. */
	unsigned open_files_max, stream_dirs;
	/* with --delete, else NULL: items that wait for a deletion; the
	 * directories that were read (scanner_has_sent_dir()) */
	struct waiting *waiting;
	struct names_set *sent_dirs;
	struct acceptor *acceptor; /* NULL unless the receiver connects */
	/* Then: how long to wait for one (clock_ms(); 0: for ever), and whether
	 * a session was lost, whose receiver is waited for. */
	uint64_t accept_by_ms;
	uint64_t asked_ns; /* how long the user was asked for codes */
	int is_again;
	struct send_peer peer;
	struct counters count;
	struct rate_limit rate_limit;
	struct idle idle;    /* of a session: the receiver makes no progress */
	/* of this session: directories that were sent, NOTEs and RESENDs that
	 * came */
	atomic_uint_fast64_t dirs_sent, notes, resends;
	atomic_uint blocked; /* streams whose connection takes no more */
	struct timespec began; /* when the transfer did (CLOCK_REALTIME) */
	uint8_t session_id[WIRE_TOKEN_LEN];
	uint8_t zero_digest[DIGEST_MAX]; /* of a leaf of zero bytes */
	struct delta_session_key *delta_key; /* begun, set as peer.ready, */
	struct preserve preserve;   /* and so is this: what it keeps */
	int has_told_unkept; /* the user knows what is not accepted */
	atomic_int is_faster_whole; /* than with a delta, which was said */
};

#endif
