/*
 * cancel.h - a token by which one thread asks others to stop.
 *
 * Layer: os.
 * Threads: cancel_set(), cancel_is_set() and cancel_fd() from any thread;
 * the others while no other thread uses the token.
 *
 * A token is a flag for threads that run and a descriptor for threads that
 * wait.  The descriptor becomes readable when the token is set, and stays so,
 * so that any number of threads can poll(2) it together with what they wait
 * for.
 */
#ifndef FERRY_OS_CANCEL_H
#define FERRY_OS_CANCEL_H

#include <stdatomic.h>

#include "os/wake.h"

struct cancel {
	atomic_int is_set;
	struct wake wake; /* cleared by cancel_reset() alone */
};

/* Opens one descriptor.  Returns 0, or -1 with errno. */
int cancel_init(struct cancel *c);

/* The same without a descriptor (cancel_fd() is -1): for threads that look at
 * the flag often enough.  cancel_init() leaves the token so where it fails. */
void cancel_init_flag(struct cancel *c);

/* Close the descriptor, if there is one. */
void cancel_release(struct cancel *c);

/* Set the token.  Setting it again changes nothing. */
void cancel_set(struct cancel *c);

/* Unset the token, to use it for the next session. */
void cancel_reset(struct cancel *c);

/* Whether it is set; 0 for NULL, which means "cannot be cancelled". */
int cancel_is_set(const struct cancel *c);

/* The descriptor, to be polled for POLLIN and never read; -1, which poll(2)
 * ignores, for NULL. */
int cancel_fd(const struct cancel *c);

#endif
