/*
 * The process of os/ids.h, with the sandbox of its own.
 */
#include "session/naming.h"

#include <stddef.h>

#include "os/ids.h"

static int confine(const void *mode, struct err *e)
{
	return sandbox_connector(*(const enum sandbox_mode *)mode, e);
}

int naming_start(enum sandbox_mode mode, struct ids **out, struct err *e)
{
	*out = ids_start(mode == SANDBOX_OFF ? NULL : confine, &mode, e);
	return *out ? 0 : e->code;
}
