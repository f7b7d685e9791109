/*
 * The implementer of struct session_events.  One mutex guards everything, and
 * each line goes out in one write(2), so lines of several sessions never mix;
 * stdio is not used, since its buffer would keep a line back or cut it.
 */
#include "cmd/report.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "cmd/common.h"
#include "cmd/json.h"
#include "cmd/progress.h"
#include "cmd/signals.h"
#include "auth/code.h"
#include "auth/pake.h"

enum {
	LINE_MAX_BYTES = 64 * 1024, /* a path of 4095 escaped bytes fits */
	/* allocated beforehand, lest somebody waits for ever for an event that
	 * there was no memory for: only very long names do not fit */
	JSON_READY = 4096,
	DRAW_MS = 100,    /* between two progress lines on a terminal */
	PRINT_MS = 1000,  /* and elsewhere */
	SHOWN_MAX = 1024, /* of a path in a message */
	AMOUNT_MAX = 160,
	COLUMNS = 80,     /* where the terminal does not tell */
};

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

	/* guarded by lock */
	pthread_mutex_t lock;
	int json_fd;          /* -1: none, or it failed */
	struct buf json;
	struct progress progress;
	uint64_t drawn_ms;
	int drawn_len;        /* columns of the progress line on the screen */
	struct peer *peers;
	uint64_t summaries;
	int has_lost_output;
};

/* Output */

/* Write all of a line; a reader that is slow is waited for. */
static int write_line(int fd, const void *p, size_t n)
{
	const char *from = p;

	while (n > 0) {
		struct pollfd pfd = { .fd = fd, .events = POLLOUT };
		const ssize_t did = write(fd, from, n);

		if (did > 0) {
			from += did;
			n -= (size_t)did;
		} else if (did < 0 && errno == EAGAIN) {
			poll(&pfd, 1, -1);
		} else if (did == 0 || errno != EINTR) {
			return -1;
		}
	}
	return 0;
}

/* Take the progress line off the screen: with spaces, which every terminal
 * understands. */
static void clear_line(struct report *r)
{
	char text[PROGRESS_LINE_MAX + 3];
	int n;

	if (r->drawn_len == 0)
		return;
	n = snprintf(text, sizeof(text), "\r%*s\r", r->drawn_len, "");
	write_line(STDERR_FILENO, text, (size_t)n);
	r->drawn_len = 0;
}

