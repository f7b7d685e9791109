/*
 * codec.h - compression of single chunks: a table of functions.
 *
 * Layer: chunk.  Uses base, zlib, libzstd; each algorithm is one file
 * (codec_none.c, codec_zlib.c, codec_zstd.c) and one row of the table in
 * codec.c.
 * Threads: a struct codec belongs to one thread.
 *
 * Every chunk is compressed alone and says its raw length beforehand, so the
 * receiver's buffer is exactly that long and a bomb cannot be built.
 */
#ifndef FERRY_CHUNK_CODEC_H
#define FERRY_CHUNK_CODEC_H

#include <stddef.h>
#include <stdint.h>

/* Wire ids: fixed for ever. */
enum codec_id {
	CODEC_NONE = 0,
	CODEC_ZLIB = 1, /* one RFC 1950 stream a chunk */
	CODEC_ZSTD = 2, /* one RFC 8878 frame a chunk */
};

struct codec_ops {
	uint8_t id;
	const char *name; /* as in --compress: "none", "zlib", "zstd" */
	int level_min, level_max, level_default;
	/* Most bytes that n raw bytes can become. */
	size_t (*bound)(size_t n);
	/* State for one thread; NULL when out of memory.  level is within the
	 * bounds.  A state made once serves both directions, and makes what
	 * it needs for each on first use. */
	void *(*open)(int level);
	void (*close)(void *state);
	/* Change the level from the next chunk on. */
	void (*set_level)(void *state, int level);
	/* Compress n bytes to dst (cap bytes).  Returns the length, or 0 where
	 * the result does not fit in cap: then the chunk is sent as it is. */
	size_t (*compress)(void *state, void *dst, size_t cap, const void *src,
			   size_t n);
	/* Expand n bytes to exactly raw_len bytes.  Returns 0; ERR_CORRUPT
	 * where src is not one whole, well-formed stream (zstd: one frame,
	 * no dictionary, not skippable, window at most 8 MiB) of exactly
	 * raw_len bytes with nothing behind it; ERR_RESOURCE. */
	int (*expand)(void *state, void *dst, size_t raw_len, const void *src,
		      size_t n);
};

extern const struct codec_ops codec_none, codec_zlib, codec_zstd;

/* The row with this wire id or name; NULL where there is none. */
const struct codec_ops *codec_by_id(unsigned id);
const struct codec_ops *codec_by_name(const char *name);

/* What the user asked for with -z. */
struct codec_choice {
	int is_auto;                 /* leave alone what does not shrink */
	int is_steered;              /* auto without a level: see codec_sent() */
	const struct codec_ops *ops; /* the codec (zstd for auto) */
	int level;                   /* the first, where it is steered */
};

/*
 * Parse "auto", "none", "zlib", "zstd", each with an optional ":LEVEL" (not
 * "none").  Returns 0, or ERR_RANGE with *out untouched.
 */
int codec_parse(const char *text, struct codec_choice *out);

/*
 * One thread's compressor: the codec's state, and what was learnt about the
 * data so far.
 */
struct codec;

/* NULL when out of memory. */
struct codec *codec_new(const struct codec_choice *choice);
void codec_free(struct codec *c);

/*
 * Compress one chunk.  With auto, chunks are left as they are where a sample
 * of the chunk or the last chunks' results say that they do not shrink by at
 * least a twentieth; the question is asked again at growing intervals.
 * Without auto, a chunk that does not shrink at all is left as it is.
 *
 * Returns the compressed length in dst (cap bytes, at least n) and sets *id to
 * the codec; or returns 0 and sets *id to CODEC_NONE: send src itself.
 */
size_t codec_compress(struct codec *c, void *dst, size_t cap, const void *src,
		      size_t n, uint8_t *id);

/*
 * What was compressed last was sent, which took ns nanoseconds.  Where the
 * user left the level open, it follows whoever has to wait: it rises while the
 * line is what limits and the processor has time for the next level, and falls
 * when the line waits for the processor.
 */
void codec_sent(struct codec *c, uint64_t ns);

/*
 * One thread's expander for whatever codec a chunk names: states are made on
 * first use.
 */
struct expander;

struct expander *expander_new(void);
void expander_free(struct expander *x);

/*
 * Expand one chunk to exactly raw_len bytes at dst.  Returns 0; ERR_PROTOCOL
 * for an unknown codec; ERR_CORRUPT; ERR_RESOURCE.  CODEC_NONE copies, and
 * n must be raw_len.
 */
int expander_run(struct expander *x, unsigned codec_id, void *dst,
		 size_t raw_len, const void *src, size_t n);

#endif
