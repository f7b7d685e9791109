/*
 * Allocations that fail: each module is made, filled and freed, again and
 * again, in which the Nth allocation fails, for each N until none is left to
 * fail.
 *
 * What must hold: the module says that it failed, and does not crash; all that
 * was allocated is freed again, and all descriptors are closed.  Transfers as a
 * whole are in test_torture.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/scratch.h"

#include "auth/key.h"
#include "auth/spake2.h"
#include "auth/tls.h"
#include "base/buf.h"
#include "base/names.h"
#include "base/runs.h"
#include "chunk/codec.h"
#include "chunk/digest.h"
#include "chunk/piece_index.h"
#include "chunk/tree.h"
#include "cmd/outputs.h"
#include "cmd/progress.h"
#include "cmd/progress_lines.h"
#include "cmd/report.h"
#include "cmd/senders_file.h"
#include "cmd/senders_load.h"
#include "fs/dirs.h"
#include "fs/filter.h"
#include "fs/list.h"
#include "fs/scan.h"
#include "net/dial.h"
#include "receiver/cpu_share.h"
#include "receiver/dir_opener.h"
#include "receiver/exec_helper.h"
#include "receiver/extras.h"
#include "receiver/file.h"
#include "receiver/file_table.h"
#include "receiver/held_dir.h"
#include "receiver/keeper.h"
#include "receiver/kept.h"
#include "receiver/senders.h"
#include "receiver/symlinks.h"
#include "sender/delta.h"
#include "sender/links.h"
#include "sender/outfile_priv.h"
#include "sender/pack.h"
#include "sender/queue.h"
#include "sender/queue_replies.h"
#include "sender/waiting.h"
#include "session/admission.h"
#include "session/direct.h"
#include "wire/msg.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_OWN_MALLOC 1 /* the sanitizer's, which must stay */
#else
#define HAS_OWN_MALLOC 0
#endif

enum { NTH_MAX = 1000000 };

/* ---- the allocator ---- */

static _Thread_local long left;   /* until the one that fails; 0: none does */
static _Thread_local int is_counting;
static _Thread_local long blocks; /* that are not freed */

#if !HAS_OWN_MALLOC
/* glibc's own, below the names that are ours here. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);
extern void __libc_free(void *p);

static int is_to_fail(void)
{
	if (left == 0 || --left > 0)
		return 0;
	errno = ENOMEM;
	return 1;
}

static void *counted(void *p)
{
	blocks += is_counting && p;
	return p;
}

void *malloc(size_t n)
{
	return is_to_fail() ? NULL : counted(__libc_malloc(n));
}

void *calloc(size_t count, size_t n)
{
	return is_to_fail() ? NULL : counted(__libc_calloc(count, n));
}

void *realloc(void *p, size_t n)
{
	if (is_to_fail())
		return NULL;
	return p ? __libc_realloc(p, n) : counted(__libc_malloc(n));
}

void free(void *p)
{
	blocks -= is_counting && p;
	__libc_free(p);
}
#endif

static int next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static char scratch[192];
static int scratch_fd;

enum {
	GOES_ON = 1, /* it may do without some of its memory */
	KEEPS = 2,   /* libcrypto may keep some of it */
};

/* Run a function, which returns 0 if nothing failed, with another allocation
 * failing each time: all of them, or forty of many. */
static void without_memory(const char *name, int (*run)(void), unsigned flags)
{
	const int fd = next_fd();
	long step = 1;
	int is_sound = 0;

	assert_int_equal(run(), 0); /* what is made once only */
	if (!HAS_OWN_MALLOC) {
		left = NTH_MAX;
		assert_int_equal(run(), 0);
		step = 1 + (NTH_MAX - left) / 40;
	}
	for (long nth = 1; !is_sound; nth += step) {
		int rc;

		left = HAS_OWN_MALLOC ? 0 : nth;
		blocks = 0;
		is_counting = 1;
		rc = run();
		is_counting = 0;
		is_sound = left > 0 || HAS_OWN_MALLOC;
		left = 0;
		if ((rc != 0 && is_sound) ||
		    (rc == 0 && !is_sound && !(flags & GOES_ON)) ||
		    (blocks != 0 && !(flags & KEEPS)))
			fail_msg("%s, allocation %ld: returned %d, %ld blocks "
				 "left", name, nth, rc, blocks);
		assert_int_equal(next_fd(), fd);
	}
}

