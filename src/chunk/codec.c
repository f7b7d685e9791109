/*
 * The table of codecs, and what they have in common: the choice of one, whether
 * a chunk is worth compressing, the adaptive level, and expanding.
 */
#include "chunk/codec.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"

static const struct codec_ops *const rows[] = {
	&codec_none,
	&codec_zlib,
	&codec_zstd,
	&codec_sparse,
};

enum {
	ROWS = sizeof(rows) / sizeof(rows[0]),
	/* auto: slices from all parts of a chunk of at least SAMPLE_FROM bytes
	 * are compressed first, at the fastest level, as a test.  Measured with
	 * libzstd 1.5.4: this takes 8 us for random bytes and 56 us for C
	 * source; a chunk of 1 MiB at level 3 takes 0.2 ms and 4 ms. */
	SLICE = 4096,
	SLICES = 4,
	SAMPLE = SLICES * SLICE,
	SAMPLE_FROM = 8 * SAMPLE,
	/* auto: the most chunks that are sent without being tried. */
	SKIP_MAX = 8,
	/* The level may rise after ADAPT_CHUNKS compressed chunks, and fall
	 * after FALL_TIMES as many, because at first the kernel's send buffers
	 * take the data at once, however slow the network is. */
	ADAPT_CHUNKS = 4,
	FALL_TIMES = 4,
};

/*
 * The levels of zstd among which the adaptive level moves, and their cost:
 * tenths of a millisecond for a chunk of 1 MiB of C source and programs, which
 * became 5.4, 6.8, 7.4 and 7.7 times smaller (measured with libzstd 1.5.4).
 * Higher ones gain little and take much memory for each stream.
 */
static const struct level {
	int level;
	unsigned cost;
} levels[] = { { 1, 24 }, { 3, 26 }, { 5, 66 }, { 6, 84 } };

enum { LEVELS = sizeof(levels) / sizeof(levels[0]), FIRST_LEVEL = 1 };

struct codec {
	struct codec_choice choice;
	void *state;
	/* auto */
	unsigned skip;      /* how many of the next chunks are not tried */
	unsigned next_skip; /* skip after the next chunk that does not shrink */
	uint8_t sample[SAMPLE];
	/* adaptive */
	unsigned level_index; /* in levels[] */
	int was_compressed;   /* the last chunk was, and was not sent yet */
	unsigned idle;        /* times in a row that sending took no time */
	/* since the level was last looked at */
	unsigned chunks;    /* compressed ones that were sent */
	uint64_t spent_ns;  /* compressing them */
	uint64_t waited_ns; /* sending them */
};

struct expander {
	void *states[ROWS];
};

const struct codec_ops *codec_by_id(unsigned id)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i]->id == id)
			return rows[i];
	}
	return NULL;
}

/* The row whose name is the len bytes at name, or NULL. */
static const struct codec_ops *find_name(const char *name, size_t len)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i]->name && strlen(rows[i]->name) == len &&
		    memcmp(rows[i]->name, name, len) == 0)
			return rows[i];
	}
	return NULL;
}

const struct codec_ops *codec_by_name(const char *name)
{
	return find_name(name, strlen(name));
}

int codec_parse(const char *text, struct codec_choice *out)
{
	size_t len = strcspn(text, ":");
	int is_auto = len == 4 && memcmp(text, "auto", 4) == 0;
	const struct codec_ops *ops = is_auto ? &codec_zstd
					      : find_name(text, len);
	uint64_t level;

	if (!ops)
		return ERR_RANGE;
	level = (uint64_t)ops->level_default;
	if (text[len] == ':' &&
	    (ops->level_max == 0 ||
	     num_parse(text + len + 1, (uint64_t)ops->level_min,
		       (uint64_t)ops->level_max, &level)))
		return ERR_RANGE;
	out->is_auto = is_auto;
	out->is_adaptive = is_auto && text[len] == '\0';
	out->ops = ops;
	out->level = (int)level;
	return 0;
}

struct codec *codec_new(const struct codec_choice *choice)
{
	struct codec *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->choice = *choice;
	c->next_skip = 1;
	c->level_index = FIRST_LEVEL;
	c->state = choice->ops->open(choice->level);
	if (!c->state) {
		free(c);
		return NULL;
	}
	return c;
}

void codec_free(struct codec *c)
{
	if (!c)
		return;
	c->choice.ops->close(c->state);
	free(c);
}

