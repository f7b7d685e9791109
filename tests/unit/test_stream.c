/*
 * Unit tests of net/stream over loopback TCP.  Most run three times: plain,
 * over TLS with a shared key, and through two pipes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include <sys/eventfd.h>

#include <cmocka.h>

#include "net_fixture.h"

enum { MIB = 1024 * 1024, QUICK_MS = 150 };
/* The time-out of a stream is that of its TLS handshake, too. */
#define OPEN_QUICK_MS ((int)scaled(400))

struct world {
	struct place *place;
	struct tls *client;
	struct tls *server;
	/* the pair of the running test */
	int is_tls;
	int is_piped;
	struct side a;
	struct side b;
};

/* ------------------------------------------------------------- the world */

static int world_make(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct tls_config cfg = { .mode = SECURITY_PSK };
	struct err e = { 0 };
	void *place;

	if (!w || place_make(&place) < 0)
		return -1;
	w->place = place;
	cfg.key_file = place_path(w->place, "key");
	if (key_generate(cfg.key_file, &e) < 0)
		return -1;
	w->server = tls_new(&cfg, &e);
	cfg.role = NET_CONNECTS;
	w->client = tls_new(&cfg, &e);
	*state = w;
	return w->server && w->client ? 0 : -1;
}

static int world_remove(void **state)
{
	struct world *w = *state;
	void *place = w->place;
	int rc = place_remove(&place);

	tls_free(w->client);
	tls_free(w->server);
	free(w);
	return rc;
}

/* Pipes as small as they can be, each the one side's input and the other's
 * output. */
static void open_pipes(struct world *w, int timeout_ms)
{
	int there[2], back[2];

	assert_int_equal(pipe2(there, O_CLOEXEC), 0);
	assert_int_equal(pipe2(back, O_CLOEXEC), 0);
	assert_true(fcntl(there[1], F_SETPIPE_SZ, 4096) >= 0);
	assert_true(fcntl(back[1], F_SETPIPE_SZ, 4096) >= 0);
	memset(&w->a, 0, sizeof(w->a));
	memset(&w->b, 0, sizeof(w->b));
	w->a.s = stream_open_pair(back[0], there[1], timeout_ms, &w->a.e);
	w->b.s = stream_open_pair(there[0], back[1], timeout_ms, &w->b.e);
	assert_non_null(w->a.s);
	assert_non_null(w->b.s);
}

static void open_pair(struct world *w, int timeout_ms)
{
	if (w->is_piped) {
		open_pipes(w, timeout_ms);
		return;
	}
	open_sides(&w->a, &w->b, w->is_tls ? w->client : NULL,
		   w->is_tls ? w->server : NULL, timeout_ms);
	assert_string_equal(w->a.e.text, "");
	assert_string_equal(w->b.e.text, "");
	assert_non_null(w->a.s);
	assert_non_null(w->b.s);
}

/* Small buffers between the two. */
static void narrow_pair(struct world *w)
{
	if (w->is_piped)
		return;
	make_narrow(stream_fd(w->a.s));
	make_narrow(stream_fd(w->b.s));
}

static void free_pair(struct world *w)
{
	stream_free(w->a.s);
	stream_free(w->b.s);
	w->a.s = w->b.s = NULL;
}

/* Bytes that differ by place and by seed. */
static uint8_t pattern(uint64_t i, unsigned seed)
{
	return (uint8_t)((i * 2654435761u + seed * 40503u) >> 13);
}

