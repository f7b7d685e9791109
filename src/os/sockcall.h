/*
 * sockcall.h - calls of sockets whose arguments a filter of system calls sees.
 *
 * Layer: os.
 * Threads: any.
 *
 * glibc for i386 and s390x makes them by socketcall(), whose arguments are in
 * memory, so the sandbox cannot tell what is asked for and refuses it.
 * Elsewhere these are libc's.
 */
#ifndef FERRY_OS_SOCKCALL_H
#define FERRY_OS_SOCKCALL_H

#include <sys/socket.h>
#include <sys/types.h>

/* As sendmsg(2) and setsockopt(2), with errno. */
ssize_t sockcall_sendmsg(int fd, const struct msghdr *msg, int flags);
int sockcall_setsockopt(int fd, int level, int name, const void *value,
			socklen_t len);

#endif
