/*
 * The scanner's thread: it fills packs with small items, and queues those packs
 * and the large files.
 */
#include "sender/scanner.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/names.h"
#include "fs/name.h"
#include "fs/scan.h"
#include "os/thread.h"
#include "sender/input_end.h"
#include "sender/links.h"
#include "sender/outcome.h"
#include "sender/outfile.h"
#include "sender/pack.h"
#include "sender/queue.h"
#include "sender/send.h"
#include "sender/sender.h"
#include "sender/session.h"

enum {
	/* A pack that is not full is queued when a stream waits for a task, but
	 * not before this age: each pack costs a frame and a commit, so packs
	 * of a few files would be slower. */
	PACK_AGE_MS = 20,
	/* For how long the walk goes on after the session has failed, to count
	 * what was not sent and to report what cannot be: enough for tens of
	 * thousands of files, and nobody waits noticeably. */
	COUNT_ON_MS = 100,
	/* Owner and group with names of common length; also a few attributes,
	 * or an ACL with some entries. */
	ROOM_OWNER = 64,
	ROOM_ATTRS = 384,
};

struct scanner {
	/* set before the thread starts */
	struct sender *sender;
	scanner_fail_fn on_fail;
	void *ctx;
	int only_dirs; /* everything else was queued by an earlier walk */
	/* the control thread's */
	pthread_t thread;
	int has_thread;
	/* the thread's */
	struct pack *pack; /* being filled, or NULL */
	uint32_t linked;   /* of the item that is added: see struct item */
	uint8_t cut;       /* likewise */
	uint64_t pack_began_ms;
	uint64_t count_until_ms; /* 0: the queue is open */
	/* the thread's until it is joined */
	struct err err; /* why a walk failed */
	/* guarded by lock */
	pthread_mutex_t lock;
	int is_done;
	int wants_rescan; /* directories have to be queued again */
};

struct scanner *scanner_new(struct sender *s, scanner_fail_fn on_fail,
			    void *ctx)
{
	struct scanner *sc = calloc(1, sizeof(*sc));

	if (!sc)
		return NULL;
	sc->sender = s;
	sc->on_fail = on_fail;
	sc->ctx = ctx;
	pthread_mutex_init(&sc->lock, NULL);
	return sc;
}

void scanner_free(struct scanner *sc)
{
	if (!sc)
		return;
	pthread_mutex_destroy(&sc->lock);
	free(sc);
}

static int out_of_memory(struct err *e)
{
	return err_set(e, ERR_RESOURCE, "out of memory while scanning");
}

/* ---- filling packs ---- */

/* Queue the pack that is being filled, if there is one. */
static int queue_pack(struct scanner *sc)
{
	struct pack *pk = sc->pack;

	sc->pack = NULL;
	return pk ? queue_add_pack(sc->sender->queue, pk) : 0;
}

/* What a pack has room for on average, of the further metadata of an item: for
 * one with more it is found out when it is read (send_pack.c). */
static uint32_t fields_room(unsigned preserve)
{
	if (preserve & PRESERVE_ATTRS)
		return ROOM_ATTRS;
	return preserve ? ROOM_OWNER : 0;
}

/* Add an item to the pack.  NULL where that is full, or out of memory. */
static struct item *try_add(struct scanner *sc, enum item_kind kind,
			    const struct scan_item *si)
{
	const int lists = sc->sender->cfg->compare_time ||
			  sc->sender->cfg->dry_run;
	const uint64_t size = kind == ITEM_FILE && !lists ?
				      (uint64_t)si->st.st_size : 0;
	const struct pack_texts texts = {
		.name = si->name,
		.name_len = si->name_len,
		.path_off = si->name_len - si->path_len,
		.target = si->target,
		.target_len = si->target_len,
	};

	if (!sc->pack) {
		sc->pack = pack_new();
		if (!sc->pack)
			return NULL;
		sc->pack->item_room = fields_room(sc->sender->preserve.kinds);
		sc->pack->is_list = lists;
		sc->pack_began_ms = clock_ms();
	}
	return pack_add(sc->pack, kind, &texts, size);
}

