/*
 * dispatch.h - hands each frame of a session to the function that handles it.
 *
 * Layer: receiver.
 * Threads: the stream's own.
 */
#ifndef FERRY_RECEIVER_DISPATCH_H
#define FERRY_RECEIVER_DISPATCH_H

#include "base/err.h"

struct frame;
struct recv_session;
struct worker;

/* What a stream does after a frame. */
enum dispatch_next {
	DISPATCH_GO_ON,  /* handle further frames */
	DISPATCH_FINISH, /* FINISH came: wait for the committer, then send
			    SUMMARY; only ERROR may still come */
	DISPATCH_END,    /* STREAM_END came, the last frame of the stream */
};

/*
 * Handle a frame whose header was read.  Reads its body, and may block for as
 * long as the disk takes.  *next is the state of the stream before the call,
 * and after it.  Returns 0, or an error that ends the session.
 */
int dispatch_frame(struct worker *w, struct recv_session *s,
		   const struct frame *f, enum dispatch_next *next,
		   struct err *e);

#endif
