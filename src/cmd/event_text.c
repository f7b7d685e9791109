/*
 * Texts are built in dst, so that none is longer than a line of messages may
 * be.
 */
#include "cmd/event_text.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/common.h"
#include "net/local_addrs.h"
#include "session/losses.h"

enum {
	AMOUNT_MAX = 160,
	SHOWN_MAX = EVENT_TEXT_SHOWN_MAX,
	RATED_MIN = 1 << 20, /* bytes */
};

static const char *escape(char *dst, const char *text, size_t n)
{
	return text_escape(dst, SHOWN_MAX, text, n);
}

/* ---- where a receiver listens ---- */

const char *event_text_security(enum security mode)
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
	case SECURITY_SSH:
		return "ssh";
	case SECURITY_PLAIN:
	case SECURITY_NONE:
		break;
	}
	return "not encrypted";
}

/* "192.0.2.1:9473" or "[2001:db8::1]:9473" */
static const char *place_text(char *dst, size_t size, const char *address,
			      size_t len, uint16_t port)
{
	const int is_v6 = memchr(address, ':', len) != NULL;
	char addr[SHOWN_MAX];

	snprintf(dst, size, "%s%s%s:%u", is_v6 ? "[" : "",
		 escape(addr, address, len), is_v6 ? "]" : "", (unsigned)port);
	return dst;
}

const char *event_text_listening(char *dst, const char *dir,
				 const char *address, size_t len,
				 uint16_t port, enum security mode)
{
	char into[SHOWN_MAX], place[SHOWN_MAX + 16];

	if (dir)
		escape(into, dir, strlen(dir));
	snprintf(dst, EVENT_TEXT_MAX, "receiving %s %s on %s (%s)",
		 dir ? "into" : "to", dir ? into : "standard output",
		 place_text(place, sizeof(place), address, len, port),
		 event_text_security(mode));
	return dst;
}

const char *event_text_serving(char *dst, const char *config,
			       const char *address, size_t len, uint16_t port,
			       enum security mode)
{
	char shown[SHOWN_MAX], place[SHOWN_MAX + 16];

	escape(shown, config, strlen(config));
	snprintf(dst, EVENT_TEXT_MAX,
		 "receiving from the senders in %s on %s (%s)", shown,
		 place_text(place, sizeof(place), address, len, port),
		 event_text_security(mode));
	return dst;
}

const char *event_text_awaiting(char *dst, const char *address, size_t len,
				uint16_t port, enum security mode)
{
	char place[SHOWN_MAX + 16];

	snprintf(dst, EVENT_TEXT_MAX, "waiting for a receiver on %s (%s)",
		 place_text(place, sizeof(place), address, len, port),
		 event_text_security(mode));
	return dst;
}

int event_text_is_any(const char *address, size_t len)
{
	return (len == 2 && memcmp(address, "::", 2) == 0) ||
	       (len == 7 && memcmp(address, "0.0.0.0", 7) == 0);
}

int event_text_is_loopback(const char *address, size_t len)
{
	return (len == 3 && memcmp(address, "::1", 3) == 0) ||
	       (len > 4 && memcmp(address, "127.", 4) == 0);
}

/* HOST as it is typed: the port only where it is not the usual one. */
static const char *host_text(char *dst, size_t size, const char *address,
			     size_t len, uint16_t port)
{
	if (port == FERRY_PORT)
		return escape(dst, address, len);
	return place_text(dst, size, address, len, port);
}

const char *event_text_addresses(char *dst, const struct local_addr *list,
				 unsigned count, uint16_t port)
{
	size_t used = (size_t)snprintf(
		dst, EVENT_TEXT_MAX, "or by another address of this host:");
	char host[SHOWN_MAX + 16];

	for (unsigned i = 0; i < count && used < EVENT_TEXT_MAX; i++) {
		host_text(host, sizeof(host), list[i].address,
			  strlen(list[i].address), port);
		used += (size_t)snprintf(dst + used, EVENT_TEXT_MAX - used,
					 "%s %s (%s)", i > 0 ? "," : "", host,
					 list[i].interface);
	}
	return dst;
}

