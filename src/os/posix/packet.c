/*
 * A stream, as not all systems have local sockets of packets: a uint32_t with
 * the length, and the message.  Where a message has begun, either side finishes
 * it, also with MSG_DONTWAIT: the other one is about to do its part.
 */
#include "os/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/io.h"
#include "os/fds.h"
#include "os/packet_fd.h"

int packet_pair(int fds[2])
{
	return fds_socket_pair(fds);
}

/* Send the rest of n bytes.  Returns 0, or -1 with errno. */
static int send_rest(int fd, const char *p, size_t n)
{
	while (n > 0) {
		const ssize_t did = send(fd, p, n, MSG_NOSIGNAL);

		if (did < 0 && errno != EINTR)
			return -1;
		p += did > 0 ? did : 0;
		n -= did > 0 ? (size_t)did : 0;
	}
	return 0;
}

int packet_send(int fd, const void *p, size_t n, int pass, int flags)
{
	uint32_t len = (uint32_t)n;
	/* iov_base is not const, but sending only reads from it */
	struct iovec iov[2] = { { &len, sizeof(len) },
				{ (void *)(uintptr_t)p, n } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	union packet_fd room;
	size_t sent;
	ssize_t did;

	packet_fd_put(&m, &room, pass);
	do {
		did = sendmsg(fd, &m, flags | MSG_NOSIGNAL);
	} while (did < 0 && errno == EINTR);
	if (did < 0)
		return -1;
	sent = (size_t)did;
	if (sent < sizeof(len) &&
	    send_rest(fd, (const char *)&len + sent, sizeof(len) - sent) < 0)
		return -1;
	sent = sent < sizeof(len) ? 0 : sent - sizeof(len);
	return send_rest(fd, (const char *)p + sent, n - sent);
}

/* Receive n bytes, all of them; NULL: to nowhere.  Returns 0, or -1 with
 * errno. */
static int receive_rest(int fd, char *p, size_t n)
{
	char nowhere[256];

	while (n > 0) {
		const size_t most = p || n < sizeof(nowhere) ? n
							     : sizeof(nowhere);
		const ssize_t did = recv(fd, p ? p : nowhere, most, 0);

		if (did == 0)
			errno = EPIPE;
		if (did == 0 || (did < 0 && errno != EINTR))
			return -1;
		if (did < 0)
			continue;
		p = p ? p + did : NULL;
		n -= (size_t)did;
	}
	return 0;
}

/* Receive the length of a message, and the descriptor that comes with that. */
static int receive_length(int fd, uint32_t *len, int *got, int flags)
{
	struct iovec iov = { len, sizeof(*len) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	union packet_fd room;
	ssize_t did;

	packet_fd_expect(&m, &room);
	do {
		did = recvmsg(fd, &m, flags);
	} while (did < 0 && errno == EINTR);
	if (did == 0)
		errno = EPIPE;
	if (did <= 0)
		return -1;
	*got = packet_fd_take(&m, &room);
	if (*got >= 0 && fcntl(*got, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return receive_rest(fd, (char *)len + did, sizeof(*len) - (size_t)did);
}

int packet_receive(int fd, void *p, size_t n, int *passed, int flags)
{
	uint32_t len = 0;
	int got = -1, rc = receive_length(fd, &len, &got, flags);

	if (rc == 0 && len != n) {
		rc = receive_rest(fd, NULL, len);
		errno = rc ? errno : EMSGSIZE;
		rc = -1;
	} else if (rc == 0) {
		rc = receive_rest(fd, p, n);
	}
	if (rc < 0 && errno == ECONNRESET)
		errno = EPIPE;
	if (rc < 0 || !passed) {
		const int saved = errno;

		io_close(&got);
		errno = saved;
	}
	if (passed)
		*passed = got;
	return rc;
}
