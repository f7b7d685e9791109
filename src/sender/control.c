/*
 * The control thread of a sending session: starts scanner and streams, shows
 * progress, stops all when the user wants it or a part fails, and sums up.
 */
#include "sender/sender.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "fs/name.h"
#include "sandbox/sandbox.h"

enum {
	TICK_MS = 100,
	/* A further stream is begun when work has waited for so long. */
	GROW_FIRST_MS = 5,
	STREAMS_AUTO_MAX = 4,
	/* On a long line one connection is limited by the kernel's buffers and
	 * starts slowly, whatever the cores: so all that there may be. */
	STREAMS_LONG = STREAMS_MAX,
	STREAM_BYTES = 4 << 20,
	STREAM_FILES = 512,
	/* A compressor takes some MiB. */
	STREAMS_PACKING = STREAMS_MAX / 2,
	/* Between two attempts to connect, twice as long each time. */
	BACKOFF_FIRST_MS = 100,
	BACKOFF_MAX_MS = 5000,
};

/* ---- shared with the other parts ---- */

static void abort_streams(struct sender *s)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		const struct sender_stream *st = &s->streams[i];

		if (st->channel.stream)
			stream_abort(st->channel.stream);
		else if (st->is_dialling)
			(void)shutdown(st->dial_fd, SHUT_RDWR);
	}
}

void sender_wake(const struct sender *s)
{
	const uint64_t one = 1;

	if (write(s->wake_fd, &one, sizeof(one)) < 0)
		return; /* the control thread looks by itself as well */
}

/* Locked. */
static void note_failure(struct sender *s, const struct err *e)
{
	/* A thread that was stopped because another failed knows no reason. */
	if (e->code != ERR_INTERRUPTED || sender_is_cancelled(s) ||
	    !s->has_failed)
		err_merge(&s->err, e);
	s->has_failed = 1;
	cancel_set(&s->stop);
	pthread_cond_broadcast(&s->begun);
}

void sender_fail(struct sender *s, const struct err *e)
{
	pthread_mutex_lock(&s->lock);
	note_failure(s, e);
	abort_streams(s);
	pthread_mutex_unlock(&s->lock);
	queue_pause(s->queue);
}

void sender_message(const struct sender *s, enum session_level level,
		    const char *fmt, ...)
{
	const struct session_events *ev = s->cfg->events;
	char text[1200];
	va_list ap;

	if (!ev->message)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ev->message(ev->ctx, level, text);
}

void sender_display(const struct sender *s, const struct item *it,
		    const char *name, char *dst, size_t size)
{
	const char *top = "";
	char path[NAME_PATH_MAX + 512];

	if (s->cfg->scan && it->path_off <= it->name_len)
		top = scan_root_display(s->cfg->scan, it->root);
	snprintf(path, sizeof(path), "%s%s", top, name + it->path_off);
	text_escape(dst, size, path, strlen(path));
}

void sender_file_failed(struct sender *s, const char *name, size_t name_len,
			const struct item *item, const char *display,
			const struct err *e)
{
	const struct session_events *ev = s->cfg->events;
	unsigned cause = wire_cause_of_errno(e->sys_errno);
	enum totals_side side = e->code == ERR_CHANGED ? TOTALS_CHANGED :
							TOTALS_LOCAL;
	char shown[700], error[1500];
	const char *cause_text = e->text;
	struct session_file f = {
		.name = name,
		.name_len = name_len,
		.status = STATUS_FAILED,
		.error = error,
	};

	/* The display of an item is escaped already, a scan's is not. */
	if (item)
		snprintf(shown, sizeof(shown), "%s", display);
	else
		text_escape(shown, sizeof(shown), display, strlen(display));
	/* A scan's text names the path already. */
	if (strncmp(cause_text, shown, strlen(shown)) == 0 &&
	    strncmp(cause_text + strlen(shown), ": ", 2) == 0)
		cause_text += strlen(shown) + 2;
	snprintf(error, sizeof(error), "%s: on this side: %s", shown,
		 cause_text);
	pthread_mutex_lock(&s->lock);
	totals_failed(&s->totals, side, cause);
	pthread_mutex_unlock(&s->lock);
	if (ev->file)
		ev->file(ev->ctx, 1, &f);
}

/* ---- control ---- */

static void show_progress(struct sender *s)
{
	const struct session_events *ev = s->cfg->events;
	struct session_progress p = {
		.bytes = atomic_load(&s->bytes),
		.total_bytes = atomic_load(&s->total_bytes),
		.files = atomic_load(&s->files),
		.total_files = atomic_load(&s->total_files),
		.total_is_final = sender_is_scanned(s),
	};

	if (ev->progress)
		ev->progress(ev->ctx, &p);
}

