/*
 * One writer for each output, or one for messages and events where both go to
 * the same file.
 */
#include "cmd/outputs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "cmd/charset.h"
#include "cmd/event_text.h"
#include "cmd/json.h"
#include "cmd/line_queue.h"
#include "cmd/style.h"
#include "os/service.h"

enum {
	/* allocated at start, so that an event that others wait for does not
	 * fail for lack of memory; only very long names need more */
	JSON_READY = 4096,
	HOST_SHOWN_MAX = 70,
};

struct outputs {
	struct writer *messages;
	struct writer *json; /* NULL: no events; it may be that of messages */
	struct writer *list; /* NULL: no list of files */
	char host[HOST_SHOWN_MAX]; /* what messages begin with, or "" */
	struct buf line;     /* the JSON line that is being put together */
	int has_json;        /* until its writer fails */
	uint64_t lost;       /* messages that could not be kept */
	int has_lost_list;
	int to_journal;      /* messages are: with their priority */
	int is_styled;       /* messages are: see style.h */
	int messages_ascii, list_ascii, json_ascii; /* see charset.h */
	struct buf ascii;    /* the JSON line where that is so */
};

/* Whether two descriptors refer to the same pipe, terminal or file. */
static int is_same_file(int a, int b)
{
	struct stat x, y;

	if (a == b)
		return 1;
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

struct outputs *outputs_new(int json_fd, int has_list)
{
	const int is_shared = json_fd >= 0 &&
			      is_same_file(json_fd, STDERR_FILENO);
	struct outputs *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	/* one line has the one-time code in it */
	buf_init_secret(&o->line, LINE_QUEUE_LINE_MAX);
	o->messages = writer_new(STDERR_FILENO, is_shared);
	/* as with 2>&1: events and messages stay in one order */
	if (is_shared)
		o->json = o->messages;
	else if (json_fd >= 0)
		o->json = writer_new(json_fd, 1);
	o->has_json = json_fd >= 0;
	o->to_journal = service_is_journal(STDERR_FILENO);
	o->json_ascii = json_fd >= 0 && charset_is_ascii(json_fd);
	buf_init_secret(&o->ascii, LINE_QUEUE_LINE_MAX);
	o->is_styled = style_is_used(STDERR_FILENO);
	o->messages_ascii = charset_is_ascii(STDERR_FILENO);
	o->list_ascii = charset_is_ascii(STDOUT_FILENO);
	/* events on standard output replace the list */
	has_list = has_list && json_fd != STDOUT_FILENO;
	if (has_list)
		o->list = writer_new(STDOUT_FILENO, 1);
	if (!o->messages || (json_fd >= 0 && !o->json) ||
	    (has_list && !o->list) || !buf_extend(&o->line, JSON_READY)) {
		outputs_free(o);
		return NULL;
	}
	buf_reset(&o->line);
	return o;
}

void outputs_free(struct outputs *o)
{
	if (!o)
		return;
	writer_free(o->list);
	if (o->json != o->messages)
		writer_free(o->json);
	writer_free(o->messages);
	buf_release(&o->ascii);
	buf_release(&o->line);
	free(o);
}

void outputs_name_host(struct outputs *o, const char *host)
{
	char shown[HOST_SHOWN_MAX - 2];

	text_escape(shown, sizeof(shown), host, strlen(host));
	snprintf(o->host, sizeof(o->host), "%s: ", shown);
}

void outputs_start(struct outputs *o)
{
	writer_start(o->messages);
	if (o->json && o->json != o->messages)
		writer_start(o->json);
	if (o->list)
		writer_start(o->list);
}

/* ---- messages ---- */

/* What begins and ends a style, or nothing. */
static const char *begin_style(const struct outputs *o, enum style style)
{
	return o->is_styled ? style_begin(style) : "";
}

static const char *end_style(const struct outputs *o)
{
	return o->is_styled ? STYLE_END : "";
}

__attribute__((format(printf, 3, 4)))
static int put_message(struct outputs *o, int priority, const char *fmt, ...)
{
	const int is_error = priority <= SERVICE_ERROR;
	char prefix[24], line[sizeof(prefix) + EVENT_TEXT_MAX + 1];
	char text[EVENT_TEXT_MAX];
	const size_t used = strlen(o->host);
	va_list ap;
	size_t len;

	memcpy(text, o->host, used);
	va_start(ap, fmt);
	vsnprintf(text + used, sizeof(text) - used, fmt, ap);
	va_end(ap);
	if (o->to_journal)
		snprintf(prefix, sizeof(prefix), "<%d>ferry: ", priority);
	else
		snprintf(prefix, sizeof(prefix), "%sferry:%s ",
			 is_error ? begin_style(o, STYLE_ERROR) : "",
			 is_error ? end_style(o) : "");
	len = strlen(prefix);
	memcpy(line, prefix, len);
	if (o->messages_ascii)
		charset_to_ascii(line + len, EVENT_TEXT_MAX, text);
	else
		memcpy(line + len, text, strlen(text) + 1);
	len = strlen(line);
	line[len++] = '\n';
	return writer_put(o->messages, WRITER_KEEP, line, len);
}

/* After messages were lost, say how many as soon as there is room again. */
static void tell_lost(struct outputs *o)
{
	if (o->lost &&
	    put_message(o, SERVICE_WARNING,
			"%llu messages were dropped here: standard error "
			   "was not read, and there was no room left to keep "
			   "them",
			(unsigned long long)o->lost) == 0)
		o->lost = 0;
}

void outputs_say(struct outputs *o, const char *text)
{
	tell_lost(o);
	if (put_message(o, SERVICE_INFO, "%s", text))
		o->lost++;
}

void outputs_warn(struct outputs *o, const char *text)
{
	tell_lost(o);
	if (put_message(o, SERVICE_WARNING, "%swarning:%s %s",
			begin_style(o, STYLE_WARNING), end_style(o), text))
		o->lost++;
}

void outputs_fail(struct outputs *o, const char *text)
{
	tell_lost(o);
	if (put_message(o, SERVICE_ERROR, "%s", text))
		o->lost++;
}

void outputs_say_code(struct outputs *o, const char *code)
{
	tell_lost(o);
	if (put_message(o, SERVICE_INFO, "one-time code:     %s%s%s",
			begin_style(o, STYLE_CODE), code, end_style(o)))
		o->lost++;
}

/* ---- events ---- */

struct buf *outputs_json(struct outputs *o)
{
	return o->has_json ? &o->line : NULL;
}

/* Not for EPIPE: then the reader of the events has gone by itself. */
static void say_no_json(struct outputs *o, const char *why)
{
	char text[EVENT_TEXT_MAX];

	snprintf(text, sizeof(text), "no more JSON events: %s", why);
	outputs_say(o, text);
}

void outputs_put_json(struct outputs *o, enum writer_loss loss)
{
	struct buf *line = &o->line;
	int rc;

	if (o->json_ascii && !line->failed) {
		line = &o->ascii;
		json_to_ascii(line, o->line.data, o->line.len);
	}
	if (line->failed) {
		o->has_json = 0;
		say_no_json(o, "out of memory");
	} else {
		rc = writer_put(o->json, loss, (const char *)line->data,
				line->len);
		o->has_json = rc == 0;
		if (rc && rc != EPIPE)
			say_no_json(o, strerror(rc));
	}
	buf_reset(&o->line);
	buf_reset(&o->ascii);
}

/* ---- the list, progress ---- */

void outputs_list(struct outputs *o, const char *text)
{
	char line[EVENT_TEXT_MAX + 1], ascii[EVENT_TEXT_MAX];
	int n;

	if (!o->list || o->has_lost_list)
		return;
	if (o->list_ascii)
		text = charset_to_ascii(ascii, sizeof(ascii), text);
	n = snprintf(line, sizeof(line), "%s\n", text);
	o->has_lost_list =
		writer_put(o->list, WRITER_KEEP, line, (size_t)n) != 0;
}

int outputs_end_list(struct outputs *o, int cancel_fd)
{
	const int rc = o->list ? writer_end(o->list, cancel_fd) : 0;

	o->has_lost_list |= rc && rc != ECANCELED;
	return o->has_lost_list;
}

void outputs_draw_progress(struct outputs *o, const char *text)
{
	writer_show(o->messages, text);
}

void outputs_print_progress(struct outputs *o, const char *text)
{
	char line[WRITER_SHOWN_MAX + 1];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	(void)writer_put(o->messages, WRITER_MAY_DROP, line, (size_t)n);
}

void outputs_settle(struct outputs *o)
{
	writer_settle(o->messages);
}

unsigned outputs_columns(const struct outputs *o)
{
	return writer_columns(o->messages);
}

unsigned outputs_rows(const struct outputs *o)
{
	return writer_rows(o->messages);
}

/* ---- the end ---- */

void outputs_end(struct outputs *o, int cancel_fd)
{
	int rc = 0;

	(void)outputs_end_list(o, cancel_fd);
	/* The events first, because their failure is reported as a message. */
	if (o->json && o->json != o->messages)
		rc = writer_end(o->json, cancel_fd);
	if (o->has_json && rc && rc != EPIPE && rc != ECANCELED)
		say_no_json(o, strerror(rc));
	o->has_json = 0;
	(void)writer_end(o->messages, cancel_fd);
	/* written directly now */
	tell_lost(o);
}
