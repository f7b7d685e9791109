/*
 * The distance is that of optimal string alignment (Damerau and Levenshtein).
 */
#include "base/similar.h"

#include <string.h>

enum { PREFIX_MIN = 4 };

static char folded(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c == '_' ? '-' : c;
}

static int is_same(char a, char b)
{
	return folded(a) == folded(b);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned similar_distance(const char *a, const char *b)
{
	const size_t m = strlen(a), n = strlen(b);
	/* d[i][j]: of the first i letters of a and the first j of b */
	unsigned d[SIMILAR_LEN_MAX + 1][SIMILAR_LEN_MAX + 1];

	if (m > SIMILAR_LEN_MAX || n > SIMILAR_LEN_MAX)
		return SIMILAR_LEN_MAX + 1;
	for (size_t i = 0; i <= m; i++) {
		for (size_t j = 0; j <= n; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1,
					d[i - 1][j - 1] +
						!is_same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && is_same(a[i - 1], b[j - 2]) &&
			    is_same(a[i - 2], b[j - 1]))
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[m][n];
}

int similar_is_near(const char *a, const char *b)
{
	const size_t m = strlen(a), n = strlen(b);
	const size_t shorter = m < n ? m : n;
	const unsigned distance = similar_distance(a, b);
	const unsigned limit = shorter < 6 ? 1 : (unsigned)(shorter / 3);

	/* of two letters one would be half of the word */
	if (shorter < 3 || distance > SIMILAR_LEN_MAX)
		return 0;
	return distance <= limit ||
	       (shorter >= PREFIX_MIN && strncmp(a, b, shorter) == 0);
}

void similar_begin(struct similar *s, const char *text)
{
	*s = (struct similar){ .text = text };
}

void similar_offer(struct similar *s, const char *word)
{
	const unsigned distance = similar_distance(s->text, word);

	if (similar_is_near(s->text, word) &&
	    (!s->nearest || distance < s->distance)) {
		s->nearest = word;
		s->distance = distance;
	}
}
