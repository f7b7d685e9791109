/*
 * The table of codecs, and what is common to them: choosing one, leaving
 * alone what does not shrink, and expanding whatever comes.
 */
#include "chunk/codec.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"

static const struct codec_ops *const rows[] = {
	&codec_none,
	&codec_zlib,
	&codec_zstd,
};

enum {
	ROWS = sizeof(rows) / sizeof(rows[0]),
	/* auto: a chunk of at least SAMPLE_FROM bytes is judged by slices from
	 * all over it, compressed at the fastest level.  Measured with libzstd
	 * 1.5.4: 8 us for random bytes and 56 us for C source, where a chunk of
	 * 1 MiB at level 3 takes 0.2 and 4 ms. */
	SLICE = 4096,
	SLICES = 4,
	SAMPLE = SLICES * SLICE,
	SAMPLE_FROM = 8 * SAMPLE,
	/* After how many chunks, at most, the question is asked again. */
	REST_MAX = 8,
};

struct codec {
	struct codec_choice choice;
	void *state;
	/* auto */
	unsigned rest;      /* chunks still to leave alone */
	unsigned next_rest; /* how many, the next time one does not shrink */
	uint8_t sample[SAMPLE];
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

/* The row whose name is the len bytes at name. */
static const struct codec_ops *find(const char *name, size_t len)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (strlen(rows[i]->name) == len &&
		    memcmp(rows[i]->name, name, len) == 0)
			return rows[i];
	}
	return NULL;
}

const struct codec_ops *codec_by_name(const char *name)
{
	return find(name, strlen(name));
}

int codec_parse(const char *text, struct codec_choice *out)
{
	size_t len = strcspn(text, ":");
	int is_auto = len == 4 && memcmp(text, "auto", 4) == 0;
	const struct codec_ops *ops = is_auto ? &codec_zstd : find(text, len);
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
	c->next_rest = 1;
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

/* The most that n bytes may become for it to be worth it: a twentieth
 * less. */
static size_t worth(size_t n)
{
	return n - n / 20 - (n % 20 != 0);
}

/* Whether a sample of the chunk shrinks.  dst is scratch. */
static int sample_shrinks(struct codec *c, void *dst, const uint8_t *src,
			  size_t n)
{
	const struct codec_ops *ops = c->choice.ops;
	size_t step = (n - SLICE) / (SLICES - 1);
	size_t len;

	for (size_t i = 0; i < SLICES; i++)
		memcpy(c->sample + i * SLICE, src + i * step, SLICE);
	ops->set_level(c->state, ops->level_min);
	len = ops->compress(c->state, dst, worth(SAMPLE), c->sample, SAMPLE);
	ops->set_level(c->state, c->choice.level);
	return len > 0;
}

static size_t compress_auto(struct codec *c, void *dst, size_t cap,
			    const void *src, size_t n)
{
	size_t len = 0;

	if (c->rest > 0) {
		c->rest--;
		return 0;
	}
	if (n < SAMPLE_FROM || sample_shrinks(c, dst, src, n))
		len = c->choice.ops->compress(c->state, dst, cap, src, n);
	if (len > 0) {
		c->next_rest = 1;
		return len;
	}
	c->rest = c->next_rest;
	if (c->next_rest < REST_MAX)
		c->next_rest *= 2;
	return 0;
}

size_t codec_compress(struct codec *c, void *dst, size_t cap, const void *src,
		      size_t n, uint8_t *id)
{
	const struct codec_ops *ops = c->choice.ops;
	size_t len, most;

	*id = CODEC_NONE;
	if (n < 2 || ops->id == CODEC_NONE)
		return 0;
	most = c->choice.is_auto ? worth(n) : n - 1;
	if (cap > most)
		cap = most;
	if (c->choice.is_auto)
		len = compress_auto(c, dst, cap, src, n);
	else
		len = ops->compress(c->state, dst, cap, src, n);
	if (len > 0)
		*id = ops->id;
	return len;
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
