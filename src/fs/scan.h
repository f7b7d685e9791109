/*
 * scan.h - walking the sources to find what there is to send.
 *
 * Layer: fs.
 * Threads: one thread adds the roots; after that one thread calls scan_run(),
 * and any may read the roots.
 *
 * Every directory is opened relative to its parent's descriptor, with
 * O_NOFOLLOW unless symlinks are followed.  Memory does not grow with the
 * number of files: besides the roots, only the directories of the current path
 * are held (at most NAME_DEPTH_MAX + 1).
 */
#ifndef FERRY_FS_SCAN_H
#define FERRY_FS_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

/* What to do with symlinks below the roots. */
enum scan_symlinks {
	SCAN_KEEP, /* those that stay inside the tree */
	SCAN_FOLLOW,
	SCAN_SKIP,
	SCAN_ALL, /* as they are */
};

enum scan_kind {
	SCAN_FILE,    /* a regular file */
	SCAN_DIR,     /* reported after its content */
	SCAN_SYMLINK, /* one that may be sent as a symlink */
	SCAN_SPECIAL, /* a FIFO, socket or device, with scan_keep_special() */
	SCAN_ERROR,   /* cannot be sent: err says why; the walk continues */
	SCAN_SKIPPED, /* left out as asked for: by SCAN_SKIP, the filter or
			 scan_skip_special() */
	SCAN_WAITING, /* no item: a list of names has not gone on for a while.
			 Reported about five times a second, so that fn can end
			 the walk */
	SCAN_LIST_END, /* no item: a list of names that is not a regular file has
			  ended, which its writer may not have meant */
};

/* One item found.  All pointers are borrowed for the call of fn. */
struct scan_item {
	enum scan_kind kind;
	unsigned root;    /* the index of the root that it lies below */
	const char *path; /* below the root, for dirs_parent(); terminated */
	size_t path_len;
	const char *name; /* as the receiver gets it; terminated */
	size_t name_len;
	struct stat st;     /* not for ERROR, WAITING and LIST_END */
	const char *target; /* SYMLINK: terminated */
	size_t target_len;
	const struct err *err; /* ERROR; without the advice */
	/* ERROR: err's text without the path and what differs by item; and what
	 * to do about it.  Each may be NULL. */
	const char *reason, *advice;
	const char *display;   /* the path as the user would write it;
				* terminated */
};

/* Called for each item.  Returns 0 to continue; any other value ends the walk
 * and is returned by scan_run(). */
typedef int (*scan_fn)(void *ctx, const struct scan_item *item, struct err *e);

struct scan;
struct filter;

/* NULL when out of memory. */
struct scan *scan_new(enum scan_symlinks symlinks);
void scan_free(struct scan *s); /* NULL is allowed */

/* Before the walk: as given to scan_new(). */
void scan_set_symlinks(struct scan *s, enum scan_symlinks symlinks);

/* Leave out what the filter (borrowed) excludes.  The paths given to scan_add()
 * themselves are always sent; the filter is asked about what is below them, and
 * about what a list names, with the name that the receiver would get. */
void scan_set_filter(struct scan *s, const struct filter *filter);

/* Do not go into directories of another file system than that of the root, or
 * of the list's name, which they are below: they are sent empty.  A bind mount
 * of the same file system is not noticed; a btrfs subvolume counts as another
 * one. */
void scan_stay_on_file_system(struct scan *s);

/* Leave out FIFOs, sockets and devices below the roots, which are ERROR items
 * otherwise. */
void scan_skip_special(struct scan *s);

/* Report them as SCAN_SPECIAL. */
void scan_keep_special(struct scan *s);

/*
 * Add a source as given on the command line: a regular file or a directory, or
 * a symlink to one, which is followed.  "photos" and "a/b/photos/" arrive as
 * photos/...; "photos/.", "." and "/" send the content of the directory without
 * its name; ".." is refused.
 *
 * Returns 0; ERR_LOCAL for one that is missing or unreadable, or a device, FIFO
 * or socket, or one whose name is not allowed (the text names the path);
 * ERR_USAGE for "" and ".."; ERR_RESOURCE when out of memory or descriptors.
 */
int scan_add(struct scan *s, const char *path, struct err *e);

/* Remember a source that scan_add() refused with why: scan_run() reports it, as
 * the first.  Returns 0 or ERR_RESOURCE. */
int scan_add_bad(struct scan *s, const char *path, const struct err *why,
		 struct err *e);

/*
 * Check that no two sources, and standard input if stdin_name is not NULL,
 * would get the same name at the receiver: after all were added, but before the
 * walk.  The contents of several directories ("a/.", "b/.") are compared as
 * deep as they have directories in common.  Returns 0; ERR_USAGE; ERR_RESOURCE.
 */
int scan_names_check(const struct scan *s, const char *stdin_name,
		     struct err *e);

/*
 * Add a list of names below dir, which is read from fd (borrowed) while
 * scan_run() walks, and never held in memory.  Each name ends with the byte end
 * ('\n' or '\0'; see list.h for the last) and is what the receiver gets.  A
 * leading "./" is dropped, empty names and "." are ignored, and a name that is
 * not allowed is an ERROR item.  A directory is sent without its content unless
 * its name ends with a slash.  Where fd can seek, each scan_run() reads it from
 * the offset that it has now.
 *
 * Returns 0; ERR_LOCAL (dir cannot be opened); ERR_RESOURCE.
 */
int scan_add_list(struct scan *s, const char *dir, int fd, char end,
		  struct err *e);

/* How many sources and lists were added. */
unsigned scan_root_count(const struct scan *s);

/* The directory of a root, borrowed; of a single file, the one that it is in,
 * which may be open with O_PATH. */
int scan_root_fd(const struct scan *s, unsigned root);

/* Whether the root is a file that was given by a symlink, which source_open()
 * has to follow.  (Below the roots SCAN_FOLLOW decides that.) */
int scan_root_follow(const struct scan *s, unsigned root);

/* For such a root, open what the symlink leads to, with O_PATH.  Returns a
 * descriptor, which the caller closes, or -1 with errno. */
int scan_root_open_target(const struct scan *s, unsigned root);

/* The prefix that makes an item's path what the user would write: "" or ends
 * with "/". */
const char *scan_root_display(const struct scan *s, unsigned root);

/* Whether exactly one regular file was added, and nothing else. */
int scan_is_single_file(const struct scan *s);

/* Walk all roots in the order in which they were added and call fn for each
 * item.  Blocks.  Returns 0; what fn returned; ERR_RESOURCE; ERR_LOCAL for a
 * list that cannot be read. */
int scan_run(struct scan *s, scan_fn fn, void *ctx, struct err *e);

#endif
