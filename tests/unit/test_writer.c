/*
 * Lines reach their reader whole and in order, whatever he does, and those who
 * put them wait for none.
 */
#include "cmd/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/io.h"
#include "cmd/line_queue.h"

enum { LINE = 50, MANY = 3 * 1024 * 1024 / LINE, TEXT_MAX = 4096 };

struct output {
	struct writer *w;
	int fds[2]; /* the reader's and the writer's end of a pipe */
};

static struct output open_output(int stops_at_error)
{
	struct output o;

	assert_int_equal(pipe2(o.fds, O_CLOEXEC), 0);
	o.w = writer_new(o.fds[1], stops_at_error);
	assert_non_null(o.w);
	return o;
}

static void close_output(struct output *o)
{
	writer_free(o->w);
	io_close(&o->fds[0]);
	io_close(&o->fds[1]);
}

/* Line i, LINE bytes. */
static int put(struct writer *w, enum writer_loss loss, unsigned i)
{
	char line[LINE + 1];

	snprintf(line, sizeof(line), "%c%0*u\n",
		 loss == WRITER_KEEP ? 'k' : 'd', LINE - 2, i);
	return writer_put(w, loss, line, LINE);
}

static void put_text(struct writer *w, const char *text)
{
	assert_int_equal(writer_put(w, WRITER_KEEP, text, strlen(text)), 0);
}

/* What can be read now. */
static const char *read_text(const struct output *o, char *text)
{
	struct pollfd pfd = { .fd = o->fds[0], .events = POLLIN };
	size_t used = 0;

	while (used < TEXT_MAX - 1 && poll(&pfd, 1, 0) > 0) {
		ssize_t n = read(pfd.fd, text + used, TEXT_MAX - 1 - used);

		assert_true(n >= 0);
		if (n == 0)
			break;
		used += (size_t)n;
	}
	text[used] = '\0';
	return text;
}

/* Wait until so many bytes can be read. */
static const char *await_text(const struct output *o, char *text, size_t n)
{
	assert_int_equal(io_read(o->fds[0], text, n), n);
	text[n] = '\0';
	return text;
}

/* Wait for this text, which has to be the next that the reader gets. */
static void expect_text(const struct output *o, const char *expected)
{
	char text[TEXT_MAX];

	assert_string_equal(await_text(o, text, strlen(expected)), expected);
}

/* A reader that comes after a while and reads to the end. */
struct reader {
	pthread_t thread;
	int fd;
	unsigned kept, dropped; /* lines seen */
};

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	char line[LINE], want[LINE + 1];

	while (io_read(r->fd, line, LINE) == LINE) {
		if (line[0] == 'd') {
			r->dropped++;
			continue;
		}
		snprintf(want, sizeof(want), "k%0*u\n", LINE - 2, r->kept);
		assert_memory_equal(line, want, LINE);
		r->kept++;
	}
	return NULL;
}

static void start_reader(struct reader *r, const struct output *o)
{
	*r = (struct reader){ .fd = o->fds[0] };
	assert_int_equal(pthread_create(&r->thread, NULL, reader_main, r), 0);
}

/* The writer has ended: so does the reader. */
static void join_reader(struct reader *r, struct output *o)
{
	io_close(&o->fds[1]);
	assert_int_equal(pthread_join(r->thread, NULL), 0);
}

static void test_without_a_thread(void **state)
{
	struct output o = open_output(1);
	char text[TEXT_MAX];

	(void)state;
	put_text(o.w, "one\n");
	assert_string_equal(read_text(&o, text), "one\n");
	writer_show(o.w, "text");
	assert_string_equal(read_text(&o, text), "\rtext");
	put_text(o.w, "two\n");
	assert_string_equal(read_text(&o, text), "\r    \rtwo\n");
	io_close(&o.fds[0]);
	assert_int_equal(put(o.w, WRITER_KEEP, 0), EPIPE);
	assert_int_equal(put(o.w, WRITER_KEEP, 1), EPIPE);
	assert_int_equal(writer_end(o.w, -1), EPIPE);
	close_output(&o);
}

