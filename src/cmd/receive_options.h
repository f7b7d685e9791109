/*
 * receive_options.h - the options and operands of ferry receive: their table,
 * and what they set.
 *
 * Layer: cmd.
 * Threads: main's only.
 */
#ifndef FERRY_CMD_RECEIVE_OPTIONS_H
#define FERRY_CMD_RECEIVE_OPTIONS_H

#include <stdint.h>

#include "base/err.h"
#include "cmd/common.h"
#include "cmd/fetch.h"
#include "cmd/receive_words.h"
#include "fs/mode_rules.h"
#include "net/addr.h"

struct carrier;
struct option_group;

struct receive_options {
	struct common_options common; /* first: see common.h */
	int existing;                 /* enum conflict_policy */
	struct accept accept;
	int sync;                     /* enum sync_mode */
	int sandbox;                  /* enum sandbox_mode */
	int once;
	int to_stdout;
	uint64_t max_sessions;
	uint64_t max_size, max_files;
	uint64_t keep_s, max_kept;
	const char *connect; /* NULL: listen */
	struct host_port sender; /* with connect */
	struct mode_rules chmod;
	const char *exec;
	const char *config; /* of named senders; or NULL */
	int check_config;
	uint64_t drain_s;
	const char *dir;
	const char *own_host; /* by order: see ordered.h */
	const struct carrier *carrier; /* by order of another host; or NULL */
	struct fetch fetch;
};

/* For options_parse(); ends with NULL. */
extern const struct option_group *const receive_options_groups[];

/* The defaults, before options_parse(). */
void receive_options_init(struct receive_options *opts);

/* After it: take the count operands at args, which are borrowed, and check
 * which options exclude each other and them.  Returns 0 or ERR_USAGE. */
int receive_options_operands(struct receive_options *opts, int count,
			     char **args, struct err *e);

#endif
