/*
 * A hostile receiver for a whole sender: send_run() in a thread, over plain
 * TCP on the loopback, with a small tree of sources.
 *
 * What must hold: the sender ends in bounded time once we have left; its
 * result, error and summary agree; it says that all went well only if it got
 * a SUMMARY and we said of every file that it was committed or unchanged;
 * everything it prints is printable.
 *
 * Input: a byte (which configuration; 0x10: a file of 9 MiB is sent, too; 0x20:
 * with --compare time; 0x40: with --delete, and files are replaced), then
 * frames.  The header's flags, 0 on the wire, say what is to be done with each:
 *
 *	0x0f	so many frames of the sender are awaited before it is sent
 *	0x20	send it on the second connection
 *	0x40	for SUMMARY: put the sums right, after FINISH came
 *	0x80	send the header as it is
 */
#include "lab.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "sender/send.h"
#include "wire/msg.h"

enum { AWAIT = 0x0f, SECOND = 0x20, FIX = 0x40, RAW = 0x80 };
enum { WITH_HUGE = 0x10, BY_TIME = 0x20, DELETES = 0x40 };
enum { CONNS = 2, QUIET_MS = 10, LARGE = 300000 };

/* A connection from the sender: what came on it, frame by frame. */
struct conn {
	int fd;
	uint8_t head[FRAME_HEADER];
	size_t head_len;
	uint64_t skip; /* of the body */
	unsigned frames;
	struct buf finish; /* the body of FINISH, as far as it came */
	int in_finish;
};

struct world {
	struct lab lab;
	int listener;
	uint16_t port;
	/* of one input */
	struct conn conn[CONNS];
	int has_summary, has_failed, has_huge;
	struct send_config cfg;
	struct session_summary summary;
	struct err e;
	int rc;
	atomic_int good, bad; /* files, as the sender told */
};

static struct world w;

/* ---- what the sender tells ---- */

