/*
 * node.h - what has no content of its own: symlinks, FIFOs, sockets, devices,
 * and further names of files (hard links).
 *
 * Layer: fs.
 * Threads: any; a struct node is used by one thread at a time.
 */
#ifndef FERRY_FS_NODE_H
#define FERRY_FS_NODE_H

#include <sys/stat.h>

#include "base/err.h"
#include "base/file_meta.h"

struct attr_helper;
struct preserve;

enum node_kind { NODE_SYMLINK, NODE_SPECIAL, NODE_LINK };

/* Something to be made.  All borrowed. */
struct node {
	enum node_kind kind;
	const char *target; /* SYMLINK: has passed name_check_symlink() */
	mode_t type;        /* SPECIAL: S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK */
	uint32_t major, minor; /* of a device */
	int from_dir;       /* LINK: the file that it is another name of */
	const char *from;
	struct stat file;   /* its status: nothing else is linked */
	const struct file_meta *meta; /* not of LINK, which has the file's */
	/* Sets by name what the sandbox lets nobody else set; NULL: this
	 * process does. */
	struct attr_helper *attrs;
	const struct preserve *how; /* fs/preserve.h; or NULL */
	/* What of meta could not be set (enum file_meta_kind), and the
	 * errno. */
	unsigned lost;
	int lost_errno;
};

/*
 * Make it with the name final; replace as for part_rename() (fs/part.h).  A
 * symlink itself gets meta's mtime where the kernel and file system can set it.
 * Returns 0 or ERR_LOCAL with errno.
 */
int node_make(struct node *n, int dir_fd, const char *final, int replace,
	      struct err *e);

/* Whether this user can make the node at all: a device, only root. */
int node_can_make(const struct node *n);

/* Whether what has the name is the same, but for its metadata. */
int node_is_same(const struct node *n, int dir_fd, const char *name);

/* Whether something else than the node, which was made with this name, has it
 * now: what is not the same, or of a link another file. */
int node_has_lost(const struct node *n, int dir_fd, const char *name);

/* What of the metadata of a symlink or special file that is there, and is the
 * same, differs (enum file_meta_kind); of a hard link nothing does. */
unsigned node_differs(const struct node *n, const struct stat *there);

/* Set owner and time of a symlink or special file that is the same, where they
 * differ; a special file with another mode is made anew.  Returns whether
 * something was to be set; what could not be is in n->lost. */
int node_update(struct node *n, int dir_fd, const char *name);

#endif
