/*
 * boot.h - the id of the running boot of the system (Linux: /proc).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_BOOT_H
#define FERRY_OS_BOOT_H

#include <stdint.h>

enum { BOOT_ID_SIZE = 16 };

/* Get the id of the running boot; every boot has another.  Returns 0, or -1
 * where it is not known (no /proc).  Opens a file: call it before the
 * sandbox. */
int boot_get_id(uint8_t id[BOOT_ID_SIZE]);

#endif
