/*
 * What a session's events become on standard error and as JSON lines, and
 * that an output which fails harms nothing.
 */
#include "cmd/report.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "cmd/common.h"
#include "cmd/outputs.h"
#include "cmd/progress_lines.h"
#include "net/local_addrs.h"

enum { TEXT_MAX = 256 * 1024 };

/* Whether writers have their threads, as in a session. */
static int is_started;

static int begin_started(void **state)
{
	(void)state;
	is_started = 1;
	return 0;
}

static int end_started(void **state)
{
	(void)state;
	is_started = 0;
	return 0;
}

/* Standard error and the JSON lines in memory, while a report lives. */
struct capture {
	struct report *report;
	const struct session_events *ev;
	void *ctx;
	int saved, err_fd, json_fd;
	char err[TEXT_MAX], json[TEXT_MAX];
};

static struct capture *start(struct report_config cfg, int with_json)
{
	struct capture *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->err_fd = memfd_create("stderr", MFD_CLOEXEC);
	c->json_fd = memfd_create("json", MFD_CLOEXEC);
	c->saved = dup(STDERR_FILENO);
	assert_true(c->err_fd >= 0 && c->json_fd >= 0 && c->saved >= 0);
	assert_int_equal(dup2(c->err_fd, STDERR_FILENO), STDERR_FILENO);
	if (cfg.json_fd == 0)
		cfg.json_fd = with_json ? c->json_fd : -1;
	c->report = report_new(&cfg);
	assert_non_null(c->report);
	c->ev = report_events(c->report);
	c->ctx = c->ev->ctx;
	if (is_started)
		c->ev->started(c->ctx);
	return c;
}

/* End the report; what was printed is in c->err and c->json then. */
static void finish(struct capture *c, int code, struct err *e)
{
	assert_int_equal(report_end(c->report, -1, code, e), code);
	report_free(c->report);
	dup2(c->saved, STDERR_FILENO);
	assert_true(io_pread(c->err_fd, c->err, TEXT_MAX - 1, 0) >= 0);
	assert_true(io_pread(c->json_fd, c->json, TEXT_MAX - 1, 0) >= 0);
	close(c->saved);
	close(c->err_fd);
	close(c->json_fd);
}

static const struct report_config sender = {
	.is_sender = 1, .is_single = 1, .security = SECURITY_PSK,
	.peer = "h\x1b", .progress = PROGRESS_AUTO,
};
static const struct report_config receiver = {
	.security = SECURITY_PSK, .dir = "in\n", .progress = PROGRESS_AUTO,
};

static void begin_session(struct capture *c, uint64_t number,
			  const char *address, const char *security)
{
	const struct session_peer peer = { .address = address,
					   .security = security,
					   .identity = "CN=a\x1b" };

	c->ev->session(c->ctx, number, &peer);
}

