/*
 * writer.h - an output whose reader may be slow, paused or gone: lines are
 * queued by any thread and written by one.
 *
 * Layer: cmd.  Uses base, os/wake.h, cmd/line_queue.h.
 * Threads: writer_put() and writer_show() from any thread; the others are the
 * main thread's.  Once writer_start() has succeeded, nothing here waits for
 * the reader but writer_end().
 *
 * The descriptor stays as it is: O_NONBLOCK would be set for the other
 * processes that share it too, and without it a write(2) to a terminal or a
 * pipe may block whatever poll(2) said.  So each output has a thread of its
 * own, which may block, and one whose reader paused does not hold up another.
 *
 * A piece that is written consists of whole lines and has at most PIPE_BUF
 * bytes, or is one line: lines that several processes write to a pipe do not
 * mix.
 */
#ifndef FERRY_CMD_WRITER_H
#define FERRY_CMD_WRITER_H

#include <stddef.h>

enum { WRITER_SHOWN_MAX = 160 };

struct writer;

enum writer_loss {
	WRITER_KEEP,     /* waits in memory, then in a temporary file */
	WRITER_MAY_DROP, /* dropped while much is waiting */
};

/*
 * For the descriptor fd (borrowed).  After an error of the descriptor the
 * lines in question are lost; with stops_at_error so is everything after
 * them, since a reader had better see an end than a gap.
 *
 * Until writer_start() lines are written by the caller, who waits for the
 * reader: a process that confines itself must not have other threads before.
 * NULL when out of memory.
 */
struct writer *writer_new(int fd, int stops_at_error);

/* Start the thread.  Where that is not possible, lines are still written by
 * the caller. */
void writer_start(struct writer *w);

/*
 * Write a line of at most LINE_QUEUE_LINE_MAX bytes, its newline included,
 * after those that were put before.  Allocates no memory.
 *
 * Returns 0; or errno: ENOSPC and others where it could not be kept, and with
 * stops_at_error whatever ended the output.
 */
int writer_put(struct writer *w, enum writer_loss loss, const char *line,
	       size_t n);

/*
 * Show a text (at most WRITER_SHOWN_MAX - 1 columns of ASCII) in the last line
 * of a terminal in place of the one before, cut to the terminal's width.  It
 * is taken away before a line is written, and is not drawn while lines wait;
 * of several texts only the latest is.  An empty text takes it away.
 */
void writer_show(struct writer *w, const char *text);

/*
 * Wait until everything is written, and end the thread; after that, lines are
 * written by the caller again.  Once cancel_fd (-1: never) is readable, it
 * waits for a second at most and gives up the rest.
 *
 * Returns 0; the errno that ended the output; or ECANCELED.
 */
int writer_end(struct writer *w, int cancel_fd);

/* After writer_end() where the thread was started.  What a thread that still
 * waits for its reader needs is not freed.  NULL is allowed. */
void writer_free(struct writer *w);

#endif