/* The most bytes that n may become so that compression is worth its time:
 * 19/20, rounded down. */
static size_t worth_max(size_t n)
{
	return n - n / 20 - (n % 20 != 0);
}

/* Whether a sample of the chunk shrinks enough.  dst is overwritten. */
static int sample_shrinks(struct codec *c, void *dst, const uint8_t *src,
			  size_t n)
{
	const struct codec_ops *ops = c->choice.ops;
	size_t step = (n - SLICE) / (SLICES - 1);
	size_t len;

	for (size_t i = 0; i < SLICES; i++)
		memcpy(c->sample + i * SLICE, src + i * step, SLICE);
	ops->set_level(c->state, ops->level_min);
	len = ops->compress(c->state, dst, worth_max(SAMPLE), c->sample,
			    SAMPLE);
	ops->set_level(c->state, c->choice.level);
	return len > 0;
}

static size_t compress_auto(struct codec *c, void *dst, size_t cap,
			    const void *src, size_t n)
{
	size_t len = 0;

	if (c->skip > 0) {
		c->skip--;
		return 0;
	}
	if (n < SAMPLE_FROM || sample_shrinks(c, dst, src, n))
		len = c->choice.ops->compress(c->state, dst, cap, src, n);
	if (len > 0) {
		c->next_skip = 1;
		return len;
	}
	c->skip = c->next_skip;
	if (c->next_skip < SKIP_MAX)
		c->next_skip *= 2;
	return 0;
}

size_t codec_compress(struct codec *c, void *dst, size_t cap, const void *src,
		      size_t n, uint8_t *id)
{
	const struct codec_ops *ops = c->choice.ops;
	const uint64_t began_ns = clock_ns();
	size_t len, most;

	*id = CODEC_NONE;
	c->was_compressed = 0;
	/* One byte cannot become fewer; 0 bytes mean "not compressed". */
	if (n < 2 || ops->id == CODEC_NONE)
		return 0;
	most = c->choice.is_auto ? worth_max(n) : n - 1;
	if (cap > most)
		cap = most;
	if (c->choice.is_auto)
		len = compress_auto(c, dst, cap, src, n);
	else
		len = ops->compress(c->state, dst, cap, src, n);
	if (len == 0)
		return 0;
	c->spent_ns += clock_ns() - began_ns;
	c->was_compressed = 1;
	*id = ops->id;
	return len;
}

static void adapt_level(struct codec *c)
{
	unsigned index = c->level_index;
	const struct level *now = &levels[index];
	uint64_t more_ns = 0; /* that the next level would have taken */

	c->idle = c->waited_ns < c->spent_ns / 10 ? c->idle + 1 : 0;
	if (index + 1 < LEVELS)
		more_ns = c->spent_ns / now->cost * (now[1].cost - now->cost);
	/* Sending took half as long again as that: compressing more will pay,
	 * even where the costs, which are estimates, are too low. */
	if (index + 1 < LEVELS && c->waited_ns > more_ns + more_ns / 2)
		index++;
	else if (c->idle >= FALL_TIMES && index > 0)
		index--;
	if (index == c->level_index)
		return;
	c->level_index = index;
	c->idle = 0;
	c->choice.level = levels[index].level;
	c->choice.ops->set_level(c->state, c->choice.level);
}

void codec_sent(struct codec *c, uint64_t ns)
{
	if (!c->choice.is_adaptive || !c->was_compressed)
		return;
	c->was_compressed = 0;
	c->waited_ns += ns;
	if (++c->chunks < ADAPT_CHUNKS)
		return;
	adapt_level(c);
	c->chunks = 0;
	c->spent_ns = c->waited_ns = 0;
}

struct expander *expander_new(void)
{
	return calloc(1, sizeof(struct expander));
}

void expander_free(struct expander *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < ROWS; i++) {
		if (x->states[i])
			rows[i]->close(x->states[i]);
	}
	free(x);
}

int expander_run(struct expander *x, unsigned codec_id, void *dst,
		 size_t raw_len, const void *src, size_t n)
{
	size_t i = 0;

	while (i < ROWS && rows[i]->id != codec_id)
		i++;
	if (i == ROWS)
		return ERR_PROTOCOL;
	if (!x->states[i])
		x->states[i] = rows[i]->open(rows[i]->level_default);
	if (!x->states[i])
		return ERR_RESOURCE;
	return rows[i]->expand(x->states[i], dst, raw_len, src, n);
}
