/*
 * ordered.h - what a command does by order of another host, for ferry remote.
 *
 * Layer: cmd.
 * Threads: main's only.
 *
 * An order is a command line that came from another host.  Only options that
 * can do no more than the user there may do anyway are taken.
 */
#ifndef FERRY_CMD_ORDERED_H
#define FERRY_CMD_ORDERED_H

#include "base/err.h"

struct carrier;
struct option_group;

struct ordered {
	int argc; /* argv[0] is the command, argv[argc] is NULL */
	char **argv;
	const struct carrier *carrier; /* where the session comes from */
	const char *host; /* this one, as the user has called it; or NULL */
	const char *accept; /* as --accept of receive; NULL: all */
	int data; /* enum direct_use: DIRECT_NEVER forbids direct streams */
};

/*
 * Check that each option up to "--" is one of names, which are separated by
 * spaces, or of group (NULL: none), with its value after "=".  Returns 0 or
 * ERR_USAGE.
 */
int ordered_check(const struct ordered *o, const char *names,
		  const struct option_group *group, struct err *e);

/* Run the command.  Return as run() in struct cmd. */
int cmd_receive_ordered(const struct ordered *o, struct err *e);
int cmd_send_ordered(const struct ordered *o, struct err *e);

/* Whether cmd_send_ordered() would take the order, as far as that depends on
 * its options.  argv is permuted.  Returns 0 or an error. */
int cmd_send_check_order(const struct ordered *o, struct err *e);

#endif