static void send_files(struct capture *c)
{
	static const uint8_t digest[DIGEST_MAX] = { 0xab };
	const struct session_file files[] = {
		{ .name = "a/b", .name_len = 3, .size = 5,
		  .status = STATUS_COMMITTED, .digest_ops = &digest_crc32,
		  .digest = digest },
		{ .name = "u\xff", .name_len = 2, .size = 6,
		  .status = STATUS_UNCHANGED },
		{ .name = "s", .name_len = 1, .size = 7,
		  .status = STATUS_SKIPPED },
		{ .name = "f", .name_len = 1, .status = STATUS_FAILED,
		  .error = "f: on h: full" },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		c->ev->file(c->ctx, 1, &files[i]);
}

static void test_sender(void **state)
{
	struct capture *c = start(sender, 1);
	struct session_summary s = { .files = 2, .bytes = 2048,
				     .new_bytes = 2048, .sent_bytes = 2048,
				     .payload_bytes = 2000,
				     .wire_bytes = 3000, .seconds = 2 };

	(void)state;
	begin_session(c, 1, "192.0.2.1:9473", "psk");
	c->ev->message(c->ctx, SESSION_VERBOSE, "details");
	c->ev->message(c->ctx, SESSION_WARNING, "beware");
	send_files(c);
	c->ev->summary(c->ctx, 1, &s, NULL);
	finish(c, 0, NULL);
	assert_string_equal(
		c->err,
		"ferry: warning: beware\n"
		"ferry: s: skipped by the receiver\n"
		"ferry: f: on h: full\n"
		"ferry: h\\x1b has all 2 files: 2 sent (2.0 KiB); 2.9 KiB on "
		"the line in 2.0 s\n");
	assert_string_equal(
		c->json,
		"{\"event\":\"session\",\"peer\":\"192.0.2.1:9473\","
		"\"security\":\"psk\",\"peer_id\":\"CN=a\\u001b\"}\n"
		"{\"event\":\"warning\",\"message\":\"beware\"}\n"
		"{\"event\":\"file\",\"path\":\"a/b\",\"size\":5,"
		"\"status\":\"committed\",\"digest\":\"crc32:ab000000\"}\n"
		"{\"event\":\"file\",\"path_base64\":\"df8=\",\"size\":6,"
		"\"status\":\"unchanged\"}\n"
		"{\"event\":\"file\",\"path\":\"s\",\"size\":7,"
		"\"status\":\"skipped\"}\n"
		"{\"event\":\"file\",\"path\":\"f\",\"size\":0,"
		"\"status\":\"failed\",\"error\":\"f: on h: full\"}\n"
		"{\"event\":\"summary\",\"exit\":0,\"files\":2,"
		"\"bytes\":2048,\"sent_bytes\":2048,\"payload_bytes\":2000,"
		"\"wire_bytes\":3000,\"resent_bytes\":0,"
		"\"seconds\":2.000,\"unchanged\":0,\"skipped\":0,"
		"\"failed\":0}\n");
	free(c);
}

static void test_renamed(void **state)
{
	struct report_config cfg = receiver;
	const struct session_file files[] = {
		{ .name = "d/a", .name_len = 3, .size = 5,
		  .renamed_to = "d/a (1)\n", .status = STATUS_COMMITTED },
		{ .name = "b", .name_len = 1, .size = 6,
		  .renamed_to = "b (1)\xff", .status = STATUS_UNCHANGED },
	};

	(void)state;
	for (cfg.quiet = 0; cfg.quiet < 2; cfg.quiet++) {
		struct capture *c = start(cfg, 1);

		c->ev->file(c->ctx, 1, &files[0]);
		c->ev->file(c->ctx, 1, &files[1]);
		finish(c, 0, NULL);
		assert_string_equal(c->err,
				    cfg.quiet ? "" :
						"ferry: session 1: d/a: exists "
						"already; committed as d/a "
						"(1)\\n\n");
		assert_string_equal(
			c->json,
			"{\"event\":\"file\",\"session\":1,"
			"\"path\":\"d/a\",\"size\":5,"
			"\"status\":\"committed\","
			"\"renamed_to\":\"d/a (1)\\u000a\"}\n"
			"{\"event\":\"file\",\"session\":1,"
			"\"path\":\"b\",\"size\":6,"
			"\"status\":\"unchanged\","
			"\"renamed_to_base64\":\"YiAoMSn/\"}\n");
		free(c);
	}
}

static void test_quiet_says_errors_only(void **state)
{
	struct report_config cfg = sender;
	struct session_summary s = { .files = 1 };
	struct capture *c;

	(void)state;
	cfg.quiet = 1;
	cfg.security = SECURITY_PLAIN;
	c = start(cfg, 0);
	begin_session(c, 1, "192.0.2.1:9473", "plain");
	c->ev->message(c->ctx, SESSION_WARNING, "beware");
	c->ev->message(c->ctx, SESSION_ERROR, "error");
	send_files(c);
	c->ev->summary(c->ctx, 1, &s, NULL);
	finish(c, 0, NULL);
	assert_string_equal(c->err, "ferry: error\nferry: f: on h: full\n");
	assert_string_equal(c->json, "");
	free(c);
}

static void test_verbose_names_each_file(void **state)
{
	struct report_config cfg = sender;
	struct capture *c;

	(void)state;
	cfg.verbose = 1;
	c = start(cfg, 0);
	send_files(c);
	finish(c, 0, NULL);
	assert_string_equal(c->err, "ferry: a/b: committed (5 B)\n"
				    "ferry: s: skipped by the receiver\n"
				    "ferry: f: on h: full\n");
	free(c);
	cfg.verbose = 2;
	c = start(cfg, 0);
	send_files(c);
	finish(c, 0, NULL);
	assert_string_equal(c->err, "ferry: a/b: committed (5 B)\n"
				    "ferry: u\\xff: unchanged (6 B)\n"
				    "ferry: s: skipped by the receiver\n"
				    "ferry: f: on h: full\n");
	free(c);
}

/* Also where there is one at the time; not where there will be no other. */
static void test_sessions_are_named(void **state)
{
	const struct session_file f = { .name = "f", .name_len = 1,
					.status = STATUS_FAILED,
					.error = "f: full" };
	struct report_config once = receiver;
	struct capture *c = start(receiver, 0);

	(void)state;
	begin_session(c, 1, "p", "psk");
	c->ev->file(c->ctx, 1, &f);
	begin_session(c, 2, "q", "psk");
	c->ev->file(c->ctx, 2, &f);
	finish(c, 0, NULL);
	assert_non_null(strstr(c->err, "\nferry: session 1: f: full\n"));
	assert_non_null(strstr(c->err, "\nferry: session 2: f: full\n"));
	free(c);
	once.is_single = 1;
	c = start(once, 0);
	begin_session(c, 1, "p", "psk");
	c->ev->file(c->ctx, 1, &f);
	finish(c, 0, NULL);
	assert_non_null(strstr(c->err, "\nferry: f: full\n"));
	free(c);
}

/* "all committed" is said of a whole success only, and nothing at all where
 * nothing was committed: the caller prints the error. */
static void test_failed_send(void **state)
{
	struct session_summary s = { .code = ERR_SOME_FAILED, .files = 1,
				     .unchanged = 1, .failed = 3,
				     .seconds = 0.02 };
	struct capture *c = start(sender, 1);
	struct err e;

	(void)state;
	err_set(&e, ERR_SOME_FAILED, "3 failed");
	c->ev->summary(c->ctx, 1, &s, &e);
	finish(c, ERR_SOME_FAILED, &e);
	assert_string_equal(c->err, "ferry: h\\x1b has 1 of 4 files: 1 "
				    "unchanged, 3 failed; 0 B on the line in "
				    "20 ms\n");
	/* one summary, though report_end() was told of the failure too */
	assert_non_null(strstr(c->json, "\"exit\":1,"));
	assert_non_null(strstr(c->json, ",\"error\":\"3 failed\"}\n"));
	assert_null(strstr(strchr(c->json, '\n') + 1, "summary"));
	free(c);

	c = start(sender, 0);
	s.files = 0;
	c->ev->summary(c->ctx, 1, &s, &e);
	finish(c, ERR_SOME_FAILED, &e);
	assert_string_equal(c->err, "");
	free(c);
}

static void test_failure_without_a_session(void **state)
{
	struct capture *c = start(sender, 1);
	struct err e;

	(void)state;
	err_set(&e, ERR_LOCAL, "no such file");
	finish(c, ERR_LOCAL, &e);
	assert_string_equal(c->err, "");
	assert_non_null(strstr(c->json, "{\"event\":\"summary\",\"exit\":7,"));
	assert_non_null(strstr(c->json, ",\"error\":\"no such file\"}\n"));
	free(c);
}

static void test_receiver(void **state)
{
	struct capture *c = start(receiver, 1);
	struct session_summary s = { .files = 1, .bytes = 1, .new_bytes = 1,
				     .sent_bytes = 1, .payload_bytes = 1,
				     .seconds = 1 };
	struct err e;

	(void)state;
	c->ev->listening(c->ctx, "[2001:db8::1]:9473", 9473);
	begin_session(c, 1, "192.0.2.1:1", "psk");
	begin_session(c, 2, "192.0.2.2:2", "psk");
	c->ev->summary(c->ctx, 1, &s, NULL);
	/* errors begin with the peer, which is said once */
	s.code = err_set(&e, ERR_LOST, "192.0.2.2:2: lost");
	s.failed = 1;
	s.files = 1201;
	s.unchanged = 1200;
	/* not of what was on the line */
	s.wire_bytes = 1024;
	s.done_bytes = 3 << 20;
	s.total_bytes = 4 << 20;
	c->ev->summary(c->ctx, 2, &s, &e);
	finish(c, ERR_INTERRUPTED, &e);
	assert_string_equal(
		c->err,
		"ferry: receiving into in\\n on [2001:db8::1]:9473 "
		"(TLS, shared key)\n"
		"ferry: session 1 from 192.0.2.1:1 began\n"
		"ferry: session 2 from 192.0.2.2:2 began\n"
		"ferry: session 1 from 192.0.2.1:1: received 1 file (1 B); "
		"0 B on the line in 1.0 s\n"
		"ferry: session 2 from 192.0.2.2:2: lost (received 1 file "
		"(1 B), 1,200 unchanged, 1 failed; 1.0 KiB on the line in "
		"1.0 s)\n"
		"ferry: session 2 from 192.0.2.2:2 stopped after 3.0 MiB of at "
		"least 4.0 MiB, 1,201 files committed; when the same is sent "
		"again, it goes on from there\n");
	assert_non_null(strstr(c->json, "{\"event\":\"listening\",\"address\":"
					"\"2001:db8::1\",\"port\":9473}\n"));
	assert_non_null(strstr(c->json, "{\"event\":\"session\",\"session\":2,"
					"\"peer\":\"192.0.2.2:2\","));
	assert_non_null(strstr(c->json, "{\"event\":\"summary\",\"session\":2,"
					"\"exit\":6,"));
	/* ended by a signal: no summary beside those of the sessions */
	assert_null(strstr(c->json, "\"event\":\"summary\",\"exit\""));
	free(c);
}

static void test_plain_has_a_warning(void **state)
{
	struct report_config cfg = receiver;
	struct capture *c;

	(void)state;
	cfg.security = SECURITY_PLAIN;
	cfg.dir = NULL;
	c = start(cfg, 0);
	c->ev->listening(c->ctx, "192.0.2.9", 7);
	finish(c, 0, NULL);
	assert_string_equal(
		c->err,
		"ferry: receiving to standard output on 192.0.2.9:7 (not "
		"encrypted)\n"
		"ferry: warning: --plain: anyone on the network can read and "
		"change the data\n");
	free(c);
}

static void test_progress_off_a_terminal(void **state)
{
	struct session_progress p = { .total_bytes = 1024, .total_files = 1,
				      .total_is_final = 1 };
	struct capture *c;

	(void)state;
	c = start(sender, 1);
	c->ev->progress(c->ctx, 1, &p);
	finish(c, 0, NULL);
	assert_string_equal(c->err, "");
	assert_string_equal(c->json,
			    "{\"event\":\"progress\",\"bytes\":0,"
			    "\"total_bytes\":1024,\"files\":0,"
			    "\"total_files\":1,\"sent_bytes\":0}\n");
	free(c);

	/* the events of a receiver name the session */
	c = start(receiver, 1);
	c->ev->progress(c->ctx, 3, &p);
	finish(c, 0, NULL);
	assert_non_null(strstr(c->json, ",\"sent_bytes\":0,\"session\":3}\n"));
	free(c);
}

/* A line of each session after a second, and then every 30 s. */
static void test_printed_progress(void **state)
{
	struct session_progress p = { .total_bytes = 1024, .total_files = 1,
				      .total_is_final = 1 };
	struct capture *c = start(receiver, 0);
	struct outputs *out = outputs_new(-1, 0);
	struct progress_lines *l =
		progress_lines_new(out, PROGRESS_PRINTED, 0);

	(void)state;
	progress_lines_begin(l, 1, "a");
	progress_lines_begin(l, 2, "b");
	for (uint64_t t = 5000; t < 37000; t += 100) {
		p.bytes = t / 100;
		progress_lines_update(l, 1, t, &p);
		if (t == 6000)
			progress_lines_end(l, 2);
		progress_lines_update(l, 2, t, &p);
	}
	progress_lines_free(l);
	outputs_end(out, -1);
	outputs_free(out);
	finish(c, 0, NULL);
	assert_string_equal(c->err,
			    "a     5%  60 B / 1.0 KiB  0 B/s  0/1 files\n"
			    "a    35%  360 B / 1.0 KiB  0 B/s  0/1 files\n");
	free(c);
}

static void test_longest_name(void **state)
{
	struct session_file f = { .status = STATUS_FAILED };
	struct capture *c = start(sender, 1);
	char name[4096], error[1500];

	(void)state;
	memset(name, 1, sizeof(name));
	memset(error, 'x', sizeof(error));
	error[sizeof(error) - 1] = '\0';
	name[4095] = '\0';
	f.name = name;
	f.name_len = 4095;
	f.error = error;
	c->ev->file(c->ctx, 1, &f);
	finish(c, 0, NULL);
	assert_int_equal(strlen(c->err), strlen("ferry: ") + 1499 + 1);
	assert_int_equal(strcspn(c->json, "\n") + 1, strlen(c->json));
	assert_true(strlen(c->json) > (size_t)4095 * 6);
	free(c);
}

static void test_json_reader_goes_away(void **state)
{
	struct report_config cfg = sender;
	struct session_summary s = { .files = 1 };
	struct capture *c;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	cfg.json_fd = fds[1];
	cfg.quiet = 1;
	c = start(cfg, 1);
	begin_session(c, 1, "p", "psk");
	c->ev->summary(c->ctx, 1, &s, NULL);
	finish(c, 0, NULL);
	assert_string_equal(c->err, "");
	close(fds[1]);
	free(c);
}

static void test_json_to_a_full_disk(void **state)
{
	const struct session_file f = { .name = "f", .name_len = 1,
					.status = STATUS_COMMITTED };
	struct report_config cfg = sender;
	struct capture *c;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	if (fd < 0)
		skip();
	cfg.json_fd = fd;
	c = start(cfg, 1);
	begin_session(c, 1, "p", "psk");
	c->ev->file(c->ctx, 1, &f);
	finish(c, 0, NULL);
	/* told once */
	assert_string_equal(c->err, "ferry: no more JSON events: No space left "
				    "on device\n");
	close(fd);
	free(c);
}

/* As with 2>&1, where the order shows what belongs together. */
static void test_one_descriptor(void **state)
{
	struct report_config cfg = receiver;
	struct capture *c;

	(void)state;
	cfg.json_fd = STDERR_FILENO;
	cfg.verbose = 1;
	c = start(cfg, 0);
	begin_session(c, 1, "p", "psk");
	begin_session(c, 2, "q", "psk");
	finish(c, 0, NULL);
	assert_string_equal(c->err,
			    "ferry: session 1 from p began "
			    "(TLS, shared key: CN=a\\x1b)\n"
			    "{\"event\":\"session\",\"session\":1,"
			    "\"peer\":\"p\",\"security\":\"psk\","
			    "\"peer_id\":\"CN=a\\u001b\"}\n"
			    "ferry: session 2 from q began "
			    "(TLS, shared key: CN=a\\x1b)\n"
			    "{\"event\":\"session\",\"session\":2,"
			    "\"peer\":\"q\",\"security\":\"psk\","
			    "\"peer_id\":\"CN=a\\u001b\"}\n");
	free(c);
}

static void limit_files(rlim_t size)
{
	struct rlimit lim;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &lim), 0);
	lim.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
}

