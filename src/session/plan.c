/*
 * The work queue of a sending session and the list of what awaits a verdict.
 */
#include "session/plan.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"

enum {
	QUEUE_PACKS_MAX = 64,
	QUEUE_FILES_MAX = 512,
	/* Items sent without a verdict: more than the receiver gathers before
	 * it commits (see committer.h), or both would wait. */
	ITEMS_MAX = 32768,
	PACK_ITEMS = 256,
	NAMES_MAX = 1 << 20,
	REDO_MAX = 1024,
	RESENDS_MAX = 4096,
	/* What of a pack's raw bytes is left for digests in the table. */
	ROW_FIXED = 1 + 16 + 2 + 4 + DIGEST_MAX,
};

/* What has no verdict yet; sorted by id, as ids are given in order. */
struct awaited {
	uint64_t first;
	uint32_t count;
	struct pack *pack;     /* one of the two; both NULL: done */
	struct outfile *file;
};

struct redo {
	struct outfile *file;
	uint64_t leaf;
};

struct plan {
	pthread_mutex_t lock;
	pthread_cond_t room; /* for the scanner */
	int wake_fd;
	int is_signalled;    /* wake_fd is readable */
	int is_closed, scan_done;
	unsigned waiting;    /* streams that found nothing to take */
	struct pack *packs, **packs_end;
	struct outfile *files, **files_end;
	unsigned pack_count, file_count;
	struct outfile *active; /* open, with leaves to send */
	struct redo redo[REDO_MAX];
	unsigned redo_count, resends;
	struct awaited *awaited;
	size_t awaited_first, awaited_end, awaited_cap;
	uint64_t next_id;
	uint64_t items_left;  /* sent, no verdict; with links */
	uint64_t links_left;
	unsigned open_count, open_limit;
	unsigned busy;        /* taken and not handed back */
};

struct plan *plan_new(void)
{
	struct plan *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake_fd < 0) {
		free(p);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->room, NULL);
	p->packs_end = &p->packs;
	p->files_end = &p->files;
	p->next_id = 1;
	p->open_limit = 1;
	return p;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	while (p->packs) {
		struct pack *pk = p->packs;

		p->packs = pk->next;
		pack_free(pk);
	}
	while (p->files) {
		struct outfile *f = p->files;

		p->files = f->next;
		outfile_free(f);
	}
	for (size_t i = p->awaited_first; i < p->awaited_end; i++) {
		pack_free(p->awaited[i].pack);
		outfile_free(p->awaited[i].file);
	}
	free(p->awaited);
	io_close(&p->wake_fd);
	pthread_cond_destroy(&p->room);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int plan_wake_fd(const struct plan *p)
{
	return p->wake_fd;
}

