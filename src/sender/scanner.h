/*
 * scanner.h - the scanner's thread: walks the sources and fills the queue.
 *
 * Layer: sender.
 * Threads: the control thread's, except scanner_is_done().
 */
#ifndef FERRY_SENDER_SCANNER_H
#define FERRY_SENDER_SCANNER_H

#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"

struct scanner;
struct sender;

/* Called when scanning fails, by the scanner's thread or scanner_start(): the
 * session cannot go on. */
typedef void (*scanner_fail_fn)(void *ctx, const struct err *e);

/* s is borrowed.  NULL when out of memory. */
struct scanner *scanner_new(struct sender *s, scanner_fail_fn on_fail,
			    void *ctx);
/* After scanner_join().  NULL is allowed. */
void scanner_free(struct scanner *sc);

/*
 * Start the thread.  It ends when everything is queued, when the queue is
 * closed, or when it fails, after it has called on_fail.  Returns 0; or -1
 * where no thread could be started, after calling on_fail.
 */
int scanner_start(struct scanner *sc);

/* Queue all directories once more, for a new session: the receiver sets their
 * metadata when a session ends, of those that were sent in it. */
void scanner_rescan_dirs(struct scanner *sc);

/* With --delete: whether this directory, as the receiver has its path (len
 * bytes), was read by the scan, and is still that one.  After the scan. */
int scanner_has_sent_dir(const struct sender *s, const char *path, size_t len,
			 const struct stat *st);

/* Wait for the thread to end, if there is one.  Returns 0; or the error of a
 * walk that failed, which is also merged into e (may be NULL) by
 * err_merge(). */
int scanner_join(struct scanner *sc, struct err *e);

/* Whether everything was scanned.  From any thread. */
int scanner_is_done(struct scanner *sc);

#endif
