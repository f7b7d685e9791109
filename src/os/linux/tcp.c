/*
 * Socket options of tcp(7).
 */
#define _GNU_SOURCE 1
#include "os/tcp.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "os/sockcall.h"

static void set_int(int fd, int level, int name, int value)
{
	(void)sockcall_setsockopt(fd, level, name, &value, sizeof(value));
}

void tcp_keep_alive(int fd, const struct tcp_keepalive *k)
{
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, k->idle_s);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, k->interval_s);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, k->count);
	if (k->unanswered_ms > 0)
		set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, k->unanswered_ms);
}

void tcp_wait_unanswered(int fd)
{
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
}

int tcp_set_congestion(int fd, const char *name)
{
	return sockcall_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name,
				   (socklen_t)strlen(name));
}

const char *tcp_congestion_hint(void)
{
	return " (see /proc/sys/net/ipv4/tcp_allowed_congestion_control)";
}

void tcp_limit_unsent(int fd, int bytes)
{
	set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, bytes);
}

int tcp_get_state(int fd, struct tcp_state *state)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -1;
	*state = (struct tcp_state){
		.rtt_us = info.tcpi_rtt,
		.bytes_received = info.tcpi_bytes_received,
		.unacked = info.tcpi_unacked,
		.retransmits = info.tcpi_retransmits,
		.since_data_ms = info.tcpi_last_data_recv,
	};
	return 0;
}
