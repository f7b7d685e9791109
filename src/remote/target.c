/*
 * What is before the colon is for ssh, which may have a name for it in its
 * configuration: only what could be taken for an option or cannot be a name is
 * refused.
 */
#include "remote/target.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The host in text: what is after the last @ before it, as for ssh. */
static const char *find_host(const char *text)
{
	const char *at = mem_last(text, '@', strcspn(text, "/:"));

	return at ? at + 1 : text;
}

/* The colon between host and path; NULL where there is none. */
static const char *find_colon(const char *text)
{
	const char *host = find_host(text), *end = host;

	if (*host == '[') {
		end = strchr(host, ']');
		if (!end)
			return NULL;
		end++;
	} else {
		end += strcspn(host, ":/");
	}
	return *end == ':' ? end : NULL;
}

static int is_ipv6(const char *text)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr in6;
	const size_t n = strcspn(text, "%");

	if (n >= sizeof(address))
		return 0;
	memcpy(address, text, n);
	address[n] = '\0';
	return inet_pton(AF_INET6, address, &in6) == 1;
}

int target_is_ssh(const char *text)
{
	const char *colon = find_colon(text);

	return colon && !is_ipv6(text) &&
	       (!colon[1] || colon[1 + strspn(colon + 1, "0123456789")]);
}

int target_parse(struct target *t, const char *text, struct err *e)
{
	const char *colon = find_colon(text), *host;
	size_t n;

	if (!colon)
		return err_set(e, ERR_USAGE, "missing ':': write "
			       "[USER@]HOST:PATH");
	n = (size_t)(colon - text);
	if (n >= sizeof(t->host))
		return err_set(e, ERR_USAGE, "the host name is too long");
	memcpy(t->host, text, n);
	t->host[n] = '\0';
	host = find_host(t->host);
	if (!*host || t->host[0] == '@')
		return err_set(e, ERR_USAGE, "missing %s: write "
			       "[USER@]HOST:PATH", *host ? "user" : "host");
	if (t->host[0] == '-' || *host == '-')
		return err_set(e, ERR_USAGE,
			       "a user or host cannot begin with '-'");
	for (const char *s = t->host; *s; s++) {
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return err_set(e, ERR_USAGE,
				       "a host cannot contain a space or a "
				       "control character");
	}
	if (*host == '[') {
		char *end = strchr(host, ']');

		memmove(t->host + (host - t->host), host + 1,
			(size_t)(end - host - 1));
		t->host[end - t->host - 1] = '\0';
		if (!is_ipv6(host) || strchr(host, '@'))
			return err_set(e, ERR_USAGE,
				       "no IPv6 address between '[' and ']'");
	}
	t->path = colon[1] ? colon + 1 : ".";
	return 0;
}

int target_name(const char *path, char **name, struct err *e)
{
	size_t len = strlen(path), base;

	*name = NULL;
	while (len > 0 && path[len - 1] == '/')
		len--;
	base = len;
	while (base > 0 && path[base - 1] != '/')
		base--;
	if (len == base || (len - base == 1 && path[base] == '.') ||
	    (base == 0 && path[0] == '~'))
		return 0;
	if (len - base == 2 && path[base] == '.' && path[base + 1] == '.')
		return err_set(e, ERR_USAGE,
			       "'..' has no name to be received under; \"../.\" "
			       "is what it contains");
	*name = strndup(path + base, len - base);
	return *name ? 0 : err_set(e, ERR_RESOURCE, "out of memory");
}
