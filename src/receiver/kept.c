/*
 * A list of the parts that are kept below a directory, by sender.
 */
#include "receiver/kept.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "fs/dirs.h"
#include "fs/leftover.h"
#include "os/space.h"
#include "session/events.h"

enum {
	/* A sender can have parts removed as often as it likes: what is said of
	 * that is said once in this time. */
	TELL_MS = 60 * 1000,
	SENDERS_FACTOR = 4, /* all senders have so many times the limit of one */
	FREE_DIVISOR = 10,  /* without a limit, a tenth of the space stays free */
};

/* A part with its journal, or a list. */
struct entry {
	struct entry *next;
	int is_list;
	uint64_t tag, bytes;
	int64_t used_s;
	uint64_t number; /* in the order in which they were noted */
	int stays;       /* not to be removed: another transfer has it, or it is
			  * elsewhere */
	char dir[];      /* path below the root, terminated */
};

struct amount {
	uint64_t bytes, count;
};

/* A sender, and what is kept of it. */
struct owner {
	struct owner *next;
	uint8_t peer[JOURNAL_PEER];
	struct entry *first;
	struct amount sum;
	uint64_t max_bytes; /* 0: the same for all */
	int is_fresh; /* looked at again in this round */
	int is_done;  /* nothing more of it can be removed in this round */
};

/* Parts and lists that were removed, and not told yet. */
struct removal {
	struct amount sum, lists;
	uint64_t told_ms; /* 0: never */
};

struct kept {
	/* set once */
	struct kept_config cfg;
	/* guarded by lock */
	pthread_mutex_t lock;
	struct dirs *dirs;
	struct owner *owners;
	struct amount sum;
	uint64_t noted;
	struct removal too_much, gave_way;
	/* of the thread that looks: what it has removed as too old */
	struct amount expired;
};

struct kept *kept_new(const struct kept_config *cfg)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->cfg = *cfg;
	k->dirs = dirs_new(cfg->root_fd, 0, NULL, NULL);
	if (!k->dirs) {
		free(k);
		return NULL;
	}
	dirs_set_held(k->dirs, DIRS_HELD_LEAST);
	pthread_mutex_init(&k->lock, NULL);
	return k;
}

/* ---- the list; locked ---- */

static struct owner *find_owner(struct kept *k, const uint8_t *peer)
{
	struct owner *o = k->owners;

	while (o && memcmp(o->peer, peer, sizeof(o->peer)) != 0)
		o = o->next;
	return o;
}

/* Find a sender, or add it.  NULL when out of memory. */
static struct owner *need_owner(struct kept *k, const uint8_t *peer)
{
	struct owner *o = find_owner(k, peer);

	if (o)
		return o;
	o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	memcpy(o->peer, peer, sizeof(o->peer));
	o->next = k->owners;
	k->owners = o;
	return o;
}

static void count(struct kept *k, struct owner *o, const struct entry *e)
{
	o->sum.bytes += e->bytes;
	o->sum.count++;
	k->sum.bytes += e->bytes;
	k->sum.count++;
}

static void uncount(struct kept *k, struct owner *o, const struct entry *e)
{
	o->sum.bytes -= e->bytes;
	o->sum.count--;
	k->sum.bytes -= e->bytes;
	k->sum.count--;
}

static void drop(struct kept *k, struct owner *o, struct entry **at)
{
	struct entry *e = *at;

	uncount(k, o, e);
	*at = e->next;
	free(e);
}

/* The link to an entry, or to NULL. */
static struct entry **find_entry(struct owner *o, const char *dir, size_t len,
				 uint64_t tag)
{
	struct entry **at = &o->first;

	while (*at && ((*at)->tag != tag || strlen((*at)->dir) != len ||
		       memcmp((*at)->dir, dir, len) != 0))
		at = &(*at)->next;
	return at;
}

/* Note what is kept in a directory, of which len bytes are the path.  Returns
 * whose it is, or NULL: without memory it does not count. */