static uint8_t *make_data(size_t n, unsigned seed)
{
	uint8_t *p = malloc(n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = pattern(i, seed);
	return p;
}

static void on_thread(pthread_t *t, void *(*run)(void *), void *arg)
{
	assert_int_equal(pthread_create(t, NULL, run, arg), 0);
}

static void join(pthread_t t)
{
	assert_int_equal(pthread_join(t, NULL), 0);
}

/* -------------------------------------------------- both directions at once */

struct duplex {
	struct stream *s;
	const uint8_t *out;
	size_t out_len;
	uint8_t *in;
	size_t in_len; /* expected */
	size_t got;
	unsigned offered;
	int rc;
	struct err e;
};

static int take_input(void *ctx, struct err *e)
{
	struct duplex *d = ctx;
	size_t left = d->in_len - d->got, n = 0;
	int rc;

	d->offered++;
	rc = stream_recv_some(d->s, d->in + d->got,
			      left < 100000 ? left : 100000, &n, e);
	d->got += n;
	return rc == ERR_AGAIN ? 0 : rc;
}

static void *run_duplex(void *arg)
{
	struct duplex *d = arg;
	struct stream_hooks hooks = { .on_input = take_input, .ctx = d };
	size_t off = 0, n;

	stream_set_hooks(d->s, &hooks);
	while (d->rc == 0 && off < d->out_len) {
		n = d->out_len - off < MIB ? d->out_len - off : MIB;
		d->rc = send_bytes(d->s, d->out + off, n, &d->e);
		off += n;
	}
	if (d->rc == 0)
		d->rc = stream_flush(d->s, &d->e);
	if (d->rc == 0)
		d->rc = stream_recv(d->s, d->in + d->got, d->in_len - d->got,
				    &d->e);
	if (d->rc == 0)
		d->rc = stream_close(d->s, FIXTURE_TIMEOUT_MS, &d->e);
	return NULL;
}

static void both_directions_at_once(struct world *w)
{
	size_t n = 8 * MIB;
	uint8_t *ab = make_data(n, 1), *ba = make_data(n, 2);
	struct duplex a, b;
	pthread_t thread;

	open_pair(w, FIXTURE_TIMEOUT_MS);
	/* Else all of it might fit the sockets' buffers. */
	narrow_pair(w);
	a = (struct duplex){ .s = w->a.s,
			     .out = ab,
			     .out_len = n,
			     .in = malloc(n),
			     .in_len = n };
	b = (struct duplex){ .s = w->b.s,
			     .out = ba,
			     .out_len = n,
			     .in = malloc(n),
			     .in_len = n };
	on_thread(&thread, run_duplex, &b);
	run_duplex(&a);
	join(thread);
	assert_int_equal(a.rc, 0);
	assert_int_equal(b.rc, 0);
	assert_memory_equal(a.in, ba, n);
	assert_memory_equal(b.in, ab, n);
	assert_true(a.offered > 0);
	assert_true(b.offered > 0);
	assert_true(stream_wire_out(w->a.s) >= n);
	assert_int_equal(stream_wire_out(w->a.s), stream_wire_in(w->b.s));
	assert_int_equal(stream_wire_in(w->a.s), stream_wire_out(w->b.s));
	if (!w->is_tls)
		assert_int_equal(stream_wire_out(w->a.s), n);
	free_pair(w);
	free(a.in);
	free(b.in);
	free(ab);
	free(ba);
}

/* ------------------------------------------------------- sizes of all kinds */

static const size_t sizes[] = {
	1,     16,    4095,  4096,  4097,  8191,   8192,    8193,
	16383, 16384, 16385, 40,    65536, 100000, 262144,  300001,
	3,     5000,  2,     16344, 16344, 1000,   1048576,
};

enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static size_t sizes_sum(void)
{
	size_t sum = 0;

	for (size_t i = 0; i < SIZES; i++)
		sum += sizes[i];
	return sum;
}

static void *send_sizes(void *arg)
{
	struct duplex *d = arg;
	struct iovec parts[3];
	size_t off = 0, third;

	for (size_t i = 0; d->rc == 0 && i < SIZES; i++) {
		/* Each in three parts, the middle one maybe empty. */
		third = sizes[i] / 3;
		memcpy(&parts[0].iov_base, &(const void *){ d->out + off },
		       sizeof(void *));
		parts[0].iov_len = third;
		parts[1].iov_base = (char *)parts[0].iov_base + third;
		parts[1].iov_len = third;
		parts[2].iov_base = (char *)parts[1].iov_base + third;
		parts[2].iov_len = sizes[i] - 2 * third;
		d->rc = stream_send(d->s, parts, 3, &d->e);
		off += sizes[i];
	}
	if (d->rc == 0)
		d->rc = stream_close(d->s, FIXTURE_TIMEOUT_MS, &d->e);
	return NULL;
}

static void sizes_of_all_kinds_arrive_exactly(struct world *w)
{
	size_t n = sizes_sum(), off = 0;
	uint8_t *data = make_data(n, 3), *in = malloc(n + 1);
	struct duplex d = { .out = data };
	struct err e = { 0 };
	pthread_t thread;

	open_pair(w, FIXTURE_TIMEOUT_MS);
	d.s = w->a.s;
	on_thread(&thread, send_sizes, &d);
	/* Read in the same sizes, but in the other order. */
	for (size_t i = SIZES; i-- > 0; off += sizes[i])
		assert_int_equal(stream_recv(w->b.s, in + off, sizes[i], &e),
				 0);
	assert_int_equal(off, n);
	assert_int_equal(stream_recv(w->b.s, in, 0, &e), 0);
	assert_memory_equal(in, data, n);
	assert_int_equal(stream_recv(w->b.s, in, 1, &e), ERR_CLOSED);
	assert_int_equal(stream_close(w->b.s, FIXTURE_TIMEOUT_MS, &e), 0);
	join(thread);
	assert_int_equal(d.rc, 0);
	free_pair(w);
	free(data);
	free(in);
}

static void small_sends_wait_for_a_flush(struct world *w)
{
	uint8_t data[100], in[100];
	struct err e = { 0 };
	uint64_t before;

	memset(data, 7, sizeof(data));
	open_pair(w, FIXTURE_TIMEOUT_MS);
	before = stream_wire_out(w->a.s);
	for (int i = 0; i < 10; i++)
		assert_int_equal(send_bytes(w->a.s, data + 10 * i, 10, &e), 0);
	assert_int_equal(stream_wire_out(w->a.s), before);
	assert_int_equal(stream_flush(w->a.s, &e), 0);
	/* All ten in one: with TLS, in one record. */
	assert_int_equal(stream_wire_out(w->a.s) - before,
			 w->is_tls ? 100 + 22 : 100);
	assert_int_equal(stream_recv(w->b.s, in, sizeof(in), &e), 0);
	assert_memory_equal(in, data, sizeof(data));
	free_pair(w);
}

static void *echo_once(void *arg)
{
	struct duplex *d = arg;
	uint8_t byte;

	d->rc = stream_recv(d->s, &byte, 1, &d->e);
	if (d->rc == 0)
		d->rc = send_bytes(d->s, &byte, 1, &d->e);
	if (d->rc == 0)
		d->rc = stream_flush(d->s, &d->e);
	return NULL;
}

static void receiving_flushes_what_was_sent(struct world *w)
{
	struct duplex d = { 0 };
	struct err e = { 0 };
	pthread_t thread;
	uint8_t byte = 'q';

	open_pair(w, FIXTURE_TIMEOUT_MS);
	d.s = w->b.s;
	on_thread(&thread, echo_once, &d);
	assert_int_equal(send_bytes(w->a.s, &byte, 1, &e), 0);
	byte = 0;
	assert_int_equal(stream_recv(w->a.s, &byte, 1, &e), 0);
	assert_int_equal(byte, 'q');
	join(thread);
	assert_int_equal(d.rc, 0);
	free_pair(w);
}

static void receiving_some_never_waits(struct world *w)
{
	uint8_t in[100];
	struct err e = { 0 };
	size_t got = 99;

	open_pair(w, FIXTURE_TIMEOUT_MS);
	assert_int_equal(stream_recv_some(w->b.s, in, sizeof(in), &got, &e),
			 ERR_AGAIN);
	assert_int_equal(got, 0);
	assert_int_equal(send_bytes(w->a.s, "hello", 5, &e), 0);
	assert_int_equal(stream_flush(w->a.s, &e), 0);
	assert_int_equal(stream_wait(w->b.s, -1, FIXTURE_TIMEOUT_MS, &e),
			 STREAM_READABLE);
	assert_int_equal(stream_recv_some(w->b.s, in, 2, &got, &e), 0);
	assert_int_equal(got, 2);
	/* What is left is in a buffer of ours. */
	assert_int_equal(stream_wait(w->b.s, -1, FIXTURE_TIMEOUT_MS, &e),
			 STREAM_READABLE);
	assert_int_equal(stream_recv_some(w->b.s, in + 2, 50, &got, &e), 0);
	assert_int_equal(got, 3);
	assert_memory_equal(in, "hello", 5);
	free_pair(w);
}

/* ------------------------------------------------------------- how it ends */

static void a_clean_close_is_seen_on_both_sides(struct world *w)
{
	struct err e = { 0 };
	struct duplex d = { .in = (uint8_t[1]){ 0 }, .in_len = 1 };
	pthread_t thread;
	size_t got;

	open_pair(w, FIXTURE_TIMEOUT_MS);
	/* Sends nothing, expects nothing, closes. */
	d.s = w->b.s;
	d.in_len = 0;
	on_thread(&thread, run_duplex, &d);
	assert_int_equal(stream_recv(w->a.s, d.in, 1, &e), ERR_CLOSED);
	/* And again, and by the other call. */
	assert_int_equal(stream_recv(w->a.s, d.in, 1, &e), ERR_CLOSED);
	assert_int_equal(stream_recv_some(w->a.s, d.in, 1, &got, &e),
			 ERR_CLOSED);
	assert_int_equal(stream_wait(w->a.s, -1, -1, &e), STREAM_READABLE);
	/* One can still send what the other throws away. */
	assert_int_equal(send_bytes(w->a.s, "late", 4, &e), 0);
	assert_int_equal(stream_close(w->a.s, FIXTURE_TIMEOUT_MS, &e), 0);
	join(thread);
	assert_int_equal(d.rc, 0);
	free_pair(w);
}

static void a_close_without_an_answer_times_out(struct world *w)
{
	struct err e = { 0 };
	uint64_t start;

	open_pair(w, FIXTURE_TIMEOUT_MS);
	start = clock_ms();
	assert_int_equal(stream_close(w->a.s, QUICK_MS, &e), ERR_TIMEOUT);
	assert_within(clock_ms() - start, QUICK_MS - 50, scaled(10 * QUICK_MS));
	free_pair(w);
}

static void a_reset_is_a_loss(struct world *w)
{
	struct err e = { 0 };
	uint8_t byte;
	int fd;

	open_pair(w, FIXTURE_TIMEOUT_MS);
	fd = dup(stream_fd(w->a.s));
	assert_true(fd >= 0);
	stream_free(w->a.s);
	w->a.s = NULL;
	close_with_reset(fd);
	assert_int_equal(stream_recv(w->b.s, &byte, 1, &e), ERR_LOST);
	/* It does not become a clean end later. */
	assert_int_equal(stream_recv(w->b.s, &byte, 1, &e), ERR_LOST);
	/* And sending is told so, too, not killed by SIGPIPE. */
	assert_int_equal(send_bytes(w->b.s, "x", 1, &e), 0);
	assert_int_equal(stream_flush(w->b.s, &e), ERR_LOST);
	free_pair(w);
}

static void an_end_in_the_middle_is_a_loss(struct world *w)
{
	struct err e = { 0 };
	uint8_t in[20000];

	open_pair(w, FIXTURE_TIMEOUT_MS);
	assert_int_equal(send_bytes(w->a.s, "0123456789", 10, &e), 0);
	assert_int_equal(stream_flush(w->a.s, &e), 0);
	stream_free(w->a.s);
	w->a.s = NULL;
	assert_int_equal(stream_recv(w->b.s, in, 5, &e), 0);
	assert_int_equal(stream_recv(w->b.s, in, sizeof(in), &e), ERR_LOST);
	free_pair(w);
}

/* The FIN of a process that died: no close_notify. */
static void a_bare_fin_is_clean_only_without_tls(struct world *w)
{
	struct err e = { 0 };
	uint8_t byte;

	open_pair(w, FIXTURE_TIMEOUT_MS);
	stream_free(w->a.s);
	w->a.s = NULL;
	assert_int_equal(stream_recv(w->b.s, &byte, 1, &e),
			 w->is_tls ? ERR_LOST : ERR_CLOSED);
	free_pair(w);
}

/* The peer says why before it goes; we meet only the reset, for we send. */
static int read_reason(void *ctx, struct err *e)
{
	struct duplex *d = ctx;
	size_t got;
	int rc = stream_recv_some(d->s, d->in, 4, &got, e);

	if (rc == ERR_AGAIN)
		return 0;
	if (rc == 0 && got == 4 && memcmp(d->in, "full", 4) == 0)
		return err_set(e, ERR_REMOTE, "the disk there is full");
	return rc;
}

static void the_peers_last_words_are_heard(struct world *w)
{
	uint8_t *data = make_data(MIB, 4), in[4];
	struct duplex d = { .in = in };
	struct stream_hooks hooks = { .on_input = read_reason, .ctx = &d };
	struct err e = { 0 };
	int fd, rc;

	open_pair(w, FIXTURE_TIMEOUT_MS);
	d.s = w->a.s;
	stream_set_hooks(w->a.s, &hooks);
	assert_int_equal(send_bytes(w->b.s, "full", 4, &e), 0);
	assert_int_equal(stream_flush(w->b.s, &e), 0);
	fd = dup(stream_fd(w->b.s));
	stream_free(w->b.s);
	w->b.s = NULL;
	/* The words must be there before the reset is. */
	assert_int_equal(stream_wait(w->a.s, -1, FIXTURE_TIMEOUT_MS, &e),
			 STREAM_READABLE);
	close_with_reset(fd);
	do
		rc = send_bytes(w->a.s, data, MIB, &e);
	while (rc == 0);
	assert_int_equal(rc, ERR_REMOTE);
	assert_string_equal(e.text, "the disk there is full");
	free_pair(w);
	free(data);
}

/* ----------------------------------------------------------------- time */

static void a_silent_peer_times_out(struct world *w)
{
	uint8_t *data = make_data(MIB, 5), in[20000];
	struct err e = { 0 };
	uint64_t start;
	int rc;

	open_pair(w, OPEN_QUICK_MS);
	start = clock_ms();
	assert_int_equal(stream_recv(w->a.s, in, 1, &e), ERR_TIMEOUT);
	assert_within(clock_ms() - start, QUICK_MS - 50, scaled(10 * QUICK_MS));
	free_pair(w);

	open_pair(w, OPEN_QUICK_MS);
	start = clock_ms();
	assert_int_equal(stream_recv(w->a.s, in, sizeof(in), &e), ERR_TIMEOUT);
	assert_within(clock_ms() - start, QUICK_MS - 50, scaled(10 * QUICK_MS));
	free_pair(w);

	open_pair(w, OPEN_QUICK_MS);
	start = clock_ms();
	assert_int_equal(stream_wait(w->a.s, -1, -1, &e), ERR_TIMEOUT);
	assert_within(clock_ms() - start, QUICK_MS - 50, scaled(10 * QUICK_MS));
	free_pair(w);

	open_pair(w, OPEN_QUICK_MS);
	narrow_pair(w);
	do
		rc = send_bytes(w->a.s, data, MIB, &e);
	while (rc == 0);
	assert_int_equal(rc, ERR_TIMEOUT);
	free_pair(w);
	free(data);
}

static void a_deadline_ends_a_wait(struct world *w)
{
	struct err e = { 0 };
	uint64_t start;
	uint8_t byte;

	open_pair(w, FIXTURE_TIMEOUT_MS);
	start = clock_ms();
	stream_set_deadline(w->a.s, start + QUICK_MS);
	assert_int_equal(stream_recv(w->a.s, &byte, 1, &e), ERR_TIMEOUT);
	assert_within(clock_ms() - start, QUICK_MS, scaled(10 * QUICK_MS));
	/* Lifted, only timeout_ms counts again. */
	stream_set_deadline(w->a.s, 0);
	assert_int_equal(stream_wait(w->a.s, -1, 10, &e), 0);
	free_pair(w);
}

struct ticker {
	struct stream *s;
	unsigned ticks;
	unsigned sending;
	int beat;  /* send a byte in each */
	int rc;    /* to be returned */
	int event; /* eventfd to be written, or -1 */
};

static int on_tick(void *ctx, int sending, struct err *e)
{
	struct ticker *t = ctx;
	int rc = 0;

	t->ticks++;
	t->sending += sending != 0;
	if (t->event >= 0)
		assert_int_equal(eventfd_write(t->event, 1), 0);
	if (t->beat && !sending)
		rc = send_bytes(t->s, "b", 1, e);
	if (rc == 0 && t->rc)
		rc = err_set(e, t->rc, "the hook said so");
	return rc;
}

static void the_tick_hook_ends_a_wait(struct world *w)
{
	struct ticker t = { .rc = ERR_INTERRUPTED, .event = -1 };
	struct stream_hooks hooks = { .on_tick = on_tick, .ctx = &t };
	struct err e = { 0 };
	uint64_t start;
	uint8_t byte;

	open_pair(w, FIXTURE_TIMEOUT_MS);
	stream_set_hooks(w->a.s, &hooks);
	start = clock_ms();
	assert_int_equal(stream_recv(w->a.s, &byte, 1, &e), ERR_INTERRUPTED);
	assert_within(clock_ms() - start, 500, scaled(4000));
	assert_int_equal(t.ticks, 1);
	assert_int_equal(t.sending, 0);
	free_pair(w);
}

/* Heart-beats reach the peer, but do not keep us waiting for ever. */
static void our_heartbeats_are_no_sign_of_life(struct world *w)
{
	struct ticker t = { .beat = 1, .event = -1 };
	struct stream_hooks hooks = { .on_tick = on_tick, .ctx = &t };
	struct err e = { 0 };
	uint64_t start;
	uint8_t byte;

	open_pair(w, 1200);
	t.s = w->a.s;
	stream_set_hooks(w->a.s, &hooks);
	start = clock_ms();
	assert_int_equal(stream_recv(w->a.s, &byte, 1, &e), ERR_TIMEOUT);
	assert_within(clock_ms() - start, 1100, scaled(5000));
	assert_true(t.ticks >= 1);
	assert_true(stream_idle_ms(w->a.s) > 1000);
	assert_int_equal(stream_recv(w->b.s, &byte, 1, &e), 0);
	assert_int_equal(byte, 'b');
	assert_true(stream_idle_ms(w->b.s) < 1000);
	free_pair(w);
}

/* A hook that takes nothing must not make the wait spin. */
static int take_nothing(void *ctx, struct err *e)
{
	(void)e;
	++*(unsigned *)ctx;
	return 0;
}

static void untaken_input_does_not_spin(struct world *w)
{
	uint8_t *data = make_data(MIB, 6);
	unsigned calls = 0;
	struct stream_hooks hooks = { .on_input = take_nothing, .ctx = &calls };
	struct err e = { 0 };
	int rc;

	open_pair(w, OPEN_QUICK_MS);
	narrow_pair(w);
	stream_set_hooks(w->a.s, &hooks);
	assert_int_equal(send_bytes(w->b.s, "x", 1, &e), 0);
	assert_int_equal(stream_flush(w->b.s, &e), 0);
	do
		rc = send_bytes(w->a.s, data, MIB, &e);
	while (rc == 0);
	assert_int_equal(rc, ERR_TIMEOUT);
	/* the time-out has that factor, too */
	assert_within(calls, 1, scaled(10));
	free_pair(w);
	free(data);
}

/* --------------------------------------------------------------- waking */

static void a_descriptor_wakes_the_wait(struct world *w)
{
	int wake = eventfd(0, EFD_CLOEXEC);
	struct err e = { 0 };
	uint8_t in[2];

	open_pair(w, FIXTURE_TIMEOUT_MS);
	assert_int_equal(stream_wait(w->a.s, wake, 0, &e), 0);
	assert_int_equal(stream_wait(w->a.s, wake, 20, &e), 0);
	assert_int_equal(eventfd_write(wake, 1), 0);
	assert_int_equal(stream_wait(w->a.s, wake, -1, &e), STREAM_WOKEN);
	/* It is left unread. */
	assert_int_equal(stream_wait(w->a.s, wake, -1, &e), STREAM_WOKEN);
	assert_int_equal(send_bytes(w->b.s, "xy", 2, &e), 0);
	assert_int_equal(stream_flush(w->b.s, &e), 0);
	assert_int_equal(stream_recv(w->a.s, in, 1, &e), 0);
	/* Input in a buffer hides it no more than input in the socket. */
	assert_int_equal(stream_wait(w->a.s, wake, -1, &e),
			 STREAM_READABLE | STREAM_WOKEN);
	assert_int_equal(stream_recv(w->a.s, in, 1, &e), 0);
	assert_int_equal(stream_wait(w->a.s, wake, -1, &e), STREAM_WOKEN);
	close(wake);
	free_pair(w);
}

static void *abort_when_told(void *arg)
{
	struct ticker *t = arg;
	eventfd_t value;

	/* Told by the first tick: the other thread is waiting for sure. */
	if (eventfd_read(t->event, &value) == 0)
		stream_abort(t->s);
	return NULL;
}

/*
 * Abort while `wait` runs: told by its first tick that it waits or, which is
 * quicker, at once.  Returns what it returned.
 */
static int abort_during(struct world *w,
			int (*wait)(struct world *, struct err *), int at_once,
			int later)
{
	struct ticker t = { .event = eventfd((unsigned)at_once, EFD_CLOEXEC) };
	struct stream_hooks hooks = { .on_tick = on_tick, .ctx = &t };
	struct err e = { 0 };
	uint8_t byte;
	pthread_t thread;
	int rc;

	open_pair(w, FIXTURE_TIMEOUT_MS);
	narrow_pair(w);
	t.s = w->a.s;
	stream_set_hooks(w->a.s, &hooks);
	on_thread(&thread, abort_when_told, &t);
	rc = wait(w, &e);
	join(thread);
	/* Called at once for the abort. */
	assert_true(t.ticks >= (at_once ? 1 : 2));
	/* Later calls fail too, with what the hook says. */
	assert_int_equal(stream_recv(w->a.s, &byte, 1, &e), ERR_LOST);
	t.rc = later;
	assert_int_equal(send_bytes(w->a.s, "x", 1, &e), later);
	assert_int_equal(stream_flush(w->a.s, &e), later);
	assert_int_equal(stream_wait(w->a.s, -1, -1, &e), later);
	close(t.event);
	free_pair(w);
	return rc;
}

static int wait_recv(struct world *w, struct err *e)
{
	uint8_t in[10000];

	return stream_recv(w->a.s, in, sizeof(in), e);
}

static int wait_send(struct world *w, struct err *e)
{
	static const uint8_t zeroes[MIB];
	int rc;

	do
		rc = send_bytes(w->a.s, zeroes, sizeof(zeroes), e);
	while (rc == 0);
	return rc;
}

static int wait_wait(struct world *w, struct err *e)
{
	return stream_wait(w->a.s, -1, -1, e);
}

static void another_thread_ends_all_waits(struct world *w)
{
	assert_int_equal(abort_during(w, wait_recv, 0, ERR_INTERRUPTED),
			 ERR_LOST);
	assert_int_equal(abort_during(w, wait_recv, 1, ERR_LOCAL), ERR_LOST);
	assert_int_equal(abort_during(w, wait_send, 1, ERR_LOCAL), ERR_LOST);
	assert_int_equal(abort_during(w, wait_wait, 1, ERR_INTERRUPTED),
			 ERR_LOST);
}

static void *cancel_soon(void *arg)
{
	struct timespec ts = { .tv_nsec = 50 * 1000 * 1000 };

	/* Most likely the other thread waits by then; if not, it sees the
	 * token before it does. */
	nanosleep(&ts, NULL);
	cancel_set(arg);
	return NULL;
}

/* Set a token while `wait` runs.  The stream is as good as before once the
 * token is taken away.  Returns for how long it took. */
static uint64_t cancel_during(struct world *w,
			      int (*wait)(struct world *, struct err *))
{
	struct err e = { 0 };
	struct cancel cancel;
	pthread_t thread;
	uint64_t took_ms;
	uint8_t byte;

	open_pair(w, FIXTURE_TIMEOUT_MS);
	assert_int_equal(cancel_init(&cancel), 0);
	stream_set_cancel(w->a.s, &cancel);
	assert_int_equal(send_bytes(w->b.s, "x", 1, &e), 0);
	assert_int_equal(stream_flush(w->b.s, &e), 0);
	assert_int_equal(stream_recv(w->a.s, &byte, 1, &e), 0);
	took_ms = clock_ms();
	on_thread(&thread, cancel_soon, &cancel);
	assert_int_equal(wait(w, &e), ERR_INTERRUPTED);
	took_ms = clock_ms() - took_ms;
	join(thread);
	assert_int_equal(stream_recv(w->a.s, &byte, 1, &e), ERR_INTERRUPTED);
	stream_set_cancel(w->a.s, NULL);
	assert_int_equal(send_bytes(w->b.s, "y", 1, &e), 0);
	assert_int_equal(stream_flush(w->b.s, &e), 0);
	assert_int_equal(stream_recv(w->a.s, &byte, 1, &e), 0);
	assert_int_equal(byte, 'y');
	cancel_release(&cancel);
	free_pair(w);
	return took_ms;
}

static int wait_byte(struct world *w, struct err *e)
{
	uint8_t byte;

	return stream_recv(w->a.s, &byte, 1, e);
}

/* Not only at the next tick, a second later; on a busy host, in one of several
 * tries. */
static void is_quick(struct world *w, int (*wait)(struct world *, struct err *))
{
	int tries = 1;

	while (cancel_during(w, wait) >= 500)
		assert_true(++tries < 20);
}

static void a_token_ends_all_waits(struct world *w)
{
	is_quick(w, wait_byte);
	is_quick(w, wait_wait);
}

/* ---------------------------------------------------------------- others */

static void a_trickle_makes_a_whole(struct world *w)
{
	struct err e = { 0 };
	uint8_t in[12000], *data = make_data(sizeof(in), 8);
	struct duplex d = { 0 };
	pthread_t thread;

	/* Piece by piece, each asked for by the reader's own byte. */
	open_pair(w, FIXTURE_TIMEOUT_MS);
	d.s = w->b.s;
	for (int i = 0; i < 12; i++) {
		assert_int_equal(send_bytes(w->a.s, data + 1000 * i, 1000, &e),
				 0);
		assert_int_equal(stream_flush(w->a.s, &e), 0);
	}
	assert_int_equal(stream_recv(w->b.s, in, sizeof(in), &e), 0);
	assert_memory_equal(in, data, sizeof(in));
	on_thread(&thread, echo_once, &d);
	assert_int_equal(send_bytes(w->a.s, "z", 1, &e), 0);
	assert_int_equal(stream_recv(w->a.s, in, 1, &e), 0);
	join(thread);
	free_pair(w);
	free(data);
}

static void wrong_counts_of_parts_are_refused(struct world *w)
{
	struct iovec parts[9] = { { 0 } };
	struct err e = { 0 };

	open_pair(w, FIXTURE_TIMEOUT_MS);
	assert_int_equal(stream_send(w->a.s, parts, 0, &e), ERR_INTERNAL);
	assert_int_equal(stream_send(w->a.s, parts, 9, &e), ERR_INTERNAL);
	assert_int_equal(stream_send(w->a.s, parts, 8, &e), 0);
	assert_int_equal(stream_flush(w->a.s, &e), 0);
	free_pair(w);
}

static void freeing_nothing_is_allowed(void **state)
{
	(void)state;
	stream_free(NULL);
}

/* Each test plain and over TLS, and all but those of sockets through pipes. */
#define EACH_SOCKET(X)                                                         \
	X(a_reset_is_a_loss)                                                   \
	X(the_peers_last_words_are_heard)                                      \
	X(a_trickle_makes_a_whole)

#define EACH(X)                                                                \
	X(both_directions_at_once)                                             \
	X(sizes_of_all_kinds_arrive_exactly)                                   \
	X(small_sends_wait_for_a_flush)                                        \
	X(receiving_flushes_what_was_sent)                                     \
	X(receiving_some_never_waits)                                          \
	X(a_clean_close_is_seen_on_both_sides)                                 \
	X(a_close_without_an_answer_times_out)                                 \
	X(an_end_in_the_middle_is_a_loss)                                      \
	X(a_bare_fin_is_clean_only_without_tls)                                \
	X(a_silent_peer_times_out)                                             \
	X(a_deadline_ends_a_wait)                                              \
	X(the_tick_hook_ends_a_wait)                                           \
	X(our_heartbeats_are_no_sign_of_life)                                  \
	X(untaken_input_does_not_spin)                                         \
	X(a_descriptor_wakes_the_wait)                                         \
	X(another_thread_ends_all_waits)                                       \
	X(a_token_ends_all_waits)                                              \
	X(wrong_counts_of_parts_are_refused)

#define X(name)                                                                \
	static void plain_##name(void **state)                                 \
	{                                                                      \
		((struct world *)*state)->is_tls = 0;                          \
		((struct world *)*state)->is_piped = 0;                        \
		name(*state);                                                  \
	}                                                                      \
	static void tls_##name(void **state)                                   \
	{                                                                      \
		((struct world *)*state)->is_tls = 1;                          \
		((struct world *)*state)->is_piped = 0;                        \
		name(*state);                                                  \
	}
EACH(X)
EACH_SOCKET(X)
#undef X

#define X(name)                                                                \
	static void piped_##name(void **state)                                 \
	{                                                                      \
		((struct world *)*state)->is_tls = 0;                          \
		((struct world *)*state)->is_piped = 1;                        \
		name(*state);                                                  \
	}
EACH(X)
#undef X

int main(void)
{
	const struct CMUnitTest tests[] = {
#define X(name) cmocka_unit_test(plain_##name), cmocka_unit_test(tls_##name),
		EACH(X) EACH_SOCKET(X)
#undef X
#define X(name) cmocka_unit_test(piped_##name),
			EACH(X)
#undef X
			cmocka_unit_test(freeing_nothing_is_allowed),
	};

	return cmocka_run_group_tests(tests, world_make, world_remove);
}
