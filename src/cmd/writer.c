/*
 * One lock guards the queue and the text to show; the thread never holds it
 * while it writes to the descriptor.
 */
#include "cmd/writer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cmd/line_queue.h"
#include "os/wake.h"

enum {
	SETTLE_MS = 500,
	GIVE_UP_MS = 1000, /* after cancellation, for a paused reader */
	COLUMNS = 80,      /* if the terminal does not report its size */
	ROWS = 24,
	ERASE_MAX = WRITER_SHOWN_MAX + 32, /* what erases a text */
};

struct writer {
	/* set once */
	int fd;
	int stops_at_error;
	int moves_up; /* a terminal that knows how to move the cursor up */

	/* the main thread's */
	pthread_t thread;
	int has_thread;   /* set before there are other threads */
	int is_abandoned; /* the thread may still be blocked in write(2) */

	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t more;  /* something to do for the thread */
	pthread_cond_t idle;  /* it has done all */
	int is_idle;
	struct line_queue *queue;
	char shown[WRITER_SHOWN_MAX];
	int shown_is_new;     /* and is to be drawn */
	int is_ending;
	struct wake done;     /* to be signalled at the end of the thread */
	int error;            /* errno that ended the output */

	/* the thread's, or guarded by lock where there is none */
	/* columns of each row of the text on the terminal */
	unsigned drawn_len[WRITER_ROWS_MAX], drawn_rows;
};

static int can_move_up(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

struct writer *writer_new(int fd, int stops_at_error)
{
	struct writer *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->fd = fd;
	w->stops_at_error = stops_at_error;
	w->moves_up = can_move_up(fd);
	w->done.fd = -1;
	w->queue = line_queue_new();
	if (!w->queue || pthread_mutex_init(&w->lock, NULL)) {
		line_queue_free(w->queue);
		free(w);
		return NULL;
	}
	pthread_cond_init(&w->more, NULL);
	pthread_cond_init(&w->idle, NULL);
	return w;
}

/* ---- the descriptor ---- */

/* Write all of it.  Returns 0 or errno. */
static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		struct pollfd pfd = { .fd = fd, .events = POLLOUT };
		const ssize_t did = write(fd, p, n);

		if (did > 0) {
			p += did;
			n -= (size_t)did;
		} else if (did == 0) {
			return ENOSPC;
		} else if (errno == EAGAIN) {
			/* another process set O_NONBLOCK */
			poll(&pfd, 1, -1);
		} else if (errno != EINTR) {
			return errno;
		}
	}
	return 0;
}

/* The terminal's size, or what is assumed where it does not tell. */
static struct winsize size_of(const struct writer *w)
{
	struct winsize size;

