/*
 * ferry send: turns options and operands into a struct send_config.  Errors
 * are found before anything is sent: first those of the command line, then of
 * the credentials and every source, then of the connection.
 */
#include "cmd/commands.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/wipe.h"
#include "cmd/ask.h"
#include "cmd/by_ssh.h"
#include "cmd/common.h"
#include "cmd/fetch_options.h"
#include "cmd/one_time_code.h"
#include "cmd/operand_hints.h"
#include "cmd/ordered.h"
#include "cmd/reach.h"
#include "cmd/report.h"
#include "cmd/send_operands.h"
#include "cmd/send_options.h"
#include "cmd/signals.h"
#include "fs/filter.h"
#include "fs/scan_dirs.h"
#include "net/connector.h"
#include "os/ids.h"
#include "remote/client.h"
#include "sender/command.h"
#include "sender/preview.h"
#include "sender/send.h"
#include "session/connecting.h"
#include "session/direct.h"
#include "session/naming.h"

enum { SHOWN_MAX = 200 };

static const char *escape(char *dst, const char *text)
{
	return text_escape(dst, SHOWN_MAX, text, strlen(text));
}

static int check_stdin(struct err *e)
{
	const int flags = fcntl(STDIN_FILENO, F_GETFL);

	/* where standard input was closed, main() opened it write-only */
	if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY)
		return err_set(e, ERR_LOCAL,
			       "standard input is not open for reading");
	return 0;
}

/* The descriptor of --files-from.  The caller closes it, unless it is standard
 * input's. */