/* ---- base, chunk ---- */

static int run_numbers(void)
{
	struct names_set set = { 0 };
	struct runs runs;
	int rc = 0;

	runs_init(&runs, 1000);
	for (uint64_t i = 0; rc == 0 && i < 100; i++)
		rc = runs_add(&runs, 3 * i, 1);
	for (uint64_t i = 0; rc == 0 && i < 100; i++)
		rc = names_set_add(&set, names_hash((const char *)&i, 8));
	if (rc == 0)
		rc = runs_remove(&runs, 30, 1) || runs_count(&runs) != 99;
	runs_release(&runs);
	names_set_release(&set);
	return rc;
}

static int run_tree(void)
{
	const uint64_t leaves = 3 * TREE_RANGE_LEAVES;
	struct tree *t = tree_new(&digest_xxh3, leaves * TREE_LEAF);
	uint8_t digest[DIGEST_MAX] = { 1 };
	int rc = t ? 0 : -1;

	for (uint64_t i = 0; rc == 0 && i < TREE_RANGE_LEAVES + 5; i++)
		rc = tree_put(t, i, digest);
	if (rc == 0)
		rc = tree_put_same(t, TREE_RANGE_LEAVES + 5,
				   leaves - TREE_RANGE_LEAVES - 5, digest);
	if (rc == 0)
		rc = tree_final(t, digest);
	tree_free(t);
	return rc;
}

static int run_pieces(void)
{
	struct piece_index *x = piece_index_new(5000, 7);
	int rc = x ? 0 : -1;

	for (uint64_t i = 0; rc == 0 && i < 3000; i++)
		rc = piece_index_add(x, i * 99991, i * 16384, 16384);
	piece_index_free(x);
	return rc;
}

static int run_codecs(void)
{
	static const char *const texts[] = { "zlib", "zstd", "auto" };
	static uint8_t raw[4096], packed[8192];
	struct expander *x = expander_new();
	int rc = x ? 0 : -1;

	for (int i = 0; rc == 0 && i < 3; i++) {
		struct codec_choice choice;
		struct codec *c;
		uint8_t id = 0;
		size_t n;

		rc = codec_parse(texts[i], &choice);
		c = rc == 0 ? codec_new(&choice) : NULL;
		if (!c) {
			rc = -1;
			break;
		}
		n = codec_compress(c, packed, sizeof(packed), raw, sizeof(raw),
				   &id);
		/* without memory it is sent as it is */
		rc = n == 0 || id == CODEC_NONE;
		if (rc == 0)
			rc = expander_run(x, id, raw, sizeof(raw), packed, n);
		codec_free(c);
	}
	expander_free(x);
	return rc;
}

static void base_and_chunk(void **state)
{
	(void)state;
	without_memory("numbers", run_numbers, 0);
	/* what cannot be made smaller stays as it is */
	without_memory("tree", run_tree, GOES_ON);
	without_memory("pieces", run_pieces, 0);
	without_memory("codecs", run_codecs, 0);
}

/* ---- auth ---- */

