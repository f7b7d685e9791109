/*
 * code.h - one-time codes as people read, write and type them.
 *
 * Layer: auth.  Uses base, key.h, words.h.
 * Threads: any.
 *
 * A code is four digits and two words of words.h, with hyphens in between:
 * 4821-river-anchor.  There are 10000 * 2048 * 2048 of them, 35 bits.
 */
#ifndef FERRY_AUTH_CODE_H
#define FERRY_AUTH_CODE_H

#include <stddef.h>

#include "base/err.h"
#include "auth/words.h"

enum {
	CODE_DIGITS = 4,
	CODE_WORDS = 2,
	/* with the NUL */
	CODE_MAX = CODE_DIGITS + CODE_WORDS * (1 + WORDS_LEN_MAX) + 1,
};

/* A new random code, in the form above, terminated.  Returns 0, or
 * ERR_RESOURCE when there is no randomness. */
int code_generate(char code[CODE_MAX], struct err *e);

/*
 * The code in n bytes of text, in the form above.  Either case will do, blanks
 * in place of hyphens, several of them, and blanks around; nothing else is
 * guessed or repaired.  Returns 0; or ERR_USAGE with a text that says which
 * part is wrong and repeats nothing of it; code is then empty.
 */
int code_parse(char code[CODE_MAX], const char *text, size_t n, struct err *e);

/* The code in a file, alone, as code_parse() takes it.  The file must be safe
 * for a secret, see key_open_secret().  Returns 0, ERR_USAGE, ERR_LOCAL. */
int code_load(char code[CODE_MAX], const char *path, struct err *e);

/*
 * What could follow n bytes of text typed so far.  rest (size bytes, always
 * terminated) gets what all possible codes go on with, as far as that is one
 * thing: the end of a word, a hyphen.  Returns the number of words that the
 * last part can become, 0 where it is none, and with *first the index of the
 * first (words.h).
 */
unsigned code_complete(const char *text, size_t n, char *rest, size_t size,
		       unsigned *first);

/* Wipe. */
void code_wipe(char code[CODE_MAX]);

#endif
