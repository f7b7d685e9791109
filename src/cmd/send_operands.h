/*
 * send_operands.h - the operands of ferry send.
 *
 * Layer: cmd.
 * Threads: main's only.
 */
#ifndef FERRY_CMD_SEND_OPERANDS_H
#define FERRY_CMD_SEND_OPERANDS_H

#include "base/err.h"
#include "cmd/send_options.h"
#include "net/addr.h"
#include "remote/target.h"

struct carrier;

/* What the operands say. */
struct send_operands {
	char **paths;
	int path_count; /* standard input included */
	int has_stdin;
	char **command; /* of --stdin-from-command, ends with NULL; or NULL */
	const char *list_dir; /* of --files-from */
	const char *host;
	struct host_port dest;
	int is_ssh;           /* the host is [USER@]HOST:PATH */
	int ssh_knows;        /* it is not, but ssh has a section for it */
	const char *own_host; /* by order: see ordered.h */
	const struct carrier *carrier; /* by order of another host; or NULL */
	struct target target; /* with is_ssh */
};

/* Whether an operand stands for standard input. */
int send_operands_is_stdin(const char *path);

/* Take the count operands at args, which are borrowed.  *o is all zeroes but
 * for command.  Returns 0 or ERR_USAGE. */
int send_operands_read(struct send_operands *o, const struct send_options *opts,
		       int count, char **args, struct err *e);

/* The host cannot be reached.  Append to e what else was probably meant: that
 * it is missing, where a file has its name; or ssh. */
void send_operands_hint_at_host(const struct send_operands *o, struct err *e);

#endif