/* Both sides of an exchange, whose memory fails on either. */
static int run_spake2(void)
{
	static const uint8_t seed[SPAKE2_SEED] = { 1 };
	struct spake2_config cfg = { .id_a = "a", .id_b = "b", .aad = "c" };
	struct spake2 *a = NULL, *b = NULL;
	uint8_t key[16];
	struct err e = { 0 };
	int rc = spake2_make_w(cfg.w, seed, &e);

	if (rc == 0) {
		a = spake2_new(&cfg, &e);
		cfg.role = SPAKE2_B;
		b = a ? spake2_new(&cfg, &e) : NULL;
		rc = b ? 0 : e.code;
	}
	if (rc == 0)
		rc = spake2_take_share(a, spake2_share(b), &e);
	if (rc == 0)
		rc = spake2_take_share(b, spake2_share(a), &e);
	if (rc == 0)
		rc = !spake2_check(a, spake2_mac(b));
	if (rc == 0)
		rc = spake2_derive(a, "label", key, sizeof(key), &e);
	spake2_free(a);
	spake2_free(b);
	/* it is not taken for the other side's fault */
	assert_true(rc == 0 || rc == ERR_RESOURCE);
	return rc;
}

/* What a receiver of named senders makes of their keys. */
static int run_tls(void)
{
	static const struct key keys[2] = { { .secret = { 1 } },
					    { .secret = { 2 } } };
	const struct tls_config cfg = { .mode = SECURITY_PSK,
					.role = NET_LISTENS,
					.keys = keys,
					.key_count = 2 };
	struct err e = { 0 };
	struct tls *t = tls_new(&cfg, &e);

	tls_free(t);
	return t ? 0 : e.code;
}

static void auth(void **state)
{
	(void)state;
	without_memory("spake2", run_spake2, KEEPS | GOES_ON);
	without_memory("tls", run_tls, KEEPS | GOES_ON);
}

/* ---- fs ---- */

static int run_filter(void)
{
	static const char *const patterns[] = { "*.o", "/a/b", "c/", "**/d/*e" };
	struct filter *f = filter_new();
	int rc = f ? 0 : -1;

	for (int i = 0; rc == 0 && i < 4; i++)
		rc = filter_add(f, 1, patterns[i]);
	filter_free(f);
	return rc;
}

static int run_dirs(void)
{
	static const char path[] = "made/a/b/c/leaf";
	struct dirs *d = dirs_new(scratch_fd, DIRS_CREATE, NULL, NULL);
	struct err e = { 0 };
	const char *leaf;
	int rc = d ? 0 : -1;

	if (d && dirs_parent(d, path, strlen(path), &leaf, &e) < 0)
		rc = e.code;
	dirs_free(d);
	return rc;
}

static int count_item(void *ctx, const struct scan_item *item, struct err *e)
{
	unsigned *count = ctx;

	(void)e;
	*count += item->kind == SCAN_ERROR ? 1000 : 1;
	return 0;
}

static int run_scan(void)
{
	struct scan *s = scan_new(SCAN_KEEP);
	unsigned count = 0;
	struct err e = { 0 };
	char path[256];
	int rc = s ? 0 : -1;

	snprintf(path, sizeof(path), "%s/tree", scratch);
	if (rc == 0)
		rc = scan_add(s, path, &e);
	if (rc == 0)
		rc = scan_run(s, count_item, &count, &e);
	scan_free(s);
	/* f, link, sub, g, and the tree itself */
	return rc ? rc : count != 5;
}

static int run_list(void)
{
	int fd = openat(scratch_fd, "list", O_RDONLY | O_CLOEXEC);
	struct list *l = list_new(fd, '\n');
	struct err e = { 0 };
	char *name;
	int rc = l ? 0 : -1;

	for (int i = 0; rc == 0 && i < 2; i++)
		rc = list_next(l, &name, &e) != LIST_NAME;
	if (rc == 0)
		rc = list_next(l, &name, &e) != LIST_END;
	list_free(l);
	close(fd);
	return rc;
}

static void fs(void **state)
{
	(void)state;
	without_memory("filter", run_filter, 0);
	without_memory("dirs", run_dirs, 0);
	without_memory("scan", run_scan, 0);
	without_memory("list", run_list, 0);
}

/* ---- sender ---- */

