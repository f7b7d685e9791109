/*
 * Sources on another host become an order to send them, and the names that are
 * expected.
 */
#include "cmd/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/by_ssh.h"
#include "cmd/ordered.h"

enum { SHOWN_MAX = 200 };

static const char *escape(char *dst, const char *text)
{
	return text_escape(dst, SHOWN_MAX, text, strlen(text));
}

int fetch_is_meant(char *const *args, int count, int has_dir)
{
	if (count == 0 || !target_is_ssh(args[0]))
		return 0;
	/* a directory of that name, and nothing else: to receive into */
	return !(has_dir && count == 1 && access(args[0], F_OK) == 0);
}

static int add_source(struct fetch *f, const char *text, struct err *e)
{
	char shown[SHOWN_MAX], other[SHOWN_MAX];
	struct target t;
	int rc;

	if (!target_is_ssh(text))
		return err_set(e, ERR_USAGE,
			       "'%s' is on this host; before the directory to "
			       "receive into, all operands are HOST:PATH",
			       escape(shown, text));
	if (strstr(text, "://"))
		return err_set(e, ERR_USAGE,
			       "'%s' is a URL; write: ferry receive HOST:PATH "
			       "DIR", escape(shown, text));
	if (target_parse(&t, text, e))
		return err_prefix(e, "'%s'", escape(shown, text));
	if (f->count == 0)
		f->target = t;
	if (strcmp(t.host, f->target.host) != 0)
		return err_set(e, ERR_USAGE,
			       "'%s' is not on %s: run one command for each "
			       "host", escape(shown, text),
			       escape(other, f->target.host));
	f->paths[f->count++] = t.path;
	rc = target_name(t.path, &f->names[f->asked.count], e);
	if (rc)
		return err_prefix(e, "'%s'", escape(shown, text));
	if (f->names[f->asked.count])
		f->asked.count++;
	else
		f->asked.any = 1;
	return 0;
}

int fetch_read(struct fetch *f, char *const *args, int count, struct err *e)
{
	int rc = 0;

	f->paths = calloc((size_t)count + 1, sizeof(*f->paths));
	f->names = calloc((size_t)count + 1, sizeof(*f->names));
	f->asked.names = f->names;
	if (!f->paths || !f->names)
		return err_set(e, ERR_RESOURCE, "out of memory");
	for (int i = 0; rc == 0 && i < count; i++)
		rc = add_source(f, args[i], e);
	return rc;
}

void fetch_release(struct fetch *f)
{
	for (size_t i = 0; i < f->asked.count; i++)
		free(f->names[i]);
	free(f->names);
	free(f->paths);
}

int fetch_check_unused(const struct fetch *f, struct err *e)
{
	if (f->forwards.count == 0)
		return 0;
	return err_set(e, ERR_USAGE,
		       "--%s is an option of ferry send; ferry receive has it "
		       "only for what it fetches by ssh: ferry receive HOST:PATH "
		       "DIR", f->forwards.list[0].name);
}

void fetch_hint_at_pattern(const struct fetch *f, struct err *e)
{

	for (size_t i = 0; i < f->count; i++) {
		if (!strpbrk(f->paths[i], "*?["))
			continue;
		err_append(e, " (names are taken as they are: no shell there "
			      "expands patterns; write: --include PATTERN "
			      "--exclude '*' HOST:DIR/.)");
		return;
	}
}

/* The order is checked here too, so that a mistake costs no log-in.  Parsing
 * permutes the arguments: on a copy of the pointers. */
static int check_order(const struct by_ssh_order *order, struct err *e)
{
	char **argv = calloc(order->count + 1, sizeof(*argv));
	struct ordered o = { .argc = (int)order->count, .argv = argv };
	int rc;

	if (!argv || order->failed) {
		free(argv);
		return err_set(e, ERR_RESOURCE, "out of memory");
	}
	memcpy(argv, order->args, order->count * sizeof(*argv));
	rc = cmd_send_check_order(&o, e);
	free(argv);
	return rc;
}

int fetch_has(const struct fetch *f, const char *name)
{
	for (size_t i = 0; i < f->forwards.count; i++) {
		if (strcmp(f->forwards.list[i].name, name) == 0)
			return 1;
	}
	return 0;
}

int fetch_asks_links(const struct fetch *f)
{
	int asks = fetch_has(f, "archive");

	/* The last of the same name counts. */
	for (size_t i = 0; i < f->forwards.count; i++) {
		if (strcmp(f->forwards.list[i].name, "symlinks") == 0)
			asks = strcmp(f->forwards.list[i].value, "all") == 0;
	}
	return asks;
}

int fetch_asks_preserve(const struct fetch *f)
{
	return fetch_has(f, "archive") || fetch_has(f, "preserve");
}

struct client *fetch_client(const struct fetch *f,
			    const struct common_options *common,
			    struct err *e)
{
	struct by_ssh_order order;
	struct client *client = NULL;

	by_ssh_begin(&order, "send", common);
	by_ssh_add_forwards(&order, &f->forwards);
	by_ssh_add(&order, "--");
	for (size_t i = 0; i < f->count; i++)
		by_ssh_add(&order, f->paths[i]);
	if (check_order(&order, e) == 0)
		client = by_ssh_client(common, f->target.host, &order, e);
	by_ssh_free(&order);
	return client;
}
