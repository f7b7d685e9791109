/*
 * stdout.h - writes to standard output, whose reader may be slow.
 *
 * Layer: receiver.
 * Threads: the stream's own.
 */
#ifndef FERRY_RECEIVER_STDOUT_H
#define FERRY_RECEIVER_STDOUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct input;

/*
 * Write n bytes to fd.  Blocks while the reader does not read, and meanwhile
 * sends heart-beats to in's sender, which would otherwise time out.  Returns 0;
 * ERR_LOCAL with errno; or an error of input_tick().
 */
int stdout_write(struct input *in, int fd, const void *p, size_t n,
		 struct err *e);

/* The same with n bytes of zeros. */
int stdout_write_zeros(struct input *in, int fd, uint64_t n, struct err *e);

#endif
