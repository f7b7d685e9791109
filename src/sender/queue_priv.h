/*
 * queue_priv.h - what struct queue holds, and what its parts share.  Private to
 * plan.c (the queue), plan_await.c (what has no verdict) and plan_reply.c (what
 * the receiver answers, and beginning anew).
 *
 * Layer: sender.
 * Threads: the queue is locked in all of these.
 */
#ifndef FERRY_SENDER_QUEUE_PRIV_H
#define FERRY_SENDER_QUEUE_PRIV_H

#include <pthread.h>

#include "sender/queue.h"

enum {
	QUEUE_PACKS_MAX = 64,
	QUEUE_FILES_MAX = 512,
	/* Nothing is added to the queue while so many items that were sent have
	 * no verdict: more than the receiver gathers before it commits (see
	 * committer.h), or both would wait. */
	ITEMS_MAX = 32768,
	PACK_ITEMS = 256,
	/* With all that is queued and in the streams' hands then. */
	UNDER_WAY_MAX = 65536,
	NAMES_MAX = 1 << 20,
	RESENDS_MAX = 4096,
	/* Runs of leaves to be sent of one file: a check adds at most half of
	 * its 64 leaves, and is not begun with more than half of these. */
	TODO_RUNS_MAX = 8192,
	CHECKS_MAX = 16, /* without an answer */
	/* What of a pack's raw bytes is left for digests in the table. */
	ROW_FIXED = 1 + 16 + 2 + 4 + DIGEST_MAX,
};

_Static_assert(ITEMS_MAX + (QUEUE_PACKS_MAX + STREAMS_MAX) * PACK_ITEMS +
			       QUEUE_FILES_MAX <=
		       UNDER_WAY_MAX,
	       "as ferry-protocol(7) says");

/* What has no verdict yet; sorted by id, as ids are given in order. */
struct awaited {
	uint64_t first;
	uint32_t count;
	struct pack *pack;     /* one of the two; both NULL: done */
	struct outfile *file;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t room; /* for the scanner */
	int wake_fd;
	int is_signalled;    /* wake_fd is readable */
	int is_closed, is_paused, scan_done;
	unsigned waiting;    /* streams that found nothing to take */
	struct pack *packs, **packs_end;
	struct outfile *files, **files_end;
	unsigned pack_count, file_count;
	struct outfile *active; /* open, with leaves to send */
	unsigned resends;
	unsigned checking;   /* streams at a check */
	unsigned checks_out; /* CHECKs without an answer */
	int has_progress;
	struct awaited *awaited;
	size_t awaited_end, awaited_cap;
	uint64_t next_id;
	uint64_t items_left;  /* sent, no verdict; with links */
	uint64_t links_deferred;  /* of them */
	unsigned open_count, open_limit;
	unsigned busy;        /* taken and not handed back */
};

/* Make waiting streams look again. */
void queue_signal(struct queue *p);
void queue_clear_signal(struct queue *p);

/* The list of files to take ranges and checks from. */
void queue_unlink_active(struct queue *p, struct outfile *f);
void queue_link_active(struct queue *p, struct outfile *f);
/* A file with nothing left to take goes off the list, another on it. */
void queue_settle_active(struct queue *p, struct outfile *f);
int queue_can_send(const struct outfile *f);

/* Leaves that have to be sent, once more or after all.  Returns 0, or
 * ERR_CORRUPT where they lie in too many places. */
int queue_put_back(struct queue *p, struct outfile *f, uint64_t leaf,
		  uint64_t count);

/* Nobody uses the file and nothing is awaited of it: free it. */
void queue_drop_if_unused(struct queue *p, struct outfile *f);

/* The entry that holds id, or NULL; its index or, where there is none, that of
 * the first one behind it. */
struct awaited *queue_awaited_at(struct queue *p, uint64_t id);
size_t queue_find_awaited(const struct queue *p, uint64_t id);
void queue_stop_awaiting(struct queue *p, struct outfile *f);

#endif
