/*
 * Only Linux has Landlock.
 */
#include "sandbox/landlock.h"

#include <errno.h>

int landlock_abi(void)
{
	return 0;
}

int landlock_confine(const struct landlock_policy *p, struct err *e)
{
	(void)p;
	errno = ENOSYS;
	return err_sys(e, ERR_RESOURCE, "Landlock");
}
