/*
 * similar.h - finding the word that a misspelt one was meant to be.
 *
 * Layer: base.  Pure.
 */
#ifndef FERRY_BASE_SIMILAR_H
#define FERRY_BASE_SIMILAR_H

enum { SIMILAR_LEN_MAX = 32 }; /* longer words are like no other */

/*
 * How many letters have to be inserted, removed, replaced or swapped with their
 * neighbour to make a of b.  Upper and lower case are the same, and so are '_'
 * and '-'.  SIMILAR_LEN_MAX + 1 where one of them is too long.
 */
unsigned similar_distance(const char *a, const char *b);

/* Whether a can be meant to be b: at most a third of the letters of the shorter
 * one differ, at least one may; or one of them is how the other begins. */
int similar_is_near(const char *a, const char *b);

/* Which of the words that were offered so far is the nearest to text. */
struct similar {
	const char *text;    /* borrowed */
	const char *nearest; /* borrowed; NULL: none is near */
	unsigned distance;   /* of nearest */
};

void similar_begin(struct similar *s, const char *text);
void similar_offer(struct similar *s, const char *word);

#endif