static int add_to_pack(struct scanner *sc, enum item_kind kind,
		       const struct scan_item *si, struct err *e)
{
	struct item *it = try_add(sc, kind, si);
	int rc;

	/* The pack is full: queue it, and begin another one. */
	if (!it) {
		rc = queue_pack(sc);
		if (rc)
			return rc;
		it = try_add(sc, kind, si);
		if (!it)
			return out_of_memory(e);
	}
	it->root = si->root;
	it->st = si->st;
	it->linked = sc->linked;
	it->cut = sc->cut;
	if (queue_is_starved(sc->sender->queue) &&
	    clock_ms() - sc->pack_began_ms >= PACK_AGE_MS)
		return queue_pack(sc);
	return 0;
}

/* ---- the walk ---- */

static int add_content(struct scanner *sc, const struct scan_item *si,
		    struct err *e)
{
	struct sender *s = sc->sender;
	struct outfile *f;

	atomic_fetch_add(&s->count.total_files, 1);
	atomic_fetch_add(&s->count.total_bytes, (uint64_t)si->st.st_size);
	if (si->st.st_size <= PACK_FILE_MAX || s->cfg->compare_time ||
	    s->cfg->dry_run)
		return add_to_pack(sc, ITEM_FILE, si, e);
	f = outfile_new(si->name, si->name_len, si->name_len - si->path_len);
	if (!f)
		return out_of_memory(e);
	f->item.root = si->root;
	f->item.st = si->st;
	f->item.linked = sc->linked;
	f->item.cut = sc->cut;
	f->size = (uint64_t)si->st.st_size;
	return queue_add_file(s->queue, f);
}

static int add_link(struct scanner *sc, const struct scan_item *si,
		    const struct buf *first, struct err *e)
{
	struct scan_item link = *si;

	link.target = (const char *)first->data;
	link.target_len = first->len - 1;
	atomic_fetch_add(&sc->sender->count.total_files, 1);
	return add_to_pack(sc, ITEM_LINK, &link, e);
}

/* Add a file that has several names. */
static int add_named(struct scanner *sc, const struct scan_item *si,
		     struct err *e)
{
	struct sender *s = sc->sender;
	const struct links_name n = { si->name, si->name_len,
				      si->name_len - si->path_len, si->root,
				      &si->st };
	struct buf first;
	int rc = 0;

	buf_init(&first, NAME_PATH_MAX + 1);
	switch (links_find(s->links, &n, &sc->linked, &first)) {
	case LINKS_FULL:
		sc->cut = FILE_META_LINK;
		rc = add_content(sc, si, e);
		break;
	case LINKS_FIRST:
		rc = add_content(sc, si, e);
		break;
	case LINKS_THERE:
		rc = add_link(sc, si, &first, e);
		break;
	case LINKS_LATER:
		break;
	}
	sc->linked = 0;
	sc->cut = 0;
	buf_release(&first);
	return rc;
}

/* Add the names that were kept until the receiver had the first name of their
 * file: all of them, or until there is room again.  Blocks. */
static int add_kept(struct scanner *sc, int all, struct err *e)
{
	struct links *links = sc->sender->links;
	struct scan_item si = { .kind = SCAN_FILE };
	struct links_name n;
	struct buf name;
	size_t left = 0;
	int rc = 0;

	buf_init(&name, NAME_PATH_MAX + 1);
	for (;;) {
		while (rc == 0 && links_next(links, &n, &si.st, &name, &left)) {
			si.root = n.root;
			si.name = n.name;
			si.name_len = n.name_len;
			si.path = n.name + n.path_off;
			si.path_len = n.name_len - n.path_off;
			rc = add_named(sc, &si, e);
		}
		if (rc || left == 0 || (!all && !links_is_full(links)))
			break;
		/* What they wait for may be in the pack. */
		rc = queue_pack(sc);
		queue_set_waiting(sc->sender->queue, 1);
		if (rc == 0 && links_await(links))
			rc = ERR_INTERRUPTED;
		queue_set_waiting(sc->sender->queue, 0);
	}
	buf_release(&name);
	return rc;
}

static int add_file(struct scanner *sc, const struct scan_item *si,
		    struct err *e)
{
	int rc;

	if (!(sc->sender->preserve.kinds & PRESERVE_HARDLINKS) ||
	    si->st.st_nlink < 2)
		return add_content(sc, si, e);
	rc = add_named(sc, si, e);
	if (rc == 0 && links_is_full(sc->sender->links))
		rc = add_kept(sc, 0, e);
	return rc;
}

/* rc: of adding something to the queue.  Whether the walk goes on although the
 * queue is closed: 0, or rc. */
