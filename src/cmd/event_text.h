/*
 * event_text.h - the texts of messages for the events of a session.
 *
 * Layer: cmd.  Pure, except for gethostname().
 *
 * A text is one line without a newline, truncated to EVENT_TEXT_MAX - 1 bytes;
 * names and addresses in it are escaped.  A function writes to dst, which has
 * room for EVENT_TEXT_MAX bytes, and returns it.
 */
#ifndef FERRY_CMD_EVENT_TEXT_H
#define FERRY_CMD_EVENT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "auth/tls.h"
#include "session/events.h"

struct local_addr;

enum {
	EVENT_TEXT_MAX = 4080,
	EVENT_TEXT_SHOWN_MAX = 1024, /* of a path or a host in a text */
};

/* Such as "TLS, shared key". */
const char *event_text_security(enum security mode);

/* dir: NULL for standard output.  len: of the address. */
const char *event_text_listening(char *dst, const char *dir,
				 const char *address, size_t len,
				 uint16_t port, enum security mode);

/* The same of named senders; config: their file. */
const char *event_text_serving(char *dst, const char *config,
			       const char *address, size_t len, uint16_t port,
			       enum security mode);

/* The same of a sender. */
const char *event_text_awaiting(char *dst, const char *address, size_t len,
				uint16_t port, enum security mode);

/* The command for the other host, to send to this address or, where this side
 * sends, to receive from it.  Only this host reaches a loopback address. */
const char *event_text_invitation(char *dst, const char *address, size_t len,
				  uint16_t port, int is_sender);

/* Whether it is the address that stands for all of this host. */
int event_text_is_any(const char *address, size_t len);

/* Whether it is one of the addresses that only this host reaches. */
int event_text_is_loopback(const char *address, size_t len);

/* Further addresses of this host, for that command. */
const char *event_text_addresses(char *dst, const struct local_addr *list,
				 unsigned count, uint16_t port);

/* Such as "committed"; also used in the JSON event. */
const char *event_text_status(const struct session_file *f);

/* What was deleted, or why it was not.  with_advice: as event_text_file(). */
const char *event_text_deleted(char *dst, const struct session_deletion *d,
			       int with_advice);

/* The result of a file, except in a preview.  with_advice: followed by what to
 * do about a failure, if that is known. */
const char *event_text_file(char *dst, const struct session_file *f,
			    int is_sender, int with_advice);

/* What the results of files like this one have in common; a fixed text or one
 * of f's, or NULL.  The text that says how many more of them there are. */
const char *event_text_kind(const struct session_file *f, int is_sender);
const char *event_text_more(char *dst, uint64_t count, const char *kind);

/* What would be done: "new", "replace", "backup", "rename", "metadata",
 * "unchanged", "skip" or "refuse"; also used in the JSON event. */
const char *event_text_plan(unsigned plan);

/* A file in a preview's list.  with_size: where nothing else is said of it. */
const char *event_text_planned(char *dst, const struct session_file *f,
			       int with_size);

const char *event_text_would_delete(char *dst,
				    const struct session_deletion *d);

/* How far a transfer got that was interrupted, and how to go on.  mode: with a
 * one-time code no part is kept for another session. */
const char *event_text_stopped(char *dst, const struct session_summary *s,
			       const struct session_progress *p,
			       enum security mode, int has_retry);
const char *event_text_kept(char *dst, uint64_t number, const char *peer,
			    const struct session_summary *s,
			    enum security mode);

/* The end of a session.  peer is already escaped.  why: the error to show,
 * or NULL. */
const char *event_text_sent(char *dst, const struct session_summary *s,
			    const char *peer);
const char *event_text_preview(char *dst, const struct session_summary *s,
			       const char *peer);
const char *event_text_received(char *dst, uint64_t number, const char *peer,
				const struct session_summary *s,
				const char *why);

#endif
