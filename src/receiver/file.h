/*
 * file.h - a file that is received in chunks.
 *
 * Layer: receiver.
 * Threads: see the groups of fields.  All streams of a session may work on the
 * same file; each holds a use of it (file_use.h) meanwhile.
 */
#ifndef FERRY_RECEIVER_FILE_H
#define FERRY_RECEIVER_FILE_H

#include <stdatomic.h>
#include <stdint.h>

#include "chunk/digest.h"
#include "chunk/tree.h"
#include "receiver/commit.h"
#include "receiver/conflict.h"
#include "receiver/verdict.h"

/* The largest file that can be received: its digest tree stays below 64 MiB. */
#define RECV_FILE_SIZE_MAX ((uint64_t)1 << 46)

struct kept_sender;
struct msg_open;
struct recv_file_locked;

struct recv_file {
	/* set once, before the first chunk may come (file_table_answer()) */
	uint64_t id;
	uint64_t size;         /* or TREE_SIZE_UNKNOWN, as of a pipe */
	uint64_t allocated;    /* what the source occupies, if less */
	struct commit *commit; /* part, directory and name; owned until the
				  file is whole */
	const struct kept_sender *keeper; /* limits what is kept; borrowed */
	int is_resumed;        /* the part has data of an earlier session, */
	int is_sealed;         /* and nobody has written to it since, */
	int trusts_journal;    /* and the journal says what it is: leaves are
				  checked by that, without reading them */

	/* The basis is the file that has the final name already and may be the
	 * same.  Its leaves are unverified, and no part is made before one of
	 * them was checked and differs. */
	int basis_fd;                      /* or -1; set once */
	int is_other; /* it is only compared, and a leaf of it differs */
	enum conflict_action basis_action; /* if it is not the same */

	/* What recipes copy from: the basis, where it may be replaced and the
	 * sender knows deltas.  Set once. */
	int delta_fd;        /* basis_fd or one of its own; or -1 */
	uint64_t delta_size; /* as the sender was told */
	atomic_uint_fast64_t compared; /* leaves that COMPAREs were about */
	atomic_uint_fast64_t misfits;  /* recipes that did not make a chunk */

	/* which of its leaves are here, and who uses it: file_priv.h; owned */
	struct recv_file_locked *locked;
};

/* A file as OPEN announced it, without a part and with one use, the caller's.
 * keeper is borrowed.  NULL when out of memory. */
struct recv_file *recv_file_new(const struct msg_open *m,
				const struct digest_ops *ops,
				const struct kept_sender *keeper);

/* Close and free.  A part that a later session can resume is kept, and its
 * journal sealed, as far as the keeper allows; any other is removed. */
void recv_file_free(struct recv_file *f);

/* Whether it is large enough to be resumed: the sender then waits for STATE
 * before it sends data, which it need not do for smaller ones. */
int recv_file_is_resumable(const struct recv_file *f);

/*
 * Whether it has a basis that is not going to be replaced.  The sender is then
 * not told which leaves of it are the same, only in the end whether the whole
 * file is: it must not learn more about a file that it may not replace.
 */
int recv_file_is_compare_only(const struct recv_file *f);

/* The verdict on a file that is not what is there, where the policy is to fail
 * or to skip it.  there: what that is; NULL: a regular file. */
struct verdict recv_file_conflict(const struct recv_file *f,
				  const struct stat *there);

/* To be held while leaves are checked, as that may make the part. */
void recv_file_lock_basis(struct recv_file *f);
void recv_file_unlock_basis(struct recv_file *f);

/* Whether there is a part to write to: with a basis, only after a leaf of it
 * was found to differ.  Takes the lock of the basis. */
int recv_file_has_part(struct recv_file *f);

/* Writing to the part failed, as e says: where the disk is full, make room by
 * kept_give_way().  Returns whether to try again. */
int recv_file_make_room(const struct recv_file *f, const struct err *e);

#endif
