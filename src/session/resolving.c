/*
 * The process of net/resolver.h, with the sandbox of its own.
 */
#include "session/resolving.h"

#include <stddef.h>

#include "net/resolver.h"
#include "os/interposed.h"

static int confine(const void *mode, struct err *e)
{
	return sandbox_resolver(*(const enum sandbox_mode *)mode, e);
}

int resolving_start(const char *host, enum sandbox_mode mode,
		    struct resolver **out, struct err *e)
{
	char library[64];

	*out = NULL;
	/* A preloaded library may map names to addresses of its own, and has
	 * to see both in one process. */
	if (resolver_is_address(host) ||
	    interposed_by(library, sizeof(library)))
		return 0;
	*out = resolver_start(mode == SANDBOX_OFF ? NULL : confine, &mode, e);
	return *out ? 0 : e->code;
}
