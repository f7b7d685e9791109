/*
 * fetch.h - what ferry receive fetches by ssh: [USER@]HOST:PATH...
 *
 * Layer: cmd.
 * Threads: main's only.
 */
#ifndef FERRY_CMD_FETCH_H
#define FERRY_CMD_FETCH_H

#include <stddef.h>

#include "base/err.h"
#include "cmd/options.h"
#include "receiver/asked.h"
#include "remote/target.h"

struct client;
struct common_options;

/* All zeroes: nothing is fetched. */
struct fetch {
	struct option_forwards forwards; /* options of the sender */
	struct target target;            /* of the first source */
	const char **paths;              /* owned; borrowed from operands */
	char **names;                    /* owned: those of asked */
	size_t count;                    /* of paths; 0: nothing is fetched */
	struct asked asked;
};

/* Whether the first operand is a source to be fetched.  has_dir: the last is
 * the directory to receive into. */
int fetch_is_meant(char *const *args, int count, int has_dir);

/* Read the sources, which have to be on one host.  Returns 0 or an error; in
 * both cases fetch_release() frees what f holds. */
int fetch_read(struct fetch *f, char *const *args, int count, struct err *e);
void fetch_release(struct fetch *f);

/* Fail if an option was given that is only for fetching. */
int fetch_check_unused(const struct fetch *f, struct err *e);

/* Whether this option of the sender was given. */
int fetch_has(const struct fetch *f, const char *name);

/* What the sources are to be sent with: --symlinks all; --preserve or
 * --archive. */
int fetch_asks_links(const struct fetch *f);
int fetch_asks_preserve(const struct fetch *f);

/* client_new() that has ferry send the sources. */
struct client *fetch_client(const struct fetch *f,
			    const struct common_options *common,
			    struct err *e);

/* Fetching failed: where a source has characters of a pattern, say in e's text
 * that they are none. */
void fetch_hint_at_pattern(const struct fetch *f, struct err *e);

#endif
