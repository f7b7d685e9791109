/*
 * Implements struct session_events.  Each event is formatted under one mutex,
 * so that messages and JSON lines of concurrent sessions have the same order.
 * Writers take the lines and wait for slow readers, so that the threads that
 * report events never do.
 */
#include "cmd/report.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/code.h"
#include "auth/pake.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "cmd/common.h"
#include "cmd/event_json.h"
#include "cmd/event_text.h"
#include "cmd/line_queue.h"
#include "cmd/progress.h"
#include "cmd/writer.h"

enum {
	/* allocated at start, so that an event that others wait for does not
	 * fail for lack of memory; only very long names need more */
	JSON_READY = 4096,
	DRAW_MS = 100,   /* between two progress lines on a terminal */
	PRINT_MS = 1000, /* and elsewhere */
};

static_assert((int)PROGRESS_LINE_MAX <= (int)WRITER_SHOWN_MAX,
	      "a progress line can be shown");

/* Who a session is with, from its beginning to its end. */
struct peer {
	struct peer *next;
	uint64_t number;
	char text[];
};

enum line_mode { LINE_NONE, LINE_REDRAWN, LINE_PRINTED };

struct report {
	/* set once */
	struct report_config cfg;
	struct session_events events;
	enum line_mode line_mode;
	char code[CODE_MAX]; /* empty: none to be shown */
	struct pake *pake;   /* or NULL */
	struct writer *messages;
	struct writer *json; /* NULL: no events; it may be that of messages */
	struct writer *list; /* NULL: no list of files */

	/* guarded by lock */
	pthread_mutex_t lock;
	struct buf line;      /* the JSON line in hand */
	int has_json;         /* until its writer fails */
	struct progress progress;
	uint64_t drawn_ms;
	struct peer *peers;
	uint64_t summaries;
	uint64_t lost;        /* messages that could not be kept */
	int has_lost_list;
};

/* ---- lines ---- */

/* Put a message, in which names and addresses are already escaped. */
__attribute__((format(printf, 2, 3)))
static int put_message(struct report *r, const char *fmt, ...)
{
	static const char prefix[] = "ferry: ";
	char line[sizeof(prefix) + EVENT_TEXT_MAX + 1];
	va_list ap;
	size_t len;

	memcpy(line, prefix, sizeof(prefix));
	va_start(ap, fmt);
	vsnprintf(line + sizeof(prefix) - 1, EVENT_TEXT_MAX, fmt, ap);
	va_end(ap);
	len = strlen(line);
	line[len++] = '\n';
	return writer_put(r->messages, WRITER_KEEP, line, len);
}

/* After messages were lost, say how many as soon as there is room again. */
static void tell_lost(struct report *r)
{
	if (r->lost &&
	    put_message(r, "%llu messages were dropped here: standard error "
			   "was not read, and there was no room left to keep "
			   "them",
			(unsigned long long)r->lost) == 0)
		r->lost = 0;
}

static void say(struct report *r, const char *text)
{
	tell_lost(r);
	if (put_message(r, "%s", text))
		r->lost++;
}

/* Not for EPIPE: the reader of the events has gone itself. */
static void say_no_json(struct report *r, const char *why)
{
	char text[EVENT_TEXT_MAX];

	snprintf(text, sizeof(text), "no more JSON events: %s", why);
	say(r, text);
}

/* Put the line in r->line.  The first failure ends the events, but not the
 * transfer. */
static void put_json(struct report *r, enum writer_loss loss)
{
	int rc;

	if (r->line.failed) {
		r->has_json = 0;
		say_no_json(r, "out of memory");
	} else {
		rc = writer_put(r->json, loss, (const char *)r->line.data,
				r->line.len);
		r->has_json = rc == 0;
		if (rc && rc != EPIPE)
			say_no_json(r, strerror(rc));
	}
	buf_reset(&r->line);
}

static void say_warning(struct report *r, const char *what)
{
	char text[EVENT_TEXT_MAX];

	snprintf(text, sizeof(text), "warning: %s", what);
	say(r, text);
}

static void warn_plain(struct report *r)
{
	if (r->cfg.security == SECURITY_PLAIN && !r->cfg.quiet)
		say_warning(r, "--plain: anyone on the network can read and "
			       "change the data");
}

/* The session number in events; 0, for none, in those of a sender. */
static uint64_t number_of(const struct report *r, uint64_t number)
{
	return r->cfg.is_sender ? 0 : number;
}

