/*
 * One control message.
 */
#include "os/packet_fd.h"

#include <string.h>

void packet_fd_put(struct msghdr *m, union packet_fd *room, int fd)
{
	if (fd < 0)
		return;
	packet_fd_expect(m, room);
	room->header.cmsg_level = SOL_SOCKET;
	room->header.cmsg_type = SCM_RIGHTS;
	room->header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&room->header), &fd, sizeof(fd));
}

void packet_fd_expect(struct msghdr *m, union packet_fd *room)
{
	memset(room, 0, sizeof(*room));
	m->msg_control = room;
	m->msg_controllen = sizeof(room->room);
}

int packet_fd_take(const struct msghdr *m, const union packet_fd *room)
{
	int fd = -1;

	if (m->msg_control && m->msg_controllen >= CMSG_LEN(sizeof(int)) &&
	    room->header.cmsg_level == SOL_SOCKET &&
	    room->header.cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(&room->header), sizeof(fd));
	return fd;
}
