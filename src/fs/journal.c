/*
 * The journal file.  All integers are big-endian:
 *
 *	0	u8[8] magic | u8 version | u8 digest id | u16 0 | u32 leaf size
 *	16	u64 size | i64 mtime seconds | u32 nanoseconds | u32 0
 *	40	u8[32] peer
 *	72	u8[16] boot | u8[16] salt | u64 inode of the part
 *	112	u8[12] 0 | u32 CRC of all before
 *	128	seal: u64 part's bytes | i64 ctime seconds | u32 nanoseconds |
 *		u32 CRC of salt and these; or zeroes
 *	256	a slot for each leaf: digest | u32 tag
 *
 * A slot's tag is the CRC of salt, leaf number, state and digest, so a slot of
 * another journal, leaf or digest does not pass for it.
 */
#include "fs/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "os/entropy.h"
#include "os/flush.h"

enum {
	VERSION = 1,
	HEAD = 128,
	SEAL = 128, /* offset */
	SEAL_LEN = 24,
	SLOTS = 256, /* offset */
	SALT = 16,
	TAG = 4,
	SLOT_MAX = JOURNAL_DIGEST_MAX + TAG,
	BLOCK_SLOTS = 4096,    /* read at once: at most 144 KiB */
	UNFLUSHED_RUNS = 4096, /* bounds the memory: 64 KiB */
	GATHER_MS = 1000,
	NS_PER_MS = 1000000,
};

#define MAGIC "FERRYJNL"

/* Of a list: u8[8] magic | u8 version | u8[7] 0 | u8[32] peer. */
#define LIST_MAGIC "FERRYLST"
enum { LIST_VERSION = 1, LIST_PEER = 16 };

/* Of a slot, see journal.h; only in its tag. */
enum state { WRITTEN = 1, FLUSHED = 2 };

struct noted {
	uint64_t leaf;
	uint8_t digest[JOURNAL_DIGEST_MAX];
};

struct journal {
	/* set once */
	int fd;
	struct journal_id id;
	size_t slot_size; /* bytes */
	uint8_t salt[SALT];
	uint64_t inode;
	/* guarded by lock */
	pthread_mutex_t lock;
	struct noted noted[JOURNAL_BATCH];
	unsigned count;
	uint64_t written_ms;
	struct runs unflushed;
	int is_broken;
	pthread_mutex_t flushing; /* taken before lock */
};

/* ---- names, tags and offsets ---- */

static void file_name(char name[NAME_PART_MAX], uint64_t tag)
{
	part_tag_name(name, tag, "journal");
}

void journal_get_boot(uint8_t boot[JOURNAL_BOOT])
{
	if (boot_get_id(boot) < 0)
		memset(boot, 0, JOURNAL_BOOT);
}

static uint32_t slot_tag(const struct journal *j, uint64_t leaf,
			 enum state state, const uint8_t *digest)
{
	uint8_t head[9];
	uLong crc;

	be_put64(head, leaf);
	head[8] = (uint8_t)state;
	crc = crc32_z(0, j->salt, SALT);
	crc = crc32_z(crc, head, sizeof(head));
	crc = crc32_z(crc, digest, j->id.digest_size);
	/* 0 means that the slot was never written. */
	return crc ? (uint32_t)crc : 1;
}

static uint64_t slot_at(const struct journal *j, uint64_t leaf)
{
	return SLOTS + leaf * j->slot_size;
}

/* ---- header and seal ---- */

static void put_head(const struct journal *j, uint8_t head[HEAD])
{
	const struct journal_id *id = &j->id;

	memset(head, 0, HEAD);
	memcpy(head, MAGIC, 8);
	head[8] = VERSION;
	head[9] = id->digest_id;
	be_put32(head + 12, id->leaf_size);
	be_put64(head + 16, id->size);
	be_put64(head + 24, (uint64_t)id->mtime_s);
	be_put32(head + 32, id->mtime_ns);
	memcpy(head + 40, id->peer, JOURNAL_PEER);
	memcpy(head + 72, id->boot, JOURNAL_BOOT);
	memcpy(head + 88, j->salt, SALT);
	be_put64(head + 104, j->inode);
	be_put32(head + HEAD - 4, (uint32_t)crc32_z(0, head, HEAD - 4));
}

