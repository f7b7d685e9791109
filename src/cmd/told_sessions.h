/*
 * told_sessions.h - counts the sessions of each sender that a receiver's
 * messages told of: a sender can begin as many as it likes, and fail each, and
 * is not to fill the log.
 *
 * Layer: cmd.  Pure.
 * Threads: none of its own; the owner locks.
 */
#ifndef FERRY_CMD_TOLD_SESSIONS_H
#define FERRY_CMD_TOLD_SESSIONS_H

#include <stdint.h>

enum {
	TOLD_SESSIONS_MOST = 120, /* of a sender in a minute */
	TOLD_SESSIONS_MINUTE_MS = 60 * 1000,
	/* Senders that are counted apart; the last row is that of all
	 * others. */
	TOLD_SESSIONS_ROWS = 32,
	TOLD_SESSIONS_NAME_MAX = 96, /* longer names are compared up to here */
};

/* All zero at first. */
struct told_sessions {
	struct told_sessions_row {
		char name[TOLD_SESSIONS_NAME_MAX]; /* empty: the row is free */
		uint64_t since_ms;
		uint64_t count;
	} rows[TOLD_SESSIONS_ROWS];
};

/* Count a session of a sender.  Returns whether messages are to tell of it. */
int told_sessions_add(struct told_sessions *t, const char *name,
		      uint64_t now_ms);

/* Free a row whose minute is over.  Returns 0 where there is none; else 1, and
 * in *untold how many sessions of its sender were not told of, perhaps 0, with
 * the sender's name in name. */
int told_sessions_end(struct told_sessions *t, uint64_t now_ms,
		      char name[TOLD_SESSIONS_NAME_MAX], uint64_t *untold);

#endif
