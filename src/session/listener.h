/*
 * listener.h - accepting connections, as far as admission has room for them.
 *
 * Layer: session.  Uses net/, admission.h, events.h.
 * Threads: one; what it is given may be shared.
 */
#ifndef FERRY_SESSION_LISTENER_H
#define FERRY_SESSION_LISTENER_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

struct admission;
struct cidr_list;
struct net_options;
struct session_events;

enum {
	/* Pending connections at a time. */
	LISTENER_PENDING_MAX = 64,
	LISTENER_PENDING_CODE = 16, /* with a code, which is for one peer */
};

/* The pointers are borrowed. */
struct listener_config {
	uint16_t port; /* 0: any free one */
	const struct net_options *net;
	const struct cidr_list *allow; /* who may connect */
	const struct session_events *events;
	struct admission *admission;
	/* At most so many are accepted by one call of listener_accept(), so
	 * that its caller sees other events, however many come. */
	unsigned batch;
	/* Takes over fd, and enters it into admission. */
	void (*on_connection)(void *ctx, int fd, const char *peer,
			      const struct sockaddr_storage *sa);
	void *ctx;
};

struct listener {
	struct listener_config cfg;
	int fd;       /* to be polled for POLLIN; -1 when closed */
	int is_short; /* of descriptors, which the user was told */
};

/* Listen.  local (ADDR_TEXT_MAX bytes) and port are what was bound.  Returns 0,
 * or as dial_listen(); fd is -1 then. */
int listener_open(struct listener *l, const struct listener_config *cfg,
		  char *local, uint16_t *port, struct err *e);
void listener_close(struct listener *l);

/* Accept those that wait.  Returns for how many milliseconds to pause before
 * the next call, whether fd is readable or not: 0 unless there is no room. */
int listener_accept(struct listener *l);

#endif