/* One message; what is foreign in it is escaped already. */
__attribute__((format(printf, 2, 3)))
static void say(struct report *r, const char *fmt, ...)
{
	static const char prefix[] = "ferry: ";
	char text[4096];
	va_list ap;
	size_t len;
	int n;

	memcpy(text, prefix, sizeof(prefix));
	va_start(ap, fmt);
	/* room for the newline stays */
	n = vsnprintf(text + sizeof(prefix) - 1,
		      sizeof(text) - sizeof(prefix), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	len = strlen(text);
	text[len++] = '\n';
	clear_line(r);
	write_line(STDERR_FILENO, text, len);
}

/* End the JSON line in r->json and write it.  The first failure is the end of
 * the events, but not of the transfer. */
static void json_send(struct report *r)
{
	json_end(&r->json);
	if (r->json.failed) {
		say(r, "no more JSON events: out of memory");
		r->json_fd = -1;
	} else if (write_line(r->json_fd, r->json.data, r->json.len) < 0) {
		/* a reader that went away knows it */
		if (errno != EPIPE)
			say(r, "no more JSON events: %s", strerror(errno));
		r->json_fd = -1;
	}
	buf_reset(&r->json);
}

static void json_session(struct report *r, uint64_t number)
{
	if (!r->cfg.is_sender && number)
		json_u64(&r->json, "session", number);
}

/* Texts */

/* The escaped form of a foreign text, SHOWN_MAX bytes at dst. */
static const char *shown(char *dst, const char *text, size_t n)
{
	return text_escape(dst, SHOWN_MAX, text, n);
}

static const char *security_text(enum security mode)
{
	switch (mode) {
	case SECURITY_PSK:
		return "TLS, shared key";
	case SECURITY_X509:
		return "TLS, certificates";
	case SECURITY_PIN:
		return "TLS, pinned public key";
	case SECURITY_CODE:
		return "TLS, one-time code";
	case SECURITY_PLAIN:
	case SECURITY_NONE:
		break;
	}
	return "not encrypted";
}

static void warn_plain(struct report *r)
{
	if (r->cfg.security == SECURITY_PLAIN && !r->cfg.quiet)
		say(r, "warning: --plain: anyone on the network can read and "
		       "change the data");
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void seconds_text(char *dst, size_t size, double s)
{
	if (s < 0.1)
		snprintf(dst, size, "%.0f ms", s * 1000);
	else if (s < 60)
		snprintf(dst, size, "%.1f s", s);
	else
		snprintf(dst, size, "%.0f min %02.0f s", (double)(long)(s / 60),
			 (double)((long)s % 60));
}

/* "3 files, 1.2 GiB in 4.1 s (300.0 MiB/s)".  What was there already was not
 * sent, so no rate is given then. */
static void amount_text(char *dst, size_t size,
			const struct session_summary *s)
{
	char bytes[32], time[32], rate[32], speed[48] = "";

	text_size(bytes, sizeof(bytes), (double)s->bytes);
	seconds_text(time, sizeof(time), s->seconds);
	if (s->unchanged == 0 && s->bytes > 0 && s->seconds > 0) {
		text_size(rate, sizeof(rate), (double)s->bytes / s->seconds);
		snprintf(speed, sizeof(speed), " (%s/s)", rate);
	}
	snprintf(dst, size, "%llu file%s, %s in %s%s",
		 (unsigned long long)s->files, plural(s->files), bytes, time,
		 speed);
}

/* ", 2 unchanged, 1 skipped, 1 failed": what there is of it. */
static void rest_text(char *dst, size_t size, const struct session_summary *s)
{
	const struct {
		uint64_t n;
		const char *what;
	} parts[] = {
		{ s->unchanged, "unchanged" },
		{ s->skipped, "skipped" },
		{ s->failed, "failed" },
	};
	size_t used = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].n && used < size)
			used += (size_t)snprintf(dst + used, size - used,
						 ", %llu %s",
						 (unsigned long long)parts[i].n,
						 parts[i].what);
	}
}

/* Sessions and their peers */

