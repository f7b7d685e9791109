/*
 * The process of net/connector.h, with the sandbox of its own.
 */
#include "session/connecting.h"

#include <stddef.h>

#include "net/connector.h"
#include "os/interposed.h"

static int confine(const void *mode, struct err *e)
{
	return sandbox_connector(*(const enum sandbox_mode *)mode, e);
}

static int start_connector(const struct connector_config *given,
			   enum sandbox_mode mode, struct connector **out,
			   struct err *e)
{
	struct connector_config cfg = *given;
	char library[64];

	cfg.confine = mode == SANDBOX_OFF ? NULL : confine;
	cfg.ctx = &mode;
	*out = NULL;
	if (interposed_by(library, sizeof(library)))
		return 0;
	*out = connector_start(&cfg, e);
	return *out ? 0 : e->code;
}

int connecting_start(const struct host_port *to, const struct net_options *net,
		     enum sandbox_mode mode, struct connector **out,
		     struct err *e)
{
	const struct connector_config cfg = { .to = to, .net = net };

	return start_connector(&cfg, mode, out, e);
}

int connecting_start_direct(uint16_t port, const struct net_options *net,
			    enum sandbox_mode mode, struct connector **out,
			    struct err *e)
{
	const struct connector_config cfg = { .port = port, .net = net };

	return start_connector(&cfg, mode, out, e);
}
