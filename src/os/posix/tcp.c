/*
 * SO_KEEPALIVE is all there is.
 */
#include "os/tcp.h"

#include <errno.h>
#include <sys/socket.h>

void tcp_keep_alive(int fd, const struct tcp_keepalive *k)
{
	const int on = 1;

	(void)k;
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

void tcp_wait_unanswered(int fd)
{
	(void)fd;
}

int tcp_set_congestion(int fd, const char *name)
{
	(void)fd;
	(void)name;
	errno = EOPNOTSUPP;
	return -1;
}

const char *tcp_congestion_hint(void)
{
	return "";
}

void tcp_limit_unsent(int fd, int bytes)
{
	(void)fd;
	(void)bytes;
}

int tcp_get_state(int fd, struct tcp_state *state)
{
	(void)fd;
	(void)state;
	return -1;
}
