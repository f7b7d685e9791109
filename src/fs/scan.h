/*
 * scan.h - what there is to send: walking the sources.
 *
 * Layer: fs.  Uses base, name.h.
 * Threads: scan_run() is one thread's; the roots are read by all after
 * scan_add().
 *
 * Every directory is opened below the one before by descriptor, with
 * O_NOFOLLOW unless links are to be followed, and nothing is held in memory
 * but the directories of the current path (at most NAME_DEPTH_MAX).
 */
#ifndef FERRY_FS_SCAN_H
#define FERRY_FS_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

enum scan_links { SCAN_KEEP, SCAN_FOLLOW, SCAN_SKIP };

enum scan_kind {
	SCAN_FILE,    /* regular */
	SCAN_DIR,     /* reported after its content */
	SCAN_LINK,    /* symlink that may be sent as such */
	SCAN_TROUBLE, /* cannot be sent: err says why; the walk goes on */
	SCAN_SKIPPED, /* left out on request: a link, or by the filter */
	SCAN_WAITING, /* nothing: a list of names is slow in coming.  Told a few
			 times a second, so that fn can end the walk */
};

/* One thing found.  All pointers are borrowed for the call. */
struct scan_item {
	enum scan_kind kind;
	unsigned root;    /* which root it lies below */
	const char *path; /* below the root, for dirs_parent(); terminated */
	size_t path_len;
	const char *name; /* as the receiver gets it; terminated */
	size_t name_len;
	struct stat st;     /* not for TROUBLE */
	const char *target; /* LINK: terminated */
	size_t target_len;
	const struct err *err; /* TROUBLE */
	const char *display;   /* how the user would name it; terminated */
};

/* Returns 0 to go on; anything else ends the walk and is returned. */
typedef int (*scan_fn)(void *ctx, const struct scan_item *item, struct err *e);

struct scan;
struct filter;

struct scan *scan_new(enum scan_links links);
void scan_free(struct scan *s);

/* Leave out what the filter excludes (borrowed).  What scan_add() names is
 * sent in any case; what is below it, and what a list names, is asked for by
 * the path as it arrives. */
void scan_set_filter(struct scan *s, const struct filter *filter);

/*
 * Add a source, as named on the command line.  A file or a directory; a
 * symlink named here is followed.  "photos" arrives as photos/..., "photos/.",
 * "." and "/" send the content without a name of its own, "a/b/photos/"
 * is photos, ".." refused.  Returns 0; ERR_LOCAL (missing, unreadable, a
 * device, FIFO or socket...: the text names the path); ERR_USAGE for a name
 * that cannot be sent.
 */
int scan_add(struct scan *s, const char *path, struct err *e);

/*
 * Add what a list names, which is read while scan_run() walks: names below dir,
 * each with the byte `end` behind it ('\n' or '\0'; not needed behind the
 * last), under which they arrive.  "./" in front is passed over; a directory
 * comes without what is in it, unless a slash is behind its name; empty names
 * and "." are passed over; what is no allowed name is TROUBLE.  fd is borrowed
 * and read to its end, by each scan_run() from where it was when added, if it
 * can seek.  The list is never held in memory.  Returns 0 or
 * ERR_LOCAL (dir cannot be opened), ERR_RESOURCE.
 */
int scan_add_list(struct scan *s, const char *dir, int fd, char end,
		  struct err *e);

/* How many roots; the descriptor of one (a directory, borrowed; for a single
 * file, the directory it lies in). */
unsigned scan_root_count(const struct scan *s);
int scan_root_fd(const struct scan *s, unsigned root);
/*
 * Whether the one file of this root was named by a symlink, which
 * source_open() must then follow (the walk's own links are another matter:
 * with SCAN_FOLLOW all are followed).
 */
int scan_root_follow(const struct scan *s, unsigned root);
/* What to put in front of an item's path to name it to the user ("" or ends
 * with "/"). */
const char *scan_root_display(const struct scan *s, unsigned root);

/* Whether exactly one regular file was added. */
int scan_is_single_file(const struct scan *s);

/* Walk all roots in the order they were added and report everything.  Blocks.
 * Returns 0, or what fn returned, ERR_RESOURCE, or ERR_LOCAL for a list that
 * cannot be read. */
int scan_run(struct scan *s, scan_fn fn, void *ctx, struct err *e);

#endif
