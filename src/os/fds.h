/*
 * fds.h - descriptors that exec() closes from the moment they exist (Linux:
 * pipe2(), accept4(), SOCK_CLOEXEC; POSIX: a program that another thread starts
 * in that very moment inherits them).
 *
 * Layer: os.
 * Threads: any.
 *
 * The descriptors are the caller's.
 */
#ifndef FERRY_OS_FDS_H
#define FERRY_OS_FDS_H

#include <sys/socket.h>

/* A pipe; flags: O_NONBLOCK or 0.  Returns 0, or -1 with errno. */
int fds_pipe(int fds[2], int flags);

/* A socket of type SOCK_STREAM or SOCK_DGRAM; flags: O_NONBLOCK or 0.  Returns
 * the descriptor, or -1 with errno. */
int fds_socket(int domain, int type, int flags);

/* Two sockets that are a stream to each other.  Returns 0, or -1 with errno. */
int fds_socket_pair(int fds[2]);

/* As accept(), for a socket that blocks.  Returns the descriptor, or -1 with
 * errno. */
int fds_accept(int listener, struct sockaddr *sa, socklen_t *len);

/* Let a pipe hold this many bytes, if it is one and the system can; else it
 * stays as it is. */
void fds_enlarge_pipe(int fd, int bytes);

#endif
