/*
 * The table of subcommands, and what they share.
 */
#include "cmd/cmd.h"

#include <string.h>

#include "base/text.h"

static const struct cmd *const commands[] = {
	&cmd_send, &cmd_receive, &cmd_keygen, &cmd_help,
};

const struct cmd *cmd_at(size_t index)
{
	if (index >= sizeof(commands) / sizeof(commands[0]))
		return NULL;
	return commands[index];
}

const struct cmd *cmd_find(const char *name)
{
	const struct cmd *c;

	for (size_t i = 0; (c = cmd_at(i)); i++) {
		if (strcmp(c->name, name) == 0 ||
		    (c->alias && strcmp(c->alias, name) == 0))
			return c;
	}
	return NULL;
}

void cmd_print_help(FILE *f, const struct cmd *cmd)
{
	fprintf(f, "Usage: ferry %s %s\n", cmd->name, cmd->synopsis);
	if (cmd->alias)
		fprintf(f, "       ferry %s is the same\n", cmd->alias);
	fputc('\n', f);
	options_wrap(f, cmd->about, 0, 0);
	options_print(f, cmd->groups);
}

int cmd_flush_stdout(struct err *e)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return err_sys(e, ERR_LOCAL, "cannot write to standard output");
}

int cmd_show_help(const struct cmd *cmd, struct err *e)
{
	cmd_print_help(stdout, cmd);
	return cmd_flush_stdout(e);
}

int cmd_extra_operand(const char *operand, struct err *e)
{
	char shown[200];

	text_escape(shown, sizeof(shown), operand, strlen(operand));
	return err_set(e, ERR_USAGE, "'%s' is one operand too many", shown);
}
