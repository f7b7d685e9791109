/*
 * space.h - the blocks of a file: reserving, freeing and finding them (Linux:
 * fallocate(), SEEK_DATA).
 *
 * Layer: os.
 * Threads: any, also several on one descriptor.
 */
#ifndef FERRY_OS_SPACE_H
#define FERRY_OS_SPACE_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Reserve size bytes from the beginning of the file, which becomes that long.
 * *available_out is how many bytes an ordinary user could still write to the
 * file system before; UINT64_MAX where it does not say.
 *
 * Returns 0; or -1 with errno: ENOSPC; EOPNOTSUPP where the file system cannot
 * reserve in one step (libc and some file systems would write zeros instead).
 */
int space_reserve(int fd, uint64_t size, uint64_t *available_out);

/* Make a range read as zeros and give its blocks back.  Returns 0, or -1 with
 * errno: EOPNOTSUPP where that cannot be done. */
int space_punch(int fd, uint64_t off, uint64_t len);

/*
 * The first stretch of data at or after off: [*start_out, *end_out), where
 * *end_out is 0 when only the file's end follows.  Returns 0; or -1 with errno:
 * ENXIO where there is no data from off on, EINVAL and the like where the file
 * system cannot tell.
 *
 * Moves the descriptor's offset, so whoever else uses that has to be kept away;
 * but does not depend on it (lseek() is given absolute offsets, and returns what
 * it found for them), so several threads may ask at a time.
 */
int space_next_data(int fd, off_t off, off_t *start_out, off_t *end_out);

#endif