static void add_peer(struct report *r, uint64_t number, const char *text)
{
	const size_t size = strlen(text) + 1;
	struct peer *p = malloc(sizeof(*p) + size);

	/* without memory a message will lack the address, no more */
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

/* Events */

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

/* Where the other side can reach us, as far as we know: our address, or our
 * name where we listen on all of them. */
static void show_host(char *dst, size_t size, const char *address, size_t len,
		      uint16_t port)
{
	char host[HOST_NAME_MAX + 1] = "", shown_host[SHOWN_MAX], port_text[8];
	int any = (len == 2 && memcmp(address, "::", 2) == 0) ||
		  (len == 7 && memcmp(address, "0.0.0.0", 7) == 0);
	int is_v6;

	if (any && gethostname(host, sizeof(host) - 1) == 0 && host[0]) {
		address = host;
		len = strlen(host);
	}
	is_v6 = memchr(address, ':', len) != NULL;
	snprintf(port_text, sizeof(port_text), ":%u", (unsigned)port);
	if (port == FERRY_PORT)
		port_text[0] = '\0';
	shown(shown_host, address, len);
	snprintf(dst, size, is_v6 && port_text[0] ? "[%s]%s" : "%s%s",
		 shown_host, port_text);
}

/* Shown also with -q: without it the receiver would be of no use. */
static void tell_code(struct report *r, const char *address, size_t len,
		      uint16_t port)
{
	char host[SHOWN_MAX + 16];

	show_host(host, sizeof(host), address, len, port);
	if (!r->cfg.quiet)
		say(r, "on the other host: ferry send PATH... %s", host);
	say(r, "and the code is:   %s", r->code);
	if (r->json_fd >= 0) {
		json_begin(&r->json, "code");
		json_text(&r->json, "code", r->code, strlen(r->code));
		json_send(r);
	}
}

static void on_listening(void *ctx, const char *address, uint16_t port)
{
	struct report *r = ctx;
	char dir[SHOWN_MAX], addr[SHOWN_MAX];
	const size_t len = address_part(&address);
	const int is_v6 = memchr(address, ':', len) != NULL;

	pthread_mutex_lock(&r->lock);
	if (!r->cfg.quiet) {
		if (r->cfg.dir)
			shown(dir, r->cfg.dir, strlen(r->cfg.dir));
		say(r, "receiving %s %s on %s%s%s:%u (%s)",
		    r->cfg.dir ? "into" : "to",
		    r->cfg.dir ? dir : "standard output", is_v6 ? "[" : "",
		    shown(addr, address, len), is_v6 ? "]" : "",
		    (unsigned)port, security_text(r->cfg.security));
		warn_plain(r);
	}
	if (r->json_fd >= 0) {
		json_begin(&r->json, "listening");
		json_text(&r->json, "address", address, len);
		json_u64(&r->json, "port", port);
		json_send(r);
	}
	if (r->code[0])
		tell_code(r, address, len, port);
	pthread_mutex_unlock(&r->lock);
}

/* The words of verification, where there are some. */
static void add_verify(struct report *r)
{
	char words[PAKE_VERIFY_MAX];

	if (!r->pake || pake_verify(r->pake, words) < 0)
		return;
	if (r->cfg.verbose)
		say(r, "to verify: %s (the other side shows the same words, "
		       "or somebody stands in between)", words);
	if (r->json_fd >= 0)
		json_text(&r->json, "verify", words, strlen(words));
}

static void on_session(void *ctx, uint64_t number, const char *peer,
		       const char *security)
{
	struct report *r = ctx;
	char text[SHOWN_MAX];

	pthread_mutex_lock(&r->lock);
	shown(text, peer, strlen(peer));
	add_peer(r, number, text);
	if (r->cfg.is_sender)
		warn_plain(r);
	if (r->cfg.verbose && r->cfg.is_sender)
		say(r, "connected to %s (%s)", text,
		    security_text(r->cfg.security));
	else if (r->cfg.verbose)
		say(r, "session %llu from %s began",
		    (unsigned long long)number, text);
	if (r->json_fd >= 0) {
		json_begin(&r->json, "session");
		json_session(r, number);
		json_text(&r->json, "peer", peer, strlen(peer));
		json_text(&r->json, "security", security, strlen(security));
	}
	add_verify(r);
	if (r->json_fd >= 0)
		json_send(r);
	pthread_mutex_unlock(&r->lock);
}

static int terminal_width(void)
{
	struct winsize w;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col < 2)
		return COLUMNS;
	return w.ws_col;
}

/* On a terminal in place, else as a line of its own. */
static void show_line(struct report *r, uint64_t now_ms,
		      const struct session_progress *p)
{
	const int redrawn = r->line_mode == LINE_REDRAWN;
	char line[PROGRESS_LINE_MAX], out[2 * PROGRESS_LINE_MAX];
	int width, pad, n;

	progress_text(&r->progress, now_ms, p, line, sizeof(line));
	if (now_ms - r->drawn_ms < (redrawn ? DRAW_MS : PRINT_MS) &&
	    r->drawn_ms)
		return;
	r->drawn_ms = now_ms;
	if (!redrawn) {
		n = snprintf(out, sizeof(out), "%s\n", line);
		write_line(STDERR_FILENO, out, (size_t)n);
		return;
	}
	/* in the last column the cursor would go to the next line */
	width = terminal_width() - 1;
	if (width < (int)strlen(line))
		line[width] = '\0';
	width = (int)strlen(line);
	pad = r->drawn_len > width ? r->drawn_len - width : 0;
	n = snprintf(out, sizeof(out), "\r%s%*s", line, pad, "");
	write_line(STDERR_FILENO, out, (size_t)n);
	r->drawn_len = width;
}

static void on_progress(void *ctx, const struct session_progress *p)
{
	struct report *r = ctx;

	pthread_mutex_lock(&r->lock);
	if (r->line_mode != LINE_NONE)
		show_line(r, clock_ms(), p);
	if (r->json_fd >= 0) {
		json_begin(&r->json, "progress");
		json_u64(&r->json, "bytes", p->bytes);
		json_u64(&r->json, "total_bytes", p->total_bytes);
		json_u64(&r->json, "files", p->files);
		json_u64(&r->json, "total_files", p->total_files);
		json_send(r);
	}
	pthread_mutex_unlock(&r->lock);
}

