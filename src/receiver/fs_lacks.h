/*
 * fs_lacks.h - what a session found that the file system it receives into cannot
 * do; the user is told once.
 *
 * Layer: receiver.
 * Threads: any.
 */
#ifndef FERRY_RECEIVER_FS_LACKS_H
#define FERRY_RECEIVER_FS_LACKS_H

#include <stdatomic.h>

struct session_events;

enum fs_lack {
	LACKS_LINKS = 1, /* files without a name cannot get one */
	LACKS_FLUSH = 2, /* files or directories cannot be flushed */
	LACKS_MODES = 4, /* files have the modes of the mount */
	LACKS_META = 8,  /* it accepts a mode or time and ignores it */
	/* Not lacks: that was looked for with a file, */
	LACKS_LOOKED_AT_ALL = 16,
	LACKS_LOOKED_AT_TIME = 32, /* which was created with its mode */
};

struct fs_lacks {
	const struct session_events *events; /* borrowed; set once */
	atomic_uint found;                   /* enum fs_lack, as bits */
};

int fs_lacks_has(struct fs_lacks *l, enum fs_lack what);

/* Note that this is so; the first time, warn where the user loses by it. */
void fs_lacks_note(struct fs_lacks *l, enum fs_lack what);

#endif
