/*
 * process.h - settings of the process itself (Linux: prctl(), close_range()).
 *
 * Layer: os.
 * Threads: call while there is one thread only.
 */
#ifndef FERRY_OS_PROCESS_H
#define FERRY_OS_PROCESS_H

#include <stdint.h>

/* Make the process not dumpable: it writes no core file, and other processes of
 * the user cannot ptrace() it or read its memory.  POSIX: no core file.
 * Returns 0, or -1 with errno. */
int process_hide_memory(void);

/* No program that is started from here on gains rights by set-ID bits.  POSIX:
 * nothing.  Returns 0, or -1 with errno. */
int process_gain_nothing(void);

/* How many descriptors may be opened besides those that are open; 0 where that
 * cannot be told.  Any thread. */
uint64_t process_count_spare_fds(void);

/* Close all descriptors from first on. */
void process_close_from(int first);

/* The same by one call, for process_close_from().  Returns 0, or -1 where there
 * is no such call. */
int process_close_range_from(int first);

#endif
