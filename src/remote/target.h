/*
 * target.h - places on other hosts: [USER@]HOST:PATH.
 *
 * Layer: remote.  Pure.
 */
#ifndef FERRY_REMOTE_TARGET_H
#define FERRY_REMOTE_TARGET_H

#include "base/err.h"
#include "net/addr.h"

enum {
	TARGET_USER_MAX = 256,
	TARGET_HOST_MAX = TARGET_USER_MAX + ADDR_HOST_MAX,
};

struct target {
	char host[TARGET_HOST_MAX]; /* [USER@]HOST, for ssh: an IPv6 address
				       without its brackets */
	const char *path; /* in the text; "." for the home directory */
};

/*
 * Whether text means a place that ssh reaches: a colon before the first '/',
 * and after the colon no port.  HOST:PORT, IPv6 addresses without brackets, and
 * texts without a colon are none.
 */
int target_is_ssh(const char *text);

/* Parse such a text, which t borrows.  Returns 0, or ERR_USAGE with a text that
 * says what is wrong. */
int target_parse(struct target *t, const char *text, struct err *e);

/*
 * The name under which a path there arrives here, if it is fetched: its last
 * component, to be freed; *name stays NULL where the content of a directory is
 * meant, such as "a/." or "~".  Returns 0; ERR_USAGE for a path that has no
 * name but should have one, as ".."; ERR_RESOURCE.
 */
int target_name(const char *path, char **name, struct err *e);

#endif
