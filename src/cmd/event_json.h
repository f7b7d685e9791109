/*
 * event_json.h - each event of a session as a line of JSON; the members are
 * those that ferry(1) names.
 *
 * Layer: cmd.  Pure.
 *
 * Failures are reported by b->failed, as in json.h.  number is that of a
 * receiver's session; with 0, none is written.
 */
#ifndef FERRY_CMD_EVENT_JSON_H
#define FERRY_CMD_EVENT_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "session/events.h"

void event_json_listening(struct buf *b, const char *address, size_t len,
			  uint16_t port);
void event_json_code(struct buf *b, const char *code);

/* words: the words to verify, or NULL. */
void event_json_session(struct buf *b, uint64_t number,
			const struct session_peer *peer, const char *words);
void event_json_warning(struct buf *b, uint64_t number, const char *sender,
			const char *text);
void event_json_progress(struct buf *b, uint64_t number, const char *sender,
			 const struct session_progress *p);
void event_json_file(struct buf *b, uint64_t number, const char *sender,
		     const struct session_file *f);

/* e may be NULL. */
void event_json_deleted(struct buf *b, uint64_t number, const char *sender,
			const struct session_deletion *d);
void event_json_summary(struct buf *b, uint64_t number, const char *sender,
			const struct session_summary *s, const struct err *e);

#endif
