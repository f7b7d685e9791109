/*
 * Looking, where a session that changes something tries.
 */
#include "receiver/dry_run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/name.h"

int dry_run_denied(int dir)
{
	struct stat st;
	int error;

	if (faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	error = errno;
	if (error == EACCES && fstat(dir, &st) == 0 &&
	    st.st_uid == geteuid())
		return 0;
	return error;
}

/* Change the case of ASCII letters.  Returns whether there are any. */
static int swap_case(char *dst, size_t size, const char *name)
{
	const size_t n = strnlen(name, size - 1);
	int has_letter = 0;

	for (size_t i = 0; i < n; i++) {
		const int is_letter = (name[i] >= 'a' && name[i] <= 'z') ||
				      (name[i] >= 'A' && name[i] <= 'Z');

		dst[i] = is_letter ? (char)(name[i] ^ 0x20) : name[i];
		has_letter |= is_letter;
	}
	dst[n] = '\0';
	return has_letter;
}

int dry_run_folds(int dir)
{
	char other[NAME_COMPONENT_MAX + 1];
	const int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int folds = 0;

	if (!d && fd >= 0)
		close(fd);
	while (d && (entry = readdir(d))) {
		struct stat a, b;

		if (!swap_case(other, sizeof(other), entry->d_name) ||
		    fstatat(dir, entry->d_name, &a, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		folds = fstatat(dir, other, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
			a.st_dev == b.st_dev && a.st_ino == b.st_ino;
		break;
	}
	if (d)
		closedir(d);
	return folds;
}
