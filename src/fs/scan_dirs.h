/*
 * scan_dirs.h - what is in the directories of a scan, by names alone.
 *
 * Layer: fs.
 * Threads: any, after the roots were added.
 *
 * Files are not looked at, so this takes a small part of the time of
 * scan_run().
 */
#ifndef FERRY_FS_SCAN_DIRS_H
#define FERRY_FS_SCAN_DIRS_H

#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/names.h"

struct scan;

/* A directory whose content is sent.  Borrowed for the call of fn. */
struct scan_dir {
	const char *name; /* as the receiver gets it; terminated; "": the
			     receiver's own directory */
	size_t name_len;
	struct stat st;
	/* What is in it, without what the scan leaves out as asked for.  Both
	 * UINT64_MAX where several roots may have this directory. */
	struct names_sum names;
};

/* Returns 0 to go on; any other value ends the walk and is returned. */
typedef int (*scan_dirs_fn)(void *ctx, const struct scan_dir *d, struct err *e);

/*
 * Call fn for each directory whose content scan_run() sends, after those in it.
 * Directories that cannot be read, and lists, are left out.  Blocks.  Returns
 * 0; what fn returned; ERR_RESOURCE.
 */
int scan_dirs(const struct scan *s, scan_dirs_fn fn, void *ctx, struct err *e);

/* A name in a directory, terminated.  is_dir: it is a directory, or a symlink
 * that is followed to one; is_left_out: it is not sent, as asked for. */
typedef int (*scan_dirs_name_fn)(void *ctx, const char *name, int is_dir,
				 int is_left_out);

/*
 * Call fn for each name that any of the roots has in the directory path (len
 * bytes) of the receiver.  Returns 0; what fn returned; ERR_LOCAL where a
 * directory that is there cannot be read; ERR_RESOURCE.
 */
int scan_dirs_names(const struct scan *s, const char *path, size_t len,
		    scan_dirs_name_fn fn, void *ctx, struct err *e);

/* Whether path is the name of a directory that was added itself, or the
 * receiver's own directory. */
int scan_dirs_is_root(const struct scan *s, const char *path, size_t len);

/* How many directories were added, and whether there are lists of names. */
unsigned scan_dirs_count(const struct scan *s);
int scan_dirs_has_list(const struct scan *s);

/* Whether the scan's filter leaves out this path (len bytes) as the receiver
 * has it, or a directory on the way to it, from the component on that begins at
 * byte `from`. */
int scan_dirs_excludes(const struct scan *s, const char *path, size_t len,
		       size_t from, int is_dir);

#endif
