/*
 * Sockets of packets.
 */
#define _GNU_SOURCE 1
#include "os/packet.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/io.h"
#include "os/packet_fd.h"
#include "os/sockcall.h"

int packet_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
}

int packet_send(int fd, const void *p, size_t n, int pass, int flags)
{
	/* iov_base is not const, but sending only reads from it */
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	union packet_fd room;
	ssize_t did;

	packet_fd_put(&m, &room, pass);
	do {
		did = sockcall_sendmsg(fd, &m, flags | MSG_NOSIGNAL);
	} while (did < 0 && errno == EINTR);
	return did < 0 ? -1 : 0;
}

int packet_receive(int fd, void *p, size_t n, int *passed, int flags)
{
	struct iovec iov = { p, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	union packet_fd room;
	int got = -1;
	ssize_t did;

	if (passed)
		packet_fd_expect(&m, &room);
	do {
		did = recvmsg(fd, &m, flags | MSG_CMSG_CLOEXEC);
	} while (did < 0 && errno == EINTR);
	if (did > 0)
		got = packet_fd_take(&m, &room);
	if (did >= 0 && ((size_t)did != n || (m.msg_flags & MSG_TRUNC))) {
		io_close(&got);
		errno = did == 0 ? EPIPE : EMSGSIZE;
		did = -1;
	}
	if (did < 0 && errno == ECONNRESET)
		errno = EPIPE;
	if (passed)
		*passed = got;
	return did < 0 ? -1 : 0;
}
