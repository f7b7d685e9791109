/*
 * Functions shared by the subcommands.
 */
#include "cmd/cmd.h"

#include <string.h>

#include "base/text.h"

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
	return err_set(e, ERR_USAGE, "extra operand '%s'", shown);
}
