/*
 * parts.h - makes part files, of the kind that the file system and the size of
 * the file allow: hidden, kept or ordinary ones.
 *
 * Layer: receiver.
 * Threads: a struct parts belongs to one stream's thread.
 */
#ifndef FERRY_RECEIVER_PARTS_H
#define FERRY_RECEIVER_PARTS_H

#include <stdint.h>

#include "base/err.h"
#include "base/runs.h"
#include "chunk/digest.h"
#include "fs/part.h"

struct commit;
struct dirs;
struct fs_lacks;
struct placed;
struct unlocked;

struct parts {
	/* set once; borrowed */
	const struct digest_ops *digest;
	const uint8_t *peer_id; /* STREAM_PEER bytes: who sends */
	int is_known;           /* nobody else has that id */
	const uint8_t *boot;    /* JOURNAL_BOOT bytes */
	struct dirs *dirs;      /* whose last walk ended in the directory */
	struct fs_lacks *lacks;
	struct placed *placed;  /* or NULL, */
	struct unlocked *unlocked; /* and so is this */
	uint64_t root_dev;      /* of the directory that is received into */
	/* its own */
	struct part_names names; /* all zero at first */
};

/* The tag of a kept part: a digest of the sender's identity and of leaf, the
 * last component of the final name. */
uint64_t parts_tag(const struct parts *p, const char *leaf);

/* Whether another transfer has the part that was kept of this file. */
int parts_is_taken(const struct parts *p, int dir, const char *leaf);

/*
 * Make a part that is not kept when the session ends, for a file that will have
 * the name leaf in dir: a hidden one where the file system has these.  c->dir
 * and c->meta.mode are set.  Returns 0; or ERR_LOCAL with errno, and then c has
 * no part.
 */
int parts_create(struct parts *p, struct commit *c, int dir, const char *leaf,
		 struct err *e);

/* What parts_create_kept() found. */
struct parts_found {
	struct runs *unverified; /* leaves that an earlier session left; the
				    caller's, initialised */
	int is_resumed;          /* there are some, */
	int is_sealed;           /* nobody has written to the part since, */
	int trusts_journal;      /* and it is what the journal says */
};

/*
 * Make a part with a journal, or open the one that an earlier session left if
 * it is of the same source (c->size and c->meta).  Where it cannot be locked,
 * or another transfer has it, as parts_create().  Returns as that.
 */
int parts_create_kept(struct parts *p, struct commit *c, int dir,
		      const char *leaf, struct parts_found *found,
		      struct err *e);

#endif
