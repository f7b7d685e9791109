/*
 * writer.h - an output whose reader may be slow, paused or gone: lines are
 * queued by any thread and written by one.
 *
 * Layer: cmd.
 * Threads: writer_put() and writer_show() from any thread; the others are the
 * main thread's.  Once writer_start() has succeeded, only writer_end() waits
 * for the reader.
 *
 * O_NONBLOCK is not set, because it would affect other processes that share the
 * descriptor; without it, a write(2) to a terminal or pipe may block even after
 * poll(2).  So each output has its own thread, which may block without delaying
 * the others.
 *
 * Each write(2) is whole lines of at most PIPE_BUF bytes together, or one
 * longer line, so that lines of several processes in a pipe do not mix.
 */
#ifndef FERRY_CMD_WRITER_H
#define FERRY_CMD_WRITER_H

#include <stddef.h>

enum {
	WRITER_SHOWN_MAX = 1280,
	WRITER_ROWS_MAX = 8,
	/* With more bytes than this waiting, WRITER_MAY_DROP lines are
	 * dropped. */
	WRITER_DROP_ABOVE = 64 * 1024,
};

struct writer;

enum writer_loss {
	WRITER_KEEP,     /* waits in memory, then in a temporary file */
	WRITER_MAY_DROP, /* dropped while much is waiting */
};

/*
 * For the descriptor fd (borrowed).  After a write error the lines in question
 * are lost; with stops_at_error everything after them too, because for events
 * an early end is better than a gap.
 *
 * Until writer_start(), the caller writes lines itself and waits for the
 * reader: a process must not have other threads when it enters the sandbox.
 * NULL when out of memory.
 */
struct writer *writer_new(int fd, int stops_at_error);

/* Start the thread.  If that fails, the caller still writes lines itself. */
void writer_start(struct writer *w);

/*
 * Write a line of at most LINE_QUEUE_LINE_MAX bytes, its newline included,
 * after those that were put before.  Allocates no memory.
 *
 * Returns 0; or errno: ENOSPC and others if the line could not be queued, and
 * with stops_at_error the error that ended the output.
 */
int writer_put(struct writer *w, enum writer_loss loss, const char *line,
	       size_t n);

/*
 * Show a text (at most WRITER_SHOWN_MAX - 1 bytes of ASCII, at most
 * WRITER_ROWS_MAX rows between newlines) in the last lines of a terminal, in
 * place of the previous one, each row cut to the terminal's width.  It is
 * erased before a line is written, and not drawn while lines are waiting; of
 * several texts only the latest is drawn.  An empty text erases it.
 */
void writer_show(struct writer *w, const char *text);

/* Wait until the reader has got what was put and shown so far, half a second at
 * most. */
void writer_settle(struct writer *w);

/* The columns and rows that the terminal has room for in such a text: one row
 * where it cannot move the cursor up. */
unsigned writer_columns(const struct writer *w);
unsigned writer_rows(const struct writer *w);

/*
 * Wait until everything is written, and end the thread; after that, the caller
 * writes lines itself again.  Once cancel_fd (-1: never) is readable, it waits
 * for at most a second and drops the rest.
 *
 * Returns 0; the errno that ended the output; or ECANCELED.
 */
int writer_end(struct writer *w, int cancel_fd);

/* Call after writer_end() if the thread was started.  If the thread was
 * abandoned, nothing is freed, because it still uses it.  NULL is allowed. */
void writer_free(struct writer *w);

#endif
