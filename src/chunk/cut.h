/*
 * cut.h - content-defined cutting: where pieces end depends on the bytes around
 * that place alone, so that content which is found at another offset is cut
 * into the same pieces.
 *
 * Layer: chunk.  Pure.
 *
 * FastCDC (W. Xia et al., "FastCDC: a Fast and Efficient Content-Defined
 * Chunking Approach for Data Deduplication", USENIX ATC 2016): a gear hash, no
 * cut before the minimum, a stricter condition before the average than after
 * it.  Specified in ferry-protocol(7), DELTA.
 */
#ifndef FERRY_CHUNK_CUT_H
#define FERRY_CHUNK_CUT_H

#include <stddef.h>
#include <stdint.h>

struct delta_key;

enum {
	/* Averages are powers of two, 4 KiB to 16 KiB; the longest piece is 4
	 * times as long, so that its length less one fits 16 bits. */
	CUT_BITS_MIN = 12,
	CUT_BITS_MAX = 14,
	CUT_PIECE_MAX = 4 << CUT_BITS_MAX,
};

/* The longest piece and, but for the last of a run, the shortest one. */
size_t cut_max(unsigned bits);
size_t cut_min(unsigned bits);

/*
 * The length of the first piece of n bytes (n > 0), for pieces of 2^bits bytes
 * on average.  Where n is below cut_max(bits), more bytes might make it longer:
 * the caller gives fewer only at the end of what is cut.
 */
size_t cut_next(const struct delta_key *k, unsigned bits, const uint8_t *p,
		size_t n);

#endif
