/*
 * Implements struct session_events: what is said about each event, and to whom.
 * Each is formatted under one mutex, so that messages and JSON lines of
 * concurrent sessions have the same order.
 */
#include "cmd/report.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/code.h"
#include "auth/pake.h"
#include "base/clock.h"
#include "base/text.h"
#include "cmd/common.h"
#include "cmd/event_json.h"
#include "cmd/event_text.h"
#include "cmd/on_signal.h"
#include "cmd/outputs.h"
#include "cmd/peers.h"
#include "cmd/progress.h"
#include "cmd/progress_lines.h"
#include "cmd/repeats.h"
#include "cmd/told_sessions.h"
#include "cmd/writer.h"
#include "net/addr.h"
#include "net/local_addrs.h"

/* How often a receiver reports progress, for a terminal and for others. */
enum { DRAWN_MS = 100, NOTED_MS = 1000 };

struct report {
	/* set once */
	struct report_config cfg;
	struct session_events events;
	char code[CODE_MAX]; /* empty: none to be shown */
	struct local_addr addrs[LOCAL_ADDRS_MAX]; /* of this host, with a */
	unsigned addr_count;                      /* code to be shown */
	struct pake *pake;   /* or NULL */
	struct on_signal *on_signal; /* or NULL */

	/* guarded by lock */
	pthread_mutex_t lock;
	struct outputs *out;
	struct progress_lines *lines;
	struct peer *peers; /* of the sessions that there are, the newest first */
	uint64_t sessions;       /* that began */
	char listens[ADDR_TEXT_MAX + 8]; /* where, or "" */
	struct session_progress last; /* sender: of the latest event */
	struct repeats repeats; /* a sender's: of the whole transfer */
	struct told_sessions told; /* a sender's: other than the first */
	uint64_t summaries;
};

static void warn_plain(struct report *r)
{
	if (r->cfg.security == SECURITY_PLAIN && !r->cfg.quiet)
		outputs_warn(r->out, "--plain: anyone on the network can read "
				     "and change the data");
}

