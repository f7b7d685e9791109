/*
 * Options of both send and receive.
 */
#include "cmd/common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/key.h"
#include "base/io.h"
#include "base/num.h"
#include "base/text.h"
#include "base/wipe.h"
#include "remote/deploy.h"
#include "sender/send.h" /* enum sandbox_mode */
#include "session/direct.h"
#include "session/events.h"

enum { TIMEOUT_S = 60, FD_MAX = 65535, SHOWN_MAX = 200, WARNING_MAX = 500 };

#define OFF(field) offsetof(struct common_options, field)
#define ROWS(rows) rows, sizeof(rows) / sizeof(rows[0])

static int set_allow(void *field, const char *value)
{
	struct cidr_list *list = field;

	if (list->count == CIDR_LIST_MAX ||
	    cidr_parse(&list->nets[list->count], value))
		return ERR_RANGE;
	list->count++;
	return 0;
}

static const struct option_row connection_rows[] = {
	{ .letter = 'p', .name = "port", .arg = "N", .kind = OPTION_NUMBER,
	  .min = 0, .max = UINT16_MAX, .off = OFF(port),
	  .help = "port to connect to or to listen on (default 9473; 0: listen "
		  "on any free port); by ssh: of direct connections (default 0: "
		  "any free one there)" },
	{ .name = "allow", .arg = "CIDR", .kind = OPTION_SET,
	  .set = set_allow, .off = OFF(allow),
	  .wants = "a network such as 192.0.2.0/24 or 2001:db8::/32, whose "
		   "bits after the prefix are 0, or an address (at most 64)",
	  .help = "listening: network that may connect; repeatable (default: "
		  "any address)" },
	{ .name = "wait", .arg = "S", .kind = OPTION_NUMBER, .min = 1,
	  .max = 30 * 86400, .off = OFF(wait_s),
	  .help = "listening: end if nobody has connected for S seconds "
		  "(default: wait for ever)" },
	{ .name = "retry", .arg = "S", .kind = OPTION_NUMBER, .min = 0,
	  .max = 30 * 86400, .off = OFF(retry_s),
	  .help = "connecting: keep trying, and reconnect when the connection "
		  "is lost, for S seconds (default 0: do not retry)" },
	{ .name = "proxy", .arg = "URL", .kind = OPTION_TEXT,
	  .off = OFF(proxy),
	  .help = "connecting: through socks5://[USER@]HOST[:PORT] or "
		  "http://[USER@]HOST[:PORT] (default: ALL_PROXY, unless "
		  "NO_PROXY has the host), or none" },
	{ .name = "proxy-password-file", .arg = "FILE", .kind = OPTION_TEXT,
	  .off = OFF(proxy_password_file),
	  .help = "the password of USER for the proxy, in the first line" },
	{ .letter = 'b', .name = "bind", .arg = "ADDR", .kind = OPTION_TEXT,
	  .off = OFF(bind), .help = "local address to use" },
	{ .letter = '4', .kind = OPTION_FLAG, .value = 1, .off = OFF(family),
	  .help = "use IPv4 only" },
	{ .letter = '6', .kind = OPTION_FLAG, .value = 2, .off = OFF(family),
	  .help = "use IPv6 only" },
	{ .name = "congestion", .arg = "NAME", .kind = OPTION_TEXT,
	  .off = OFF(congestion),
	  .help = "TCP congestion control, such as bbr (default: the "
		  "system's)" },
	{ .name = "limit-rate", .arg = "RATE", .kind = OPTION_SIZE, .min = 1,
	  .max = (uint64_t)1 << 53, .off = OFF(limit_rate),
	  .wants = "bytes per second, such as 500K, 10M or 1G",
	  .help = "at most RATE bytes per second; K, M, G, T are powers of "
		  "1024" },
	{ .name = "timeout", .arg = "S", .kind = OPTION_NUMBER, .min = 1,
	  .max = 86400, .off = OFF(timeout_s),
	  .help = "give up after S seconds without progress (default 60)" },
};
const struct option_group common_connection = {
	"Connection", ROWS(connection_rows), NULL
};