static struct owner *note_entry(struct kept *k, const char *dir, size_t len,
				const struct leftover *l)
{
	struct owner *o = need_owner(k, l->peer);
	struct entry **at, *e;

	if (!o)
		return NULL;
	at = find_entry(o, dir, len, l->tag);
	if (*at)
		drop(k, o, at);
	e = calloc(1, sizeof(*e) + len + 1);
	if (!e)
		return NULL;
	e->tag = l->tag;
	e->is_list = l->is_list;
	e->bytes = l->bytes;
	e->used_s = l->used_s;
	e->number = k->noted++;
	memcpy(e->dir, dir, len);
	e->next = o->first;
	o->first = e;
	count(k, o, e);
	return o;
}

/* Free the senders of whom nothing is kept. */
static void drop_empty(struct kept *k)
{
	struct owner **at = &k->owners;

	while (*at) {
		struct owner *o = *at;

		if (o->first) {
			at = &o->next;
			continue;
		}
		*at = o->next;
		free(o);
	}
}

static int enter(struct kept *k, const struct entry *e)
{
	struct err ignored;

	return dirs_enter(k->dirs, e->dir, strlen(e->dir), &ignored);
}

/* Drop what is gone: committed since, or removed by others. */
static void refresh(struct kept *k, struct owner *o)
{
	struct entry **at = &o->first;
	struct leftover l;

	while (*at) {
		struct entry *e = *at;
		int fd = enter(k, e);

		if (fd < 0 || leftover_look(fd, e->tag, &l) ||
		    !l.is_resumable) {
			drop(k, o, at);
			continue;
		}
		uncount(k, o, e);
		e->bytes = l.bytes;
		e->used_s = l.used_s;
		e->stays = 0;
		count(k, o, e);
		at = &e->next;
	}
	o->is_fresh = 1;
}

/* ---- too much; locked ---- */

static int is_too_much(const struct amount *a, uint64_t bytes, uint64_t count)
{
	return a->bytes > bytes || a->count > count;
}

/* How many bytes a sender without a limit of its own may have, and all
 * together. */
static void get_limits(const struct kept *k, uint64_t *one, uint64_t *all)
{
	const uint64_t max = k->cfg.max_bytes;
	uint64_t room;

	if (max != UINT64_MAX) {
		*one = max;
		if (__builtin_mul_overflow(max, SENDERS_FACTOR, all))
			*all = UINT64_MAX;
		return;
	}
	room = space_look(k->cfg.root_fd).available;
	if (__builtin_add_overflow(room, k->sum.bytes, &room))
		room = UINT64_MAX;
	*one = *all = room - room / FREE_DIVISOR;
}

/* The link to the part of a sender that was written least recently, of those
 * that may be removed; or NULL. */
static struct entry **oldest(struct owner *o)
{
	struct entry **found = NULL;

	for (struct entry **at = &o->first; *at; at = &(*at)->next) {
		const struct entry *e = *at;

		if (e->stays)
			continue;
		if (!found || e->used_s < (*found)->used_s ||
		    (e->used_s == (*found)->used_s &&
		     e->number < (*found)->number))
			found = at;
	}
	return found;
}

/* Remove a part, and count it as removed.  Returns 0, or -1 where another
 * transfer has it. */
static int remove_part(struct kept *k, struct owner *o, struct entry **at,
		       struct removal *r)
{
	struct amount *sum = (*at)->is_list ? &r->lists : &r->sum;
	int fd = enter(k, *at);

	if (fd < 0 || leftover_remove(fd, (*at)->tag)) {
		(*at)->stays = 1;
		return -1;
	}
	sum->bytes += (*at)->bytes;
	sum->count++;
	drop(k, o, at);
	return 0;
}

static void remove_oldest(struct kept *k, struct owner *o)
{
	struct entry **at;

	if (!o->is_fresh) {
		refresh(k, o);
		return;
	}
	at = oldest(o);
	if (at)
		(void)remove_part(k, o, at, &k->too_much);
	else
		o->is_done = 1;
}

/* Who has the most, of those of whom something can be removed. */
static struct owner *greatest(struct kept *k, int by_count)
{
	struct owner *found = NULL;