const char *event_text_invitation(char *dst, const char *address, size_t len,
				  uint16_t port, int is_sender)
{
	char host[HOST_NAME_MAX + 1] = "", place[SHOWN_MAX + 16];
	const int is_any = event_text_is_any(address, len);

	/* for a wildcard address, show the host name */
	if (is_any && gethostname(host, sizeof(host) - 1) == 0 && host[0]) {
		address = host;
		len = strlen(host);
	}
	snprintf(dst, EVENT_TEXT_MAX, "on %s host: ferry %s %s",
		 event_text_is_loopback(address, len) ? "this" : "the other",
		 is_sender ? "receive --connect" : "send PATH...",
		 host_text(place, sizeof(place), address, len, port));
	return dst;
}

/* ---- files ---- */

const char *event_text_status(const struct session_file *f)
{
	if (f->is_planned && f->status != STATUS_FAILED)
		return "planned";
	switch (f->status) {
	case STATUS_COMMITTED:
		return "committed";
	case STATUS_UNCHANGED:
	case STATUS_UPDATED:
		return "unchanged";
	case STATUS_SKIPPED:
		return "skipped";
	case STATUS_FAILED:
		break;
	}
	return "failed";
}

const char *event_text_deleted(char *dst, const struct session_deletion *d,
			       int with_advice)
{
	char name[SHOWN_MAX];

	escape(name, d->name, d->name_len);
	if (d->error)
		snprintf(dst, EVENT_TEXT_MAX, "%s%s%s", d->error,
			 with_advice && d->advice ? "; " : "",
			 with_advice && d->advice ? d->advice : "");
	else
		snprintf(dst, EVENT_TEXT_MAX, "%s%s: deleted", name,
			 d->is_dir ? "/" : "");
	return dst;
}

const char *event_text_file(char *dst, const struct session_file *f,
			    int is_sender, int with_advice)
{
	char name[SHOWN_MAX], other[SHOWN_MAX], size[32];
	char kinds[LOSSES_KINDS_SIZE];

	escape(name, f->name, f->name_len);
	if (f->status == STATUS_FAILED && f->error) {
		snprintf(dst, EVENT_TEXT_MAX, "%s%s%s", f->error,
			 with_advice && f->advice ? "; " : "",
			 with_advice && f->advice ? f->advice : "");
	} else if (f->status == STATUS_FAILED) {
		snprintf(dst, EVENT_TEXT_MAX, "%s: failed", name);
	} else if (f->status == STATUS_SKIPPED) {
		snprintf(dst, EVENT_TEXT_MAX, "%s: skipped%s", name,
			 is_sender ? " by the receiver" : "");
	} else if (f->status == STATUS_COMMITTED && f->renamed_to) {
		escape(other, f->renamed_to, strlen(f->renamed_to));
		snprintf(dst, EVENT_TEXT_MAX,
			 "%s: exists already; committed as %s", name, other);
	} else if (f->not_kept) {
		snprintf(dst, EVENT_TEXT_MAX, "%s: %s (%s), not kept: %s", name,
			 event_text_status(f),
			 text_size(size, sizeof(size), (double)f->size),
			 losses_kinds(kinds, f->not_kept));
	} else {
		snprintf(dst, EVENT_TEXT_MAX, "%s: %s (%s)%s", name,
			 event_text_status(f),
			 text_size(size, sizeof(size), (double)f->size),
			 f->status == STATUS_UPDATED ?
				 ", metadata was set" : "");
	}
	return dst;
}

const char *event_text_kind(const struct session_file *f, int is_sender)
{
	if (f->is_planned)
		return NULL;
	if (f->status == STATUS_FAILED)
		return f->reason;
	if (f->status == STATUS_SKIPPED)
		return is_sender ? "skipped by the receiver" : "skipped";
	if (f->status == STATUS_COMMITTED && f->renamed_to)
		return "exists already; committed under another name";
	return NULL;
}

const char *event_text_more(char *dst, uint64_t count, const char *kind)
{
	char number[TEXT_GROUPED_MAX];

	snprintf(dst, EVENT_TEXT_MAX, "and %s more: %s (-v names each)",
		 text_grouped(number, count), kind);
	return dst;
}

const char *event_text_plan(unsigned plan)
{
	switch (plan) {
	case LISTED_NEW:
		return "new";
	case LISTED_REPLACES:
		return "replace";
	case LISTED_BACKUP:
		return "backup";
	case LISTED_RENAMED:
		return "rename";
	case LISTED_UPDATED:
		return "metadata";
	case LISTED_UNCHANGED:
		return "unchanged";
	case LISTED_SKIPPED:
		return "skip";
	default:
		return "refuse";
	}
}

