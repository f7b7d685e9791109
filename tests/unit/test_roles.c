/*
 * Unit tests of who sends and who connects: both engines in one process, over
 * loopback TCP with the real handshakes, in either pairing of roles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "net_fixture.h"
#include "pattern.h"
#include "scrypt_once.h"

#include "auth/pake.h"
#include "base/io.h"
#include "net/connector.h"
#include "receiver/receive.h"
#include "sender/send.h"
#include "session/connecting.h"
#include "session/acceptor.h"

enum { SMALL_FILES = 20, SMALL = 300, LARGE = 24 << 20, STREAMS = 3 };

static const char code[] = "4821-river-anchor";
static const char wrong_code[] = "4822-river-anchor";
static const struct cidr_list anywhere;

/* ---- how many connections were accepted ---- */

static atomic_int accepted_count;

/* In place of libc's: which of them is called depends on the build. */
int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags)
{
	const long got = syscall(SYS_accept4, fd, addr.__sockaddr__, len,
				 flags);

	if (got >= 0)
		atomic_fetch_add(&accepted_count, 1);
	return (int)got;
}

int accept(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	return accept4(fd, addr, len, 0);
}

/* ---- a side in its thread ---- */

struct side_of {
	enum net_role role;
	enum security mode;
	const char *code;
	const char *key;
	_Atomic uint16_t port; /* to connect to; where it listens: 0, then the port */
	int listening; /* eventfd: gets the port, or 1 when it has ended */
	int cancel;    /* eventfd */
	enum sandbox_mode sandbox;
	struct session_events events;
	pthread_mutex_t lock;
	char said[512]; /* the last message; with the lock */
	pthread_t thread;
	int rc;
	struct err e;
	/* as loaded */
	struct tls *tls;
	struct pake *pake;
};

static void on_listening(void *ctx, const char *address, uint16_t port)
{
	struct side_of *s = ctx;

	assert_non_null(strstr(address, "127.0.0.1:"));
	s->port = port;
	assert_int_equal(eventfd_write(s->listening, port), 0);
}

/* Returns 0 or an error; credentials_free() in both cases. */
static int credentials_load(struct side_of *s)
{
	const struct tls_config cfg = { .mode = s->mode,
					.role = s->role,
					.key_file = s->key };

	if (s->mode == SECURITY_PLAIN)
		return 0;
	s->tls = tls_new(&cfg, &s->e);
	if (s->tls && s->mode == SECURITY_CODE)
		s->pake = pake_new(s->code, &s->e);
	return s->e.code;
}

static void credentials_free(struct side_of *s)
{
	pake_free(s->pake);
	tls_free(s->tls);
}

static void *send_main(void *arg)
{
	struct side_of *s = arg;
	struct send_config cfg = {
		.is_listening = s->role == NET_LISTENS,
		.receivers = 1,
		.allow = &anywhere,
		.dest = { .host = "127.0.0.1", .port = s->port },
		.net = loopback_options(),
		.security = s->mode,
		.digest = &digest_xxh3,
		.codec = { .ops = &codec_none },
		.streams = STREAMS,
		.scan = scan_new(SCAN_KEEP),
		.sandbox = s->sandbox,
		.stdin_fd = -1,
		.timeout_ms = FIXTURE_TIMEOUT_MS,
		.cancel_fd = s->cancel,
		.events = &s->events,
	};
	struct session_summary summary;

	s->rc = credentials_load(s);
	if (s->rc == 0)
		s->rc = scan_add(cfg.scan, "from", &s->e);
	cfg.tls = s->tls;
	cfg.code.pake = s->pake;
	if (s->rc == 0)
		s->rc = send_run(&cfg, &summary, &s->e);
	credentials_free(s);
	scan_free(cfg.scan);
	(void)eventfd_write(s->listening, 1);
	return NULL;
}

static void *receive_main(void *arg)
{
	struct side_of *s = arg;
	const struct host_port dest = { .host = "127.0.0.1", .port = s->port };
	struct receive_config cfg = {
		.connect_to = s->role == NET_CONNECTS ? &dest : NULL,
		.net = loopback_options(),
		.security = s->mode,
		.dir = "to",
		.stdout_fd = -1,
		.sandbox = s->sandbox,
		.allow = &anywhere,
		.max_size = UINT64_MAX,
		.max_files = UINT64_MAX,
		.once = 1,
		.sync = SYNC_BATCH,
		.max_sessions = 1,
		.timeout_ms = FIXTURE_TIMEOUT_MS,
		.cancel_fd = s->cancel,
		.events = &s->events,
	};

	if (s->sandbox != SANDBOX_OFF && cfg.connect_to)
		s->rc = connecting_start(cfg.connect_to, &cfg.net, s->sandbox,
					 &cfg.connector, &s->e);
	if (s->rc == 0)
		s->rc = credentials_load(s);
	cfg.tls = s->tls;
	cfg.code.pake = s->pake;
	if (s->rc == 0)
		s->rc = receive_run(&cfg, &s->e);
	connector_stop(cfg.connector);
	credentials_free(s);
	(void)eventfd_write(s->listening, 1);
	return NULL;
}