	for (struct owner *o = k->owners; o; o = o->next) {
		if (o->is_done)
			continue;
		if (!found ||
		    (by_count ? o->sum.count > found->sum.count :
				o->sum.bytes > found->sum.bytes))
			found = o;
	}
	return found;
}

static int has_too_much(const struct owner *o, uint64_t bytes)
{
	return is_too_much(&o->sum, o->max_bytes ? o->max_bytes : bytes,
			   KEPT_PARTS_SENDER);
}

/* Remove what is too much of a sender (NULL: of each), and of all together, for
 * which the one who has the most has to give. */
static void limit(struct kept *k, struct owner *only)
{
	struct owner *o;
	uint64_t one, all;

	get_limits(k, &one, &all);
	if (only && !has_too_much(only, one) &&
	    !is_too_much(&k->sum, all, KEPT_PARTS_ALL))
		return;
	for (o = k->owners; o; o = o->next)
		o->is_fresh = o->is_done = 0;
	for (o = k->owners; o; o = o->next) {
		while ((!only || o == only) && !o->is_done &&
		       has_too_much(o, one))
			remove_oldest(k, o);
	}
	while (is_too_much(&k->sum, all, KEPT_PARTS_ALL) &&
	       (o = greatest(k, k->sum.bytes <= all)) != NULL)
		remove_oldest(k, o);
	drop_empty(k);
}

/* Say what was removed, as soon as it is time. */
static void tell(const struct kept *k, struct removal *r, const char *why)
{
	char parts[TEXT_COUNT_MAX], size[32];

	if ((r->sum.count == 0 && r->lists.count == 0) ||
	    (r->told_ms && clock_ms() - r->told_ms < TELL_MS))
		return;
	if (r->sum.count)
		events_message(k->cfg.events, SESSION_WARNING,
			       "removed %s of interrupted transfers, %s: %s; "
			       "these files will be sent from the beginning",
			       text_count(parts, r->sum.count, "part"),
			       text_size(size, sizeof(size),
					 (double)r->sum.bytes),
			       why);
	if (r->lists.count)
		events_message(k->cfg.events, SESSION_WARNING,
			       "removed %s of interrupted transfers without a "
			       "part, %s: %s; the directories that these made "
			       "now count as ones that were there",
			       text_count(parts, r->lists.count, "journal"),
			       text_size(size, sizeof(size),
					 (double)r->lists.bytes),
			       why);
	r->sum = r->lists = (struct amount){ 0, 0 };
	r->told_ms = clock_ms();
}

static void tell_removed(struct kept *k)
{
	tell(k, &k->too_much, "more than may be kept (--max-kept)");
	tell(k, &k->gave_way,
	     "the disk was full, and the same sender sent a new file");
}

int kept_wants(const struct kept_sender *s)
{
	return !s->kept || s->kept->cfg.keep_s > 0;
}

void kept_note(const struct kept_sender *s, const char *name, size_t len,
	       uint64_t tag)
{
	struct kept *k = s->kept;
	struct owner *o = NULL;
	struct err ignored;
	struct leftover l;
	int fd;

	if (!k)
		return;
	while (len > 0 && name[len - 1] != '/')
		len--;
	len -= len > 0;
	pthread_mutex_lock(&k->lock);
	fd = dirs_enter(k->dirs, name, len, &ignored);
	if (fd >= 0 && leftover_look(fd, tag, &l) == 0 && l.is_resumable)
		o = note_entry(k, name, len, &l);
	if (o) {
		o->max_bytes = s->max_bytes;
		limit(k, o);
	}
	dirs_reset(k->dirs);
	tell_removed(k);
	pthread_mutex_unlock(&k->lock);
}

/* ---- giving way ---- */

/* Whether a part in the directory fd can be removed: it is on this file system,
 * and no transfer has it, not even that of the file that does not fit. */
static int can_give_way(const struct entry *e, int fd, dev_t dev)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == dev &&
	       !leftover_is_used(fd, e->tag);
}

/* Leave out the parts that cannot give way; returns how many bytes the others
 * are. */
