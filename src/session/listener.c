/*
 * Accepting connections.
 */
#include "session/listener.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "auth/mode.h"
#include "base/clock.h"
#include "base/io.h"
#include "net/addr.h"
#include "net/cidr.h"
#include "net/dial.h"
#include "session/admission.h"
#include "session/events.h"
#include "session/refusals.h"

enum {
	PAUSE_MS = 100,
};

int listener_open(struct listener *l, const struct listener_config *cfg,
		  char *local, uint16_t *port, struct err *e)
{
	l->cfg = *cfg;
	l->is_short = 0;
	l->fd = cfg->fd > 0 ?
		dial_take_listener(cfg->fd, cfg->net, local, port, e) :
		dial_listen(cfg->port, cfg->net, local, port, e);
	if (l->fd >= 0)
		return 0;
	l->fd = -1;
	return e->code;
}

void listener_close(struct listener *l)
{
	io_close(&l->fd);
}

/* accept() has failed for want of descriptors, which it does also where no
 * connection is waiting: that is not worth a warning.  The user is warned once,
 * until a connection is accepted again.  Returns how long to pause. */
static int out_of_descriptors(struct listener *l, const struct err *e)
{
	struct pollfd pfd = { .fd = l->fd, .events = POLLIN };

	if (poll(&pfd, 1, 0) == 0)
		return 0;
	if (!l->is_short)
		events_message(l->cfg.events, SESSION_WARNING, "%s", e->text);
	l->is_short = 1;
	admission_make_room(l->cfg.admission);
	return PAUSE_MS;
}

/* Close a connection with the alert that tells a ferry why, in any mode. */
static void refuse_address(int *fd)
{
	uint8_t alert[MODE_ALERT];

	mode_put_access_denied(alert);
	(void)send(*fd, alert, sizeof(alert), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(*fd, SHUT_WR);
	io_close(fd);
}

int listener_accept(struct listener *l)
{
	const struct listener_config *cfg = &l->cfg;

	for (unsigned i = 0; i < cfg->batch; i++) {
		struct sockaddr_storage sa;
		char peer[ADDR_TEXT_MAX];
		struct err e;
		int fd;

		if (admission_is_full(cfg->admission))
			return PAUSE_MS;
		fd = dial_accept(l->fd, cfg->net, peer, &sa, &e);
		if (fd == ERR_AGAIN)
			return 0;
		if (fd < 0)
			return out_of_descriptors(l, &e);
		l->is_short = 0;
		if (cidr_list_has(cfg->allow, (const struct sockaddr *)&sa)) {
			cfg->on_connection(cfg->ctx, fd, peer, &sa);
		} else {
			/* Closed before the handshake, so that an address that
			 * is not allowed costs no cryptography. */
			refusals_tell(cfg->refusals, SESSION_WARNING,
				      "%s: refused: not allowed (--allow)",
				      peer);
			refuse_address(&fd);
		}
	}
	return 0;
}
