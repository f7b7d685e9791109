/*
 * journal.h - which chunks of a kept part are there, so that an interrupted
 * transfer goes on where it was.
 *
 * Layer: fs.  Uses base, part.h, zlib (CRC-32).
 * Threads: journal_note(), journal_get() and journal_flush() may be called from
 * several threads at once; the others are one thread's.
 *
 * The journal lies beside the part, ".ferry-" the part's tag ".journal", and
 * holds a fixed header and, at a fixed place for each chunk ("leaf"), its digest
 * and a CRC of that.  So nothing in it can be torn: a place is good or it is
 * not.  A place that was not flushed counts only on the boot that wrote it
 * (the data went to the page cache before, which outlives a killed process but
 * not a power cut); what journal_flush() has passed counts for ever.
 *
 * Whatever does not fit, the header's identity of the source or of the part
 * file, makes the whole journal unusable: the transfer begins anew.
 *
 * A journal says what was written, which somebody may have overwritten since.
 * journal_seal() notes the part's state when a transfer ends; only a part that
 * is in the very state needs not be read again.
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

/* What the part is a part of: all of it has to be the same to go on. */
struct journal_id {
	uint64_t size; /* bytes of the source */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint8_t peer[JOURNAL_PEER]; /* who sends it */
	uint8_t digest_id;
	uint8_t digest_size; /* at most JOURNAL_DIGEST_MAX */
	uint32_t leaf_size;
	uint8_t boot[JOURNAL_BOOT]; /* journal_get_boot(); need not be the same */
};

/* What tells the running boot of this host from others; all zero where that
 * cannot be told.  Reads /proc: before the sandbox. */
void journal_get_boot(uint8_t boot[JOURNAL_BOOT]);

struct journal;

/* Begin a journal for a new part with this tag; what is there is removed.
 * NULL with ERR_LOCAL or ERR_RESOURCE: then the part has none. */
struct journal *journal_create(int dir_fd, uint64_t tag, const struct part *p,
			       const struct journal_id *id, struct err *e);

/*
 * Go on with the journal of a part that was there.  claims (initialised, of
 * the size the caller can use) gets the leaves that are said to be there; what
 * does not fit is left out.  *is_sealed: nobody touched the part since, so they
 * are.  NULL where it cannot be used.
 */
struct journal *journal_load(int dir_fd, uint64_t tag, const struct part *p,
			     const struct journal_id *id, struct runs *claims,
			     int *is_sealed);

/* Close and free; the file stays.  NULL is allowed. */
void journal_close(struct journal *j);

/* Remove the file of a tag: 0 when it is gone, or -1. */
int journal_remove(int dir_fd, uint64_t tag);

/* Remove the kept part of a tag that no transfer has, and its journal.  Returns
 * 0, also where there was none, or -1 where one has it. */
int journal_clear(int dir_fd, uint64_t tag);

/*
 * The leaf with this digest was written to the part.  Gathered: the file is
 * written after JOURNAL_BATCH of them or a second.  A journal that cannot be
 * written any more is given up silently: it only knows less.
 */
enum { JOURNAL_BATCH = 16 };
void journal_note(struct journal *j, uint64_t leaf, const uint8_t *digest);

/* A leaf's digest as noted.  Returns 0, or -1 where there is none. */
int journal_get(struct journal *j, uint64_t leaf, uint8_t *digest);

/* Leaves noted and not flushed yet. */
uint64_t journal_unflushed(struct journal *j);

/*
 * Make what was noted so far durable: flush the part's data, then mark the
 * leaves, then flush the journal.  Blocks for as long as the disk takes.
 * Returns 0 or ERR_LOCAL (nothing is marked then).
 */
int journal_flush(struct journal *j, const struct part *p, struct err *e);

/* The transfer is over, the part will not be touched: write what was gathered
 * and note the part's state. */
void journal_seal(struct journal *j, const struct part *p);

#endif
