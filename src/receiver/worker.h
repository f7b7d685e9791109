/*
 * worker.h - what a stream's thread handles frames with: what the session's
 * streams share, and what this thread has for itself.
 *
 * Layer: receiver.
 * Threads: the stream's own.
 */
#ifndef FERRY_RECEIVER_WORKER_H
#define FERRY_RECEIVER_WORKER_H

#include "chunk/same.h"
#include "receiver/cpu_share.h"
#include "receiver/parts.h"
#include "receiver/transfer.h"

struct channel;
struct dirs;
struct input;
struct recv_session;
struct sessions;

struct worker {
	struct transfer *transfer; /* shared with the other streams */
	/* the same; borrowed.  NULL: there are no other sessions */
	struct sessions *sessions;
	const struct recv_session *session;
	/* the thread's own */
	struct channel *channel;   /* for replies and heart-beats */
	struct input *input;
	uint8_t *wire, *raw; /* input's buffers, of CHUNK_MAX bytes each; free
				for other use between two payloads */
	struct dirs *dirs;   /* NULL with --stdout */
	struct parts parts;
	struct same same;
	struct cpu_meter cpu;
};

#endif
