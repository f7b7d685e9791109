/*
 * A hostile sender for a whole receiver: receive_run() in a thread, over plain
 * TCP on the loopback, into a directory of its own.
 *
 * What must hold: the receiver ends in bounded time once we have left; every
 * file under a final name was reported as committed, holds what the reported
 * digest says, and that digest is one that we sent; links stay inside; what
 * was there before is whole, unless it was reported as deleted, which needs
 * leave; nothing appears or vanishes outside.
 *
 * Input: a byte (which configuration; 0x40: a file of 9 MiB is there, too;
 * 0x80: what a sender may ask for is accepted), then frames.  The header's
 * flags, 0 on the wire, say what is to be done with each:
 *
 *	1	put right what only a sender with these bytes could know: the
 *		digest of a CHUNK's bytes or of the table of a PACK or LIST,
 *		the token of a JOIN, the sums of a FINISH (after waiting for
 *		verdicts), the number of rows of the choice of a DELETE (after
 *		waiting for the list)
 *	2	send it on a second connection
 *	0x80	send the header as it is
 */
#include "lab.h"

#include <sys/eventfd.h>
#include <sys/mman.h>

#include "chunk/codec.h"
#include "chunk/digest.h"
#include "chunk/tree.h"
#include "fs/name.h"
#include "receiver/receive.h"
#include "session/totals.h"
#include "wire/msg_list.h"

enum { FIX = 1, SECOND = 2, RAW = 0x80 };
enum { WITH_HUGE = 0x40 };
enum { IDS_MAX = 128, REPORTS_MAX = 512, DELETED_MAX = 64, LISTS_MAX = 64 };
enum { QUIET_MS = 20 };

/* What the receiver told of a file. */
struct report {
	char *name;
	size_t name_len;
	uint64_t size;
	enum file_status status;
	uint8_t digest[DIGEST_MAX];
	size_t digest_size; /* 0: none was told */
	const struct digest_ops *ops;
};

/* What FINISH needs to know of what we sent. */
struct sent_item {
	uint64_t id, size;
	uint8_t digest[DIGEST_MAX];
	int has_digest, kind, is_done;
};

struct world {
	struct lab lab;
	/* of one input */
	int cancel_fd, ready_fd;
	uint16_t port;
	pthread_mutex_t lock;
	struct report reports[REPORTS_MAX];
	size_t report_count;
	int conn[2];
	struct buf sent;    /* everything that we sent */
	struct buf replies; /* on the first connection */
	size_t replies_done;
	const struct digest_ops *digest;
	enum file_meta_form form, list_form;
	uint8_t token[WIRE_TOKEN_LEN];
	struct expander *expander;
	struct sent_item items[IDS_MAX];
	size_t item_count;
	uint64_t verdicts, links;
	int accepts_links, may_delete;
	char *deleted[DELETED_MAX]; /* paths, as reported */
	size_t deleted_count;
	uint16_t listed[LISTS_MAX]; /* rows of the EXTRAs without a choice */
	size_t list_count;
	struct totals totals;
};

static struct world w;

static const char secret[] = "nothing may change here";

/* ---- what the receiver tells ---- */

static void on_listening(void *ctx, const char *address, uint16_t port)
{
	(void)ctx;
	(void)address;
	w.port = port;
	lab_signal(w.ready_fd);
}

static void on_file(void *ctx, uint64_t number, const struct session_file *f)
{
	struct report *r;

	(void)ctx;
	(void)number;
	CHECK((f->status >= STATUS_COMMITTED && f->status <= STATUS_FAILED) ||
	      f->status == STATUS_UPDATED);
	CHECK((f->status == STATUS_FAILED) == (f->error != NULL));
	pthread_mutex_lock(&w.lock);
	CHECK(w.report_count < REPORTS_MAX);
	r = &w.reports[w.report_count++];
	r->name = fuzz_string(f->name, f->name_len);
	r->name_len = f->name_len;
	r->size = f->size;
	r->status = f->status;
	r->ops = f->digest_ops;
	r->digest_size = f->digest && f->digest_ops ? f->digest_ops->size : 0;
	if (r->digest_size)
		memcpy(r->digest, f->digest, r->digest_size);
	pthread_mutex_unlock(&w.lock);
}

