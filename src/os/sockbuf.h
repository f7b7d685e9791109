/*
 * sockbuf.h - how much a socket holds.
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_SOCKBUF_H
#define FERRY_OS_SOCKBUF_H

/* Let a socket hold at least this many bytes that were sent and not received,
 * or as many as the system allows; never fewer than before.  Does not block. */
void sockbuf_enlarge(int fd, int bytes);

#endif
