/*
 * by_ssh.h - what send and receive have in common where the other host is
 * reached by ssh.
 *
 * Layer: cmd.
 * Threads: main's only.
 */
#ifndef FERRY_CMD_BY_SSH_H
#define FERRY_CMD_BY_SSH_H

#include "base/err.h"

struct client;
struct common_options;
struct option_forwards;

/* Check that no option was given that is for a connection of our own: a
 * security mode, an address; and that those about direct connections fit
 * together, has_streams: with -j.  Returns 0 or ERR_USAGE. */
int by_ssh_check(const struct common_options *o, int has_streams,
		 struct err *e);

/* Check that no option, and no value of one, was given that is only for ssh.
 * Returns 0 or ERR_USAGE. */
int by_ssh_check_unused(const struct common_options *o, struct err *e);

/* An order for ferry remote: a command line without a host. */
struct by_ssh_order {
	char **args; /* owned, and so is each; NULL at the end */
	size_t count;
	int failed; /* out of memory */
};

/* Begin an order with the role, "receive" or "send", and what both need to
 * know.  by_ssh_free() frees what it holds. */
void by_ssh_begin(struct by_ssh_order *order, const char *role,
		  const struct common_options *o);
void by_ssh_free(struct by_ssh_order *order);

/* Append an operand, or "--"; or "--NAME=VALUE", without "=" if value is NULL;
 * or all options that were kept. */
void by_ssh_add(struct by_ssh_order *order, const char *operand);
void by_ssh_add_option(struct by_ssh_order *order, const char *name,
		       const char *value);
void by_ssh_add_forwards(struct by_ssh_order *order,
			 const struct option_forwards *forwards);

/* client_new() for [USER@]HOST with the order. */
struct client *by_ssh_client(const struct common_options *o, const char *host,
			     const struct by_ssh_order *order, struct err *e);

/* Where ssh could not connect, and -p was given: say that it is not ssh's. */
void by_ssh_hint_at_port(const struct common_options *o, struct err *e);

#endif