static void on_deleted(void *ctx, uint64_t number,
		       const struct session_deletion *d)
{
	(void)ctx;
	(void)number;
	CHECK(w.may_delete);
	if (d->error || d->is_planned)
		return;
	pthread_mutex_lock(&w.lock);
	CHECK(w.deleted_count < DELETED_MAX);
	w.deleted[w.deleted_count++] = fuzz_string(d->name, d->name_len);
	pthread_mutex_unlock(&w.lock);
}

static void on_message(void *ctx, enum session_level level, const char *text)
{
	(void)ctx;
	(void)level;
	for (; *text; text++)
		CHECK((unsigned char)*text >= ' ' && *text != 0x7f);
}

static const struct session_events events = {
	.listening = on_listening,
	.file = on_file,
	.deleted = on_deleted,
	.message = on_message,
};

/* ---- the receiver ---- */

static struct receive_config config(unsigned which)
{
	static const struct cidr_list anywhere;
	struct receive_config c = {
		.net = { .family = AF_INET,
			 .bind = "127.0.0.1",
			 .timeout_ms = LAB_TIMEOUT_MS },
		.security = SECURITY_PLAIN,
		.dir = w.lab.dir,
		.stdout_fd = -1,
		.sandbox = SANDBOX_OFF,
		.allow = &anywhere,
		.max_size = UINT64_MAX,
		.max_files = UINT64_MAX,
		.once = 1,
		.existing = (enum conflict_policy[]){ CONFLICT_FAIL,
					       CONFLICT_REPLACE,
					       CONFLICT_SKIP,
					       CONFLICT_NEWER,
					       CONFLICT_RENAME,
					       CONFLICT_BACKUP }[which % 6],
		.accept = which & 0x80 ? REQUEST_LINKS | REQUEST_EXISTING |
						 REQUEST_DELETE : 0u,
		.preserve = which & 0x80 ? PRESERVE_KNOWN : 0u,
		.sync = which & 4 ? SYNC_BATCH : SYNC_NONE,
		.max_sessions = 2,
		.timeout_ms = LAB_TIMEOUT_MS,
		.cancel_fd = w.cancel_fd,
		.events = &events,
	};

	if (which % 8 == 7) {
		c.dir = NULL;
		c.to_stdout = 1;
		c.stdout_fd = memfd_create("stdout", MFD_CLOEXEC);
		CHECK(c.stdout_fd >= 0);
	}
	return c;
}

static void *receive_main(void *arg)
{
	struct err e;
	int rc = receive_run(arg, &e);

	CHECK(rc == e.code && (rc == 0 || *e.text));
	return NULL;
}

/* ---- replies ---- */

static void take_verdict(const uint8_t *body, size_t len)
{
	struct msg_verdict m;

	CHECK(msg_get_verdict(&m, body, len) == 0);
	w.verdicts += m.count;
	for (size_t i = 0; i < w.item_count; i++) {
		struct sent_item *it = &w.items[i];

		if (it->id < m.first_id || it->id - m.first_id >= m.count ||
		    it->is_done)
			continue;
		it->is_done = 1;
		if (it->kind == ITEM_FILE && it->has_digest &&
		    (m.status <= STATUS_UNCHANGED || m.status == STATUS_UPDATED))
			totals_file(&w.totals, (enum file_status)m.status,
				   it->id, it->size, it->digest,
				   w.digest->size);
	}
}

