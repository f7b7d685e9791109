/*
 * counters.h - counters of a transfer's progress.
 *
 * Layer: sender.
 * Threads: any; each is atomic, but two of them may not fit together.
 */
#ifndef FERRY_SENDER_COUNTERS_H
#define FERRY_SENDER_COUNTERS_H

#include <stdatomic.h>

/* All count over all sessions of a transfer; from `bytes`, what a lost session
 * had sent without a verdict is subtracted again. */
struct counters {
	/* content: sent or known to the receiver; found by the scan */
	atomic_uint_fast64_t bytes, total_bytes;
	/* files and symlinks: with a verdict; found by the scan */
	atomic_uint_fast64_t files, total_files;
	atomic_uint_fast64_t resent_bytes; /* content that was sent again */
	atomic_uint_fast64_t basis_bytes;  /* content taken from a basis */
	atomic_uint_fast64_t wire_bytes;   /* through closed connections */
	atomic_uint_fast64_t done_bytes;   /* of files with a verdict */
	atomic_uint_fast64_t done_dirs;    /* directories with a verdict */
	/* Whether packs are offered before they are sent, because the receiver
	 * had some files already. */
	atomic_int wants_offers;
};

#endif
