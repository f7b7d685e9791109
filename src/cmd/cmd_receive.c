/*
 * ferry receive: turns options and operands into a struct receive_config.
 */
#include "cmd/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "base/wipe.h"
#include "cmd/ask.h"
#include "cmd/by_ssh.h"
#include "cmd/common.h"
#include "cmd/fetch.h"
#include "cmd/one_time_code.h"
#include "cmd/ordered.h"
#include "cmd/reach.h"
#include "cmd/receive_options.h"
#include "cmd/receive_words.h"
#include "cmd/report.h"
#include "cmd/senders_helper.h"
#include "cmd/signals.h"
#include "fs/attr_helper.h"
#include "net/connector.h"
#include "os/ids.h"
#include "os/protection.h"
#include "os/service.h"
#include "receiver/dir_opener.h"
#include "receiver/exec_helper.h"
#include "receiver/receive.h"
#include "receiver/senders.h"
#include "remote/client.h"
#include "session/connecting.h"
#include "session/direct.h"

enum { SHOWN_MAX = 200 };

/* dir does not exist, or leads to what does not. */
static int tell_missing(const char *dir, const char *text, struct err *e)
{
	char target[SHOWN_MAX], shown[SHOWN_MAX];
	const ssize_t n = readlink(dir, target, sizeof(target));

	if (n >= 0)
		return err_set(e, ERR_LOCAL,
			       "%s is a symlink to %s, which does not exist: "
			       "create that directory, or name another to "
			       "receive into", text,
			       text_escape(shown, sizeof(shown), target,
					   (size_t)n));
	return err_set(e, ERR_LOCAL,
		       "directory %s does not exist: create it, or name "
		       "another directory to receive into", text);
}

static int is_immutable(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const int is_set = fd >= 0 && protection_is_set(fd, "");

	io_close(&fd);
	return is_set;
}

/* dir cannot be written to, for the reason in errno. */
static int tell_denied(const char *dir, const char *text, struct err *e)
{
	switch (errno) {
	case EPERM: /* also in /proc */
		if (!is_immutable(dir))
			return err_set(e, ERR_LOCAL,
				       "nothing can be created in directory "
				       "%s: name another", text);
		/* of root, or of the owner of a directory that may be written
		 * to */
		return err_set(e, ERR_LOCAL,
			       "directory %s is immutable: name another, or "
			       "take the attribute away (chattr -i)", text);
	case EROFS:
		return err_set(e, ERR_LOCAL,
			       "cannot write to directory %s: its file system "
			       "is read-only (name a directory on another one, "
			       "or mount it read-write)", text);
	default:
		return err_sys(e, ERR_LOCAL,
			       "cannot write to directory %s (name another, or "
			       "change its owner or mode)", text);
	}
}

static int check_dir(const char *dir, struct err *e)
{
	char text[SHOWN_MAX];
	struct stat st;

	text_escape(text, sizeof(text), dir, strlen(dir));
	if (stat(dir, &st) < 0 && errno == ENOENT)
		return tell_missing(dir, text, e);
	if (stat(dir, &st) < 0)
		return err_sys(e, ERR_LOCAL, "cannot receive into %s", text);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_LOCAL,
			       "%s is not a directory: name a directory to "
			       "receive into", text);
	if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) < 0)
		return tell_denied(dir, text, e);
	return 0;
}

/* Whether a file may have been meant: dir is one, or nothing in a directory,
 * which the first parent_len bytes are. */
static int may_mean_file(const char *dir, size_t parent_len)
{
	struct stat st;
	char *parent;
	int is_dir;

	if (lstat(dir, &st) == 0)
		return S_ISREG(st.st_mode);
	if (errno != ENOENT)
		return 0;
	parent = parent_len ? strndup(dir, parent_len) : strdup(".");
	is_dir = parent && stat(parent, &st) == 0 && S_ISDIR(st.st_mode);
	free(parent);
	return is_dir;
}

/* Whether a path on another host may be a file: it does not end with "/" or
 * ".". */