/* What is wanted gets no verdict under that id. */
static void take_listed(const uint8_t *body, size_t len)
{
	static struct msg_listed m;

	CHECK(msg_get_listed(&m, body, len) == 0);
	for (size_t i = 0; i < w.item_count; i++) {
		const struct sent_item *it = &w.items[i];

		if (it->id < m.first_id || it->id - m.first_id >= m.count ||
		    m.items[it->id - m.first_id].state == LISTED_DONE)
			continue;
		w.items[i--] = w.items[--w.item_count];
	}
}

static void take_extra(const uint8_t *body, size_t len)
{
	struct msg_extra m;

	CHECK(msg_get_extra(&m, body, len) == 0 && w.may_delete);
	if (m.kind == EXTRA_LIST && w.list_count < LISTS_MAX)
		w.listed[w.list_count++] = m.count;
}

/* Take the whole frames that are in w.replies: all must be well-formed. */
static void take_replies(void)
{
	struct frame f;

	for (;;) {
		size_t left = w.replies.len - w.replies_done;
		const uint8_t *p;

		if (left < FRAME_HEADER)
			return;
		p = w.replies.data + w.replies_done;
		CHECK(frame_get(&f, p, 0) == 0);
		if (left - FRAME_HEADER < f.len)
			return;
		CHECK(frame_body_crc(p + FRAME_HEADER, f.len) ==
		      f.body_check);
		if (f.type == FRAME_READY)
			memcpy(w.token, p + FRAME_HEADER + 12, WIRE_TOKEN_LEN);
		else if (f.type == FRAME_VERDICT)
			take_verdict(p + FRAME_HEADER, f.len);
		else if (f.type == FRAME_LISTED)
			take_listed(p + FRAME_HEADER, f.len);
		else if (f.type == FRAME_EXTRA)
			take_extra(p + FRAME_HEADER, f.len);
		w.replies_done += FRAME_HEADER + f.len;
	}
}

/* Read what is there on the first connection, waiting for at most ms.
 * Returns whether something came. */
static int read_replies(int ms)
{
	struct pollfd pfd = { .fd = w.conn[0], .events = POLLIN };
	uint8_t block[4096];
	size_t n;

	if (poll(&pfd, 1, ms) <= 0)
		return 0;
	n = lab_recv(w.conn[0], block, sizeof(block));
	buf_put(&w.replies, block, n);
	CHECK(!w.replies.failed);
	take_replies();
	return n > 0;
}

/* ---- sending ---- */

static void see_hello(const uint8_t *body, size_t n)
{
	const struct digest_ops *ops = n > 10 ? digest_by_id(body[10]) : NULL;

	if (ops)
		w.digest = ops;
	/* the receiver grants it */
	if (n > 20) {
		const uint32_t features = be_get32(body + 16);

		w.form = features & FEATURE_PRESERVE ? FILE_META_EXTENDED :
						       FILE_META_BASIC;
		w.list_form = features & FEATURE_LIST_META ?
				      FILE_META_EXTENDED : FILE_META_BASIC;
	}
}

static void remember(uint64_t id, int kind, uint64_t size,
		     const uint8_t *digest)
{
	struct sent_item *it;

	if (w.item_count == IDS_MAX)
		return;
	it = &w.items[w.item_count++];
	memset(it, 0, sizeof(*it));
	it->id = id;
	it->kind = kind;
	w.links += kind == ITEM_SYMLINK;
	it->size = size;
	it->has_digest = digest != NULL;
	if (digest)
		memcpy(it->digest, digest, w.digest->size);
}

static void fix_chunk(uint8_t *body, size_t n)
{
	size_t fixed = MSG_CHUNK_FIXED + w.digest->size;

	if (n >= fixed)
		w.digest->sum(body + fixed, n - fixed,
			      body + MSG_CHUNK_FIXED);
}

/* What an offer's row says by SHA-256 is summed up by the session's digest:
 * known here of one file only. */
