/*
 * Members are in the order of the manual.
 */
#include "cmd/event_json.h"

#include <stdio.h>
#include <string.h>

#include "chunk/digest.h"
#include "cmd/event_text.h"
#include "cmd/json.h"
#include "cmd/signals.h"
#include "session/losses.h"

static void put_text(struct buf *b, const char *key, const char *text)
{
	json_text(b, key, text, strlen(text));
}

static void put_number(struct buf *b, uint64_t number)
{
	if (number)
		json_u64(b, "session", number);
}

/* Of a named sender; or NULL. */
static void put_sender(struct buf *b, const char *sender)
{
	if (sender)
		put_text(b, "sender", sender);
}

void event_json_listening(struct buf *b, const char *address, size_t len,
			  uint16_t port)
{
	json_begin(b, "listening");
	json_text(b, "address", address, len);
	json_u64(b, "port", port);
	json_end(b);
}

void event_json_code(struct buf *b, const char *code)
{
	json_begin(b, "code");
	put_text(b, "code", code);
	json_end(b);
}

void event_json_session(struct buf *b, uint64_t number,
			const struct session_peer *peer, const char *words)
{
	json_begin(b, "session");
	put_number(b, number);
	put_sender(b, peer->name);
	put_text(b, "peer", peer->address);
	put_text(b, "security", peer->security);
	if (peer->identity)
		put_text(b, "peer_id", peer->identity);
	if (peer->data)
		put_text(b, "data", peer->data);
	if (peer->direct)
		put_text(b, "direct", peer->direct);
	if (peer->is_dry_run)
		json_true(b, "dry_run");
	if (words)
		put_text(b, "verify", words);
	json_end(b);
}

void event_json_warning(struct buf *b, uint64_t number, const char *sender,
			const char *text)
{
	json_begin(b, "warning");
	put_number(b, number);
	put_sender(b, sender);
	put_text(b, "message", text);
	json_end(b);
}

void event_json_progress(struct buf *b, uint64_t number, const char *sender,
			 const struct session_progress *p)
{
	json_begin(b, "progress");
	json_u64(b, "bytes", p->bytes);
	json_u64(b, "total_bytes", p->total_bytes);
	json_u64(b, "files", p->files);
	json_u64(b, "total_files", p->total_files);
	json_u64(b, "sent_bytes", p->sent_bytes);
	put_number(b, number);
	put_sender(b, sender);
	json_end(b);
}

void event_json_file(struct buf *b, uint64_t number, const char *sender,
		     const struct session_file *f)
{
	char digest[DIGEST_TEXT_MAX], kinds[LOSSES_KINDS_SIZE];

	json_begin(b, "file");
	put_number(b, number);
	put_sender(b, sender);
	json_bytes(b, "path", f->name, f->name_len);
	json_u64(b, "size", f->size);
	put_text(b, "status", event_text_status(f));
	if (f->plan)
		put_text(b, "plan", event_text_plan(f->plan));
	if (f->plan && f->is_dir)
		put_text(b, "kind", "directory");
	if (f->digest_ops && f->digest)
		put_text(b, "digest",
			 digest_text(digest, f->digest_ops, f->digest));
	if (f->renamed_to)
		json_bytes(b, "renamed_to", f->renamed_to,
			   strlen(f->renamed_to));
	if (f->status == STATUS_UPDATED && !f->is_planned && !f->not_kept)
		put_text(b, "updated", "metadata");
	if (f->not_kept)
		put_text(b, "not_kept", losses_kinds(kinds, f->not_kept));
	if (f->error) {
		char error[EVENT_TEXT_MAX];

		snprintf(error, sizeof(error), "%s%s%s", f->error,
			 f->advice ? "; " : "", f->advice ? f->advice : "");
		put_text(b, "error", error);
	}
	json_end(b);
}

void event_json_deleted(struct buf *b, uint64_t number, const char *sender,
			const struct session_deletion *d)
{
	json_begin(b, "deleted");
	put_number(b, number);
	put_sender(b, sender);
	json_bytes(b, "path", d->name, d->name_len);
	put_text(b, "kind", d->is_dir ? "directory" : "file");
	put_text(b, "status",
		 d->error ? "failed" : d->is_planned ? "planned" : "deleted");
	if (d->error) {
		char error[EVENT_TEXT_MAX];

		snprintf(error, sizeof(error), "%s%s%s", d->error,
			 d->advice ? "; " : "", d->advice ? d->advice : "");
		put_text(b, "error", error);
	}
	json_end(b);
}

void event_json_summary(struct buf *b, uint64_t number, const char *sender,
			const struct session_summary *s, const struct err *e)
{
	json_begin(b, "summary");
	put_number(b, number);
	put_sender(b, sender);
	json_u64(b, "exit", (uint64_t)signals_exit_status(s->code));
	if (s->is_dry_run)
		json_true(b, "dry_run");
	json_u64(b, "files", s->files);
	json_u64(b, "bytes", s->bytes);
	json_u64(b, "sent_bytes", s->sent_bytes);
	json_u64(b, "payload_bytes", s->payload_bytes);
	json_u64(b, "wire_bytes", s->wire_bytes);
	json_u64(b, "resent_bytes", s->resent_bytes);
	if (s->basis_bytes)
		json_u64(b, "basis_bytes", s->basis_bytes);
	json_seconds(b, "seconds", s->seconds);
	json_u64(b, "unchanged", s->unchanged);
	if (s->updated)
		json_u64(b, "updated", s->updated);
	if (s->replaced)
		json_u64(b, "replaced", s->replaced);
	if (s->renamed)
		json_u64(b, "renamed", s->renamed);
	json_u64(b, "skipped", s->skipped);
	json_u64(b, "failed", s->failed);
	if (s->not_kept)
		json_u64(b, "not_kept", s->not_kept);
	if (s->deleted || s->not_deleted) {
		json_u64(b, "deleted", s->deleted);
		json_u64(b, "not_deleted", s->not_deleted);
	}
	if (s->code && e && e->text[0])
		put_text(b, "error", e->text);
	json_end(b);
}