/* Write the header with a new salt, which makes all existing slots invalid, and
 * an empty seal. */
static int write_head(struct journal *j)
{
	uint8_t head[SLOTS] = { 0 }; /* with the seal */

	if (entropy_get(j->salt, SALT) < 0)
		return -1;
	put_head(j, head);
	return io_pwrite(j->fd, head, sizeof(head), 0) < 0 ? -1 : 0;
}

/* Returns 0; -1 where the part's times do not show whether it is written to
 * afterwards, because the file system has only coarse ones: clocks do not stop
 * at whole milliseconds. */
static int put_seal(const struct journal *j, const struct part *p,
		    uint8_t seal[SEAL_LEN])
{
	struct stat st;
	uLong crc;

	if (fstat(p->fd, &st) < 0 || st.st_ctim.tv_nsec % NS_PER_MS == 0)
		return -1;
	be_put64(seal, (uint64_t)st.st_size);
	be_put64(seal + 8, (uint64_t)st.st_ctim.tv_sec);
	be_put32(seal + 16, (uint32_t)st.st_ctim.tv_nsec);
	crc = crc32_z(0, j->salt, SALT);
	crc = crc32_z(crc, seal, SEAL_LEN - 4);
	be_put32(seal + 20, (uint32_t)crc);
	return 0;
}

/* ---- create, close and remove ---- */

static struct journal *new_journal(const struct part *p,
				   const struct journal_id *id)
{
	struct journal *j = calloc(1, sizeof(*j));
	struct stat st;

	if (!j)
		return NULL;
	j->fd = -1;
	j->id = *id;
	j->slot_size = (size_t)id->digest_size + TAG;
	runs_init(&j->unflushed, UNFLUSHED_RUNS);
	pthread_mutex_init(&j->lock, NULL);
	pthread_mutex_init(&j->flushing, NULL);
	j->written_ms = clock_ms();
	if (fstat(p->fd, &st) < 0) {
		journal_close(j);
		return NULL;
	}
	/* A later part with the same tag has another inode number, and does not
	 * match this journal. */
	j->inode = (uint64_t)st.st_ino;
	return j;
}

void journal_close(struct journal *j)
{
	int saved = errno;

	if (!j)
		return;
	io_close(&j->fd);
	runs_release(&j->unflushed);
	pthread_mutex_destroy(&j->lock);
	pthread_mutex_destroy(&j->flushing);
	free(j);
	errno = saved;
}

int journal_remove(int dir_fd, uint64_t tag)
{
	char name[NAME_PART_MAX];

	file_name(name, tag);
	return unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT ? -1 : 0;
}

int journal_clear(int dir_fd, uint64_t tag)
{
	struct part p;
	int was_there, saved;
	int rc = part_open_leftover(&p, dir_fd, tag, &was_there);

	if (rc < 0 && was_there)
		return -1;
	/* A journal without its part is left where it could not be removed
	 * when the part got its final name. */
	if (rc < 0)
		return journal_remove(dir_fd, tag);
	/* The journal first, while the locked part makes sure that it belongs
	 * to no other transfer.  If it cannot be removed the part stays, whose
	 * name is what a later transfer finds both by. */
	rc = journal_remove(dir_fd, tag);
	saved = errno;
	if (rc < 0)
		p.name[0] = '\0';
	part_discard(&p, dir_fd);
	errno = saved;
	return rc;
}

struct journal *journal_create(int dir_fd, uint64_t tag, const struct part *p,
			       const struct journal_id *id, struct err *e)
{
	struct journal *j = new_journal(p, id);
	char name[NAME_PART_MAX];

	if (!j) {
		err_set(e, ERR_RESOURCE, "out of memory for a journal");
		return NULL;
	}
	/* Removed and created with O_EXCL: a file that another user has put
	 * there is never written to. */
	(void)journal_remove(dir_fd, tag);
	file_name(name, tag);
	j->fd = openat(dir_fd, name,
		       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (j->fd < 0 || write_head(j) < 0) {
		err_sys(e, ERR_LOCAL, "create a journal");
		if (j->fd >= 0)
			(void)journal_remove(dir_fd, tag);
		journal_close(j);
		return NULL;
	}
	return j;
}

/* ---- loading ---- */

/* *is_sure: nobody else can have written it. */
static int open_existing(int dir_fd, uint64_t tag, int *is_sure)
{
	enum part_owner owner = PART_FOREIGN;
	char name[NAME_PART_MAX];
	struct stat st;
	int fd;

	file_name(name, tag);
	fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0)
		owner = part_owner_of(dir_fd, &st);
	if (owner == PART_FOREIGN)
		io_close(&fd);
	*is_sure = owner == PART_OURS;
	return fd;
}