static void side_prepare(struct side_of *s, enum security mode,
			 enum net_role role, struct place *p)
{
	memset(s, 0, sizeof(*s));
	s->role = role;
	s->mode = mode;
	s->code = code;
	s->key = place_path(p, "key");
	s->sandbox = SANDBOX_OFF;
	pthread_mutex_init(&s->lock, NULL);
	s->listening = eventfd(0, EFD_CLOEXEC);
	s->cancel = eventfd(0, EFD_CLOEXEC);
	s->events.listening = on_listening;
	s->events.ctx = s;
}

static void side_start(struct side_of *s, void *(*run)(void *))
{
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

static void side_join(struct side_of *s)
{
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	close(s->listening);
	close(s->cancel);
	pthread_mutex_destroy(&s->lock);
}

/* Run both: the one that listens first. */
static void run(struct side_of *listens, void *(*listen_run)(void *),
		struct side_of *connects, void *(*connect_run)(void *))
{
	eventfd_t value;

	atomic_store(&accepted_count, 0);
	side_start(listens, listen_run);
	assert_int_equal(eventfd_read(listens->listening, &value), 0);
	assert_int_not_equal(listens->port, 0);
	connects->port = listens->port;
	side_start(connects, connect_run);
	side_join(connects);
	side_join(listens);
}

/* ---- what is sent ---- */

struct world {
	struct place *place;
	int back; /* the directory we came from */
};

static uint8_t *make_content(size_t n)
{
	uint8_t *p = malloc(n);

	assert_non_null(p);
	pattern_fill(p, n, 0);
	return p;
}

static void make_sources(void)
{
	uint8_t *p = make_content(LARGE);
	char path[64];

	assert_int_equal(mkdir("from", 0755), 0);
	place_write("from/large", p, LARGE, 0644);
	for (int i = 0; i < SMALL_FILES; i++) {
		snprintf(path, sizeof(path), "from/%d", i);
		place_write(path, p + i, SMALL, 0644);
	}
	free(p);
}

static void check_file(const char *path, const uint8_t *want, size_t n)
{
	uint8_t *got = malloc(n + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_non_null(got);
	assert_true(fd >= 0);
	assert_int_equal(io_read(fd, got, n + 1), n);
	assert_memory_equal(got, want, n);
	close(fd);
	free(got);
}

static void check_all_came(void)
{
	uint8_t *p = make_content(LARGE);
	char path[64];

	check_file("to/from/large", p, LARGE);
	for (int i = 0; i < SMALL_FILES; i++) {
		snprintf(path, sizeof(path), "to/from/%d", i);
		check_file(path, p + i, SMALL);
	}
	free(p);
}

/* ---- both pairings ---- */

static void transfer(void **state, enum net_role sender, enum security mode)
{
	struct world *w = *state;
	struct side_of s, r;

	side_prepare(&s, mode, sender, w->place);
	side_prepare(&r, mode,
		     sender == NET_CONNECTS ? NET_LISTENS : NET_CONNECTS,
		     w->place);
	if (sender == NET_CONNECTS)
		run(&r, receive_main, &s, send_main);
	else
		run(&s, send_main, &r, receive_main);
	assert_string_equal(s.e.text, "");
	assert_string_equal(r.e.text, "");
	assert_int_equal(s.rc, 0);
	assert_int_equal(r.rc, 0);
	check_all_came();
	/* Further streams were there, too. */
	assert_within(atomic_load(&accepted_count), 2, STREAMS);
}

static void sender_connects_plain(void **state)
{
	transfer(state, NET_CONNECTS, SECURITY_PLAIN);
}

static void sender_connects_with_a_key(void **state)
{
	transfer(state, NET_CONNECTS, SECURITY_PSK);
}

static void sender_connects_with_a_code(void **state)
{
	transfer(state, NET_CONNECTS, SECURITY_CODE);
}

static void receiver_connects_plain(void **state)
{
	transfer(state, NET_LISTENS, SECURITY_PLAIN);
}

static void receiver_connects_with_a_key(void **state)
{
	transfer(state, NET_LISTENS, SECURITY_PSK);
}

static void receiver_connects_with_a_code(void **state)
{
	transfer(state, NET_LISTENS, SECURITY_CODE);
}

/* Run it confined: in a process of its own, as that cannot be undone. */
static pid_t start_confined(struct side_of *s, void *(*run_side)(void *))
{
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	s->sandbox = SANDBOX_AUTO;
	run_side(s);
	if (s->rc)
		print_error("%s\n", s->e.text);
	_exit(s->rc != 0);
}

static void check_child(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Where the receiver connects, both can be confined. */
static void both_can_be_confined(void **state)
{
	struct world *w = *state;
	struct side_of s, r;
	eventfd_t port;
	pid_t sender, receiver;

	side_prepare(&s, SECURITY_PSK, NET_LISTENS, w->place);
	side_prepare(&r, SECURITY_PSK, NET_CONNECTS, w->place);
	sender = start_confined(&s, send_main);
	assert_int_equal(eventfd_read(s.listening, &port), 0);
	assert_within(port, 1024, 65535);
	r.port = (uint16_t)port;
	receiver = start_confined(&r, receive_main);
	check_child(receiver);
	check_child(sender);
	check_all_came();
	close(s.listening);
	close(s.cancel);
	close(r.listening);
	close(r.cancel);
}

/* ---- what must not work ---- */

/* The side that made the code ends with the one wrong guess, whoever sends. */
static void a_wrong_code(void **state, enum net_role sender)
{
	struct world *w = *state;
	struct side_of s, r;

	side_prepare(&s, SECURITY_CODE, sender, w->place);
	side_prepare(&r, SECURITY_CODE,
		     sender == NET_CONNECTS ? NET_LISTENS : NET_CONNECTS,
		     w->place);
	r.code = wrong_code;
	if (sender == NET_CONNECTS)
		run(&r, receive_main, &s, send_main);
	else
		run(&s, send_main, &r, receive_main);
	assert_int_equal(s.rc, ERR_AUTH);
	assert_int_equal(r.rc, ERR_AUTH);
	assert_non_null(strstr((sender == NET_CONNECTS ? &r : &s)->e.text,
			       "this one is no longer valid"));
	assert_non_null(strstr((sender == NET_CONNECTS ? &s : &r)->e.text,
			       "the code was wrong"));
	assert_int_equal(access("to/from", F_OK), -1);
}

static void a_wrong_code_ends_both(void **state)
{
	a_wrong_code(state, NET_CONNECTS);
	a_wrong_code(state, NET_LISTENS);
}

/* Whoever connects to a sender and does not have the key gets nothing, and
 * does not keep out the one who has. */
static void others_get_nothing_from_a_sender_that_listens(void **state)
{
	struct world *w = *state;
	struct side_of s, r, wrong;
	struct net_options opt = loopback_options();
	struct host_port hp = { .host = "127.0.0.1" };
	struct err e = { 0 };
	eventfd_t value;
	char byte;
	int silent;

	side_prepare(&s, SECURITY_PSK, NET_LISTENS, w->place);
	side_prepare(&r, SECURITY_PSK, NET_CONNECTS, w->place);
	side_prepare(&wrong, SECURITY_PSK, NET_CONNECTS, w->place);
	wrong.key = place_path(w->place, "key2");
	side_start(&s, send_main);
	assert_int_equal(eventfd_read(s.listening, &value), 0);
	hp.port = s.port;
	wrong.port = s.port;
	r.port = s.port;
	silent = dial_connect(&hp, &opt, NULL, NULL, &e);
	assert_true(silent >= 0);
	side_start(&wrong, receive_main);
	side_join(&wrong);
	assert_int_equal(wrong.rc, ERR_AUTH);
	assert_int_equal(access("to/from", F_OK), -1);
	side_start(&r, receive_main);
	side_join(&r);
	side_join(&s);
	assert_int_equal(r.rc, 0);
	assert_int_equal(s.rc, 0);
	check_all_came();
	/* Nothing but the end. */
	assert_true(recv(silent, &byte, 1, 0) <= 0);
	close(silent);
}

static void on_message(void *ctx, enum session_level level, const char *text)
{
	struct side_of *s = ctx;

	(void)level;
	pthread_mutex_lock(&s->lock);
	snprintf(s->said, sizeof(s->said), "%s", text);
	pthread_mutex_unlock(&s->lock);
	assert_int_equal(eventfd_write(s->listening, 1), 0);
}

static int has_said(struct side_of *s, const char *text)
{
	int has;

	pthread_mutex_lock(&s->lock);
	has = strstr(s->said, text) != NULL;
	pthread_mutex_unlock(&s->lock);
	return has;
}

/* Two of a kind: who connects ends with a text that says so, the other one says
 * it too and goes on to listen. */
static void two_of_a_kind(void **state, void *(*run_side)(void *),
			  enum security mode, const char *why)
{
	struct world *w = *state;
	struct side_of a, b;
	eventfd_t value;

	side_prepare(&a, mode, NET_LISTENS, w->place);
	side_prepare(&b, mode, NET_CONNECTS, w->place);
	a.events.message = on_message;
	side_start(&a, run_side);
	while (!a.port)
		assert_int_equal(eventfd_read(a.listening, &value), 0);
	b.port = a.port;
	side_start(&b, run_side);
	side_join(&b);
	assert_int_equal(b.rc, ERR_PROTOCOL);
	assert_non_null(strstr(b.e.text, why));
	while (!has_said(&a, why))
		assert_int_equal(eventfd_read(a.listening, &value), 0);
	assert_int_equal(eventfd_write(a.cancel, 1), 0);
	side_join(&a);
	assert_int_equal(a.rc, ERR_INTERRUPTED);
	assert_int_equal(access("to/from", F_OK), -1);
}

static void two_senders_are_told(void **state)
{
	two_of_a_kind(state, send_main, SECURITY_PSK, "both sides send");
	two_of_a_kind(state, send_main, SECURITY_PLAIN, "both sides send");
}

static void two_receivers_are_told(void **state)
{
	two_of_a_kind(state, receive_main, SECURITY_PSK, "both sides receive");
	two_of_a_kind(state, receive_main, SECURITY_PLAIN,
		      "both sides receive");
}

/* A signal ends the wait for a receiver, before one came and while one that
 * says nothing is there. */
static void a_sender_that_listens_can_be_cancelled(void **state)
{
	struct world *w = *state;

	for (int is_pending = 0; is_pending < 2; is_pending++) {
		struct net_options opt = loopback_options();
		struct host_port hp = { .host = "127.0.0.1" };
		struct side_of s;
		struct err e = { 0 };
		eventfd_t value;
		int silent = -1;

		side_prepare(&s, SECURITY_PSK, NET_LISTENS, w->place);
		side_start(&s, send_main);
		assert_int_equal(eventfd_read(s.listening, &value), 0);
		hp.port = s.port;
		if (is_pending)
			silent = dial_connect(&hp, &opt, NULL, NULL, &e);
		assert_int_equal(eventfd_write(s.cancel, 1), 0);
		side_join(&s);
		if (s.rc != ERR_INTERRUPTED)
			print_error("%s\n", s.e.text);
		assert_int_equal(s.rc, ERR_INTERRUPTED);
		if (silent >= 0)
			close(silent);
	}
}

/* The same for a receiver that connects to one who says nothing. */
static void a_receiver_that_connects_can_be_cancelled(void **state)
{
	struct world *w = *state;
	struct net_options opt = loopback_options();
	struct pollfd pfd = { .events = POLLIN };
	struct side_of r;
	struct err e = { 0 };
	char local[ADDR_TEXT_MAX];
	uint16_t port;

	side_prepare(&r, SECURITY_PSK, NET_CONNECTS, w->place);
	pfd.fd = dial_listen(0, &opt, local, &port, &e);
	r.port = port;
	assert_true(pfd.fd >= 0);
	side_start(&r, receive_main);
	assert_int_equal(poll(&pfd, 1, FIXTURE_TIMEOUT_MS), 1);
	assert_int_equal(eventfd_write(r.cancel, 1), 0);
	side_join(&r);
	assert_int_equal(r.rc, ERR_INTERRUPTED);
	close(pfd.fd);
	/* And the port is closed. */
	side_prepare(&r, SECURITY_PSK, NET_CONNECTS, w->place);
	r.port = port;
	side_start(&r, receive_main);
	side_join(&r);
	assert_int_equal(r.rc, ERR_CONNECT);
}

/* ---- the tests ---- */

static int world_make(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err e = { 0 };
	void *place;

	if (!w || place_make(&place))
		return -1;
	w->place = place;
	w->back = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = w;
	if (key_generate(place_path(place, "key"), &e) ||
	    key_generate(place_path(place, "key2"), &e) ||
	    w->back < 0 || chdir(w->place->dir))
		return -1;
	make_sources();
	return mkdir("to", 0755);
}

static int world_remove(void **state)
{
	struct world *w = *state;
	void *place = w->place;
	int rc = fchdir(w->back);

	close(w->back);
	rc |= place_remove(&place);
	free(w);
	return rc;
}

#define EACH(name)                                                             \
	cmocka_unit_test_setup_teardown(name, world_make, world_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(sender_connects_plain),
		EACH(sender_connects_with_a_key),
		EACH(sender_connects_with_a_code),
		EACH(receiver_connects_plain),
		EACH(receiver_connects_with_a_key),
		EACH(receiver_connects_with_a_code),
		EACH(both_can_be_confined),
		EACH(a_wrong_code_ends_both),
		EACH(others_get_nothing_from_a_sender_that_listens),
		EACH(two_senders_are_told),
		EACH(two_receivers_are_told),
		EACH(a_sender_that_listens_can_be_cancelled),
		EACH(a_receiver_that_connects_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
