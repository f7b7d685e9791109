/*
 * dry_run.h - what would happen, found out without changing anything.
 *
 * Layer: receiver.
 * Threads: any; it has no state.
 */
#ifndef FERRY_RECEIVER_DRY_RUN_H
#define FERRY_RECEIVER_DRY_RUN_H

#include <stdint.h>

/* What is known of the file system of the directory that was asked about last,
 * which a network file system would be asked for over the network each time;
 * zeros at first. */
struct dry_run_fs {
	uint64_t dev;
	int is_known;
	int is_kernels; /* nobody can make an entry in it */
};

/*
 * Why nothing can be made or removed in the directory dir (borrowed): an errno
 * or ERR_ERRNO_NO_ENTRIES; 0 where it can, also because this user may change
 * the directory's mode (unlocked.h).  What a file system refuses beyond that is
 * not known.
 */
int dry_run_denied(int dir, struct dry_run_fs *fs);

/*
 * Whether names that differ in upper and lower case are one name in the
 * directory dir (borrowed), going by one that is in it and has a letter of
 * ASCII.  0 where there is none (an empty name).
 */
int dry_run_folds(int dir, const char *name);

#endif