static int start_stream(struct sender *s, unsigned index)
{
	struct sender_stream *st = &s->streams[index];

	pthread_mutex_lock(&s->lock);
	memset(st, 0, sizeof(*st));
	st->sender = s;
	st->index = index;
	s->alive++;
	pthread_mutex_unlock(&s->lock);
	if (pthread_create(&st->thread, NULL, sender_stream_main, st)) {
		pthread_mutex_lock(&s->lock);
		s->alive--;
		pthread_mutex_unlock(&s->lock);
		return -1;
	}
	st->is_started = 1;
	return 0;
}

/*
 * On a long line each stream starts slowly, and takes over slowly what others
 * leave at the end: so as many as have some chunks or packs each, as far as the
 * scan has got.
 */
static unsigned long_streams(struct sender *s)
{
	unsigned most = s->cfg->codec.ops->id == CODEC_NONE ? STREAMS_LONG :
							      STREAMS_PACKING;
	uint64_t n = 1 + atomic_load(&s->total_bytes) / STREAM_BYTES +
		     atomic_load(&s->total_files) / STREAM_FILES;

	return n < most ? (unsigned)n : most;
}

/* As many as cores, where each has work to do besides sending. */
static unsigned short_streams(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (cores < 1)
		cores = 1;
	return cores > STREAMS_AUTO_MAX ? STREAMS_AUTO_MAX : (unsigned)cores;
}

/*
 * Begin further streams: all that were asked for, or one at a time while
 * there is work for them.  On a long line they are connected while the first
 * one still waits for READY, which saves a round trip; but not in code mode,
 * where there is no key before.
 */
static void grow(struct sender *s, unsigned *started)
{
	unsigned want = s->cfg->streams, allowed = STREAMS_MAX;
	int ready, early, is_long;

	pthread_mutex_lock(&s->lock);
	is_long = s->is_connected && s->rtt_us >= DIAL_LONG_US;
	ready = s->is_ready && !s->has_failed;
	early = is_long && !s->is_ready && !s->has_failed && !s->cfg->pake;
	if (ready)
		allowed = s->ready.streams;
	pthread_mutex_unlock(&s->lock);
	if (!ready && !early)
		return;
	if (!want)
		want = is_long ? long_streams(s) : short_streams();
	if (want > allowed)
		want = allowed;
	while (*started < want) {
		if (ready && !s->cfg->streams && queue_backlog(s->queue) < 2)
			return;
		if (start_stream(s, *started))
			return;
		++*started;
		if (!s->cfg->streams && !is_long)
			return;
	}
}

