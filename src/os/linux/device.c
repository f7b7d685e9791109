/*
 * Macros.
 */
#define _GNU_SOURCE 1
#include "os/device.h"

#include <sys/sysmacros.h>

int device_split(dev_t device, uint32_t *major_out, uint32_t *minor_out)
{
	*major_out = major(device);
	*minor_out = minor(device);
	return 0;
}

int device_make(uint32_t major_number, uint32_t minor_number, dev_t *device)
{
	*device = makedev(major_number, minor_number);
	return 0;
}