	if (ioctl(w->fd, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		size.ws_col = COLUMNS;
	if (size.ws_row == 0)
		size.ws_row = ROWS;
	return size;
}

unsigned writer_columns(const struct writer *w)
{
	/* a character in the last column would wrap the line */
	return size_of(w).ws_col - 1u;
}

unsigned writer_rows(const struct writer *w)
{
	const unsigned rows = size_of(w).ws_row - 1u;

	if (!w->moves_up || rows < 2)
		return 1;
	return rows < WRITER_ROWS_MAX ? rows : WRITER_ROWS_MAX;
}

/* How many rows above the cursor the text takes now: a terminal that became
 * narrower has wrapped its rows. */
static unsigned rows_above(const struct writer *w)
{
	const unsigned columns = writer_columns(w) + 1;
	unsigned rows = 0;

	for (unsigned i = 0; i < w->drawn_rows; i++)
		rows += w->drawn_len[i] > columns ?
				(w->drawn_len[i] + columns - 1) / columns : 1;
	return rows > 0 && w->moves_up ? rows - 1 : 0;
}

/* Put what erases the text into out, and return how many bytes that is.  Where
 * no sequence may be used, one row is erased with spaces. */
static size_t put_erase(struct writer *w, char *out, size_t size)
{
	const pid_t owner = w->drawn_rows ? tcgetpgrp(w->fd) : -1;
	const unsigned above = rows_above(w);
	int n;

	if (w->drawn_rows == 0)
		return 0;
	/* After ^Z and bg the line is the shell's. */
	if (owner > 0 && owner != getpgrp())
		n = snprintf(out, size, "\n");
	else if (above > 0)
		n = snprintf(out, size, "\r\033[%uA\033[J", above);
	else if (w->moves_up)
		n = snprintf(out, size, "\r\033[K");
	else
		n = snprintf(out, size, "\r%*s\r", (int)w->drawn_len[0], "");
	w->drawn_rows = 0;
	return (size_t)n;
}

static void erase(struct writer *w)
{
	char out[ERASE_MAX];
	const size_t n = put_erase(w, out, sizeof(out));

	if (n > 0)
		write_all(w->fd, out, n);
}

/* Draw a single row over another one, without flicker.  Spaces over the rest of
 * a longer one would stay part of the row: a terminal that becomes narrower
 * would wrap it into more rows than rows_above() knows of. */
static void draw_over(struct writer *w, const char *text, unsigned len)
{
	char out[2 * WRITER_SHOWN_MAX];
	unsigned pad = 0;
	int n;

	if (w->drawn_rows > 0 && w->drawn_len[0] > len)
		pad = w->drawn_len[0] - len;
	if (pad > 0 && w->moves_up)
		n = snprintf(out, sizeof(out), "\r%.*s\033[K", (int)len, text);
	else
		n = snprintf(out, sizeof(out), "\r%.*s%*s", (int)len, text,
			     (int)pad, "");
	write_all(w->fd, out, (size_t)n);
	w->drawn_len[0] = len;
	w->drawn_rows = 1;
}

static void draw(struct writer *w, const char *text)
{
	char out[ERASE_MAX + 2 * WRITER_SHOWN_MAX];
	const unsigned most = writer_columns(w);
	size_t used;

	if (!*text) {
		erase(w);
		return;
	}
	if (!strchr(text, '\n') && w->drawn_rows <= 1 && rows_above(w) == 0) {
		const size_t len = strlen(text);

		draw_over(w, text, len < most ? (unsigned)len : most);
		return;
	}
	used = put_erase(w, out, ERASE_MAX);
	while (*text && w->drawn_rows < WRITER_ROWS_MAX) {
		const size_t len = strcspn(text, "\n");
		const unsigned shown = len < most ? (unsigned)len : most;

		used += (size_t)snprintf(out + used, sizeof(out) - used,
					 "%s%.*s",
					 w->drawn_rows > 0 ? "\r\n" : "",
					 (int)shown, text);
		w->drawn_len[w->drawn_rows++] = shown;
		text += len + (text[len] == '\n');
	}
	write_all(w->fd, out, used);
}

/* Returns 0 or errno. */
static int write_lines(struct writer *w, const char *p, size_t n)
{
	erase(w);
	return write_all(w->fd, p, n);
}

/* How many of n bytes of whole lines to write at once. */
static size_t piece_size(const char *p, size_t n)
{
	const char *end;

	if (n <= PIPE_BUF)
		return n;
	end = mem_last(p, '\n', PIPE_BUF);
	if (!end)
		end = memchr(p + PIPE_BUF, '\n', n - PIPE_BUF);
	return end ? (size_t)(end - p) + 1 : n;
}

/* ---- the thread; w->lock is held unless stated otherwise ---- */

static void note_error(struct writer *w, int sys_errno)
{
	if (!w->stops_at_error)
		return;
	w->error = sys_errno;
	line_queue_clear(w->queue);
}

/* Write the next piece, without the lock.  Returns 0 if there is none. */
static int write_next(struct writer *w)
{
	const char *p;
	size_t n;
	int rc = line_queue_front(w->queue, &p, &n);

	if (rc) {
		note_error(w, rc);
		return 1;
	}
	if (n == 0)
		return 0;
	n = piece_size(p, n);
	pthread_mutex_unlock(&w->lock);
	rc = write_lines(w, p, n);
	pthread_mutex_lock(&w->lock);
	line_queue_pop(w->queue, n);
	if (rc)
		note_error(w, rc);
	return 1;
}

/* Like write_next(), for the text that is shown. */
static int draw_next(struct writer *w)
{
	char text[WRITER_SHOWN_MAX];

	if (!w->shown_is_new)
		return 0;
	w->shown_is_new = 0;
	memcpy(text, w->shown, sizeof(text));
	pthread_mutex_unlock(&w->lock);
	draw(w, text);
	pthread_mutex_lock(&w->lock);
	return 1;
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		if (write_next(w) || draw_next(w))
			continue;
		if (w->is_ending)
			break;
		w->is_idle = 1;
		pthread_cond_broadcast(&w->idle);
		pthread_cond_wait(&w->more, &w->lock);
		w->is_idle = 0;
	}
	if (w->done.fd >= 0)
		wake_signal(&w->done);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

void writer_start(struct writer *w)
{
	w->has_thread = pthread_create(&w->thread, NULL, writer_main, w) == 0;
}

/* ---- from any thread ---- */

int writer_put(struct writer *w, enum writer_loss loss, const char *line,
	       size_t n)
{
	int rc, is_full;

	pthread_mutex_lock(&w->lock);
	rc = w->error;
	is_full = line_queue_size(w->queue) > WRITER_DROP_ABOVE;
	if (rc == 0 && w->has_thread) {
		if (loss != WRITER_MAY_DROP || !is_full)
			rc = line_queue_put(w->queue, line, n);
		pthread_cond_signal(&w->more);
	} else if (rc == 0) {
		rc = write_lines(w, line, n);
		if (rc)
			note_error(w, rc);
		rc = w->error;
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

void writer_show(struct writer *w, const char *text)
{
	pthread_mutex_lock(&w->lock);
	if (w->has_thread) {
		snprintf(w->shown, sizeof(w->shown), "%s", text);
		w->shown_is_new = 1;
		pthread_cond_signal(&w->more);
	} else if (!w->error) {
		draw(w, text);
	}
	pthread_mutex_unlock(&w->lock);
}

void writer_settle(struct writer *w)
{
	struct timespec until;
	int rc = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += SETTLE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&w->lock);
	while (w->has_thread && !w->error && rc == 0 &&
	       !(w->is_idle && !w->shown_is_new &&
		 line_queue_size(w->queue) == 0))
		rc = pthread_cond_timedwait(&w->idle, &w->lock, &until);
	pthread_mutex_unlock(&w->lock);
}

/* ---- the end ---- */

/* Returns -1 if w->done cannot be created. */
static int ask_to_end(struct writer *w)
{
	int rc;

	pthread_mutex_lock(&w->lock);
	rc = wake_open(&w->done);
	w->shown[0] = '\0';
	w->shown_is_new = 1;
	w->is_ending = 1;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	return rc;
}

/* Returns 0 if the thread was cancelled and its time is up. */
static int wait_done(int done_fd, int cancel_fd)
{
	struct pollfd fds[2] = { { .fd = done_fd, .events = POLLIN },
				 { .fd = cancel_fd, .events = POLLIN } };
	uint64_t until_ms = 0;

	for (;;) {
		int n = poll(fds, 2, until_ms ? clock_left_ms(until_ms) : -1);

		if (n == 0)
			return 0;
		if (n > 0 && fds[0].revents)
			return 1;
		if (n > 0 && fds[1].revents) {
			until_ms = clock_ms() + GIVE_UP_MS;
			fds[1].fd = -1;
		}
	}
}

int writer_end(struct writer *w, int cancel_fd)
{
	int rc;

	if (w->has_thread) {
		/* without w->done, wait without a limit */
		if (ask_to_end(w) == 0 && !wait_done(w->done.fd, cancel_fd)) {
			/* Leave the thread running with all it uses, because
			 * write(2) cannot be cancelled: it ends with the
			 * process. */
			pthread_mutex_lock(&w->lock);
			w->error = ECANCELED;
			w->is_abandoned = 1;
			pthread_mutex_unlock(&w->lock);
			pthread_detach(w->thread);
			return ECANCELED;
		}
		pthread_join(w->thread, NULL);
		wake_close(&w->done);
		w->has_thread = 0;
	}
	pthread_mutex_lock(&w->lock);
	erase(w);
	rc = w->error;
	pthread_mutex_unlock(&w->lock);
	return rc;
}

void writer_free(struct writer *w)
{
	if (!w || w->is_abandoned)
		return;
	line_queue_free(w->queue);
	pthread_cond_destroy(&w->more);
	pthread_cond_destroy(&w->idle);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
