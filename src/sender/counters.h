/*
 * counters.h - how far a transfer has got, in numbers.
 *
 * Layer: sender.
 * Threads: any; all are atomic, and none says anything about another.
 */
#ifndef FERRY_SENDER_COUNTERS_H
#define FERRY_SENDER_COUNTERS_H

#include <stdatomic.h>

/* Over all sessions of a transfer, but for `bytes`: what a lost session had
 * sent without a verdict is taken off again. */
struct counters {
	/* content: sent or found to be there, and scanned */
	atomic_uint_fast64_t bytes, total_bytes;
	/* files and symlinks: with a verdict, and scanned */
	atomic_uint_fast64_t files, total_files;
	atomic_uint_fast64_t resent_bytes; /* content that was sent again */
	atomic_uint_fast64_t wire_bytes;   /* through closed connections */
	atomic_uint_fast64_t done_bytes;   /* of files with a verdict */
	atomic_uint_fast64_t done_dirs;    /* directories with a verdict */
	/* Whether small files are offered before they are sent: some were found
	 * to be there. */
	atomic_int wants_offers;
};

#endif