/* Make waiting streams look again. */
static void signal_work(struct plan *p)
{
	uint64_t one = 1;

	if (p->waiting == 0 || p->is_signalled)
		return;
	p->is_signalled = 1;
	while (write(p->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void clear_signal(struct plan *p)
{
	uint64_t count;

	if (!p->is_signalled)
		return;
	p->is_signalled = 0;
	while (read(p->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

void plan_close(struct plan *p)
{
	pthread_mutex_lock(&p->lock);
	p->is_closed = 1;
	pthread_cond_broadcast(&p->room);
	signal_work(p);
	pthread_mutex_unlock(&p->lock);
}

/* ---- packs and files ---- */

struct pack *pack_new(void)
{
	struct pack *pk = calloc(1, sizeof(*pk));

	if (pk)
		buf_init(&pk->names, NAMES_MAX);
	return pk;
}

void pack_free(struct pack *pk)
{
	if (!pk)
		return;
	free(pk->items);
	buf_release(&pk->names);
	free(pk);
}

static int pack_has_room(const struct pack *pk, size_t texts, uint64_t size)
{
	uint64_t raw = pk->table_len + pk->bytes + ROW_FIXED + texts + size;

	return pk->count < PACK_ITEMS && raw <= CHUNK_MAX &&
	       pk->names.len + texts + 2 <= NAMES_MAX;
}

struct item *pack_add(struct pack *pk, enum item_kind kind, const char *name,
		      size_t name_len, size_t path_off, const char *target,
		      size_t target_len, uint64_t size)
{
	struct item *it;

	if (!pack_has_room(pk, name_len + target_len, size))
		return NULL;
	if (pk->count == pk->cap) {
		uint32_t cap = pk->cap ? pk->cap * 2 : 8;

		it = reallocarray(pk->items, cap, sizeof(*it));
		if (!it)
			return NULL;
		pk->items = it;
		pk->cap = cap;
	}
	it = &pk->items[pk->count];
	memset(it, 0, sizeof(*it));
	it->kind = (uint8_t)kind;
	it->name_off = (uint32_t)pk->names.len;
	it->name_len = (uint32_t)name_len;
	it->path_off = (uint32_t)path_off;
	buf_put(&pk->names, name, name_len);
	buf_put_u8(&pk->names, 0);
	it->target_off = (uint32_t)pk->names.len;
	it->target_len = (uint32_t)target_len;
	buf_put(&pk->names, target, target_len);
	buf_put_u8(&pk->names, 0);
	if (pk->names.failed)
		return NULL;
	pk->count++;
	pk->bytes += size;
	pk->table_len += ROW_FIXED + name_len + target_len;
	return it;
}

const char *pack_name(const struct pack *pk, const struct item *it)
{
	return (const char *)pk->names.data + it->name_off;
}

struct outfile *outfile_new(const char *name, size_t name_len, size_t path_off)
{
	struct outfile *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->fd = -1;
	f->item.kind = ITEM_FILE;
	f->item.name_len = (uint32_t)name_len;
	f->item.path_off = (uint32_t)path_off;
	buf_init(&f->names, NAMES_MAX);
	buf_put(&f->names, name, name_len);
	buf_put_u8(&f->names, 0);
	if (f->names.failed) {
		outfile_free(f);
		return NULL;
	}
	return f;
}

void outfile_free(struct outfile *f)
{
	if (!f)
		return;
	/* Standard input stays the process's. */
	if (!f->is_stream)
		io_close(&f->fd);
	tree_free(f->tree);
	buf_release(&f->names);
	free(f);
}

const char *outfile_name(const struct outfile *f)
{
	return (const char *)f->names.data;
}

/* ---- the scanner ---- */

static int has_room(const struct plan *p)
{
	return p->pack_count < QUEUE_PACKS_MAX &&
	       p->file_count < QUEUE_FILES_MAX && p->items_left < ITEMS_MAX;
}

int plan_add_pack(struct plan *p, struct pack *pk)
{
	int rc = ERR_INTERRUPTED;

	pthread_mutex_lock(&p->lock);
	while (!p->is_closed && !has_room(p))
		pthread_cond_wait(&p->room, &p->lock);
	if (!p->is_closed) {
		*p->packs_end = pk;
		p->packs_end = &pk->next;
		p->pack_count++;
		signal_work(p);
		rc = 0;
	}
	pthread_mutex_unlock(&p->lock);
	if (rc)
		pack_free(pk);
	return rc;
}

static void queue_file(struct plan *p, struct outfile *f)
{
	*p->files_end = f;
	p->files_end = &f->next;
	p->file_count++;
	signal_work(p);
}

int plan_add_file(struct plan *p, struct outfile *f)
{
	int rc = ERR_INTERRUPTED;

	pthread_mutex_lock(&p->lock);
	while (!p->is_closed && !has_room(p))
		pthread_cond_wait(&p->room, &p->lock);
	if (!p->is_closed) {
		queue_file(p, f);
		rc = 0;
	}
	pthread_mutex_unlock(&p->lock);
	if (rc)
		outfile_free(f);
	return rc;
}

void plan_requeue_file(struct plan *p, struct outfile *f)
{
	pthread_mutex_lock(&p->lock);
	queue_file(p, f);
	pthread_mutex_unlock(&p->lock);
}

void plan_scan_done(struct plan *p)
{
	pthread_mutex_lock(&p->lock);
	p->scan_done = 1;
	signal_work(p);
	pthread_mutex_unlock(&p->lock);
}

int plan_is_hungry(struct plan *p)
{
	int hungry;

	pthread_mutex_lock(&p->lock);
	hungry = p->waiting > 0 && !p->packs && !p->files;
	pthread_mutex_unlock(&p->lock);
	return hungry;
}

void plan_set_open_limit(struct plan *p, unsigned limit)
{
	pthread_mutex_lock(&p->lock);
	p->open_limit = limit ? limit : 1;
	signal_work(p);
	pthread_mutex_unlock(&p->lock);
}

/* ---- taking ---- */

static void unlink_active(struct plan *p, struct outfile *f)
{
	struct outfile **at = &p->active;

	if (!f->is_active)
		return;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	f->next = NULL;
	f->is_active = 0;
}

/* At the end, so that the files opened first are sent first. */
static void link_active(struct plan *p, struct outfile *f)
{
	struct outfile **at = &p->active;

	while (*at)
		at = &(*at)->next;
	*at = f;
	f->next = NULL;
	f->is_active = 1;
}

/* Nobody uses the file and nothing is awaited of it: free it. */
static void drop_if_unused(struct plan *p, struct outfile *f)
{
	if (f->users > 0 || f->is_awaited)
		return;
	unlink_active(p, f);
	outfile_free(f);
}

static int take_redo(struct plan *p, struct task *t)
{
	while (p->redo_count > 0) {
		struct redo r = p->redo[--p->redo_count];

		if (!r.file->is_awaited || r.file->phase == FILE_DEAD) {
			r.file->users--;
			drop_if_unused(p, r.file);
			continue;
		}
		t->kind = TASK_RANGE;
		t->file = r.file;
		t->leaf = r.leaf;
		t->count = 1;
		return 1;
	}
	return 0;
}

static int take_open(struct plan *p, struct task *t)
{
	struct outfile *f = p->files;

	if (!f || p->open_count >= p->open_limit)
		return 0;
	p->files = f->next;
	if (!p->files)
		p->files_end = &p->files;
	f->next = NULL;
	p->file_count--;
	f->users = 1;
	t->kind = TASK_OPEN;
	t->file = f;
	return 1;
}

static int take_pack(struct plan *p, struct task *t)
{
	struct pack *pk = p->packs;

	if (!pk)
		return 0;
	p->packs = pk->next;
	if (!p->packs)
		p->packs_end = &p->packs;
	pk->next = NULL;
	p->pack_count--;
	t->kind = TASK_PACK;
	t->pack = pk;
	return 1;
}

static int take_range(struct plan *p, struct task *t)
{
	for (struct outfile *f = p->active; f; f = f->next) {
		if (f->phase != FILE_SENDING)
			continue;
		if (f->is_stream) {
			if (f->is_reading || f->at_eof)
				continue;
			f->is_reading = 1;
			t->kind = TASK_STREAM;
		} else {
			uint64_t leaves = tree_leaf_count(f->size);

			t->kind = TASK_RANGE;
			t->leaf = f->next_leaf;
			t->count = leaves - f->next_leaf;
			if (t->count > RANGE_LEAVES)
				t->count = RANGE_LEAVES;
			f->next_leaf += t->count;
			if (f->next_leaf == leaves)
				unlink_active(p, f);
		}
		f->users++;
		t->file = f;
		return 1;
	}
	return 0;
}

/* Everything was sent and all verdicts are in, but for links, which come with
 * the summary. */
static int is_done(const struct plan *p)
{
	return p->scan_done && p->busy == 0 && !p->packs && !p->files &&
	       !p->active && p->items_left == p->links_left;
}

static unsigned backlog(const struct plan *p)
{
	unsigned n = p->pack_count + p->redo_count;

	if (p->open_count < p->open_limit)
		n += p->file_count;
	for (const struct outfile *f = p->active; f; f = f->next) {
		if (f->phase == FILE_SENDING && !f->is_stream)
			n += 2;
		else if (f->phase == FILE_SENDING && !f->is_reading)
			n++;
	}
	return n;
}

enum plan_next plan_take(struct plan *p, struct task *t, int only_open)
{
	enum plan_next next = PLAN_WAIT;

	pthread_mutex_lock(&p->lock);
	if (t->waiting)
		p->waiting--;
	t->waiting = 0;
	clear_signal(p);
	if (p->is_closed)
		next = PLAN_CLOSED;
	else if (take_open(p, t) ||
		 (!only_open && (take_redo(p, t) || take_pack(p, t) ||
				 take_range(p, t))))
		next = PLAN_TASK;
	else if (is_done(p))
		next = PLAN_DONE;
	if (next == PLAN_TASK) {
		p->busy++;
		pthread_cond_signal(&p->room);
		if (backlog(p) > 0)
			signal_work(p);
	} else if (next == PLAN_WAIT) {
		p->waiting++;
		t->waiting = 1;
	} else {
		/* the others shall see it as well */
		signal_work(p);
	}
	pthread_mutex_unlock(&p->lock);
	return next;
}

int plan_is_drained(struct plan *p)
{
	int drained;

	pthread_mutex_lock(&p->lock);
	drained = p->scan_done && !p->packs && !p->files && !p->active &&
		  p->redo_count == 0;
	pthread_mutex_unlock(&p->lock);
	return drained;
}

uint64_t plan_items_left(struct plan *p)
{
	uint64_t n;

	pthread_mutex_lock(&p->lock);
	n = p->items_left;
	pthread_mutex_unlock(&p->lock);
	return n;
}

unsigned plan_backlog(struct plan *p)
{
	unsigned n;

	pthread_mutex_lock(&p->lock);
	n = backlog(p);
	pthread_mutex_unlock(&p->lock);
	return n;
}

/* ---- what awaits a verdict ---- */

static int await(struct plan *p, uint64_t first, uint32_t count,
		 struct pack *pk, struct outfile *f)
{
	struct awaited *a;

	while (p->awaited_first < p->awaited_end &&
	       !p->awaited[p->awaited_first].pack &&
	       !p->awaited[p->awaited_first].file)
		p->awaited_first++;
	if (p->awaited_first > 64 && p->awaited_first > p->awaited_end / 2) {
		memmove(p->awaited, p->awaited + p->awaited_first,
			(p->awaited_end - p->awaited_first) * sizeof(*a));
		p->awaited_end -= p->awaited_first;
		p->awaited_first = 0;
	}
	if (p->awaited_end == p->awaited_cap) {
		size_t cap = p->awaited_cap ? p->awaited_cap * 2 : 256;

		a = reallocarray(p->awaited, cap, sizeof(*a));
		if (!a)
			return ERR_RESOURCE;
		p->awaited = a;
		p->awaited_cap = cap;
	}
	a = &p->awaited[p->awaited_end++];
	a->first = first;
	a->count = count;
	a->pack = pk;
	a->file = f;
	return 0;
}

/* The index of the entry that holds id or, where none does, of the first one
 * behind it. */
static size_t find_awaited(const struct plan *p, uint64_t id)
{
	size_t lo = p->awaited_first, hi = p->awaited_end;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct awaited *a = &p->awaited[mid];

		if (a->first + a->count <= id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct awaited *awaited_at(struct plan *p, uint64_t id)
{
	size_t i = find_awaited(p, id);

	if (i < p->awaited_end && p->awaited[i].first <= id)
		return &p->awaited[i];
	return NULL;
}

static uint32_t count_links(const struct pack *pk)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < pk->count; i++)
		n += pk->items[i].kind == ITEM_LINK;
	return n;
}

uint64_t plan_sent_pack(struct plan *p, struct pack *pk)
{
	uint64_t id = 0;

	pthread_mutex_lock(&p->lock);
	p->busy--;
	if (pk->count > 0 && await(p, p->next_id, pk->count, pk, NULL) == 0) {
		id = pk->first_id = p->next_id;
		p->next_id += pk->count;
		pk->left = pk->count;
		p->items_left += pk->count;
		p->links_left += count_links(pk);
	}
	signal_work(p);
	pthread_mutex_unlock(&p->lock);
	if (!id)
		pack_free(pk);
	return id;
}

uint64_t plan_sent_open(struct plan *p, struct outfile *f, int whole)
{
	uint64_t id = 0;

	pthread_mutex_lock(&p->lock);
	if (await(p, p->next_id, 1, NULL, f) == 0) {
		id = f->id = p->next_id++;
		f->is_awaited = 1;
		p->items_left++;
		p->open_count++;
		f->phase = whole ? FILE_SENDING : FILE_OPENING;
		if (whole)
			f->next_leaf = tree_leaf_count(f->size);
		else
			link_active(p, f);
	}
	pthread_mutex_unlock(&p->lock);
	return id;
}

static void stop_awaiting(struct plan *p, struct outfile *f)
{
	struct awaited *a = awaited_at(p, f->id);

	if (!f->is_awaited)
		return;
	f->is_awaited = 0;
	if (a)
		a->file = NULL;
	p->items_left--;
	p->open_count--;
	unlink_active(p, f);
	pthread_cond_signal(&p->room);
}

void plan_release(struct plan *p, struct outfile *f)
{
	pthread_mutex_lock(&p->lock);
	p->busy--;
	f->users--;
	drop_if_unused(p, f);
	signal_work(p);
	pthread_mutex_unlock(&p->lock);
}

int plan_fail_file(struct plan *p, struct outfile *f)
{
	int first;

	pthread_mutex_lock(&p->lock);
	first = f->phase != FILE_DEAD;
	f->phase = FILE_DEAD;
	stop_awaiting(p, f);
	pthread_mutex_unlock(&p->lock);
	return first;
}

/* ---- chunks ---- */

uint64_t plan_stream_read(struct plan *p, struct outfile *f, size_t n, int eof)
{
	uint64_t leaf;

	pthread_mutex_lock(&p->lock);
	leaf = f->next_leaf;
	if (n > 0 || (eof && leaf == 0))
		f->next_leaf++;
	f->sent_bytes += n;
	f->is_reading = 0;
	if (eof) {
		f->at_eof = 1;
		f->size = f->sent_bytes;
		unlink_active(p, f);
	}
	signal_work(p);
	pthread_mutex_unlock(&p->lock);
	return leaf;
}

int plan_put_leaf(struct plan *p, struct outfile *f, uint64_t leaf,
		  const uint8_t *digest, uint64_t bytes)
{
	int rc;

	pthread_mutex_lock(&p->lock);
	rc = tree_put(f->tree, leaf, digest);
	if (!f->is_stream)
		f->sent_bytes += bytes;
	pthread_mutex_unlock(&p->lock);
	return rc;
}

int plan_is_wanted(struct plan *p, struct outfile *f)
{
	int wanted;

	pthread_mutex_lock(&p->lock);
	wanted = f->phase != FILE_DEAD && !p->is_closed;
	pthread_mutex_unlock(&p->lock);
	return wanted;
}

int plan_take_end(struct plan *p, struct outfile *f)
{
	int mine = 0;

	pthread_mutex_lock(&p->lock);
	if (f->phase == FILE_SENDING && f->size != TREE_SIZE_UNKNOWN &&
	    (!f->is_stream || f->at_eof) &&
	    tree_set_size(f->tree, f->size) == 0 &&
	    tree_is_complete(f->tree) &&
	    tree_final(f->tree, f->item.digest) == 0) {
		f->phase = FILE_ENDED;
		f->has_digest = 1;
		mine = 1;
	}
	pthread_mutex_unlock(&p->lock);
	return mine;
}

/* ---- replies ---- */

int plan_state(struct plan *p, const struct msg_state *m)
{
	struct awaited *a;
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	a = awaited_at(p, m->id);
	if (m->id == 0 || m->id >= p->next_id) {
		rc = ERR_PROTOCOL;
	} else if (a && a->file) {
		struct outfile *f = a->file;

		if (m->state == STATE_REFUSED) {
			f->phase = FILE_DEAD;
			unlink_active(p, f);
		} else if (f->phase == FILE_OPENING) {
			f->phase = FILE_SENDING;
		}
		signal_work(p);
	} else if (a && a->pack) {
		rc = ERR_PROTOCOL;
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static void file_verdict(struct plan *p, struct awaited *a,
			 const struct msg_verdict *m, plan_verdict_fn fn,
			 void *ctx)
{
	struct outfile *f = a->file;
	struct plan_verdict v = {
		.name = outfile_name(f),
		.name_len = f->item.name_len,
		.item = &f->item,
		.id = f->id,
		.size = f->size == TREE_SIZE_UNKNOWN ? 0 : f->size,
		.verdict = m,
		.has_digest = f->has_digest,
	};

	fn(ctx, &v);
	f->phase = FILE_DEAD;
	stop_awaiting(p, f);
	drop_if_unused(p, f);
}

static void pack_verdict(struct plan *p, struct awaited *a, uint64_t from,
			 uint64_t to, const struct msg_verdict *m,
			 plan_verdict_fn fn, void *ctx)
{
	struct pack *pk = a->pack;

	for (uint64_t id = from; id < to; id++) {
		struct item *it = &pk->items[id - a->first];
		struct plan_verdict v = {
			.name = pack_name(pk, it),
			.name_len = it->name_len,
			.item = it,
			.id = id,
			.verdict = m,
			.has_digest = it->kind == ITEM_FILE,
		};

		if (it->done)
			continue;
		if (it->kind == ITEM_FILE)
			v.size = (uint64_t)it->st.st_size;
		fn(ctx, &v);
		it->done = 1;
		pk->left--;
		p->items_left--;
		p->links_left -= it->kind == ITEM_LINK;
	}
	if (pk->left == 0) {
		a->pack = NULL;
		pack_free(pk);
	}
}

int plan_verdict(struct plan *p, const struct msg_verdict *m,
		 plan_verdict_fn fn, void *ctx)
{
	uint64_t end = m->first_id + m->count;
	int rc = ERR_PROTOCOL;

	pthread_mutex_lock(&p->lock);
	if (m->first_id == 0 || m->first_id >= p->next_id ||
	    m->count > p->next_id - m->first_id)
		goto out;
	for (size_t i = find_awaited(p, m->first_id); i < p->awaited_end; i++) {
		struct awaited *a = &p->awaited[i];
		uint64_t from = a->first, to = a->first + a->count;

		if (from >= end)
			break;
		if (from < m->first_id)
			from = m->first_id;
		if (to > end)
			to = end;
		if (a->file)
			file_verdict(p, a, m, fn, ctx);
		else if (a->pack)
			pack_verdict(p, a, from, to, m, fn, ctx);
	}
	pthread_cond_signal(&p->room);
	signal_work(p);
	rc = 0;
out:
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* The whole pack is read and sent anew, with new ids. */
static uint64_t requeue_pack(struct plan *p, struct awaited *a)
{
	struct pack *pk = a->pack;
	uint64_t bytes = pk->bytes;

	a->pack = NULL;
	p->items_left -= pk->left;
	p->links_left -= count_links(pk);
	pk->next = p->packs;
	if (!p->packs)
		p->packs_end = &pk->next;
	p->packs = pk;
	p->pack_count++;
	return bytes;
}

int plan_resend(struct plan *p, const struct msg_resend *m, uint64_t *bytes)
{
	struct awaited *a;
	int rc = 0;

	*bytes = 0;
	pthread_mutex_lock(&p->lock);
	a = awaited_at(p, m->id);
	if (m->id == 0 || m->id >= p->next_id) {
		rc = ERR_PROTOCOL;
	} else if (++p->resends > RESENDS_MAX || p->redo_count == REDO_MAX) {
		rc = ERR_CORRUPT;
	} else if (a && a->pack && m->id == a->first &&
		   a->pack->left == a->count) {
		*bytes = requeue_pack(p, a);
	} else if (a && a->file && !a->file->is_stream &&
		   m->offset / TREE_LEAF < tree_leaf_count(a->file->size)) {
		p->redo[p->redo_count].file = a->file;
		p->redo[p->redo_count].leaf = m->offset / TREE_LEAF;
		p->redo_count++;
		a->file->users++;
		*bytes = tree_leaf_size(a->file->size, m->offset / TREE_LEAF);
	} else if (a) {
		/* what is read from a pipe cannot be read again */
		rc = a->file && a->file->is_stream ? ERR_CORRUPT : ERR_PROTOCOL;
	}
	signal_work(p);
	pthread_mutex_unlock(&p->lock);
	return rc;
}
