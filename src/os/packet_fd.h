/*
 * packet_fd.h - a descriptor in a message (SCM_RIGHTS).  For os/packet.h.
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_PACKET_FD_H
#define FERRY_OS_PACKET_FD_H

#include <sys/socket.h>

/* Room for a descriptor; a union for its alignment. */
union packet_fd {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

/* Add the descriptor fd to a message that is to be sent; -1: nothing.  room is
 * used until it is sent. */
void packet_fd_put(struct msghdr *m, union packet_fd *room, int fd);

/* Make room for a descriptor in a message that is to be received.  Without, one
 * that is sent is dropped. */
void packet_fd_expect(struct msghdr *m, union packet_fd *room);

/* The descriptor that was received, which is the caller's; -1: none. */
int packet_fd_take(const struct msghdr *m, const union packet_fd *room);

#endif