/* The words of a list are in one column. */
#define WORD "%-9s "

const char *event_text_planned(char *dst, const struct session_file *f,
			       int with_size)
{
	const int sends = f->plan == LISTED_NEW || f->plan == LISTED_REPLACES ||
			  f->plan == LISTED_BACKUP || f->plan == LISTED_RENAMED;
	const char *slash = f->is_dir ? "/" : "";
	char name[SHOWN_MAX], size[32];

	escape(name, f->name, f->name_len);
	text_size(size, sizeof(size), (double)f->size);
	if (!f->plan)
		snprintf(dst, EVENT_TEXT_MAX, with_size ? "%s (%s)" : "%s", name,
			 size);
	else if (f->status == STATUS_FAILED)
		snprintf(dst, EVENT_TEXT_MAX, WORD "%s%s (%s)",
			 event_text_plan(f->plan), name, slash, f->reason);
	else if ((sends || with_size) && !f->is_dir)
		snprintf(dst, EVENT_TEXT_MAX, WORD "%s (%s)",
			 event_text_plan(f->plan), name, size);
	else
		snprintf(dst, EVENT_TEXT_MAX, WORD "%s%s",
			 event_text_plan(f->plan), name, slash);
	return dst;
}

const char *event_text_would_delete(char *dst, const struct session_deletion *d)
{
	char name[SHOWN_MAX];

	escape(name, d->name, d->name_len);
	snprintf(dst, EVENT_TEXT_MAX, WORD "%s%s", "delete", name,
		 d->is_dir ? "/" : "");
	return dst;
}

/* ---- the end of a session ---- */

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

/* Content that was sent of the files that were committed: what turned out to be
 * there, or was sent twice, is on the line only. */
static uint64_t new_sent(const struct session_summary *s)
{
	return s->sent_bytes < s->new_bytes ? s->sent_bytes : s->new_bytes;
}

/* "6.1 MiB on the line in 1.2 s (5.0 MiB/s)": the rate is that of what was
 * sent; with less the time is that of connecting, and the rate would say
 * nothing. */
static void line_text(char *dst, size_t size, const struct session_summary *s)
{
	char wire[32], time[32], rate[32], speed[48] = "";

	text_size(wire, sizeof(wire), (double)s->wire_bytes);
	seconds_text(time, sizeof(time), s->seconds);
	if (new_sent(s) >= RATED_MIN && s->seconds > 0) {
		text_size(rate, sizeof(rate),
			  (double)new_sent(s) / s->seconds);
		snprintf(speed, sizeof(speed), " (%s/s)", rate);
	}
	snprintf(dst, size, "%s on the line in %s%s", wire, time, speed);
}

/* "21.8 MiB as 5.1 MiB", compressed; "12.3 MiB of 1.2 GiB", where the rest was
 * there, or is holes. */
static void content_text(char *dst, size_t size,
			 const struct session_summary *s)
{
	char sent[32], all[32], payload[32], of[40] = "", as[40] = "";

	text_size(sent, sizeof(sent), (double)new_sent(s));
	text_size(all, sizeof(all), (double)s->new_bytes);
	text_size(payload, sizeof(payload), (double)s->payload_bytes);
	if (s->sent_bytes < s->new_bytes)
		snprintf(of, sizeof(of), " of %s", all);
	if (s->payload_bytes < s->sent_bytes && s->sent_bytes <= s->new_bytes &&
	    strcmp(payload, sent) != 0)
		snprintf(as, sizeof(as), " as %s", payload);
	snprintf(dst, size, "%s%s%s", sent, of, as);
}

/* "(30.0 KiB; 5 new, 4 replaced, 1 renamed)", with the second half where not
 * all are new.  Of a dry run nothing is said as if it were done: "4 to
 * replace". */
static void new_text(char *dst, size_t size, const struct session_summary *s)
{
	const uint64_t committed = s->files - s->unchanged;
	const uint64_t others = s->replaced + s->renamed;
	const struct {
		uint64_t n;
		const char *what;
	} parts[] = {
		{ committed > others ? committed - others : 0, "new" },
		{ s->replaced, s->is_dry_run ? "to replace" : "replaced" },
		{ s->renamed, s->is_dry_run ? "to rename" : "renamed" },
	};
	char content[128], number[TEXT_GROUPED_MAX];
	const char *sep = "; ";
	size_t used;

	content_text(content, sizeof(content), s);
	used = (size_t)snprintf(dst, size, "(%s", content);
	for (size_t i = 0; others && i < sizeof(parts) / sizeof(*parts); i++) {
		if (!parts[i].n || used >= size)
			continue;
		used += (size_t)snprintf(dst + used, size - used, "%s%s %s",
					 sep, text_grouped(number, parts[i].n),
					 parts[i].what);
		sep = ", ";
	}
	if (used < size)
		snprintf(dst + used, size - used, ")");
}

