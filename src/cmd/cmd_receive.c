/*
 * ferry receive: turns options and operands into a struct receive_config.
 */
#include "base/wipe.h"
#include "cmd/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "cmd/ask.h"
#include "cmd/by_ssh.h"
#include "cmd/common.h"
#include "cmd/fetch.h"
#include "cmd/habits.h"
#include "cmd/one_time_code.h"
#include "cmd/ordered.h"
#include "cmd/operand_hints.h"
#include "cmd/reach.h"
#include "cmd/receive_words.h"
#include "cmd/report.h"
#include "cmd/senders_helper.h"
#include "cmd/signals.h"
#include "fs/attr_helper.h"
#include "os/ids.h"
#include "fs/mode_rules.h"
#include "net/connector.h"
#include "os/service.h"
#include "auth/code.h"
#include "receiver/dir_opener.h"
#include "receiver/exec_helper.h"
#include "receiver/receive.h"
#include "receiver/senders.h"
#include "remote/client.h"
#include "session/connecting.h"
#include "session/direct.h"

enum {
	SHOWN_MAX = 200,
	SESSIONS_DEFAULT = 16,
	SESSIONS_LIMIT = 1024,
	KEEP_S_DEFAULT = 7 * 86400,
};

struct receive_options {
	struct common_options common; /* first: see common.h */
	int existing;                 /* enum conflict_policy */
	struct accept accept;
	int sync;                     /* enum sync_mode */
	int sandbox;                  /* enum sandbox_mode */
	int once;
	int to_stdout;
	uint64_t max_sessions;
	uint64_t max_size, max_files;
	uint64_t keep_s, max_kept;
	const char *connect; /* NULL: listen */
	struct host_port sender; /* with connect */
	struct mode_rules chmod;
	const char *exec;
	const char *config; /* of named senders; or NULL */
	int check_config;
	uint64_t drain_s;
	const char *dir;
	const struct carrier *carrier; /* by order of another host; or NULL */
	struct fetch fetch;
};

static const struct option_word sync_words[] = {
	{ "none", SYNC_NONE },
	{ "batch", SYNC_BATCH },
	{ "file", SYNC_FILE },
	{ NULL, 0 },
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
	  .wants = "a list of existing, links, delete, owner, acl, xattr, "
		   "setid and specials, or all",
	  .help = "what senders may ask for, with commas between: existing "
		  "(send --existing), links (send --symlinks all), delete (send "
		  "--delete), owner, acl, xattr, setid, specials (send "
		  "--preserve), or all; default: nothing" },
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
		  "kernel supports), require or off" },
};
static const struct option_group options = {
	"Options", rows, sizeof(rows) / sizeof(rows[0]), habits_receive
};

#define FORWARD .kind = OPTION_FORWARD, .off = OFF(fetch.forwards)
#define AS_SENT ": as for ferry send"

