/*
 * ssh is the child of a helper (os/helper.h).  Messages to it: start ssh, or
 * end it.  Back: that it was started, with the socket, or the errno; later its
 * status.
 */
#include "remote/ssh.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "os/fds.h"
#include "os/helper.h"
#include "os/sockbuf.h"
#include "os/spawn.h"

enum {
	WORDS_MAX = 64,
	NAME_SHOWN_MAX = 100,
	REMOTE_PATH_MAX = 1024,
	/* How long ssh may take to end after its input was closed, and after
	 * each signal. */
	END_MS = 300,
	TERM_MS = 1000,
	/* What ssh has received and we have not read yet.  ssh keeps what does
	 * not fit in a buffer that grows by 32 KiB at a time and is copied each
	 * time: with the 200 KiB of a stock socket, it spent more time on that
	 * than on decrypting. */
	OUTPUT_BYTES = 1 << 20,
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum message_kind { SSH_START = 1, SSH_END, SSH_STARTED, SSH_STATUS };

struct message {
	int32_t kind;
	int32_t value; /* STARTED: 0 or errno; STATUS: as of waitpid(2) */
};

struct ssh {
	char *argv[WORDS_MAX + 1]; /* owned */
	int words;
	char name[NAME_SHOWN_MAX];
	struct helper helper;
	int is_running;
	int status;
};

/*
 * What is run on the other host.  The login shell there may be any, so this is
 * one simple command with one quoted argument, which bash, zsh, fish, tcsh and
 * their restricted forms read alike: no &&, and no character in the quotes that
 * is special there to one of them (!, \, ').  A shell that does not log in has
 * a short PATH: look in the usual places, too.
 */
static const char find_ferry[] =
	"sh -c 'PATH=$PATH:/usr/local/bin:/usr/bin:/opt/ferry/bin:"
	"$HOME/.local/bin:$HOME/bin:$HOME/.cache/ferry; export PATH; "
	"command -v ferry >/dev/null 2>&1 || exit 127; exec ferry remote'";

/* ---- the command ---- */

static int add_word(struct ssh *s, const char *word, struct err *e)
{
	if (s->words == WORDS_MAX)
		return err_set(e, ERR_USAGE, "--ssh: too many words");
	s->argv[s->words] = strdup(word);
	if (!s->argv[s->words])
		return err_set(e, ERR_RESOURCE, "out of memory");
	s->words++;
	return 0;
}

/* Copy the first word of text to word, which has room for all of it, without
 * quotes.  Returns where it ends; NULL where a quote is not closed. */
static const char *take_word(char *word, const char *text)
{
	char quote = '\0';

	for (; *text && (quote || !strchr(" \t", *text)); text++) {
		if (*text == quote)
			quote = '\0';
		else if (!quote && strchr("'\"", *text))
			quote = *text;
		else
			*word++ = *text;
	}
	*word = '\0';
	return quote ? NULL : text;
}

static int add_command(struct ssh *s, const char *text, struct err *e)
{
	char shown[NAME_SHOWN_MAX], *word = malloc(strlen(text) + 1);
	const char *at = text;
	int rc = 0;

	if (!word)
		return err_set(e, ERR_RESOURCE, "out of memory");
	while (rc == 0 && at && *(at += strspn(at, " \t"))) {
		at = take_word(word, at);
		if (at)
			rc = add_word(s, word, e);
	}
	free(word);
	if (rc == 0 && (!at || s->words == 0))
		rc = err_set(e, ERR_USAGE,
			     "--ssh: '%s' %s; write, for example: --ssh 'ssh -p "
			     "2222'",
			     text_escape(shown, sizeof(shown), text,
					 strlen(text)),
			     at ? "names no program"
				: "has a quote that is not closed");
	return rc;
}

/* Only characters that mean the same to every login shell. */
static int is_plain_path(const char *path)
{
	return *path != '-' &&
	       path[strspn(path, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789/._+,:@%~-")] == '\0';
}

static int add_remote_command(struct ssh *s, const char *ferry, struct err *e)
{
	char shown[NAME_SHOWN_MAX], line[REMOTE_PATH_MAX + 16];

	if (!ferry)
		return add_word(s, find_ferry, e);
	if (!is_plain_path(ferry) || strlen(ferry) > REMOTE_PATH_MAX)
		return err_set(e, ERR_USAGE,
			       "--remote-ferry: '%s' is too long or has a "
			       "character that not all login shells read alike: "
			       "use letters, digits and /._+-",
			       text_escape(shown, sizeof(shown), ferry,
					   strlen(ferry)));
	snprintf(line, sizeof(line), "%s remote", ferry);
	return add_word(s, line, e);
}

static int make_argv(struct ssh *s, const struct ssh_config *cfg, struct err *e)
{
	static const char *const options[] = {
		"-T", "-x", "-a", "-oClearAllForwardings=yes", "--",
	};
	int rc = add_command(s, cfg->command, e);

	assert(rc || s->argv[0]);
	if (rc == 0)
		text_escape(s->name, sizeof(s->name), s->argv[0],
			    strlen(s->argv[0]));
	for (size_t i = 0; rc == 0 && i < COUNT(options); i++)
		rc = add_word(s, options[i], e);
	if (rc == 0)
		rc = add_word(s, cfg->host, e);
	if (rc == 0 && cfg->script)
		return add_word(s, cfg->script, e);
	return rc ? rc : add_remote_command(s, cfg->remote_ferry, e);
}

/* ---- in the helper ---- */

struct runner {
	char *const *argv;
	struct spawn_child ssh;
	int ends; /* it was told to end so many times */
};

/* Send a message, with a descriptor unless fd is -1.  ferry may be gone. */
static void reply(enum message_kind kind, int value, int fd)
{
	const struct message m = { (int32_t)kind, value };

	(void)helper_send(HELPER_SOCKET, &m, sizeof(m), fd, 0);
}

/* Start ssh with a socket as its standard input and output.  SIGINT stays
 * ignored in it, so that ferry can tell the other side after Ctrl-C, which the
 * terminal sends to both. */
static void start_ssh(struct runner *r)
{
	struct spawn_config cfg = { .argv = r->argv, .keep_ignored = SIGINT };
	int fds[2] = { -1, -1 }, error = 0;

	if (fds_socket_pair(fds) < 0)
		error = errno;
	else
		sockbuf_enlarge(fds[1], OUTPUT_BYTES);
	cfg.input = cfg.output = fds[1];
	if (!error)
		error = spawn_program(&cfg, &r->ssh.pid);
	r->ends = 0;
	reply(SSH_STARTED, error, error ? -1 : fds[0]);
	io_close(&fds[0]);
	io_close(&fds[1]);
}

static void supervise(void *ctx)
{
	struct runner r = { .argv = ctx };
	struct message m;
	int status;

	spawn_child_init(&r.ssh);
	for (;;) {
		if (spawn_wait(&r.ssh, &m, sizeof(m), &status) == 0)
			reply(SSH_STATUS, status, -1);
		else if (m.kind == SSH_START && r.ssh.pid == 0)
			start_ssh(&r);
		else if (m.kind == SSH_END && r.ssh.pid > 0)
			kill(r.ssh.pid, r.ends++ ? SIGKILL : SIGTERM);
	}
}

/* ---- in ferry ---- */

struct ssh *ssh_new(const struct ssh_config *cfg, struct err *e)
{
	struct ssh *s = calloc(1, sizeof(*s));
	/* ssh keeps only the standard descriptors: its messages go to ours, and
	 * its input is not that of ferry, whose writer would wait for it. */
	struct helper_config helper = { .stdio = HELPER_STDIO_ERROR,
					.keep = -1,
					.serve = supervise };

	if (!s) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	s->helper.fd = -1;
	if (make_argv(s, cfg, e)) {
		ssh_free(s);
		return NULL;
	}
	helper.ctx = s->argv;
	if (helper_start(&s->helper, &helper) == 0)
		return s;
	err_sys(e, ERR_RESOURCE, "cannot start a process for %s", s->name);
	ssh_free(s);
	return NULL;
}

static int tell(const struct ssh *s, enum message_kind kind)
{
	const struct message m = { (int32_t)kind, 0 };

	return helper_send(s->helper.fd, &m, sizeof(m), -1, 0);
}

/* The next message, and the descriptor with it (-1: none).  Returns 0;
 * ERR_AGAIN where none came within ms; ERR_CLOSED where the other process is
 * gone. */
static int receive(const struct ssh *s, int ms, struct message *m, int *fd)
{
	struct pollfd pfd = { .fd = s->helper.fd, .events = POLLIN };

	*fd = -1;
	if (poll(&pfd, 1, ms) <= 0)
		return ERR_AGAIN;
	if (helper_receive(s->helper.fd, m, sizeof(*m), fd, MSG_DONTWAIT) == 0)
		return 0;
	return errno == EAGAIN ? ERR_AGAIN : ERR_CLOSED;
}

int ssh_wait(struct ssh *s, int ms, int *status)
{
	const uint64_t until_ms = clock_ms() + (uint64_t)ms;
	struct message m;
	int rc, fd;

	while (s->is_running) {
		rc = receive(s, clock_left_ms(until_ms), &m, &fd);
		io_close(&fd);
		if (rc == 0 && m.kind == SSH_STATUS)
			s->status = m.value;
		if (rc == ERR_CLOSED)
			s->status = -1;
		if (rc == ERR_CLOSED || (rc == 0 && m.kind == SSH_STATUS))
			s->is_running = 0;
		else if (clock_left_ms(until_ms) == 0)
			return 0;
	}
	*status = s->status;
	return 1;
}

/* Its input is closed: give it the time to end by itself, then signals. */
static void end_ssh(struct ssh *s)
{
	int status;

	if (ssh_wait(s, END_MS, &status))
		return;
	for (int i = 0; i < 2; i++) {
		(void)tell(s, SSH_END);
		if (ssh_wait(s, TERM_MS, &status))
			return;
	}
}

int ssh_start(struct ssh *s, struct err *e)
{
	struct message m = { 0 };
	int fd = -1, rc;

	end_ssh(s);
	rc = s->is_running ? -1 : tell(s, SSH_START);
	while (rc == 0) {
		rc = receive(s, -1, &m, &fd);
		if (rc == ERR_AGAIN)
			rc = 0;
		else if (rc == 0 && m.kind == SSH_STARTED)
			break;
	}
	if (rc)
		return err_set(e, ERR_RESOURCE,
			       "cannot start %s: the process that was to start "
			       "it is gone", s->name);
	if (m.value) {
		errno = m.value;
		return err_sys(e, ERR_CONNECT, "cannot start %s%s", s->name,
			       m.value == ENOENT ? " (is it installed?)" : "");
	}
	s->is_running = 1;
	return fd;
}

const char *ssh_name(const struct ssh *s)
{
	return s->name;
}

void ssh_free(struct ssh *s)
{
	if (!s)
		return;
	if (s->helper.fd >= 0)
		end_ssh(s);
	helper_stop(&s->helper, 1);
	for (int i = 0; i < s->words; i++)
		free(s->argv[i]);
	free(s);
}
