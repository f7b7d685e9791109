/*
 * asked.h - the names that a receiver has asked for.
 *
 * Layer: receiver.  Pure.
 *
 * Where the receiver names what the sender is to send, as by ssh, the sender
 * might send something else: over files that nobody spoke of.  Only items whose
 * first component was asked for are accepted.
 */
#ifndef FERRY_RECEIVER_ASKED_H
#define FERRY_RECEIVER_ASKED_H

#include <stddef.h>

struct asked {
	char *const *names; /* single components; borrowed */
	size_t count;
	int any; /* the content of a directory, which has no name here */
};

/* Whether a path, which has passed name_check(), is one of these names or lies
 * below one.  a may be NULL: any. */
int asked_has(const struct asked *a, const char *path, size_t len);

#endif