/* What a pipe holds until its other end is closed. */
struct drain {
	pthread_t thread;
	int fd;
	char *text;
	size_t len;
};

enum { DRAIN_MAX = 8 * 1024 * 1024 };

static void *drain_main(void *arg)
{
	struct drain *d = arg;
	ssize_t n = io_read(d->fd, d->text, DRAIN_MAX - 1);

	d->len = n > 0 ? (size_t)n : 0;
	return NULL;
}

static void drain_start(struct drain *d, int fd)
{
	d->fd = fd;
	d->text = calloc(1, DRAIN_MAX);
	assert_non_null(d->text);
	assert_int_equal(pthread_create(&d->thread, NULL, drain_main, d), 0);
}

/* How many lines begin with start. */
static unsigned count_lines(const char *text, const char *start)
{
	unsigned n = 0;

	for (const char *p = text; p && *p; p = strchr(p, '\n')) {
		p += *p == '\n';
		n += strncmp(p, start, strlen(start)) == 0;
	}
	return n;
}

/* Nobody reads, and the disk is full: what is lost is counted, and the events
 * end where they cannot be kept. */
static void test_no_room_to_keep_lines(void **state)
{
	enum { LINES = 200000 };
	struct report_config cfg = receiver;
	const struct session_file f = { .name = "0123456789", .name_len = 10,
					.size = 5, .status = STATUS_COMMITTED };
	struct drain err, json;
	int err_fds[2], json_fds[2], saved = dup(STDERR_FILENO);
	unsigned files, lost;
	struct report *r;
	const struct session_events *ev;
	const char *told;

	(void)state;
	assert_int_equal(pipe2(err_fds, O_CLOEXEC), 0);
	assert_int_equal(pipe2(json_fds, O_CLOEXEC), 0);
	assert_int_equal(dup2(err_fds[1], STDERR_FILENO), STDERR_FILENO);
	close(err_fds[1]);
	cfg.json_fd = json_fds[1];
	cfg.verbose = 1;
	r = report_new(&cfg);
	assert_non_null(r);
	ev = report_events(r);
	ev->started(ev->ctx);
	limit_files(1024 * 1024);
	for (int i = 0; i < LINES; i++)
		ev->file(ev->ctx, 1, &f);
	drain_start(&err, err_fds[0]);
	drain_start(&json, json_fds[0]);
	report_end(r, -1, 0, NULL);
	report_free(r);
	limit_files(RLIM_INFINITY);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	close(json_fds[1]);
	pthread_join(err.thread, NULL);
	pthread_join(json.thread, NULL);
	files = count_lines(err.text, "ferry: session 1: 0123456789: "
				      "committed");
	assert_true(files > 0 && files < LINES);
	told = strstr(err.text, " messages were dropped here: ");
	assert_non_null(told);
	while (told[-1] != ' ')
		told--;
	lost = (unsigned)strtoul(told, NULL, 10);
	/* and one of them said that the events end */
	assert_int_equal(files + lost, LINES + (strstr(err.text,
			 "no more JSON events: File too large\n") ? 0 : 1));
	files = count_lines(json.text, "{\"event\":\"file\"");
	assert_true(files > 0 && files < LINES);
	assert_int_equal(json.text[json.len - 1], '\n');
	free(err.text);
	free(json.text);
	close(err_fds[0]);
	close(json_fds[0]);
}