const struct option_word common_sandbox_words[] = {
	{ "auto", SANDBOX_AUTO, "as far as the kernel supports it" },
	{ "require", SANDBOX_REQUIRE, "fail if the kernel lacks some of it" },
	{ "off", SANDBOX_OFF, "no sandbox" },
	{ NULL, 0, NULL },
};

static int add_pin(void *field, const char *value)
{
	struct pin_list *list = field;

	if (!*value || list->count == COMMON_PINS_MAX)
		return ERR_RANGE;
	list->pins[list->count++] = value;
	return 0;
}

static const struct option_row security_rows[] = {
	{ .name = "code", .kind = OPTION_FLAG, .value = 1, .off = OFF(code),
	  .wants = "the side that connects asks for it, or reads it with "
		   "--code-file FILE",
	  .help = "TLS with a one-time code that the side that listens shows "
		  "and the other one asks for (default)" },
	{ .name = "code-file", .arg = "FILE", .kind = OPTION_TEXT,
	  .off = OFF(code_file),
	  .help = "the same, with the code from FILE, which is marked once "
		  "it was used" },
	{ .name = "key", .arg = "FILE", .kind = OPTION_TEXT, .off = OFF(key),
	  .help = "TLS with a shared key, made by ferry keygen" },
	{ .name = "cert", .arg = "FILE", .kind = OPTION_TEXT,
	  .off = OFF(cert),
	  .help = "TLS with this certificate (PEM); needs --cert-key, and "
		  "--ca or --pin" },
	{ .name = "cert-key", .arg = "FILE", .kind = OPTION_TEXT,
	  .off = OFF(cert_key),
	  .help = "the certificate's private key (PEM)" },
	{ .name = "ca", .arg = "FILE", .kind = OPTION_TEXT, .off = OFF(ca),
	  .help = "the other side's certificate must be issued by this CA "
		  "(PEM)" },
	{ .name = "peer-name", .arg = "NAME", .kind = OPTION_TEXT,
	  .off = OFF(peer_name),
	  .help = "with --ca: the name that the other side's certificate must "
		  "have (default: connecting, HOST; listening, any)" },
	{ .name = "pin", .arg = "sha256:HEX", .kind = OPTION_SET,
	  .set = add_pin, .off = OFF(pins),
	  .wants = "'sha256:' and 64 hex digits, at most 64 times",
	  .help = "the other side's public key must have this digest; "
		  "repeatable: one of these" },
	{ .name = "plain", .kind = OPTION_FLAG, .value = 1, .off = OFF(plain),
	  .help = "no encryption, no authentication" },
};
const struct option_group common_security = {
	"Security (name one mode, the same on both hosts)",
	ROWS(security_rows), NULL
};

static const struct option_word data_words[] = {
	{ "auto", DIRECT_AUTO, "directly where that works" },
	{ "direct", DIRECT_ONLY, "by connections of ferry's own" },
	{ "ssh", DIRECT_NEVER, "through ssh" },
	{ NULL, 0, NULL },
};

static const struct option_word deploy_words[] = {
	{ "keep", DEPLOY_KEEP, "leave it there" },
	{ "remove", DEPLOY_REMOVE, "delete it after the transfer" },
	{ NULL, 0, NULL },
};

static int set_deploy(void *field, const char *value)
{
	const struct option_word *w = deploy_words;

	while (value && w->word && strcmp(w->word, value) != 0)
		w++;
	*(int *)field = w->value;
	return w->word ? 0 : ERR_RANGE;
}

static const struct option_row ssh_rows[] = {
	{ .name = "ssh", .arg = "CMD", .kind = OPTION_TEXT, .off = OFF(ssh),
	  .help = "the ssh program and its options, such as 'ssh -p 2222' "
		  "(default: that of the variable FERRY_SSH, or ssh)" },
	{ .name = "remote-ferry", .arg = "PATH", .kind = OPTION_TEXT,
	  .off = OFF(remote_ferry),
	  .help = "where ferry is on the other host (default: in PATH and the "
		  "usual places)" },
	{ .name = "deploy", .arg = "[=WHAT]", .kind = OPTION_SET,
	  .set = set_deploy, .off = OFF(deploy), .words = deploy_words,
	  .wants = "keep or remove",
	  .help = "copy this ferry to ~/.cache/ferry on the other host, unless "
		  "it is there, and use it: keep it there (default), or remove "
		  "it after the transfer" },
	{ .name = "data", .arg = "WAY", .kind = OPTION_WORD, .off = OFF(data),
	  .words = data_words,
	  .help = "the way that content takes: auto (default: direct "
		  "connections to the other host, at port -p N if that is "
		  "given, where these are possible within 2 s; through ssh "
		  "until then and otherwise), direct or ssh" },
};
const struct option_group common_ssh = {
	"By ssh (with HOST:PATH)", ROWS(ssh_rows), NULL
};

