/*
 * Orders are command lines, so that every option that both releases of ferry
 * know can be ordered without a message of its own.
 */
#include "cmd/by_ssh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/common.h"
#include "remote/client.h"

int by_ssh_check(const struct common_options *o, int has_port, struct err *e)
{
	const char *given = o->key	 ? "--key" :
			    o->cert	 ? "--cert" :
			    o->cert_key	 ? "--cert-key" :
			    o->ca	 ? "--ca" :
			    o->pins.count ? "--pin" :
			    o->peer_name ? "--peer-name" :
			    o->code_file ? "--code-file" :
			    o->code	 ? "--code" :
			    o->plain	 ? "--plain" : NULL;

	if (given)
		return err_set(e, ERR_USAGE,
			       "%s and HOST:PATH exclude each other: ssh "
			       "authenticates both sides and encrypts", given);
	if (has_port)
		return err_set(e, ERR_USAGE,
			       "-p is not for HOST:PATH; ssh takes its port "
			       "with: --ssh 'ssh -p N'");
	given = o->bind ? "--bind" : o->congestion ? "--congestion" :
		o->family == 1 ? "-4" : o->family == 2 ? "-6" : NULL;
	if (given)
		return err_set(e, ERR_USAGE,
			       "%s is not for HOST:PATH; ssh takes such options "
			       "with --ssh, for example: --ssh 'ssh -4'", given);
	return 0;
}

int by_ssh_check_unused(const struct common_options *o, struct err *e)
{
	const char *given = o->ssh ? "--ssh" :
			    o->remote_ferry ? "--remote-ferry" : NULL;

	if (given)
		return err_set(e, ERR_USAGE,
			       "%s needs a place that ssh reaches: HOST:PATH "
			       "(HOST: is the home directory there)", given);
	return 0;
}

void by_ssh_begin(struct by_ssh_order *order, const char *role,
		  const struct common_options *o)
{
	order->count = 0;
	snprintf(order->timeout, sizeof(order->timeout), "--timeout=%llu",
		 (unsigned long long)o->timeout_s);
	order->args[order->count++] = role;
	order->args[order->count++] = order->timeout;
	if (o->verbose)
		order->args[order->count++] = "--verbose";
	if (o->quiet)
		order->args[order->count++] = "--quiet";
}

struct client *by_ssh_client(const struct common_options *o, const char *host,
			     const struct by_ssh_order *order,
			     const char *const *operands, int count, struct err *e)
{
	const char *env = getenv("FERRY_SSH");
	const struct ssh_config cfg = {
		.command = o->ssh ? o->ssh : env && *env ? env : "ssh",
		.host = host,
		.remote_ferry = o->remote_ferry,
	};
	const char **args = calloc((size_t)(order->count + count) + 2,
				   sizeof(*args));
	struct client *client = NULL;
	int n = 0;

	if (!args) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	for (int i = 0; i < order->count; i++)
		args[n++] = order->args[i];
	args[n++] = "--";
	for (int i = 0; i < count; i++)
		args[n++] = operands[i];
	client = client_new(&cfg, args, e);
	free(args);
	return client;
}