enum { THREADS = 4, EVENTS = 200 };

static void *emit(void *arg)
{
	struct capture *c = arg;

	for (int i = 0; i < EVENTS; i++)
		send_files(c);
	return NULL;
}

/* Messages about a session name it where there may be several, as all its other
 * lines do, and events in any case. */
static void test_messages_of_a_session(void **state)
{
	static const char text[] = "the file system does not keep modes";
	struct report_config one = receiver;
	struct capture *c = start(receiver, 1);

	(void)state;
	begin_session(c, 7, "192.0.2.1:5", "psk");
	events_session_message(c->ev, 7, SESSION_WARNING, "%s", text);
	events_message(c->ev, SESSION_WARNING, "beware");
	finish(c, 0, NULL);
	assert_non_null(strstr(c->err, "ferry: warning: session 7: the file "
				       "system does not keep modes\n"));
	assert_non_null(strstr(c->err, "ferry: warning: beware\n"));
	assert_non_null(strstr(c->json,
			       "{\"event\":\"warning\",\"session\":7,"
			       "\"message\":\"the file system does not keep "
			       "modes\"}\n"));
	assert_non_null(strstr(c->json, "{\"event\":\"warning\","
					"\"message\":\"beware\"}\n"));
	free(c);
	one.is_single = 1;
	c = start(one, 0);
	begin_session(c, 1, "192.0.2.1:5", "psk");
	events_session_message(c->ev, 1, SESSION_WARNING, "%s", text);
	finish(c, 0, NULL);
	assert_non_null(strstr(c->err, "ferry: warning: the file system does "
				       "not keep modes\n"));
	free(c);
}

