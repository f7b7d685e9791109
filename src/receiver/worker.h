/*
 * worker.h - what a stream's thread handles frames with: the session's shared
 * parts, and what belongs to this thread alone.
 *
 * Layer: receiver.
 */
#ifndef FERRY_RECEIVER_WORKER_H
#define FERRY_RECEIVER_WORKER_H

#include "receiver/parts.h"
#include "receiver/transfer.h"

struct channel;
struct dirs;
struct input;

struct worker {
	struct transfer *transfer; /* shared with the other streams */
	/* the thread's own */
	struct channel *channel;   /* for replies and heart-beats */
	struct input *input;
	uint8_t *wire, *raw; /* input's buffers, free once a payload was read
				from them: CHUNK_MAX bytes each */
	struct dirs *dirs;   /* NULL with --stdout */
	struct parts parts;
};

#endif