static int may_be_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash ? slash + 1 : path;

	return *last && strcmp(last, ".") != 0 && strcmp(last, "..") != 0;
}

/* Where dir is no directory it may be the name that a single file is to get, as
 * with scp: say how that is done. */
static void hint_at_name(const struct receive_options *opts, struct err *e)
{
	const char *slash = strrchr(opts->dir, '/');
	const size_t len = strlen(opts->dir);
	const size_t parent = slash ? (size_t)(slash + 1 - opts->dir) : 0;
	const char *host = opts->fetch.target.host;
	char name[SHOWN_MAX], in[SHOWN_MAX], path[SHOWN_MAX], from[SHOWN_MAX];

	if (parent == len || !may_mean_file(opts->dir, parent))
		return;
	if (opts->carrier)
		host = opts->own_host ? opts->own_host : "HOST";
	text_escape(from, sizeof(from), host, strlen(host));
	if (opts->carrier)
		err_append(e,
			   " (a file keeps its name; to give it another: ferry "
			   "send --name %s - %s:%s <FILE)",
			   text_escape(name, sizeof(name), opts->dir + parent,
				       len - parent), from,
			   text_escape(in, sizeof(in), opts->dir, parent));
	else if (opts->fetch.count == 1 && may_be_file(opts->fetch.paths[0]))
		err_append(e,
			   " (a file keeps its name; to give it another: ferry "
			   "receive --stdout %s:%s >%s)", from,
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

/* Named senders.  Keys are in memory from now on, so it is the last helper that
 * is started. */
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

/* What receiving takes, beside its config. */
struct setup {
	const struct receive_options *opts;
	struct receive_config *cfg;
	struct report *report;
	const char *host; /* where it connects, else NULL */
	struct client *client;
	struct senders_helper *senders;
	struct service *service;
	struct one_time_code code;
	struct proxy proxy;
	struct tls *tls;
};

/* Fetching: start ssh.  The sender may do what it is asked to. */
static int start_client(struct setup *s, struct err *e)
{
	const struct fetch *fetch = &s->opts->fetch;
	struct receive_config *cfg = s->cfg;

	if (cfg->direct != DIRECT_NEVER &&
	    connecting_start_direct(cfg->direct_port, &cfg->net, cfg->sandbox,
				    &cfg->connector, e))
		return e->code;
	s->client = fetch_client(fetch, &s->opts->common, e);
	if (!s->client)
		return e->code;
	client_set_events(s->client, cfg->events);
	cfg->carrier = client_carrier(s->client);
	cfg->asked = &fetch->asked;
	if (fetch_asks_links(fetch))
		cfg->accept |= REQUEST_LINKS;
	if (fetch_asks_preserve(fetch))
		cfg->preserve = PRESERVE_KNOWN;
	if (fetch_has(fetch, "delete"))
		cfg->accept |= REQUEST_DELETE;
	if (fetch_has(fetch, "mirror"))
		cfg->accept |= REQUEST_DELETE | REQUEST_EXISTING;
	return 0;
}

/* The process that connects to the sender. */
static int start_connector(struct setup *s, struct err *e)
{
	struct receive_config *cfg = s->cfg;
	int rc = common_proxy(&s->opts->common, &s->opts->sender, &s->proxy, e);

	if (s->proxy.kind)
		cfg->net.proxy = &s->proxy;
	return rc ? rc : connecting_start(cfg->connect_to, &cfg->net,
					  cfg->sandbox, &cfg->connector, e);
}

/* Start the processes that work for this one.  It forks: to be called before
 * there are secrets, sockets, threads and a sandbox. */
static int start_processes(struct setup *s, struct err *e)
{
	const struct receive_options *opts = s->opts;
	struct receive_config *cfg = s->cfg;
	int rc = opts->fetch.count > 0 ? start_client(s, e) : 0;

	/* What named senders may ask for is not known yet. */
	if (opts->config)
		cfg->preserve = PRESERVE_KNOWN;
	if (rc == 0)
		rc = receive_start_helpers(cfg, e);
	if (rc == 0 && !cfg->connect_to && !cfg->carrier)
		rc = start_service(cfg, &s->service, e);
	if (rc == 0 && opts->config)
		rc = start_senders(opts, cfg, s->report, &s->senders, e);
	if (rc == 0 && opts->exec) {
		cfg->exec = exec_helper_start(opts->exec, opts->dir, -1, e);
		rc = cfg->exec ? 0 : err_prefix(e, "--exec");
		cfg->exec_fd = cfg->exec ? exec_helper_fd(cfg->exec) : 0;
	}
	/* root needs no permissions */
	if (rc == 0 && opts->dir && geteuid() != 0) {
		cfg->opener = dir_opener_start(opts->dir, cfg->sandbox, e);
		rc = cfg->opener ? 0 : e->code;
	}
	if (rc == 0 && s->host)
		rc = start_connector(s, e);
	return rc;
}

/* Load the keys or certificates; in code mode, find out whether the sender can
 * be reached before its code is asked for. */
static int prepare_security(struct setup *s, struct err *e)
{
	const struct common_options *common = &s->opts->common;
	struct receive_config *cfg = s->cfg;
	int rc = 0;

	if (!cfg->carrier && !cfg->senders)
		rc = common_tls(common, cfg->security, s->host, cfg->events,
				&s->tls, e);
	cfg->tls = s->tls;
	if (rc == 0 && cfg->security == SECURITY_CODE && !common->code_file &&
	    s->host && !common->retry_s)
		rc = reach_host(cfg->connect_to, &cfg->net, s->report, e);
	return rc;
}

static int start_signals(struct setup *s, struct err *e)
{
	s->cfg->cancel_fd = s->code.ask.cancel_fd = signals_start(e);
	if (s->cfg->cancel_fd < 0)
		return s->cfg->cancel_fd;
	return s->senders ? signals_reload(senders_helper_fd(s->senders), e)
			  : 0;
}

static int run_prepared(struct setup *s, struct err *e)
{
	int rc = receive_run(s->cfg, e);

	s->cfg->senders = NULL; /* taken over */
	if (rc < 0 && s->client)
		by_ssh_hint_at_port(&s->opts->common, e);
	if (rc == ERR_REMOTE)
		fetch_hint_at_pattern(&s->opts->fetch, e);
	/* A receiver without --once ends only by a signal, so the exit status
	 * must name the signal, not success. */
	if (rc == 0 && !s->cfg->once && signals_caught())
		rc = err_set(e, ERR_INTERRUPTED, "ended by a signal (%s)",
			     strsignal(signals_caught()));
	return rc;
}

static void release_setup(struct setup *s)
{
	struct receive_config *cfg = s->cfg;

	client_free(s->client);
	one_time_code_release(&s->code);
	senders_release(cfg->senders);
	senders_helper_stop(s->senders);
	service_free(s->service);
	exec_helper_free(cfg->exec);
	dir_opener_free(cfg->opener);
	attr_helper_stop(cfg->attrs);
	ids_stop(cfg->ids);
	tls_free(s->tls);
	connector_stop(cfg->connector);
	wipe(&s->proxy, sizeof(s->proxy));
}

static int run_sessions(const struct receive_options *opts,
			struct receive_config *cfg, struct report *report,
			struct err *e)
{
	struct setup s = {
		.opts = opts,
		.cfg = cfg,
		.report = report,
		.host = opts->connect ? opts->sender.host : NULL,
		.code = {
			.file = opts->common.code_file,
			.role = opts->common.role,
			.ask = { "ferry send", opts->connect, -1 },
			.report = report,
			.tty = -1,
		},
		.proxy = { .kind = PROXY_NONE },
	};
	int rc = 0;

	/* One that comes while this process starts is not to end it. */
	if (opts->config)
		signals_hold_reload();
	if (opts->to_stdout)
		rc = check_stdout(e);
	else if (!opts->config)
		rc = check_dir(opts->dir, e);
	if (rc < 0 && opts->dir)
		hint_at_name(opts, e);
	if (rc == 0)
		rc = start_processes(&s, e);
	if (rc == 0)
		rc = prepare_security(&s, e);
	if (rc == 0)
		rc = start_signals(&s, e);
	if (rc == 0 && cfg->security == SECURITY_CODE)
		rc = one_time_code_prepare(&s.code, &cfg->code, e);
	if (rc == 0)
		rc = run_prepared(&s, e);
	release_setup(&s);
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

static struct receive_config config_of(const struct receive_options *opts,
				       enum security mode)
{
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

	if (opts->connect)
		cfg.net.expected = "ferry send --listen";
	return cfg;
}

static struct report_config report_config_of(const struct receive_options *opts,
					     const struct receive_config *cfg)
{
	struct report_config r = common_report(&opts->common, cfg->security);

	r.is_preview = cfg->dry_run;
	r.is_single = cfg->once;
	r.is_remote = opts->carrier != NULL;
	r.own_host = opts->own_host;
	r.dir = opts->dir;
	r.config = opts->config;
	r.connects = opts->connect != NULL;
	r.peer = opts->connect;
	return r;
}

static int run_reported(const struct receive_options *opts, enum security mode,
			struct err *e)
{
	struct receive_config cfg = config_of(opts, mode);
	struct report_config report_cfg;
	struct report *report;
	int rc;

	/* As with "| head": the list ends quietly when its reader has gone. */
	if (cfg.dry_run && opts->common.json_fd < 0)
		signal(SIGPIPE, SIG_DFL);
	rc = take_socket(&cfg, e);
	if (rc < 0)
		return rc;
	report_cfg = report_config_of(opts, &cfg);
	report = report_new(&report_cfg);
	if (!report)
		return err_set(e, ERR_RESOURCE, "out of memory");
	cfg.events = report_events(report);
	rc = run_sessions(opts, &cfg, report, e);
	rc = report_end(report, cfg.cancel_fd, rc, e);
	report_free(report);
	return rc;
}

int cmd_receive_ordered(const struct ordered *o, struct err *e)
{
	struct receive_options opts;
	int first, rc = ordered_check(o, "--timeout --quiet --verbose --port",
				      NULL, e);

	if (rc)
		return rc;
	receive_options_init(&opts);
	first = options_parse(receive_options_groups, o->argc, o->argv, &opts, e);
	if (first <= 0)
		return first;
	if (o->argc - first != 1)
		return err_set(e, ERR_PROTOCOL, "malformed order");
	opts.dir = o->argv[first];
	opts.once = 1;
	opts.carrier = o->carrier;
	opts.own_host = o->host;
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
	char shown[SHOWN_MAX], senders[TEXT_COUNT_MAX];
	struct err warnings[SENDERS_WARNINGS];
	size_t count;
	int rc;

	if (!opts->config)
		return err_set(e, ERR_USAGE, "--check-config needs --config "
					     "FILE");
	rc = senders_helper_check(opts->config, &count, warnings, e);
	if (rc)
		return rc;
	for (int i = 0; i < SENDERS_WARNINGS; i++) {
		if (warnings[i].code && !opts->common.quiet)
			fprintf(stderr, "ferry: warning: %s\n",
				warnings[i].text);
	}
	text_escape(shown, sizeof(shown), opts->config, strlen(opts->config));
	if (!opts->common.quiet)
		fprintf(stderr, "ferry: %s: no errors, %s\n", shown,
			text_count(senders, count, "sender"));
	return 0;
}

static int receive_main(int argc, char **argv, struct err *e)
{
	struct receive_options opts;
	const struct common_options *common = &opts.common;
	enum security mode;
	int first, rc;

	receive_options_init(&opts);
	first = options_parse(receive_options_groups, argc, argv, &opts, e);
	if (first < 0)
		return first;
	if (first == 0)
		return cmd_show_help(&cmd_receive, e);
	rc = receive_options_operands(&opts, argc - first, argv + first, e);
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
	.groups = receive_options_groups,
	.run = receive_main,
};
