/*
 * line_queue.h - lines waiting to be written: in memory, and in an unlinked
 * temporary file when memory is full.
 *
 * Layer: cmd.
 * Threads: none of its own; the owner locks.  Blocks on nothing but the disk of
 * the temporary file.
 */
#ifndef FERRY_CMD_LINE_QUEUE_H
#define FERRY_CMD_LINE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

enum {
	LINE_QUEUE_LINE_MAX = 64 * 1024,
	/* A queue has two blocks of this size: memory for about ten thousand
	 * events. */
	LINE_QUEUE_BLOCK = 512 * 1024,
};

struct line_queue;

/*
 * Make an empty queue.  The temporary file is created here, because the sandbox
 * forbids it later: in TMPDIR, /var/tmp or /tmp, or else as a file in memory.
 * Where none can be created, the queue holds what fits into its two blocks.
 * NULL when out of memory.
 */
struct line_queue *line_queue_new(void);

/*
 * Append a line of at most LINE_QUEUE_LINE_MAX bytes, its newline included.
 * Allocates no memory.  Returns 0; or errno when the blocks are full and the
 * file cannot grow, and then nothing was appended.
 */
int line_queue_put(struct line_queue *q, const char *line, size_t n);

/* Bytes waiting. */
uint64_t line_queue_size(const struct line_queue *q);

/*
 * Look at the front: *n bytes at *p, up to the end of a line; 0 when the queue
 * is empty.  They are borrowed and stay as they are until all of them are
 * removed, even if lines are put meanwhile: the owner need not lock to read
 * them.
 *
 * Returns 0; or errno when the file cannot be read: the lines in it are lost.
 */
int line_queue_front(struct line_queue *q, const char **p, size_t *n);

/* Remove n bytes, at most what line_queue_front() returned. */
void line_queue_pop(struct line_queue *q, size_t n);

/* Remove everything. */
void line_queue_clear(struct line_queue *q);

/* NULL is allowed. */
void line_queue_free(struct line_queue *q);

#endif