static int knows_boot(const struct journal *j)
{
	static const uint8_t unknown[JOURNAL_BOOT];

	return memcmp(j->id.boot, unknown, JOURNAL_BOOT) != 0;
}

/* Check that the header is of this part and source, and take over its salt.
 * *same_boot says whether this boot wrote it.  Returns 0 or -1. */
static int check_head(struct journal *j, int *same_boot)
{
	uint8_t head[HEAD], want[HEAD];

	if (io_pread(j->fd, head, HEAD, 0) != HEAD)
		return -1;
	memcpy(j->salt, head + 88, SALT);
	put_head(j, want);
	*same_boot = memcmp(head + 72, want + 72, JOURNAL_BOOT) == 0 &&
		     knows_boot(j);
	/* All fields but boot and CRC have to be what we would write, ... */
	if (memcmp(head, want, 72) != 0 || memcmp(head + 88, want + 88, 36) != 0)
		return -1;
	/* ... and the CRC has to be right. */
	return be_get32(head + HEAD - 4) ==
			       (uint32_t)crc32_z(0, head, HEAD - 4) ?
		       0 :
		       -1;
}

void journal_put_list_head(uint8_t head[JOURNAL_LIST_HEAD],
			   const uint8_t peer[JOURNAL_PEER])
{
	memset(head, 0, JOURNAL_LIST_HEAD);
	memcpy(head, LIST_MAGIC, 8);
	head[8] = LIST_VERSION;
	memcpy(head + LIST_PEER, peer, JOURNAL_PEER);
}

int journal_read_peer(int dir_fd, uint64_t tag, uint8_t peer[JOURNAL_PEER])
{
	uint8_t head[HEAD], list[JOURNAL_LIST_HEAD];
	int is_sure, rc = -1;
	int fd = open_existing(dir_fd, tag, &is_sure);
	const ssize_t n = fd < 0 ? -1 : io_pread(fd, head, HEAD, 0);

	if (n == HEAD && memcmp(head, MAGIC, 8) == 0 &&
	    be_get32(head + HEAD - 4) ==
		    (uint32_t)crc32_z(0, head, HEAD - 4)) {
		memcpy(peer, head + 40, JOURNAL_PEER);
		rc = 0;
	} else if (n >= JOURNAL_LIST_HEAD) {
		memcpy(peer, head + LIST_PEER, JOURNAL_PEER);
		journal_put_list_head(list, peer);
		rc = memcmp(head, list, JOURNAL_LIST_HEAD) == 0 ? 1 : -1;
	}
	io_close(&fd);
	return rc;
}

static int check_seal(const struct journal *j, const struct part *p)
{
	uint8_t seal[SEAL_LEN], want[SEAL_LEN];

	return io_pread(j->fd, seal, SEAL_LEN, SEAL) == SEAL_LEN &&
	       put_seal(j, p, want) == 0 && memcmp(seal, want, SEAL_LEN) == 0;
}

/* Whether the slot of a leaf counts on this boot. */
static int is_valid(const struct journal *j, uint64_t leaf, const uint8_t *slot,
		    int same_boot)
{
	uint32_t tag = be_get32(slot + j->id.digest_size);

	return tag != 0 &&
	       (tag == slot_tag(j, leaf, FLUSHED, slot) ||
		(same_boot && tag == slot_tag(j, leaf, WRITTEN, slot)));
}

/* Add those of the n leaves from first on that have a valid slot to recorded.
 * old: NULL, or a copy of the journal with the salt that the slots have; they
 * are then written again with the new salt, as flushed. */
static void load_block(struct journal *j, const struct journal *old,
		       uint8_t *slots, uint64_t first, size_t n, int same_boot,
		       struct runs *recorded)
{
	size_t done = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t *slot = slots + i * j->slot_size;

