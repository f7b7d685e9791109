/*
 * codec.h - compression of single chunks: a table of functions.
 *
 * Layer: chunk.  Uses zlib and libzstd; each algorithm is one file
 * (codec_none.c, codec_zlib.c, codec_zstd.c, codec_sparse.c) and one row of the
 * table in codec.c.
 * Threads: a struct codec belongs to one thread.
 *
 * Every chunk is compressed on its own and its raw length is announced, so that
 * the receiver expands into a buffer of exactly that length: a decompression
 * bomb is not possible.
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
	CODEC_SPARSE = 3, /* data without the zeros between */
	CODEC_RECIPE = 4, /* see recipe.h: not expanded here, as it needs the
			     basis */
};

struct codec_ops {
	uint8_t id;
	/* As in --compress: "none", "zlib", "zstd".  NULL: not to be asked for,
	 * but used where it pays. */
	const char *name;
	int level_min, level_max, level_default;
	/* The most bytes that n raw bytes can take compressed. */
	size_t (*bound)(size_t n);
	/* Create a state, for one thread; NULL when out of memory.  level is
	 * within the bounds.  A state serves both directions, and allocates
	 * what it needs for each on first use. */
	void *(*open)(int level);
	void (*close)(void *state);
	/* Set the level for the next chunks. */
	void (*set_level)(void *state, int level);
	/* Compress n bytes to dst (cap bytes).  Returns the length; 0 where the
	 * result does not fit or memory ran out: the chunk is then sent as it
	 * is. */
	size_t (*compress)(void *state, void *dst, size_t cap, const void *src,
			   size_t n);
	/* Expand n bytes to exactly raw_len bytes.  Returns 0; ERR_CORRUPT
	 * where src is not one well-formed stream (zstd: one frame without
	 * dictionary, not a skippable one, window at most 8 MiB) of exactly
	 * raw_len bytes with nothing after it; ERR_RESOURCE. */
	int (*expand)(void *state, void *dst, size_t raw_len, const void *src,
		      size_t n);
};

extern const struct codec_ops codec_none, codec_zlib, codec_zstd, codec_sparse;

/* The row with this wire id or name; NULL where there is none. */
const struct codec_ops *codec_by_id(unsigned id);
const struct codec_ops *codec_by_name(const char *name);

/* What the user asked for with --compress. */
struct codec_choice {
	int is_auto;     /* do not compress what does not shrink */
	int is_adaptive; /* auto without a level: see codec_sent() */
	const struct codec_ops *ops; /* the codec (zstd for auto) */
	int level;                   /* the first one, where it is adaptive */
};

/*
 * Parse "auto", "none", "zlib", "zstd", each with an optional ":LEVEL" (not
 * "none").  Returns 0, or ERR_RANGE with *out untouched.
 */
int codec_parse(const char *text, struct codec_choice *out);

/* A compressor, for one thread: the codec's state, and what the last chunks
 * have shown about the data. */
struct codec;

/* NULL when out of memory. */
struct codec *codec_new(const struct codec_choice *choice);
void codec_free(struct codec *c);

/*
 * Compress one chunk.  With auto, a chunk has to shrink by a twentieth at
 * least, and a sample of it is tried first.  After a chunk that does not shrink
 * so much the next one is not tried, after another one the next 2, then 4, then
 * 8.  Without auto, a chunk has to shrink by a byte.
 *
 * Returns the compressed length in dst (cap bytes, at least n) and sets *id to
 * the codec; or returns 0 and sets *id to CODEC_NONE: src itself is to be sent.
 */
size_t codec_compress(struct codec *c, void *dst, size_t cap, const void *src,
		      size_t n, uint8_t *id);

/*
 * Report that sending the last chunk took ns nanoseconds.  An adaptive level
 * rises while sending takes longer than the next level would add (the network
 * is the bottleneck), and falls while sending takes hardly any time
 * (compression is).
 */
void codec_sent(struct codec *c, uint64_t ns);

/* An expander, for one thread, for any codec that a chunk names; states are
 * created on first use. */
struct expander;

struct expander *expander_new(void); /* NULL when out of memory */
void expander_free(struct expander *x);

/*
 * Expand one chunk to exactly raw_len bytes at dst.  CODEC_NONE copies them.
 * Returns 0; ERR_PROTOCOL for an unknown codec; ERR_CORRUPT, also with
 * CODEC_NONE where n is not raw_len; ERR_RESOURCE.
 */
int expander_run(struct expander *x, unsigned codec_id, void *dst,
		 size_t raw_len, const void *src, size_t n);

#endif
