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
#include "cmd/line_queue.h"
#include "os/wake.h"

enum {
	GIVE_UP_MS = 1000, /* after cancellation, for a paused reader */
	COLUMNS = 80,      /* if the terminal does not report its width */
};

struct writer {
	/* set once */
	int fd;
	int stops_at_error;

	/* the main thread's */
	pthread_t thread;
	int has_thread;   /* set before there are other threads */
	int is_abandoned; /* the thread may still be blocked in write(2) */

	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t more;  /* something to do for the thread */
	struct line_queue *queue;
	char shown[WRITER_SHOWN_MAX];
	int shown_is_new;     /* and is to be drawn */
	int is_ending;
	struct wake done;     /* to be signalled at the end of the thread */
	int error;            /* errno that ended the output */

	/* the thread's, or guarded by lock where there is none */
	int drawn_len;        /* columns of the text on the terminal */
};

struct writer *writer_new(int fd, int stops_at_error)
{
	struct writer *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->fd = fd;
	w->stops_at_error = stops_at_error;
	w->done.fd = -1;
	w->queue = line_queue_new();
	if (!w->queue || pthread_mutex_init(&w->lock, NULL)) {
		line_queue_free(w->queue);
		free(w);
		return NULL;
	}
	pthread_cond_init(&w->more, NULL);
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

/* Erase the text from the terminal, with spaces, which work on every
 * terminal. */
static void erase(struct writer *w)
{
	const pid_t owner = w->drawn_len ? tcgetpgrp(w->fd) : -1;
	char out[WRITER_SHOWN_MAX + 3];
	int n;

	if (w->drawn_len == 0)
		return;
	/* After ^Z and bg the line is the shell's. */
	if (owner > 0 && owner != getpgrp())
		n = snprintf(out, sizeof(out), "\n");
	else
		n = snprintf(out, sizeof(out), "\r%*s\r", w->drawn_len, "");
	write_all(w->fd, out, (size_t)n);
	w->drawn_len = 0;
}

static void draw(struct writer *w, const char *text)
{
	char out[2 * WRITER_SHOWN_MAX];
	struct winsize size;
	int len = (int)strlen(text), most = COLUMNS - 1, pad, n;

	if (len == 0) {
		erase(w);
		return;
	}
	/* a character in the last column would wrap the line */
	if (ioctl(w->fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 2)
		most = size.ws_col - 1;
	if (len > most)
		len = most;
	pad = w->drawn_len > len ? w->drawn_len - len : 0;
	n = snprintf(out, sizeof(out), "\r%.*s%*s", len, text, pad, "");
	write_all(w->fd, out, (size_t)n);
	w->drawn_len = len;
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
	end = memrchr(p, '\n', PIPE_BUF);
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
		pthread_cond_wait(&w->more, &w->lock);
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
	is_full = line_queue_size(w->queue) > LINE_QUEUE_DROP;
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
	pthread_mutex_destroy(&w->lock);
	free(w);
}
