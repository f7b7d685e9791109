/*
 * fnv.h - the hash FNV-1a (Fowler, Noll, Vo) with 64 bits.
 *
 * Layer: base.  Pure.
 * Threads: any.
 *
 * It is neither secret nor cryptographic: who chooses what is hashed can find
 * two texts with the same hash.
 */
#ifndef FERRY_BASE_FNV_H
#define FERRY_BASE_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_START UINT64_C(0xcbf29ce484222325) /* the hash of nothing */

/* The hash of what h is of, and one more byte. */
static inline uint64_t fnv_byte(uint64_t h, unsigned char c)
{
	return (h ^ c) * UINT64_C(0x100000001b3);
}

/* The hash of what h is of, and n more bytes. */
static inline uint64_t fnv_bytes(uint64_t h, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = fnv_byte(h, (unsigned char)p[i]);
	return h;
}

#endif
