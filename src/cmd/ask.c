/*
 * A minimal line editor for a code: the cursor stays at the end.  ^C still
 * sends SIGINT, which arrives as a readable descriptor, so that the terminal is
 * restored before exit; only a second ^C can leave it in raw mode.  ^Z restores
 * it as well and stops the job, which shows the question again when it goes on.
 * ^\ is disabled meanwhile.
 */
#include "cmd/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "base/wipe.h"
#include "cmd/charset.h"
#include "cmd/signals.h"
#include "os/wake.h"

enum {
	LINE_MAX_BYTES = 64,
	PROMPT_MAX = 300,
	LIST_MAX = 24, /* words shown at a time */
	CTRL_D = 4,
	BACKSPACE = 8,
	CTRL_U = 21,
	CTRL_W = 23,
	CTRL_Z = 26,
	ESCAPE = 27,
	DELETE = 127,
};

struct line {
	int tty;
	int cancel_fd;
	char prompt[PROMPT_MAX];
	char text[LINE_MAX_BYTES];
	size_t len;
	/* With a terminal that we set up: its own settings, and ours. */
	const struct termios *before, *raw;
	int in_escape; /* 1 after ESC, 2 inside a sequence */
	int is_done;
};

/* With an example for each security mode, where it is known of what command. */
static int no_terminal(const char *command, const char *operands, struct err *e)
{
	static const char *const modes[] = {
		"--code-file FILE", "--key FILE",
		"--cert a.pem --cert-key a.key --ca ca.pem", "--plain",
	};

	err_set(e, ERR_USAGE,
		"cannot ask for the code without a terminal: give a file that "
		"contains it, or another security mode, the same on both "
		"hosts:\n");
	for (size_t i = 0; command && i < sizeof(modes) / sizeof(*modes); i++)
		err_append(e, "\n  %s %s %s", command, modes[i], operands);
	return e->code;
}

