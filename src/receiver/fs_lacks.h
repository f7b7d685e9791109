/*
 * fs_lacks.h - what a session found that the file system it receives into
 * cannot do; the user is told once.
 *
 * Layer: receiver.
 * Threads: any.
 */
#ifndef FERRY_RECEIVER_FS_LACKS_H
#define FERRY_RECEIVER_FS_LACKS_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

struct file_meta;
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
	uint64_t number;                     /* of the session; set once */
	atomic_uint found;                   /* enum fs_lack, as bits */
	/* what trial_time_unit() found; 0: it was not asked yet */
	_Atomic uint64_t time_unit;
};

int fs_lacks_has(struct fs_lacks *l, enum fs_lack what);

/* Note that this is so; the first time, warn where the user loses by it. */
void fs_lacks_note(struct fs_lacks *l, enum fs_lack what);

/*
 * Whether the modification time of a file in dir_fd can be what the file system
 * made of the time in meta, whose units may be coarser.  What they are is tried
 * once, and only where the times are less than two seconds apart.  l: NULL:
 * only equal times are the same.
 */
int fs_lacks_same_time(struct fs_lacks *l, int dir_fd,
		       const struct timespec *there,
		       const struct file_meta *meta);

/* The same without trying it: whether some unit makes the one time of the
 * other, and the directory's own time shows no finer one. */
int fs_lacks_may_be_time(int dir_fd, const struct timespec *there,
			 const struct file_meta *meta);

/* Whether a time that is set in dir_fd is kept, be it in coarser units: tried
 * once.  1 where l is NULL. */
int fs_lacks_keeps_times(struct fs_lacks *l, int dir_fd);

#endif
