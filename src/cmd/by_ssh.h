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

/* Check that no option was given that is for a connection of our own: a security
 * mode, a port, an address.  Returns 0 or ERR_USAGE. */
int by_ssh_check(const struct common_options *o, int has_port, struct err *e);

/* Check that no option was given that is only for ssh.  Returns 0 or
 * ERR_USAGE. */
int by_ssh_check_unused(const struct common_options *o, struct err *e);

enum { BY_SSH_ARGS_MAX = 16 };

/* An order for ferry remote: a role and options, then operands that follow. */
struct by_ssh_order {
	const char *args[BY_SSH_ARGS_MAX];
	int count;
	char timeout[32];
};

/* Begin an order with the role, "receive" or "send", and what both sides need. */
void by_ssh_begin(struct by_ssh_order *order, const char *role,
		  const struct common_options *o);

/* client_new() for [USER@]HOST, with the order and its operands. */
struct client *by_ssh_client(const struct common_options *o, const char *host,
			     const struct by_ssh_order *order,
			     const char *const *operands, int count, struct err *e);

#endif