/* ---- sessions and their peers ---- */

static void add_peer(struct report *r, uint64_t number, const char *text)
{
	const size_t size = strlen(text) + 1;
	struct peer *p = malloc(sizeof(*p) + size);

	/* if this fails, messages lack the address */
	if (!p)
		return;
	p->number = number;
	memcpy(p->text, text, size);
	p->next = r->peers;
	r->peers = p;
}

/* Take the session's peer off the list; the caller frees it.  NULL if there
 * is none. */
static struct peer *take_peer(struct report *r, uint64_t number)
{
	struct peer **at = &r->peers, *p;

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	p = *at;
	if (p)
		*at = p->next;
	return p;
}

/* ---- events ---- */

/* The address alone of "ADDR", "ADDR:PORT" or "[ADDR]:PORT". */
static size_t address_part(const char **address)
{
	const char *colon = strchr(*address, ':');

	if (**address == '[') {
		++*address;
		return strcspn(*address, "]");
	}
	if (colon && !strchr(colon + 1, ':'))
		return (size_t)(colon - *address);
	return strlen(*address);
}

/* Shown even with -q: without the code nobody can send. */
static void tell_code(struct report *r, const char *address, size_t len,
		      uint16_t port)
{
	char text[EVENT_TEXT_MAX];

	if (!r->cfg.quiet)
		say(r, event_text_invitation(text, address, len, port));
	snprintf(text, sizeof(text), "one-time code:     %s", r->code);
	say(r, text);
	if (r->has_json) {
		event_json_code(&r->line, r->code);
		put_json(r, WRITER_KEEP);
	}
}

static void on_listening(void *ctx, const char *address, uint16_t port)
{
	struct report *r = ctx;
	const size_t len = address_part(&address);
	char text[EVENT_TEXT_MAX];

	pthread_mutex_lock(&r->lock);
	if (!r->cfg.quiet) {
		say(r, event_text_listening(text, r->cfg.dir, address, len,
					    port, r->cfg.security));
		warn_plain(r);
	}
	if (r->has_json) {
		event_json_listening(&r->line, address, len, port);
		put_json(r, WRITER_KEEP);
	}
	if (r->code[0])
		tell_code(r, address, len, port);
	pthread_mutex_unlock(&r->lock);
}

/* From here on other threads may wait for one that reports an event, so a slow
 * reader must not block it.  A preview never gets here: it has no other
 * threads, and its list is written directly. */
static void on_started(void *ctx)
{
	struct report *r = ctx;

	writer_start(r->messages);
	if (r->json && r->json != r->messages)
		writer_start(r->json);
}

static void on_session(void *ctx, uint64_t number, const char *peer,
		       const char *security)
{
	struct report *r = ctx;
	char who[EVENT_TEXT_SHOWN_MAX], words[PAKE_VERIFY_MAX];
	char text[EVENT_TEXT_MAX];
	int has_words;

	pthread_mutex_lock(&r->lock);
	has_words = r->pake && pake_verify(r->pake, words) == 0;
	text_escape(who, sizeof(who), peer, strlen(peer));
	add_peer(r, number, who);
	if (r->cfg.is_sender)
		warn_plain(r);
	if (r->cfg.is_sender)
		snprintf(text, sizeof(text), "connected to %s (%s)", who,
			 event_text_security(r->cfg.security));
	else
		snprintf(text, sizeof(text), "session %llu from %s began",
			 (unsigned long long)number, who);
	if (r->cfg.verbose)
		say(r, text);
	snprintf(text, sizeof(text), "to verify: %s (if the other side shows "
		 "other words, somebody is in between)",
		 has_words ? words : "");
	if (r->cfg.verbose && has_words)
		say(r, text);
	if (r->has_json) {
		event_json_session(&r->line, number_of(r, number), peer,
				   security, has_words ? words : NULL);
		put_json(r, WRITER_KEEP);
	}
	pthread_mutex_unlock(&r->lock);
}

/* Redrawn in place on a terminal, else printed as a line. */
static void show_progress(struct report *r, uint64_t now_ms,
			  const struct session_progress *p)
{
	const int redrawn = r->line_mode == LINE_REDRAWN;
	char text[PROGRESS_LINE_MAX + 1];
	size_t len;

	/* even if it is not shown: this also records a sample for the rate */
	progress_text(&r->progress, now_ms, p, text, PROGRESS_LINE_MAX);
	if (now_ms - r->drawn_ms < (redrawn ? DRAW_MS : PRINT_MS) &&
	    r->drawn_ms)
		return;
	r->drawn_ms = now_ms;
	if (redrawn) {
		writer_show(r->messages, text);
		return;
	}
	len = strlen(text);
	text[len++] = '\n';
	(void)writer_put(r->messages, WRITER_MAY_DROP, text, len);
}

