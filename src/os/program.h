/*
 * program.h - the file that this process runs (Linux: /proc/self/exe).
 *
 * Layer: os.  Uses base.
 * Threads: any.
 */
#ifndef FERRY_OS_PROGRAM_H
#define FERRY_OS_PROGRAM_H

#include <stddef.h>

/*
 * Map the whole file, read only.  Its content is that of this process also
 * where another file has its name by now.  Returns 0, and the caller ends it
 * with program_unmap(); or -1 with errno.
 */
int program_map(const void **data, size_t *size);
void program_unmap(const void *data, size_t size);

#endif
