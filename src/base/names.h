/*
 * names.h - sets of the names in a directory, by hashes: to compare two
 * directories, and to look names up.
 *
 * Layer: base.  Pure, but for memory.
 * Threads: a set belongs to one thread.
 *
 * The hashes are not secret and not cryptographic.  Names with the same hash
 * are taken for the same, so what is done with a set has to do no harm then: of
 * what is deleted, less is.
 */
#ifndef FERRY_BASE_NAMES_H
#define FERRY_BASE_NAMES_H

#include <stddef.h>
#include <stdint.h>

/* The hash of a name: FNV-1a with 64 bits, then the finalizer of
 * MurmurHash3. */
uint64_t names_hash(const char *name, size_t len);

/* What is the same for all spellings that a file system may take for one name,
 * or for one path: a hash without letters that are not ASCII, and in lower
 * case.  Others may have it as well. */
uint64_t names_folded(const char *name, size_t len);

/*
 * What the names of a directory have in common with those of another one: how
 * many there are, and the sum, modulo 2^64, of the hashes of each; a
 * directory's name is hashed with a slash after it.  Starts all zero.
 */
struct names_sum {
	uint64_t count, sum;
};
void names_sum_add(struct names_sum *s, const char *name, size_t len,
		   int is_dir);

/* A set of hashes, 11 to 22 bytes for each.  Starts all zero. */
struct names_set {
	uint64_t *slots;
	size_t size, count;
};
/* Returns 0, or -1 when out of memory. */
int names_set_add(struct names_set *s, uint64_t hash);
int names_set_has(const struct names_set *s, uint64_t hash);
/* Forget all hashes, but keep the memory of a small set. */
void names_set_clear(struct names_set *s);
void names_set_release(struct names_set *s);

#endif
