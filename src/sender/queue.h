/*
 * queue.h - what a sending session has to do: the queue its streams share, and
 * the list of what has no verdict yet.
 *
 * Layer: sender.  Uses base, chunk/tree.h, wire/msg.h.
 * Threads: the scanner's thread adds, the streams' threads take; every
 * function locks what it needs.  A pack or file that was taken belongs to the
 * taker until it hands it back.
 *
 *	scanner -> [packs] -> queue_take -> queue_sent_pack -> verdicts -> gone
 *	           [files] -> queue_take -> queue_sent_open -> state ->
 *	                      ranges by any stream -> end -> verdict -> gone
 *	                      claims: checked by any stream
 *
 * What has no verdict when the connection is lost goes back to the beginning
 * by queue_restart().
 *
 * Memory is bounded: the scanner waits while QUEUE_PACKS_MAX packs or
 * QUEUE_FILES_MAX files wait to be sent, or ITEMS_MAX items for verdicts.
 */
#ifndef FERRY_SENDER_QUEUE_H
#define FERRY_SENDER_QUEUE_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/runs.h"
#include "chunk/tree.h"
#include "wire/msg.h"

enum {
	/* A file of at most so many bytes travels in a pack. */
	PACK_FILE_MAX = 256 * 1024,
	/* A file of at most so many is sent by the stream that opened it,
	 * without waiting for the receiver's answer. */
	WHOLE_FILE_MAX = 8 << 20,
	/* Leaves that a stream takes from a large file at a time. */
	RANGE_LEAVES = 16,
};

/* One source found by the scan.  Texts lie in the owner's names buffer. */
struct item {
	uint8_t kind;      /* enum item_kind */
	uint8_t done;      /* it has its verdict */
	uint8_t held;      /* a link: the receiver has it */
	unsigned root;     /* scan root */
	uint32_t name_off; /* terminated */
	uint32_t name_len;
	uint32_t path_off; /* below the root: the end of the name */
	uint32_t target_off, target_len; /* LINK */
	struct stat st;
	uint8_t digest[DIGEST_MAX];
};

struct pack {
	struct pack *next;
	uint64_t first_id; /* 0: not sent yet */
	uint32_t count, cap;
	uint32_t left;     /* items without a verdict */
	int was_sent;      /* in a lost session: it may have arrived */
	int is_wanted;     /* it was offered, and the answer was this */
	struct item *items;
	struct buf names;
	uint64_t bytes;     /* of content, as scanned */
	uint64_t table_len; /* of the rows, digests not counted */
};

enum file_phase {
	FILE_QUEUED,
	FILE_OPENING, /* OPEN was sent, no STATE yet */
	FILE_SENDING,
	FILE_ENDED,   /* FILE_END was sent */
	FILE_DEAD,    /* failed or refused: nothing more is sent */
};

/* A file that is sent in chunks.  Guarded by the queue's lock but for what is
 * marked. */
struct outfile {
	struct outfile *next;
	struct item item;  /* fixed once queued; st: when it was opened */
	struct buf names;  /* fixed once queued */
	uint64_t id;       /* 0: not opened yet */
	int fd;            /* fixed once opened; -1 before */
	int is_stream;     /* standard input: size unknown */
	int is_reading;    /* a stream is reading the next chunk of it */
	int at_eof;
	uint64_t size;     /* TREE_SIZE_UNKNOWN for a stream not at its end */
	uint64_t next_leaf; /* of a stream */
	struct runs todo;   /* else: leaves to be sent, */
	struct runs claims; /* and those that the receiver says it has, which
			       are to be checked */
	unsigned checks;    /* CHECKs without an answer */
	uint64_t claimed;   /* most leaves that were ever claimed */
	uint64_t sent_bytes; /* of a stream */
	unsigned users;    /* streams at work on it */
	int is_awaited;    /* on the list of what has no verdict */
	int is_active;     /* on the list of files to take ranges from */
	enum file_phase phase;
	struct tree *tree;
	int has_digest;    /* item.digest is the whole file's */
};

