/*
 * device.h - the two numbers of a device (Linux: sys/sysmacros.h; POSIX: a
 * device number has no parts that mean something to another system).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_DEVICE_H
#define FERRY_OS_DEVICE_H

#include <stdint.h>
#include <sys/types.h>

/* Set *major and *minor.  Returns 0, or -1 where they are not known; 0 both
 * then. */
int device_split(dev_t device, uint32_t *major, uint32_t *minor);

/* Set *device.  Returns 0, or -1 with errno: EOPNOTSUPP. */
int device_make(uint32_t major, uint32_t minor, dev_t *device);

#endif
