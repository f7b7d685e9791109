/*
 * Command lines of every command, through the tables that the commands really
 * have.
 *
 * Input: a byte (which command), then the words, separated by NUL.
 */
#include "fuzz.h"

#include "base/err.h"
#include "base/text.h"
#include "cmd/commands.h"

/* More than any command's options. */
enum { ARGS_MAX = 64, OPTS_BYTES = 65536 };

static int find_in(char **args, int count, const char *arg)
{
	for (int i = 0; i < count; i++) {
		if (args[i] == arg)
			return 1;
	}
	return 0;
}

static int is_printable(const char *s)
{
	char again[2048];

	text_escape(again, sizeof(again), s, strlen(s));
	/* escaping changes nothing but backslashes, which were escapes */
	for (const char *p = s, *q = again; *p || *q; p++, q++) {
		if (*p != *q)
			return 0;
		q += *q == '\\';
	}
	return 1;
}

static void parse(const struct cmd *cmd, int argc, char **argv)
{
	char *before[ARGS_MAX];
	/* aligned for whatever the fields are */
	void *opts = calloc(1, OPTS_BYTES);
	struct err e = { 0 };
	int rc;

	CHECK(opts);
	memcpy(before, argv, (size_t)argc * sizeof(*argv));
	rc = options_parse(cmd->groups, argc, argv, opts, &e);
	if (rc == ERR_USAGE) {
		CHECK(e.code == ERR_USAGE && *e.text);
		CHECK(is_printable(e.text));
	} else {
		CHECK(rc >= 0 && rc <= argc);
	}
	/* the words were moved, and none lost */
	for (int i = 0; i < argc; i++)
		CHECK(find_in(argv, argc, before[i]));
	free(opts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct cmd *cmd;
	char *argv[ARGS_MAX + 1], *words, *at;
	int argc = 0;

	if (size == 0)
		return 0;
	cmd = commands_at(data[0] % 4);
	CHECK(cmd);
	words = fuzz_string(data + 1, size - 1);
	at = words;
	argv[argc++] = fuzz_string(cmd->name, strlen(cmd->name));
	while (at < words + size - 1 && argc < ARGS_MAX) {
		/* each its own allocation */
		argv[argc++] = fuzz_string(at, strlen(at));
		at += strlen(at) + 1;
	}
	argv[argc] = NULL;
	parse(cmd, argc, argv);
	while (argc > 0)
		free(argv[--argc]);
	free(words);
	return 0;
}
