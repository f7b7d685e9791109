/*
 * tcp.h - options and figures of a TCP connection that POSIX does not know
 * (Linux: TCP_INFO and others; POSIX: not there, or not known).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_TCP_H
#define FERRY_OS_TCP_H

#include <stdint.h>

/* When a peer that does not answer counts as gone: probes after idle_s without
 * data, each interval_s, so many; and for data that is sent after
 * unanswered_ms, where that is not 0.  POSIX: probes at the system's times.
 * What fails is left as it is. */
struct tcp_keepalive {
	int idle_s, interval_s, count, unanswered_ms;
};
void tcp_keep_alive(int fd, const struct tcp_keepalive *k);

/* Wait for an answer as long as the system does, whatever tcp_keep_alive() was
 * told. */
void tcp_wait_unanswered(int fd);

/* Set the congestion control by its name.  Returns 0, or -1 with errno. */
int tcp_set_congestion(int fd, const char *name);

/* Where to see which there are, for a message: "" or " (see ...)". */
const char *tcp_congestion_hint(void);

/* Take at most this many bytes that are not sent yet. */
void tcp_limit_unsent(int fd, int bytes);

/* What the kernel tells of a connection.  Returns 0, or -1 where it does
 * not. */
struct tcp_state {
	uint32_t rtt_us;
	uint64_t bytes_received;
	uint32_t unacked;       /* segments */
	uint32_t retransmits;   /* of the oldest one */
	uint32_t since_data_ms; /* that was received */
};
int tcp_get_state(int fd, struct tcp_state *state);

#endif
