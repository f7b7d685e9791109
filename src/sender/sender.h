/*
 * sender.h - what all threads of a transfer share.
 *
 * Layer: sender.
 * Threads: set once before the others are started, and freed after they have
 * ended (send.c).  Each part locks for itself.
 *
 * Lock order: the queue's lock, then the outcome's.  The session's and the
 * scanner's locks are held while no other is taken.
 */
#ifndef FERRY_SENDER_SENDER_H
#define FERRY_SENDER_SENDER_H

#include <stdint.h>

#include "chunk/digest.h"
#include "net/dial.h"
#include "sender/counters.h"
#include "session/rate_limit.h"
#include "wire/msg.h"

struct acceptor;
struct outcome;
struct queue;
struct send_config;
struct send_session;

/* The receiver, as the first stream finds it.  Written before the stage of the
 * session (session.h) from which other threads read it. */
struct send_peer {
	char name[ADDR_TEXT_MAX]; /* escaped */
	struct dial_peer address; /* for further streams */
	unsigned rtt_us;
	struct msg_ready ready;
};

struct sender {
	const struct send_config *cfg;
	struct queue *queue;          /* what is to be done */
	struct send_session *session; /* how the session stands */
	struct outcome *outcome;      /* what became of the files */
	struct acceptor *acceptor;    /* where the receiver connects; or NULL */
	struct send_peer peer;
	struct counters count;
	struct rate_limit rate_limit;
	uint8_t session_id[WIRE_TOKEN];
	uint8_t zero_digest[DIGEST_MAX]; /* of a leaf of zero bytes */
};

#endif
