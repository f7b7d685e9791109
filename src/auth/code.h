/*
 * code.h - one-time codes as text: generating, parsing, completing.
 *
 * Layer: auth.
 * Threads: any.
 *
 * A code is four digits and two words of words.h, joined by hyphens:
 * 4821-river-anchor.  There are 10000 * 2048 * 2048 codes, 35 bits.
 */
#ifndef FERRY_AUTH_CODE_H
#define FERRY_AUTH_CODE_H

#include <stddef.h>

#include "auth/words.h"
#include "base/err.h"

enum {
	CODE_DIGITS = 4,
	CODE_WORDS = 2,
	CODE_NEAR_MAX = 3, /* words that are suggested for a misspelt one */
	/* with the NUL */
	CODE_MAX = CODE_DIGITS + CODE_WORDS * (1 + WORDS_LEN_MAX) + 1,
};

/* Make a new random code in the form above, terminated.  Returns 0, or
 * ERR_RESOURCE when the kernel gives no random bytes. */
int code_generate(char code[CODE_MAX], struct err *e);

/*
 * Parse the code in n bytes of text into the form above.  Upper case is
 * accepted, and so are blanks in place of hyphens, several of either, and
 * blanks before and after; nothing else is corrected.  Returns 0; or ERR_USAGE
 * with a text that says which part is wrong without quoting it (a code is
 * secret); code is then empty.
 */
int code_parse(char code[CODE_MAX], const char *text, size_t n, struct err *e);

/* A word of a code that is not in the list. */
struct code_misspelt {
	char word[WORDS_LEN_MAX * 3 + 1]; /* in lower case, cut to its size */
	unsigned count;                   /* of near: 0 if no word is near */
	const char *near[CODE_NEAR_MAX];  /* the nearest first */
};

/*
 * Where code_parse() has refused n bytes of text: the words that are misspelt,
 * to be shown only to the one who typed them (the text contains most of a
 * secret).  Returns their number.
 */
unsigned code_find_misspelt(const char *text, size_t n,
			    struct code_misspelt found[CODE_WORDS]);

/*
 * Complete n bytes of text typed so far.  rest (size bytes, always terminated)
 * gets what must follow: the letters that all possible words have in common, a
 * hyphen, or nothing.  Returns how many words begin with the last part, 0 if
 * that is the digits, and sets *first to the index of the first (words.h).
 */
unsigned code_complete(const char *text, size_t n, char *rest, size_t size,
		       unsigned *first);

/* Overwrite a code with zeroes. */
void code_wipe(char code[CODE_MAX]);

#endif