static int run_links(void)
{
	struct links *l = links_new();
	struct buf first;
	int rc = l ? 0 : -1;

	buf_init(&first, 4096);
	for (unsigned i = 0; rc == 0 && i < 300; i++) {
		const struct stat st = { .st_ino = i / 2 + 1, .st_dev = 1,
					 .st_nlink = 2 };
		const struct links_name n = { "dir/name", 8, 0, 0, &st };
		uint32_t number;
		const enum links_state s = links_find(l, &n, &number, &first);

		/* where it cannot be remembered, it is sent as a file */
		rc = s != (i % 2 ? LINKS_LATER : LINKS_FIRST);
	}
	buf_release(&first);
	links_free(l);
	return rc;
}

static int run_packs(void)
{
	const struct pack_texts texts = { "dir/name", 8, 0, "target", 6 };
	struct pack *pk = pack_new(), *alone = NULL;
	int rc = pk ? 0 : -1;

	for (int i = 0; rc == 0 && i < PACK_ITEMS; i++)
		rc = pack_add(pk, ITEM_SYMLINK, &texts, 0) ? 0 : -1;
	if (rc == 0) {
		alone = pack_alone(pk, &pk->items[7]);
		rc = alone ? 0 : -1;
	}
	pack_free(alone);
	pack_free(pk);
	return rc;
}

static int add_waiting(struct waiting *w, enum item_kind kind, uint64_t size)
{
	static const char name[] = "dir/name", target[] = "target";
	const struct item it = { .kind = (uint8_t)kind,
				 .name_len = sizeof(name) - 1 };
	const struct queue_verdict v = {
		.name = name,
		.name_len = sizeof(name) - 1,
		.item = &it,
		.size = size,
		.target = kind == ITEM_SYMLINK ? target : NULL,
		.target_len = kind == ITEM_SYMLINK ? sizeof(target) - 1 : 0,
	};

	return waiting_add(w, &v) == 1 ? 0 : -1;
}

static int run_waiting(void)
{
	struct waiting *w = waiting_new();
	struct queue *q = queue_new();
	struct links *l = links_new();
	struct err e = { 0 };
	int rc = w && q && l ? 0 : -1;

	if (rc == 0)
		rc = add_waiting(w, ITEM_SYMLINK, 0);
	if (rc == 0)
		rc = add_waiting(w, ITEM_FILE, PACK_FILE_MAX);
	if (rc == 0)
		rc = add_waiting(w, ITEM_FILE, PACK_FILE_MAX + 1);
	if (rc == 0)
		rc = waiting_requeue(w, q, l, 0, &e) == 3 ? 0 : e.code;
	if (q)
		queue_close(q);
	queue_free(q);
	waiting_free(w);
	links_free(l);
	return rc;
}

static int run_delta(void)
{
	struct delta *d = delta_new(64 << 20, 64, 1, 7);
	struct runs todo;
	int rc = d ? 0 : -1;

	runs_init(&todo, OUTFILE_RUNS_MAX);
	if (rc == 0)
		rc = runs_add(&todo, 0, 64);
	if (rc == 0)
		rc = delta_compare_leaves(d, &todo, 0, 64);
	if (rc == 0)
		rc = delta_stop(d, &todo);
	if (rc == 0)
		rc = runs_count(&todo) != 64;
	runs_release(&todo);
	delta_free(d);
	return rc;
}

static void sender(void **state)
{
	(void)state;
	without_memory("links", run_links, 0);
	without_memory("packs", run_packs, 0);
	/* where a pack cannot grow, there is one more */
	without_memory("waiting", run_waiting, GOES_ON);
	without_memory("delta", run_delta, 0);
}

/* ---- receiver ---- */

