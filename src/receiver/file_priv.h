/*
 * file_priv.h - the locks of a file that is received in chunks, and what they
 * guard.  Private to file*.c.
 *
 * Layer: receiver.
 * Threads: only file_table.c touches these members while several streams may
 * use the file: from STATE on, until it is taken out of the table.  basis_lock
 * alone is file.c's.
 */
#ifndef FERRY_RECEIVER_FILE_PRIV_H
#define FERRY_RECEIVER_FILE_PRIV_H

#include <pthread.h>
#include <stdint.h>

#include "base/runs.h"
#include "receiver/file.h"

struct recv_file_locked {
	pthread_mutex_t basis_lock; /* recv_file_lock_basis() */

	/* guarded by the table's lock */
	struct recv_file *next;
	unsigned users;
	int is_open;            /* STATE was answered: chunks may come */
	int is_over;            /* refused, failed or aborted: takes no more */
	int is_watched;         /* the flusher may use its journal */
	struct runs unverified; /* leaves that STATE named and the sender has
				   not checked yet */
	struct tree *tree;      /* digests of the leaves that are here */
	struct runs reserved;   /* windows of the part */
	uint64_t reach;         /* of unknown size: where its chunks end */
	uint64_t short_end;     /* and where its chunk that is not full ends,
				   which must be the last (0: none yet) */
	int has_end;            /* FILE_END came, with these: */
	uint64_t end_size;
	uint8_t end_digest[DIGEST_MAX];
};

#endif