static const struct option_row fetch_rows[] = {
	{ .letter = 'z',
	  .name = "compress",
	  .arg = "[=CODEC[:LEVEL]]",
	  FORWARD,
	  .help = "compress" AS_SENT },
	{ .letter = 'j',
	  .name = "streams",
	  .arg = "N",
	  FORWARD,
	  .help = "number of direct connections" AS_SENT },
	{ .name = "checksum",
	  .arg = "ALG",
	  FORWARD,
	  .help = "xxh3, sha256 or crc32" AS_SENT },
	{ .name = "compare",
	  .arg = "WHAT",
	  FORWARD,
	  .help = "content or time" AS_SENT },
	{ .name = "delta",
	  .arg = "WHEN",
	  FORWARD,
	  .help = "auto, on or off" AS_SENT },
	{ .name = "symlinks",
	  .arg = "WHAT",
	  FORWARD,
	  .help = "keep, follow, skip or all" AS_SENT },
	{ .letter = 'a',
	  .name = "archive",
	  FORWARD,
	  .help = "keep all of this" AS_SENT },
	{ .name = "preserve",
	  .arg = "LIST",
	  FORWARD,
	  .help = "owner, setid, acl, xattr, capability, trusted, "
		  "hardlinks, specials" AS_SENT },
	{ .name = "numeric-ids",
	  FORWARD,
	  .help = "keep numbers of owners, not names" AS_SENT },
	{ .name = "special",
	  .arg = "WHAT",
	  FORWARD,
	  .help = "report or skip" AS_SENT },
	{ .letter = 'x',
	  .name = "one-file-system",
	  FORWARD,
	  .help = "do not go into mounted file systems" AS_SENT },
	{ .name = "growing",
	  FORWARD,
	  .help = "a file that grows, as long as it was" AS_SENT },
	{ .name = "delete",
	  FORWARD,
	  .help = "delete in DIR what is not there" AS_SENT },
	{ .name = "mirror",
	  FORWARD,
	  .help = "--compare time --existing replace --delete" AS_SENT },
	{ .name = "max-delete",
	  .arg = "N",
	  FORWARD,
	  .help = "at most N" AS_SENT },
	{ .letter = 'n',
	  .name = "dry-run",
	  FORWARD,
	  .help = "only list what would be done in DIR" AS_SENT },
	{ .name = "exclude",
	  .arg = "GLOB",
	  FORWARD,
	  .help = "leave out what matches" AS_SENT },
	{ .name = "include",
	  .arg = "GLOB",
	  FORWARD,
	  .help = "fetch what matches" AS_SENT },
};
static const struct option_group fetching = {
	"What to fetch (with HOST:PATH)", fetch_rows,
	sizeof(fetch_rows) / sizeof(fetch_rows[0]), NULL
};
static const struct option_group *const groups[] = {
	&options, &fetching, &common_connection, &common_security, &common_ssh,
	&common_output, NULL,
};

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

/* What FILE says cannot be said beside it. */
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

static int read_operands(struct receive_options *opts, int count, char **args,
			 struct err *e)
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

static int check_dir(const char *dir, struct err *e)
{
	char text[SHOWN_MAX];
	struct stat st;

	text_escape(text, sizeof(text), dir, strlen(dir));
	if (stat(dir, &st) < 0 && errno == ENOENT)
		return err_set(e, ERR_LOCAL,
			       "directory %s does not exist: create it, or "
			       "name another directory to receive into", text);
	if (stat(dir, &st) < 0)
		return err_sys(e, ERR_LOCAL, "cannot receive into %s", text);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_LOCAL,
			       "%s is not a directory: name a directory to "
			       "receive into", text);
	if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	/* of root, or of the owner of a directory that may be written to */
	if (errno == EPERM)
		return err_set(e, ERR_LOCAL,
			       "directory %s is immutable: name another, or "
			       "take the attribute away (chattr -i)", text);
	return err_sys(e, ERR_LOCAL,
		       "cannot write to directory %s (name another, or "
		       "change its owner or mode)", text);
}

/* Where dir is no directory it may be the name that a single file is to get, as with
 * scp: say how that is done. */
static void hint_at_name(const struct receive_options *opts, struct err *e)
{
	const char *slash = strrchr(opts->dir, '/');
	const size_t len = strlen(opts->dir), used = strlen(e->text);
	const size_t parent = slash ? (size_t)(slash + 1 - opts->dir) : 0;
	const char *host = opts->fetch.target.host;
	char name[SHOWN_MAX], in[SHOWN_MAX], path[SHOWN_MAX], from[SHOWN_MAX];
	struct stat st;

	if (parent == len || (stat(opts->dir, &st) == 0 && S_ISDIR(st.st_mode)))
		return;
	if (opts->carrier)
		snprintf(e->text + used, sizeof(e->text) - used,
			 " (a file keeps its name; to give it another: ferry "
			 "send --name %s - HOST:%s <FILE)",
			 text_escape(name, sizeof(name), opts->dir + parent,
				     len - parent),
			 text_escape(in, sizeof(in), opts->dir, parent));
	else if (opts->fetch.count == 1)
		snprintf(e->text + used, sizeof(e->text) - used,
			 " (a file keeps its name; to give it another: ferry "
			 "receive --stdout %s:%s >%s)",
			 text_escape(from, sizeof(from), host, strlen(host)),
			 text_escape(path, sizeof(path), opts->fetch.paths[0],
				     strlen(opts->fetch.paths[0])),
			 text_escape(name, sizeof(name), opts->dir, len));
}

