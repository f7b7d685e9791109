/*
 * Orders are command lines, so that every option that both releases of ferry
 * know can be ordered without a message of its own.
 */
#include "cmd/by_ssh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/common.h"
#include "remote/client.h"
#include "session/direct.h"

int by_ssh_check(const struct common_options *o, int has_streams,
		 struct err *e)
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
	if (o->data == DIRECT_NEVER && o->port != COMMON_NO_PORT)
		return err_set(e, ERR_USAGE,
			       "-p is the port of direct connections, and with "
			       "--data ssh there are none; ssh takes its port "
			       "with: --ssh 'ssh -p N'");
	if (o->data == DIRECT_NEVER && has_streams)
		return err_set(e, ERR_USAGE,
			       "-j is the number of direct connections, and "
			       "with --data ssh there are none");
	if (o->deploy && o->remote_ferry)
		return err_set(e, ERR_USAGE,
			       "--deploy and --remote-ferry exclude each other: "
			       "it is copied to ~/.cache/ferry there");
	if (o->proxy || o->proxy_password_file)
		return err_set(e, ERR_USAGE,
			       "--proxy is not for HOST:PATH; ssh connects as "
			       "its own configuration says (ProxyCommand, "
			       "ProxyJump)");
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
			    o->remote_ferry ? "--remote-ferry" :
			    o->deploy ? "--deploy" :
			    o->data ? "--data" : NULL;

	if (given)
		return err_set(e, ERR_USAGE,
			       "%s needs a place that ssh reaches: HOST:PATH "
			       "(HOST: is the home directory there)", given);
	/* by ssh it is the other side that listens for direct connections */
	if (o->role == NET_CONNECTS && o->port == 0)
		return err_set(e, ERR_USAGE, "-p 0 is for the side that "
			       "listens, and this one connects");
	return 0;
}

void by_ssh_hint_at_port(const struct common_options *o, struct err *e)
{

	if (e->code == ERR_CONNECT && o->port != COMMON_NO_PORT)
		err_append(e, " (-p is the port of direct connections; ssh "
			      "takes its own with: --ssh 'ssh -p N')");
}

/* ---- orders ---- */

/* Append arg, which the order owns from now on; NULL: out of memory. */
static void append(struct by_ssh_order *order, char *arg)
{
	char **args = arg ? mem_resize(order->args, order->count + 2,
				       sizeof(*args))
			  : NULL;

	if (!args) {
		order->failed = 1;
		free(arg);
		return;
	}
	order->args = args;
	args[order->count++] = arg;
	args[order->count] = NULL;
}

void by_ssh_add(struct by_ssh_order *order, const char *operand)
{
	append(order, strdup(operand));
}

void by_ssh_add_option(struct by_ssh_order *order, const char *name,
		       const char *value)
{
	const size_t size = strlen(name) + (value ? strlen(value) : 0) + 4;
	char *text = malloc(size);

	if (text)
		snprintf(text, size, "--%s%s%s", name, value ? "=" : "",
			 value ? value : "");
	append(order, text);
}

void by_ssh_add_forwards(struct by_ssh_order *order,
			 const struct option_forwards *forwards)
{
	for (size_t i = 0; i < forwards->count; i++)
		by_ssh_add_option(order, forwards->list[i].name,
				  forwards->list[i].value);
}

void by_ssh_begin(struct by_ssh_order *order, const char *role,
		  const struct common_options *o)
{
	char number[32];

	memset(order, 0, sizeof(*order));
	by_ssh_add(order, role);
	snprintf(number, sizeof(number), "%llu",
		 (unsigned long long)o->timeout_s);
	by_ssh_add_option(order, "timeout", number);
	if (o->port != COMMON_NO_PORT) {
		snprintf(number, sizeof(number), "%llu",
			 (unsigned long long)o->port);
		by_ssh_add_option(order, "port", number);
	}
	/* Only a sender has to know it. */
	if (o->data == DIRECT_ONLY && strcmp(role, "send") == 0)
		by_ssh_add_option(order, "data", "direct");
	for (int i = 0; i < o->verbose; i++)
		by_ssh_add_option(order, "verbose", NULL);
	if (o->quiet)
		by_ssh_add_option(order, "quiet", NULL);
}

void by_ssh_free(struct by_ssh_order *order)
{
	for (size_t i = 0; i < order->count; i++)
		free(order->args[i]);
	free(order->args);
}

struct client *by_ssh_client(const struct common_options *o, const char *host,
			     const struct by_ssh_order *order, struct err *e)
{
	const char *env = getenv("FERRY_SSH");
	const struct ssh_config cfg = {
		.command = o->ssh ? o->ssh : env && *env ? env : "ssh",
		.host = host,
		.remote_ferry = o->remote_ferry,
	};

	if (!order->failed)
		return client_new(&cfg, (enum deploy_use)o->deploy,
				  order->args, e);
	err_set(e, ERR_RESOURCE, "out of memory");
	return NULL;
}
