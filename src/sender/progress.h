/*
 * progress.h - how far a transfer is: of what was sent, only what has arrived
 * counts, also of a chunk that is not whole yet.
 *
 * Layer: sender.
 * Threads: any; it works on the atomics of counters.h.  The functions with a
 * struct send_stream are for its thread.
 *
 * What has arrived is what the receiver says by PROGRESS.  TCP's own
 * acknowledgements would not do: behind a proxy or ssh they are those of a host
 * on the way.  Where the receiver does not know PROGRESS, what was sent counts.
 */
#ifndef FERRY_SENDER_PROGRESS_H
#define FERRY_SENDER_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct outfile;
struct send_stream;
struct sender;

/* Call the progress event.  is_scanned: the totals are
 * final. */
void send_progress_show(struct sender *s, int is_scanned);

/* Another session is going to begin, after the streams of the last one have
 * ended: what was sent without a verdict is sent again. */
void send_progress_restart(struct sender *s);

/* n bytes of a file need not be sent; a hole, or what is going to be checked,
 * which STATE may have counted already. */
void send_progress_spare(struct sender *s, struct outfile *f, uint64_t n);
void send_progress_spare_hole(struct sender *s, struct outfile *f, uint64_t n);
void send_progress_spare_checked(struct sender *s, struct outfile *f,
				 uint64_t n);

/* What STATE has counted of a file: bytes of a part that the receiver kept, and
 * holes.  It is told at once, as what is sent next may take minutes. */
void send_progress_spare_state(struct sender *s, uint64_t part, uint64_t holes);

/* Take the body of the receiver's PROGRESS.  Returns 0 or ERR_PROTOCOL. */
int send_progress_take(struct sender *s, const uint8_t *body, size_t n);

/*
 * Send PROGRESS, at most about twice a second, where the receiver knows it and
 * there is something new.  It stays in the stream's buffer until something else
 * is sent.  channel.out must be empty; send_progress_tick() leaves it alone,
 * for the ticks of a stream, and flushes.  Both return as channel_send().
 */
int send_progress_if_due(struct send_stream *st, struct err *e);
int send_progress_tick(struct send_stream *st, struct err *e);

/* The same before the session is ended early, whenever the last one was. */
void send_progress_leave(struct send_stream *st);

#endif