/* Lines of several threads never mix. */
static void test_threads(void **state)
{
	struct capture *c = start(sender, 1);
	pthread_t threads[THREADS];
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, emit, c),
				 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	finish(c, 0, NULL);
	for (char *p = c->json; *p; lines++) {
		char *end = strchr(p, '\n');

		assert_non_null(end);
		assert_memory_equal(p, "{\"event\":\"file\",", 16);
		assert_int_equal(end[-1], '}');
		p = end + 1;
	}
	assert_int_equal(lines, THREADS * EVENTS * 4);
	free(c);
}

/* The code is shown with what the sender has to be told, quiet or not. */
static void test_code(void **state)
{
	static const struct {
		const char *address;
		uint16_t port;
		const char *host; /* NULL: ours */
	} cases[] = {
		{ "192.0.2.9", 7, "192.0.2.9:7" },
		{ "192.0.2.9", 9473, "192.0.2.9" },
		{ "[2001:db8::1]:9473", 9473, "2001:db8::1" },
		{ "2001:db8::1", 7, "[2001:db8::1]:7" },
		{ "127.0.0.2", 9473, "127.0.0.2" },
		{ "::1", 7, "[::1]:7" },
		{ "::", 7, NULL },
		{ "0.0.0.0", 7, NULL },
	};
	struct report_config cfg = receiver;
	char name[256] = "", want[512], place[300];
	struct local_addr ours[LOCAL_ADDRS_MAX];

	(void)state;
	assert_int_equal(gethostname(name, sizeof(name) - 1), 0);
	cfg.security = SECURITY_CODE;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		const char *host = cases[i / 2].host;
		const int is_local = host && (strstr(host, "127.") == host ||
					      strstr(host, "[::1]"));
		struct capture *c;

		cfg.quiet = i % 2;
		c = start(cfg, 1);
		report_set_code(c->report, "4821-river-anchor", NULL);
		c->ev->listening(c->ctx, cases[i / 2].address,
				 cases[i / 2].port);
		finish(c, 0, NULL);
		/* where it listens everywhere: an address of this host, or
		 * its name where it has none */
		if (!host && local_addrs_list(ours,
					      cases[i / 2].address[0] == '0' ?
						      AF_INET : AF_UNSPEC))
			snprintf(place, sizeof(place),
				 strchr(ours[0].address, ':') ? "[%s]:7" :
								"%s:7",
				 ours[0].address);
		else
			snprintf(place, sizeof(place), "%s%s",
				 host ? host : name, host ? "" : ":7");
		snprintf(want, sizeof(want),
			 "ferry: on %s host: ferry send PATH... %s\n",
			 is_local ? "this" : "the other",
			 place);
		if (cfg.quiet)
			assert_string_equal(c->err, "ferry: one-time code:     "
						    "4821-river-anchor\n");
		else
			assert_non_null(strstr(c->err, want));
		if (!cfg.quiet)
			assert_int_equal(strstr(c->err, "must be open to it")
						 != NULL, !is_local);
		assert_non_null(strstr(c->json,
				       "{\"event\":\"code\",\"code\":"
				       "\"4821-river-anchor\"}\n"));
		free(c);
	}
	/* One from a file is not shown. */
	cfg.quiet = 0;
	struct capture *c = start(cfg, 1);

	report_set_code(c->report, NULL, NULL);
	c->ev->listening(c->ctx, "::", 7);
	finish(c, 0, NULL);
	assert_null(strstr(c->err, "one-time code:"));
	assert_null(strstr(c->json, "\"code\""));
	free(c);
}

