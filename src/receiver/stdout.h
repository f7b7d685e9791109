/*
 * stdout.h - writing to standard output, whose reader may take his time.
 *
 * Layer: receiver.  Uses input.h.
 */
#ifndef FERRY_RECEIVER_STDOUT_H
#define FERRY_RECEIVER_STDOUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct input;

/*
 * Write n bytes to fd.  Blocks while the reader is slow, with heart-beats to the
 * sender of in, which must not take that for a lost connection.  Returns 0;
 * ERR_LOCAL with errno; as input_tick().
 */
int stdout_write(struct input *in, int fd, const void *p, size_t n,
		 struct err *e);

/* The same with n bytes of zeros. */
int stdout_write_zeros(struct input *in, int fd, uint64_t n, struct err *e);

#endif
