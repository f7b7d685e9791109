/*
 * scanner.h - the scanner's thread: walks the sources and fills the queue.
 *
 * Layer: sender.  Uses fs/scan.h, sender/queue.h.
 * Threads: a struct scanner belongs to the control thread, but for
 * scanner_is_done().
 */
#ifndef FERRY_SENDER_SCANNER_H
#define FERRY_SENDER_SCANNER_H

#include "base/err.h"

struct scanner;
struct sender;

/* Called by the scanner's thread, or by scanner_start(), when it fails: the
 * session cannot go on. */
typedef void (*scanner_fail_fn)(void *ctx, const struct err *e);

/* s is borrowed.  NULL when out of memory. */
struct scanner *scanner_new(struct sender *s, scanner_fail_fn on_fail,
			    void *ctx);
void scanner_free(struct scanner *sc); /* joined before; NULL is allowed */

/*
 * Start the thread.  It ends when all is queued, when the queue is closed, or
 * when it fails, which on_fail was told.  Returns 0; or -1 where there is no
 * thread, which on_fail was told as well.
 */
int scanner_start(struct scanner *sc);

/* Queue all directories once more, in a new session: their modes and times are
 * set when a session ends, so the receiver has to be told of all of them. */
void scanner_rescan_dirs(struct scanner *sc);

/* Wait for the thread to end, if there is one.  Returns 0, or why a walk failed
 * at any time, which e (may be NULL) is told if that says more than what it
 * holds. */
int scanner_join(struct scanner *sc, struct err *e);

/* Whether everything was scanned.  Any thread. */
int scanner_is_done(struct scanner *sc);

#endif