static void on_progress(void *ctx, const struct session_progress *p)
{
	struct report *r = ctx;

	pthread_mutex_lock(&r->lock);
	if (r->line_mode != LINE_NONE)
		show_progress(r, clock_ms(), p);
	if (r->has_json) {
		event_json_progress(&r->line, p);
		put_json(r, WRITER_MAY_DROP);
	}
	pthread_mutex_unlock(&r->lock);
}

/* A line of a preview: goes to standard output. */
static void list_file(struct report *r, const struct session_file *f)
{
	char line[EVENT_TEXT_MAX + 1];
	size_t len;

	if (!r->list || r->has_lost_list)
		return;
	event_text_planned(line, f, r->cfg.verbose);
	len = strlen(line);
	line[len++] = '\n';
	r->has_lost_list = writer_put(r->list, WRITER_KEEP, line, len) != 0;
}

static int is_said(const struct report_config *cfg,
		   const struct session_file *f)
{
	if (f->status == STATUS_FAILED || cfg->verbose)
		return 1;
	if (cfg->quiet)
		return 0;
	/* a skipped file makes the sender's exit status 1, so the sender is
	 * told why */
	return f->status == STATUS_SKIPPED ? cfg->is_sender :
	       f->status == STATUS_COMMITTED && f->renamed_to;
}

static void on_file(void *ctx, uint64_t number, const struct session_file *f)
{
	struct report *r = ctx;
	char text[EVENT_TEXT_MAX];

	pthread_mutex_lock(&r->lock);
	if (f->is_planned)
		list_file(r, f);
	else if (is_said(&r->cfg, f))
		say(r, event_text_file(text, f, r->cfg.is_sender));
	if (r->has_json) {
		event_json_file(&r->line, number_of(r, number), f);
		put_json(r, WRITER_KEEP);
	}
	pthread_mutex_unlock(&r->lock);
}

static void on_message(void *ctx, enum session_level level, const char *text)
{
	struct report *r = ctx;

	pthread_mutex_lock(&r->lock);
	if (level == SESSION_ERROR)
		say(r, text);
	else if (level == SESSION_WARNING && !r->cfg.quiet)
		say_warning(r, text);
	else if (level == SESSION_VERBOSE && r->cfg.verbose)
		say(r, text);
	pthread_mutex_unlock(&r->lock);
}

static void say_sent(struct report *r, const struct session_summary *s)
{
	char text[EVENT_TEXT_MAX], peer[EVENT_TEXT_SHOWN_MAX];

	if (r->cfg.quiet || (s->code && !s->files))
		return;
	text_escape(peer, sizeof(peer), r->cfg.peer, strlen(r->cfg.peer));
	say(r, r->cfg.is_preview ? event_text_preview(text, s, peer) :
				   event_text_sent(text, s, peer));
}

static void say_received(struct report *r, uint64_t number, const char *peer,
			 const struct session_summary *s, const struct err *e)
{
	char text[EVENT_TEXT_MAX];
	const char *why = NULL;

	/* the caller prints the error of a single session */
	if (s->code && !r->cfg.is_single)
		why = e && e->text[0] ? e->text : err_name(s->code);
	if (why || (!r->cfg.quiet && (s->files || !s->code)))
		say(r, event_text_received(text, number, peer, s, why));
}

static void put_summary(struct report *r, uint64_t number,
			const struct session_summary *s, const struct err *e)
{
	if (!r->has_json)
		return;
	event_json_summary(&r->line, number_of(r, number), s, e);
	put_json(r, WRITER_KEEP);
}

static void on_summary(void *ctx, uint64_t number,
		       const struct session_summary *s, const struct err *e)
{
	struct report *r = ctx;
	struct peer *peer;

	pthread_mutex_lock(&r->lock);
	writer_show(r->messages, "");
	peer = take_peer(r, number);
	if (r->cfg.is_sender)
		say_sent(r, s);
	else
		say_received(r, number, peer ? peer->text : "?", s, e);
	put_summary(r, number, s, e);
	r->summaries++;
	free(peer);
	pthread_mutex_unlock(&r->lock);
}

/* ---- making and ending ---- */