static const uint8_t *digest_of_offered(struct pack_item *it)
{
	uint8_t sum[DIGEST_MAX];

	digest_sha256.sum(secret, sizeof(secret), sum);
	if (memcmp(it->digest, sum, digest_sha256.size) != 0)
		return NULL;
	w.digest->sum(secret, sizeof(secret), it->digest);
	return it->digest;
}

static void see_rows(const struct msg_pack *m, const uint8_t *raw, int is_offer)
{
	const struct pack_form form = {
		is_offer ? digest_sha256.size : w.digest->size, w.form,
	};
	struct pack_item it;
	struct rd r;

	rd_init(&r, raw, m->table_len);
	for (uint32_t i = 0; i < m->count; i++) {
		if (pack_get_item(&it, &r, &form))
			break;
		remember(m->first_id + i, it.kind, it.size,
			 is_offer ? digest_of_offered(&it) : it.digest);
	}
}

static void fix_open(uint8_t *body, size_t n)
{
	if (n >= w.digest->size)
		w.digest->sum(body, n - w.digest->size,
			      body + n - w.digest->size);
}

static void see_pack(uint8_t *body, size_t n, int is_offer, int fix)
{
	size_t fixed = MSG_PACK_FIXED + w.digest->size;
	struct msg_pack m;
	uint8_t *raw;

	if (n < fixed || msg_get_pack(&m, w.digest->size, body, fixed,
				      n - fixed))
		return;
	raw = fuzz_alloc(m.raw_len);
	if (expander_run(w.expander, m.codec, raw, m.raw_len, body + fixed,
			 n - fixed) == 0) {
		if (fix)
			w.digest->sum(raw, m.table_len, body + MSG_PACK_FIXED);
		/* its digests were sent, too */
		buf_put(&w.sent, raw, m.table_len);
		see_rows(&m, raw, is_offer);
	}
	free(raw);
}

static void see_list(uint8_t *body, size_t n, int fix)
{
	const size_t fixed = MSG_LIST_FIXED + w.digest->size;
	static const uint8_t zeros[DIGEST_MAX];
	static struct msg_rows rows;
	struct msg_list m;
	struct msg_row row;
	uint8_t *raw;
	struct rd r;

	if (n < fixed || msg_get_list(&m, w.digest->size, body, fixed,
				      n - fixed))
		return;
	raw = fuzz_alloc(m.raw_len);
	if (expander_run(w.expander, m.codec, raw, m.raw_len, body + fixed,
			 n - fixed) == 0) {
		if (fix)
			w.digest->sum(raw, m.raw_len, body + MSG_LIST_FIXED);
		memset(&rows, 0, sizeof(rows));
		rows.form = w.list_form;
		rd_init(&r, raw, m.raw_len);
		for (uint32_t i = 0; i < m.count; i++) {
			if (msg_get_row(&row, &rows, &r))
				break;
			/* the digest of what is found unchanged */
			remember(m.first_id + i, row.item.kind, row.item.size,
				 zeros);
		}
	}
	free(raw);
}

/* The choice is one of the oldest list, if that has come. */
static void fix_choice(uint8_t *body, size_t n)
{
	unsigned count;

	if (n < 5 || body[0] != DELETE_CHOICE)
		return;
	while (w.conn[0] >= 0 && w.list_count == 0 && read_replies(QUIET_MS))
		;
	if (w.list_count == 0)
		return;
	count = w.listed[0];
	memmove(w.listed, w.listed + 1, --w.list_count * sizeof(*w.listed));
	if ((count + 7) / 8 != n - 4)
		return;
	be_put16(body + 2, (uint16_t)count);
	if (count % 8 > 0)
		body[n - 1] &= (uint8_t)((1 << count % 8) - 1);
}

