/*
 * Hints on operands.  A file that exists is never taken for anything else.
 */
#include "cmd/operand_hints.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/code.h"
#include "base/num.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "net/addr.h"
#include "os/fd_path.h"
#include "remote/target.h"

enum { SHOWN_MAX = 200, LINE_MAX_BYTES = 300 };

static int exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static int is_port(const char *text)
{
	uint64_t n;

	return num_parse(text, 1, UINT16_MAX, &n) == 0;
}

static int is_host(const char *text)
{
	struct host_port hp;
	struct err e;

	return !strchr(text, '@') && addr_parse(&hp, text, 1, &e) == 0;
}

static const char *escape(char *dst, const char *text)
{
	return text_escape(dst, SHOWN_MAX, text, strlen(text));
}

/* ---- [SCHEME://][USER@]HOST[:PATH] ---- */

struct place {
	char host[ADDR_HOST_MAX + 8]; /* or HOST:PORT */
	const char *path;             /* "" where there is none */
};

/* Take apart what scp, rsync and URLs write for a place on another host.
 * Returns 0 where text is not that. */
static int parse_place(const char *text, struct place *p)
{
	const char *scheme = strstr(text, "://");
	const char *at, *host = scheme ? scheme + 3 : text;
	size_t len, digits;

	at = strchr(host, '@');
	if (at && at < host + strcspn(host, "/"))
		host = at + 1;
	if (*host == '[')
		len = strcspn(host, "]") + 1;
	else
		len = strcspn(host, ":/");
	if (len == 0 || len > ADDR_HOST_MAX || len > strlen(host) ||
	    (host[len] == '/' && !scheme))
		return 0;
	p->path = host + len;
	p->path += strspn(p->path, ":");
	digits = strspn(p->path, "0123456789");
	if (host[len] == ':' && digits > 0 && digits < 6 &&
	    strchr("/", p->path[digits])) {
		len += 1 + digits;
		p->path += digits;
	}
	snprintf(p->host, sizeof(p->host), "%.*s", (int)len, host);
	return is_host(p->host);
}

/* Whether it can only be meant as a place on another host. */
static int is_remote(const char *text, struct place *p)
{
	return !exists(text) && !is_host(text) && strpbrk(text, ":@") &&
	       parse_place(text, p);
}

/* ---- ferry send ---- */

/* Fail: what is wrong, and the command with these paths and this host. */
static int write_instead(char *const *paths, int count, const char *host,
			 const char *what, struct err *e)
{
	char line[LINE_MAX_BYTES], shown[SHOWN_MAX];

	cmd_show_words(line, sizeof(line), paths, count);
	return err_set(e, ERR_USAGE, "%s; write: ferry send %s %s", what, line,
		       escape(shown, host));
}

static int hint_at_port(char *const *args, int count, struct err *e)
{
	const char *port = args[count - 1], *host = args[count - 2];
	const int has_host = count > 2 && !exists(host) && is_host(host);
	char what[SHOWN_MAX], target[ADDR_HOST_MAX + 16];

	snprintf(what, sizeof(what), "HOST '%s' is a port, which is written "
		 "after the host and a colon", port);
	snprintf(target, sizeof(target), strchr(host, ':') ? "[%s]:%s" :
							     "%s:%s",
		 has_host ? host : "HOST", port);
	return write_instead(args, count - 1 - has_host, target, what, e);
}

/* USER@HOST, USER@HOST:PORT, a URL or a module of an rsync daemon. */
static int hint_at_place(char *const *args, int count, const struct place *p,
			 struct err *e)
{
	char what[2 * SHOWN_MAX + 200], given[SHOWN_MAX], target[2 * SHOWN_MAX];
	const char *last = args[count - 1], *at = strchr(last, '@');
	const char *colon = at ? strchr(at, ':') : NULL;