static int count_on(struct scanner *sc, int rc)
{
	const struct send_session *session = sc->sender->session;

	if (rc != ERR_INTERRUPTED || send_session_is_cancelled(session))
		return rc;
	if (!sc->count_until_ms)
		sc->count_until_ms = clock_ms() + COUNT_ON_MS;
	return clock_left_ms(sc->count_until_ms) > 0 ? 0 : rc;
}

/* At the end of a list that another process writes: a signal to this process
 * may have ended that one, too, so that half a list would pass as the whole.
 * The control thread also notices the signal, but perhaps only after the
 * session is complete. */
static int check_list_end(struct scanner *sc)
{
	const struct sender *s = sc->sender;

	if (!input_end_is_signalled(s->cfg->cancel_fd))
		return 0;
	(void)send_session_cancel(s->session);
	return ERR_INTERRUPTED;
}

static int add_item(struct scanner *sc, const struct scan_item *si,
		    struct err *e)
{
	struct sender *s = sc->sender;

	switch (si->kind) {
	case SCAN_FILE:
		return add_file(sc, si, e);
	case SCAN_DIR:
		return add_to_pack(sc, ITEM_DIR, si, e);
	case SCAN_SYMLINK:
		atomic_fetch_add(&s->count.total_files, 1);
		return add_to_pack(sc, ITEM_SYMLINK, si, e);
	case SCAN_SPECIAL:
		atomic_fetch_add(&s->count.total_files, 1);
		return add_to_pack(sc, ITEM_SPECIAL, si, e);
	case SCAN_ERROR:
		outcome_scan_failed(s->outcome, si);
		return 0;
	case SCAN_SKIPPED:
		break;
	case SCAN_WAITING:
		/* The list of names is slow: send what it has named so far. */
		return queue_pack(sc);
	case SCAN_LIST_END:
		return check_list_end(sc);
	}
	return 0;
}

/* A directory and what it was, as a hash: its number is that of another one
 * where a file system was mounted or unmounted. */
static uint64_t dir_hash(const char *path, size_t len, const struct stat *st)
{
	return (names_hash(path, len) ^ (uint64_t)st->st_ino) *
		       UINT64_C(0x9e3779b97f4a7c15) +
	       (uint64_t)st->st_dev;
}

int scanner_has_sent_dir(const struct sender *s, const char *path, size_t len,
			 const struct stat *st)
{
	return s->sent_dirs &&
	       names_set_has(s->sent_dirs, dir_hash(path, len, st));
}

/* Without memory for it, nothing is deleted in it. */
static void note_dir(struct sender *s, const struct scan_item *si)
{
	if (s->sent_dirs && si->kind == SCAN_DIR)
		(void)names_set_add(s->sent_dirs,
				    dir_hash(si->name, si->name_len, &si->st));
}

static int on_item(void *ctx, const struct scan_item *si, struct err *e)
{
	struct scanner *sc = ctx;

	/* A slow list is not waited for after the session has failed. */
	if (si->kind == SCAN_WAITING && queue_is_closed(sc->sender->queue))
		return ERR_INTERRUPTED;
	note_dir(sc->sender, si);
	return count_on(sc, add_item(sc, si, e));
}

/* For scanner_rescan_dirs(). */
static int on_dir_again(void *ctx, const struct scan_item *si, struct err *e)
{
	if (si->kind == SCAN_DIR)
		return count_on(ctx, add_item(ctx, si, e));
	return si->kind == SCAN_WAITING ? on_item(ctx, si, e) : 0;
}

/* In a dry run standard input is not read. */
static int list_stdin(struct scanner *sc, struct err *e)
{
	struct sender *s = sc->sender;
	const char *name = s->cfg->stdin_name;
	struct scan_item si = {
		.kind = SCAN_FILE,
		.root = ITEM_NO_ROOT,
		.name = name,
		.name_len = strlen(name),
		.path = name,
		.path_len = strlen(name),
	};

	si.st.st_mode = S_IFREG | 0666;
	si.st.st_mtim = s->began;
	atomic_fetch_add(&s->count.total_files, 1);
	return add_to_pack(sc, ITEM_FILE, &si, e);
}

static int queue_stdin(struct sender *s, struct err *e)
{
	const char *name = s->cfg->stdin_name;
	struct outfile *f = outfile_new(name, strlen(name), 0);

	if (!f)
		return out_of_memory(e);
	f->is_stream = 1;
	f->item.root = ITEM_NO_ROOT;
	f->fd = s->cfg->stdin_fd;
	f->size = TREE_SIZE_UNKNOWN;
	atomic_fetch_add(&s->count.total_files, 1);
	return queue_add_file(s->queue, f);
}