static unsigned count_alive(struct sender *s)
{
	unsigned n;

	pthread_mutex_lock(&s->lock);
	n = s->alive;
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* The receiver is told first if it knows of us, as otherwise it may wait for us
 * to come back. */
static void cancel(struct sender *s)
{
	struct err e;
	int is_known;

	err_set(&e, ERR_INTERRUPTED, "interrupted");
	__atomic_store_n(&s->is_cancelled, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&s->lock);
	is_known = s->is_known;
	note_failure(s, &e);
	pthread_mutex_unlock(&s->lock);
	if (!is_known) {
		sender_fail(s, &e);
		return;
	}
	s->farewell_ms = clock_ms() + SENDER_FAREWELL_MS;
	queue_wake(s->queue);
}

static void end_farewell(struct sender *s)
{
	if (s->farewell_ms == 0 || clock_left_ms(s->farewell_ms) > 0)
		return;
	s->farewell_ms = 0;
	sender_fail(s, &s->err);
}

static void control(struct sender *s)
{
	struct pollfd fds[2] = { { .fd = s->wake_fd, .events = POLLIN },
				 { .fd = s->cfg->cancel_fd,
				   .events = POLLIN } };
	unsigned started = 1;
	int wait = GROW_FIRST_MS;

	while (count_alive(s) > 0) {
		uint64_t count;

		if (poll(fds, 2, wait) > 0) {
			if (fds[0].revents &&
			    read(s->wake_fd, &count, sizeof(count)) < 0 &&
			    errno != EAGAIN && errno != EINTR)
				fds[0].fd = -1;
			if (fds[1].revents) {
				cancel(s);
				fds[1].fd = -1;
			}
		}
		end_farewell(s);
		grow(s, &started);
		show_progress(s);
		if (wait < TICK_MS)
			wait *= 2;
	}
}

static void sum_up(struct sender *s, uint64_t began_ns,
		   struct session_summary *sum, struct err *e)
{
	struct totals *t = &s->totals;
	struct err te;
	int code;

	totals_add(t, &s->before);
	code = totals_code(t, 1);
	*e = s->err;
	if (code) {
		uint64_t bad = totals_failed_count(t) + t->skipped;

		err_set(&te, code, "%llu of %llu file%s not sent (see above)",
			(unsigned long long)bad,
			(unsigned long long)(bad + t->committed +
					     t->unchanged),
			bad == 1 ? "s was" : "s were");
		err_merge(e, &te);
	}
	if (!e->code && !s->has_summary)
		err_set(e, ERR_INTERNAL, "the session ended without a result");
	sum->code = e->code;
	totals_summary(t, sum);
	sum->wire_bytes = atomic_load(&s->wire_bytes);
	sum->resent_bytes = atomic_load(&s->resent_bytes);
	sum->seconds = (double)(clock_ns() - began_ns) / 1e9;
}

static int prepare(struct sender *s, struct err *e)
{
	uint8_t *zeros = calloc(1, TREE_LEAF);

	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->queue = queue_new();
	if (!zeros || s->wake_fd < 0 || !s->queue ||
	    pthread_mutex_init(&s->lock, NULL) ||
	    pthread_cond_init(&s->begun, NULL) ||
	    rate_limit_init(&s->rate_limit, s->cfg->limit_rate) ||
	    getrandom(s->session_id, sizeof(s->session_id), 0) !=
		    (ssize_t)sizeof(s->session_id)) {
		free(zeros);
		return err_sys(e, ERR_RESOURCE, "starting a session");
	}
	s->cfg->digest->sum(zeros, TREE_LEAF, s->zero_digest);
	free(zeros);
	return 0;
}

static int check_stdin_name(const struct send_config *cfg, struct err *e)
{
	const char *why;

	if (cfg->stdin_fd < 0)
		return 0;
	why = name_check(cfg->stdin_name, strlen(cfg->stdin_name));
	if (why)
		return err_set(e, ERR_USAGE, "--name: %s", why);
	return 0;
}

/*
 * From here on only the sources are read, and only the receiver is connected
 * to.  Links that are followed, or a source that is one, may lead anywhere.
 */
static int confine(struct sender *s, struct err *e)
{
	const struct send_config *cfg = s->cfg;
	const unsigned count = cfg->scan ? scan_root_count(cfg->scan) : 0;
	int *fds = calloc(count + 1, sizeof(*fds));
	struct sandbox_sources src = {
		.fds = fds,
		.anywhere = cfg->follow_links,
		.port = cfg->dest.port,
	};
	char text[SANDBOX_TEXT_MAX];
	int rc;

	if (cfg->sandbox == SANDBOX_OFF) {
		free(fds);
		return 0;
	}
	if (!fds)
		return err_set(e, ERR_RESOURCE, "out of memory");
	for (unsigned i = 0; i < count; i++) {
		fds[src.count++] = scan_root_fd(cfg->scan, i);
		/* files of one directory share its descriptor */
		if (i > 0 && fds[src.count - 1] == fds[src.count - 2])
			src.count--;
		if (scan_root_follow(cfg->scan, i))
			src.anywhere = 1;
	}
	rc = sandbox_sender(&src, text, e);
	if (rc == 0)
		sender_message(s, SESSION_VERBOSE, "%s", text);
	free(fds);
	return rc;
}

static int start_scanner(struct sender *s)
{
	struct err e;

	if (pthread_create(&s->scanner, NULL, sender_scan_main, s) == 0)
		return 0;
	err_set(&e, ERR_RESOURCE, "cannot start a thread");
	sender_fail(s, &e);
	return -1;
}

/* One session, from connecting to the end. */
static void run_session(struct sender *s)
{
	struct err e;

	if (start_stream(s, 0)) {
		err_set(&e, ERR_RESOURCE, "cannot start a thread");
		sender_fail(s, &e);
	}
	control(s);
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		if (s->streams[i].is_started)
			pthread_join(s->streams[i].thread, NULL);
		s->streams[i].is_started = 0;
	}
}

/* ---- another session after one that was lost ---- */

struct retry {
	uint64_t until_ms;
	uint64_t wait_ms;
	int has_connected;
	int is_told; /* that we try to connect */
	struct err unconfirmed; /* all was sent, and nothing since */
};

static int is_lost(int code)
{
	return err_is_lost(code) || code == ERR_CONNECT ||
	       code == ERR_UNCONFIRMED;
}