/* ", 2 unchanged, 1 skipped, 1 failed", without those that are 0. */
static void rest_text(char *dst, size_t size, const struct session_summary *s)
{
	const int dry = s->is_dry_run;
	const struct {
		uint64_t n;
		const char *what;
	} parts[] = {
		{ s->unchanged, "unchanged" },
		{ s->updated, dry ? "of these to get new metadata" :
				    "of these with new metadata" },
		{ s->skipped, dry ? "to skip" : "skipped" },
		{ s->failed, dry ? "that would fail" : "failed" },
		{ s->deleted, dry ? "to delete" : "deleted" },
		{ s->not_deleted, dry ? "not to delete" : "not deleted" },
	};
	char number[TEXT_GROUPED_MAX];
	size_t used = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].n && used < size)
			used += (size_t)snprintf(dst + used, size - used,
						 ", %s %s",
						 text_grouped(number,
							      parts[i].n),
						 parts[i].what);
	}
}

/* "bob has all 3,030 files"; "all" only if the exit status is 0. */
static void has_text(char *dst, size_t size, const struct session_summary *s,
		     const char *peer)
{
	char files[TEXT_COUNT_MAX], found[TEXT_GROUPED_MAX];

	text_grouped(files, s->files);
	text_grouped(found, s->files + s->skipped + s->failed);
	if (s->code && s->skipped + s->failed > 0)
		snprintf(dst, size, "%s has %s of %s files", peer, files,
			 found);
	else if (s->code)
		snprintf(dst, size, "%s has %s", peer,
			 text_count(files, s->files, "file"));
	else if (s->files == 1)
		snprintf(dst, size, "%s has the file", peer);
	else if (s->files == 0)
		snprintf(dst, size, "%s has everything", peer);
	else
		snprintf(dst, size, "%s has all %s files", peer, files);
}

const char *event_text_sent(char *dst, const struct session_summary *s,
			    const char *peer)
{
	const uint64_t sent = s->files - s->unchanged;
	char has[SHOWN_MAX + 100], rest[AMOUNT_MAX], line[AMOUNT_MAX];
	char content[AMOUNT_MAX], number[TEXT_GROUPED_MAX];
	const char *others;

	has_text(has, sizeof(has), s, peer);
	new_text(content, sizeof(content), s);
	rest_text(rest, sizeof(rest), s);
	line_text(line, sizeof(line), s);
	/* without "0 sent, " where others follow */
	others = sent == 0 && *rest ? rest + 2 : rest;
	if (others != rest)
		snprintf(dst, EVENT_TEXT_MAX, "%s: %s; %s", has, others, line);
	else if (sent == 0)
		snprintf(dst, EVENT_TEXT_MAX, "%s: no files; %s", has, line);
	else
		snprintf(dst, EVENT_TEXT_MAX, "%s: %s sent %s%s; %s", has,
			 text_grouped(number, sent), content, rest, line);
	return dst;
}

const char *event_text_preview(char *dst, const struct session_summary *s,
			       const char *peer)
{
	const uint64_t sent = s->files - s->unchanged;
	struct session_summary whole = *s;
	char size[32], rest[AMOUNT_MAX], content[AMOUNT_MAX] = "";
	char files[TEXT_COUNT_MAX] = "no files";

	rest_text(rest, sizeof(rest), s);
	if (s->is_dry_run) {
		/* How much of a file a delta would spare is not known. */
		whole.sent_bytes = whole.payload_bytes = s->new_bytes;
		if (sent > 0) {
			text_count(files, sent, "file");
			new_text(content, sizeof(content), &whole);
		}
		snprintf(dst, EVENT_TEXT_MAX, "would send %s%s%s to %s%s",
			 files, sent ? " " : "", content, peer, rest);
		return dst;
	}
	snprintf(dst, EVENT_TEXT_MAX, "would send %s, %s, to %s%s",
		 text_count(files, s->files, "file"),
		 text_size(size, sizeof(size), (double)s->bytes), peer, rest);
	return dst;
}