enum task_kind { TASK_PACK, TASK_OPEN, TASK_RANGE, TASK_CHECK, TASK_STREAM };
struct task {
	enum task_kind kind;
	struct pack *pack;    /* PACK: owned by the taker */
	struct outfile *file; /* else: used by the taker */
	uint64_t leaf, count; /* RANGE; CHECK: within one range of the tree */
	int waiting;          /* queue_take()'s; zero before the first call */
};

struct queue;

/* What the queue tells of an item that is done.  Called with the queue
 * locked. */
struct queue_verdict {
	const char *name;
	size_t name_len;
	const struct item *item;
	uint64_t id, size;
	const struct msg_verdict *verdict;
	int has_digest;
};
typedef void (*queue_verdict_fn)(void *ctx, const struct queue_verdict *v);

/* NULL when out of memory or descriptors. */
struct queue *queue_new(void);
void queue_free(struct queue *p);

/* Readable while there may be something to take: for waits. */
int queue_wake_fd(const struct queue *p);

/* Wake everybody and let nothing more in or out. */
void queue_close(struct queue *p);

/* Wake the streams that wait: there is something else to see. */
void queue_wake(struct queue *p);

/* Wake the streams and give them nothing more, until queue_restart(): the
 * connection is lost, but may come back. */
void queue_pause(struct queue *p);

/* Whether all that has no verdict can be read and sent once more: not when some
 * of standard input is among it. */
int queue_can_restart(struct queue *p);

/* Everything without a verdict is to be sent anew, with new ids: for a new
 * session.  The streams' threads have ended.  What is known of files that are
 * open (their digests) is kept. */
void queue_restart(struct queue *p);

/* Whether something became of this session: a verdict came, or more than ever
 * was claimed by the receiver. */
int queue_has_progress(struct queue *p);

/* ---- the scanner ---- */

struct pack *pack_new(void);
void pack_free(struct pack *pk);
/* Append an item with its texts.  Returns it, or NULL when the pack is full
 * (then it is to be queued and another begun) or memory ran out. */
struct item *pack_add(struct pack *pk, enum item_kind kind, const char *name,
		      size_t name_len, size_t path_off, const char *target,
		      size_t target_len, uint64_t size);
const char *pack_name(const struct pack *pk, const struct item *it);

struct outfile *outfile_new(const char *name, size_t name_len,
			    size_t path_off);
void outfile_free(struct outfile *f);
const char *outfile_name(const struct outfile *f);

/* Queue it; waits while there is too much.  Takes ownership.  Returns 0, or
 * ERR_INTERRUPTED after queue_close(). */
int queue_add_pack(struct queue *p, struct pack *pk);
int queue_add_file(struct queue *p, struct outfile *f);
/* The same without waiting, for a stream that found a file too large for its
 * pack. */
void queue_requeue_file(struct queue *p, struct outfile *f);
/* Nothing more will be added. */
void queue_scan_done(struct queue *p);
/* Something more will, after all. */
void queue_scan_again(struct queue *p);
/* Whether it was closed: for a scanner that waits for something else. */
int queue_is_closed(struct queue *p);
/* Whether a stream waits for work right now. */
int queue_is_starved(struct queue *p);

/* ---- the streams ---- */

/* How many files may be open on the receiver at a time. */
void queue_set_open_limit(struct queue *p, unsigned limit);

enum queue_next { QUEUE_TASK, QUEUE_WAIT, QUEUE_DONE, QUEUE_CLOSED };
/*
 * The next thing to do.  Files are opened first, as that takes a round trip,
 * then packs, then ranges; a check after each range (given in t as the last
 * task), so that both get on.  only_open: nothing but TASK_OPEN (before READY).
 * QUEUE_WAIT: nothing now (scan or replies may bring more); QUEUE_DONE: all was
 * sent and has its verdict, or is a link that the receiver holds.  Does not
 * block.
 */
enum queue_next queue_take(struct queue *p, struct task *t, int only_open);

/* A TASK_RANGE, if there is one now, for a stream without READY: what
 * queue_give_back() can take back.  Returns whether there is. */
int queue_take_range(struct queue *p, struct task *t);

/* Whether there will be a range for queue_take_range() when a STATE has come,
 * and no file is being sent yet. */