static void fix_finish(uint8_t *body, size_t n)
{
	struct msg_finish m = { 0 };
	struct buf b;

	/* links get theirs afterwards */
	while (w.conn[0] >= 0 && w.verdicts + w.links < w.item_count &&
	       read_replies(QUIET_MS))
		;
	m.files = w.totals.committed + w.totals.unchanged;
	m.bytes = w.totals.bytes;
	memcpy(m.sum, w.totals.sum, sizeof(m.sum));
	buf_init(&b, 256);
	msg_put_finish(&b, &m);
	if (n == b.len - FRAME_HEADER)
		memcpy(body, b.data + FRAME_HEADER, n);
	buf_release(&b);
}

/* Note what the frame says and, if wanted, put it right. */
static void look_at(unsigned type, uint8_t *body, size_t n, int fix)
{
	if (type == FRAME_HELLO)
		see_hello(body, n);
	else if (type == FRAME_JOIN && fix && n >= WIRE_TOKEN_LEN)
		memcpy(body + n - WIRE_TOKEN_LEN, w.token, WIRE_TOKEN_LEN);
	else if (type == FRAME_OPEN && fix)
		fix_open(body, n);
	else if (type == FRAME_CHUNK && fix)
		fix_chunk(body, n);
	else if (type == FRAME_PACK || type == FRAME_OFFER)
		see_pack(body, n, type == FRAME_OFFER, fix);
	else if (type == FRAME_LIST)
		see_list(body, n, fix);
	else if (type == FRAME_DELETE && fix)
		fix_choice(body, n);
	else if (type == FRAME_FILE_END && n >= 16 + w.digest->size)
		remember(be_get64(body), ITEM_FILE, be_get64(body + 8),
			 body + 16);
	else if (type == FRAME_FINISH && fix)
		fix_finish(body, n);
}

static void send_frame(const struct piece *pc)
{
	uint8_t *f = fuzz_copy(pc->p, pc->n);
	int flags = pc->n >= FRAME_HEADER ? f[1] : 0;
	int which = (flags & SECOND) != 0;

	if (pc->n >= FRAME_HEADER) {
		look_at(f[0], f + FRAME_HEADER, pc->n - FRAME_HEADER,
			flags & FIX);
		if (!(flags & RAW))
			f[1] = 0;
		frames_put_checks(f, pc->n,
				  w.digest ? w.digest->size : 0);
	}
	if (w.conn[which] < 0)
		w.conn[which] = lab_connect(w.port);
	if (w.conn[which] >= 0) {
		buf_put(&w.sent, f, pc->n);
		lab_send(w.conn[which], f, pc->n);
	}
	/* READY has the token for the second one */
	if (w.conn[0] >= 0 && pc->n >= FRAME_HEADER &&
	    f[0] == FRAME_HELLO && !which)
		(void)read_replies(QUIET_MS);
	free(f);
}

/* We have no more to say; hear the receiver out. */
static void leave(void)
{
	uint8_t block[4096];

	for (int i = 0; i < 2; i++) {
		if (w.conn[i] >= 0)
			(void)shutdown(w.conn[i], SHUT_WR);
	}
	while (w.conn[0] >= 0 && read_replies(LAB_MS))
		;
	while (w.conn[1] >= 0 && lab_recv(w.conn[1], block, sizeof(block)))
		;
	lab_close(&w.conn[0]);
	lab_close(&w.conn[1]);
}

/* ---- what is there now ---- */

/* name: NULL for any. */
static struct report *find_report(const char *name, const uint8_t *digest)
{
	for (size_t i = 0; i < w.report_count; i++) {
		struct report *r = &w.reports[i];

		if ((r->status <= STATUS_UNCHANGED ||
		     r->status == STATUS_UPDATED) && r->digest_size &&
		    (!name || strcmp(r->name, name) == 0) &&
		    memcmp(r->digest, digest, r->digest_size) == 0)
			return r;
	}
	return NULL;
}

/* What is there before each input, beside "huge"; the latter only where it may
 * be deleted. */
static const char *const furnished[] = { "old", "out" };
static const char *const deletable[] = { "gone", "gone/a", "gone/sub",
					 "gone/sub/b", "gone/way" };

