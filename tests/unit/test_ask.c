/*
 * Unit tests of cmd/ask: each key at the prompt for a code, on a terminal that
 * the test makes, and the ways in which asking fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "within.h"

#include "cmd/ask.h"

#define PROMPT "The code that ferry receive shows on host: "

enum { SCREEN_MAX = 8192 };

/* What the process that asks leaves for the test, in shared memory. */
struct answer {
	int check_rc, rc;
	struct err e;
	char code[CODE_MAX];
	int is_restored; /* the terminal's settings are as before */
};

struct desk {
	int master, cancel_fd;
	pid_t pid;
	struct answer *answer;
	char screen[SCREEN_MAX];
	size_t shown, seen; /* bytes of screen; those that were awaited */
};

/* ---- the process that asks ---- */

static void ask_main(struct desk *d, const char *terminal)
{
	const struct ask ask = { "ferry receive", "host", d->cancel_fd };
	struct termios before = { 0 }, after = { 0 };
	int tty;

	alarm(scaled(30));
	signal(SIGHUP, SIG_IGN);
	close(d->master);
	if (setsid() < 0)
		_exit(1);
	/* the first one opened becomes the controlling terminal */
	tty = terminal ? open(terminal, O_RDWR | O_CLOEXEC) : -1;
	if (terminal && (tty < 0 || tcgetattr(tty, &before) < 0))
		_exit(2);
	d->answer->rc = d->answer->check_rc =
		ask_check("ferry send", "PATH... HOST", &d->answer->e);
	if (d->answer->rc == 0)
		d->answer->rc = ask_code(&ask, d->answer->code, &d->answer->e);
	if (tty >= 0 && tcgetattr(tty, &after) == 0)
		d->answer->is_restored = memcmp(&before, &after,
						sizeof(after)) == 0;
	_exit(0);
}

static void begin(struct desk *d, int has_terminal)
{
	char terminal[64];

	d->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (d->master < 0)
		skip(); /* a system without terminals */
	assert_int_equal(grantpt(d->master), 0);
	assert_int_equal(unlockpt(d->master), 0);
	assert_int_equal(ptsname_r(d->master, terminal, sizeof(terminal)), 0);
	d->pid = fork();
	assert_true(d->pid >= 0);
	if (d->pid == 0)
		ask_main(d, has_terminal ? terminal : NULL);
}