static void check_text(const char *text)
{
	for (; *text; text++)
		CHECK((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void on_file(void *ctx, uint64_t number, const struct session_file *f)
{
	(void)ctx;
	(void)number;
	CHECK((f->status >= STATUS_COMMITTED && f->status <= STATUS_FAILED) ||
	      f->status == STATUS_UPDATED);
	CHECK((f->status == STATUS_FAILED) == (f->error != NULL));
	if (f->error)
		check_text(f->error);
	if (f->status <= STATUS_UNCHANGED || f->status == STATUS_UPDATED)
		atomic_fetch_add(&w.good, 1);
	else
		atomic_fetch_add(&w.bad, 1);
}

static void on_message(void *ctx, enum session_level level, const char *text)
{
	(void)ctx;
	(void)level;
	check_text(text);
}

static void on_progress(void *ctx, uint64_t number,
			const struct session_progress *p)
{
	(void)ctx;
	(void)number;
	CHECK(p->bytes <= p->total_bytes);
	CHECK(p->files <= p->total_files || !p->total_is_final);
}

static const struct session_events events = {
	.file = on_file,
	.message = on_message,
	.progress = on_progress,
};

/* ---- the sender ---- */

static const char *const small_files[] = { "a", "b", "c" };

static void make_sources(void)
{
	uint8_t *large = fuzz_alloc(LARGE);
	char path[LAB_PATH];
	uint32_t seed = 1;

	for (size_t i = 0; i < LARGE; i++)
		large[i] = (uint8_t)(i % 3 ? i >> 8 : fuzz_random(&seed));
	lab_write(w.lab.dir, "large", large, LARGE);
	for (size_t i = 0; i < 3; i++)
		lab_write(w.lab.dir, small_files[i], large, 100 * i);
	lab_path(path, w.lab.dir, "d");
	CHECK(mkdir(path, 0755) == 0);
	lab_path(path, w.lab.dir, "d/link");
	CHECK(symlink("../a", path) == 0);
	lab_write_huge(w.lab.top, "huge");
	free(large);
}

static void configure(unsigned which)
{
	struct send_config *c = &w.cfg;
	char path[LAB_PATH];
	struct err e;

	memset(c, 0, sizeof(*c));
	snprintf(c->dest.host, sizeof(c->dest.host), "127.0.0.1");
	c->dest.port = w.port;
	c->net.family = AF_INET;
	c->net.timeout_ms = LAB_TIMEOUT_MS;
	c->security = SECURITY_PLAIN;
	c->digest = digest_by_id(1 + which % 3);
	c->codec.ops = codec_by_id(which >> 2 & 1);
	c->codec.level = c->codec.ops->level_default;
	c->streams = which & 8 ? 2 : 1;
	c->stdin_fd = c->cancel_fd = -1;
	c->timeout_ms = LAB_TIMEOUT_MS;
	c->sandbox = SANDBOX_OFF;
	c->events = &events;
	c->compare_time = (which & BY_TIME) != 0;
	c->deletes = (which & DELETES) != 0;
	if (c->deletes) {
		c->existing = EXISTING_REPLACE;
		c->requests = REQUEST_DELETE | REQUEST_EXISTING;
	}
	if (which & 2) {
		c->stdin_fd = memfd_create("stdin", MFD_CLOEXEC);
		c->stdin_name = "stream";
		CHECK(c->stdin_fd >= 0);
		CHECK(io_pwrite(c->stdin_fd, "from a pipe", 11, 0) == 0);
	}
	c->scan = scan_new(SCAN_KEEP);
	CHECK(c->scan && scan_add(c->scan, w.lab.dir, &e) == 0);
	w.has_huge = which & WITH_HUGE;
	if (w.has_huge) {
		lab_path(path, w.lab.top, "huge");
		CHECK(scan_add(c->scan, path, &e) == 0);
	}
}

static void *send_main(void *arg)
{
	(void)arg;
	w.rc = send_run(&w.cfg, &w.summary, &w.e);
	return NULL;
}

/* ---- our side ---- */

/* Follow the frames in n bytes that came. */
static void take_bytes(struct conn *c, const uint8_t *p, size_t n)
{
	while (n > 0) {
		size_t part;

		if (c->skip > 0) {
			part = n < c->skip ? n : (size_t)c->skip;
			if (c->in_finish)
				buf_put(&c->finish, p, part);
			c->skip -= part;
		} else {
			part = 1;
			c->head[c->head_len++] = *p;
		}
		p += part;
		n -= part;
		if (c->head_len == FRAME_HEADER) {
			struct frame f;

			/* a sender of ours sends good headers */
			CHECK(frame_get(&f, c->head, 1) == 0);
			c->head_len = 0;
			c->skip = f.len;
			c->frames++;
			c->in_finish = f.type == FRAME_FINISH;
		}
	}
}

/* Take new connections and what came on them.  Waits for at most ms; returns
 * whether anything happened. */
static int take(int ms)
{
	static uint8_t block[65536];
	struct pollfd fds[1 + CONNS] = { { .fd = w.listener,
					   .events = POLLIN } };
	int any;

	for (int i = 0; i < CONNS; i++) {
		fds[1 + i].fd = w.conn[i].fd;
		fds[1 + i].events = POLLIN;
	}
	if (w.conn[CONNS - 1].fd >= 0)
		fds[0].fd = -1;
	any = poll(fds, 1 + CONNS, ms) > 0;
	for (int i = 0; any && i < CONNS; i++) {
		struct conn *c = &w.conn[i];
		size_t n;

		if (!fds[1 + i].revents)
			continue;
		n = lab_recv(c->fd, block, sizeof(block));
		take_bytes(c, block, n);
		if (n == 0)
			lab_close(&c->fd);
	}
	if (any && fds[0].revents) {
		struct conn *c = &w.conn[w.conn[0].fd >= 0 ||
					 w.conn[0].frames > 0];

		if (c->fd < 0)
			c->fd = accept4(w.listener, NULL, NULL, SOCK_CLOEXEC);
		if (c->fd >= 0)
			lab_set_deadlines(c->fd);
	}
	return any;
}

static void await_frames(struct conn *c, unsigned count)
{
	unsigned until = c->frames + count;

	while (c->fd >= 0 && c->frames < until && take(QUIET_MS))
		;
}

static void fix_summary(uint8_t *body, size_t n)
{
	struct conn *c = &w.conn[0];

	while (c->fd >= 0 && c->finish.len < 32 && take(QUIET_MS))
		;
	if (n >= 32 && c->finish.len >= 32)
		memcpy(body, c->finish.data, 32);
}

static void see_reply(unsigned type, const uint8_t *body, size_t n)
{
	struct msg_summary s;
	struct msg_verdict v;

	if (type == FRAME_SUMMARY && msg_get_summary(&s, body, n) == 0)
		w.has_summary = 1;
	if (type == FRAME_VERDICT && msg_get_verdict(&v, body, n) == 0 &&
	    v.status == STATUS_FAILED)
		w.has_failed = 1;
}

static void reply(const struct piece *pc)
{
	uint8_t *f = fuzz_copy(pc->p, pc->n);
	int flags = pc->n >= FRAME_HEADER ? f[1] : 0;
	struct conn *c = &w.conn[(flags & SECOND) != 0];

	await_frames(c, flags & AWAIT);
	if (pc->n >= FRAME_HEADER) {
		if (f[0] == FRAME_SUMMARY && flags & FIX)
			fix_summary(f + FRAME_HEADER, pc->n - FRAME_HEADER);
		if (!(flags & RAW))
			f[1] = 0;
		see_reply(f[0], f + FRAME_HEADER, pc->n - FRAME_HEADER);
		frames_put_checks(f, pc->n, 0);
	}
	while (take(0))
		;
	if (c->fd >= 0)
		lab_send(c->fd, f, pc->n);
	free(f);
}

/* Every further connection is welcomed like the first. */
static void welcome_second(const struct piece *pc)
{
	if (w.cfg.streams < 2 || pc->n < FRAME_HEADER ||
	    pc->p[0] != FRAME_READY)
		return;
	while (w.conn[1].fd < 0 && w.conn[0].fd >= 0 && take(QUIET_MS))
		;
	if (w.conn[1].fd >= 0) {
		struct piece second = *pc;
		uint8_t *f = fuzz_copy(pc->p, pc->n);

		f[1] = SECOND;
		second.p = f;
		reply(&second);
		free(f);
	}
}

static void leave(void)
{
	for (int i = 0; i < CONNS; i++) {
		if (w.conn[i].fd >= 0)
			(void)shutdown(w.conn[i].fd, SHUT_WR);
	}
	while (w.conn[0].fd >= 0 || w.conn[1].fd >= 0)
		CHECK(take(LAB_MS));
}

/* ---- one input ---- */

static void remove_lab(void)
{
	(void)scratch_remove(w.lab.top);
}

static void begin(void)
{
	struct sockaddr_in sin = lab_address(0);
	socklen_t len = sizeof(sin);

	if (!*w.lab.top) {
		lab_make(&w.lab);
		(void)atexit(remove_lab);
		make_sources();
		w.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		CHECK(bind(w.listener, (struct sockaddr *)&sin, len) == 0);
		CHECK(listen(w.listener, 16) == 0);
		CHECK(!getsockname(w.listener, (struct sockaddr *)&sin,
				   &len));
		w.port = ntohs(sin.sin_port);
	}
	for (int i = 0; i < CONNS; i++) {
		memset(&w.conn[i], 0, sizeof(w.conn[i]));
		w.conn[i].fd = -1;
		buf_init(&w.conn[i].finish, 1 << 20);
	}
	w.has_summary = w.has_failed = 0;
	atomic_store(&w.good, 0);
	atomic_store(&w.bad, 0);
}

static void check_result(void)
{
	CHECK(w.rc == w.e.code && w.rc == w.summary.code);
	CHECK(w.rc <= 0 && err_exit_status(w.rc) >= 0);
	if (w.rc) {
		CHECK(*w.e.text);
		check_text(w.e.text);
		return;
	}
	CHECK(w.has_summary && w.bad == 0);
	/* three small ones, the large one, the symlink, and perhaps the stream
	 * and the one of 9 MiB */
	CHECK(w.good == 5 + (w.cfg.stdin_fd >= 0) + (w.has_huge != 0));
}

/* Connections that came after the last accept(). */
static void drain_listener(void)
{
	struct pollfd pfd = { .fd = w.listener, .events = POLLIN };

	while (poll(&pfd, 1, 0) > 0) {
		int fd = accept4(w.listener, NULL, NULL, SOCK_CLOEXEC);

		lab_close(&fd);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct piece pc[FRAMES_MAX];
	pthread_t thread;
	size_t n;

	if (size == 0)
		return 0;
	begin();
	configure(data[0]);
	CHECK(pthread_create(&thread, NULL, send_main, NULL) == 0);
	n = frames_split(pc, data + 1, size - 1);
	while (w.conn[0].fd < 0)
		CHECK(take(LAB_MS));
	for (size_t i = 0; i < n; i++) {
		reply(&pc[i]);
		if (i == 0)
			welcome_second(&pc[i]);
	}
	leave();
	lab_join(thread);
	check_result();
	drain_listener();
	for (int i = 0; i < CONNS; i++)
		buf_release(&w.conn[i].finish);
	scan_free(w.cfg.scan);
	io_close(&w.cfg.stdin_fd);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned seed)
{
	return frames_mutate(data, size, max_size, seed, 1);
}