		if (!is_valid(old ? old : j, first + i, slot, same_boot) ||
		    runs_add(recorded, first + i, 1)) {
			memset(slot, 0, j->slot_size);
			continue;
		}
		if (old)
			be_put32(slot + j->id.digest_size,
				 slot_tag(j, first + i, FLUSHED, slot));
		done++;
	}
	if (old && done > 0 &&
	    io_pwrite(j->fd, slots, n * j->slot_size, slot_at(j, first)) < 0)
		(void)runs_remove(recorded, first, n);
}

static int load_slots(struct journal *j, const struct journal *old,
		      int same_boot, struct runs *recorded)
{
	const struct journal_id *id = &j->id;
	const uint64_t leaves = id->size / id->leaf_size +
				(id->size % id->leaf_size != 0);
	uint64_t first = 0;
	uint8_t *block = malloc(BLOCK_SLOTS * j->slot_size);
	ssize_t got = 0;

	if (!block)
		return -1;
	while (first < leaves) {
		size_t n = leaves - first < BLOCK_SLOTS
				   ? (size_t)(leaves - first)
				   : BLOCK_SLOTS;

		got = io_pread(j->fd, block, n * j->slot_size,
			       slot_at(j, first));
		/* The rest of a short file are slots that were never
		 * written. */
		if (got <= 0)
			break;
		load_block(j, old, block, first, (size_t)got / j->slot_size,
			   same_boot, recorded);
		first += n;
	}
	free(block);
	return got < 0 ? -1 : 0;
}

struct journal *journal_load(int dir_fd, uint64_t tag, const struct part *p,
			     const struct journal_id *id, struct runs *recorded,
			     int *is_sealed)
{
	static const uint8_t no_seal[SEAL_LEN];
	struct journal *j = new_journal(p, id), old;
	int same_boot = 0, is_sure = 0, rc = -1;

	*is_sealed = 0;
	if (!j)
		return NULL;
	j->fd = open_existing(dir_fd, tag, &is_sure);
	if (j->fd >= 0 && check_head(j, &same_boot) == 0) {
		*is_sealed = same_boot && is_sure && check_seal(j, p);
		old = *j;
		/* The part will be written to, so the seal must not hold for a
		 * process that is killed meanwhile. */
		if (same_boot &&
		    io_pwrite(j->fd, no_seal, SEAL_LEN, SEAL) == 0)
			rc = load_slots(j, NULL, 1, recorded);
		/* A journal of an earlier boot becomes one of this boot.  It
		 * gets a new salt, so that the slots that boot did not flush
		 * stay invalid: their data may be lost. */
		else if (!same_boot && write_head(j) == 0)
			rc = load_slots(j, &old, 0, recorded);
	}
	if (rc == 0)
		return j;
	journal_close(j);
	return NULL;
}

/* ---- writing ---- */

static int by_leaf(const void *a, const void *b)
{
	uint64_t x = ((const struct noted *)a)->leaf;
	uint64_t y = ((const struct noted *)b)->leaf;

	return x < y ? -1 : x > y;
}

/* Write the slots of noted[from..to), whose leaves are consecutive. */
static int write_run(struct journal *j, unsigned from, unsigned to)
{
	uint8_t slots[JOURNAL_BATCH * SLOT_MAX];
	uint64_t first = j->noted[from].leaf;

	for (unsigned i = from; i < to; i++) {
		uint8_t *slot = slots + (i - from) * j->slot_size;

		memcpy(slot, j->noted[i].digest, j->id.digest_size);
		be_put32(slot + j->id.digest_size,
			 slot_tag(j, first + i - from, WRITTEN,
				  j->noted[i].digest));
	}
	if (io_pwrite(j->fd, slots, (to - from) * j->slot_size,
		      slot_at(j, first)) < 0)
		return -1;
	/* May fail with too many runs: these slots then stay in the state
	 * written, and count only on this boot. */
	(void)runs_add(&j->unflushed, first, to - from);
	return 0;
}

/* Write all gathered notes.  The caller holds j->lock. */
static void write_noted(struct journal *j)
{
	unsigned from = 0;

	/* Sorted, so that consecutive leaves take one write. */
	qsort(j->noted, j->count, sizeof(j->noted[0]), by_leaf);
	while (from < j->count && !j->is_broken) {
		unsigned to = from + 1;

		while (to < j->count &&
		       j->noted[to].leaf == j->noted[to - 1].leaf + 1)
			to++;
		if (write_run(j, from, to) < 0)
			j->is_broken = 1;
		from = to;
	}
	j->count = 0;
	j->written_ms = clock_ms();
}