static int count_verbose(void *field, const char *value)
{
	int *count = field;

	(void)value;
	if (*count < COMMON_VERBOSE_MAX)
		++*count;
	return 0;
}

static int set_json(void *field, const char *value)
{
	int *fd = field;
	uint64_t n = STDOUT_FILENO;

	if (value && num_parse(value, 1, FD_MAX, &n))
		return ERR_RANGE;
	*fd = (int)n;
	return 0;
}

static int guess_fd(char *dst, size_t size, const char *value)
{
	uint64_t n;

	value += *value == '=';
	snprintf(dst, size, "%s", value);
	return num_parse(value, 1, FD_MAX, &n) == 0;
}

/* rsync's --progress has no value. */
static int guess_progress(char *dst, size_t size, const char *value)
{
	(void)value;
	snprintf(dst, size, "always");
	return 1;
}

static const struct option_word progress_words[] = {
	{ "auto", PROGRESS_AUTO, "on a terminal" },
	{ "always", PROGRESS_ALWAYS, "also to a pipe or file" },
	{ "never", PROGRESS_NEVER, "no progress" },
	{ NULL, 0, NULL },
};

static const struct option_row output_rows[] = {
	{ .name = "json", .arg = "[=FD]", .kind = OPTION_SET, .set = set_json,
	  .guess = guess_fd, .off = OFF(json_fd),
	  .wants = "the number of an open descriptor, 1 or more",
	  .help = "write events as JSON Lines to standard output or to "
		  "descriptor FD" },
	{ .letter = 'q', .name = "quiet", .kind = OPTION_FLAG, .value = 1,
	  .off = OFF(quiet), .help = "print errors only" },
	{ .letter = 'v', .name = "verbose", .kind = OPTION_SET,
	  .set = count_verbose, .off = OFF(verbose),
	  .help = "print more, such as each file that was sent or replaced; "
		  "-vv: also those that are unchanged" },
	{ .name = "progress", .arg = "WHEN", .kind = OPTION_WORD,
	  .off = OFF(progress), .words = progress_words,
	  .guess = guess_progress,
	  .help = "auto (default: only on a terminal), always or never" },
	{ .letter = 'h', .name = "help", .kind = OPTION_HELP,
	  .help = "show this help" },
};
const struct option_group common_output = { "Output", ROWS(output_rows),
						 NULL };

void common_init(struct common_options *o)
{
	memset(o, 0, sizeof(*o));
	o->port = COMMON_NO_PORT;
	o->timeout_s = TIMEOUT_S;
	o->json_fd = -1;
	o->progress = PROGRESS_AUTO;
}

static int check_json_fd(int fd, struct err *e)
{
	const int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return err_sys(e, ERR_USAGE, "--json=%d", fd);
	/* up to standard error a read-only descriptor is main()'s replacement
	 * for a closed one, not the user's mistake */
	if (fd > STDERR_FILENO && (flags & O_ACCMODE) == O_RDONLY)
		return err_set(e, ERR_USAGE,
			       "--json=%d: the descriptor is open for reading "
			       "only", fd);
	return 0;
}

/* The first option that was given and is for the other role than ours. */
static const char *of_other_role(const struct common_options *o)
{
	if (o->role == NET_LISTENS)
		return o->retry_s ? "--retry" :
		       o->proxy ? "--proxy" :
		       o->proxy_password_file ? "--proxy-password-file" : NULL;
	return o->allow.count ? "--allow" : o->wait_s ? "--wait" : NULL;
}