static int open_list(const char *path, struct err *e)
{
	char text[SHOWN_MAX];
	int rc, fd;

	if (send_operands_is_stdin(path)) {
		rc = check_stdin(e);
		return rc < 0 ? rc : STDIN_FILENO;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(e, ERR_LOCAL, "--files-from %s",
				      escape(text, path));
}

/* Add the names of --files-from.  *list_fd becomes its descriptor. */
static int add_list(const struct send_operands *o, const struct send_options *opts,
		    struct scan *scan, int *list_fd, struct err *e)
{
	*list_fd = open_list(opts->files_from, e);
	if (*list_fd < 0)
		return *list_fd;
	/* a new session sends all directories again */
	if ((opts->common.retry_s || opts->receivers > 1) &&
	    lseek(*list_fd, 0, SEEK_CUR) < 0)
		return err_set(e, ERR_USAGE,
			       "%s needs a list that can be read again: "
			       "write it to a regular file",
			       opts->common.retry_s ? "--retry" : "--receivers");
	return scan_add_list(scan, o->list_dir, *list_fd,
			     opts->null ? '\0' : '\n', e);
}

/* Add the source.  One of several that is bad is left to the scan, which
 * reports it: it does not stop the others. */
static int add_path(const struct send_operands *o, const char *path,
		    struct scan *scan, struct send_config *cfg, struct err *e)
{
	int rc = send_operands_is_stdin(path) ? check_stdin(e) : scan_add(scan, path, e);
	struct err bad;

	if (rc < 0 && !send_operands_is_stdin(path))
		operand_hints_special(path, o->host, e);
	if (rc != ERR_LOCAL || o->path_count == 1)
		return rc;
	bad = *e;
	if (send_operands_is_stdin(path))
		cfg->stdin_fd = -1;
	return scan_add_bad(scan, path, &bad, e);
}

static enum scan_symlinks symlinks_of(const struct send_options *opts)
{
	if (opts->symlinks >= 0)
		return (enum scan_symlinks)opts->symlinks;
	return opts->archive ? SCAN_ALL : SCAN_KEEP;
}

/* Make a scan and add every source to it; *scan stays NULL if there is only
 * standard input.  *list_fd is the descriptor of a list. */
static int add_sources(const struct send_operands *o,
		       const struct send_options *opts, struct scan **scan,
		       int *list_fd, struct send_config *cfg, struct err *e)
{
	int rc = 0;

	if (o->path_count == 1 && o->has_stdin)
		return check_stdin(e);
	if (o->path_count == 0 && o->command)
		return 0;
	*scan = scan_new(symlinks_of(opts));
	if (!*scan)
		return err_set(e, ERR_RESOURCE, "out of memory");
	scan_set_filter(*scan, opts->filter);
	if (opts->skips_special)
		scan_skip_special(*scan);
	if (opts->one_file_system)
		scan_stay_on_file_system(*scan);
	if (opts->files_from)
		return add_list(o, opts, *scan, list_fd, e);
	for (int i = 0; rc == 0 && i < o->path_count; i++)
		rc = add_path(o, o->paths[i], *scan, cfg, e);
	if (rc)
		return rc;
	return scan_names_check(*scan,
				cfg->stdin_fd >= 0 ? cfg->stdin_name : NULL, e);
}

/* With "ferry send a b" the last file is taken for the host. */
static void hint_at_host(const struct send_operands *o, struct err *e)
{
	if (e->code == ERR_CONNECT && o->host)
		send_operands_hint_at_host(o, e);
}

/* Have ferry receive into the target's directory on its host. */
static int start_client(const struct common_options *common,
			const struct send_operands *o, struct client **client,
			struct err *e)
{
	struct by_ssh_order order;

	by_ssh_begin(&order, "receive", common);
	by_ssh_add(&order, "--");
	by_ssh_add(&order, o->target.path);
	*client = by_ssh_client(common, o->target.host, &order, e);
	by_ssh_free(&order);
	return *client ? 0 : e->code;
}

/* What sending takes, beside its config. */
struct setup {
	const struct send_options *opts;
	const struct send_operands *o;
	struct send_config *cfg;
	int is_preview; /* nothing is sent: no code is needed */
	struct client *client;
	struct one_time_code code;
	struct proxy proxy;
	struct scan *scan;
	int list_fd;
	struct tls *tls;
};

/* Start ssh, or the process that connects to the receiver. */
static int start_connecting(struct setup *s, struct err *e)
{
	const struct common_options *common = &s->opts->common;
	struct send_config *cfg = s->cfg;
	int rc = 0;

	if (s->o->is_ssh) {
		if (cfg->direct != DIRECT_NEVER)
			rc = connecting_start_direct(cfg->direct_port,
						     &cfg->net, cfg->sandbox,
						     &cfg->connector, e);
		if (rc == 0)
			rc = start_client(common, s->o, &s->client, e);
		if (rc == 0) {
			client_set_events(s->client, cfg->events);
			cfg->carrier = client_carrier(s->client);
		}
	} else if (!s->opts->listen && !cfg->carrier) {
		rc = common_proxy(common, &s->o->dest, &s->proxy, e);
		cfg->net.proxy = s->proxy.kind ? &s->proxy : NULL;
		if (rc == 0)
			rc = connecting_start(&cfg->dest, &cfg->net,
					      cfg->sandbox, &cfg->connector, e);
	}
	return rc;
}

/* Start the processes that work for this one.  It forks: to be called before
 * there are secrets, threads and a sandbox. */
static int start_processes(struct setup *s, struct err *e)
{
	struct send_config *cfg = s->cfg;
	int rc = 0;

	if (s->o->command) {
		cfg->command = command_new(s->o->command, e);
		if (!cfg->command)
			return e->code;
		cfg->stdin_fd = command_output_fd(cfg->command);
	}
	if (s->opts->list)
		return 0;
	rc = start_connecting(s, e);
	if (rc == 0 && !s->opts->numeric_ids && cfg->preserve & PRESERVE_NAMED)
		rc = naming_start(cfg->sandbox, &cfg->ids, e);
	return rc;
}

static int prepare_tls(struct setup *s, struct err *e)
{
	const struct common_options *common = &s->opts->common;
	const char *host = s->opts->listen ? NULL : s->o->dest.host;
	int rc = 0;

	if (!s->opts->list && !s->cfg->carrier)
		rc = common_tls(common, s->cfg->security, host, s->cfg->events,
				&s->tls, e);
	s->cfg->tls = s->tls;
	return rc;
}

static int prepare_sources(struct setup *s, struct err *e)
{
	const struct send_options *opts = s->opts;
	int rc = add_sources(s->o, opts, &s->scan, &s->list_fd, s->cfg, e);

	if (rc == 0 && opts->deletes && !opts->list &&
	    (!s->scan || scan_dirs_count(s->scan) == 0))
		rc = err_set(e, ERR_USAGE,
			     "--delete needs a directory to send: no PATH is "
			     "one");
	s->cfg->scan = s->scan;
	return rc;
}

/* Find out whether the receiver can be reached before its code is asked for.
 * With --retry it may be started later. */
static int try_to_reach(const struct setup *s, struct err *e)
{
	const struct common_options *common = &s->opts->common;
	const struct send_config *cfg = s->cfg;
	int rc;

	if (cfg->security != SECURITY_CODE || common->code_file ||
	    s->opts->listen || s->is_preview || common->retry_s)
		return 0;
	rc = reach_host(&cfg->dest, &cfg->net, s->code.report, e);
	if (rc < 0)
		hint_at_host(s->o, e);
	return rc;
}

static int start_signals(struct setup *s, struct err *e)
{
	s->cfg->cancel_fd = s->code.ask.cancel_fd = signals_start(e);
	if (s->cfg->cancel_fd < 0)
		return s->cfg->cancel_fd;
	if (s->cfg->command)
		signals_forward(command_signal_fd(s->cfg->command));
	return 0;
}

static int run_prepared(struct setup *s, struct err *e)
{
	struct session_summary summary;
	int rc = s->is_preview ? preview_run(s->cfg, &summary, e)
			       : send_run(s->cfg, &summary, e);

	if (rc < 0)
		hint_at_host(s->o, e);
	if (rc < 0 && s->o->is_ssh)
		by_ssh_hint_at_port(&s->opts->common, e);
	return rc;
}

static void release_setup(struct setup *s)
{
	struct send_config *cfg = s->cfg;

	signals_forward(-1);
	command_free(cfg->command);
	scan_free(s->scan);
	tls_free(s->tls);
	connector_stop(cfg->connector);
	ids_stop(cfg->ids);
	wipe(&s->proxy, sizeof(s->proxy));
	client_free(s->client);
	one_time_code_release(&s->code);
	if (s->list_fd > STDERR_FILENO)
		close(s->list_fd);
}

static int run_session(const struct send_options *opts,
		       const struct send_operands *o, struct send_config *cfg,
		       struct report *report, struct err *e)
{
	struct setup s = {
		.opts = opts,
		.o = o,
		.cfg = cfg,
		.is_preview = opts->list,
		.code = {
			.file = opts->common.code_file,
			.role = opts->common.role,
			.ask = { "ferry receive", o->host, -1 },
			.report = report,
			.tty = -1,
		},
		.proxy = { .kind = PROXY_NONE },
		.list_fd = -1,
	};
	int rc = start_processes(&s, e);

	if (rc == 0)
		rc = prepare_tls(&s, e);
	if (rc == 0)
		rc = prepare_sources(&s, e);
	if (rc == 0)
		rc = try_to_reach(&s, e);
	if (rc == 0)
		rc = start_signals(&s, e);
	/* Where all sources are bad, they are only reported. */
	s.is_preview |= s.scan && scan_root_count(s.scan) == 0 &&
			cfg->stdin_fd < 0;
	if (rc == 0 && cfg->security == SECURITY_CODE && !s.is_preview)
		rc = one_time_code_prepare(&s.code, &cfg->code, e);
	if (rc == 0)
		rc = run_prepared(&s, e);
	release_setup(&s);
	return rc;
}

/* What the receiver has to grant, as the user has asked for it by name. */
static uint32_t requests_needed(const struct send_options *opts)
{
	return (opts->symlinks == SCAN_ALL ? REQUEST_LINKS : 0u) |
	       (opts->existing ? REQUEST_EXISTING : 0u) |
	       (opts->deletes ? REQUEST_DELETE : 0u) |
	       (opts->dry_run ? FEATURE_DRY_RUN : 0u);
}

static struct send_config config_of(const struct send_options *opts,
				    const struct send_operands *o,
				    enum security mode)
{
	struct send_config cfg = {
		.dest = o->dest,
		.is_listening = opts->listen,
		.allow = &opts->common.allow,
		.wait_ms = opts->common.wait_s * 1000,
		.receivers = opts->receivers,
		.net = o->is_ssh ? common_direct_net(&opts->common)
				 : common_net(&opts->common),
		.security = mode,
		.digest = opts->digest,
		.codec = opts->codec,
		.carrier = o->carrier,
		.delta = (enum send_delta)opts->delta,
		.compare_time = opts->compare_time > 0,
		.dry_run = opts->dry_run,
		.direct = (enum direct_use)opts->common.data,
		.is_ordered = o->carrier != NULL,
		.direct_port = common_direct_port(&opts->common),
		.streams = opts->streams,
		.follow_links = opts->symlinks == SCAN_FOLLOW,
		.requests = (symlinks_of(opts) == SCAN_ALL ? REQUEST_LINKS
							   : 0u) |
			    requests_needed(opts),
		.requests_needed = requests_needed(opts),
		.existing = (uint8_t)opts->existing,
		.preserve = opts->preserve |
			    (opts->archive ? PRESERVE_ARCHIVE : 0u),
		.preserve_needed = opts->preserve,
		.is_archive = opts->archive,
		.growing = opts->growing,
		.deletes = opts->deletes,
		.has_max_delete = opts->max_delete.is_set,
		.max_delete = opts->max_delete.n,
		.stdin_fd = o->has_stdin ? STDIN_FILENO : -1,
		.stdin_name = opts->name ? opts->name : "stdin",
		.limit_rate = opts->common.limit_rate,
		.timeout_ms = common_timeout_ms(&opts->common),
		.retry_ms = opts->common.retry_s * 1000,
		.sandbox = (enum sandbox_mode)opts->sandbox,
		.cancel_fd = -1,
	};

	if (opts->listen)
		cfg.dest.port = common_listen_port(&opts->common);
	return cfg;
}

static struct report_config report_config_of(const struct send_options *opts,
					     const struct send_operands *o,
					     enum security mode)
{
	struct report_config r = common_report(&opts->common, mode);

	r.is_sender = 1;
	/* Where another host has ordered this, its user gets the list. */
	r.is_preview = opts->list || (opts->dry_run && !o->carrier);
	r.is_remote = o->carrier != NULL;
	r.own_host = o->own_host;
	r.is_single = opts->receivers == 1;
	r.has_stdin = o->has_stdin;
	r.has_retry = opts->common.retry_s > 0;
	r.connects = !opts->listen;
	r.peer = o->host;
	return r;
}

static int run_reported(const struct send_options *opts,
			const struct send_operands *o, enum security mode,
			struct err *e)
{
	const struct report_config report_cfg = report_config_of(opts, o, mode);
	struct send_config cfg = config_of(opts, o, mode);
	struct report *report = report_new(&report_cfg);
	int rc;

	/* As with "| head": the list ends quietly when its reader has gone. */
	if (report_cfg.is_preview && opts->common.json_fd < 0)
		signal(SIGPIPE, SIG_DFL);
	if (!report)
		return err_set(e, ERR_RESOURCE, "out of memory");
	cfg.events = report_events(report);
	rc = run_session(opts, o, &cfg, report, e);
	rc = report_end(report, cfg.cancel_fd, rc, e);
	report_free(report);
	return rc;
}

/* Several receivers need what can be read and proved again. */
static int check_receivers(const struct send_options *opts,
			   const struct send_operands *o, enum security mode,
			   struct err *e)
{
	if (!opts->listen)
		return err_set(e, ERR_USAGE, "--receivers needs --listen");
	if (mode == SECURITY_CODE)
		return err_set(e, ERR_USAGE,
			       "--receivers needs another security mode, such "
			       "as --key FILE: a one-time code is valid for "
			       "one receiver");
	if (o->has_stdin || o->command)
		return err_set(e, ERR_USAGE,
			       "--receivers needs sources that can be read "
			       "again: write %s to a file first",
			       o->command ? "the output of the command" :
					    "standard input");
	return 0;
}

static int parse_rest(const struct send_options *opts, char **command,
		      int count, char **args, struct err *e)
{
	enum security mode = SECURITY_NONE;
	struct send_operands o = { .command = opts->from_command ? command : NULL };
	const int asks = !opts->listen && !opts->common.code_file;
	int rc = common_check(&opts->common, e);

	if (rc == 0)
		rc = send_options_check(opts, e);
	if (rc == 0)
		rc = send_operands_read(&o, opts, count, args, e);
	if (rc == 0 && (o.has_stdin ||
			(opts->files_from && send_operands_is_stdin(opts->files_from))) &&
	    common_reads_stdin(&opts->common))
		rc = err_set(e, ERR_USAGE,
			     "standard input cannot be both what is sent or "
			     "listed (-) and the file of %s",
			     common_reads_stdin(&opts->common));
	if (rc == 0 && o.is_ssh) {
		rc = by_ssh_check(&opts->common, opts->streams > 0, e);
		mode = SECURITY_SSH;
	} else if (rc == 0) {
		rc = by_ssh_check_unused(&opts->common, e);
		/* without a connection, a mode may be given but is not
		 * needed */
		if (rc == 0 && !opts->list)
			rc = common_mode(&opts->common, &mode, e);
	}
	if (rc == 0 && opts->receivers > 1)
		rc = check_receivers(opts, &o, mode, e);
	if (rc == 0 && mode == SECURITY_CODE && asks)
		rc = ask_check("ferry send", "PATH... HOST", e);
	return rc ? rc : run_reported(opts, &o, mode, e);
}

/* Parse an order: what ferry receive forwards, and what its connection needs.
 * Returns the index of the first operand or an error. */
static int parse_order(const struct ordered *o, struct send_options *opts,
		       struct err *e)
{
	int first, rc = ordered_check(
			   o, "--timeout --quiet --verbose --limit-rate --port "
			      "--data",
			   &fetch_options_group, e);

	send_options_init(opts);
	if (rc)
		return rc;
	first = options_parse(send_options_groups, o->argc, o->argv, opts, e);
	if (first < 0)
		return first;
	send_options_complete(opts);
	return first > 0 && first < o->argc
		       ? first
		       : err_set(e, ERR_PROTOCOL, "malformed order");
}

/* Where direct streams are forbidden here, the order may not insist on them. */
static int forbid_direct(const struct ordered *o, struct send_options *opts,
			 struct err *e)
{
	if (o->data != DIRECT_NEVER)
		return 0;
	if (opts->common.data == DIRECT_ONLY)
		return err_set(e, ERR_REMOTE,
			       "this log-in makes no direct connections (--data "
			       "ssh)");
	opts->common.data = DIRECT_NEVER;
	return 0;
}

int cmd_send_ordered(const struct ordered *o, struct err *e)
{
	struct send_operands operands = { .carrier = o->carrier,
					  .own_host = o->host,
					  .host = "the other host" };
	struct send_options opts;
	int rc = parse_order(o, &opts, e);

	if (rc > 0) {
		operands.paths = o->argv + rc;
		operands.path_count = o->argc - rc;
		rc = forbid_direct(o, &opts, e);
	}
	if (rc == 0)
		rc = run_reported(&opts, &operands, SECURITY_SSH, e);
	filter_free(opts.filter);
	return rc;
}

int cmd_send_check_order(const struct ordered *o, struct err *e)
{
	struct send_options opts;
	const int rc = parse_order(o, &opts, e);

	filter_free(opts.filter);
	return rc < 0 ? rc : 0;
}

/*
 * What follows the first -- after --stdin-from-command is a command.  Cut it
 * off before getopt moves the operands, which would hide where it begins, and
 * takes the command's options for ferry's.  *command stays NULL where there is
 * none.  Returns how many arguments are left.
 */
static int cut_command(int argc, char **argv, char ***command)
{
	int has_option = 0;

	for (int i = 1; i < argc; i++) {
		has_option |= strcmp(argv[i], "--" SEND_OPTIONS_COMMAND) == 0;
		if (!has_option || strcmp(argv[i], "--") != 0)
			continue;
		if (i + 1 < argc)
			*command = argv + i + 1;
		return i;
	}
	return argc;
}

static int send_main(int argc, char **argv, struct err *e)
{
	struct send_options opts;
	char **command = NULL;
	int first, rc;

	argc = cut_command(argc, argv, &command);
	send_options_init(&opts);
	first = options_parse(send_options_groups, argc, argv, &opts, e);
	send_options_complete(&opts);
	opts.common.role = opts.listen ? NET_LISTENS : NET_CONNECTS;
	if (first > 0)
		rc = parse_rest(&opts, command, argc - first, argv + first, e);
	else
		rc = first < 0 ? first : cmd_show_help(&cmd_send, e);
	filter_free(opts.filter);
	return rc;
}

const struct cmd cmd_send = {
	.name = "send",
	.synopsis = "[OPTION]... PATH... TARGET [-- COMMAND [ARG]...]\n"
		    "       ferry send [OPTION]... --listen PATH... "
		    "[-- COMMAND [ARG]...]",
	.summary = "send files, directories or standard input to a receiver",
	.about = "Send files, directories or standard input (PATH -), and wait "
		 "until they are committed at the other host. TARGET is "
		 "[USER@]HOST:PATH, a directory there that is reached by ssh, "
		 "which starts ferry there; or HOST[:PORT], where ferry receive "
		 "listens ([ADDR]:PORT for an IPv6 address). A directory "
		 "photos arrives as photos/...; photos/. sends only its "
		 "contents. With --listen, wait for one ferry receive "
		 "--connect, and send to that.",
	.groups = send_options_groups,
	.run = send_main,
};
