/*
 * sender.h - the parts of a sending session.  Private to session/.
 *
 * Layer: sender.  sender.c (control), sender_scan.c (the scanner's thread),
 * sender_stream.c (a stream's thread), sender_work.c (its tasks), sender_pack.c
 * (those of small files), sender_reply.c (what the receiver answers).
 *
 * Lock order: queue's lock, then sender.lock.  Events are called under either.
 */
#ifndef FERRY_SENDER_SENDER_H
#define FERRY_SENDER_SENDER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "fs/dirs.h"
#include "net/dial.h"
#include "session/channel.h"
#include "session/rate_limit.h"
#include "sender/outfile.h"
#include "sender/pack.h"
#include "sender/queue.h"
#include "sender/queue_files.h"
#include "sender/queue_replies.h"
#include "sender/queue_tasks.h"
#include "sender/send.h"
#include "session/totals.h"

enum {
	/* Room behind a chunk, so that a read can see the end of a file that
	 * fills it exactly. */
	RAW_CAP = CHUNK_MAX + 4096,
	/* For the first stream to tell the receiver that the user stopped
	 * us. */
	SENDER_FAREWELL_MS = 1000,
};

/* Belongs to its thread but for what is marked. */
struct sender_stream {
	struct sender *sender;
	unsigned index;
	pthread_t thread;
	int is_started;      /* control thread only */
	struct channel channel;    /* channel.stream: changed under sender.lock */
	struct dirs *dirs;   /* below dirs_root */
	unsigned dirs_root;
	uint8_t *raw;        /* RAW_CAP bytes */
	uint8_t *packed;     /* packed_cap bytes, NULL without compression */
	size_t packed_cap;
	struct codec *codec;
	struct buf table;
	int is_ready;        /* READY came for this stream */
	int awaits_summary;  /* FINISH was sent, the answer did not come */
	int is_flushed;      /* FLUSH was the last thing sent */
	int is_at_task;
	/* before READY: it may not have arrived */
	int has_aborted;       /* FILE_ABORT was sent */
	uint64_t early_bytes;  /* of content that was sent */
	/* sender.lock: a descriptor of the connection while TLS is made on it,
	 * to be shut down by others */
	int is_dialling, dial_fd;
};

struct sender {
	/* set once before the threads start */
	const struct send_config *cfg;
	struct queue *queue;
	struct rate_limit rate_limit;
	uint8_t session_id[WIRE_TOKEN];
	uint8_t zero_digest[DIGEST_MAX]; /* of a leaf of zero bytes */
	int wake_fd;                     /* eventfd: the control thread's */
	struct cancel stop; /* no more connecting in this session */

	/* atomic */
	volatile int is_cancelled;
	atomic_uint at_task;      /* streams that are at a task */
	/* small files are offered first: some were found to be there */
	atomic_int offers;
	atomic_uint_fast64_t bytes, total_bytes; /* content */
	atomic_uint_fast64_t files, total_files;
	atomic_uint_fast64_t resent_bytes, wire_bytes;
	atomic_uint_fast64_t done_bytes; /* of files with a verdict */
	atomic_uint_fast64_t done_dirs;  /* directories with a verdict */

	/* guarded by lock */
	pthread_mutex_t lock;
	struct err err;       /* the most telling one */
	struct totals totals;   /* of this session, */
	struct totals before;  /* and of those that were lost before it */
	int scan_done;
	int dirs_again;       /* the scanner has to report directories anew */
	unsigned alive;       /* threads of streams */
	int is_connected;     /* stream 0 is: to and rtt_us are known */
	int is_known;         /* to the receiver: HELLO is on its way */
	int is_ready;         /* READY came */
	int has_failed;       /* no new streams, all are aborted */
	pthread_cond_t begun; /* is_ready or has_failed was set */
	struct msg_ready ready;
	int has_summary;
	struct msg_summary summary;
	uint64_t notes;
	char peer[ADDR_TEXT_MAX];
	struct dial_peer to;  /* where stream 0 goes, for further ones */
	unsigned rtt_us;      /* of stream 0 when it began */

	struct sender_stream streams[STREAMS_MAX];

	/* the control thread's */
	uint64_t farewell_ms; /* stopped by the user: until when the first
				 stream may take leave; or 0 */
	pthread_t scanner;
	int has_scanner;
	int is_rescan; /* set before it is started */
};

static inline int sender_is_cancelled(const struct sender *s)
{
	return __atomic_load_n(&s->is_cancelled, __ATOMIC_RELAXED);
}

/* Whether the stream has to say to the receiver that the user stopped it: the
 * first one does, and as long all go on. */
static inline int sender_is_leaving(const struct sender_stream *st)
{
	return st->index == 0 && sender_is_cancelled(st->sender);
}

/* ---- sender.c ---- */

/* Have the control thread look whether there is something to do. */
void sender_wake(const struct sender *s);
/* The session cannot go on: keep the more telling error, stop all streams.
 * Whether there will be another is the control thread's to decide. */
void sender_fail(struct sender *s, const struct err *e);
/* A file that could not be sent from here; name is escaped here. */
void sender_file_failed(struct sender *s, const char *name, size_t name_len,
			const struct item *item, const char *display,
			const struct err *e);
/* The path of an item as the user would name it, escaped. */
void sender_display(const struct sender *s, const struct item *it,
		    const char *name, char *dst, size_t size);
void sender_message(const struct sender *s, enum session_level level,
		    const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- sender_scan.c ---- */
void *sender_scan_main(void *arg); /* struct sender */
int sender_is_scanned(struct sender *s);

/* ---- sender_stream.c ---- */
void *sender_stream_main(void *arg); /* struct sender_stream */
/* Wait ms milliseconds for the sake of --limit-rate, taking replies. */
int sender_stream_pace(struct sender_stream *st, uint64_t bytes,
		       struct err *e);

/* READY came. */
int sender_take_ready(struct sender_stream *st, const uint8_t *body, size_t n,
		      struct err *e);

/* ---- sender_work.c ---- */
/* Send what is in channel.out with a payload of so much content, paced. */
int sender_send_data(struct sender_stream *st, const void *payload, size_t n,
		     uint64_t content, struct err *e);
/* A descriptor of the directory of an item, and its last component; or an
 * error: ERR_RESOURCE is the session's, others are the item's. */
int sender_item_parent(struct sender_stream *st, const struct item *it,
		       const char *name, const char **leaf, struct err *e);
/* Whether a link in the item's place is followed. */
int sender_follows(const struct sender_stream *st, const struct item *it);
/* An item that cannot be read; e is why. */
void sender_item_failed(struct sender_stream *st, const char *name,
			const struct item *it, struct err *e);
int sender_do_task(struct sender_stream *st, const struct task *t,
		   struct err *e);
/* The two halves of a TASK_RANGE: send it; and once it is sure to arrive, end
 * the file if that was all of it, and release the task. */
int sender_send_range(struct sender_stream *st, const struct task *t,
		      struct err *e);
int sender_end_range(struct sender_stream *st, const struct task *t,
		     struct err *e);

/* ---- sender_pack.c ---- */
/* TASK_PACK; the pack is the callee's. */
int sender_do_pack(struct sender_stream *st, struct pack *pk, struct err *e);

/* ---- sender_reply.c ---- */
/* Take all replies that have arrived. */
int sender_take_replies(struct sender_stream *st, struct err *e);
/* An ERROR frame came: its text, with the name of who says so where that is not
 * added when the stream ends. */
int sender_peer_error(const struct sender_stream *st, const uint8_t *body,
		      size_t n, struct err *e);

#endif
