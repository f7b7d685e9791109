/*
 * A hash table of directories or files, and a file that they are appended to.
 */
#include "receiver/made.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "chunk/digest.h"
#include "fs/dirs.h"
#include "fs/journal.h"
#include "fs/name.h"
#include "fs/part.h"
#include "os/identity.h"
#include "receiver/kept.h"
#include "receiver/quota.h"
#include "receiver/verdict.h"

enum {
	SLOTS_MIN = 256,
	RECORD = 16, /* bytes in the file: u64 key | u64 inode */
	BLOCK = 4096 * RECORD,
};

#define UNNAMED (UINT64_C(1) << 63)

struct slot {
	/* A digest of the rest, see slot_as(); of a directory with UNNAMED
	 * where it counts and was not named yet. */
	uint64_t key;
	uint64_t inode; /* 0: free */
};

struct made {
	int root_fd;  /* set once; borrowed */
	struct made_file file; /* set once; tag 0: no file */
	struct quota *quota; /* set once; borrowed */
	/* guarded by lock */
	pthread_mutex_t lock;
	struct slot *slots;
	size_t size, count; /* size: a power of 2, at least twice count */
	int is_incomplete;  /* one was not remembered */
	int fd;             /* of the file, or -1 */
};

/* ---- the table ---- */

static size_t slot_of(const struct made *m, const struct slot *s)
{
	const uint64_t key = s->key & ~UNNAMED;
	size_t i = (size_t)key & (m->size - 1);

	while (m->slots[i].inode &&
	       (m->slots[i].inode != s->inode ||
		(m->slots[i].key & ~UNNAMED) != key))
		i = (i + 1) & (m->size - 1);
	return i;
}

static int grow(struct made *m)
{
	struct made larger = { .size = m->size ? 2 * m->size : SLOTS_MIN };

	larger.slots = calloc(larger.size, sizeof(*larger.slots));
	if (!larger.slots)
		return -1;
	for (size_t i = 0; i < m->size; i++) {
		if (m->slots[i].inode)
			larger.slots[slot_of(&larger, &m->slots[i])] =
				m->slots[i];
	}
	free(m->slots);
	m->slots = larger.slots;
	m->size = larger.size;
	return 0;
}

/* Without memory, or beyond the limit, it is not remembered. */
static void remember(struct made *m, const struct slot *s)
{
	size_t i;

	if (s->inode == 0 || m->count == MADE_MAX ||
	    (2 * (m->count + 1) > m->size && grow(m) < 0)) {
		m->is_incomplete = 1;
		return;
	}
	i = slot_of(m, s);
	m->count += m->slots[i].inode == 0;
	m->slots[i] = *s;
}

/* ---- the file ---- */

static void file_name(const struct made *m, char name[NAME_PART_MAX])
{
	part_tag_name(name, m->file.tag, "journal");
}

/* Whether the file is of this sender, and of a version that is known. */
static int has_head(const struct made *m, int fd)
{
	uint8_t head[JOURNAL_LIST_HEAD], want[JOURNAL_LIST_HEAD];

	journal_put_list_head(want, m->file.keeper->peer_id);
	return io_pread(fd, head, sizeof(head), 0) == sizeof(head) &&
	       memcmp(head, want, sizeof(want)) == 0;
}

/* Remove a record that was cut short, as on a full disk: it would shift those
 * that are appended.  Returns 0, or -1 with errno. */
static int remove_torn_record(int fd, const struct stat *st)
{
	const off_t torn = (st->st_size - JOURNAL_LIST_HEAD) % RECORD;

	return torn ? ftruncate(fd, st->st_size - torn) : 0;
}

/* Open the file that an earlier session left, if only this user can have
 * written to it. */
static int open_existing(const struct made *m)
{
	char name[NAME_PART_MAX];
	struct stat st;
	int fd;

	file_name(m, name);
	fd = openat(m->root_fd, name,
		    O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) < 0 ||
			part_owner_of(m->root_fd, &st) != PART_OURS ||
			!has_head(m, fd) ||
			remove_torn_record(fd, &st) < 0))
		io_close(&fd);
	/* So that it does not count as left over. */
	if (fd >= 0)
		(void)flock(fd, LOCK_EX | LOCK_NB);
	return fd;
}

static void load(struct made *m)
{
	uint8_t *block = malloc(BLOCK);
	uint64_t off = JOURNAL_LIST_HEAD;
	ssize_t n;

	while (block && (n = io_pread(m->fd, block, BLOCK, off)) >= RECORD) {
		n -= n % RECORD;
		for (ssize_t at = 0; at < n; at += RECORD) {
			const struct slot s = { be_get64(block + at),
						be_get64(block + at + 8) };

			remember(m, &s);
		}
		off += (uint64_t)n;
	}
	free(block);
}

/* Locked. */
static void append(struct made *m, const struct slot *s)
{
	uint8_t head[JOURNAL_LIST_HEAD], record[RECORD];
	char name[NAME_PART_MAX];

	if (!m->file.tag)
		return;
	if (m->fd < 0) {
		file_name(m, name);
		(void)unlinkat(m->root_fd, name, 0);
		m->fd = openat(m->root_fd, name,
			       O_RDWR | O_APPEND | O_CREAT | O_EXCL |
				       O_NOFOLLOW | O_CLOEXEC,
			       0600);
		if (m->fd >= 0)
			(void)flock(m->fd, LOCK_EX | LOCK_NB);
		journal_put_list_head(head, m->file.keeper->peer_id);
		if (m->fd >= 0)
			(void)io_write(m->fd, head, sizeof(head));
	}
	be_put64(record, s->key);
	be_put64(record + 8, s->inode);
	/* At once: the process may be killed. */
	if (m->fd >= 0)
		(void)io_write(m->fd, record, RECORD);
}