/* Both kinds are written where there is a reader, and after the end too. */
static void test_with_a_thread(void **state)
{
	struct output o = open_output(1);
	char text[TEXT_MAX];

	(void)state;
	put_text(o.w, "zero\n");
	writer_start(o.w);
	put_text(o.w, "one\n");
	assert_int_equal(writer_put(o.w, WRITER_MAY_DROP, "two\n", 4), 0);
	expect_text(&o, "zero\none\ntwo\n");
	put_text(o.w, "three\n");
	assert_int_equal(writer_end(o.w, -1), 0);
	put_text(o.w, "four\n");
	assert_string_equal(read_text(&o, text), "three\nfour\n");
	close_output(&o);
}

/* Nobody reads while far more is put than pipe and memory hold. */
static void test_paused_reader(void **state)
{
	struct output o = open_output(1);
	struct reader r;

	(void)state;
	writer_start(o.w);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(put(o.w, WRITER_KEEP, i), 0);
	start_reader(&r, &o);
	assert_int_equal(writer_end(o.w, -1), 0);
	join_reader(&r, &o);
	assert_int_equal(r.kept, MANY);
	close_output(&o);
}

/* The first lines wait all; later those go that may. */
static void test_what_is_dropped(void **state)
{
	struct output o = open_output(1);
	struct reader r;

	(void)state;
	writer_start(o.w);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(put(o.w, WRITER_KEEP, i), 0);
		assert_int_equal(put(o.w, WRITER_MAY_DROP, i), 0);
	}
	start_reader(&r, &o);
	assert_int_equal(writer_end(o.w, -1), 0);
	join_reader(&r, &o);
	assert_int_equal(r.kept, MANY);
	/* no fewer than the pipe took and the queue may hold, and no more */
	assert_true(r.dropped >= WRITER_DROP_ABOVE / LINE / 2);
	assert_true(r.dropped <= (WRITER_DROP_ABOVE + 2 * 65536) / LINE);
	close_output(&o);
}

static void test_one_does_not_hold_up_another(void **state)
{
	struct output paused = open_output(1), quick = open_output(1);
	struct reader r;

	(void)state;
	writer_start(paused.w);
	writer_start(quick.w);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(put(paused.w, WRITER_KEEP, i), 0);
	put_text(quick.w, "quick\n");
	expect_text(&quick, "quick\n");
	assert_int_equal(writer_end(quick.w, -1), 0);
	start_reader(&r, &paused);
	assert_int_equal(writer_end(paused.w, -1), 0);
	join_reader(&r, &paused);
	assert_int_equal(r.kept, MANY);
	close_output(&paused);
	close_output(&quick);
}

/* While lines wait, and afterwards. */
static void test_reader_goes_away(void **state)
{
	(void)state;
	for (int stops = 0; stops < 2; stops++) {
		struct output o = open_output(stops);
		int rc = 0;

		writer_start(o.w);
		for (unsigned i = 0; i < MANY; i++)
			assert_int_equal(put(o.w, WRITER_KEEP, i), 0);
		io_close(&o.fds[0]);
		for (unsigned i = 0; i < 1000 && rc == 0; i++) {
			rc = put(o.w, WRITER_KEEP, i);
			if (stops)
				poll(NULL, 0, 10);
		}
		assert_int_equal(rc, stops ? EPIPE : 0);
		assert_int_equal(writer_end(o.w, -1), stops ? EPIPE : 0);
		close_output(&o);
	}
}

/* What cannot be written is lost, and the next line is tried again. */
static void test_goes_on_after_an_error(void **state)
{
	struct output o = open_output(0);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	char text[TEXT_MAX];
	int saved;

	(void)state;
	if (full < 0)
		skip();
	saved = dup(o.fds[1]);
	assert_true(saved >= 0);
	assert_int_equal(dup2(full, o.fds[1]), o.fds[1]);
	put_text(o.w, "lost\n");
	assert_int_equal(dup2(saved, o.fds[1]), o.fds[1]);
	put_text(o.w, "written\n");
	assert_string_equal(read_text(&o, text), "written\n");
	assert_int_equal(writer_end(o.w, -1), 0);
	close(saved);
	close(full);
	close_output(&o);
}

