/*
 * server.h - the side of ferry remote: reads its order from standard input, and
 * answers.
 *
 * Layer: remote.
 * Threads: one, before the session; the carrier's open() in the thread of the
 * first stream.
 *
 * An order is a command line without a host: "receive" or "send", options, "--"
 * and operands.  It comes from another host, so what it may contain is up to
 * the caller to check.
 */
#ifndef FERRY_REMOTE_SERVER_H
#define FERRY_REMOTE_SERVER_H

#include "base/err.h"

struct carrier;
struct server;

/*
 * Read the order from standard input, for at most timeout_ms.  Standard input
 * and output then belong to the session, and their numbers are /dev/null.
 *
 * Returns NULL with ERR_USAGE where standard input or output is a terminal;
 * ERR_PROTOCOL where no order comes; ERR_TIMEOUT; ERR_LOST; ERR_RESOURCE.
 */
struct server *server_new(int timeout_ms, struct err *e);
void server_free(struct server *s); /* NULL is allowed */

/* What was ordered: *count arguments, NULL at the end, the server's.  There is
 * at least one. */
char **server_order(const struct server *s, int *count);

/* This host, as the user at the other one has called it; NULL if the order did
 * not say that.  The server's. */
const char *server_host(const struct server *s);

/* Unless a session has begun: tell the other side why there is none. */
void server_refuse(struct server *s, const struct err *e);

/* Answers that the session begins. */
const struct carrier *server_carrier(const struct server *s);

#endif
