/*
 * Unit tests of net/dial: listening, connecting, what each failure is called.
 * No network but loopback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "net_fixture.h"
#include "os_lacks.h"

static int get_int(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

/* What dial.h promises of every connection. */
static void check_socket(int fd)
{
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT),
			 os_lacks("options and figures of TCP") ?
				 0 : FIXTURE_TIMEOUT_MS);
}

/* A port without a listener: bound, so that no other process can listen. */
static uint16_t dead_port(int *fd)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)&sin, &len), 0);
	return ntohs(sin.sin_port);
}

static int has_ipv6(void)
{
	struct net_options opt = { .family = AF_INET6, .bind = "::1" };
	char local[ADDR_TEXT_MAX];
	uint16_t port;
	int fd = dial_listen(0, &opt, local, &port, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void sockets_have_their_options(void **state)
{
	int fd[2];

	(void)state;
	tcp_pair(fd);
	check_socket(fd[0]);
	check_socket(fd[1]);
	close(fd[0]);
	close(fd[1]);
}

/* Connect over the host's text to a listener without a family. */
static void connect_dual(const char *host, const char *want_peer)
{
	struct net_options opt = { .timeout_ms = FIXTURE_TIMEOUT_MS };
	struct host_port hp = { .has_port = 1 };
	char local[ADDR_TEXT_MAX], peer[ADDR_TEXT_MAX], want[ADDR_TEXT_MAX];
	struct sockaddr_storage sa;
	struct dial_peer to;
	struct pollfd pfd = { .events = POLLIN };
	struct err e = { 0 };
	int one, two;

	snprintf(hp.host, sizeof(hp.host), "%s", host);
	pfd.fd = dial_listen(0, &opt, local, &hp.port, &e);
	assert_true(pfd.fd >= 0);
	assert_true(hp.port > 0);
	assert_true(fcntl(pfd.fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(dial_accept(pfd.fd, &opt, peer, &sa, &e), ERR_AGAIN);
	one = dial_connect(&hp, &opt, NULL, peer, &e);
	assert_true(one >= 0);
	snprintf(want, sizeof(want), "%.60s:%u", want_peer, hp.port);
	assert_string_equal(peer, want);
	assert_int_equal(poll(&pfd, 1, FIXTURE_TIMEOUT_MS), 1);
	two = dial_accept(pfd.fd, &opt, peer, &sa, &e);
	assert_true(two >= 0);
	check_socket(two);
	/* The peer's text is an IPv4 address though the listener is dual. */
	assert_memory_equal(peer, want_peer, strlen(want_peer));
	close(two);
	assert_int_equal(dial_get_peer(one, &to, &e), 0);
	close(one);
	two = dial_connect_peer(&to, &opt, NULL, &e);
	assert_true(two >= 0);
	check_socket(two);
	close(two);
	opt.bind = "nowhere";
	assert_int_equal(dial_connect_peer(&to, &opt, NULL, &e), ERR_USAGE);
	assert_int_equal(dial_get_peer(pfd.fd, &to, &e), ERR_LOST);
	close(pfd.fd);
}

static void one_listener_serves_both_families(void **state)
{
	(void)state;
	connect_dual("127.0.0.1", "127.0.0.1");
	if (has_ipv6())
		connect_dual("::1", "[::1]");
}

/* Whether a port where IPv6 is listened on takes IPv4. */
static int takes_the_other(struct err *e)
{
	struct net_options opt = { .family = AF_INET6,
				   .timeout_ms = FIXTURE_TIMEOUT_MS };
	struct host_port hp = { .host = "127.0.0.1" };
	char local[ADDR_TEXT_MAX];
	int fd, other;

	fd = dial_listen(0, &opt, local, &hp.port, e);
	assert_true(fd >= 0);
	/* An address of the wrong family is not found at all. */
	assert_int_equal(dial_connect(&hp, &opt, NULL, NULL, e), ERR_CONNECT);
	opt.family = AF_INET;
	other = dial_connect(&hp, &opt, NULL, NULL, e);
	close(fd);
	if (other >= 0)
		close(other);
	return other >= 0;
}

static void families_are_kept_apart_when_asked(void **state)
{
	struct err e = { 0 };
	int tries = 1;

	(void)state;
	if (!has_ipv6())
		skip();
	/* Somebody else may listen there. */
	while (takes_the_other(&e))
		assert_true(++tries <= 5);
	assert_non_null(strstr(e.text, "refused"));
}

static void a_refusal_names_host_port_and_cause(void **state)
{
	struct net_options opt = { .timeout_ms = FIXTURE_TIMEOUT_MS };
	struct host_port hp = { .host = "127.0.0.1" };
	struct err e = { 0 };
	char want[256];
	int fd;

	(void)state;
	hp.port = dead_port(&fd);
	assert_int_equal(dial_connect(&hp, &opt, NULL, NULL, &e), ERR_CONNECT);
	snprintf(want, sizeof(want),
		 "cannot connect to 127.0.0.1 port %u: connection refused "
		 "(is 'ferry receive' running there?)",
		 hp.port);
	assert_string_equal(e.text, want);
	snprintf(hp.host, sizeof(hp.host), "localhost");
	assert_int_equal(dial_connect(&hp, &opt, NULL, NULL, &e), ERR_CONNECT);
	snprintf(want, sizeof(want),
		 "cannot connect to localhost port %u: ", hp.port);
	assert_memory_equal(e.text, want, strlen(want));
	assert_non_null(strstr(e.text, "127.0.0.1: connection refused"));
	close(fd);
}

static void an_unknown_host_is_named(void **state)
{
	struct net_options opt = { .timeout_ms = FIXTURE_TIMEOUT_MS };
	/* Reserved (RFC 6761), and refused before any server is asked. */
	struct host_port hp = { .host = "a..invalid", .port = 1 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(dial_connect(&hp, &opt, NULL, NULL, &e), ERR_CONNECT);
	assert_non_null(strstr(e.text, "a..invalid"));
}

/* A listener whose queue is full does not answer. */
static int full_listener(struct host_port *hp, int fill[8])
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	for (int i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET,
				 SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fill[i], (struct sockaddr *)&sin, len);
	}
	hp->port = ntohs(sin.sin_port);
	return fd;
}

static void silence_ends_at_the_time_limit(void **state)
{
	struct net_options opt = { .timeout_ms = 400 };
	struct host_port hp = { .host = "127.0.0.1" };
	struct err e = { 0 };
	int fill[8], fd = full_listener(&hp, fill);
	uint64_t start = clock_ms();

	(void)state;
	assert_int_equal(dial_connect(&hp, &opt, NULL, NULL, &e), ERR_CONNECT);
	assert_within(clock_ms() - start, 350, scaled(5000));
	assert_non_null(strstr(e.text, "timed out"));
	for (int i = 0; i < 8; i++)
		close(fill[i]);
	close(fd);
}

static void *cancel_it(void *arg)
{
	struct timespec ts = { .tv_nsec = 50 * 1000 * 1000 };

	nanosleep(&ts, NULL);
	cancel_set(arg);
	return NULL;
}

/* While it waits, and when it begins later. */
static void connecting_can_be_cancelled(void **state)
{
	struct net_options opt = { .timeout_ms = FIXTURE_TIMEOUT_MS };
	struct host_port hp = { .host = "127.0.0.1" };
	struct err e = { 0 };
	int fill[8], fd = full_listener(&hp, fill);
	uint64_t start = clock_ms();
	struct cancel cancel;
	pthread_t thread;

	(void)state;
	assert_int_equal(cancel_init(&cancel), 0);
	assert_int_equal(pthread_create(&thread, NULL, cancel_it, &cancel), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(dial_connect(&hp, &opt, &cancel, NULL, &e),
				 ERR_INTERRUPTED);
	assert_true(clock_ms() - start < scaled(10000));
	pthread_join(thread, NULL);
	cancel_release(&cancel);
	for (int i = 0; i < 8; i++)
		close(fill[i]);
	close(fd);
}

static void the_local_address_is_bound(void **state)
{
	struct net_options opt = { .timeout_ms = FIXTURE_TIMEOUT_MS };
	struct net_options from = opt;
	struct host_port hp = { .host = "127.0.0.1" };
	char local[ADDR_TEXT_MAX];
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct err e = { 0 };
	int fd, listener;

	(void)state;
	opt.bind = "127.0.0.1";
	listener = dial_listen(0, &opt, local, &hp.port, &e);
	assert_true(listener >= 0);
	assert_memory_equal(local, "127.0.0.1:", 10);
	from.bind = "127.0.0.9";
	fd = dial_connect(&hp, &from, NULL, NULL, &e);
	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_string_equal(addr_host_text(local, (struct sockaddr *)&sa, len),
			    "127.0.0.9");
	close(fd);
	from.bind = "192.0.2.1";
	assert_int_equal(dial_connect(&hp, &from, NULL, NULL, &e), ERR_CONNECT);
	assert_non_null(strstr(e.text, "not an address of this host at"));
	assert_int_equal(dial_listen(0, &from, local, &hp.port, &e),
			 ERR_CONNECT);
	from.bind = "fe80::1%nosuch0";
	assert_int_equal(dial_connect(&hp, &from, NULL, NULL, &e), ERR_CONNECT);
	assert_non_null(strstr(e.text, "no network interface nosuch0"));
	from.bind = "nonsense";
	assert_int_equal(dial_connect(&hp, &from, NULL, NULL, &e), ERR_USAGE);
	from.bind = "127.0.0.1";
	from.family = AF_INET6;
	assert_int_equal(dial_connect(&hp, &from, NULL, NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "IPv6"));
	close(listener);
}

static void a_port_in_use_is_reported_with_advice(void **state)
{
	struct net_options opt = loopback_options();
	char local[ADDR_TEXT_MAX], want[128];
	struct err e = { 0 };
	uint16_t port, other;
	int fd;

	(void)state;
	fd = dial_listen(0, &opt, local, &port, &e);
	assert_true(fd >= 0);
	assert_int_equal(dial_listen(port, &opt, local, &other, &e),
			 ERR_CONNECT);
	snprintf(want, sizeof(want),
		 "port %u is in use: choose another with -p", port);
	assert_string_equal(e.text, want);
	close(fd);
}

static void congestion_control_is_set_or_refused(void **state)
{
	struct net_options opt = loopback_options();
	struct host_port hp = { .host = "127.0.0.1" };
	char local[ADDR_TEXT_MAX], name[16] = "";
	struct sockaddr_storage sa;
	socklen_t len = sizeof(name);
	struct pollfd pfd = { .events = POLLIN };
	struct err e = { 0 };
	int fd, accepted;

	(void)state;
	opt.congestion = "no-such-thing";
	assert_int_equal(dial_listen(0, &opt, local, &hp.port, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "no-such-thing"));
	skip_without("options and figures of TCP");
	opt.congestion = "reno";
	pfd.fd = dial_listen(0, &opt, local, &hp.port, &e);
	assert_true(pfd.fd >= 0);
	fd = dial_connect(&hp, &opt, NULL, NULL, &e);
	assert_true(fd >= 0);
	assert_int_equal(
		getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	assert_string_equal(name, "reno");
	assert_int_equal(poll(&pfd, 1, FIXTURE_TIMEOUT_MS), 1);
	accepted = dial_accept(pfd.fd, &opt, local, &sa, &e);
	assert_true(accepted >= 0);
	memset(name, 0, sizeof(name));
	len = sizeof(name);
	assert_int_equal(
		getsockopt(accepted, IPPROTO_TCP, TCP_CONGESTION, name, &len),
		0);
	assert_string_equal(name, "reno");
	close(accepted);
	close(fd);
	opt.congestion = "no-such-thing";
	assert_int_equal(dial_connect(&hp, &opt, NULL, NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "no-such-thing"));
	close(pfd.fd);
}

static void exhausted_descriptors_are_reported(void **state)
{
	struct net_options opt = loopback_options();
	struct host_port hp = { .host = "127.0.0.1" };
	char local[ADDR_TEXT_MAX];
	struct sockaddr_storage sa;
	struct rlimit old, none;
	struct pollfd pfd = { .events = POLLIN };
	struct err e = { 0 };
	int fd, rc_connect, rc_accept;

	(void)state;
	pfd.fd = dial_listen(0, &opt, local, &hp.port, &e);
	assert_true(pfd.fd >= 0);
	fd = dial_connect(&hp, &opt, NULL, NULL, &e);
	assert_true(fd >= 0);
	assert_int_equal(poll(&pfd, 1, FIXTURE_TIMEOUT_MS), 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	rc_accept = dial_accept(pfd.fd, &opt, local, &sa, &e);
	rc_connect = dial_connect(&hp, &opt, NULL, NULL, &e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(rc_accept, ERR_RESOURCE);
	assert_int_equal(rc_connect, ERR_RESOURCE);
	/* The connection stayed in the queue. */
	rc_accept = dial_accept(pfd.fd, &opt, local, &sa, &e);
	assert_true(rc_accept >= 0);
	close(rc_accept);
	close(fd);
	close(pfd.fd);
	assert_int_equal(dial_accept(pfd.fd, &opt, local, &sa, &e),
			 ERR_CONNECT);
}

static void arrived_bytes_are_counted(void **state)
{
	char text[8];
	int fd[2];

	(void)state;
	skip_without("figures of TCP");
	tcp_pair(fd);
	assert_int_equal(dial_bytes_in(fd[1]), 0);
	assert_int_equal(write(fd[0], "abcde", 5), 5);
	/* one is read, the others are not: all count */
	assert_int_equal(recv(fd[1], text, 1, MSG_WAITALL), 1);
	assert_int_equal(dial_bytes_in(fd[1]), 5);
	assert_int_equal(dial_bytes_in(fd[0]), 0);
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(dial_bytes_in(-1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_have_their_options),
		cmocka_unit_test(one_listener_serves_both_families),
		cmocka_unit_test(families_are_kept_apart_when_asked),
		cmocka_unit_test(a_refusal_names_host_port_and_cause),
		cmocka_unit_test(an_unknown_host_is_named),
		cmocka_unit_test(silence_ends_at_the_time_limit),
		cmocka_unit_test(connecting_can_be_cancelled),
		cmocka_unit_test(the_local_address_is_bound),
		cmocka_unit_test(a_port_in_use_is_reported_with_advice),
		cmocka_unit_test(congestion_control_is_set_or_refused),
		cmocka_unit_test(exhausted_descriptors_are_reported),
		cmocka_unit_test(arrived_bytes_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