/* A sender with two credentials, its directory, and processes of its own. */
static int run_senders(void)
{
	int exec_fd = dup(STDERR_FILENO), open_fd = dup(STDERR_FILENO);
	const struct sender s = {
		.name = "laptop",
		.dir = scratch,
		.root_fd = dup(scratch_fd),
		.exec = exec_helper_adopt(exec_fd),
		.opener = dir_opener_adopt(open_fd),
	};
	struct senders *ss = senders_new(NULL);
	int rc = ss && s.exec && s.opener ? 0 : -1;

	if (!ss) {
		close(s.root_fd);
		exec_helper_free(s.exec);
		dir_opener_free(s.opener);
		return rc;
	}
	if (!senders_add(ss, &s, 1000))
		rc = -1;
	for (int i = 0; rc == 0 && i < 2; i++)
		rc = senders_add_credential(ss, i ? "key b" : "key a");
	senders_release(ss);
	return rc;
}

static int run_senders_file(void)
{
	static const char text[] = "dir = in\n"
				   "[laptop]\n"
				   "key = laptop.key\n"
				   "allow = 192.0.2.0/24 ::1\n"
				   "[desk]\n"
				   "dir = other\n"
				   "exec = run\n"
				   "key = desk.key\n"
				   "key = /etc/other.key\n";
	struct senders_file f;
	struct err e = { 0 };
	int rc = senders_file_parse(&f, "conf/ferry.conf", text,
				    sizeof(text) - 1, &e);

	senders_file_release(&f);
	return rc;
}

/* A key by way of a symlink in its sender's directory is never taken. */
static int run_senders_load(void)
{
	struct senders_load l;
	struct err e = { 0 };
	char path[256];

	snprintf(path, sizeof(path), "%s/ferry.conf", scratch);
	if (senders_load(&l, path, -1, SANDBOX_OFF, &e) == 0)
		fail_msg("the key was taken");
	senders_load_release(&l);
	return !strstr(e.text, "that sender could replace it");
}

static void make_senders_load(void)
{
	struct err e = { 0 };
	char path[256];

	close(scratch_make_dir(scratch_fd, "in"));
	assert_int_equal(symlinkat("in/out", scratch_fd, "to-in"), 0);
	assert_int_equal(symlinkat("..", scratch_fd, "in/out"), 0);
	put_file(scratch_fd, "ferry.conf",
		 "dir = .\n[in]\nkey = to-in/key\n");
	snprintf(path, sizeof(path), "%s/key", scratch);
	assert_int_equal(key_generate(path, &e), 0);
}

static int run_files(void)
{
	static const struct kept_sender nobody;
	const struct msg_open m = { .id = 1, .size = 5 << 20, .name = "f",
				    .name_len = 1 };
	struct file_table *t = file_table_new(&digest_xxh3, 2);
	struct recv_file *f = recv_file_new(&m, &digest_xxh3, &nobody);
	struct err e = { 0 };
	int rc = t && f ? 0 : -1;

	if (rc == 0)
		rc = file_table_add(t, f, &e);
	if (rc && f)
		recv_file_free(f);
	if (t)
		file_table_free(t);
	return rc;
}

static int run_symlinks(void)
{
	const struct symlinks_config cfg = { .root_fd = scratch_fd };
	const struct pack_item it = { .kind = ITEM_SYMLINK,
				      .name = "dir/name", .name_len = 8,
				      .target = "target", .target_len = 6 };
	struct symlinks *s = symlinks_new(&cfg);
	struct err e = { 0 };
	int rc = s ? 0 : -1;

	for (uint64_t i = 0; rc == 0 && i < 200; i++)
		rc = symlinks_add(s, &it, i, &e);
	symlinks_free(s);
	return rc;
}

