/*
 * flusher.h - flushes the received data of large files from time to time, and
 * marks it as flushed in their journals: after a power cut it need not be sent
 * again.
 *
 * Layer: receiver.
 * Threads: it has a thread of its own, as a flush takes as long as the disk
 * does; flusher_start() from any.
 */
#ifndef FERRY_RECEIVER_FLUSHER_H
#define FERRY_RECEIVER_FLUSHER_H

struct flusher;
struct transfer;

/* No thread yet.  t is borrowed.  NULL when out of memory. */
struct flusher *flusher_new(struct transfer *t);

/* There is a journal to flush: start the thread, if it is not running.  Where
 * it cannot be started, and with SYNC_NONE, nothing is flushed before the
 * commit. */
void flusher_start(struct flusher *fl);

/* End the thread, waiting for it, and free.  NULL is allowed. */
void flusher_free(struct flusher *fl);

#endif
