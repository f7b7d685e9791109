/*
 * listener.h - accepting connections, within the limits of admission.h.
 *
 * Layer: session.
 * Threads: a struct listener belongs to one thread; what its configuration
 * points to may be shared.
 */
#ifndef FERRY_SESSION_LISTENER_H
#define FERRY_SESSION_LISTENER_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

struct admission;
struct cidr_list;
struct net_options;
struct refusals;
struct session_events;

enum {
	/* The most pending connections, for admission_config.max. */
	LISTENER_PENDING_MAX = 64,
	LISTENER_PENDING_CODE = 16, /* with a code, which is for one peer */
};

/* The pointers are borrowed. */
struct listener_config {
	uint16_t port; /* 0: any free one */
	int fd;        /* instead: one that listens, taken over; 0: none */
	const struct net_options *net;
	const struct cidr_list *allow; /* who may connect */
	const struct session_events *events;
	struct refusals *refusals;
	struct admission *admission;
	/* The most connections that one call of listener_accept() accepts, so
	 * that a flood of them does not keep its caller from other events. */
	unsigned batch;
	/* Owns fd from now on, and calls admission_enter(). */
	void (*on_connection)(void *ctx, int fd, const char *peer,
			      const struct sockaddr_storage *sa);
	void *ctx;
};

struct listener {
	struct listener_config cfg;
	int fd;       /* to be polled for POLLIN; -1 when closed */
	int is_short; /* out of descriptors, and the user has been warned */
};

/* Listen.  local (ADDR_TEXT_MAX bytes) and port get the bound address.  Returns
 * 0; otherwise as dial_listen(), with l->fd -1. */
int listener_open(struct listener *l, const struct listener_config *cfg,
		  char *local, uint16_t *port, struct err *e);
void listener_close(struct listener *l);

/* Accept the connections that are waiting.  Does not block.  Returns 0, or how
 * many milliseconds to pause before the next call, even if fd is readable,
 * because there is no room for another. */
int listener_accept(struct listener *l);

#endif
