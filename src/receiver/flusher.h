/*
 * flusher.h - making what arrived of large files durable from time to time, and
 * marking it so in their journals: it then counts also after a power cut.
 *
 * Layer: receiver.  Uses file_use.h, transfer.h.
 * Threads: one of its own, as a flush takes as long as the disk takes;
 * flusher_start() from any.
 */
#ifndef FERRY_RECEIVER_FLUSHER_H
#define FERRY_RECEIVER_FLUSHER_H

struct flusher;
struct transfer;

/* No thread yet.  t is borrowed.  NULL when out of memory. */
struct flusher *flusher_new(struct transfer *t);

/* There is a journal to flush: start the thread, if it is not running.  Where
 * it cannot be started, and with SYNC_NONE, nothing is flushed meanwhile. */
void flusher_start(struct flusher *fl);

/* End the thread, waiting for it, and free.  NULL is allowed. */
void flusher_free(struct flusher *fl);

#endif
