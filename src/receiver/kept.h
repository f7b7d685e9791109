/*
 * kept.h - limits on what is kept of interrupted transfers below a directory:
 * for how long, and how much of the disk it takes.
 *
 * Layer: receiver.
 * Threads: any; it has a lock of its own, which is held while files are
 * removed.  One thread calls kept_look().
 *
 * A part counts from the end of the session that left it; while a session uses
 * it, it is locked and stays.  What goes first is the part that was written
 * least recently.  What there was before the receiver started counts once
 * kept_look() has found it.  Likewise a list of what a lost transfer has made,
 * which stands for a part, except that it never gives way to a file.
 */
#ifndef FERRY_RECEIVER_KEPT_H
#define FERRY_RECEIVER_KEPT_H

#include <stddef.h>
#include <stdint.h>

#include "fs/journal.h"

struct cancel;
struct kept;
struct session_events;

enum {
	/* Parts, with their journals, and lists of what lost transfers have
	 * made (receiver/made.h).  A session has far fewer open. */
	KEPT_PARTS_SENDER = 1024,
	KEPT_PARTS_ALL = 4 * KEPT_PARTS_SENDER,
	/* Descriptors that are held at most, of a directory. */
	KEPT_FDS = 12,
};

struct kept_config {
	int root_fd;   /* borrowed */
	uint64_t keep_s; /* for so many seconds; 0: nothing is kept */
	/* On the disk, of one sender; all together may have four times as much.
	 * UINT64_MAX: all together may have nine tenths of what would be free
	 * without them. */
	uint64_t max_bytes;
	const struct session_events *events; /* borrowed */
};

/* Whose parts they are.  Borrowed by the files of a session. */
struct kept_sender {
	struct kept *kept; /* NULL: there is no limit */
	const uint8_t *peer_id; /* JOURNAL_PEER bytes; borrowed */
	uint64_t max_bytes; /* of this sender; 0: as kept_config says */
};

/* NULL when out of memory. */
struct kept *kept_new(const struct kept_config *cfg);

void kept_free(struct kept *k); /* NULL is allowed */

/* Look through the directory, and remove what is too old or too much.  Blocks
 * for as long as the disk takes; ends early once stop is set
 * (leftover_find()). */
void kept_look(struct kept *k, const struct cancel *stop);

/* Whether anything is to be kept at all; kept may be NULL. */
int kept_wants(const struct kept_sender *s);

/*
 * A session has left the part with this tag, and its journal, or a list, in the
 * directory of name (len bytes, the path of the file below the root; 0: the
 * root), and nobody holds it locked.  Removes parts that are too much, perhaps
 * this one.  Blocks for as long as the disk takes.  Does nothing where s->kept
 * is NULL.
 */
void kept_note(const struct kept_sender *s, const char *name, size_t len,
	       uint64_t tag);

/*
 * What failed with err_no on the file system of fd (borrowed): where that is
 * full, remove the part of this sender that was written least recently there.
 * missing: how many bytes more are needed; nothing is removed where all of the
 * sender's parts that no transfer has are less than that, as that would not be
 * enough.  Blocks for as long as the disk takes.  Returns whether a part was
 * removed: then it is to be tried again, and may fail once more.  0 where
 * s->kept is NULL.
 */
int kept_give_way(const struct kept_sender *s, int fd, uint64_t missing,
		  int err_no);

#endif
