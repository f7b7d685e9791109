/*
 * The accept loop: one thread a connection, sessions that know nothing of one
 * another.
 */
#include "receiver/receiver.h"

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
#include "receiver/exec_helper.h"

enum {
	PAUSE_MS = 100, /* when descriptors ran out */
	/* Descriptors beside those of open files, for each of these (part,
	 * journal, directory), and for each that waits for its commit. */
	FDS_OWN = 8,
	FDS_A_FILE = 3,
	FDS_A_COMMIT = 2,
	/* One of so many goes to a stranger, who has two. */
	FDS_A_STRANGER = 8,
	FDS_COUNTED = 4096,
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

/* How many descriptors there may be besides those that are open now.  The
 * limit is raised as far as we may. */
static rlim_t spare_descriptors(void)
{
	struct rlimit lim;
	rlim_t spare = 0;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		return 0;
	if (lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
		(void)getrlimit(RLIMIT_NOFILE, &lim);
	}
	/* so many are inherited at most, or there is enough anyway */
	for (int fd = 0; (rlim_t)fd < lim.rlim_cur && fd < FDS_COUNTED; fd++)
		spare += fcntl(fd, F_GETFD) < 0;
	if (lim.rlim_cur > FDS_COUNTED)
		spare += lim.rlim_cur - FDS_COUNTED;
	return spare;
}

static unsigned within(rlim_t n, unsigned least, unsigned most)
{
	return n < least ? least : n > most ? most : (unsigned)n;
}

/* Share the descriptors out: to strangers, to a session's files that are open,
 * and to those that wait for their commit. */
static void share_descriptors(struct receiver *r)
{
	const rlim_t spare = spare_descriptors();
	const unsigned sessions = r->cfg->once ? 1 : r->cfg->max_sessions;
	rlim_t n = spare > FDS_OWN ? spare - FDS_OWN : 0;

	r->strangers_max = within(spare / FDS_A_STRANGER, STRANGERS_MIN,
				  r->cfg->pake ? STRANGERS_CODE :
						 STRANGERS_MAX);
	r->open_files = within(n / FDS_A_FILE, 1, OPEN_FILES_MAX);
	n = n > r->open_files * FDS_A_FILE ? n - r->open_files * FDS_A_FILE : 0;
	r->commit_max = within(n / FDS_A_COMMIT / sessions, 1, COMMIT_MAX);
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

/* The last thing before strangers are let in. */
static int confine(struct receiver *r, struct err *e)
{
	char text[SANDBOX_TEXT_MAX];
	int rc;

	rc = sandbox_receiver(r->cfg->sandbox, r->root_fd, text, e);
	if (rc == 0)
		receiver_message(r, SESSION_VERBOSE, "%s", text);
	return rc;
}

static int start_listening(struct receiver *r, struct err *e)
{
	const struct session_events *ev = r->cfg->events;
	char local[ADDR_TEXT_MAX];
	uint16_t port = 0;
	int rc;

	r->listener = dial_listen(r->cfg->port, &r->cfg->net, local, &port, e);
	if (r->listener < 0)
		return r->listener;
	rc = confine(r, e);
	if (rc == 0 && ev->listening)
		ev->listening(ev->ctx, local, port);
	return rc;
}

/*
 * Nothing can be accepted for now, which is also said where nothing is
 * waiting.  A stranger has to go then; it is told once, until it is over.
 */
static int out_of_descriptors(struct receiver *r, const struct err *e)
{
	struct pollfd pfd = { .fd = r->listener, .events = POLLIN };

	if (poll(&pfd, 1, 0) == 0)
		return 0;
	if (!r->is_short)
		receiver_message(r, SESSION_WARNING, "%s", e->text);
	r->is_short = 1;
	receiver_door_make_room(r);
	return PAUSE_MS;
}

/* Others do not even get a handshake. */
static int is_allowed(struct receiver *r, const struct sockaddr_storage *sa,
		      const char *peer)
{
	if (cidr_list_has(r->cfg->allow, (const struct sockaddr *)sa))
		return 1;
	receiver_message(r, SESSION_VERBOSE, "%s: not allowed (--allow)",
			 peer);
	return 0;
}

/* Take those that wait, but so many at most that threads which are through are
 * joined, and signals seen, however many come.  Returns how long to pause
 * before the next, in ms. */
static int accept_some(struct receiver *r)
{
	for (unsigned i = 0; i < r->strangers_max; i++) {
		struct sockaddr_storage sa;
		char peer[ADDR_TEXT_MAX];
		struct err e;
		int fd;

		if (receiver_door_is_full(r))
			return PAUSE_MS;
		fd = dial_accept(r->listener, &r->cfg->net, peer, &sa, &e);
		if (fd == ERR_AGAIN)
			return 0;
		if (fd < 0)
			return out_of_descriptors(r, &e);
		r->is_short = 0;
		if (is_allowed(r, &sa, peer))
			receiver_door_enter(r, fd, peer, &sa);
		else
			io_close(&fd);
	}
	return 0;
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
		pthread_mutex_lock(&r->lock);
		r->thread_count--;
		if (st->is_leaving)
			r->leaving_count--;
		pthread_mutex_unlock(&r->lock);
		free(st);
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
	struct pollfd fds[4] = {
		{ .fd = r->wake_fd, .events = POLLIN },
		{ .fd = r->cfg->cancel_fd, .events = POLLIN },
		{ .fd = r->cfg->exec ? exec_helper_fd(r->cfg->exec) : -1,
		  .events = POLLIN },
		{ .fd = r->listener, .events = POLLIN },
	};
	int pause = 0, left_ms;

	while (!has_ended(r, &left_ms)) {
		uint64_t count;
		int n = poll(fds, pause ? 3 : 4, pause ? pause : left_ms);

		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_RESOURCE, "waiting");
		if (n > 0 && fds[0].revents &&
		    read(r->wake_fd, &count, sizeof(count)) < 0)
			count = 0;
		reap(r);
		if (n > 0 && fds[1].revents)
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (n > 0 && fds[2].revents &&
		    exec_events_reports(r) == ERR_CLOSED)
			fds[2].fd = -1;
		if (pause || (n > 0 && fds[3].revents))
			pause = accept_some(r);
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

	atomic_store(&r->is_stopping, 1);
	/* A stranger may be in the middle of a handshake. */
	receiver_door_close(r);
	pthread_mutex_lock(&r->lock);
	for (s = r->sessions; s; s = s->next) {
		for (unsigned i = 0; i < STREAMS_MAX; i++) {
			if (s->streams[i] && s->streams[i]->channel.stream)
				stream_abort(s->streams[i]->channel.stream);
		}
	}
	pthread_mutex_unlock(&r->lock);
	/* Before each wait, as the wake-up for the last one may be spent. */
	for (reap(r); threads_left(r) > 0; reap(r)) {
		uint64_t count;

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
	exec_events_end(r);
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
	clock_cond_init(&r->gone);
	rate_limit_init(&r->rate_limit, cfg->limit_rate);
	/* So that files can be created with just the modes they are to have. */
	r->umask = umask(0);
	journal_get_boot(r->boot);
	rc = run(r, e);
	umask(r->umask);
	rate_limit_release(&r->rate_limit);
	pthread_cond_destroy(&r->gone);
	pthread_mutex_destroy(&r->lock);
	io_close(&r->listener);
	io_close(&r->root_fd);
	io_close(&r->wake_fd);
	free(r);
	return rc;
}
