/*
 * times.h - times of files that POSIX has no call for (Linux: statx()).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_TIMES_H
#define FERRY_OS_TIMES_H

#include <stdint.h>
#include <time.h>

/* Get the time when the file of fd was created, and in any case its mode (0
 * where it is not known), as one call yields both.  Returns 0, or -1 where the
 * file system does not keep that time. */
int times_of_birth(int fd, struct timespec *birth_out, uint32_t *mode_out);

/* The same of an entry of a directory; a symlink is not followed. */
int times_of_entry(int dir_fd, const char *name, struct timespec *birth_out,
		   uint32_t *mode_out);

/* The time that a file would get that is written to now; POSIX: or a tick (10
 * ms) before. */
void times_now(struct timespec *now);

#endif
