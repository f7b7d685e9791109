/*
 * journal.h - which leaves of a kept part have been written, so that an
 * interrupted transfer can be resumed.
 *
 * Layer: fs.
 * Threads: journal_note(), journal_get(), journal_unflushed() and
 * journal_flush() may be called from several threads at once; the others by one
 * thread while no other uses the journal.
 *
 * The journal is a file in the part's directory, ".ferry-TAG.journal", with a
 * header of fixed size and a slot at a fixed offset for each leaf, which holds
 * the leaf's digest and a CRC of it.  A slot that was only partly written fails
 * its CRC and counts as empty.
 *
 * Slots come in two states.  Written: the leaf was written to the page cache,
 * which survives a killed process but not a power cut, so these slots count
 * only on the boot that wrote them.  Flushed, by journal_flush(): these always
 * count.
 *
 * A journal whose header names another source or another part file is not used,
 * and the transfer starts from the beginning.
 *
 * A slot does not tell whether another process has overwritten the leaf since.
 * journal_seal() records the part's size and ctime when a transfer ends; only
 * if they are still the same need the part not be read again to compare it.
 */
#ifndef FERRY_FS_JOURNAL_H
#define FERRY_FS_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/runs.h"
#include "fs/part.h"
#include "os/boot.h"

enum { JOURNAL_PEER = 32, JOURNAL_DIGEST_MAX = 32, JOURNAL_BOOT = BOOT_ID_SIZE };

/* The source that the part holds leaves of: to resume, all but boot has to be
 * the same. */
struct journal_id {
	uint64_t size; /* bytes of the source */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint8_t peer[JOURNAL_PEER]; /* digest of the sender's identity */
	uint8_t digest_id;
	uint8_t digest_size; /* at most JOURNAL_DIGEST_MAX */
	uint32_t leaf_size;
	uint8_t boot[JOURNAL_BOOT]; /* journal_get_boot() */
};

/* Get the id of the running boot, which no other boot has; all zero where it is
 * not known.  Reads /proc, so call it before the sandbox. */
void journal_get_boot(uint8_t boot[JOURNAL_BOOT]);

struct journal;

/* Create the journal of a new part with this tag; an existing one is removed.
 * Returns it, or NULL with ERR_LOCAL or ERR_RESOURCE in e: the part is then
 * without a journal. */
struct journal *journal_create(int dir_fd, uint64_t tag, const struct part *p,
			       const struct journal_id *id, struct err *e);

/*
 * Open the journal of a part that an earlier transfer left.  recorded
 * (initialised, with the greatest number of runs that the caller can use) gets
 * the leaves that have a valid slot; leaves that would take more runs are left
 * out.  *is_sealed says that the part is as the seal recorded it, so that these
 * leaves are in it, and that only this user can have written either; otherwise
 * they have to be compared.  Returns NULL where the
 * journal cannot be used.
 */
struct journal *journal_load(int dir_fd, uint64_t tag, const struct part *p,
			     const struct journal_id *id, struct runs *recorded,
			     int *is_sealed);

/* A list of what a lost transfer has made has the name of a journal, but there
 * is no part with its tag.  This is its header. */
enum { JOURNAL_LIST_HEAD = 48 };
void journal_put_list_head(uint8_t head[JOURNAL_LIST_HEAD],
			   const uint8_t peer[JOURNAL_PEER]);

/* Read which sender the journal of a tag names.  Returns 0; 1 where it is such
 * a list; -1 where there is no journal of this user, or its header is
 * damaged. */
int journal_read_peer(int dir_fd, uint64_t tag, uint8_t peer[JOURNAL_PEER]);

/* Close and free; the file stays.  NULL is allowed. */
void journal_close(struct journal *j);

/* Remove the journal of a tag.  Returns 0, also where there was none, or -1
 * with errno. */
int journal_remove(int dir_fd, uint64_t tag);

/* Remove the kept part of a tag, which no transfer is using, and its journal,
 * or the one of them that there is; the part stays where the journal cannot be
 * removed.  Returns 0, also where there was neither; -1 where a transfer has
 * the part or it cannot be opened, or where the journal cannot be removed, with
 * errno. */
int journal_clear(int dir_fd, uint64_t tag);

/*
 * Record that a leaf with this digest was written to the part.  Notes are
 * gathered in memory, and written after JOURNAL_BATCH of them, or with the
 * first one more than a second after the last write.  When writing fails, the
 * journal is silently not written any more: a later transfer then has to send
 * more.
 */
enum { JOURNAL_BATCH = 16 };
void journal_note(struct journal *j, uint64_t leaf, const uint8_t *digest);

/* Read the digest of a leaf from its slot.  Returns 0, or -1 where there is no
 * valid one, or it is still in memory only. */
int journal_get(struct journal *j, uint64_t leaf, uint8_t *digest);

/* How many leaves were noted and not flushed yet; 0 once writing has failed. */
uint64_t journal_unflushed(struct journal *j);

/*
 * Make what was noted so far durable: flush the part's data, then mark the
 * slots as flushed, then flush the journal.  Blocks for as long as the disk
 * takes.  Returns 0; ERR_LOCAL with errno: a slot is never marked before its
 * data is durable, but these leaves are not tried again.
 */
int journal_flush(struct journal *j, const struct part *p, struct err *e);

/* Write the gathered notes: at the end of a transfer, when nothing more is
 * written to the part.  Where it is not known which boot this is, no slot would
 * count that is not flushed, so this is journal_flush(). */
void journal_write(struct journal *j, const struct part *p);

/* Likewise, and record the part's size and ctime.  Only for a part that was
 * sealed when it was opened, or is new: where somebody else may have written to
 * it, a seal would hide that from the next transfer. */
void journal_seal(struct journal *j, const struct part *p);

#endif