static int check_stdout(struct err *e)
{
	const int flags = fcntl(STDOUT_FILENO, F_GETFL);

	/* where standard output was closed, main() opened it read-only */
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return err_set(e, ERR_LOCAL,
			       "standard output is not open for writing");
	return 0;
}

static void tell_service(void *ctx, enum receive_state state)
{
	static const enum service_state states[] = {
		[RECEIVE_READY] = SERVICE_READY,
		[RECEIVE_ALIVE] = SERVICE_ALIVE,
		[RECEIVE_STOPPING] = SERVICE_STOPPING,
	};

	service_tell(ctx, states[state]);
}

/* The service manager is told how the receiver is. */
static int start_service(struct receive_config *cfg, struct service **service,
			 struct err *e)
{
	int rc = service_start(service, e);

	if (*service)
		cfg->service = (struct receive_service){
			.tell = tell_service,
			.alive_ms = service_alive_ms(*service),
			.ctx = *service,
		};
	return rc;
}

/* Named senders.  Keys are in memory from now on, so it is the last helper that is
 * started. */
static int start_senders(const struct receive_options *opts,
			 struct receive_config *cfg, struct report *report,
			 struct senders_helper **helper, struct err *e)
{
	struct senders_helper *h;
	int rc;

	h = *helper = senders_helper_start(opts->config, cfg->sandbox,
					   cfg->events, e);
	if (!h)
		return e->code;
	rc = senders_helper_first(h, &cfg->senders, e);
	if (rc)
		return rc;
	cfg->security = senders_helper_mode(h);
	cfg->preserve = 0;
	for (size_t i = 0; i < senders_count(cfg->senders); i++)
		cfg->preserve |= senders_at(cfg->senders, i)->preserve;
	report_set_security(report, cfg->security);
	cfg->base_fd = senders_helper_base_fd(h);
	cfg->exec_fd = senders_helper_exec_fd(h);
	cfg->reload = (struct receive_reload){
		.fd = senders_helper_fd(h),
		.take = senders_helper_take,
		.finish = senders_helper_finish,
		.ctx = h,
	};
	return 0;
}

static int run_sessions(const struct receive_options *opts,
			struct receive_config *cfg, struct report *report,
			struct err *e)
{
	struct client *client = NULL;
	struct senders_helper *senders = NULL;
	struct service *service = NULL;
	const struct common_options *common = &opts->common;
	struct one_time_code_asked asked = {
		.ask = { "ferry send", opts->connect, -1 },
		.tty = -1,
		.report = report,
	};
	struct one_time_code_made made = { .report = report };
	const char *host = opts->connect ? opts->sender.host : NULL;
	struct proxy proxy = { .kind = PROXY_NONE };
	struct tls *tls = NULL;
	int rc;