static const char *status_name(enum file_status status)
{
	switch (status) {
	case STATUS_COMMITTED:
		return "committed";
	case STATUS_UNCHANGED:
		return "unchanged";
	case STATUS_SKIPPED:
		return "skipped";
	case STATUS_FAILED:
		break;
	}
	return "failed";
}

/* A line of a preview: output, and no message.  Events take its place where
 * they go to standard output. */
static void list_file(struct report *r, const struct session_file *f)
{
	char name[SHOWN_MAX], size[32], line[SHOWN_MAX + 64];
	int n;

	if (r->json_fd == STDOUT_FILENO || r->has_lost_output)
		return;
	shown(name, f->name, f->name_len);
	text_size(size, sizeof(size), (double)f->size);
	n = r->cfg.verbose ?
		    snprintf(line, sizeof(line), "%s (%s)\n", name, size) :
		    snprintf(line, sizeof(line), "%s\n", name);
	if (write_line(STDOUT_FILENO, line, (size_t)n) < 0)
		r->has_lost_output = 1;
}

static void say_file(struct report *r, const struct session_file *f)
{
	char name[SHOWN_MAX], other[SHOWN_MAX], size[32];

	if (f->is_planned) {
		list_file(r, f);
		return;
	}
	if (f->status == STATUS_FAILED && f->error) {
		say(r, "%s", f->error);
		return;
	}
	shown(name, f->name, f->name_len);
	if (f->renamed_to && f->status == STATUS_COMMITTED &&
	    !r->cfg.quiet) {
		shown(other, f->renamed_to, strlen(f->renamed_to));
		say(r, "%s: exists already; committed as %s", name, other);
		return;
	}
	if (f->status == STATUS_FAILED) {
		say(r, "%s: failed", name);
	} else if (f->status == STATUS_SKIPPED) {
		/* the sender asked for it: it is one of those that make the
		 * exit status 1 */
		if (r->cfg.verbose || (r->cfg.is_sender && !r->cfg.quiet))
			say(r, "%s: skipped%s", name,
			    r->cfg.is_sender ? " by the receiver" : "");
	} else if (r->cfg.verbose) {
		say(r, "%s: %s (%s)", name, status_name(f->status),
		    text_size(size, sizeof(size), (double)f->size));
	}
}

static void on_file(void *ctx, uint64_t number, const struct session_file *f)
{
	struct report *r = ctx;
	char digest[DIGEST_TEXT_MAX];
	const char *status = f->is_planned ? "planned" :
					     status_name(f->status);

	pthread_mutex_lock(&r->lock);
	say_file(r, f);
	if (r->json_fd >= 0) {
		json_begin(&r->json, "file");
		json_session(r, number);
		json_bytes(&r->json, "path", f->name, f->name_len);
		json_u64(&r->json, "size", f->size);
		json_text(&r->json, "status", status, strlen(status));
		if (f->digest_ops && f->digest) {
			digest_text(digest, f->digest_ops, f->digest);
			json_text(&r->json, "digest", digest, strlen(digest));
		}
		if (f->renamed_to)
			json_bytes(&r->json, "renamed_to", f->renamed_to,
				   strlen(f->renamed_to));
		if (f->error)
			json_text(&r->json, "error", f->error,
				  strlen(f->error));
		json_send(r);
	}
	pthread_mutex_unlock(&r->lock);
}

static void on_message(void *ctx, enum session_level level, const char *text)
{
	struct report *r = ctx;

	pthread_mutex_lock(&r->lock);
	if (level == SESSION_ERROR)
		say(r, "%s", text);
	else if (level == SESSION_WARNING && !r->cfg.quiet)
		say(r, "warning: %s", text);
	else if (level == SESSION_VERBOSE && r->cfg.verbose)
		say(r, "%s", text);
	pthread_mutex_unlock(&r->lock);
}

