/*
 * process.h - what a process does about itself (Linux: prctl(),
 * close_range()).
 *
 * Layer: os.
 * Threads: call while there is only one.
 */
#ifndef FERRY_OS_PROCESS_H
#define FERRY_OS_PROCESS_H

/* No core file, and no other process of the user may look into this one.
 * Returns 0, or -1 with errno. */
int process_hide_memory(void);

/* Close all descriptors from first on. */
void process_close_from(int first);

#endif
