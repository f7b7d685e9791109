/*
 * The effective user.
 */
#include "fs/user.h"

#include <unistd.h>

enum { GROUPS_MAX = 1024 };

int user_has_group(gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	const int n = getgroups(GROUPS_MAX, groups);

	if (gid == getegid())
		return 1;
	for (int i = 0; i < n; i++) {
		if (groups[i] == gid)
			return 1;
	}
	return 0;
}