/* why without the peer's address at its beginning, where peer is that, or a
 * name with it in parentheses: the line says it already. */
static const char *without_peer(const char *why, const char *peer)
{
	const char *end = strstr(why, ": ");
	const size_t n = end ? (size_t)(end - why) : 0;

	for (const char *p = peer; n > 0 && *p; p++) {
		if (strncmp(p, why, n) == 0 && (p == peer || p[-1] == '(') &&
		    (!p[n] || p[n] == ')'))
			return end + 2;
	}
	return why;
}

const char *event_text_received(char *dst, uint64_t number, const char *peer,
				const struct session_summary *s,
				const char *why)
{
	const uint64_t received = s->files - s->unchanged;
	struct session_summary whole = *s;
	char content[AMOUNT_MAX], rest[AMOUNT_MAX], line[AMOUNT_MAX];
	char count[TEXT_COUNT_MAX], files[AMOUNT_MAX + 96];
	const char *verb = s->is_dry_run ? "would receive" : "received";
	int used;

	if (s->is_dry_run)
		whole.sent_bytes = whole.payload_bytes = s->new_bytes;
	new_text(content, sizeof(content), &whole);
	rest_text(rest, sizeof(rest), s);
	line_text(line, sizeof(line), s);
	used = snprintf(dst, EVENT_TEXT_MAX, "session %llu from %s: ",
			(unsigned long long)number, peer);
	if (why)
		used += snprintf(dst + used, EVENT_TEXT_MAX - (size_t)used,
				 "%s", without_peer(why, peer));
	if (used >= EVENT_TEXT_MAX || (why && !s->files))
		return dst;
	if (received > 0)
		snprintf(files, sizeof(files), "%s %s %s", verb,
			 text_count(count, received, "file"), content);
	else
		snprintf(files, sizeof(files), "%s no %sfiles", verb,
			 *rest ? "new " : "");
	snprintf(dst + used, EVENT_TEXT_MAX - (size_t)used, "%s%s%s; %s%s",
		 why ? " (" : "", files, rest, line, why ? ")" : "");
	return dst;
}

/* ---- a session that was interrupted ---- */

const char *event_text_stopped(char *dst, const struct session_summary *s,
			       const struct session_progress *p,
			       enum security mode, int has_retry)
{
	const int is_refused = s->code == ERR_AUTH;
	char done[32], total[32], files[TEXT_COUNT_MAX];

	snprintf(dst, EVENT_TEXT_MAX,
		 "stopped after %s of %s%s, %s committed; %s%s%s",
		 text_size(done, sizeof(done), (double)p->bytes),
		 p->total_is_final ? "" : "at least ",
		 text_size(total, sizeof(total), (double)p->total_bytes),
		 text_count(files, s->files, "file"),
		 is_refused ? "once this sender is accepted again, " : "",
		 mode == SECURITY_CODE ?
			 "the same command sends what is missing, with a new "
			 "code" :
			 "the same command goes on from there",
		 has_retry || is_refused || s->code == ERR_INTERRUPTED ?
			 "" : " (with --retry S, by itself)");
	return dst;
}

const char *event_text_kept(char *dst, uint64_t number, const char *peer,
			    const struct session_summary *s,
			    enum security mode)
{
	char done[32], total[32], of[64] = "", files[TEXT_COUNT_MAX];

	/* What it counted as files is what would have been done. */
	if (s->is_dry_run) {
		snprintf(dst, EVENT_TEXT_MAX,
			 "session %llu from %s, a dry run, was interrupted; "
			 "nothing was changed",
			 (unsigned long long)number, peer);
		return dst;
	}
	if (s->total_bytes)
		snprintf(of, sizeof(of), " of %s%s",
			 s->total_is_final ? "" : "at least ",
			 text_size(total, sizeof(total),
				   (double)s->total_bytes));
	snprintf(dst, EVENT_TEXT_MAX,
		 "session %llu from %s stopped after %s%s, %s committed; %s",
		 (unsigned long long)number, peer,
		 text_size(done, sizeof(done), (double)s->done_bytes), of,
		 text_count(files, s->files, "file"),
		 mode == SECURITY_CODE ?
			 "what is missing can be sent with a new code" :
			 "when the same is sent again, it goes on from there");
	return dst;
}
