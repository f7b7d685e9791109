/*
 * The file of this process.
 */
#define _GNU_SOURCE 1
#include "os/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/io.h"

int program_map(const void **data, size_t *size)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), saved;
	struct stat st;
	void *p = MAP_FAILED;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0) {
		*size = (size_t)st.st_size;
		p = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	saved = errno;
	io_close(&fd);
	errno = saved;
	*data = p;
	return p == MAP_FAILED ? -1 : 0;
}

void program_unmap(const void *data, size_t size)
{
	munmap((void *)(uintptr_t)data, size);
}