	/* One that comes while this process starts is not to end it. */
	if (opts->config)
		signals_hold_reload();
	rc = opts->to_stdout ? check_stdout(e) :
	     opts->config    ? 0 :
			       check_dir(opts->dir, e);
	if (rc < 0 && opts->dir)
		hint_at_name(opts, e);
	if (rc < 0)
		return rc;
	/* these fork, so before there are secrets, sockets, threads and a
	 * sandbox */
	if (opts->fetch.count > 0) {
		if (cfg->direct != DIRECT_NEVER &&
		    connecting_start_direct(cfg->direct_port, &cfg->net,
					    cfg->sandbox, &cfg->connector, e))
			return e->code;
		client = fetch_client(&opts->fetch, &opts->common, e);
		if (!client) {
			rc = e->code;
			goto out;
		}
		client_set_events(client, cfg->events);
		cfg->carrier = client_carrier(client);
		cfg->asked = &opts->fetch.asked;
		if (fetch_asks_links(&opts->fetch))
			cfg->accept |= REQUEST_LINKS;
		/* the sender may do what it is asked to */
		if (fetch_asks_preserve(&opts->fetch))
			cfg->preserve = PRESERVE_KNOWN;
		if (fetch_has(&opts->fetch, "delete"))
			cfg->accept |= REQUEST_DELETE;
		if (fetch_has(&opts->fetch, "mirror"))
			cfg->accept |= REQUEST_DELETE | REQUEST_EXISTING;
	}
	/* What named senders may ask for is not known yet. */
	if (opts->config)
		cfg->preserve = PRESERVE_KNOWN;
	rc = receive_start_helpers(cfg, e);
	if (rc == 0 && !cfg->connect_to && !cfg->carrier)
		rc = start_service(cfg, &service, e);
	if (rc == 0 && opts->config)
		rc = start_senders(opts, cfg, report, &senders, e);
	if (rc == 0 && opts->exec) {
		cfg->exec = exec_helper_start(opts->exec, opts->dir, -1, e);
		rc = cfg->exec ? 0 : e->code;
		cfg->exec_fd = cfg->exec ? exec_helper_fd(cfg->exec) : 0;
	}
	/* root needs no permissions */
	if (rc == 0 && opts->dir && geteuid() != 0) {
		cfg->opener = dir_opener_start(opts->dir, cfg->sandbox, e);
		rc = cfg->opener ? 0 : e->code;
	}
	if (rc == 0 && host)
		rc = common_proxy(common, &opts->sender, &proxy, e);
	if (proxy.kind)
		cfg->net.proxy = &proxy;
	if (rc == 0 && host)
		rc = connecting_start(cfg->connect_to, &cfg->net, cfg->sandbox,
				      &cfg->connector, e);
	if (rc == 0 && !cfg->carrier && !cfg->senders)
		rc = common_tls(common, cfg->security, common->role, host, &tls,
				e);
	if (rc < 0)
		goto out;
	if (cfg->security == SECURITY_CODE && !common->code_file && host &&
	    !common->retry_s)
		rc = reach_host(cfg->connect_to, &cfg->net, cfg->events, e);
	if (rc < 0)
		goto out;
	cfg->cancel_fd = asked.ask.cancel_fd = signals_start(e);
	if (cfg->cancel_fd < 0) {
		rc = cfg->cancel_fd;
		goto out;
	}
	if (senders)
		rc = signals_reload(senders_helper_fd(senders), e);
	if (rc == 0 && cfg->security == SECURITY_CODE)
		rc = one_time_code(common->code_file, host ? &asked.ask : NULL,
				   report, &cfg->pake, e);
	if (rc < 0)
		goto out;
	made.pake = asked.pake = cfg->pake;
	if (cfg->pake && !common->code_file && host) {
		asked.tty = ask_open();
		cfg->renew_code = asked.tty < 0 ? NULL
						: one_time_code_ask_again;
		cfg->renew_ctx = &asked;
	} else if (cfg->pake && !common->code_file) {
		cfg->renewal = (struct secure_renewal){
			one_time_code_make_another, &made
		};
	}
	cfg->tls = tls;
	rc = receive_run(cfg, e);
	cfg->senders = NULL; /* taken over */
	if (rc < 0 && client)
		by_ssh_hint_at_port(common, e);
	if (rc == ERR_REMOTE)
		fetch_hint_at_pattern(&opts->fetch, e);
	/* a receiver without --once ends only by a signal, so the exit status
	 * must name the signal, not success */
	if (rc == 0 && !cfg->once && signals_caught())
		rc = err_set(e, ERR_INTERRUPTED, "ended by a signal (%s)",
			     strsignal(signals_caught()));
out:
	client_free(client);
	io_close(&asked.tty);
	senders_release(cfg->senders);
	senders_helper_stop(senders);
	service_free(service);
	exec_helper_free(cfg->exec);
	dir_opener_free(cfg->opener);
	attr_helper_stop(cfg->attrs);
	ids_stop(cfg->ids);
	pake_free(cfg->pake);
	tls_free(tls);
	connector_stop(cfg->connector);
	wipe(&proxy, sizeof(proxy));
	return rc;
}

/* The socket of a service manager: it takes the place of -p and -b. */
static int take_socket(struct receive_config *cfg, struct err *e)
{
	int fd, rc;

	if (cfg->connect_to || cfg->carrier)
		return 0;
	rc = service_take_socket(&fd, e);
	if (rc == SERVICE_LISTENER) {
		cfg->listen_fd = fd;
	} else if (rc == SERVICE_CONNECTION) {
		cfg->connected_fd = fd;
		cfg->once = 1;
	}
	if (rc == SERVICE_CONNECTION && cfg->security == SECURITY_CODE)
		return err_set(e, ERR_USAGE,
			       "a one-time code cannot be shown to the sender "
			       "whose connection the service manager gives: "
			       "name another security mode, such as --key");
	return rc < 0 ? rc : 0;
}

