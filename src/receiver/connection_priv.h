/*
 * connection_priv.h - a connection and the set it is in, for connection.c and
 * opening.c.
 */
#ifndef FERRY_RECEIVER_CONNECTION_PRIV_H
#define FERRY_RECEIVER_CONNECTION_PRIV_H

#include <pthread.h>
#include <stdint.h>

#include "auth/pake.h"
#include "net/dial.h"
#include "os/wake.h"
#include "receiver/connection.h"
#include "receiver/input.h"
#include "receiver/worker.h"
#include "session/channel.h"

struct pending;
struct sender;
struct senders;

struct recv_connection_set {
	/* set once; borrowed, but for wake */
	struct recv_setup *setup;
	struct admission *admission;
	struct sessions *sessions;
	struct wake wake; /* threads have ended, or further ones are wanted */
	unsigned count;   /* the accept loop's: threads that are not joined */
	/* guarded by lock */
	pthread_mutex_t lock;
	struct recv_connection *ended; /* to be joined */
	/* where we connect: to whom, and how many further connections are to
	 * be started */
	struct dial_peer sender;
	unsigned further_wanted;
};

/* Belongs to its thread, but for what is the accept loop's. */
struct recv_connection {
	struct recv_connection *next; /* set.lock */
	pthread_t thread;             /* the accept loop's */
	/* set once */
	struct recv_connection_set *set;
	/* NULL while it is being connected, and with a carrier */
	struct pending *pending;
	int connects;            /* we make the connection */
	int is_carried;          /* by cfg->carrier */
	int is_direct;           /* further than the carried one */
	int is_further;          /* not the first one that we make */
	char peer[ADDR_TEXT_MAX];
	struct senders *senders; /* a reference */
	/* of senders, since it is authenticated */
	struct sender *sender;

	int fd;            /* until the stream takes it over; then -1 */
	enum pake_use code_use; /* by this connection */
	int session_ended; /* the session that it was to join had ended */
	struct channel channel;
	struct input input;

	/* since HELLO or JOIN */
	struct recv_session *session;
	unsigned index; /* of the session's streams; 0: the first */
	unsigned asked; /* streams that HELLO asked for */
	struct worker worker;
	uint64_t drain_by_ms; /* the session is over: how long this goes on */
};

#endif