int common_check(const struct common_options *o, struct err *e)
{
	const char *other = of_other_role(o);

	if (other)
		return err_set(e, ERR_USAGE,
			       o->role == NET_LISTENS ?
				       "%s is for the side that connects, and "
				       "this one listens" :
				       "%s is for the side that listens, and "
				       "this one connects", other);
	if (o->family == 3)
		return err_set(e, ERR_USAGE, "-4 and -6 exclude each other");
	if (o->quiet && o->verbose)
		return err_set(e, ERR_USAGE, "-q and -v exclude each other");
	return o->json_fd < 0 ? 0 : check_json_fd(o->json_fd, e);
}

/* At least one certificate option was given: check that none is missing. */
static int check_certificate(const struct common_options *o, struct err *e)
{
	const char *given = o->pins.count ? "--pin" : o->ca ? "--ca" : NULL;

	if (o->ca && o->pins.count)
		return err_set(e, ERR_USAGE,
			       "--ca and --pin exclude each other");
	if (o->peer_name && o->pins.count)
		return err_set(e, ERR_USAGE,
			       "--peer-name and --pin exclude each other: with "
			       "a pin the names in a certificate do not count");
	if (o->peer_name && !o->ca)
		return err_set(e, ERR_USAGE, "--peer-name needs --ca");
	if (given && !(o->cert && o->cert_key))
		return err_set(e, ERR_USAGE,
			       "%s needs --cert and --cert-key: both sides "
			       "present a certificate", given);
	if (!o->cert)
		return err_set(e, ERR_USAGE, "--cert-key needs --cert");
	if (!o->cert_key)
		return err_set(e, ERR_USAGE, "--cert needs --cert-key");
	if (!given)
		return err_set(e, ERR_USAGE,
			       "--cert needs --ca FILE (the CA of the other "
			       "side's certificate) or --pin sha256:HEX (its "
			       "public key)");
	return 0;
}

int common_mode(const struct common_options *o, enum security *mode,
		struct err *e)
{
	const char *cert = o->cert ? "--cert" : o->cert_key ? "--cert-key" :
			   o->ca ? "--ca" : o->pins.count ? "--pin" :
			   o->peer_name ? "--peer-name" : NULL;
	const char *code = o->code_file ? "--code-file" :
			   o->code ? "--code" : NULL;
	const char *named[] = { o->key ? "--key" : NULL, cert, code,
				o->plain ? "--plain" : NULL };
	const char *first = NULL;

	*mode = SECURITY_NONE;
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		if (first && named[i])
			return err_set(e, ERR_USAGE,
				       "%s and %s exclude each other: name "
				       "one security mode", first, named[i]);
		if (named[i])
			first = named[i];
	}
	if (cert) {
		*mode = o->pins.count ? SECURITY_PIN : SECURITY_X509;
		return check_certificate(o, e);
	}
	*mode = o->plain ? SECURITY_PLAIN :
		o->key ? SECURITY_PSK : SECURITY_CODE;
	return 0;
}

int common_tls(const struct common_options *o, enum security mode,
	       const char *host, const struct session_events *events,
	       struct tls **tls, struct err *e)
{
	const struct tls_config cfg = {
		.mode = mode,
		.role = o->role,
		.key_file = o->key,
		.cert_file = o->cert,
		.cert_key_file = o->cert_key,
		.ca_file = o->ca,
		.pins = o->pins.pins,
		.pin_count = o->pins.count,
		.host = o->peer_name ? o->peer_name : host,
	};
	char text[WARNING_MAX];

	*tls = NULL;
	if (mode == SECURITY_PLAIN)
		return 0;
	*tls = tls_new(&cfg, e);
	if (!*tls)
		return e->code;
	if (o->role == NET_LISTENS &&
	    tls_has_bad_dates(*tls, &cfg, text, sizeof(text)))
		events_message(events, SESSION_WARNING, "%s", text);
	return 0;
}

int common_target(const struct common_options *o, const char *what,
		  const char *text, struct host_port *target, struct err *e)
{
	const int has_port = o->port != COMMON_NO_PORT;
	const uint16_t port = has_port ? (uint16_t)o->port : FERRY_PORT;
	char shown[SHOWN_MAX];

	text_escape(shown, sizeof(shown), text, strlen(text));
	if (addr_parse(target, text, port, e) < 0)
		return err_prefix(e, "%s '%s'", what, shown);
	if (target->has_port && has_port && port != target->port)
		return err_set(e, ERR_USAGE, "two different ports: -p %u and "
					     "'%s'", (unsigned)port, shown);
	return 0;
}