static int run_reported(const struct receive_options *opts, enum security mode,
			struct err *e)
{
	struct report_config report_cfg = common_report(&opts->common, mode);
	struct receive_config cfg = {
		.connect_to = opts->connect ? &opts->sender : NULL,
		.retry_ms = opts->common.retry_s * 1000,
		.wait_ms = opts->common.wait_s * 1000,
		.drain_ms = opts->drain_s * 1000,
		.port = common_listen_port(&opts->common),
		.net = opts->fetch.count ? common_direct_net(&opts->common)
					 : common_net(&opts->common),
		.direct = (enum direct_use)opts->common.data,
		.is_ordered = opts->carrier != NULL,
		.direct_port = common_direct_port(&opts->common),
		.security = mode,
		.dir = opts->dir,
		.chmod = opts->chmod.count ? &opts->chmod : NULL,
		.dry_run = fetch_has(&opts->fetch, "dry-run"),
		.to_stdout = opts->to_stdout,
		.stdout_fd = STDOUT_FILENO,
		.carrier = opts->carrier,
		.once = opts->once,
		.existing = (enum conflict_policy)opts->existing,
		.accept = opts->accept.requests,
		/* Hard links lead only to what came in the same transfer. */
		.preserve = opts->accept.preserve | PRESERVE_HARDLINKS,
		.sync = (enum sync_mode)opts->sync,
		.sandbox = (enum sandbox_mode)opts->sandbox,
		.max_sessions = (unsigned)opts->max_sessions,
		.max_size = opts->max_size,
		.max_files = opts->max_files,
		.keep_s = opts->keep_s,
		.max_kept = opts->max_kept,
		.allow = &opts->common.allow,
		.limit_rate = opts->common.limit_rate,
		.timeout_ms = common_timeout_ms(&opts->common),
		.exit_status = signals_exit_status,
		.cancel_fd = -1,
	};
	struct report *report;
	int rc;

	if (opts->connect)
		cfg.net.expected = "ferry send --listen";
	/* As with "| head": the list ends quietly when its reader has gone. */
	if (cfg.dry_run && opts->common.json_fd < 0)
		signal(SIGPIPE, SIG_DFL);
	report_cfg.is_preview = cfg.dry_run;
	report_cfg.is_single = opts->once;
	report_cfg.is_remote = opts->carrier != NULL;
	report_cfg.dir = opts->dir;
	report_cfg.config = opts->config;
	report_cfg.connects = opts->connect != NULL;
	rc = take_socket(&cfg, e);
	if (rc < 0)
		return rc;
	report_cfg.is_single = cfg.once;
	report = report_new(&report_cfg);
	if (!report)
		return err_set(e, ERR_RESOURCE, "out of memory");
	cfg.events = report_events(report);
	rc = run_sessions(opts, &cfg, report, e);
	if (rc == 0 && report_lost_output(report, cfg.cancel_fd))
		rc = err_set(e, ERR_LOCAL, "cannot write to standard output");
	report_end(report, cfg.cancel_fd, rc, e);
	report_free(report);
	return rc;
}

static const struct receive_options defaults = {
	.existing = CONFLICT_FAIL,
	.sync = SYNC_BATCH,
	.sandbox = SANDBOX_AUTO,
	.max_sessions = SESSIONS_DEFAULT,
	.max_size = UINT64_MAX,
	.max_files = UINT64_MAX,
	.keep_s = KEEP_S_DEFAULT,
	.max_kept = UINT64_MAX,
};

