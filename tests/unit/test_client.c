/*
 * The client of ferry remote: a script takes the place of ssh and of the ferry
 * on the other host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/scratch.h"

#include "net/stream.h"
#include "remote/client.h"
#include "remote/target.h"
#include "session/carrier.h"

/*
 * Adds its order to the file "orders", and begins a session; or, where the
 * first argument is "older" and the order has an item with the host's name,
 * refuses it as a ferry that does not know the item.
 */
static const char remote[] =
	"#!/bin/sh\n"
	"cd \"$(dirname \"$0\")\" || exit\n"
	"dd bs=1 count=32 2>/dev/null >head\n"
	"len=$(($(od -An -tu1 -j14 -N2 head |\n"
	"	while read -r a b; do echo $((a * 256 + b)); done)))\n"
	"dd bs=1 count=\"$len\" 2>/dev/null | tr '\\0' '\\n' >order\n"
	"cat order >>orders\n"
	"printf 'ferry-remote:%s\\n\\000\\001' \\\n"
	"	\"$(od -An -tx1 -j16 -N16 head | tr -d ' \\n')\"\n"
	"if [ \"$1\" = older ] && grep -q -e --host= order; then\n"
	"	printf '\\000\\010\\000\\000\\000\\036\\000\\001\\000\\032%s' \\\n"
	"		\"does not take '--host=...'.\"\n"
	"	exit 2\n"
	"fi\n"
	"printf '\\000\\000\\000\\000\\000\\002\\000\\000'\n"
	"cat >/dev/null\n";

static char dir_path[128];
static int dir_fd;

static int make_dir(void **state)
{
	(void)state;
	dir_fd = scratch_make(dir_path, sizeof(dir_path), "client");
	scratch_write(dir_fd, "remote", remote, strlen(remote), O_EXCL, 0755);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	close(dir_fd);
	return scratch_remove(dir_path);
}

/* Open a stream to this host, where the script is started with this argument,
 * and close it.  The error is as after the open; id becomes what stands for the
 * host. */
static void open_to(const char *host, const char *arg, uint8_t id[STREAM_PEER],
		    struct err *e)
{
	static char send[] = "send", end[] = "--", dir[] = "dir";
	char *const args[] = { send, end, dir, NULL };
	const struct stream_config cfg = { .timeout_ms = 30000 };
	char command[192], peer[ADDR_TEXT_MAX];
	const struct ssh_config ssh = { .command = command, .host = host };
	const struct carrier *carrier;
	struct stream *stream;
	struct client *c;

	snprintf(command, sizeof(command), "'%s/remote' %s", dir_path, arg);
	err_clear(e);
	c = client_new(&ssh, DEPLOY_NO, args, e);
	assert_non_null(c);
	carrier = client_carrier(c);
	stream = carrier->open(carrier->ctx, &cfg, peer, e);
	if (!stream)
		print_message("# %s\n", e->text);
	assert_non_null(stream);
	stream_peer_id(stream, id);
	stream_free(stream);
	client_free(c);
}

/* How often text is in the orders that were given. */
static int count_ordered(const char *text)
{
	char orders[4096];
	const int fd = openat(dir_fd, "orders", O_RDONLY | O_CLOEXEC);
	const ssize_t n = read(fd, orders, sizeof(orders) - 1);
	int found = 0;

	assert_true(n > 0);
	close(fd);
	orders[n] = '\0';
	for (const char *p = orders; (p = strstr(p, text)); p++)
		found++;
	return found;
}

/* The session must not have the error of the order that was refused. */
static void test_older(void **state)
{
	uint8_t id[STREAM_PEER];
	struct err e;

	(void)state;
	open_to("box", "older", id, &e);
	assert_int_equal(count_ordered("--host=box"), 1);
	assert_int_equal(count_ordered("dir"), 2);
	assert_int_equal(e.code, 0);
	assert_string_equal(e.text, "");
}

/* A name is sent as it is, whatever its length. */
static void test_long_name(void **state)
{
	char host[TARGET_HOST_MAX];
	uint8_t id[STREAM_PEER], other[STREAM_PEER];
	struct err e;

	(void)state;
	memset(host, 'h', sizeof(host) - 1);
	host[0] = '@';
	host[sizeof(host) - 2] = 'Z';
	host[sizeof(host) - 1] = '\0';
	open_to(host, "new", id, &e);
	assert_int_equal(e.code, 0);
	assert_int_equal(count_ordered(host), 1);
	/* What is kept of one host's parts is not offered to another. */
	open_to(host, "new", other, &e);
	assert_memory_equal(id, other, sizeof(id));
	host[sizeof(host) - 2] = 'Y';
	open_to(host, "new", other, &e);
	assert_memory_not_equal(id, other, sizeof(id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_older, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(test_long_name, make_dir,
						remove_dir),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
