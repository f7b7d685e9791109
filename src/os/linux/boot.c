/*
 * The kernel makes the boot id, a random UUID, at each boot (random(4)).
 */
#define _GNU_SOURCE 1
#include "os/boot.h"

#include <fcntl.h>

#include "base/io.h"
#include "base/num.h"

int boot_get_id(uint8_t id[BOOT_ID_SIZE])
{
	char text[64], digits[2 * BOOT_ID_SIZE + 1];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 ? io_read(fd, text, sizeof(text)) : -1;
	size_t n = 0;

	io_close(&fd);
	for (ssize_t i = 0; i < len && n + 1 < sizeof(digits); i++) {
		if (text[i] != '-')
			digits[n++] = text[i];
	}
	digits[n] = '\0';
	return hex_decode(id, BOOT_ID_SIZE, digits) ? -1 : 0;
}