static int walk(struct scanner *sc, scan_fn fn, struct err *e)
{
	struct scan *scan = sc->sender->cfg->scan;
	int rc = scan ? scan_run(scan, fn, sc, e) : 0;

	if (rc == 0 && sc->sender->links)
		rc = add_kept(sc, 1, e);
	if (rc == 0)
		outcome_set_scanned(sc->sender->outcome);
	return rc ? rc : queue_pack(sc);
}

/* Whether a rescan was asked for; else the scan is done.  In one step, so that
 * scanner_rescan_dirs() knows whether this thread will do it. */
static int is_rescan_due(struct scanner *sc)
{
	int again;

	pthread_mutex_lock(&sc->lock);
	again = sc->wants_rescan;
	sc->wants_rescan = 0;
	sc->is_done = !again;
	pthread_mutex_unlock(&sc->lock);
	/* Not only at the next tick: a stream may be about to send for long. */
	atomic_store(&sc->sender->count.is_scanned, !again);
	return again;
}

/* What is found depends on what the receiver accepts: wait until that is
 * known. */
static int await_grants(struct scanner *sc)
{
	struct sender *s = sc->sender;
	const struct send_config *cfg = s->cfg;

	if (!cfg->is_archive && !cfg->preserve)
		return 0;
	if (send_session_await_first(s->session))
		return ERR_INTERRUPTED;
	if (cfg->scan && cfg->requests & REQUEST_LINKS &&
	    !(s->peer.ready.features & REQUEST_LINKS))
		scan_set_symlinks(cfg->scan, SCAN_KEEP);
	if (cfg->scan && s->preserve.kinds & PRESERVE_SPECIALS)
		scan_keep_special(cfg->scan);
	return 0;
}

static void *scanner_main(void *arg)
{
	struct scanner *sc = arg;
	struct sender *s = sc->sender;
	struct err e;
	int rc = 0;

	err_clear(&e);
	/* Standard input first: its writer may be waiting for us to read. */
	if (!sc->only_dirs && s->cfg->stdin_fd >= 0 && !s->cfg->dry_run)
		rc = count_on(sc, queue_stdin(s, &e));
	if (rc == 0)
		rc = await_grants(sc);
	if (rc == 0 && s->cfg->stdin_fd >= 0 && s->cfg->dry_run)
		rc = count_on(sc, list_stdin(sc, &e));
	if (!sc->only_dirs && rc == 0)
		rc = walk(sc, on_item, &e);
	while (is_rescan_due(sc) && rc == 0)
		rc = walk(sc, on_dir_again, &e);
	pack_free(sc->pack);
	sc->pack = NULL;
	/* ERR_INTERRUPTED: the queue was closed by who reports the reason. */
	if (rc && rc != ERR_INTERRUPTED) {
		sc->err = e;
		sc->on_fail(sc->ctx, &e);
	}
	queue_set_scanned(s->queue);
	return NULL;
}

/* ---- the control thread ---- */

int scanner_start(struct scanner *sc)
{
	struct err e;

	sc->has_thread = thread_start(&sc->thread, scanner_main, sc) == 0;
	if (sc->has_thread)
		return 0;
	thread_error(&e);
	sc->on_fail(sc->ctx, &e);
	return -1;
}

void scanner_rescan_dirs(struct scanner *sc)
{
	int was_done;

	pthread_mutex_lock(&sc->lock);
	was_done = sc->is_done;
	sc->wants_rescan = 1;
	sc->is_done = 0;
	pthread_mutex_unlock(&sc->lock);
	if (!was_done)
		return;
	(void)scanner_join(sc, NULL);
	queue_set_unscanned(sc->sender->queue);
	sc->only_dirs = 1;
	(void)scanner_start(sc);
}

int scanner_join(struct scanner *sc, struct err *e)
{
	if (sc->has_thread)
		pthread_join(sc->thread, NULL);
	sc->has_thread = 0;
	if (e && sc->err.code)
		err_merge(e, &sc->err);
	return sc->err.code;
}

int scanner_is_done(struct scanner *sc)
{
	int done;

	pthread_mutex_lock(&sc->lock);
	done = sc->is_done;
	pthread_mutex_unlock(&sc->lock);
	return done;
}
