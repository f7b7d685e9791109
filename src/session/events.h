/*
 * events.h - the functions by which a session reports what it does.
 *
 * Layer: session.
 * Threads: after started(), any thread of a session calls the functions,
 * several at once and while it holds locks of the session.  So they do their
 * own locking, must not call back into the session, and must not block on the
 * reader of their output: a session that waits for a terminal sends no
 * heart-beats.
 */
#ifndef FERRY_SESSION_EVENTS_H
#define FERRY_SESSION_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "chunk/digest.h"
#include "wire/msg.h"
#include "wire/msg_list.h"

struct session_file {
	const char *name; /* as on the wire; bytes; terminated */
	size_t name_len;
	uint64_t size;    /* bytes; 0 where unknown */
	enum file_status status;
	const struct digest_ops *digest_ops; /* NULL: no digest known */
	const uint8_t *digest;
	/* With STATUS_FAILED: one line with path, side, host and cause,
	 * escaped; otherwise NULL. */
	const char *error;
	/* On the receiver: the name that the file got instead, or NULL. */
	const char *renamed_to;
	/* With STATUS_FAILED: the other side has told this user why. */
	int is_told;
	/* It was not sent: with --list, when plan is 0 and status is not set;
	 * or with --dry-run, when plan is an enum listed_state, and status the
	 * verdict that it would get. */
	int is_planned;
	unsigned plan;
	int is_dir; /* else directories are reported only if they failed */
	/* COMMITTED, UPDATED: enum file_meta_kind, what could not be kept. */
	unsigned not_kept;
	/* With STATUS_FAILED: what failures of the same kind have in common,
	 * such as the cause, by which they are counted; and what to do about
	 * them.  Either may be NULL. */
	const char *reason, *advice;
	/* With STATUS_FAILED: a sender's own failure, of which the receiver
	 * knows less. */
	int is_own;
};

/* Something at the receiver that the sender does not have. */
struct session_deletion {
	const char *name; /* bytes; terminated */
	size_t name_len;
	int is_dir;
	int is_planned; /* it was not deleted: only that it would be is told */
	/* Why it is still there: one line with path, side, host and cause,
	 * escaped; NULL: it was deleted.  reason, advice: as of
	 * session_file. */
	const char *error, *reason, *advice;
};

struct session_progress {
	uint64_t bytes, total_bytes; /* of file content: done, found so far */
	uint64_t files, total_files; /* files and symlinks, likewise */
	int total_is_final;          /* the scan has ended */
	/* of `bytes`: what was sent and has arrived, so not holes nor what the
	 * receiver had; when that became known (clock_ms()) */
	uint64_t sent_bytes, at_ms;
	int is_endless; /* the end of standard input was not read yet */
	int is_unconnected; /* of a sender: there is no connection (yet) */
	/* When the session is ended if the other side goes on doing nothing
	 * (clock_ms()); 0: it is not its turn.  is_busy: it says that it is at
	 * work. */
	uint64_t give_up_ms;
	int is_busy;
	unsigned streams;
};

struct session_summary {
	int code;        /* 0 or enum err_code; see err_exit_status() */
	uint64_t files;  /* committed or unchanged */
	uint64_t unchanged, skipped, failed;
	uint64_t updated; /* of unchanged: their metadata was set, all that
			     differed */
	uint64_t not_kept; /* items without all metadata */
	uint64_t deleted, not_deleted; /* by --delete, at the receiver */
	uint64_t replaced, renamed; /* of those committed: in the place of
				       another file, under another name */
	uint64_t bytes;     /* content of the files committed or unchanged, */
	uint64_t new_bytes; /* and of those committed */
	/* Content that was sent, so neither holes nor what was there already,
	 * and the bytes of payloads, maybe compressed, that this took. */
	uint64_t sent_bytes, payload_bytes;
	/* Of a receiver: how far it got, as of session_progress, less what came
	 * of frames that were cut off.  total_bytes 0: not known. */
	uint64_t done_bytes, total_bytes;
	int total_is_final;
	int is_dry_run; /* nothing was done: all is what would be */
	uint64_t wire_bytes;   /* through the sockets, in both directions */
	uint64_t resent_bytes; /* content that was sent more than once */
	uint64_t basis_bytes;  /* content that was not sent, as a file that was
				  replaced had it; of the sender */
	double seconds;
};

/* Who a session is with.  Borrowed texts. */
struct session_peer {
	const char *address;  /* with its port */
	const char *security; /* security_name() */
	const char *identity; /* what it proved to be: stream_identity() */
	const char *name;     /* of a named sender; or NULL */
	/* by ssh: the way of content, "ssh" or "direct"; and with the latter
	 * the address; else NULL */
	const char *data, *direct;
	int is_dry_run;
};

enum session_level {
	SESSION_ERROR,
	SESSION_ERROR_OF_BOTH, /* the other side tells its user as well */
	SESSION_WARNING,
	SESSION_NOTICE, /* nothing is wrong */
	SESSION_VERBOSE, /* details */
};

/* Any of the functions may be NULL. */
struct session_events {
	/* Called once, when the sandbox is in place and the receiver listens,
	 * before the process starts another thread. */
	void (*started)(void *ctx);
	void (*listening)(void *ctx, const char *address, uint16_t port);
	/* A session began.  number counts sessions of this process from 1. */
	void (*session)(void *ctx, uint64_t number,
			const struct session_peer *peer);
	/* By ssh: content of the session with this peer goes directly, to this
	 * address. */
	void (*direct)(void *ctx, uint64_t number, const char *peer,
		       const char *address);
	/* About ten times a second while a send runs, and at the end.  On a
	 * receiver as often as progress_ms says (0: never), for each session;
	 * it knows totals only where the sender tells them. */
	void (*progress)(void *ctx, uint64_t number,
			 const struct session_progress *p);
	unsigned progress_ms;
	void (*file)(void *ctx, uint64_t number, const struct session_file *f);
	void (*deleted)(void *ctx, uint64_t number,
			const struct session_deletion *d);
	/* A line for the user: escaped, without newline. */
	void (*message)(void *ctx, enum session_level level, const char *text);
	/* The same about a session, of which messages may tell nothing.  NULL:
	 * message() is called. */
	void (*session_message)(void *ctx, uint64_t number,
				enum session_level level, const char *text);
	/* A session ended; e says why when code is not 0. */
	void (*summary)(void *ctx, uint64_t number,
			const struct session_summary *s, const struct err *e);
	void *ctx;
};

/* Format a line and hand it to ev->message, if there is one. */
void events_message(const struct session_events *ev, enum session_level level,
		    const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same about a session (a sender's: 1). */
void events_session_message(const struct session_events *ev, uint64_t number,
			    enum session_level level, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
