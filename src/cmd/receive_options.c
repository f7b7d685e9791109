/*
 * The options and operands of ferry receive.
 */
#include "cmd/receive_options.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/cmd.h"
#include "cmd/fetch_options.h"
#include "cmd/habits.h"
#include "cmd/operand_hints.h"
#include "cmd/options.h"
#include "receiver/receive.h"
#include "remote/target.h"

enum {
	SHOWN_MAX = 200,
	SESSIONS_DEFAULT = 16,
	SESSIONS_LIMIT = 1024,
	KEEP_S_DEFAULT = 7 * 86400,
};

static const struct option_word sync_words[] = {
	{ "none", SYNC_NONE, "leave it to the kernel" },
	{ "batch", SYNC_BATCH, "groups of files" },
	{ "file", SYNC_FILE, "each file" },
	{ NULL, 0, NULL },
};

static int set_chmod(void *field, const char *value)
{
	return mode_rules_parse(field, value);
}

#define OFF(field) offsetof(struct receive_options, field)

static const struct option_row rows[] = {
	{ .name = "connect", .arg = "HOST[:PORT]", .kind = OPTION_TEXT,
	  .off = OFF(connect),
	  .help = "connect to ferry send --listen on HOST, instead of "
		  "listening; implies --once" },
	{ .name = "existing", .arg = "WHAT", .kind = OPTION_WORD,
	  .off = OFF(existing), .words = receive_words_existing,
	  .help = "if a different file has the name: fail (default), skip, "
		  "replace, newer (replace if older), rename (the new file) or "
		  "backup (the old file); identical content is never a "
		  "conflict" },
	{ .name = "accept", .arg = "LIST", .kind = OPTION_SET,
	  .set = receive_words_set_accept, .off = OFF(accept),
	  .words = receive_words_accept,
	  .help = "what senders may ask for, separated by commas: existing "
		  "(send --existing), links (send --symlinks all), delete (send "
		  "--delete)"
#define X(id, number, word, with, archive, meaning) ", " word
		  FILE_META_ACCEPTED(X)
#undef X
		  " (send --preserve), or all; default: nothing" },
	{ .name = "once", .kind = OPTION_FLAG, .value = 1, .off = OFF(once),
	  .help = "end after one session, with its exit status; always so with "
		  "a one-time code" },
	{ .name = "stdout", .kind = OPTION_FLAG, .value = 1,
	  .off = OFF(to_stdout),
	  .help = "write the one file that is sent to standard output; "
		  "implies --once" },
	{ .name = "sync", .arg = "WHAT", .kind = OPTION_WORD,
	  .off = OFF(sync), .words = sync_words,
	  .help = "flush to disk before a file counts as committed: batch "
		  "(default: many files together), file (each file) or none" },
	{ .name = "max-sessions", .arg = "N", .kind = OPTION_NUMBER, .min = 1,
	  .max = SESSIONS_LIMIT, .off = OFF(max_sessions),
	  .help = "most sessions at a time (default 16)" },
	{ .name = "max-size", .arg = "SIZE", .kind = OPTION_SIZE, .min = 1,
	  .max = (uint64_t)1 << 60, .off = OFF(max_size),
	  .wants = "bytes, such as 500K, 10M or 1G",
	  .help = "most bytes of content in a session; K, M, G, T are powers "
		  "of 1024" },
	{ .name = "max-files", .arg = "N", .kind = OPTION_NUMBER, .min = 1,
	  .max = (uint64_t)1 << 53, .off = OFF(max_files),
	  .help = "most files, symlinks and directories in a session" },
	{ .name = "keep-parts", .arg = "TIME", .kind = OPTION_TIME, .min = 0,
	  .max = (uint64_t)36500 * 86400, .off = OFF(keep_s),
	  .wants = "seconds, or such as 90m, 12h, 7d or 2w; 0 keeps nothing",
	  .help = "how long the parts of interrupted transfers are kept: "
		  "seconds, or with m, h, d, w; 0: not at all (default 7d)" },
	{ .name = "max-kept", .arg = "SIZE", .kind = OPTION_SIZE, .min = 1,
	  .max = (uint64_t)1 << 60, .off = OFF(max_kept),
	  .wants = "bytes, such as 500M, 10G or 1T",
	  .help = "most space for the kept parts of one sender, and four "
		  "times that for those of all (default: nine tenths of what "
		  "is free, for all)" },
	{ .name = "chmod", .arg = "MODES", .kind = OPTION_SET,
	  .set = set_chmod, .off = OFF(chmod),
	  .wants = "umask, keep, or changes such as D755,F644 or go-w or "
		   "u=rwX,go= (without s and t)",
	  .help = "change the modes of what arrives, as with chmod: go-w or "
		  "u=rwX,go= or D755,F644 (D: only directories, F: only "
		  "files); umask: as new files of this user; keep: as on the "
		  "sender; repeatable (default: as on the sender, less the "
		  "umask)" },
	{ .name = "exec", .arg = "CMD", .kind = OPTION_TEXT,
	  .off = OFF(exec),
	  .help = "run this program, without arguments, after each session "
		  "that transferred files; FERRY_... variables describe the "
		  "session" },
	{ .name = "config", .arg = "FILE", .kind = OPTION_TEXT,
	  .off = OFF(config),
	  .help = "receive from the senders that FILE names, each with its "
		  "key, directory and rights, see ferry.conf(5); SIGHUP reads "
		  "it again" },
	{ .name = "check-config", .kind = OPTION_FLAG, .value = 1,
	  .off = OFF(check_config),
	  .help = "only check the FILE of --config and all that it names" },
	{ .name = "drain", .arg = "SECONDS", .kind = OPTION_NUMBER, .min = 1,
	  .max = 86400, .off = OFF(drain_s),
	  .help = "after SIGTERM or SIGINT, let running sessions end for so "
		  "long, and begin no other (default: interrupt them)" },
	{ .name = "sandbox", .arg = "WHAT", .kind = OPTION_WORD,
	  .off = OFF(sandbox), .words = common_sandbox_words,
	  .help = "confine the receiver to DIR: auto (default: as far as the "
		  "kernel supports it), require or off" },
};
static const struct option_group options = {
	"Options", rows, sizeof(rows) / sizeof(rows[0]), habits_receive
};

