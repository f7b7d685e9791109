/*
 * err.h - error codes, and the record of one failure.
 *
 * Layer: base.
 * Threads: a struct err belongs to the operation that it was passed to.
 *
 * The function that meets a failure fills the record; its callers return the
 * code unchanged, or add a prefix.  Only main.c and cmd/ print it.
 */
#ifndef FERRY_BASE_ERR_H
#define FERRY_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

/*
 * All failures: code, exit status of the process, short text.  The exit
 * statuses are documented in ferry(1) and must not change: scripts depend on
 * them.
 */
#define ERR_LIST(X)                                                            \
	X(ERR_SOME_FAILED, 1, "some files failed")                             \
	X(ERR_USAGE, 2, "wrong usage")                                         \
	X(ERR_CONNECT, 3, "could not connect or listen")                       \
	X(ERR_AUTH, 4, "authentication failed")                                \
	X(ERR_PROTOCOL, 5, "protocol error")                                   \
	X(ERR_CORRUPT, 5, "corrupted data")                                    \
	X(ERR_LOST, 6, "connection to the peer lost")                          \
	X(ERR_TIMEOUT, 6, "timed out")                                         \
	X(ERR_LOCAL, 7, "local file error")                                    \
	X(ERR_REMOTE, 8, "remote file error")                                  \
	X(ERR_CHANGED, 9, "a source changed while it was sent")                \
	X(ERR_UNCONFIRMED, 10, "sent, but the commit was not confirmed")       \
	X(ERR_RESOURCE, 11, "out of resources")                                \
	X(ERR_INTERRUPTED, 128, "interrupted by a signal")                     \
	X(ERR_CLOSED, 6, "the other side closed the connection")               \
	X(ERR_AGAIN, 6, "nothing to read yet")                                 \
	X(ERR_RANGE, 5, "value out of range")                                  \
	X(ERR_INTERNAL, 11, "internal error")

enum err_code {
	ERR_OK = 0,
#define ERR_FIRST (-1000)
	ERR_BELOW_FIRST = ERR_FIRST,
#define X(code, status, text) code,
	ERR_LIST(X)
#undef X
};

/* Values of sys_errno for failures that the system has no errno for. */
enum err_errno {
	ERR_ERRNO_PROTECTED = 10001, /* immutable or append-only (chattr) */
	ERR_ERRNO_LIMIT = 10002, /* over a limit that the user has set */
	ERR_ERRNO_NO_ENTRIES = 10003, /* nothing can be created in there */
};

struct err {
	int code;      /* 0, or an enum err_code (negative) */
	int sys_errno; /* errno of the failing call, 0 where there is none */
	char text[768];
};

/* Set e to "no failure". */
void err_clear(struct err *e);

/*
 * Record a failure: the code and a printf-style text.  e may be NULL.  errno is
 * preserved.  Returns code, for "return err_set(e, ERR_PROTOCOL, ...)".
 */
int err_set(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What an errno means: a text in dst, or one that stays as it is. */
const char *err_reason(int error, char *dst, size_t size);

/* Like err_set(), and append ": " and the text of errno, which is recorded. */
int err_sys(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put a printf-style text and ": " before e's text.  Returns e's code, or
 * ERR_INTERNAL where e is NULL. */
int err_prefix(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Append a printf-style text to e's.  e may be NULL. */
void err_append(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The exit status of a code; 0 for ERR_OK.  For ERR_INTERRUPTED the caller adds
 * the signal's number. */
int err_exit_status(int code);

/* Whether the code says that the connection was lost, closed or timed out. */
int err_is_lost(int code);

/* The short text of a code; never NULL. */
const char *err_name(int code);

/*
 * How much a code tells the user: of several failures of one session the one
 * with the greatest weight is reported, so that a full disk is not hidden by
 * the connection reset that follows it.
 */
int err_weight(int code);

/* Copy src to dst if its code has a greater weight than dst's. */
void err_merge(struct err *dst, const struct err *src);

#endif
