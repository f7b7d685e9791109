/*
 * boot.h - which boot of the system this is (Linux: /proc).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_BOOT_H
#define FERRY_OS_BOOT_H

#include <stdint.h>

enum { BOOT_ID_SIZE = 16 };

/* The id of the running boot, the same until the system restarts and then
 * another.  Returns 0, or -1 where it cannot be told (no /proc).  Opens a file:
 * before the sandbox. */
int boot_get_id(uint8_t id[BOOT_ID_SIZE]);

#endif
