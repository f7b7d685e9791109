/*
 * Functions shared by the subcommands.
 */
#include "cmd/cmd.h"

#include <string.h>

#include "base/text.h"

void cmd_print_help(FILE *f, const struct cmd *cmd)
{
	fprintf(f, "Usage: ferry %s%s%s\n", cmd->name,
		*cmd->synopsis ? " " : "", cmd->synopsis);
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

char *cmd_show_words(char *dst, size_t size, char *const *words, int count)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-+=.,:/@%[]";
	char shown[300];
	size_t used = 0;

	dst[0] = '\0';
	for (int i = 0; i < count && used < size; i++) {
		const size_t len = strlen(words[i]);
		const int is_plain = len > 0 && strspn(words[i], plain) == len;
		const char *quote = is_plain ? "" : "'";

		text_escape(shown, sizeof(shown), words[i], len);
		used += (size_t)snprintf(dst + used, size - used, "%s%s%s%s",
					 i ? " " : "", quote, shown, quote);
	}
	return dst;
}

int cmd_extra_operand(const char *operand, struct err *e)
{
	char shown[200];

	text_escape(shown, sizeof(shown), operand, strlen(operand));
	return err_set(e, ERR_USAGE, "extra operand '%s'", shown);
}
