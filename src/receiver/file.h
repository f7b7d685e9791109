/*
 * file.h - a file that is received in chunks.
 *
 * Layer: receiver.  Uses fs/, chunk/tree.h, commit.h, conflict.h, verdict.h.
 * Threads: see the groups of fields.  All streams of a session may work on the
 * same file; each holds a use of it (file_use.h) meanwhile.
 */
#ifndef FERRY_RECEIVER_FILE_H
#define FERRY_RECEIVER_FILE_H

#include <pthread.h>
#include <stdint.h>

#include "base/runs.h"
#include "chunk/digest.h"
#include "chunk/tree.h"
#include "receiver/commit.h"
#include "receiver/conflict.h"
#include "receiver/verdict.h"

/* The largest file that is received: its digest tree stays below 64 MiB. */
#define RECV_FILE_SIZE_MAX ((uint64_t)1 << 46)

struct msg_open;

struct recv_file {
	/* set once, before the first chunk may come (file_table_answer()) */
	uint64_t id;
	uint64_t size;         /* or TREE_SIZE_UNKNOWN: a stream */
	struct commit *commit; /* part, directory and name; owned until the
				  file is whole */
	int is_resumed;        /* the part holds data of an earlier session, */
	int is_sealed;         /* that nobody touched since */

	/* A file under the final name that may well be the same, the basis:
	 * its leaves are unverified, and there is no part as long as all that
	 * were checked are the same.  basis_lock: while leaves are checked, and
	 * the part may be made. */
	pthread_mutex_t basis_lock;
	int basis_fd;                      /* or -1; set once */
	enum conflict_action basis_action; /* where it is not the same */

	/* guarded by the table's lock; only file_table.c touches these */
	struct recv_file *next;
	unsigned users;
	int is_open;            /* STATE was answered: chunks may come */
	int is_over;            /* refused, failed or aborted: takes no more */
	int is_watched;         /* the flusher's too */
	struct runs unverified; /* leaves that the sender was told are here,
				   and that it has not checked yet */
	struct tree *tree;      /* digests of the leaves that are here */
	uint64_t reach;         /* of a stream: how far it goes, and where a */
	uint64_t short_end;     /* chunk that is not full ends, which must be
				   the last (0: none yet) */
	int has_end;            /* FILE_END came, and said this: */
	uint64_t end_size;
	uint8_t end_digest[DIGEST_MAX];
};

/* A file as it was announced, without a part and with one use.  NULL when out
 * of memory. */
struct recv_file *recv_file_new(const struct msg_open *m,
				const struct digest_ops *ops);

/* Close and free.  The part is removed, unless the transfer can go on with it
 * another time: then the journal is sealed. */
void recv_file_free(struct recv_file *f);

/* Whether it is large enough to be resumed: then the sender waits for STATE
 * before it sends any of it (smaller ones may come without that). */
int recv_file_is_resumable(const struct recv_file *f);

/*
 * Whether it has a basis that will not be replaced, the same or not.  Then the
 * sender is not told which leaves of it are the same, only whether all of it is,
 * once it has said what all of it should be: nobody learns more about a file
 * that is there than that.
 */
int recv_file_is_compare_only(const struct recv_file *f);

/* The verdict on such a file where its basis is not the same. */
struct verdict recv_file_conflict(const struct recv_file *f);

/* Whether there is a part to write to: where there is a basis, only since that
 * was found to be another file.  Takes basis_lock. */
int recv_file_has_part(struct recv_file *f);

#endif