/* The variable by one of its two names, as for curl; NULL where it is not set
 * or empty.  *name becomes the one it has. */
static const char *environment(const char *lower, const char *upper,
			       const char **name)
{
	const char *value = getenv(lower);

	*name = lower;
	if (!value || !*value) {
		value = getenv(upper);
		*name = upper;
	}
	return value && *value ? value : NULL;
}

/* The first line of a file. */
static int load_password(char *dst, const char *path, struct err *e)
{
	char text[PROXY_SECRET_MAX + 2];
	ssize_t n;
	int fd = key_open_secret(path, e);

	if (fd < 0)
		return fd;
	n = io_read(fd, text, sizeof(text) - 1);
	if (n < 0)
		err_sys(e, ERR_LOCAL, "%s", path);
	io_close(&fd);
	if (n < 0)
		return e->code;
	text[n] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	if (strlen(text) >= PROXY_SECRET_MAX)
		err_set(e, ERR_USAGE, "%s: a password for a proxy has at most "
				      "255 bytes", path);
	else
		memcpy(dst, text, strlen(text) + 1);
	wipe(text, sizeof(text));
	return e->code;
}

int common_proxy(const struct common_options *o,
		 const struct host_port *target, struct proxy *p,
		 struct err *e)
{
	const char *name = "--proxy", *ignored, *text = o->proxy, *exempt;

	memset(p, 0, sizeof(*p));
	exempt = environment("no_proxy", "NO_PROXY", &ignored);
	if (!text && !(exempt && proxy_is_exempt(exempt, target->host)))
		text = environment("all_proxy", "ALL_PROXY", &name);
	if (text && proxy_parse(p, text, e))
		return err_prefix(e, "%s%s", name,
				  o->proxy ? "" : " (in the environment; "
						  "--proxy none ignores it)");
	p->to = *target;
	if (!o->proxy_password_file)
		return 0;
	if (!p->user[0])
		return err_set(e, ERR_USAGE,
			       "--proxy-password-file needs a proxy with a "
			       "user: --proxy socks5://USER@HOST");
	return load_password(p->password, o->proxy_password_file, e);
}

uint16_t common_listen_port(const struct common_options *o)
{
	return o->port == COMMON_NO_PORT ? FERRY_PORT : (uint16_t)o->port;
}

uint16_t common_direct_port(const struct common_options *o)
{
	return o->port == COMMON_NO_PORT ? 0 : (uint16_t)o->port;
}

struct net_options common_direct_net(const struct common_options *o)
{
	struct net_options net = common_net(o);

	net.connect_ms = DIRECT_CONNECT_MS;
	net.expected = "";
	return net;
}

static int family_of(const struct common_options *o)
{
	return o->family == 1 ? AF_INET : o->family == 2 ? AF_INET6 : AF_UNSPEC;
}

struct net_options common_net(const struct common_options *o)
{
	const struct net_options net = {
		.family = family_of(o),
		.bind = o->bind,
		.timeout_ms = common_timeout_ms(o),
		.congestion = o->congestion,
	};

	return net;
}

struct report_config common_report(const struct common_options *o,
				   enum security mode)
{
	const struct report_config cfg = {
		.json_fd = o->json_fd,
		.quiet = o->quiet,
		.verbose = o->verbose,
		.progress = o->progress,
		.security = mode,
		.family = family_of(o),
	};

	return cfg;
}

int common_timeout_ms(const struct common_options *o)
{
	return (int)(o->timeout_s * 1000);
}

const char *common_reads_stdin(const struct common_options *o)
{
	const struct {
		const char *path, *option;
	} files[] = {
		{ o->key, "--key" },	       { o->cert, "--cert" },
		{ o->cert_key, "--cert-key" }, { o->ca, "--ca" },
		{ o->code_file, "--code-file" },
		{ o->proxy_password_file, "--proxy-password-file" },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (key_is_stdin(files[i].path))
			return files[i].option;
	}
	return NULL;
}
