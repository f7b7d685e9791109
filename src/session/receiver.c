/*
 * The accept loop: one thread a connection, sessions that know nothing of one
 * another.
 */
#include "session/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

enum {
	PAUSE_MS = 100, /* when descriptors ran out */
	/* Descriptors beside those of open files, for each of these (part,
	 * journal, directory), and for each that waits for its commit. */
	FDS_OWN = 12,
	FDS_A_FILE = 3,
	FDS_A_COMMIT = 2,
};

void receiver_message(struct receiver *r, enum session_level level,
		      const char *fmt, ...)
{
	const struct session_events *ev = r->cfg->events;
	char text[1200];
	va_list ap;

	if (!ev->message)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ev->message(ev->ctx, level, text);
}

void receiver_wake(struct receiver *r)
{
	uint64_t one = 1;

	while (write(r->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* As many descriptors as we may have. */
static rlim_t raise_descriptors(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		return 0;
	if (lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
		(void)getrlimit(RLIMIT_NOFILE, &lim);
	}
	return lim.rlim_cur;
}

static unsigned clamp(rlim_t n, unsigned max)
{
	return n < 1 ? 1 : n > max ? max : (unsigned)n;
}

/* How many files these let a session have open, and wait for their commit. */
static void share_descriptors(struct receiver *r)
{
	rlim_t n = raise_descriptors();
	unsigned sessions = r->cfg->once ? 1 : r->cfg->max_sessions;

	n = n > FDS_OWN ? n - FDS_OWN : 0;
	r->open_files = clamp(n / FDS_A_FILE, OPEN_FILES_MAX);
	n = n > r->open_files * FDS_A_FILE ? n - r->open_files * FDS_A_FILE : 0;
	r->commit_max = clamp(n / FDS_A_COMMIT / sessions, COMMIT_MAX);
}

static int open_root(struct receiver *r, struct err *e)
{
	struct stat st;

	if (r->cfg->to_stdout)
		return 0;
	r->root_fd = open(r->cfg->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->root_fd < 0 || fstat(r->root_fd, &st))
		return err_sys(e, ERR_LOCAL, "cannot open directory %s",
			       r->cfg->dir);
	r->root_dev = (uint64_t)st.st_dev;
	return 0;
}

static int start_listening(struct receiver *r, struct err *e)
{
	const struct session_events *ev = r->cfg->events;
	char local[ADDR_TEXT_MAX];
	uint16_t port = 0;

	r->listener = dial_listen(r->cfg->port, &r->cfg->net, local, &port, e);
	if (r->listener < 0)
		return r->listener;
	if (ev->listening)
		ev->listening(ev->ctx, local, port);
	return 0;
}

/* A connection gets its thread; where there is no room, it is closed. */
static void take_connection(struct receiver *r, int fd, const char *peer)
{
	struct rstream *st = calloc(1, sizeof(*st));

	if (!st) {
		io_close(&fd);
		return;
	}
	st->receiver = r;
	st->fd = st->sock = fd;
	st->deadline_ms = clock_ms() + HELLO_MS;
	snprintf(st->peer, sizeof(st->peer), "%s", peer);
	pthread_mutex_lock(&r->lock);
	st->next_stranger = r->strangers;
	r->strangers = st;
	r->stranger_count++;
	r->thread_count++;
	pthread_mutex_unlock(&r->lock);
	if (pthread_create(&st->thread, NULL, rstream_main, st) == 0)
		return;
	pthread_mutex_lock(&r->lock);
	r->strangers = st->next_stranger;
	r->stranger_count--;
	r->thread_count--;
	pthread_mutex_unlock(&r->lock);
	io_close(&st->fd);
	free(st);
}

/* Take all that wait.  Returns how long to pause before the next, in ms. */
static int accept_all(struct receiver *r)
{
	for (;;) {
		struct sockaddr_storage sa;
		char peer[ADDR_TEXT_MAX];
		struct err e;
		unsigned strangers;
		int fd;

		pthread_mutex_lock(&r->lock);
		strangers = r->stranger_count;
		pthread_mutex_unlock(&r->lock);
		if (strangers >= STRANGERS_MAX)
			return PAUSE_MS;
		fd = dial_accept(r->listener, &r->cfg->net, peer, &sa, &e);
		if (fd == ERR_AGAIN)
			return 0;
		if (fd < 0) {
			receiver_message(r, SESSION_WARNING, "%s", e.text);
			return PAUSE_MS;
		}
		take_connection(r, fd, peer);
	}
}

/* Join the threads that are through. */
static void reap(struct receiver *r)
{
	struct rstream *st;

	pthread_mutex_lock(&r->lock);
	st = r->finished;
	r->finished = NULL;
	pthread_mutex_unlock(&r->lock);
	while (st) {
		struct rstream *next = st->next_finished;

		pthread_join(st->thread, NULL);
		free(st);
		pthread_mutex_lock(&r->lock);
		r->thread_count--;
		pthread_mutex_unlock(&r->lock);
		st = next;
	}
}

/* Whether the one session is over: also when its sender, which said it would
 * come back, did not in time.  Else *left_ms is for how long to wait. */
static int has_ended(struct receiver *r, int *left_ms)
{
	const struct session_events *ev = r->cfg->events;
	int ended, gave_up = 0;

	*left_ms = -1;
	pthread_mutex_lock(&r->lock);
	if (r->await_until_ms && r->session_count == 0) {
		*left_ms = clock_left_ms(r->await_until_ms);
		gave_up = *left_ms == 0;
		r->has_ended |= gave_up;
	}
	ended = r->has_ended;
	pthread_mutex_unlock(&r->lock);
	if (gave_up && ev->summary)
		ev->summary(ev->ctx, r->next_number, &r->lost, &r->ended);
	return ended;
}

/* Until it is over.  Returns 0 or ERR_INTERRUPTED. */
static int accept_loop(struct receiver *r, struct err *e)
{
	struct pollfd fds[3] = {
		{ .fd = r->wake_fd, .events = POLLIN },
		{ .fd = r->cfg->cancel_fd, .events = POLLIN },
		{ .fd = r->listener, .events = POLLIN },
	};
	int pause = 0, left_ms;

	while (!has_ended(r, &left_ms)) {
		uint64_t count;
		int n = poll(fds, pause ? 2 : 3, pause ? pause : left_ms);

		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_RESOURCE, "waiting");
		if (n > 0 && fds[0].revents &&
		    read(r->wake_fd, &count, sizeof(count)) < 0)
			count = 0;
		reap(r);
		if (n > 0 && fds[1].revents)
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (pause || (n > 0 && fds[2].revents))
			pause = accept_all(r);
	}
	return 0;
}

static unsigned threads_left(struct receiver *r)
{
	unsigned n;

	pthread_mutex_lock(&r->lock);
	n = r->thread_count;
	pthread_mutex_unlock(&r->lock);
	return n;
}

/* End all connections and wait for their threads. */
static void stop_all(struct receiver *r)
{
	struct pollfd pfd = { .fd = r->wake_fd, .events = POLLIN };
	struct rsession *s;
	struct rstream *st;

	atomic_store(&r->is_stopping, 1);
	pthread_mutex_lock(&r->lock);
	/* A stranger may be in the middle of a handshake. */
	for (st = r->strangers; st; st = st->next_stranger)
		(void)shutdown(st->sock, SHUT_RDWR);
	for (s = r->sessions; s; s = s->next) {
		for (unsigned i = 0; i < STREAMS_MAX; i++) {
			if (s->streams[i] && s->streams[i]->link.stream)
				stream_abort(s->streams[i]->link.stream);
		}
	}
	pthread_mutex_unlock(&r->lock);
	while (threads_left(r) > 0) {
		uint64_t count;

		reap(r);
		if (poll(&pfd, 1, 100) > 0 &&
		    read(r->wake_fd, &count, sizeof(count)) < 0)
			count = 0;
	}
}

static int run(struct receiver *r, struct err *e)
{
	int rc = open_root(r, e);

	if (rc == 0)
		rc = start_listening(r, e);
	if (rc)
		return rc;
	rc = accept_loop(r, e);
	io_close(&r->listener);
	stop_all(r);
	if (rc == 0) {
		*e = r->ended;
		rc = e->code;
	}
	return rc;
}

int receive_run(const struct receive_config *cfg, struct err *e)
{
	struct receiver *r = calloc(1, sizeof(*r));
	int rc;

	err_clear(e);
	if (!r)
		return err_set(e, ERR_RESOURCE, "out of memory");
	r->cfg = cfg;
	r->root_fd = r->listener = -1;
	share_descriptors(r);
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wake_fd < 0) {
		free(r);
		return err_sys(e, ERR_RESOURCE, "starting");
	}
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->gone, NULL);
	pace_init(&r->pace, cfg->limit_rate);
	/* So that files can be created with just the modes they are to have. */
	r->umask = umask(0);
	rc = run(r, e);
	umask(r->umask);
	pace_release(&r->pace);
	pthread_cond_destroy(&r->gone);
	pthread_mutex_destroy(&r->lock);
	io_close(&r->root_fd);
	io_close(&r->wake_fd);
	free(r);
	return rc;
}