/* Leaks by intent: its thread waits until the program ends. */
static struct output abandoned;

static void test_cancel(void **state)
{
	struct output *o = &abandoned;
	uint64_t began_ms;
	int cancel[2];

	(void)state;
	*o = open_output(1);
	assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
	writer_start(o->w);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(put(o->w, WRITER_KEEP, i), 0);
	assert_int_equal(write(cancel[1], "", 1), 1);
	began_ms = clock_ms();
	assert_int_equal(writer_end(o->w, cancel[0]), ECANCELED);
	assert_true(clock_ms() - began_ms >= 900);
	assert_int_equal(put(o->w, WRITER_KEEP, 0), ECANCELED);
	writer_free(o->w);
	close(cancel[0]);
	close(cancel[1]);
}

/* One who reads gets all, cancelled or not. */
static void test_cancel_with_a_reader(void **state)
{
	struct output o = open_output(1);
	struct reader r;
	int cancel[2];

	(void)state;
	assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
	assert_int_equal(write(cancel[1], "", 1), 1);
	writer_start(o.w);
	for (unsigned i = 0; i < MANY / 10; i++)
		assert_int_equal(put(o.w, WRITER_KEEP, i), 0);
	start_reader(&r, &o);
	assert_int_equal(writer_end(o.w, cancel[0]), 0);
	join_reader(&r, &o);
	assert_int_equal(r.kept, MANY / 10);
	close(cancel[0]);
	close(cancel[1]);
	close_output(&o);
}

/* Each write(2) is a packet here. */
static void test_pieces_are_whole_lines(void **state)
{
	char *packet = malloc(LINE_QUEUE_LINE_MAX), *line;
	const size_t lengths[] = { 100, 3000, 4000, PIPE_BUF, PIPE_BUF + 1,
				   1, 30000, 1, PIPE_BUF, 2000 };
	struct timeval limit = { .tv_sec = 20 };
	size_t total = 0, got = 0;
	struct writer *w;
	int fds[2];

	(void)state;
	line = malloc(LINE_QUEUE_LINE_MAX);
	assert_non_null(packet);
	assert_non_null(line);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				    fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	w = writer_new(fds[1], 1);
	assert_non_null(w);
	writer_start(w);
	for (int round = 0; round < 100; round++) {
		for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths);
		     i++) {
			memset(line, 'x', lengths[i]);
			line[lengths[i] - 1] = '\n';
			assert_int_equal(writer_put(w, WRITER_KEEP, line,
						    lengths[i]), 0);
			total += lengths[i];
		}
	}
	while (got < total) {
		ssize_t n = read(fds[0], packet, LINE_QUEUE_LINE_MAX);

		assert_true(n > 0);
		assert_int_equal(packet[n - 1], '\n');
		if (n > PIPE_BUF)
			assert_ptr_equal(memchr(packet, '\n', (size_t)n),
					 packet + n - 1);
		got += (size_t)n;
	}
	assert_int_equal(writer_end(w, -1), 0);
	writer_free(w);
	close(fds[0]);
	close(fds[1]);
	free(packet);
	free(line);
}

