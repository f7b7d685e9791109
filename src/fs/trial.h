/*
 * trial.h - finding out what a file system does by trying it, in an empty
 * directory made for that, ".ferry-0123456789abcdef.new", which is removed
 * again: by the next trial in the same place, if the process is killed
 * meanwhile.
 *
 * Layer: fs.
 * Threads: any.
 *
 * For what no call tells in advance, or what file systems accept and do not do.
 * Each trial takes about ten system calls.
 */
#ifndef FERRY_FS_TRIAL_H
#define FERRY_FS_TRIAL_H

#include <stdint.h>

/* Whether rename_exchange() exchanges names in dir_fd.  0 where it fails, or
 * renames, or nothing can be tried. */
int trial_exchange(int dir_fd);

/* The unit, in nanoseconds, that modification times have in dir_fd: 1, ...,
 * 2000000000; UINT64_MAX where a time that is set is not kept.  1 where nothing
 * can be tried. */
uint64_t trial_time_unit(int dir_fd);

/* Whether a file can have this name (one component) in dir_fd.  Returns 0, also
 * where nothing can be tried, or the errno of creating it. */
int trial_name(int dir_fd, const char *name);

/* Whether a directory with a file in it can be created in dir_fd.  Returns 0 or
 * the errno of creating them. */
int trial_entries(int dir_fd);

/* Whether names that differ only in upper and lower case, or in the Unicode
 * form of a letter, are the same name in dir_fd.  -1 where nothing can be
 * tried. */
int trial_folding(int dir_fd);

#endif