	escape(given, last);
	snprintf(target, sizeof(target), "%s", p->host);
	if (strstr(last, "://")) {
		snprintf(what, sizeof(what), "HOST '%s' is a URL", given);
		if (p->path[strspn(p->path, "/")])
			snprintf(target, sizeof(target), "%s:%s", p->host,
				 p->path);
	} else if (at && !colon) {
		snprintf(what, sizeof(what), "'%s' has a user, which is for "
			 "ssh: a place there is USER@HOST:PATH, with no PATH "
			 "for the home directory", given);
		snprintf(target, sizeof(target), "%s:", last);
	} else if (at) {
		snprintf(what, sizeof(what), "'%s' has a user, which is for "
			 "ssh, and a port: a directory of digits is ./%s, and "
			 "the port of ssh is given by --ssh 'ssh -p %s'", given,
			 colon + 1, colon + 1);
		snprintf(target, sizeof(target), "%.*s./%s",
			 (int)(colon + 1 - last), last, colon + 1);
	} else {
		snprintf(what, sizeof(what), "HOST '%s' is for an rsync daemon; "
			 "by ssh, name a directory", given);
		snprintf(target, sizeof(target), "%s:/DIR", p->host);
	}
	return write_instead(args, count - 1, target, what, e);
}

/* HOST::MODULE, not HOST:PATH with an IPv6 address as HOST. */
static int is_module(const char *text)
{
	const char *end = strchr(text, ']');

	return strstr(end ? end : text, "::") != NULL;
}

/* A path is on another host, too. */
static int hint_between_hosts(char *const *args, int count, struct err *e)
{
	char from[SHOWN_MAX], path[SHOWN_MAX], to[SHOWN_MAX];
	const char *first = NULL;
	struct target t;
	int i = 0;

	while (i < count - 1 && (exists(args[i]) || !target_is_ssh(args[i])))
		i++;
	if (i < count - 1)
		first = args[i];
	if (!first || target_parse(&t, first, e))
		return 0;
	if (i > 0)
		return err_set(e, ERR_USAGE, "there is no file '%s' here, and "
			       "only the last operand is a place on another "
			       "host; to send to several, run a command for each",
			       escape(from, first));
	return err_set(e, ERR_USAGE, "one side has to be this host; write: ferry "
		       "receive %s DIR, then ferry send DIR/... %s; or, without "
		       "this host: ssh %s ferry send %s %s",
		       escape(from, first), escape(to, args[count - 1]), t.host,
		       escape(path, t.path), to);
}

/* HOST:PATH... DIR, as scp and rsync fetch.  DIR may be one that is yet to be
 * made. */
static int hint_at_fetch(char *const *args, int count, struct err *e)
{
	char line[LINE_MAX_BYTES];
	struct stat st;

	if (count < 2 ||
	    (stat(args[count - 1], &st) == 0 && !S_ISDIR(st.st_mode)))
		return 0;
	for (int i = 0; i < count - 1; i++) {
		if (exists(args[i]) || !target_is_ssh(args[i]) ||
		    strstr(args[i], "://"))
			return 0;
	}
	cmd_show_words(line, sizeof(line), args, count);
	return err_set(e, ERR_USAGE, "ferry send sends from here; to fetch, "
		       "write: ferry receive %s", line);
}

/* HOST PATH..., or HOST PORT PATH... */
static int hint_at_order(char *const *args, int count, struct err *e)
{
	const char *host = args[0];
	const int has_port = count > 2 && is_port(args[1]) && !exists(args[1]);
	char target[ADDR_HOST_MAX + 24];
	struct place p;

	if (exists(host) || strcmp(host, "-") == 0 ||
	    (!is_host(host) && !is_remote(host, &p)))
		return 0;
	if (target_is_ssh(host))
		return write_instead(args + 1, count - 1, host,
				     "the HOST comes last", e);
	snprintf(target, sizeof(target), "%s%s%s",
		 is_host(host) ? host : p.host, has_port ? ":" : "",
		 has_port ? args[1] : "");
	return write_instead(args + 1 + has_port, count - 1 - has_port, target,
			     "the HOST comes last", e);
}