int queue_awaits_state(struct queue *p);

/* After QUEUE_WAIT: whether the scan is over and everything was taken, so that
 * only verdicts are missing (worth a FLUSH). */
int queue_is_drained(struct queue *p);

/* Whether everything was sent and has its verdict, links as well. */
int queue_is_over(struct queue *p);

/* Tasks that wait for a stream. */
unsigned queue_backlog(struct queue *p);

/*
 * Give a pack's items ids and await their verdicts: before its frame is sent.
 * All its items must be in the frame (the taker removes others first).  Takes
 * ownership of it; returns the first id, or 0 when out of memory.
 */
uint64_t queue_sent_pack(struct queue *p, struct pack *pk);

/* Give a file its id and await its verdict; before its OPEN is sent.  whole:
 * the caller will send all of it.  Returns the id, or 0. */
uint64_t queue_sent_open(struct queue *p, struct outfile *f, int whole);

/* The caller has read the next chunk of a stream and takes its place: another
 * may read on.  Returns the leaf's index. */
uint64_t queue_stream_read(struct queue *p, struct outfile *f, size_t n,
			  int eof);

/*
 * A leaf's digest is known (it is being sent, checked, or a hole).  Returns 0;
 * 1 when it was known before; ERR_RESOURCE; ERR_PROTOCOL when it is another
 * than before: the source changed.
 */
int queue_put_leaf(struct queue *p, struct outfile *f, uint64_t leaf,
		  const uint8_t *digest);

/* Digests known already, as tree_leaf_digest() and tree_range_digest(). */
int queue_leaf_digest(struct queue *p, struct outfile *f, uint64_t leaf,
		     uint8_t *out);
int queue_range_digest(struct queue *p, struct outfile *f, uint64_t range,
		      uint8_t *out);

/* A CHECK is being sent: its answer is awaited. */
void queue_sent_check(struct queue *p, struct outfile *f);

/* Whether the file is still wanted (not refused or failed meanwhile). */
int queue_is_wanted(struct queue *p, struct outfile *f);

/* Whether the caller has to send FILE_END: every leaf is recorded and nobody
 * else is going to.  Fills item.digest and size.  Returns 1, 0, or
 * ERR_RESOURCE: then nobody will, and the file has to be given up. */
int queue_take_end(struct queue *p, struct outfile *f);

/* The task's use of its file is over. */
void queue_release(struct queue *p, const struct task *t);

/* As queue_release(), of a RANGE that may not have arrived: it is to be sent by
 * another.  Returns 0, or ERR_CORRUPT: then it will not be. */
int queue_give_back(struct queue *p, const struct task *t);

/* The file failed here: no verdict is awaited any more.  Returns 1 for the
 * first call, which has to report it, else 0. */
int queue_fail_file(struct queue *p, struct outfile *f);

/* ---- replies ---- */

/* STATE.  ERR_PROTOCOL for a file that does not wait for one. */
int queue_state(struct queue *p, const struct msg_state *m);

/* CHECKED.  *bytes is how much has to be sent after all. */
int queue_checked(struct queue *p, const struct msg_checked *m, uint64_t *bytes);

/* OFFERED: what is wanted is queued as a pack.  ERR_PROTOCOL as above;
 * ERR_RESOURCE. */
int queue_offered(struct queue *p, const struct msg_offered *m);

/* VERDICT: fn is called for each item that is done by it.  Items that are
 * gone already are passed over; ids that were never given are
 * ERR_PROTOCOL. */
int queue_verdict(struct queue *p, const struct msg_verdict *m,
		 queue_verdict_fn fn, void *ctx);

/* VERDICT with STATUS_DEFERRED: links that are sent no more, and get their verdicts
 * when the session ends.  ERR_PROTOCOL for what is no link, and as above. */
int queue_deferred(struct queue *p, const struct msg_verdict *m);

/* RESEND.  *bytes is how much of a pack will be sent again; what is gone already
 * is passed over.  ERR_CORRUPT when it was asked for too often in this session;
 * ERR_PROTOCOL as above. */
int queue_resend(struct queue *p, const struct msg_resend *m, uint64_t *bytes);

#endif