static int is_one_of(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], name) == 0)
			return 1;
	}
	return 0;
}

static int is_furnished(const char *name)
{
	return is_one_of(furnished, 2, name) || is_one_of(deletable, 5, name);
}

/* What was there is there, or was reported as deleted. */
static void check_is_there(const char *name)
{
	char path[LAB_PATH];
	struct stat st;

	lab_path(path, w.lab.dir, name);
	if (lstat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
		CHECK(is_one_of((const char *const *)w.deleted,
				w.deleted_count, name));
}

/* is_linked: it has several names, and may have been reported by another. */
static void check_content(const char *name, const uint8_t *p, size_t n,
			  int is_linked)
{
	uint8_t digest[DIGEST_MAX];
	struct tree *t;

	if (is_furnished(name) && n == sizeof(secret) &&
	    memcmp(p, secret, n) == 0)
		return;
	if (strcmp(name, "huge") == 0 && n == LAB_HUGE && *p == 'x' &&
	    !p[1] && memcmp(p + 1, p + 2, n - 2) == 0)
		return;
	t = tree_new(w.digest, n);
	CHECK(t);
	for (uint64_t i = 0; i < tree_leaf_count(n); i++) {
		w.digest->sum(p + i * TREE_LEAF, tree_leaf_size(n, i), digest);
		CHECK(tree_put(t, i, digest) == 0);
	}
	CHECK(tree_final(t, digest) == 0);
	tree_free(t);
	CHECK(find_report(is_linked ? NULL : name, digest));
	CHECK(memmem(w.sent.data, w.sent.len, digest, w.digest->size));
}

static void check_file(const char *path, const char *name,
		       const struct stat *st)
{
	const size_t size = (size_t)st->st_size;
	uint8_t *p = fuzz_alloc(size + 1);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	CHECK(fd >= 0 || errno == EACCES);
	if (fd >= 0) {
		CHECK(io_read(fd, p, size + 1) == (ssize_t)size);
		check_content(name, p, size, st->st_nlink > 1);
		close(fd);
	}
	free(p);
}

static void check_link(const char *path, const char *name)
{
	char target[4096];
	ssize_t n = readlink(path, target, sizeof(target));

	CHECK(n > 0);
	if (w.accepts_links)
		CHECK(!name_check_target(target, (size_t)n));
	else if (!is_furnished(name))
		CHECK(!name_check_symlink(name, strlen(name), 0, target,
				       (size_t)n));
}

static int check_entry(const char *path, const struct stat *st, int flag,
		       struct FTW *ftw)
{
	const char *name = path + strlen(w.lab.dir) + 1;
	const char *last = path + ftw->base;

	if (ftw->level == 0)
		return 0;
	if (name_is_own(last, strlen(last)))
		return 0;
	CHECK(!name_check(name, strlen(name)));
	CHECK((st->st_mode & (S_ISUID | S_ISGID)) == 0 || flag == FTW_SL);
	/* a FIFO, socket or device, where these are accepted */
	if (flag == FTW_F && !S_ISREG(st->st_mode))
		CHECK(w.may_delete);
	else if (flag == FTW_F)
		check_file(path, name, st);
	else if (flag == FTW_SL)
		check_link(path, name);
	else
		CHECK(S_ISDIR(st->st_mode));
	return 0;
}

/* Beside the receiver's directory there is one more, with one file. */
static void check_outside(void)
{
	char path[LAB_PATH], content[sizeof(secret) + 1];
	struct stat st;
	int fd;

	CHECK(stat(w.lab.top, &st) == 0 && st.st_nlink == 4);
	lab_path(path, w.lab.top, "out");
	CHECK(stat(path, &st) == 0 && st.st_nlink == 2);
	lab_path(path, w.lab.top, "out/secret");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(io_read(fd, content, sizeof(content)) == sizeof(secret));
	CHECK(memcmp(content, secret, sizeof(secret)) == 0);
	close(fd);
}

/* ---- one input ---- */

static void remove_lab(void)
{
	(void)scratch_remove(w.lab.top);
}

/* The directory before each input: one file or two, a symlink that leads out,
 * and where it may be deleted, a small tree. */
static void furnish(unsigned which)
{
	char path[LAB_PATH];

	lab_path(path, w.lab.top, "out");
	(void)scratch_remove(path);
	CHECK(mkdir(path, 0755) == 0);
	lab_write(path, "secret", secret, sizeof(secret));
	(void)scratch_remove(w.lab.dir);
	CHECK(mkdir(w.lab.dir, 0755) == 0);
	lab_write(w.lab.dir, "old", secret, sizeof(secret));
	if (which & WITH_HUGE)
		lab_write_huge(w.lab.dir, "huge");
	lab_path(path, w.lab.dir, "out");
	CHECK(symlink("../out", path) == 0);
	if (!w.may_delete)
		return;
	lab_path(path, w.lab.dir, "gone");
	CHECK(mkdir(path, 0755) == 0);
	lab_write(path, "a", secret, sizeof(secret));
	lab_path(path, w.lab.dir, "gone/sub");
	CHECK(mkdir(path, 0755) == 0);
	lab_write(path, "b", secret, sizeof(secret));
	lab_path(path, w.lab.dir, "gone/way");
	CHECK(symlink("../../out", path) == 0);
}

static void begin(unsigned which)
{
	if (!*w.lab.top) {
		lab_make(&w.lab);
		(void)atexit(remove_lab);
		pthread_mutex_init(&w.lock, NULL);
		w.expander = expander_new();
		CHECK(w.expander);
	}
	w.may_delete = (which & 0x80) != 0;
	furnish(which);
	w.cancel_fd = eventfd(0, EFD_CLOEXEC);
	w.ready_fd = eventfd(0, EFD_CLOEXEC);
	CHECK(w.cancel_fd >= 0 && w.ready_fd >= 0);
	w.conn[0] = w.conn[1] = -1;
	buf_init(&w.sent, 64 << 20);
	buf_init(&w.replies, 64 << 20);
	w.digest = &digest_crc32;
	w.report_count = w.item_count = w.replies_done = 0;
	w.verdicts = w.links = 0;
	w.list_count = 0;
	memset(&w.totals, 0, sizeof(w.totals));
}

static void end(void)
{
	while (w.report_count > 0)
		free(w.reports[--w.report_count].name);
	while (w.deleted_count > 0)
		free(w.deleted[--w.deleted_count]);
	buf_release(&w.sent);
	buf_release(&w.replies);
	io_close(&w.cancel_fd);
	io_close(&w.ready_fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct piece pc[FRAMES_MAX];
	struct receive_config cfg;
	pthread_t thread;
	uint64_t count;
	size_t n;

	if (size == 0)
		return 0;
	begin(data[0]);
	cfg = config(data[0]);
	w.accepts_links = cfg.accept != 0;
	CHECK(pthread_create(&thread, NULL, receive_main, &cfg) == 0);
	CHECK(read(w.ready_fd, &count, sizeof(count)) == sizeof(count));
	n = frames_split(pc, data + 1, size - 1);
	for (size_t i = 0; i < n; i++)
		send_frame(&pc[i]);
	leave();
	lab_signal(w.cancel_fd);
	lab_join(thread);
	CHECK(nftw(w.lab.dir, check_entry, 16, FTW_PHYS) == 0);
	for (size_t i = 0; i < 2; i++)
		check_is_there(furnished[i]);
	for (size_t i = 0; w.may_delete && i < 5; i++)
		check_is_there(deletable[i]);
	check_outside();
	io_close(&cfg.stdout_fd);
	end();
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned seed)
{
	return frames_mutate(data, size, max_size, seed, 1);
}
