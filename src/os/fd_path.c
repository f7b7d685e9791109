/*
 * The names of the directories of descriptors.
 */
#include "os/fd_path.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

int fd_path_number(const char *path)
{
	static const char *const dirs[] = { "/dev/fd/", "/proc/self/fd/" };
	uint64_t fd;

	if (strcmp(path, "/dev/stdin") == 0)
		return STDIN_FILENO;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		const size_t n = strlen(dirs[i]);

		if (strncmp(path, dirs[i], n) == 0 &&
		    num_parse(path + n, 0, INT_MAX, &fd) == 0)
			return (int)fd;
	}
	return -1;
}