/* ---- the list ---- */

struct made *made_new(int root_fd, const struct made_file *file,
		      struct quota *quota)
{
	struct made *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->root_fd = root_fd;
	if (file->tag && kept_wants(file->keeper))
		m->file = *file;
	m->quota = quota;
	m->fd = -1;
	pthread_mutex_init(&m->lock, NULL);
	if (m->file.tag)
		m->fd = open_existing(m);
	if (m->fd >= 0)
		load(m);
	return m;
}

void made_free(struct made *m)
{
	if (!m)
		return;
	io_close(&m->fd);
	free(m->slots);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

void made_forget(struct made *m)
{
	char name[NAME_PART_MAX];

	pthread_mutex_lock(&m->lock);
	if (m->fd >= 0) {
		file_name(m, name);
		(void)unlinkat(m->root_fd, name, 0);
	}
	io_close(&m->fd);
	pthread_mutex_unlock(&m->lock);
}

void made_leave(struct made *m)
{
	int has_file;

	pthread_mutex_lock(&m->lock);
	has_file = m->fd >= 0;
	/* It is no longer locked. */
	io_close(&m->fd);
	pthread_mutex_unlock(&m->lock);
	if (has_file)
		kept_note(m->file.keeper, "", 0, m->file.tag);
}

/* Locked.  NULL: it is not there. */
static struct slot *find_slot(struct made *m, const struct slot *s)
{
	struct slot *at = m->size ? &m->slots[slot_of(m, s)] : NULL;

	return at && at->inode ? at : NULL;
}

/* The slot of what an item has become.  The digest is of the device, of the
 * time of creation or what stands for it, as inode numbers are used again, and
 * of the item's name, which nobody can choose a second one for. */
static struct slot slot_as(const char *path, size_t len,
			   const struct identity *id)
{
	enum { NUMBERS = 32 };
	uint8_t text[NUMBERS + NAME_PATH_MAX], sum[DIGEST_MAX];

	len = len < NAME_PATH_MAX ? len : NAME_PATH_MAX;
	be_put64(text, id->dev);
	be_put64(text + 8, (uint64_t)id->time.tv_sec);
	be_put64(text + 16, (uint64_t)id->time.tv_nsec);
	be_put64(text + 24, id->size);
	memcpy(text + NUMBERS, path, len);
	digest_sha256.sum(text, NUMBERS + len, sum);
	return (struct slot){ be_get64(sum) & ~UNNAMED, id->inode };
}

/* Note it, here and, if another session can tell it from others, for that.
 * Locked. */
static void note(struct made *m, const struct slot *s, uint64_t flags,
		 const struct identity *id)
{
	struct slot noted = *s;

	if (m->count < MADE_MAX && (id->time.tv_sec || id->time.tv_nsec))
		append(m, s);
	noted.key |= flags;
	remember(m, &noted);
}

int made_has(struct made *m, const char *path, size_t len,
	     const struct identity *id)
{
	const struct slot s = slot_as(path, len, id);
	int has;

	pthread_mutex_lock(&m->lock);
	has = find_slot(m, &s) != NULL;
	pthread_mutex_unlock(&m->lock);
	return has;
}

int made_is_incomplete(struct made *m)
{
	int is;

	pthread_mutex_lock(&m->lock);
	is = m->is_incomplete;
	pthread_mutex_unlock(&m->lock);
	return is;
}

void made_note(struct made *m, const char *path, size_t len,
	       const struct identity *id)
{
	const struct slot s = slot_as(path, len, id);

	pthread_mutex_lock(&m->lock);
	if (!find_slot(m, &s))
		note(m, &s, 0, id);
	pthread_mutex_unlock(&m->lock);
}

int made_name(struct made *m, const char *path, size_t len, int fd,
	      struct verdict *v)
{
	int is_counted = 0;
	struct identity id;
	struct stat st;
	struct slot *s, dir;

	if (quota_limits_items(m->quota) && identity_of(fd, &id, &st) == 0) {
		dir = slot_as(path, len, &id);
		pthread_mutex_lock(&m->lock);
		s = find_slot(m, &dir);
		if (s) {
			is_counted = (s->key & UNNAMED) != 0;
			s->key &= ~UNNAMED;
		}
		pthread_mutex_unlock(&m->lock);
	}
	return is_counted ? 0 : quota_take(m->quota, 1, 0, v);
}

static int begin_one(void *ctx)
{
	struct made *m = ctx;
	struct verdict v;

	return quota_take(m->quota, 1, 0, &v) == 0;
}

static void end_one(void *ctx, const char *path, size_t len, int is_made,
		    int fd)
{
	struct made *m = ctx;
	struct identity id;
	struct stat st;
	struct slot s;

	if (!is_made)
		quota_give_back(m->quota, 1, 0);
	if (!is_made || fd < 0 || identity_of(fd, &id, &st) < 0)
		return;
	s = slot_as(path, len, &id);
	pthread_mutex_lock(&m->lock);
	note(m, &s, UNNAMED, &id);
	pthread_mutex_unlock(&m->lock);
}

void made_serve(struct made *m, struct dirs *d)
{
	const struct dirs_making making = { begin_one, end_one, m };

	if (m)
		dirs_set_making(d, &making);
}