/* Where a receiver listens is told also when there is no memory left. */
static void test_listening_needs_no_memory(void **state)
{
	struct report_config cfg = receiver;
	struct mallinfo2 before, after;
	struct capture *c;

	(void)state;
	cfg.quiet = 1;
	c = start(cfg, 1);
	before = mallinfo2();
	c->ev->listening(c->ctx, "2001:db8::1", 9473);
	after = mallinfo2();
	finish(c, 0, NULL);
	assert_int_equal(after.uordblks, before.uordblks);
	assert_string_equal(c->json,
			    "{\"event\":\"listening\","
			    "\"address\":\"2001:db8::1\",\"port\":9473}\n");
	free(c);
}

#define test_started(test)                                                     \
	cmocka_unit_test_setup_teardown(test, begin_started, end_started)

static void fail_session(struct capture *c, uint64_t number,
			 const char *address)
{
	const struct session_summary s = { .code = ERR_PROTOCOL };
	struct err e;

	begin_session(c, number, address, "psk");
	err_set(&e, ERR_PROTOCOL, "nonsense");
	c->ev->summary(c->ctx, number, &s, &e);
}

/* A sender cannot fill the log by beginning sessions and failing them, nor hide
 * another sender's. */
static void test_receiver_sessions_without_end(void **state)
{
	enum { COUNT = 1000 };
	struct capture *c = start(receiver, 0);
	unsigned lines = 0;

	(void)state;
	for (unsigned i = 0; i < COUNT; i++)
		fail_session(c, i + 1, "192.0.2.1:99");
	fail_session(c, COUNT + 1, "192.0.2.2:99");
	finish(c, ERR_INTERRUPTED, NULL);
	for (const char *p = c->err; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	assert_true(lines < 250);
	assert_non_null(strstr(c->err, "session 1001 from 192.0.2.2:99"));
	assert_non_null(strstr(c->err, "880 more sessions from 192.0.2.1 "
				       "within a minute"));
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_receiver_sessions_without_end),
		cmocka_unit_test(test_sender),
		test_started(test_sender),
		test_started(test_receiver),
		test_started(test_failed_send),
		test_started(test_progress_off_a_terminal),
		test_started(test_longest_name),
		test_started(test_json_reader_goes_away),
		test_started(test_json_to_a_full_disk),
		test_started(test_one_descriptor),
		test_started(test_messages_of_a_session),
		test_started(test_threads),
		cmocka_unit_test(test_one_descriptor),
		cmocka_unit_test(test_no_room_to_keep_lines),
		cmocka_unit_test(test_renamed),
		cmocka_unit_test(test_quiet_says_errors_only),
		cmocka_unit_test(test_verbose_names_each_file),
		cmocka_unit_test(test_sessions_are_named),
		cmocka_unit_test(test_failed_send),
		cmocka_unit_test(test_failure_without_a_session),
		cmocka_unit_test(test_receiver),
		cmocka_unit_test(test_plain_has_a_warning),
		cmocka_unit_test(test_progress_off_a_terminal),
		cmocka_unit_test(test_printed_progress),
		cmocka_unit_test(test_longest_name),
		cmocka_unit_test(test_json_reader_goes_away),
		cmocka_unit_test(test_json_to_a_full_disk),
		cmocka_unit_test(test_messages_of_a_session),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_code),
		cmocka_unit_test(test_listening_needs_no_memory),
	};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