static void say_sent(struct report *r, const struct session_summary *s)
{
	char amount[AMOUNT_MAX], rest[AMOUNT_MAX], peer[SHOWN_MAX];

	if (r->cfg.quiet || (s->code && !s->files))
		return;
	amount_text(amount, sizeof(amount), s);
	rest_text(rest, sizeof(rest), s);
	shown(peer, r->cfg.peer, strlen(r->cfg.peer));
	if (r->cfg.is_preview) {
		say(r, "would send %llu file%s, %s, to %s%s",
		    (unsigned long long)s->files, plural(s->files),
		    text_size(amount, sizeof(amount), (double)s->bytes), peer,
		    rest);
		return;
	}
	/* "all" is a promise: it takes a whole success */
	say(r, "sent %s, %scommitted by %s%s", amount, s->code ? "" : "all ",
	    peer, rest);
}

static void say_received(struct report *r, uint64_t number, const char *peer,
			 const struct session_summary *s, const struct err *e)
{
	char amount[AMOUNT_MAX], rest[AMOUNT_MAX];
	const unsigned long long n = number;
	const char *why = e && e->text[0] ? e->text : err_name(s->code);

	amount_text(amount, sizeof(amount), s);
	rest_text(rest, sizeof(rest), s);
	if (s->code && !r->cfg.is_single && s->files)
		say(r, "session %llu from %s: %s (received %s%s)", n, peer,
		    why, amount, rest);
	else if (s->code && !r->cfg.is_single)
		say(r, "session %llu from %s: %s", n, peer, why);
	else if (!r->cfg.quiet && (s->files || !s->code))
		say(r, "session %llu from %s: received %s%s", n, peer, amount,
		    rest);
}

static void json_summary(struct report *r, uint64_t number,
			 const struct session_summary *s, const struct err *e)
{
	struct buf *b = &r->json;

	json_begin(b, "summary");
	json_session(r, number);
	json_u64(b, "exit", (uint64_t)signals_exit_status(s->code));
	json_u64(b, "files", s->files);
	json_u64(b, "bytes", s->bytes);
	json_u64(b, "wire_bytes", s->wire_bytes);
	json_u64(b, "resent_bytes", s->resent_bytes);
	json_seconds(b, "seconds", s->seconds);
	json_u64(b, "unchanged", s->unchanged);
	json_u64(b, "skipped", s->skipped);
	json_u64(b, "failed", s->failed);
	if (s->code && e && e->text[0])
		json_text(b, "error", e->text, strlen(e->text));
	json_send(r);
}

static void on_summary(void *ctx, uint64_t number,
		       const struct session_summary *s, const struct err *e)
{
	struct report *r = ctx;
	struct peer *peer;

	pthread_mutex_lock(&r->lock);
	clear_line(r);
	peer = take_peer(r, number);
	if (r->cfg.is_sender)
		say_sent(r, s);
	else
		say_received(r, number, peer ? peer->text : "?", s, e);
	if (r->json_fd >= 0)
		json_summary(r, number, s, e);
	r->summaries++;
	free(peer);
	pthread_mutex_unlock(&r->lock);
}

/* Making and ending */

/* A shell that put us in the background keeps the terminal for others. */
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
	r->json_fd = cfg->json_fd;
	buf_init(&r->json, LINE_MAX_BYTES);
	if (!buf_extend(&r->json, JSON_READY)) {
		pthread_mutex_destroy(&r->lock);
		free(r);
		return NULL;
	}
	buf_reset(&r->json);
	r->line_mode = choose_line_mode(cfg);
	r->events = (struct session_events){
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

void report_end(struct report *r, int code, const struct err *e)
{
	const struct session_summary s = { .code = code };
	int missing;

	pthread_mutex_lock(&r->lock);
	clear_line(r);
	missing = r->cfg.is_single ? r->summaries == 0 :
				     code != ERR_INTERRUPTED;
	if (code && missing && r->json_fd >= 0)
		json_summary(r, 0, &s, e);
	pthread_mutex_unlock(&r->lock);
}

int report_lost_output(struct report *r)
{
	int lost;

	pthread_mutex_lock(&r->lock);
	lost = r->has_lost_output;
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
	buf_release_secret(&r->json);
	code_wipe(r->code);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