static uint64_t select_removable(struct kept *k, struct owner *o, dev_t dev)
{
	uint64_t bytes = 0;

	for (struct entry *e = o->first; e; e = e->next) {
		if (can_give_way(e, enter(k, e), dev))
			bytes += e->bytes;
		else
			e->stays = 1;
	}
	return bytes;
}

int kept_give_way(const struct kept_sender *s, int fd, uint64_t missing,
		  int err_no)
{
	struct kept *k = s->kept;
	struct owner *o;
	struct stat st;
	int is_removed = 0;

	if (!k || (err_no != ENOSPC && err_no != EDQUOT) || fstat(fd, &st) < 0)
		return 0;
	pthread_mutex_lock(&k->lock);
	o = find_owner(k, s->peer_id);
	if (o) {
		struct entry **at;

		/* Others may have removed some, or be using them. */
		refresh(k, o);
		if (select_removable(k, o, st.st_dev) >= missing) {
			while (!is_removed && (at = oldest(o)) != NULL)
				is_removed = remove_part(k, o, at,
							 &k->gave_way) == 0;
		}
	}
	drop_empty(k);
	dirs_reset(k->dirs);
	tell_removed(k);
	pthread_mutex_unlock(&k->lock);
	return is_removed;
}

/* ---- looking ---- */

/* How many seconds ago that was; at least 0. */
static uint64_t age_of(int64_t used_s)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec > used_s ? (uint64_t)(now.tv_sec - used_s) : 0;
}

/* Forget what was removed. */
static void forget(struct kept *k, const struct leftover *l)
{
	struct owner *o = find_owner(k, l->peer);
	struct entry **at = o ? find_entry(o, l->dir, strlen(l->dir), l->tag)
			      : NULL;

	if (at && *at)
		drop(k, o, at);
}

static void on_found(void *ctx, const struct leftover *l)
{
	/* What was written in this second may be about to be locked. */
	static const uint64_t least_s = 1;
	struct kept *k = ctx;
	const uint64_t keep_s =
		k->cfg.keep_s > least_s ? k->cfg.keep_s : least_s;

	pthread_mutex_lock(&k->lock);
	if (age_of(l->used_s) > keep_s &&
	    leftover_remove(l->dir_fd, l->tag) == 0) {
		forget(k, l);
		k->expired.bytes += l->bytes;
		k->expired.count++;
	} else if (l->is_resumable &&
		   note_entry(k, l->dir, strlen(l->dir), l) &&
		   k->sum.count > KEPT_PARTS_ALL) {
		limit(k, NULL);
	}
	pthread_mutex_unlock(&k->lock);
}

static void tell_expired(const struct kept *k)
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" },
		      { 1, "second" } };
	uint64_t keep_s = k->cfg.keep_s;
	char parts[TEXT_COUNT_MAX], size[32], time[TEXT_COUNT_MAX];
	size_t u = 0;

	while (keep_s % units[u].seconds)
		u++;
	keep_s /= units[u].seconds;
	events_message(k->cfg.events, SESSION_NOTICE,
		       "removed %s of interrupted transfers, %s: not used for "
		       "more than %s (--keep-parts)",
		       text_count(parts, k->expired.count, "part"),
		       text_size(size, sizeof(size), (double)k->expired.bytes),
		       text_count(time, keep_s, units[u].name));
}

void kept_look(struct kept *k, const struct cancel *stop)
{
	k->expired = (struct amount){ 0, 0 };
	leftover_find(k->cfg.root_fd, stop, on_found, k);
	if (k->expired.count > 0)
		tell_expired(k);
	pthread_mutex_lock(&k->lock);
	limit(k, NULL);
	dirs_reset(k->dirs);
	tell_removed(k);
	pthread_mutex_unlock(&k->lock);
}

void kept_free(struct kept *k)
{
	if (!k)
		return;
	while (k->owners) {
		while (k->owners->first)
			drop(k, k->owners, &k->owners->first);
		drop_empty(k);
	}
	dirs_free(k->dirs);
	pthread_mutex_destroy(&k->lock);
	free(k);
}
