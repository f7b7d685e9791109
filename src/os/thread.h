/*
 * thread.h - starting a thread, with errno.
 *
 * Layer: os.  Uses base/err.h.
 * Threads: any.
 */
#ifndef FERRY_OS_THREAD_H
#define FERRY_OS_THREAD_H

#include <pthread.h>

#include "base/err.h"

/* As pthread_create() without attributes.  Returns 0, or -1 with errno. */
int thread_start(pthread_t *thread, void *(*main)(void *), void *arg);

/* Set the error from errno after thread_start() failed: ERR_RESOURCE. */
int thread_error(struct err *e);

#endif