/* A one-time code, as croc takes it.  It is not repeated: it is a secret. */
static int hint_at_code(char *const *args, int count, const char *what_to_do,
			struct err *e)
{
	char code[CODE_MAX];
	struct err ignored;

	for (int i = 0; i < count; i++) {
		const int is_code = !exists(args[i]) &&
				    code_parse(code, args[i], strlen(args[i]),
					       &ignored) == 0;

		code_wipe(code);
		if (is_code)
			return err_set(e, ERR_USAGE, "a one-time code is no "
				       "operand, as all users of this host can "
				       "see those: %s", what_to_do);
	}
	return 0;
}

int operand_hints_send(char *const *args, int count, struct err *e)
{
	const char *last = args[count - 1];
	struct place p;

	if (hint_at_code(args, count, "ferry send PATH... HOST asks for it", e))
		return e->code;
	if (is_port(last) && !exists(last))
		return hint_at_port(args, count, e);
	if (target_is_ssh(last) && !strstr(last, "://") &&
	    !is_module(last))
		return hint_between_hosts(args, count, e);
	if (is_remote(last, &p))
		return hint_at_place(args, count, &p, e);
	if (hint_at_fetch(args, count, e))
		return e->code;
	return exists(last) ? hint_at_order(args, count, e) : 0;
}

/* ---- ferry receive ---- */

/* DIR HOST:PATH... */
static int hint_at_fetch_order(char *const *args, int count, struct err *e)
{
	char from[LINE_MAX_BYTES], dir[LINE_MAX_BYTES];

	if (count < 2 || !exists(args[0]))
		return 0;
	for (int i = 1; i < count; i++) {
		if (exists(args[i]) || !target_is_ssh(args[i]) ||
		    strstr(args[i], "://"))
			return 0;
	}
	cmd_show_words(from, sizeof(from), args + 1, count - 1);
	cmd_show_words(dir, sizeof(dir), args, 1);
	return err_set(e, ERR_USAGE, "the directory comes last; write: ferry "
		       "receive %s %s", from, dir);
}

int operand_hints_receive(char *const *args, int count, struct err *e)
{
	char line[LINE_MAX_BYTES], host[SHOWN_MAX];
	struct place p;

	if (hint_at_code(args, count, "ferry receive shows one, and ferry send "
			 "PATH... HOST asks for it", e) ||
	    hint_at_fetch_order(args, count, e))
		return e->code;
	for (int i = 0; i < count; i++) {
		const char *arg = args[i];

		if (exists(arg))
			continue;
		if (is_port(arg)) {
			cmd_show_words(line, sizeof(line), args, i);
			return err_set(e, ERR_USAGE, "'%s' is not a directory; "
				       "for a port write: ferry receive -p "
				       "%s%s%s", arg, arg, i ? " " : "", line);
		}
		if (is_remote(arg, &p) || (strchr(arg, ':') && is_host(arg)))
			return err_set(e, ERR_USAGE, "'%s': ferry receive "
				       "listens, and does not name the sender; "
				       "on the other host run: ferry send "
				       "PATH... THIS_HOST",
				       escape(host, arg));
	}
	return 0;
}

/* ---- FIFOs and devices ---- */

void operand_hints_special(const char *path, const char *host, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char a[SHOWN_MAX], b[SHOWN_MAX], c[SHOWN_MAX];
	struct stat st;

	if (stat(path, &st) < 0 || S_ISREG(st.st_mode) ||
	    S_ISDIR(st.st_mode) || S_ISSOCK(st.st_mode))
		return;
	if (fd_path_number(path) == STDIN_FILENO)
		err_append(e, "; write: ferry send - %s", escape(a, host));
	else
		err_append(e,
			   "; to send what comes out of it, write: ferry send "
			   "--name %s - %s <%s", escape(a, name),
			   escape(b, host), escape(c, path));
}