const struct option_group *const receive_options_groups[] = {
	&options, &fetch_options_group, &common_connection, &common_security, &common_ssh,
	&common_output, NULL,
};

void receive_options_init(struct receive_options *opts)
{
	*opts = (struct receive_options){
		.existing = CONFLICT_FAIL,
		.sync = SYNC_BATCH,
		.sandbox = SANDBOX_AUTO,
		.max_sessions = SESSIONS_DEFAULT,
		.max_size = UINT64_MAX,
		.max_files = UINT64_MAX,
		.keep_s = KEEP_S_DEFAULT,
		.max_kept = UINT64_MAX,
	};
	common_init(&opts->common);
}

/* HOST:PATH... DIR; without DIR with --stdout.  Sets *dir to DIR or NULL. */
static int read_sources(struct receive_options *opts, int count, char **args,
			char **dir, struct err *e)
{
	char shown[SHOWN_MAX];

	*dir = NULL;
	opts->once = 1;
	if (opts->to_stdout)
		return fetch_read(&opts->fetch, args, count, e);
	*dir = args[count - 1];
	if (count == 1 || target_is_ssh(*dir))
		return err_set(e, ERR_USAGE,
			       "missing DIR, the directory on this host to "
			       "receive into, after '%s'; the one you are in "
			       "is .",
			       text_escape(shown, sizeof(shown), *dir,
					   strlen(*dir)));
	return fetch_read(&opts->fetch, args, count - 1, e);
}

/* With --config, FILE says this instead of options. */
static int check_with_config(const struct receive_options *opts, int count,
			     struct err *e)
{
	const struct common_options *common = &opts->common;
	const char *other =
		count ? "DIR" :
		opts->to_stdout ? "--stdout" :
		opts->connect ? "--connect" :
		opts->exec ? "--exec" :
		opts->existing != CONFLICT_FAIL ? "--existing" :
		opts->accept.requests || opts->accept.preserve ? "--accept" :
		opts->max_size != UINT64_MAX ? "--max-size" :
		opts->max_files != UINT64_MAX ? "--max-files" :
		common->key ? "--key" :
		common->cert || common->cert_key ? "--cert" :
		common->ca ? "--ca" :
		common->peer_name ? "--peer-name" :
		common->pins.count ? "--pin" :
		common->code || common->code_file ? "--code" :
		common->plain ? "--plain" : NULL;

	if (other)
		return err_set(e, ERR_USAGE,
			       "--config and %s exclude each other: the file "
			       "says what each sender may do (see "
			       "ferry.conf(5))", other);
	return 0;
}

int receive_options_operands(struct receive_options *opts, int count,
			     char **args, struct err *e)
{
	char *dir = NULL;
	int rc = 0;

	if (fetch_is_meant(args, count, !opts->to_stdout)) {
		rc = read_sources(opts, count, args, &dir, e);
		args = &dir;
		count = dir != NULL;
	} else {
		rc = operand_hints_receive(args, count, e);
	}
	if (rc)
		return rc;
	if (opts->config)
		return check_with_config(opts, count, e);
	if (count > 1)
		return cmd_extra_operand(args[1], e);
	if (opts->to_stdout && fetch_has(&opts->fetch, "dry-run"))
		return err_set(e, ERR_USAGE,
			       "--stdout and --dry-run exclude each other");
	if (opts->to_stdout && opts->fetch.count > 1)
		return err_set(e, ERR_USAGE,
			       "--stdout writes a single file; several are "
			       "fetched into a directory, or one by one");
	if (opts->to_stdout && count)
		return err_set(e, ERR_USAGE,
			       "--stdout and DIR exclude each other");
	if (opts->to_stdout && opts->exec)
		return err_set(e, ERR_USAGE,
			       "--stdout and --exec exclude each other");
	if (opts->to_stdout && opts->common.json_fd == STDOUT_FILENO)
		return err_set(e, ERR_USAGE,
			       "--stdout and --json both use standard output: "
			       "give --json=3 3>FILE or --json=2");
	if (opts->to_stdout && isatty(STDOUT_FILENO))
		return err_set(e, ERR_USAGE,
			       "--stdout: standard output is a terminal, which "
			       "the content could confuse; write: ferry "
			       "receive --stdout >FILE, or | cat -v to see it");
	if (count && !*args[0])
		return err_set(e, ERR_USAGE, "DIR is empty");
	if (!opts->to_stdout)
		opts->dir = count ? args[0] : ".";
	if (opts->to_stdout)
		opts->once = 1;
	return 0;
}