int cmd_receive_ordered(const struct ordered *o, struct err *e)
{
	struct receive_options opts = defaults;
	int first, rc = ordered_check(o, "--timeout --quiet --verbose --port",
				      e);

	if (rc)
		return rc;
	common_init(&opts.common);
	first = options_parse(groups, o->argc, o->argv, &opts, e);
	if (first <= 0)
		return first;
	if (o->argc - first != 1)
		return err_set(e, ERR_PROTOCOL, "malformed order");
	opts.dir = o->argv[first];
	opts.once = 1;
	opts.carrier = o->carrier;
	opts.common.data = o->data;
	/* Who sends has logged in as this user. */
	if (!o->accept)
		opts.accept = receive_words_accept_all;
	else if (receive_words_set_accept(&opts.accept, o->accept))
		return err_set(e, ERR_USAGE, "--accept: unknown word");
	return run_reported(&opts, SECURITY_SSH, e);
}

static int check_config(const struct receive_options *opts, struct err *e)
{
	char shown[SHOWN_MAX];
	size_t count;
	int rc;

	if (!opts->config)
		return err_set(e, ERR_USAGE, "--check-config needs --config "
					     "FILE");
	rc = senders_helper_check(opts->config, &count, e);
	if (rc)
		return rc;
	text_escape(shown, sizeof(shown), opts->config, strlen(opts->config));
	if (!opts->common.quiet)
		fprintf(stderr, "ferry: %s: no errors, %zu sender%s\n", shown,
			count, count == 1 ? "" : "s");
	return 0;
}

static int receive_main(int argc, char **argv, struct err *e)
{
	struct receive_options opts = defaults;
	const struct common_options *common = &opts.common;
	enum security mode;
	int first, rc;

	common_init(&opts.common);
	first = options_parse(groups, argc, argv, &opts, e);
	if (first < 0)
		return first;
	if (first == 0)
		return cmd_show_help(&cmd_receive, e);
	rc = read_operands(&opts, argc - first, argv + first, e);
	opts.common.role = opts.connect || opts.fetch.count > 0 ? NET_CONNECTS :
								  NET_LISTENS;
	if (rc == 0)
		rc = common_check(common, e);
	if (rc == 0 && opts.connect)
		rc = common_target(common, "--connect", opts.connect,
				   &opts.sender, e);
	if (rc == 0 && opts.connect && opts.fetch.count > 0)
		rc = err_set(e, ERR_USAGE,
			     "--connect and HOST:PATH exclude each other");
	if (rc == 0 && opts.fetch.count > 0) {
		rc = by_ssh_check(common, fetch_has(&opts.fetch, "streams"),
				  e);
		mode = SECURITY_SSH;
	} else if (rc == 0) {
		rc = by_ssh_check_unused(common, e);
		if (rc == 0)
			rc = fetch_check_unused(&opts.fetch, e);
		if (rc == 0)
			rc = common_mode(common, &mode, e);
		/* what the file says is known later */
		if (rc == 0 && opts.config)
			mode = SECURITY_PSK;
	}
	if (rc == 0 && mode == SECURITY_CODE && opts.connect &&
	    !common->code_file)
		rc = ask_check("ferry receive", "--connect HOST [DIR]", e);
	/* a code is valid for one session */
	if (rc == 0 && (mode == SECURITY_CODE || opts.connect))
		opts.once = 1;
	if (rc == 0 && opts.check_config)
		rc = check_config(&opts, e);
	else if (rc == 0)
		rc = run_reported(&opts, mode, e);
	fetch_release(&opts.fetch);
	return rc;
}

const struct cmd cmd_receive = {
	.name = "receive",
	.alias = "recv",
	.synopsis = "[OPTION]... [[[USER@]HOST:PATH]... DIR]\n"
		    "       ferry receive [OPTION]... --connect HOST[:PORT] "
		    "[DIR]\n"
		    "       ferry receive [OPTION]... --config FILE",
	.summary = "listen, or fetch by ssh: into a directory or to standard "
		   "output",
	.about = "Listen, and receive what ferry send sends into DIR (default "
		 ".), which must exist. A file gets its final name only once "
		 "it is complete and verified. By default, shows a one-time "
		 "code and serves the one sender that gives it. In the other "
		 "security modes, serves any number of senders until a signal "
		 "ends it, or one session with --once. With HOST:PATH, fetches "
		 "that by ssh, which starts ferry there, and does not listen. "
		 "With --connect, connects to ferry send --listen instead.",
	.groups = groups,
	.run = receive_main,
};