void journal_note(struct journal *j, uint64_t leaf, const uint8_t *digest)
{
	pthread_mutex_lock(&j->lock);
	j->noted[j->count].leaf = leaf;
	memcpy(j->noted[j->count].digest, digest, j->id.digest_size);
	j->count++;
	if (j->count == JOURNAL_BATCH || clock_ms() - j->written_ms >= GATHER_MS)
		write_noted(j);
	pthread_mutex_unlock(&j->lock);
}

int journal_get(struct journal *j, uint64_t leaf, uint8_t *digest)
{
	uint8_t slot[SLOT_MAX];

	if (io_pread(j->fd, slot, j->slot_size, slot_at(j, leaf)) !=
		    (ssize_t)j->slot_size ||
	    !is_valid(j, leaf, slot, 1))
		return -1;
	memcpy(digest, slot, j->id.digest_size);
	return 0;
}

uint64_t journal_unflushed(struct journal *j)
{
	uint64_t n;

	pthread_mutex_lock(&j->lock);
	n = j->is_broken ? 0 : runs_count(&j->unflushed) + j->count;
	pthread_mutex_unlock(&j->lock);
	return n;
}

/* Mark the slots of a run of leaves as flushed.  Their data has to be. */
static int mark_run(struct journal *j, uint64_t first, uint64_t count)
{
	uint8_t slots[JOURNAL_BATCH * SLOT_MAX];

	while (count > 0) {
		size_t n = count < JOURNAL_BATCH ? (size_t)count : JOURNAL_BATCH;
		size_t len = n * j->slot_size;

		if (io_pread(j->fd, slots, len, slot_at(j, first)) !=
		    (ssize_t)len)
			return -1;
		for (size_t i = 0; i < n; i++) {
			uint8_t *slot = slots + i * j->slot_size;

			be_put32(slot + j->id.digest_size,
				 slot_tag(j, first + i, FLUSHED, slot));
		}
		if (io_pwrite(j->fd, slots, len, slot_at(j, first)) < 0)
			return -1;
		first += n;
		count -= n;
	}
	return 0;
}

int journal_flush(struct journal *j, const struct part *p, struct err *e)
{
	struct runs flushed;
	int rc = 0;

	pthread_mutex_lock(&j->flushing);
	pthread_mutex_lock(&j->lock);
	write_noted(j);
	/* The disk may be slow: meanwhile notes go to a new set, without
	 * waiting for the lock. */
	flushed = j->unflushed;
	runs_init(&j->unflushed, UNFLUSHED_RUNS);
	pthread_mutex_unlock(&j->lock);
	/* Not repeated after an error, see flush.h: the runs are dropped. */
	if (flushed.len > 0)
		rc = flush_data(p->fd);
	for (size_t i = 0; rc == 0 && i < flushed.len; i++)
		rc = mark_run(j, flushed.v[i].first, flushed.v[i].count);
	if (rc == 0 && flushed.len > 0)
		rc = flush_data(j->fd);
	/* Where the file system cannot flush, the slots stay as they are and
	 * count on this boot only. */
	if (rc < 0 && flush_is_unsupported(errno))
		rc = 0;
	if (rc < 0)
		rc = err_sys(e, ERR_LOCAL, "flush to the disk");
	runs_release(&flushed);
	pthread_mutex_unlock(&j->flushing);
	return rc;
}

void journal_write(struct journal *j, const struct part *p)
{
	struct err e;

	if (!knows_boot(j)) {
		(void)journal_flush(j, p, &e);
		return;
	}
	pthread_mutex_lock(&j->lock);
	write_noted(j);
	pthread_mutex_unlock(&j->lock);
}

void journal_seal(struct journal *j, const struct part *p)
{
	uint8_t seal[SEAL_LEN];

	journal_write(j, p);
	pthread_mutex_lock(&j->lock);
	if (!j->is_broken && put_seal(j, p, seal) == 0 &&
	    io_pwrite(j->fd, seal, SEAL_LEN, SEAL) < 0)
		j->is_broken = 1;
	pthread_mutex_unlock(&j->lock);
}
