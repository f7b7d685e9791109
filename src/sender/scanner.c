/*
 * The scanner's thread: walks the sources and fills the queue with packs of
 * small things and with large files.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sender/sender.h"

enum { PACK_AGE_MS = 20 };

struct gather {
	struct sender *sender;
	struct pack *pack;      /* being filled, or NULL */
	uint64_t pack_began_ms;
};

static int out_of_memory(struct err *e)
{
	return err_set(e, ERR_RESOURCE, "out of memory while scanning");
}

static int queue_pack(struct gather *g)
{
	struct pack *pk = g->pack;

	g->pack = NULL;
	return pk ? queue_add_pack(g->sender->queue, pk) : 0;
}

static struct item *try_add(struct gather *g, enum item_kind kind,
			    const struct scan_item *si)
{
	uint64_t size = kind == ITEM_FILE ? (uint64_t)si->st.st_size : 0;

	if (!g->pack) {
		g->pack = pack_new();
		if (!g->pack)
			return NULL;
		g->pack_began_ms = clock_ms();
	}
	return pack_add(g->pack, kind, si->name, si->name_len,
			si->name_len - si->path_len, si->target,
			si->target_len, size);
}

static int add_to_pack(struct gather *g, enum item_kind kind,
		       const struct scan_item *si, struct err *e)
{
	struct item *it = try_add(g, kind, si);
	int rc;

	if (!it) {
		/* Full: begin another. */
		rc = queue_pack(g);
		if (rc)
			return rc;
		it = try_add(g, kind, si);
		if (!it)
			return out_of_memory(e);
	}
	it->root = si->root;
	it->st = si->st;
	/* Streams with nothing to do get what there is. */
	if (queue_is_starved(g->sender->queue) &&
	    clock_ms() - g->pack_began_ms >= PACK_AGE_MS)
		return queue_pack(g);
	return 0;
}

static int add_file(struct gather *g, const struct scan_item *si,
		    struct err *e)
{
	struct sender *s = g->sender;
	struct outfile *f;

	atomic_fetch_add(&s->total_files, 1);
	atomic_fetch_add(&s->total_bytes, (uint64_t)si->st.st_size);
	if (si->st.st_size <= PACK_FILE_MAX)
		return add_to_pack(g, ITEM_FILE, si, e);
	f = outfile_new(si->name, si->name_len, si->name_len - si->path_len);
	if (!f)
		return out_of_memory(e);
	f->item.root = si->root;
	f->item.st = si->st;
	f->size = (uint64_t)si->st.st_size;
	return queue_add_file(s->queue, f);
}

static int on_item(void *ctx, const struct scan_item *si, struct err *e)
{
	struct gather *g = ctx;
	struct sender *s = g->sender;

	switch (si->kind) {
	case SCAN_FILE:
		return add_file(g, si, e);
	case SCAN_DIR:
		return add_to_pack(g, ITEM_DIR, si, e);
	case SCAN_LINK:
		atomic_fetch_add(&s->total_files, 1);
		return add_to_pack(g, ITEM_LINK, si, e);
	case SCAN_TROUBLE:
		sender_file_failed(s, si->name, si->name_len, NULL,
				   si->display, si->err);
		return 0;
	case SCAN_SKIPPED:
		break;
	case SCAN_WAITING:
		/* What was named so far need not wait; and a list that is
		 * slow in coming must not keep what is over. */
		return queue_is_closed(s->queue) ? ERR_INTERRUPTED :
						 queue_pack(g);
	}
	return 0;
}

/* Standard input goes first: whoever writes it may be waiting. */
static int add_stream(struct sender *s, struct err *e)
{
	const char *name = s->cfg->stdin_name;
	struct outfile *f = outfile_new(name, strlen(name), 0);

	if (!f)
		return out_of_memory(e);
	f->is_stream = 1;
	f->fd = s->cfg->stdin_fd;
	f->size = TREE_SIZE_UNKNOWN;
	atomic_fetch_add(&s->total_files, 1);
	return queue_add_file(s->queue, f);
}

/* Only what has to be told anew after a lost session. */
static int on_item_again(void *ctx, const struct scan_item *si, struct err *e)
{
	return si->kind == SCAN_DIR || si->kind == SCAN_WAITING ?
		       on_item(ctx, si, e) : 0;
}

int sender_is_scanned(struct sender *s)
{
	int done;

	pthread_mutex_lock(&s->lock);
	done = s->scan_done;
	pthread_mutex_unlock(&s->lock);
	return done;
}

/* Whether to walk once more, for directories; else the scan is over. */
static int begin_again(struct sender *s)
{
	int again;

	pthread_mutex_lock(&s->lock);
	again = s->dirs_again;
	s->dirs_again = 0;
	if (!again)
		s->scan_done = 1;
	pthread_mutex_unlock(&s->lock);
	return again;
}

static int scan_all(struct gather *g, struct err *e)
{
	struct sender *s = g->sender;
	int rc = 0;

	if (s->cfg->stdin_fd >= 0)
		rc = add_stream(s, e);
	if (rc == 0 && s->cfg->scan)
		rc = scan_run(s->cfg->scan, on_item, g, e);
	return rc ? rc : queue_pack(g);
}

void *sender_scan_main(void *arg)
{
	struct gather g = { .sender = arg };
	struct sender *s = arg;
	struct err e;
	int rc = 0;

	err_clear(&e);
	if (!s->is_rescan)
		rc = scan_all(&g, &e);
	while (begin_again(s) && rc == 0) {
		rc = scan_run(s->cfg->scan, on_item_again, &g, &e);
		if (rc == 0)
			rc = queue_pack(&g);
	}
	pack_free(g.pack);
	/* ERR_INTERRUPTED: the queue was closed by one who says why. */
	if (rc && rc != ERR_INTERRUPTED)
		sender_fail(s, &e);
	queue_set_scanned(s->queue);
	return NULL;
}