/* In the background, the terminal belongs to another job. */
static int is_in_background(void)
{
	const pid_t owner = tcgetpgrp(STDERR_FILENO);

	return owner > 0 && owner != getpgrp();
}

static enum line_mode choose_line_mode(const struct report_config *cfg)
{
	const int is_terminal = isatty(STDERR_FILENO);

	if (cfg->progress == PROGRESS_NEVER)
		return LINE_NONE;
	if (cfg->progress == PROGRESS_ALWAYS)
		return is_terminal ? LINE_REDRAWN : LINE_PRINTED;
	return is_terminal && !cfg->quiet && !is_in_background() ?
	       LINE_REDRAWN : LINE_NONE;
}

/* Whether two descriptors refer to the same pipe, terminal or file. */
static int is_same_file(int a, int b)
{
	struct stat x, y;

	if (a == b)
		return 1;
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Returns 0, or -1 when out of memory. */
static int make_writers(struct report *r)
{
	const int json_fd = r->cfg.json_fd;
	const int shared = json_fd >= 0 &&
			   is_same_file(json_fd, STDERR_FILENO);

	r->messages = writer_new(STDERR_FILENO, shared);
	if (shared)
		/* as with 2>&1: events and messages stay in one order */
		r->json = r->messages;
	else if (json_fd >= 0)
		r->json = writer_new(json_fd, 1);
	r->has_json = json_fd >= 0;
	/* events on standard output replace the list */
	if (r->cfg.is_preview && json_fd != STDOUT_FILENO)
		r->list = writer_new(STDOUT_FILENO, 1);
	return r->messages && (json_fd < 0 || r->json) &&
	       (!r->cfg.is_preview || json_fd == STDOUT_FILENO || r->list) ?
	       0 : -1;
}

struct report *report_new(const struct report_config *cfg)
{
	struct report *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	if (pthread_mutex_init(&r->lock, NULL)) {
		free(r);
		return NULL;
	}
	r->cfg = *cfg;
	/* one line has the one-time code in it */
	buf_init_secret(&r->line, LINE_QUEUE_LINE_MAX);
	if (make_writers(r) < 0 || !buf_extend(&r->line, JSON_READY)) {
		report_free(r);
		return NULL;
	}
	buf_reset(&r->line);
	r->line_mode = choose_line_mode(cfg);
	r->events = (struct session_events){
		.started = on_started,
		.listening = on_listening,
		.session = on_session,
		.progress = on_progress,
		.file = on_file,
		.message = on_message,
		.summary = on_summary,
		.ctx = r,
	};
	return r;
}

const struct session_events *report_events(struct report *r)
{
	return &r->events;
}

void report_set_code(struct report *r, const char *code, struct pake *pake)
{
	if (code)
		snprintf(r->code, sizeof(r->code), "%s", code);
	r->pake = pake;
}

/* The events first, because their failure is reported as a message. */
static void end_writers(struct report *r, int cancel_fd)
{
	int rc = 0;

	if (r->json && r->json != r->messages)
		rc = writer_end(r->json, cancel_fd);
	pthread_mutex_lock(&r->lock);
	if (r->has_json && rc && rc != EPIPE && rc != ECANCELED)
		say_no_json(r, strerror(rc));
	r->has_json = 0;
	pthread_mutex_unlock(&r->lock);
	(void)writer_end(r->messages, cancel_fd);
	/* written directly now */
	tell_lost(r);
}

void report_end(struct report *r, int cancel_fd, int code, const struct err *e)
{
	const struct session_summary s = { .code = code };
	int missing;

	pthread_mutex_lock(&r->lock);
	missing = r->cfg.is_single ? r->summaries == 0 :
				     code != ERR_INTERRUPTED;
	writer_show(r->messages, "");
	if (code && missing)
		put_summary(r, 0, &s, e);
	pthread_mutex_unlock(&r->lock);
	end_writers(r, cancel_fd);
}

int report_lost_output(struct report *r)
{
	int lost;

	pthread_mutex_lock(&r->lock);
	lost = r->has_lost_list;
	pthread_mutex_unlock(&r->lock);
	return lost;
}

void report_free(struct report *r)
{
	struct peer *p, *next;

	if (!r)
		return;
	for (p = r->peers; p; p = next) {
		next = p->next;
		free(p);
	}
	writer_free(r->list);
	if (r->json != r->messages)
		writer_free(r->json);
	writer_free(r->messages);
	buf_release(&r->line);
	code_wipe(r->code);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
