/*
 * The option tables as scripts/completions/ read them ("ferry help --options").
 * Words that a table allows come from it; what they mean, and what can be
 * offered for an option that takes more than words, stands here.
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
	{ "compress", "auto", "zstd, for data that shrinks" },
	{ "compress", "none", "as it is" },
	{ "compress", "zlib", "deflate" },
	{ "compress", "zstd", "fast, and smaller than zlib" },
	{ "checksum", "xxh3", "the fastest" },
	{ "checksum", "sha256", "cryptographic" },
	{ "checksum", "crc32", "as zlib and Ethernet" },
	{ "delta", "auto", "for files over 8 MiB" },
	{ "delta", "on", "for every file that is replaced" },
	{ "delta", "off", "send files whole" },
	{ "compare", "content", "read and compare files that are there" },
	{ "compare", "time", "the same size and time is the same file" },
	{ "streams", "auto", "as many as help" },
	{ "streams", "1", "one connection" },
	{ "streams", "4", "four connections" },
	{ "streams", "16", "as many as there can be" },
	{ "receivers", "any", "until a signal" },
	{ "symlinks", "keep", "those that stay inside what is sent" },
	{ "symlinks", "follow", "send what they point to" },
	{ "symlinks", "skip", "leave them out" },
	{ "symlinks", "all", "as they are, wherever they point" },
	{ "special", "report", "count them as failed" },
	{ "special", "skip", "leave them out" },
	{ "existing", "fail", "the new file fails" },
	{ "existing", "skip", "keep what is there" },
	{ "existing", "replace", "the new file takes its place" },
	{ "existing", "newer", "replace what is older" },
	{ "existing", "rename", "the new file gets a number" },
	{ "existing", "backup", "what is there gets a ~" },
	{ "sandbox", "auto", "as far as the kernel supports it" },
	{ "sandbox", "require", "fail if the kernel lacks some of it" },
	{ "sandbox", "off", "no sandbox" },
	{ "progress", "auto", "on a terminal" },
	{ "progress", "always", "also to a pipe or file" },
	{ "progress", "never", "no progress" },
	{ "sync", "none", "leave it to the kernel" },
	{ "sync", "batch", "groups of files" },
	{ "sync", "file", "each file" },
	{ "deploy", "keep", "leave it there" },
	{ "deploy", "remove", "delete it after the transfer" },
	{ "data", "auto", "directly where that works" },
	{ "data", "direct", "by connections of ferry's own" },
	{ "data", "ssh", "through ssh" },
	{ "accept", "all", "all that a sender can ask for" },
	{ "accept", "existing", "another --existing" },
	{ "accept", "links", "symlinks to anywhere" },
	{ "accept", "delete", "deleting what the sender does not have" },
	{ "accept", "owner", "owners of files" },
	{ "accept", "acl", "access control lists" },
	{ "accept", "xattr", "extended attributes" },
	{ "accept", "setid", "set-ID bits" },
	{ "accept", "specials", "FIFOs, sockets and devices" },
	{ "preserve", "owner", "owners of files" },
	{ "preserve", "acl", "access control lists" },
	{ "preserve", "xattr", "extended attributes" },
	{ "preserve", "setid", "set-ID bits" },
	{ "preserve", "capability", "capabilities of programs" },
	{ "preserve", "trusted", "attributes that only root sees" },
	{ "preserve", "hardlinks", "names of one file" },
	{ "preserve", "specials", "FIFOs, sockets and devices" },
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

static const char *meaning_of(const char *option, const char *word)
{
	for (size_t i = 0; i < MEANINGS; i++) {
		if (strcmp(meanings[i].option, option) == 0 &&
		    strcmp(meanings[i].word, word) == 0)
			return meanings[i].meaning;
	}
	return "";
}

static void print_values(FILE *f, const struct option_row *row)
{
	const struct option_word *w = row->words;

	if (!row->name || !row->arg)
		return;
	for (; w && w->word; w++)
		fprintf(f, "value\t%s\t%s\n", w->word,
			meaning_of(row->name, w->word));
	for (size_t i = 0; !row->words && i < MEANINGS; i++) {
		/* also where the option is forwarded and has no words here */
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