int ask_open(void)
{
	return open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

int ask_check(const char *command, const char *operands, struct err *e)
{
	int tty = ask_open();

	if (tty < 0)
		return no_terminal(command, operands, e);
	io_close(&tty);
	return 0;
}

/* ---- what is on the screen ---- */

/* A write error is ignored: the next read(2) fails too. */
static void write_text(const struct line *l, const char *text)
{
	(void)io_write(l->tty, text, strlen(text));
}

static void show_line(const struct line *l)
{
	write_text(l, l->prompt);
	(void)io_write(l->tty, l->text, l->len);
}

/* To be called after the job was stopped and goes on: the shell has set up the
 * terminal for itself meanwhile, and shown other things. */
static void resume(const struct line *l)
{
	if (l->raw)
		(void)tcsetattr(l->tty, TCSADRAIN, l->raw);
	write_text(l, "\r");
	show_line(l);
}

/* As the terminal does with ^Z where it edits lines itself. */
static void stop_job(const struct line *l)
{
	(void)tcsetattr(l->tty, TCSADRAIN, l->before);
	(void)kill(0, SIGTSTP);
	resume(l);
}

static void bell(const struct line *l)
{
	write_text(l, "\a");
}

static void append(struct line *l, const char *p, size_t n)
{
	if (l->len + n > sizeof(l->text)) {
		bell(l);
		return;
	}
	memcpy(l->text + l->len, p, n);
	l->len += n;
	(void)io_write(l->tty, p, n);
}

static void erase(struct line *l)
{
	l->len--;
	write_text(l, "\b \b");
}

static void erase_word(struct line *l)
{
	while (l->len > 0 && strchr(" -", l->text[l->len - 1]))
		erase(l);
	while (l->len > 0 && !strchr(" -", l->text[l->len - 1]))
		erase(l);
}

/* ---- keys ---- */

static void list_words(const struct line *l, unsigned first, unsigned count)
{
	write_text(l, "\n");
	for (unsigned i = first; i < first + count; i++) {
		write_text(l, i == first ? "" : "  ");
		write_text(l, words_at(i));
	}
	write_text(l, "\n");
	show_line(l);
}

static void complete_word(struct line *l)
{
	char rest[WORDS_LEN_MAX + 2];
	unsigned first, count;

	count = code_complete(l->text, l->len, rest, sizeof(rest), &first);
	if (rest[0])
		append(l, rest, strlen(rest));
	else if (count > 1 && count <= LIST_MAX)
		list_words(l, first, count);
	else
		bell(l);
}

static int take_key(struct line *l, char c, struct err *e)
{
	/* Keys such as the arrows send ESC [ and more, up to a letter. */
	if (l->in_escape == 1)
		l->in_escape = c == '[' || c == 'O' ? 2 : 0;
	else if (l->in_escape)
		l->in_escape = c >= '@' && c <= '~' ? 0 : 2;
	else if (c == ESCAPE)
		l->in_escape = 1;
	else if (c == '\n' || c == '\r')
		l->is_done = 1;
	else if (c == '\t')
		complete_word(l);
	else if ((c == DELETE || c == BACKSPACE) && l->len > 0)
		erase(l);
	else if (c == CTRL_W)
		erase_word(l);
	else if (c == CTRL_Z)
		stop_job(l);
	else if (c == CTRL_U)
		while (l->len > 0)
			erase(l);
	else if (c == CTRL_D && l->len == 0)
		return err_set(e, ERR_USAGE, "no code given");
	else if (c >= ' ' && c <= '~')
		append(l, &c, 1);
	else
		bell(l);
	return 0;
}

/* Wait for input, and read up to size bytes.  Returns their number, 0 for ^D in
 * a terminal that edits the line itself, or an error. */
static ssize_t read_keys(const struct line *l, char *keys, size_t size,
			 struct err *e)
{
	struct pollfd fds[4] = {
		{ .fd = l->tty, .events = POLLIN },
		{ .fd = l->cancel_fd, .events = POLLIN },
		{ .fd = signals_continue()->fd, .events = POLLIN },
		{ .fd = signals_report()->fd, .events = POLLIN },
	};
	ssize_t n;

	do {
		if (poll(fds, 4, -1) < 0 && errno != EINTR)
			return err_sys(e, ERR_LOCAL, "cannot wait for the "
						     "terminal");
		if (fds[1].revents)
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (fds[2].revents) {
			wake_clear(signals_continue());
			resume(l);
		}
		if (fds[3].revents) {
			wake_clear(signals_report());
			write_text(l, "\nferry: status: waiting for the code\n");
			show_line(l);
		}
		n = fds[0].revents ? read(l->tty, keys, size) : -1;
	} while (n < 0 && (!fds[0].revents || errno == EINTR));
	return n < 0 ? err_set(e, ERR_LOCAL, "the terminal was closed") : n;
}

static int read_line(struct line *l, struct err *e)
{
	int rc = 0;

	l->is_done = 0;
	show_line(l);
	while (rc == 0 && !l->is_done) {
		char c = 0;
		ssize_t n = read_keys(l, &c, 1, e);

		if (n > 0)
			rc = take_key(l, c, e);
		else
			rc = n < 0 ? (int)n :
				     err_set(e, ERR_LOCAL,
					     "the terminal was closed");
	}
	return rc;
}

/* ---- the question ---- */

/* Say what is wrong with the line, which code_parse() has refused with e. */
static void explain(const struct line *l, const struct err *e)
{
	struct code_misspelt found[CODE_WORDS];
	const unsigned count = code_find_misspelt(l->text, l->len, found);

	write_text(l, "Not a valid code: ");
	if (count == 0)
		write_text(l, e->text);
	for (unsigned i = 0; i < count; i++) {
		const struct code_misspelt *m = &found[i];

		write_text(l, i ? "\n'" : "'");
		write_text(l, m->word);
		write_text(l, "' is not in the word list");
		for (unsigned k = 0; k < m->count; k++) {
			write_text(l, k == 0 ? "; did you mean " :
				      k + 1 < m->count ? ", " : " or ");
			write_text(l, m->near[k]);
		}
		write_text(l, m->count ? "?" : "");
	}
	write_text(l, "\nType the whole code again:\n");
	wipe(found, sizeof(found));
}

static int read_code(struct line *l, char code[CODE_MAX], struct err *e)
{
	for (;;) {
		struct err why;
		int rc = read_line(l, e);

		write_text(l, "\n");
		if (rc || code_parse(code, l->text, l->len, &why) == 0)
			return rc;
		explain(l, &why);
		/* What is typed next is a whole code, not the end of one. */
		wipe(l->text, sizeof(l->text));
		l->len = 0;
	}
}

static void set_prompt(struct line *l, const struct ask *a)
{
	char name[PROMPT_MAX / 2], ascii[PROMPT_MAX / 2];
	const char *host = a->host;

	text_escape(name, sizeof(name), host, strlen(host));
	if (charset_is_ascii(l->tty))
		host = charset_to_ascii(ascii, sizeof(ascii), name);
	else
		host = name;
	snprintf(l->prompt, sizeof(l->prompt),
		 "The code that %s shows on %s: ", a->command, host);
}

int ask_again(int tty, const struct ask *a, const char *why,
	      char code[CODE_MAX], struct err *e)
{
	struct line l = { .tty = tty, .cancel_fd = a->cancel_fd };
	ssize_t n;
	int rc = -1;

	set_prompt(&l, a);
	write_text(&l, why);
	write_text(&l, "\n");
	while (rc < 0) {
		struct err wrong;

		show_line(&l);
		n = read_keys(&l, l.text, sizeof(l.text), e);
		if (n <= 0) {
			/* what is said next has a line of its own */
			write_text(&l, "\n");
			rc = n < 0 ? (int)n :
				     err_set(e, ERR_USAGE, "no code given");
			break;
		}
		l.len = (size_t)n;
		rc = code_parse(code, l.text, l.len, &wrong);
		if (rc < 0)
			explain(&l, &wrong);
		l.len = 0;
	}
	wipe(&l.text, sizeof(l.text));
	return rc;
}

int ask_code(const struct ask *a, char code[CODE_MAX], struct err *e)
{
	struct line l = { .tty = ask_open(), .cancel_fd = a->cancel_fd };
	struct termios before, raw;
	int rc;

	if (l.tty < 0)
		return no_terminal(NULL, NULL, e);
	set_prompt(&l, a);
	if (tcgetattr(l.tty, &before) < 0) {
		rc = err_sys(e, ERR_LOCAL, "cannot set up the terminal");
		goto out;
	}
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
	raw.c_cc[VSUSP] = raw.c_cc[VQUIT] = _POSIX_VDISABLE;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	l.before = &before;
	l.raw = &raw;
	if (tcsetattr(l.tty, TCSADRAIN, &raw) < 0)
		rc = err_sys(e, ERR_LOCAL, "cannot set up the terminal");
	else
		rc = read_code(&l, code, e);
	(void)tcsetattr(l.tty, TCSADRAIN, &before);
out:
	wipe(&l.text, sizeof(l.text));
	io_close(&l.tty);
	return rc;
}