/* The session number in events; 0, for none, in those of a sender. */
static uint64_t number_of(const struct report *r, uint64_t number)
{
	return r->cfg.is_sender ? 0 : number;
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

/* What to type on the other host.  Where all addresses are listened on, those
 * of this host, the best one first. */
static void say_invitation(struct report *r, const char *address, size_t len,
			   uint16_t port)
{
	const int is_v4 = !memchr(address, ':', len);
	char text[EVENT_TEXT_MAX];
	unsigned count = r->addr_count;

	/* IPv6 addresses are not listened on then. */
	for (unsigned i = count; is_v4 && i-- > 0;) {
		if (strchr(r->addrs[i].address, ':'))
			memmove(r->addrs + i, r->addrs + i + 1,
				(--count - i) * sizeof(r->addrs[0]));
	}
	if (!event_text_is_any(address, len))
		count = 0;
	if (count > 0) {
		address = r->addrs[0].address;
		len = strlen(address);
	}
	outputs_say(r->out, event_text_invitation(text, address, len, port,
						  r->cfg.is_sender));
	if (count > 1)
		outputs_say(r->out, event_text_addresses(text, r->addrs + 1,
							 count - 1, port));
	if (event_text_is_loopback(address, len))
		return;
	snprintf(text, sizeof(text), "TCP port %u of this host must be open to "
		 "it", (unsigned)port);
	outputs_say(r->out, text);
}

/* Shown even with -q: without the code nobody can connect. */
static void tell_code(struct report *r)
{
	struct buf *json;

	outputs_say_code(r->out, r->code);
	json = outputs_json(r->out);
	if (json) {
		event_json_code(json, r->code);
		outputs_put_json(r->out, WRITER_KEEP);
	}
}

static void on_listening(void *ctx, const char *address, uint16_t port)
{
	struct report *r = ctx;
	const size_t len = address_part(&address);
	char text[EVENT_TEXT_MAX];
	struct buf *json;

	pthread_mutex_lock(&r->lock);
	snprintf(r->listens, sizeof(r->listens),
		 memchr(address, ':', len) ? "[%.*s]:%u" : "%.*s:%u", (int)len,
		 address, (unsigned)port);
	if (!r->cfg.quiet) {
		if (r->cfg.is_sender)
			event_text_awaiting(text, address, len, port,
					    r->cfg.security);
		else if (r->cfg.config)
			event_text_serving(text, r->cfg.config, address, len,
					   port, r->cfg.security);
		else
			event_text_listening(text, r->cfg.dir, address, len,
					     port, r->cfg.security);
		outputs_say(r->out, text);
		warn_plain(r);
	}
	json = outputs_json(r->out);
	if (json) {
		event_json_listening(json, address, len, port);
		outputs_put_json(r->out, WRITER_KEEP);
	}
	if (r->code[0] && !r->cfg.quiet)
		say_invitation(r, address, len, port);
	if (r->code[0])
		tell_code(r);
	pthread_mutex_unlock(&r->lock);
}

/* ---- what a user asks for ---- */

static void say_session(struct report *r, const struct peer *p)
{
	char text[EVENT_TEXT_MAX], line[PROGRESS_LINE_MAX];
	char count[TEXT_COUNT_MAX];
	unsigned streams = 0;

	if (!progress_lines_text(r->lines, r->cfg.is_sender ? 1 : p->number,
				 clock_ms(), line, &streams))
		snprintf(line, sizeof(line), "nothing yet");
	text_count(count, streams, "stream");
	if (r->cfg.is_sender)
		snprintf(text, sizeof(text), "status: to %s, %s: %s", p->text,
			 count, line + strspn(line, " "));
	else
		snprintf(text, sizeof(text),
			 "status: session %llu from %s, %s: %s",
			 (unsigned long long)p->number, p->text, count,
			 line + strspn(line, " "));
	outputs_say(r->out, text);
}

/* What happens now, whether or not the user wants to know more than errors. */
static void say_status(void *ctx)
{
	struct report *r = ctx;
	char text[EVENT_TEXT_MAX], who[EVENT_TEXT_SHOWN_MAX];
	char now[TEXT_COUNT_MAX], all[TEXT_GROUPED_MAX];
	const char *host = r->cfg.peer;
	unsigned count = 0;

	pthread_mutex_lock(&r->lock);
	for (const struct peer *p = r->peers; p; p = p->next)
		count++;
	if (host)
		text_escape(who, sizeof(who), host, strlen(host));
	if (*r->listens)
		snprintf(text, sizeof(text),
			 "status: listening on %s, %s now, %s since the start",
			 r->listens, text_count(now, count, "session"),
			 text_grouped(all, r->sessions));
	else
		snprintf(text, sizeof(text), "status: connecting%s%s",
			 host ? " to " : "", host ? who : "");
	if (*r->listens || count == 0)
		outputs_say(r->out, text);
	for (const struct peer *p = r->peers; p; p = p->next)
		say_session(r, p);
	pthread_mutex_unlock(&r->lock);
}

/* From here on other threads may wait for one that reports an event, so a slow
 * reader must not block it.  A preview that connects to nobody never gets here:
 * it has no other threads, and its list is written directly. */
static void on_started(void *ctx)
{
	struct report *r = ctx;

	outputs_start(r->out);
	report_answer(r, 1);
}

/* "connected to 192.0.2.1:9473 (TLS, certificates: CN=alice)"; the part in
 * parentheses only for those who want details. */
static void session_text(char text[EVENT_TEXT_MAX], const struct report *r,
			 uint64_t number, const char *who,
			 const char *identity, int is_dry_run)
{
	const enum security mode = r->cfg.security;
	const int is_named = mode == SECURITY_PSK || mode == SECURITY_X509 ||
			     mode == SECURITY_PIN;
	char name[EVENT_TEXT_SHOWN_MAX] = "";
	char details[EVENT_TEXT_SHOWN_MAX + 64] = "";

	if (is_named)
		text_escape(name, sizeof(name), identity, strlen(identity));
	if (r->cfg.verbose)
		snprintf(details, sizeof(details), " (%s%s%s)",
			 event_text_security(mode), is_named ? ": " : "", name);
	if (!r->cfg.is_sender)
		snprintf(text, EVENT_TEXT_MAX, "session %llu from %s began%s%s",
			 (unsigned long long)number, who, details,
			 is_dry_run ? ": a dry run" : "");
	else
		snprintf(text, EVENT_TEXT_MAX, "connected to %s%s%s", who,
			 r->sessions > 0 && r->cfg.is_single ? " again" : "",
			 details);
}

/* "192.0.2.1:9473", or "laptop (192.0.2.1:9473)" of a named sender. */
static void escape_peer(char *dst, size_t size, const struct session_peer *peer)
{
	char address[ADDR_TEXT_MAX + 8];

	text_escape(address, sizeof(address), peer->address,
		    strlen(peer->address));
	if (peer->name)
		snprintf(dst, size, "%s (%s)", peer->name, address);
	else
		snprintf(dst, size, "%s", address);
}

/* Its name, or its host alone: a line has little room. */
static void begin_line(struct report *r, uint64_t number,
		       const struct session_peer *peer)
{
	const char *address = peer->address;
	const size_t len = address_part(&address);
	char who[EVENT_TEXT_SHOWN_MAX];

	text_escape(who, sizeof(who), address, len);
	progress_lines_begin(r->lines, number,
			     peer->name ? peer->name : who);
}

/* Say how many sessions were not told of in the last minute. */
static void say_untold(struct report *r, uint64_t now_ms)
{
	char name[TOLD_SESSIONS_NAME_MAX], text[EVENT_TEXT_MAX];
	char more[TEXT_COUNT_MAX];
	uint64_t count;

	while (told_sessions_end(&r->told, now_ms, name, &count)) {
		if (count == 0)
			continue;
		snprintf(text, sizeof(text),
			 "%s from %s within a minute, not reported one by one "
			 "(see -v)", text_count(more, count, "more session"),
			 name);
		outputs_warn(r->out, text);
	}
}

/* Whether messages tell of a new session, of a sender only those after the
 * first: JSON does in any case. */
static int is_told(struct report *r, const struct session_peer *peer)
{
	const char *address = peer->address;
	const size_t len = address_part(&address);
	char name[TOLD_SESSIONS_NAME_MAX], host[ADDR_TEXT_MAX];

	if (r->cfg.verbose ||
	    (r->cfg.is_sender && (r->sessions == 0 || r->cfg.quiet)))
		return 1;
	say_untold(r, clock_ms());
	snprintf(host, sizeof(host), "%.*s", (int)len, address);
	text_escape(name, sizeof(name), peer->name ? peer->name : host,
		    strlen(peer->name ? peer->name : host));
	return told_sessions_add(&r->told, name, clock_ms());
}

static int is_told_of(const struct report *r, uint64_t number)
{
	const struct peer *p = peers_find(r->peers, number);

	return !p || !p->is_untold;
}

static void on_session(void *ctx, uint64_t number,
		       const struct session_peer *peer)
{
	struct report *r = ctx;
	char who[EVENT_TEXT_SHOWN_MAX], words[PAKE_VERIFY_MAX];
	char text[EVENT_TEXT_MAX];
	struct buf *json;
	int has_words, was_told;

	pthread_mutex_lock(&r->lock);
	has_words = r->pake && pake_verify(r->pake, words) == 0;
	escape_peer(who, sizeof(who), peer);
	peers_add(&r->peers, number, who, peer->name);
	was_told = is_told(r, peer);
	if (!was_told && !r->cfg.is_sender && r->peers &&
	    r->peers->number == number)
		r->peers->is_untold = 1;
	if (!r->cfg.is_sender)
		begin_line(r, number, peer);
	if (r->cfg.connects)
		warn_plain(r);
	session_text(text, r, number, who, peer->identity, peer->is_dry_run);
	/* the first of a sender is not reported */
	if (!r->cfg.is_remote &&
	    (r->cfg.verbose ||
	     (!r->cfg.quiet && is_told_of(r, number) &&
	      (!r->cfg.is_sender || (r->sessions > 0 && was_told)))))
		outputs_say(r->out, text);
	r->sessions++;
	if (r->cfg.verbose && has_words) {
		snprintf(text, sizeof(text), "to verify: %s (if the other side "
			 "shows other words, somebody is in between)", words);
		outputs_say(r->out, text);
	}
	json = outputs_json(r->out);
	if (json) {
		event_json_session(json, number_of(r, number), peer,
				   has_words ? words : NULL);
		outputs_put_json(r->out, WRITER_KEEP);
	}
	pthread_mutex_unlock(&r->lock);
}

static void on_direct(void *ctx, uint64_t number, const char *peer,
		      const char *address)
{
	struct report *r = ctx;
	const struct session_peer who = {
		.address = peer,
		.security = security_name(r->cfg.security),
		.data = "direct",
		.direct = address,
	};
	char text[EVENT_TEXT_MAX];
	struct buf *json;

	pthread_mutex_lock(&r->lock);
	snprintf(text, sizeof(text), "%s: content goes directly, %s %s", peer,
		 r->cfg.is_sender ? "to" : "from", address);
	if (r->cfg.verbose && !r->cfg.is_remote)
		outputs_say(r->out, text);
	json = outputs_json(r->out);
	if (json) {
		event_json_session(json, number_of(r, number), &who, NULL);
		outputs_put_json(r->out, WRITER_KEEP);
	}
	pthread_mutex_unlock(&r->lock);
}

static const char *sender_of(const struct report *r, uint64_t number)
{
	const struct peer *p = peers_find(r->peers, number);

	return p ? p->sender : NULL;
}

static void on_progress(void *ctx, uint64_t number,
			const struct session_progress *p)
{
	struct report *r = ctx;
	struct buf *json;

	pthread_mutex_lock(&r->lock);
	r->last = *p;
	progress_lines_update(r->lines, number, clock_ms(), p);
	json = outputs_json(r->out);
	if (json) {
		event_json_progress(json, number_of(r, number),
				    sender_of(r, number), p);
		outputs_put_json(r->out, WRITER_MAY_DROP);
	}
	pthread_mutex_unlock(&r->lock);
}

/* Whether the user is told about this file, and not only in JSON. */
static int is_said(const struct report_config *cfg,
		   const struct session_file *f)
{
	if (cfg->is_remote)
		return f->is_own;
	if (f->status == STATUS_FAILED && f->is_told)
		return 0;
	if (cfg->verbose)
		return cfg->verbose > 1 || f->status != STATUS_UNCHANGED;
	if (f->status == STATUS_FAILED)
		return 1;
	if (cfg->quiet)
		return 0;
	/* a skipped file makes the sender's exit status 1, so the sender is
	 * told why */
	return f->status == STATUS_SKIPPED ? cfg->is_sender :
	       f->status == STATUS_COMMITTED && f->renamed_to;
}

/* Where there may be several sessions, messages of one say of which: who reads
 * them later does not see which others there were.  Returns text, or full. */
static const char *name_session(const struct report *r, uint64_t number,
				const char *text, char full[EVENT_TEXT_MAX])
{
	if (r->cfg.is_sender || r->cfg.is_single)
		return text;
	snprintf(full, EVENT_TEXT_MAX, "session %llu: %.*s",
		 (unsigned long long)number, EVENT_TEXT_MAX - 32, text);
	return full;
}

static void say_of(struct report *r, uint64_t number, int is_failure,
		   const char *text)
{
	char full[EVENT_TEXT_MAX];

	text = name_session(r, number, text, full);
	if (is_failure)
		outputs_fail(r->out, text);
	else
		outputs_say(r->out, text);
}

/* The counts of a session; NULL: none, for lack of memory. */
static struct repeats *find_repeats(struct report *r, uint64_t number)
{
	struct peer *p;

	if (r->cfg.is_sender)
		return &r->repeats;
	p = peers_find(r->peers, number);
	return p ? &p->repeats : NULL;
}

/* Of each kind of results only the first are said, and the advice once. */
static void say_file(struct report *r, uint64_t number,
		     const struct session_file *f)
{
	const char *kind = event_text_kind(f, r->cfg.is_sender);
	struct repeats *repeats = find_repeats(r, number);
	const uint64_t count = kind && repeats ? repeats_add(repeats, kind) : 1;
	char text[EVENT_TEXT_MAX];

	if (count > REPEATS_NAMED && !r->cfg.verbose)
		return;
	event_text_file(text, f, r->cfg.is_sender, count == 1);
	say_of(r, number, f->status == STATUS_FAILED, text);
}

/* Say how many results were not said, and begin to count anew. */
static void say_repeats(struct report *r, uint64_t number,
			struct repeats *repeats)
{
	char text[EVENT_TEXT_MAX];

	for (size_t i = 0; i < REPEATS_KINDS && !r->cfg.verbose; i++) {
		const struct repeats_row *row = &repeats->rows[i];
		const uint64_t count = repeats_unnamed(row);

		if (count > 0)
			say_of(r, number, 0,
			       event_text_more(text, count, row->kind));
	}
	memset(repeats, 0, sizeof(*repeats));
}

/* A receiver that others ask lists nothing. */
static void list_planned(struct report *r, const struct session_file *f)
{
	char text[EVENT_TEXT_MAX];

	if (r->cfg.is_preview &&
	    (f->plan != LISTED_UNCHANGED || r->cfg.verbose))
		outputs_list(r->out, event_text_planned(text, f, r->cfg.verbose));
}

static void on_file(void *ctx, uint64_t number, const struct session_file *f)
{
	struct report *r = ctx;
	struct buf *json;

	pthread_mutex_lock(&r->lock);
	if (f->is_planned)
		list_planned(r, f);
	else if (is_said(&r->cfg, f) && is_told_of(r, number))
		say_file(r, number, f);
	json = outputs_json(r->out);
	if (json) {
		event_json_file(json, number_of(r, number), sender_of(r, number),
				f);
		outputs_put_json(r->out, WRITER_KEEP);
	}
	pthread_mutex_unlock(&r->lock);
}

static void on_deleted(void *ctx, uint64_t number,
		       const struct session_deletion *d)
{
	struct report *r = ctx;
	char text[EVENT_TEXT_MAX];
	struct repeats *repeats;
	uint64_t count = 1;
	struct buf *json;

	pthread_mutex_lock(&r->lock);
	repeats = find_repeats(r, number);
	if (d->error && repeats)
		count = repeats_add(repeats, d->reason);
	if (d->is_planned && r->cfg.is_preview && !d->error)
		outputs_list(r->out, event_text_would_delete(text, d));
	else if (!r->cfg.is_remote &&
		 ((r->cfg.verbose && !d->is_planned) ||
		  (d->error && count <= REPEATS_NAMED &&
		   is_told_of(r, number))))
		say_of(r, number, d->error != NULL,
		       event_text_deleted(text, d, count == 1));
	json = outputs_json(r->out);
	if (json) {
		event_json_deleted(json, number_of(r, number),
				   sender_of(r, number), d);
		outputs_put_json(r->out, WRITER_KEEP);
	}
	pthread_mutex_unlock(&r->lock);
}

static void say_message(struct report *r, enum session_level level,
			const char *text)
{
	if (level == SESSION_ERROR ||
	    (level == SESSION_ERROR_OF_BOTH && !r->cfg.is_remote))
		outputs_fail(r->out, text);
	else if (level == SESSION_WARNING && !r->cfg.quiet)
		outputs_warn(r->out, text);
	else if (level == SESSION_NOTICE && !r->cfg.quiet &&
		 !r->cfg.is_remote)
		outputs_say(r->out, text);
	else if (level == SESSION_VERBOSE && r->cfg.verbose)
		outputs_say(r->out, text);
}

/* number: of a session; 0: it is about none. */
static void put_message(struct report *r, uint64_t number,
			enum session_level level, const char *text)
{
	struct buf *json = NULL;

	if (level == SESSION_WARNING)
		json = outputs_json(r->out);
	if (json) {
		event_json_warning(json, number_of(r, number),
				   sender_of(r, number), text);
		outputs_put_json(r->out, WRITER_KEEP);
	}
}

static void on_message(void *ctx, enum session_level level, const char *text)
{
	struct report *r = ctx;

	pthread_mutex_lock(&r->lock);
	say_message(r, level, text);
	put_message(r, 0, level, text);
	pthread_mutex_unlock(&r->lock);
}

static void on_session_message(void *ctx, uint64_t number,
			       enum session_level level, const char *text)
{
	struct report *r = ctx;
	char full[EVENT_TEXT_MAX];

	pthread_mutex_lock(&r->lock);
	if (is_told_of(r, number))
		say_message(r, level, name_session(r, number, text, full));
	put_message(r, number, level, text);
	pthread_mutex_unlock(&r->lock);
}

/* Whether a session was interrupted, so that another can go on. */
static int is_stopped(const struct report *r, const struct session_summary *s)
{
	/* A sender that was revoked can, once it is accepted again. */
	return err_is_lost(s->code) || s->code == ERR_INTERRUPTED ||
	       (r->cfg.is_sender && s->code == ERR_AUTH);
}

static void say_stopped(struct report *r, uint64_t number, const char *peer,
			const struct session_summary *s)
{
	char text[EVENT_TEXT_MAX];

	if (r->cfg.quiet || r->cfg.is_remote || r->cfg.is_preview ||
	    !is_stopped(r, s))
		return;
	if (!r->cfg.is_sender)
		outputs_say(r->out,
			    event_text_kept(text, number, peer, s,
					    r->cfg.security));
	else if (!r->cfg.has_stdin && r->sessions > 0 &&
		 r->last.total_bytes > 0)
		outputs_say(r->out,
			    event_text_stopped(text, s, &r->last,
					       r->cfg.security,
					       r->cfg.has_retry));
}

/* address: the receiver's, escaped, for where it was not named; NULL: there was
 * no session. */
static void say_sent(struct report *r, const char *address,
		     const struct session_summary *s, const struct err *e)
{
	char text[EVENT_TEXT_MAX], peer[EVENT_TEXT_SHOWN_MAX];

	/* the caller prints the error of a single transfer */
	if (s->code && address && !r->cfg.is_single && e->text[0])
		outputs_fail(r->out, e->text);
	if (r->cfg.quiet || r->cfg.is_remote || (s->code && !s->files))
		return;
	if (r->cfg.peer)
		text_escape(peer, sizeof(peer), r->cfg.peer,
			    strlen(r->cfg.peer));
	else
		snprintf(peer, sizeof(peer), "%s",
			 address ? address : "the receiver");
	outputs_say(r->out, r->cfg.is_preview || s->is_dry_run ?
				    event_text_preview(text, s, peer) :
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
	if (r->cfg.is_remote)
		return;
	if (!why && (r->cfg.quiet || (!s->files && s->code)))
		return;
	event_text_received(text, number, peer, s, why);
	if (why)
		outputs_fail(r->out, text);
	else
		outputs_say(r->out, text);
}

static void put_summary(struct report *r, uint64_t number, const char *sender,
			const struct session_summary *s, const struct err *e)
{
	struct buf *json = outputs_json(r->out);

	if (!json)
		return;
	event_json_summary(json, number_of(r, number), sender, s, e);
	outputs_put_json(r->out, WRITER_KEEP);
}

static void on_summary(void *ctx, uint64_t number,
		       const struct session_summary *s, const struct err *e)
{
	struct report *r = ctx;
	struct repeats *repeats;
	struct peer *peer;

	pthread_mutex_lock(&r->lock);
	progress_lines_end(r->lines, r->cfg.is_sender ? 1 : number);
	if (r->cfg.is_sender)
		progress_lines_begin(r->lines, 1, NULL);
	repeats = find_repeats(r, number);
	if (repeats && is_told_of(r, number))
		say_repeats(r, number, repeats);
	peer = peers_take(&r->peers, number);
	if (r->cfg.is_sender)
		say_sent(r, peer ? peer->text : NULL, s, e);
	else if (!peer || !peer->is_untold)
		say_received(r, number, peer ? peer->text : "?", s, e);
	if (!peer || !peer->is_untold)
		say_stopped(r, number, peer ? peer->text : "?", s);
	put_summary(r, number, peer ? peer->sender : NULL, s, e);
	r->summaries++;
	peers_free(peer);
	pthread_mutex_unlock(&r->lock);
}

void report_renew_code(struct report *r, const char *code, const char *peer,
		       unsigned number, unsigned count)
{
	char who[EVENT_TEXT_SHOWN_MAX];

	text_escape(who, sizeof(who), peer, strlen(peer));
	events_message(&r->events, SESSION_WARNING,
		       "%s gave a wrong code, so the one above is no longer "
		       "valid; here is another, number %u of %u", who, number,
		       count);
	pthread_mutex_lock(&r->lock);
	snprintf(r->code, sizeof(r->code), "%s", code);
	tell_code(r);
	pthread_mutex_unlock(&r->lock);
}

/* ---- making and ending ---- */

static enum progress_mode choose_mode(const struct report_config *cfg)
{
	const int is_terminal = isatty(STDERR_FILENO);

	/* A list would run into it on the same terminal. */
	if (cfg->progress == PROGRESS_NEVER ||
	    (cfg->is_preview && isatty(STDOUT_FILENO)))
		return PROGRESS_HIDDEN;
	if (cfg->progress == PROGRESS_ALWAYS)
		return is_terminal ? PROGRESS_REDRAWN : PROGRESS_PRINTED;
	return is_terminal && !cfg->quiet ? PROGRESS_REDRAWN : PROGRESS_HIDDEN;
}

static unsigned choose_interval(const struct report_config *cfg,
				enum progress_mode mode)
{
	/* The events of a fetch are for its user as those of a sender are. */
	if (mode == PROGRESS_REDRAWN || (cfg->json_fd >= 0 && cfg->connects))
		return DRAWN_MS;
	return NOTED_MS;
}

static void name_host(struct report *r)
{
	char host[HOST_NAME_MAX + 1] = "";

	if (r->cfg.own_host)
		outputs_name_host(r->out, r->cfg.own_host);
	else if (gethostname(host, sizeof(host) - 1) == 0)
		outputs_name_host(r->out, host);
}

struct report *report_new(const struct report_config *cfg)
{
	const enum progress_mode mode = choose_mode(cfg);
	struct report *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	if (pthread_mutex_init(&r->lock, NULL)) {
		free(r);
		return NULL;
	}
	r->cfg = *cfg;
	r->out = outputs_new(cfg->json_fd, cfg->is_preview);
	if (r->out)
		r->lines = progress_lines_new(r->out, mode,
					      cfg->progress == PROGRESS_ALWAYS);
	if (!r->lines) {
		report_free(r);
		return NULL;
	}
	/* A sender shows it before there is a session. */
	if (cfg->is_sender)
		progress_lines_begin(r->lines, 1, NULL);
	if (cfg->is_remote)
		name_host(r);
	r->events = (struct session_events){
		.started = on_started,
		.listening = on_listening,
		.session = on_session,
		.direct = on_direct,
		.progress = on_progress,
		.progress_ms = choose_interval(cfg, mode),
		.file = on_file,
		.deleted = on_deleted,
		.message = on_message,
		.session_message = on_session_message,
		.summary = on_summary,
		.ctx = r,
	};
	return r;
}

const struct session_events *report_events(struct report *r)
{
	return &r->events;
}

void report_set_security(struct report *r, enum security mode)
{
	r->cfg.security = mode;
}

void report_set_code(struct report *r, const char *code, struct pake *pake)
{
	if (code) {
		snprintf(r->code, sizeof(r->code), "%s", code);
		r->addr_count = local_addrs_list(r->addrs, r->cfg.family);
	}
	r->pake = pake;
}

void report_answer(struct report *r, int answers)
{
	if (answers) {
		r->on_signal = on_signal_start(say_status, r);
	} else {
		on_signal_stop(r->on_signal);
		r->on_signal = NULL;
	}
}

void report_pause(struct report *r, int is_paused)
{
	/* Whoever uses the terminal meanwhile says that, and goes on. */
	report_answer(r, !is_paused);
	pthread_mutex_lock(&r->lock);
	progress_lines_pause(r->lines, is_paused);
	pthread_mutex_unlock(&r->lock);
	if (is_paused)
		outputs_settle(r->out);
}

int report_end(struct report *r, int cancel_fd, int code, struct err *e)
{
	struct session_summary s = { 0 };
	int missing;

	/* Not locked: no other thread reports events any more. */
	if (code == 0 && outputs_end_list(r->out, cancel_fd))
		code = err_set(e, ERR_LOCAL, "cannot write to standard output");
	s.code = code;
	report_answer(r, 0);
	pthread_mutex_lock(&r->lock);
	missing = r->cfg.is_single || r->cfg.is_sender ?
			  r->summaries == 0 : code != ERR_INTERRUPTED;
	outputs_draw_progress(r->out, "");
	say_repeats(r, 0, &r->repeats);
	say_untold(r, UINT64_MAX);
	if (code && missing)
		put_summary(r, 0, NULL, &s, e);
	pthread_mutex_unlock(&r->lock);
	outputs_end(r->out, cancel_fd);
	return code;
}

void report_free(struct report *r)
{
	struct peer *p, *next;

	if (!r)
		return;
	for (p = r->peers; p; p = next) {
		next = p->next;
		peers_free(p);
	}
	progress_lines_free(r->lines);
	outputs_free(r->out);
	code_wipe(r->code);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
