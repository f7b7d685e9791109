/*
 * POSIX has no such numbers.
 */
#include "os/device.h"

#include <errno.h>

int device_split(dev_t device, uint32_t *major, uint32_t *minor)
{
	(void)device;
	*major = *minor = 0;
	return -1;
}

int device_make(uint32_t major, uint32_t minor, dev_t *device)
{
	(void)major;
	(void)minor;
	(void)device;
	errno = EOPNOTSUPP;
	return -1;
}
