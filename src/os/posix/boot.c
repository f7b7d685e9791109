/*
 * POSIX has no id of a boot.
 */
#include "os/boot.h"

int boot_get_id(uint8_t id[BOOT_ID_SIZE])
{
	(void)id;
	return -1;
}
