/*
 * counters.h - counters of a transfer's progress.
 *
 * Layer: sender.
 * Threads: any; each is atomic, but two of them may not fit together.
 */
#ifndef FERRY_SENDER_COUNTERS_H
#define FERRY_SENDER_COUNTERS_H

#include <stdatomic.h>

/* All but `sent` and `arrived` count over all sessions of a transfer. */
struct counters {
	/* content that the scan found */
	atomic_uint_fast64_t total_bytes;
	/* Content that was sent in this session, and of it what has arrived as
	 * far as the receiver has said (PROGRESS); in sessions before, what
	 * arrived.  arrived_ms: when the receiver said so (clock_ms()). */
	atomic_uint_fast64_t sent, arrived, arrived_before, arrived_ms;
	/* Content that need not be sent: holes, what the receiver has already,
	 * and what is not wanted.  Less content that has to be sent again. */
	atomic_int_fast64_t spared;
	/* `sent` in all sessions, and the bytes of payloads that this took */
	atomic_uint_fast64_t content_sent, payload_sent;
	/* files and symlinks: with a verdict; found by the scan */
	atomic_uint_fast64_t files, total_files;
	atomic_uint_fast64_t resent_bytes; /* content that was sent again */
	atomic_uint_fast64_t basis_bytes;  /* content taken from a basis */
	atomic_uint_fast64_t wire_bytes;   /* through closed connections */
	atomic_uint_fast64_t done_bytes;   /* of files with a verdict */
	atomic_uint_fast64_t files_before; /* `files` of sessions before */
	/* as the receiver says, in this session and in those before */
	atomic_uint_fast64_t replaced, renamed;
	atomic_uint_fast64_t replaced_before, renamed_before;
	/* of the last PROGRESS: when it was sent (clock_ms()), and a sum of it,
	 * to see that something has changed; 0: none */
	atomic_uint_fast64_t told_ms, told_sum;
	atomic_int told_final; /* with final totals */
	atomic_int is_scanned; /* the totals are final */
	atomic_int is_endless; /* the end of standard input was not read yet */
	atomic_uint_fast64_t done_dirs;    /* directories with a verdict */
	/* Whether packs are offered, and larger files listed, before they are
	 * sent, because the receiver had some files already. */
	atomic_int wants_offers;
};

#endif
