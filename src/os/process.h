/*
 * process.h - settings of the process itself (Linux: prctl(), close_range()).
 *
 * Layer: os.
 * Threads: call while there is one thread only.
 */
#ifndef FERRY_OS_PROCESS_H
#define FERRY_OS_PROCESS_H

/* Make the process not dumpable: it writes no core file, and other processes of
 * the user cannot ptrace() it or read its memory.  Returns 0, or -1 with
 * errno. */
int process_hide_memory(void);

/* Close all descriptors from first on. */
void process_close_from(int first);

#endif
