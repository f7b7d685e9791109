/*
 * stream.h - one connection of a sending session, and what its thread works
 * with.
 *
 * Layer: sender.
 * Threads: a struct send_stream belongs to its thread.
 *
 * The parts that work on it, each calling only those below:
 *
 *	connection.c	the thread: open the stream, do tasks, end it
 *	opening.c	connect; HELLO or JOIN, and READY
 *	send_pack.c, send_file.c	the tasks
 *	send_delete.c	deleting, when all tasks are done
 *	stream.c	send, within the rate limit
 *	replies.c	the receiver's answers
 *	ready.c		the first one: what the session may use
 *	compressor.c	compress
 */
#ifndef FERRY_SENDER_STREAM_H
#define FERRY_SENDER_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "chunk/same.h"
#include "sender/compressor.h"
#include "sender/send_delta.h"
#include "sender/sender.h"
#include "session/channel.h"
#include "wire/msg.h"

struct deletion;
struct dirs;
struct item;

enum {
	/* Size of the buffer for raw bytes.  The room after a chunk lets a read
	 * find the end of a file that fills the chunk exactly. */
	STREAM_RAW_CAP = CHUNK_MAX + 4096,
};

/* Each changes to the next one only; the last two are the first stream's. */
enum send_stream_state {
	STREAM_OPENING, /* until READY: what is sent may not arrive */
	STREAM_READY,
	STREAM_FINISHING, /* FINISH was sent */
	STREAM_FINISHED,  /* SUMMARY came */
};

struct send_stream {
	struct sender *sender;
	unsigned index;
	enum send_stream_state state;
	struct channel channel;
	uint32_t features; /* that may be used; none before READY */

	/* buffers */
	uint8_t *raw;                 /* STREAM_RAW_CAP bytes */
	struct compressor compressor; /* made when features are known */
	struct compressor list_compressor; /* of lists, with FEATURE_LISTS */
	struct delta_buffers delta;
	struct buf table;             /* of a pack */
	struct buf fields;            /* further metadata of its items */
	struct same same;
	struct dirs *dirs; /* below scan root dirs_root; NULL: none yet */
	unsigned dirs_root;

	int is_blocked;      /* counted in sender.blocked, */
	uint64_t wire_out;   /* with so many bytes sent so far */
	uint64_t kept_alive_ms; /* the last send_stream_keep_alive() */
	int is_mid_frame; /* the rest of one waits for the rate limit */
	int is_at_task;  /* its task is not sent completely yet */
	int is_flushed;  /* nothing was sent after FLUSH */
	/* payloads that were sent, and how long the connection took for them */
	uint64_t sent_bytes, sent_ns;
	/* the first stream's, while it deletes (send_delete.h); else NULL */
	struct deletion *deletion;
	/* What the receiver does not know or accept, as told to it; or NULL. */
	const char *unmet;
	/* before READY came */
	int has_aborted;      /* FILE_ABORT was sent */
	uint64_t early_bytes; /* bytes of content that were sent */
};

/* Prepare stream `index`, with its buffers.  Returns 0 or ERR_RESOURCE; in
 * both cases send_stream_release() frees it. */
int send_stream_init(struct send_stream *st, struct sender *s, unsigned index,
		     struct err *e);

/* Free all but the connection (opening_close()). */
void send_stream_release(struct send_stream *st);

/* Whether the user stopped the transfer and this is the stream that tells the
 * receiver: the first one.  The others go on until their connections are
 * aborted. */
int send_stream_is_leaving(const struct send_stream *st);

/* A task begins; all of it was sent.  Where sending fails, the task is ended
 * only after send_session_fail(): see send_session_count_tasks(). */
void send_stream_begin_task(struct send_stream *st);
void send_stream_end_task(struct send_stream *st);

/*
 * The directory that an item (with its name) lies in, and the last component
 * of its path, as dirs_parent().  Returns a descriptor; or an error:
 * ERR_RESOURCE is the session's, others are the item's.
 */
int send_stream_open_parent(struct send_stream *st, const struct item *it,
			    const char *name, const char **leaf, struct err *e);

/* Open the directory that an item is, to read it; the descriptor belongs to
 * st->dirs and is closed with the next call for another item.  -1: it cannot be
 * opened. */
int send_stream_open_dir(struct send_stream *st, const struct item *it,
			 const char *name);

/* Whether a symlink in the item's place is followed. */
int send_stream_follows(const struct send_stream *st, const struct item *it);

/* Handle the receiver's answers that have arrived, and send a heart-beat if one
 * is due: for a task that reads much before it sends, however often it calls
 * this.  Nothing of a frame may have been put for sending.  Returns as
 * send_stream_send(). */
int send_stream_keep_alive(struct send_stream *st, struct err *e);

/* Report an item (with its name) that could not be read or sent, as
 * outcome_item_unsent(). */
void send_stream_item_unsent(struct send_stream *st, const struct item *it,
			     const char *name, struct err *e);

/* ---- sending content ---- */

/* Whether the thread waits for its connection to take what it sends, once more
 * or no longer: then the receiver has to make progress.  To be called with each
 * tick. */
void send_stream_set_blocked(struct send_stream *st, int is_blocked);

/*
 * Send the frame in channel.out with n bytes of payload (borrowed), which stand
 * for `content` bytes of files.  Blocks until the rate limit allows it and the
 * socket has taken it; the receiver's answers are read meanwhile.
 *
 * Returns 0; ERR_INTERRUPTED where the user stopped the transfer; otherwise as
 * channel_send() and replies_take().
 */
int send_stream_send(struct send_stream *st, const void *payload, size_t n,
		     uint64_t content, struct err *e);

#endif
