/*
 * parts.h - making part files, of the kind that the file system and the file's
 * size allow.
 *
 * Layer: receiver.  Uses fs/, commit.h.
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

struct parts {
	/* set once; borrowed */
	const struct digest_ops *digest;
	const uint8_t *peer_id; /* STREAM_PEER bytes: who sends */
	const uint8_t *boot;    /* JOURNAL_BOOT bytes */
	struct dirs *dirs;      /* its last walk led to the part's directory */
	uint64_t root_dev;      /* of the directory that is received into */
	/* its own */
	struct part_names names; /* all zero at first */
};

/* The tag of a kept part: by who sends it and what it will be called (the last
 * component of its name). */
uint64_t parts_tag(const struct parts *p, const char *leaf);

/*
 * A part that is not kept when the session ends, for a file that will be called
 * leaf in dir: hidden where there are such.  c->dir is held, and c->meta has the
 * mode.  Returns 0, or ERR_LOCAL with errno.
 */
int parts_create(struct parts *p, struct commit *c, int dir, const char *leaf,
		 struct err *e);

/* What parts_create_kept() found. */
struct parts_found {
	struct runs *claims; /* leaves that an earlier session left; the
				caller's, initialised */
	int is_resumed;      /* there are some, */
	int is_sealed;       /* and nobody touched them since */
};

/*
 * A part with a journal, or the one that an earlier session left (c->size and
 * c->meta are the source's).  Where it cannot be locked, or another transfer has
 * it, one as parts_create() makes.  Returns 0, or ERR_LOCAL with errno.
 */
int parts_create_kept(struct parts *p, struct commit *c, int dir,
		      const char *leaf, struct parts_found *found,
		      struct err *e);

#endif
