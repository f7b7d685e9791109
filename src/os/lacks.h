/*
 * lacks.h - what this build does without, as it was made for any POSIX system.
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_LACKS_H
#define FERRY_OS_LACKS_H

/* A line for ferry --version; NULL where nothing is missing (Linux). */
const char *lacks_text(void);

#endif