static void wait_for_end(struct desk *d)
{
	int status;

	assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
	d->pid = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- the user ---- */

/* Wait until this is on the screen, after what was awaited before. */
static void await(struct desk *d, const char *text)
{
	struct pollfd pfd = { .fd = d->master, .events = POLLIN };
	char *found;

	while (!(found = strstr(d->screen + d->seen, text))) {
		ssize_t n = -1;

		if (poll(&pfd, 1, (int)scaled(10000)) > 0)
			n = read(d->master, d->screen + d->shown,
				 SCREEN_MAX - 1 - d->shown);
		if (n <= 0)
			fail_msg("no \"%s\" after \"%s\"", text,
				 d->screen + d->seen);
		d->shown += (size_t)n;
		d->screen[d->shown] = '\0';
	}
	d->seen = (size_t)(found - d->screen) + strlen(text);
}

static void type(struct desk *d, const char *keys)
{
	assert_int_equal(write(d->master, keys, strlen(keys)), strlen(keys));
}

static void type_after_prompt(struct desk *d, const char *keys)
{
	begin(d, 1);
	await(d, PROMPT);
	type(d, keys);
}

static void expect_code(struct desk *d, const char *code)
{
	wait_for_end(d);
	assert_int_equal(d->answer->check_rc, 0);
	assert_int_equal(d->answer->rc, 0);
	assert_string_equal(d->answer->code, code);
	assert_true(d->answer->is_restored);
}

static void expect_failure(struct desk *d, int rc, const char *text)
{
	wait_for_end(d);
	assert_int_equal(d->answer->rc, rc);
	assert_non_null(strstr(d->answer->e.text, text));
}

static int set_up(void **state)
{
	struct desk *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->master = -1;
	d->cancel_fd = eventfd(0, EFD_CLOEXEC);
	d->answer = mmap(NULL, sizeof(*d->answer), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(d->cancel_fd >= 0 && d->answer != MAP_FAILED);
	*state = d;
	return 0;
}

static int tear_down(void **state)
{
	struct desk *d = *state;

	if (d->pid > 0) {
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
	}
	if (d->master >= 0)
		close(d->master);
	close(d->cancel_fd);
	munmap(d->answer, sizeof(*d->answer));
	free(d);
	return 0;
}

/* ---- tests ---- */

static void return_and_newline_end_the_line(void **state)
{
	struct desk *d = *state;

	type_after_prompt(d, "4821-river-anchor\r");
	expect_code(d, "4821-river-anchor");
}

static void backspace_and_delete_take_a_letter(void **state)
{
	struct desk *d = *state;

	type_after_prompt(d, "4821-river-anchort\x7fxy\b\b\n");
	await(d, "4821-river-anchort\b \bxy\b \b\b \b");
	expect_code(d, "4821-river-anchor");
}

static void backspace_on_an_empty_line_is_a_bell(void **state)
{
	struct desk *d = *state;

	type_after_prompt(d, "\b");
	await(d, "\a");
	type(d, "4821-river-anchor\n");
	expect_code(d, "4821-river-anchor");
}

static void ctrl_w_takes_a_word_and_what_separates(void **state)
{
	struct desk *d = *state;

	type_after_prompt(d, "4821 river tiger - \x17" "anchor\n");
	expect_code(d, "4821-river-anchor");
}

static void ctrl_w_on_an_empty_line_does_nothing(void **state)
{
	struct desk *d = *state;

	type_after_prompt(d, "river\x17\x17" "4821-river-anchor\n");
	expect_code(d, "4821-river-anchor");
}

static void ctrl_u_clears_the_line(void **state)
{
	struct desk *d = *state;

	type_after_prompt(d, "1234-tiger-\x15" "4821-river-anchor\n");
	expect_code(d, "4821-river-anchor");
}

static void ctrl_d_ends_only_an_empty_line(void **state)
{
	struct desk *d = *state;

	type_after_prompt(d, "48\x04");
	await(d, "48\a");
	type(d, "\x15\x04");
	expect_failure(d, ERR_USAGE, "no code given");
	assert_true(d->answer->is_restored);
}

static void keys_that_send_escapes_are_ignored(void **state)
{
	struct desk *d = *state;

	/* an arrow, a function key, Delete, Alt-x */
	type_after_prompt(d, "4821\x1b[A-\x1bOPriver\x1b[3~-\x1bxanchor\n");
	expect_code(d, "4821-river-anchor");
	assert_null(memchr(d->screen, '\a', d->shown));
}

static void other_control_keys_are_a_bell(void **state)
{
	struct desk *d = *state;

	type_after_prompt(d, "\x01");
	await(d, "\a");
	type(d, "\xc3");
	await(d, "\a");
	type(d, "4821-river-anchor\n");
	expect_code(d, "4821-river-anchor");
}

static void tab_completes_a_word(void **state)
{
	struct desk *d = *state;

	type_after_prompt(d, "4821-rive\t");
	await(d, "rive" "r-");
	type(d, "anch\t");
	await(d, "anch" "or");
	type(d, "\n");
	expect_code(d, "4821-river-anchor");
}

static void tab_lists_some_words_and_not_many(void **state)
{
	struct desk *d = *state;

	type_after_prompt(d, "4821-ri\t");
	await(d, "\n");
	await(d, "rival  river");
	await(d, PROMPT "4821-ri");
	/* more words begin with "r" than are listed */
	type(d, "\b\t");
	await(d, "\b \b\a");
	/* none */
	type(d, "zz\t");
	await(d, "zz\a");
	type(d, "\x15" "4821-river-anchor\n");
	expect_code(d, "4821-river-anchor");
}

static void a_line_that_is_full_takes_no_more(void **state)
{
	struct desk *d = *state;
	char blanks[64 + 1];

	/* 64 bytes fit: blanks, then the code */
	memset(blanks, ' ', sizeof(blanks));
	blanks[64 - strlen("4821-river-anchor")] = '\0';
	type_after_prompt(d, blanks);
	type(d, "4821-river-anchor");
	await(d, "anchor");
	assert_null(memchr(d->screen, '\a', d->shown));
	type(d, "s");
	await(d, "\a");
	type(d, "\n");
	expect_code(d, "4821-river-anchor");
	assert_null(strstr(d->screen, "anchors"));
}

static void what_is_no_code_is_asked_for_again(void **state)
{
	struct desk *d = *state;

	type_after_prompt(d, "482-river-anchor\n");
	await(d, "Not a valid code: ");
	await(d, "Type the whole code again");
	await(d, PROMPT);
	type(d, "4821-river-anchor\n");
	expect_code(d, "4821-river-anchor");
}

static void cancelling_restores_the_terminal(void **state)
{
	const uint64_t one = 1;
	struct desk *d = *state;

	type_after_prompt(d, "48");
	await(d, "48");
	assert_int_equal(write(d->cancel_fd, &one, sizeof(one)), sizeof(one));
	expect_failure(d, ERR_INTERRUPTED, "interrupted");
	assert_true(d->answer->is_restored);
}

static void a_terminal_that_goes_away_is_a_failure(void **state)
{
	struct desk *d = *state;

	type_after_prompt(d, "48");
	await(d, "48");
	close(d->master);
	d->master = -1;
	expect_failure(d, ERR_LOCAL, "the terminal was closed");
}

static void without_a_terminal_the_alternatives_are_named(void **state)
{
	struct desk *d = *state;

	begin(d, 0);
	expect_failure(d, ERR_USAGE, "--code-file FILE");
	assert_int_equal(d->answer->check_rc, ERR_USAGE);
}

#define ask_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ask_test(return_and_newline_end_the_line),
		ask_test(backspace_and_delete_take_a_letter),
		ask_test(backspace_on_an_empty_line_is_a_bell),
		ask_test(ctrl_w_takes_a_word_and_what_separates),
		ask_test(ctrl_w_on_an_empty_line_does_nothing),
		ask_test(ctrl_u_clears_the_line),
		ask_test(ctrl_d_ends_only_an_empty_line),
		ask_test(keys_that_send_escapes_are_ignored),
		ask_test(other_control_keys_are_a_bell),
		ask_test(tab_completes_a_word),
		ask_test(tab_lists_some_words_and_not_many),
		ask_test(a_line_that_is_full_takes_no_more),
		ask_test(what_is_no_code_is_asked_for_again),
		ask_test(cancelling_restores_the_terminal),
		ask_test(a_terminal_that_goes_away_is_a_failure),
		ask_test(without_a_terminal_the_alternatives_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
