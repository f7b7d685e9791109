/*
 * commit.h - a received file before it has its final name.
 *
 * Layer: receiver.
 * Threads: one owner at a time: the stream that receives it, then the
 * committer.
 */
#ifndef FERRY_RECEIVER_COMMIT_H
#define FERRY_RECEIVER_COMMIT_H

#include <stddef.h>
#include <stdint.h>

#include "chunk/digest.h"
#include "fs/part.h"

struct held_dir;
struct placed;
struct fs_lacks;
struct journal;
struct preserve;
struct unlocked;

struct commit {
	struct commit *next; /* the committer's */
	uint64_t id;
	uint64_t size;
	uint8_t digest[DIGEST_MAX]; /* of the whole file */
	struct file_meta meta;
	uint8_t *fields;         /* of meta, or NULL; owned */
	int is_linked;           /* hard links to it may follow */
	unsigned not_kept;       /* of meta: enum file_meta_kind, and */
	unsigned not_kept_cause; /* why */
	struct part part;        /* open: a hidden part is its descriptor */
	struct journal *journal; /* of a kept part, or NULL; owned */
	uint64_t tag;            /* of a kept part */
	struct placed *taken_from; /* the kept part was taken from it, or
				      NULL */
	struct held_dir *dir;    /* owned reference, or NULL */
	char *name;              /* as the sender wrote it; terminated; owned;
				    the final name is its last component */
	size_t name_len;
	char *renamed;           /* the last component that it got instead
				    (--existing rename), or NULL; owned */
	int has_replaced;        /* something else had the name */
	char *rival;             /* the item of this session that has its name
				    where the file system folds names, or
				    NULL; owned */
};

/* Copies name.  There is no part yet (part.fd is -1).  NULL when out of
 * memory. */
struct commit *commit_new(const char *name, size_t name_len);

/* Close and free; nothing is removed.  NULL is allowed. */
void commit_free(struct commit *c);

/* Take the kept part with c->tag from p (NULL: there is nothing to ask): see
 * placed_take_part().  commit_free() gives it back. */
int commit_take_part(struct commit *c, struct placed *p);
void commit_drop_part(struct commit *c);

/* Set c->meta to a copy, with its further fields.  Returns 0, or -1 when out of
 * memory. */
int commit_copy_meta(struct commit *c, const struct file_meta *meta);

/* Set the part's metadata, as far as the file system does it; note what it does
 * not in c, and in lacks what holds for all files. */
void commit_set_meta(struct commit *c, const struct preserve *how,
		     struct fs_lacks *lacks);

/* Remove the part and the journal, as far as they were made. */
void commit_discard(struct commit *c);

/* Remove the kept part and the journal that an earlier session left with this
 * tag, unless another transfer is using them; from a locked directory, too. */
void commit_clear_kept(const struct commit *c, struct unlocked *unlocked);

#endif
