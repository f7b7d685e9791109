/*
 * Looking, where a session that changes something tries.
 */
#include "receiver/dry_run.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "fs/name.h"
#include "os/kernel_fs.h"

int dry_run_denied(int dir, struct dry_run_fs *fs)
{
	struct stat st;

	if (fstat(dir, &st))
		return errno;
	if (!fs->is_known || fs->dev != st.st_dev) {
		fs->is_kernels = kernel_fs_has(dir);
		fs->dev = st.st_dev;
		fs->is_known = 1;
	}
	if (fs->is_kernels)
		return ERR_ERRNO_NO_ENTRIES;
	if (faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	return errno == EACCES && st.st_uid == geteuid() ? 0 : errno;
}

int dry_run_folds(int dir, const char *name)
{
	char other[NAME_COMPONENT_MAX + 1];
	const size_t n = strnlen(name, NAME_COMPONENT_MAX);
	struct stat a, b;

	for (size_t i = 0; i < n; i++) {
		const int is_letter = (name[i] >= 'a' && name[i] <= 'z') ||
				      (name[i] >= 'A' && name[i] <= 'Z');

		other[i] = is_letter ? (char)(name[i] ^ 0x20) : name[i];
	}
	other[n] = '\0';
	return n > 0 && fstatat(dir, name, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(dir, other, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}
