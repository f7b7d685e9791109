/*
 * Only Linux has seccomp.
 */
#include "sandbox/seccomp.h"

#include <errno.h>

int seccomp_is_known(void)
{
	return 0;
}

int seccomp_filter(const struct seccomp_rule *rules, size_t count,
		   enum seccomp_action rest, struct err *e)
{
	(void)rules;
	(void)count;
	(void)rest;
	errno = ENOSYS;
	return err_sys(e, ERR_RESOURCE, "seccomp");
}
