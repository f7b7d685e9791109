/*
 * report.h - tells the user what happens in a session: as messages and a
 * progress line on standard error, and as JSON events.
 *
 * Layer: cmd.
 * Threads: events may be reported from any thread; report_new(), before the
 * run, report_end() and report_free(), after it, only from the main thread.
 *
 * A reader that is slow, paused or gone never delays or fails a transfer:
 * between the event started() and report_end() nothing here waits for one.
 */
#ifndef FERRY_CMD_REPORT_H
#define FERRY_CMD_REPORT_H

#include "auth/tls.h"
#include "base/err.h"
#include "session/events.h"

/* Texts are borrowed and need not be escaped. */
struct report_config {
	int is_sender;
	int is_preview; /* files are listed on standard output */
	int is_single;  /* one session, or one receiver: the caller prints its
			   error */
	/* ferry remote: the user is at the other host and is told there what
	 * the session tells.  Only what is not known there is said: warnings,
	 * and files that a sender could not send; with verbose also details of
	 * the session.  Each message begins with own_host, the name by which
	 * the user has called this host, or where that is NULL, its host
	 * name. */
	int is_remote;
	const char *own_host;
	int has_stdin;  /* sender: a source cannot be read again */
	int has_retry;  /* sender: it reconnects by itself */
	int json_fd;    /* -1: no events; borrowed */
	int quiet;
	int verbose; /* 1: what changes; 2: also files that are unchanged */
	int progress;   /* enum progress_when */
	enum security security;
	int connects; /* this side makes the connection */
	int family;   /* listening: of addresses, as struct net_options */
	/* the other host as the user named it; NULL: it was not named */
	const char *peer;
	const char *dir;  /* receiver: NULL for standard output */
	const char *config; /* instead: the file of named senders; or NULL */
};

struct pake;
struct report;

/* NULL when out of memory. */
struct report *report_new(const struct report_config *cfg);

/* Before the run, where the mode was not known in report_new(). */
void report_set_security(struct report *r, enum security mode);

/* For the session; valid until report_free(). */
const struct session_events *report_events(struct report *r);

/*
 * Call before the run in code mode.  code: the receiver's, shown once it
 * listens (copied; NULL: not shown).  pake: the source of the words to verify
 * (borrowed).
 */
void report_set_code(struct report *r, const char *code, struct pake *pake);

/* Show another code, number `number` of at most `count`, as this peer has given
 * a wrong one.  From any thread. */
void report_renew_code(struct report *r, const char *code, const char *peer,
		       unsigned number, unsigned count);

/* Whether SIGUSR1 is answered with what goes on, for a while before the run, in
 * which it is; signals_start_report() has to be called before. */
void report_answer(struct report *r, int answers);

/* Whether to erase the progress line and draw none until it is called with 0,
 * while something else is written to the terminal.  Waits until it can be seen.
 * From any thread. */
void report_pause(struct report *r, int is_paused);

/*
 * The run is over with this code (0 or an enum err_code, whose text is in e).
 * Clears the progress line, so that the caller can print, and waits until
 * everything is written; once cancel_fd (-1: never) is readable, for two
 * seconds at most (one an output, see writer_end()), and what has not been read
 * is lost.  If the run failed without a summary event, it is written here: send
 * and receive --once always write exactly one.  Returns code; or ERR_LOCAL,
 * with e set, where it was 0 and a line of a preview's list could not be
 * written.
 */
int report_end(struct report *r, int cancel_fd, int code, struct err *e);

/* NULL is allowed. */
void report_free(struct report *r);

#endif
