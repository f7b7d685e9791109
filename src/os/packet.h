/*
 * packet.h - messages between two processes, which arrive whole or not at all,
 * and a descriptor with them (Linux: SOCK_SEQPACKET; POSIX: a stream, in which
 * the length goes before each).
 *
 * Layer: os.
 * Threads: POSIX: one thread or process sends at a time, and one receives, in
 * each direction.  Linux: any.
 */
#ifndef FERRY_OS_PACKET_H
#define FERRY_OS_PACKET_H

#include <stddef.h>

/* Two sockets, which are the caller's and closed by exec().  Returns 0, or -1
 * with errno. */
int packet_pair(int fds[2]);

/*
 * Send a message of n bytes, with a descriptor, which stays the caller's, if
 * pass is not negative.  flags: MSG_DONTWAIT or 0.  Returns 0; or -1 with
 * errno, EAGAIN where it would block.  A handler of a signal may call it.
 */
int packet_send(int fd, const void *p, size_t n, int pass, int flags);

/*
 * Receive a message of just n bytes.  *passed (may be NULL: none is accepted)
 * becomes the descriptor that came with it, which is the caller's, or -1.
 * Returns 0; or -1 with errno: EAGAIN with MSG_DONTWAIT where there is none,
 * EPIPE where the other process is gone, EMSGSIZE for a message of another
 * size.
 */
int packet_receive(int fd, void *p, size_t n, int *passed, int flags);

#endif
