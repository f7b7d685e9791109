/*
 * By f_type (statfs(2)); the values are those of <linux/magic.h> and, for sysfs
 * and selinuxfs, of the kernel's sources.  Of cgroups, directories can be made,
 * but no files.
 */
#include "os/kernel_fs.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/vfs.h>

static const uint32_t types[] = {
	0x9fa0,     /* proc */
	0x62656572, /* sysfs */
	0x64626720, /* debugfs */
	0x74726163, /* tracefs */
	0x73636673, /* securityfs */
	0xf97cff8c, /* selinuxfs */
	0x0027e0eb, /* cgroup */
	0x63677270, /* cgroup2 */
	0x1cd1,     /* devpts */
	0x42494e4d, /* binfmt_misc */
};

int kernel_fs_has(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if ((uint32_t)fs.f_type == types[i])
			return 1;
	}
	return 0;
}
