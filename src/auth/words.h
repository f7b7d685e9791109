/*
 * words.h - a list of words that are easy to read aloud and to distinguish.
 *
 * Layer: auth.  Pure.
 *
 * The English list of BIP-39: lower-case letters, sorted, and no two words
 * begin with the same four letters.
 */
#ifndef FERRY_AUTH_WORDS_H
#define FERRY_AUTH_WORDS_H

#include <stddef.h>

enum { WORDS_COUNT = 2048, WORDS_LEN_MAX = 8 };

/* The word at an index below WORDS_COUNT. */
const char *words_at(unsigned index);

/* Find the words that begin with the n bytes at prefix (lower-case).  Returns
 * the index of the first, and sets *count; they are consecutive. */
unsigned words_from(const char *prefix, size_t n, unsigned *count);

/* Whether the n bytes (lower-case) are a word of the list. */
int words_has(const char *word, size_t n);

#endif