/* Whether to try again now; tells the user so. */
static int wants_retry(struct sender *s, struct retry *r)
{
	uint64_t now = clock_ms();
	int was_ready = s->is_ready;

	if (s->cfg->retry_ms == 0 || !is_lost(s->err.code) ||
	    sender_is_cancelled(s))
		return 0;
	/* Of the first session one cannot tell what became of it. */
	if (queue_has_progress(s->queue) || (was_ready && !r->has_connected)) {
		r->until_ms = now + s->cfg->retry_ms;
		r->wait_ms = BACKOFF_FIRST_MS;
	}
	r->has_connected |= was_ready;
	if (was_ready || s->err.code == ERR_UNCONFIRMED)
		err_clear(&r->unconfirmed);
	if (s->err.code == ERR_UNCONFIRMED)
		r->unconfirmed = s->err;
	if (now >= r->until_ms) {
		/* That it cannot be reached any more tells less. */
		if (r->unconfirmed.code)
			s->err = r->unconfirmed;
		return 0;
	}
	if (!queue_can_restart(s->queue)) {
		err_prefix(&s->err, "what was read of standard input cannot be "
				    "read again");
		return 0;
	}
	sender_message(s, was_ready || !r->is_told ? SESSION_WARNING :
						     SESSION_VERBOSE,
		       "%s; trying again for %llu s", s->err.text,
		       (unsigned long long)((r->until_ms - now + 999) / 1000));
	r->is_told = !was_ready;
	return 1;
}

/* Wait, not always for the same time, lest many come back at once.  Returns
 * whether the user did not stop it. */
static int back_off(struct sender *s, struct retry *r)
{
	struct pollfd pfd = { .fd = s->cfg->cancel_fd, .events = POLLIN };
	uint32_t random = 0;
	uint64_t ms = r->wait_ms;

	if (getrandom(&random, sizeof(random), 0) < 0)
		random = 0;
	ms = ms / 2 + random % (ms + 1);
	r->wait_ms *= 2;
	if (r->wait_ms > BACKOFF_MAX_MS)
		r->wait_ms = BACKOFF_MAX_MS;
	if (clock_ms() + ms > r->until_ms)
		ms = (uint64_t)clock_left_ms(r->until_ms);
	if (poll(&pfd, 1, (int)ms) <= 0)
		return 1;
	cancel(s);
	return 0;
}

/* Modes and times of directories are set when a session ends: the new one has
 * to be told of all of them again. */
static void scan_dirs_again(struct sender *s)
{
	int over;

	if (atomic_load(&s->done_dirs) == 0)
		return;
	pthread_mutex_lock(&s->lock);
	over = s->scan_done;
	s->dirs_again = 1;
	s->scan_done = 0;
	pthread_mutex_unlock(&s->lock);
	if (!over)
		return;
	pthread_join(s->scanner, NULL);
	queue_set_unscanned(s->queue);
	s->is_rescan = 1;
	s->has_scanner = start_scanner(s) == 0;
}

static void begin_anew(struct sender *s)
{
	queue_restart(s->queue);
	pthread_mutex_lock(&s->lock);
	totals_add(&s->before, &s->totals);
	memset(&s->totals, 0, sizeof(s->totals));
	err_clear(&s->err);
	s->is_connected = s->is_known = s->is_ready = s->has_failed = 0;
	cancel_reset(&s->stop);
	s->has_summary = 0;
	s->notes = 0;
	pthread_mutex_unlock(&s->lock);
	atomic_store(&s->bytes, atomic_load(&s->done_bytes));
	scan_dirs_again(s);
}

static void run_threads(struct sender *s)
{
	struct retry r = {
		.until_ms = clock_ms() + s->cfg->retry_ms,
		.wait_ms = BACKOFF_FIRST_MS,
	};

	s->has_scanner = start_scanner(s) == 0;
	if (!s->has_scanner)
		return;
	run_session(s);
	while (wants_retry(s, &r) && back_off(s, &r)) {
		begin_anew(s);
		run_session(s);
	}
	/* Whatever ended the streams ends the scan as well. */
	queue_close(s->queue);
	if (s->has_scanner)
		pthread_join(s->scanner, NULL);
}

int send_run(const struct send_config *cfg, struct session_summary *summary,
	     struct err *e)
{
	struct sender *s = calloc(1, sizeof(*s));
	uint64_t began_ns = clock_ns();
	int rc;

	err_clear(e);
	memset(summary, 0, sizeof(*summary));
	if (!s)
		return err_set(e, ERR_RESOURCE, "out of memory");
	s->cfg = cfg;
	s->wake_fd = -1;
	if (cancel_init(&s->stop))
		rc = err_sys(e, ERR_RESOURCE, "starting a session");
	else
		rc = check_stdin_name(cfg, e);
	if (rc == 0)
		rc = prepare(s, e);
	if (rc == 0)
		rc = confine(s, e);
	if (rc == 0) {
		run_threads(s);
		show_progress(s);
		sum_up(s, began_ns, summary, e);
		rc = e->code;
	}
	summary->code = rc;
	if (cfg->events->summary)
		cfg->events->summary(cfg->events->ctx, 1, summary, e);
	queue_free(s->queue);
	io_close(&s->wake_fd);
	cancel_release(&s->stop);
	free(s);
	return rc;
}