/* On something that is no terminal, so 80 columns wide. */
static void test_show(void **state)
{
	struct output o = open_output(0);
	char text[TEXT_MAX], wide[WRITER_SHOWN_MAX];

	(void)state;
	writer_start(o.w);
	writer_show(o.w, "long");
	expect_text(&o, "\rlong");
	/* what is left of the one before goes */
	writer_show(o.w, "ab");
	expect_text(&o, "\rab  ");
	put_text(o.w, "line\n");
	expect_text(&o, "\r  \rline\n");
	/* once only: there is nothing to take away now */
	put_text(o.w, "line\n");
	expect_text(&o, "line\n");
	memset(wide, 'w', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	writer_show(o.w, wide);
	await_text(&o, text, 1 + 79);
	assert_int_equal(strspn(text + 1, "w"), 79);
	assert_int_equal(writer_end(o.w, -1), 0);
	read_text(&o, text);
	assert_int_equal(strlen(text), 1 + 79 + 1);
	assert_int_equal(strspn(text + 1, " "), 79);
	close_output(&o);
}

/* A terminal of that width, whose other end is o->fds[0].  Returns whether
 * there is one. */
static int open_terminal(struct output *o, unsigned columns)
{
	const struct winsize size = { .ws_col = (unsigned short)columns,
				      .ws_row = 24 };
	char name[64];

	o->fds[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (o->fds[0] < 0)
		return 0; /* a system without terminals */
	assert_int_equal(grantpt(o->fds[0]), 0);
	assert_int_equal(unlockpt(o->fds[0]), 0);
	assert_int_equal(ptsname_r(o->fds[0], name, sizeof(name)), 0);
	o->fds[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(o->fds[1] >= 0);
	assert_int_equal(ioctl(o->fds[1], TIOCSWINSZ, &size), 0);
	o->w = writer_new(o->fds[1], 0);
	assert_non_null(o->w);
	writer_start(o->w);
	return 1;
}

/* Several rows are drawn over, and erased before a line; one that a narrower
 * terminal has wrapped takes more of them. */
static void test_show_rows(void **state)
{
	struct winsize size = { .ws_col = 20, .ws_row = 24 };
	char text[TEXT_MAX];
	struct output o;

	(void)state;
	assert_int_equal(setenv("TERM", "dumb", 1), 0);
	if (!open_terminal(&o, 40))
		skip();
	assert_int_equal(writer_rows(o.w), 1);
	assert_int_equal(writer_end(o.w, -1), 0);
	close_output(&o);
	assert_int_equal(setenv("TERM", "xterm", 1), 0);
	assert_true(open_terminal(&o, 40));
	assert_int_equal(writer_rows(o.w), WRITER_ROWS_MAX);
	assert_int_equal(writer_columns(o.w), 39);
	writer_show(o.w, "one\ntwo");
	/* the terminal puts a carriage return before a newline */
	expect_text(&o, "one\r\r\ntwo");
	writer_show(o.w, "three\nfour\nfive");
	expect_text(&o, "\r\33[1A\33[Jthree\r\r\nfour\r\r\nfive");
	put_text(o.w, "line\n");
	expect_text(&o, "\r\33[2A\33[Jline\r\n");
	writer_show(o.w, "a row of thirty-three characters.");
	await_text(&o, text, 34);
	assert_int_equal(ioctl(o.fds[1], TIOCSWINSZ, &size), 0);
	writer_show(o.w, "short");
	expect_text(&o, "\r\33[1A\33[Jshort");
	assert_int_equal(writer_end(o.w, -1), 0);
	close_output(&o);
}

/* Of a longer text that was drawn over nothing is left, no spaces either: a
 * terminal that becomes narrower would wrap them. */
static void test_show_shorter(void **state)
{
	struct winsize size = { .ws_col = 20, .ws_row = 24 };
	char text[TEXT_MAX];
	struct output o;

	(void)state;
	assert_int_equal(setenv("TERM", "xterm", 1), 0);
	if (!open_terminal(&o, 60))
		skip();
	writer_show(o.w, "a text of 30 columns, that is.");
	await_text(&o, text, 1 + 30);
	writer_show(o.w, "one of 17 columns");
	expect_text(&o, "\rone of 17 columns\33[K");
	assert_int_equal(ioctl(o.fds[1], TIOCSWINSZ, &size), 0);
	writer_show(o.w, "");
	expect_text(&o, "\r\33[K");
	assert_int_equal(writer_end(o.w, -1), 0);
	close_output(&o);
}

/* The longest text, on a terminal that is wide enough for all of it. */
static void test_show_on_a_wide_terminal(void **state)
{
	const int len = WRITER_SHOWN_MAX - 1;
	char text[TEXT_MAX], wide[WRITER_SHOWN_MAX];
	struct output o;

	(void)state;
	if (!open_terminal(&o, 2 * WRITER_SHOWN_MAX))
		skip();
	memset(wide, 'w', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	writer_show(o.w, wide);
	await_text(&o, text, 1 + (size_t)len);
	assert_int_equal(strspn(text + 1, "w"), len);
	assert_int_equal(writer_end(o.w, -1), 0);
	close_output(&o);
	/* it is taken away by as many spaces, and nothing else */
	assert_int_equal(setenv("TERM", "dumb", 1), 0);
	assert_true(open_terminal(&o, 2 * WRITER_SHOWN_MAX));
	writer_show(o.w, wide);
	await_text(&o, text, 1 + (size_t)len);
	writer_show(o.w, "");
	await_text(&o, text, 1 + (size_t)len + 1);
	assert_int_equal(strspn(text + 1, " "), len);
	assert_string_equal(text + 1 + len, "\r");
	assert_int_equal(writer_end(o.w, -1), 0);
	close_output(&o);
}

/* For a terminal that stands still the latest text is kept, and no more. */
static void test_only_the_latest_is_shown(void **state)
{
	struct output o = open_output(0);
	char text[TEXT_MAX], fill[LINE_QUEUE_LINE_MAX];
	size_t shown = 0;
	ssize_t n;

	(void)state;
	memset(fill, 'x', sizeof(fill));
	fill[sizeof(fill) - 1] = '\n';
	writer_start(o.w);
	for (int i = 0; i < 4; i++)
		assert_int_equal(writer_put(o.w, WRITER_KEEP, fill,
					    sizeof(fill)), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "shown %d", i);
		writer_show(o.w, text);
	}
	for (size_t left = 4 * sizeof(fill); left > 0; left -= (size_t)n) {
		n = read(o.fds[0], text,
			 left < sizeof(text) ? left : sizeof(text));
		assert_true(n > 0);
		shown += memchr(text, 's', (size_t)n) != NULL;
	}
	assert_int_equal(shown, 0);
	expect_text(&o, "\rshown 999");
	assert_int_equal(writer_end(o.w, -1), 0);
	close_output(&o);
}

enum { THREADS = 4 };

static struct output shared;

static void *produce(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < MANY / THREADS; i++) {
		put(shared.w, WRITER_MAY_DROP, i);
		writer_show(shared.w, "");
		writer_put(shared.w, WRITER_KEEP, "kept!\n", 6);
	}
	return NULL;
}

static void *count_lines(void *arg)
{
	size_t *lines = arg;
	char text[TEXT_MAX], last = 0;
	ssize_t n;

	while ((n = read(shared.fds[0], text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			*lines += text[i] == '\n' && last == '!';
			last = text[i];
		}
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS], reader;
	size_t lines = 0;

	(void)state;
	shared = open_output(1);
	writer_start(shared.w);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, produce,
						NULL), 0);
	assert_int_equal(pthread_create(&reader, NULL, count_lines, &lines),
			 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(writer_end(shared.w, -1), 0);
	io_close(&shared.fds[1]);
	assert_int_equal(pthread_join(reader, NULL), 0);
	assert_int_equal(lines, MANY / THREADS * THREADS);
	close_output(&shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_thread),
		cmocka_unit_test(test_with_a_thread),
		cmocka_unit_test(test_paused_reader),
		cmocka_unit_test(test_what_is_dropped),
		cmocka_unit_test(test_one_does_not_hold_up_another),
		cmocka_unit_test(test_reader_goes_away),
		cmocka_unit_test(test_goes_on_after_an_error),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_with_a_reader),
		cmocka_unit_test(test_pieces_are_whole_lines),
		cmocka_unit_test(test_show),
		cmocka_unit_test(test_show_rows),
		cmocka_unit_test(test_show_shorter),
		cmocka_unit_test(test_show_on_a_wide_terminal),
		cmocka_unit_test(test_only_the_latest_is_shown),
		cmocka_unit_test(test_threads),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