static int run_extras(void)
{
	const struct extras_config cfg = { .depth = 4 };
	struct extras *x = extras_new(&cfg);
	struct extras_row row;
	struct err e = { 0 };
	int fd = -1, rc = x ? 0 : -1, count = 0;

	if (rc == 0) {
		fd = openat(scratch_fd, "tree",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = extras_begin(x, fd, &e);
	}
	while (rc == 0 && extras_next(x, &row))
		count++;
	extras_free(x);
	close(fd);
	return rc ? rc : count != 3;
}

static int run_shares(void)
{
	static const uint8_t owners[2][STREAM_PEER] = { { 1 }, { 2 } };
	struct cpu_shares *all = cpu_share_new();
	struct cpu_share *shares[2] = { NULL, NULL };
	int rc = all ? 0 : -1;

	for (int i = 0; rc == 0 && i < 2; i++) {
		shares[i] = cpu_share_take(all, owners[i]);
		rc = shares[i] ? 0 : -1;
	}
	for (int i = 0; i < 2; i++) {
		if (shares[i])
			cpu_share_give_back(shares[i]);
	}
	cpu_share_free(all);
	return rc;
}

/* A directory whose kept parts are limited. */
static int run_keeper(void)
{
	const struct sender s = { .name = "laptop", .root_fd = scratch_fd };
	struct keeper *kr = keeper_new(60, 1 << 20, NULL);
	int rc = kr && keeper_add(kr, &s) ? 0 : -1;

	if (kr)
		keeper_free(kr);
	return rc;
}

static int run_held_dir(void)
{
	struct held_dir *d = held_dir_new(scratch_fd, 0);

	if (!d)
		return -1;
	held_dir_unref(d);
	return 0;
}

static void receiver(void **state)
{
	(void)state;
	without_memory("senders", run_senders, 0);
	without_memory("senders_file", run_senders_file, 0);
	make_senders_load();
	without_memory("senders_load", run_senders_load, 0);
	without_memory("files", run_files, 0);
	without_memory("symlinks", run_symlinks, 0);
	without_memory("extras", run_extras, 0);
	without_memory("shares", run_shares, 0);
	without_memory("keeper", run_keeper, 0);
	without_memory("held_dir", run_held_dir, 0);
}

/* ---- session, cmd ---- */

static int run_direct(void)
{
	static const struct net_options net;
	struct direct *d = direct_new(NULL, &net);

	if (!d)
		return -1;
	direct_free(d);
	return 0;
}

static int run_progress(void)
{
	struct outputs *out = outputs_new(-1, 0);
	struct progress_lines *l =
		out ? progress_lines_new(out, PROGRESS_HIDDEN, 0) : NULL;
	const struct session_progress p = { .bytes = 1 };
	char text[PROGRESS_LINE_MAX];
	unsigned streams;
	int rc = l ? 0 : -1;

	if (rc == 0) {
		progress_lines_begin(l, 1, "laptop");
		progress_lines_update(l, 1, 1000, &p);
		/* without memory it has no line */
		rc = !progress_lines_text(l, 1, 1000, text, &streams);
		progress_lines_end(l, 1);
	}
	progress_lines_free(l);
	outputs_free(out);
	return rc;
}

static int run_report(void)
{
	const struct report_config cfg = { .json_fd = -1, .quiet = 1,
					   .dir = "." };
	struct report *r = report_new(&cfg);

	if (!r)
		return -1;
	report_free(r);
	return 0;
}

static void session_and_cmd(void **state)
{
	(void)state;
	without_memory("direct", run_direct, 0);
	without_memory("progress", run_progress, 0);
	without_memory("report", run_report, 0);
}

static int set_up(void **state)
{
	(void)state;
	scratch_fd = scratch_make(scratch, sizeof(scratch), "no-memory");
	close(scratch_make_dir(scratch_fd, "tree"));
	close(scratch_make_dir(scratch_fd, "tree/sub"));
	put_file(scratch_fd, "tree/f", "");
	put_file(scratch_fd, "tree/sub/g", "");
	assert_int_equal(symlinkat("f", scratch_fd, "tree/link"), 0);
	put_file(scratch_fd, "list", "one\ntwo\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(scratch_fd);
	scratch_remove(scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_and_chunk),
		cmocka_unit_test(auth),
		cmocka_unit_test(fs),
		cmocka_unit_test(sender),
		cmocka_unit_test(receiver),
		cmocka_unit_test(session_and_cmd),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
