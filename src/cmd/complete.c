/*
 * The option tables as scripts/completions/ read them ("ferry help --options").
 * Words that a table allows, and what they mean, come from it; what can be
 * offered for an option that takes other values stands here.
 */
#include "cmd/complete.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "remote/host_names.h"

enum { BRIEF_MIN = 14 }; /* a shorter beginning of a help text says too little */

struct meaning {
	const char *option, *word, *meaning;
};

static const struct meaning meanings[] = {
	{ "streams", "auto", "as many as help" },
	{ "streams", "1", "one connection" },
	{ "streams", "4", "four connections" },
	{ "streams", "16", "as many as there can be" },
	{ "receivers", "any", "until a signal" },
	{ "chmod", "umask", "modes as new files have here" },
	{ "chmod", "keep", "the sender's modes" },
	{ "congestion", "bbr", "by measured bandwidth" },
	{ "congestion", "cubic", "Linux's default" },
	{ "congestion", "reno", "the oldest" },
	{ "proxy", "none", "connect directly" },
	{ "proxy", "socks5://", "a SOCKS proxy" },
	{ "proxy", "http://", "an HTTP proxy" },
};

enum { MEANINGS = sizeof(meanings) / sizeof(meanings[0]) };

static void print_values(FILE *f, const struct option_row *row)
{
	const struct option_word *w = row->words;

	if (!row->name || !row->arg)
		return;
	for (; w && w->word; w++)
		fprintf(f, "value\t%s\t%s\n", w->word, w->meaning);
	for (size_t i = 0; !row->words && i < MEANINGS; i++) {
		if (strcmp(meanings[i].option, row->name) == 0)
			fprintf(f, "value\t%s\t%s\n", meanings[i].word,
				meanings[i].meaning);
	}
}

/* How much of a help text says what the option is for, without details. */
static size_t brief_len(const char *help)
{
	size_t depth = 0, i;

	for (i = 0; help[i]; i++) {
		if (i >= BRIEF_MIN && depth == 0 && strchr(":;(", help[i]))
			break;
		depth += help[i] == '(';
		depth -= help[i] == ')';
	}
	while (i > 0 && help[i - 1] == ' ')
		i--;
	return i;
}

void complete_print_options(FILE *f, const struct cmd *cmd)
{
	const struct option_group *const *g;

	for (g = cmd->groups; *g; g++) {
		for (size_t i = 0; i < (*g)->count; i++) {
			const struct option_row *row = &(*g)->rows[i];

			fprintf(f, "option\t%c\t%s\t%s\t%.*s\n",
				row->letter ? row->letter : '-',
				row->name ? row->name : "-",
				row->arg ? row->arg : "-",
				(int)brief_len(row->help), row->help);
			print_values(f, row);
		}
	}
}

void complete_print_command(FILE *f, const struct cmd *cmd)
{
	fprintf(f, "command\t%s\t%s\n", cmd->name, cmd->summary);
	if (cmd->alias)
		fprintf(f, "command\t%s\t%s\n", cmd->alias, cmd->summary);
}

/* ---- hosts ---- */

struct names {
	char **list;
	size_t count;
	int has_failed;
};

static void add_name(void *ctx, const char *name)
{
	struct names *n = ctx;
	char **list = mem_resize(n->list, n->count + 1, sizeof(*list));

	if (list) {
		n->list = list;
		list[n->count] = strdup(name);
	}
	if (list && list[n->count])
		n->count++;
	else
		n->has_failed = 1;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int complete_print_hosts(FILE *f, struct err *e)
{
	struct names n = { NULL, 0, 0 };

	host_names_list(add_name, &n);
	if (n.count > 0)
		qsort(n.list, n.count, sizeof(*n.list), compare_names);
	for (size_t i = 0; i < n.count; i++) {
		if (i == 0 || strcmp(n.list[i - 1], n.list[i]) != 0)
			fprintf(f, "%s\n", n.list[i]);
	}
	for (size_t i = 0; i < n.count; i++)
		free(n.list[i]);
	free(n.list);
	return n.has_failed ? err_set(e, ERR_RESOURCE, "out of memory") : 0;
}
