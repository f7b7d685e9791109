/*
 * Symlinks, special files and hard links.  Each is complete when it appears, so
 * unless something is to be replaced it needs no temporary name.
 */
#include "fs/node.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fs/attr_helper.h"
#include "fs/name.h"
#include "fs/part_priv.h"
#include "fs/preserve.h"
#include "os/device.h"

/* A node and the times that it gets. */
struct making {
	struct node *node;
	struct timespec times[2];
};

static void note_lost(struct node *n, unsigned kind)
{
	n->lost |= kind;
	n->lost_errno = errno;
}

/* Set the owner, if it has one. */
static void set_owner(struct node *n, int dir_fd, const char *name)
{
	uid_t uid;
	gid_t gid;

	if (preserve_owner(n->how, n->meta, &uid, &gid) &&
	    attr_helper_set_owner(n->attrs, dir_fd, name, uid, gid) < 0)
		note_lost(n, FILE_META_OWNER);
}

static int is_device(const struct node *n)
{
	return S_ISCHR(n->type) || S_ISBLK(n->type);
}

int node_can_make(const struct node *n)
{
	return !is_device(n) || geteuid() == 0;
}

/* ---- what has a name ---- */

static int is_same_symlink(const struct node *n, int dir_fd, const char *name)
{
	char target[NAME_PATH_MAX + 1];
	const size_t len = strlen(n->target);
	ssize_t got = readlinkat(dir_fd, name, target, sizeof(target));

	return got >= 0 && (size_t)got == len &&
	       memcmp(target, n->target, len) == 0;
}

static int is_same_special(const struct node *n, int dir_fd, const char *name)
{
	struct stat st;
	dev_t device;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (st.st_mode & S_IFMT) != n->type)
		return 0;
	return !is_device(n) ||
	       (device_make(n->major, n->minor, &device) == 0 &&
		st.st_rdev == device);
}

/* Whether the name is that of the file that is linked. */
static int is_linked_file(const struct node *n, int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_dev == n->file.st_dev && st.st_ino == n->file.st_ino;
}

int node_is_same(const struct node *n, int dir_fd, const char *name)
{
	struct stat a, b;

	switch (n->kind) {
	case NODE_SYMLINK:
		return is_same_symlink(n, dir_fd, name);
	case NODE_SPECIAL:
		return is_same_special(n, dir_fd, name);
	case NODE_LINK:
		break;
	}
	return fstatat(dir_fd, name, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(n->from_dir, n->from, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int node_has_lost(const struct node *n, int dir_fd, const char *name)
{
	struct stat st;

	if (n->kind == NODE_LINK ? is_linked_file(n, dir_fd, name) :
				   node_is_same(n, dir_fd, name))
		return 0;
	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- making ---- */

static int make_symlink(const struct making *m, int dir_fd, const char *name)
{
	int saved;

	if (symlinkat(m->node->target, dir_fd, name) < 0)
		return -1;
	set_owner(m->node, dir_fd, name);
	if (attr_helper_set_times(m->node->attrs, dir_fd, name, m->times) == 0)
		return 0;
	saved = errno;
	errno = node_has_lost(m->node, dir_fd, name) ? EBUSY : saved;
	return -1;
}

static int make_special(const struct making *m, int dir_fd, const char *name)
{
	struct node *n = m->node;
	const mode_t mode = n->meta->mode & 0777;
	struct stat st;
	dev_t device = 0;

	if (is_device(n) && device_make(n->major, n->minor, &device) < 0)
		return -1;
	if (mknodat(dir_fd, name, n->type | mode, device) < 0)
		return -1;
	set_owner(n, dir_fd, name);
	/* The directory's default ACL may have taken bits away. */
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (st.st_mode & 0777) != mode) {
		errno = EPERM;
		note_lost(n, FILE_META_MODE);
	}
	if (attr_helper_set_times(n->attrs, dir_fd, name, m->times) < 0)
		note_lost(n, FILE_META_TIME);
	return 0;
}

static int make_link(const struct node *n, int dir_fd, const char *name)
{
	if (linkat(n->from_dir, n->from, dir_fd, name, 0) < 0)
		return -1;
	/* Another process may have put something else there since. */
	if (is_linked_file(n, dir_fd, name))
		return 0;
	(void)unlinkat(dir_fd, name, 0);
	errno = ENOENT;
	return -1;
}

/* For part_replace(). */
static int make_node(const void *what, int dir_fd, const char *name)
{
	const struct making *m = what;
	struct node *n = m->node;

	n->lost = 0;
	switch (n->kind) {
	case NODE_SYMLINK:
		return make_symlink(m, dir_fd, name);
	case NODE_SPECIAL:
		return make_special(m, dir_fd, name);
	case NODE_LINK:
		return make_link(n, dir_fd, name);
	}
	errno = EINVAL;
	return -1;
}

/* For part_replace(); of a link make_link() has just looked. */
static int has_lost(const void *what, int dir_fd, const char *name)
{
	const struct node *n = ((const struct making *)what)->node;

	return n->kind != NODE_LINK && node_has_lost(n, dir_fd, name);
}

static const char *doing(const struct node *n)
{
	switch (n->kind) {
	case NODE_SYMLINK:
		return "make the symlink";
	case NODE_SPECIAL:
		return "make the special file";
	case NODE_LINK:
		break;
	}
	return "make the hard link";
}

int node_make(struct node *n, int dir_fd, const char *final, int replace,
	      struct err *e)
{
	struct making m = { .node = n };
	const struct part_maker maker = { make_node, has_lost, &m, 1 };
	int rc = n->meta ? part_to_times(n->meta, m.times, e) : 0;

	if (rc < 0)
		return rc;
	rc = make_node(&m, dir_fd, final);
	if (rc < 0 && errno == EEXIST && replace)
		rc = part_replace(dir_fd, final, &maker);
	/* EPERM: "the file system does not support the creation of symlinks"
	 * (symlink(2)); where it is something else, the caller finds out. */
	if (rc < 0 && errno == EPERM && n->kind == NODE_SYMLINK)
		errno = EOPNOTSUPP;
	/* Some file systems refuse a name that they cannot store with
	 * EINVAL. */
	if (rc < 0 && errno == EINVAL)
		errno = EILSEQ;
	return rc < 0 ? err_sys(e, ERR_LOCAL, "%s", doing(n)) : 0;
}

unsigned node_differs(const struct node *n, const struct stat *there)
{
	struct timespec times[2];
	unsigned kinds = 0;
	struct err e;
	uid_t uid;
	gid_t gid;

	if (n->kind == NODE_LINK || part_to_times(n->meta, times, &e) < 0)
		return 0;
	if (n->kind == NODE_SPECIAL &&
	    (there->st_mode & 0777) != (n->meta->mode & 0777))
		kinds |= FILE_META_MODE;
	if (preserve_owner(n->how, n->meta, &uid, &gid) &&
	    (uid != there->st_uid || gid != there->st_gid))
		kinds |= FILE_META_OWNER;
	if (there->st_mtim.tv_sec != times[1].tv_sec ||
	    there->st_mtim.tv_nsec != times[1].tv_nsec)
		kinds |= FILE_META_TIME;
	return kinds;
}

int node_update(struct node *n, int dir_fd, const char *name)
{
	struct timespec times[2];
	unsigned kinds;
	struct stat st;
	struct err e;

	if (part_to_times(n->meta, times, &e) < 0 ||
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	kinds = node_differs(n, &st);
	/* Its mode cannot be set by name without a race: it is made anew. */
	if (kinds & FILE_META_MODE) {
		if (node_make(n, dir_fd, name, 1, &e) == 0)
			return 1;
		errno = e.sys_errno;
		note_lost(n, FILE_META_MODE);
	}
	if (kinds & FILE_META_OWNER)
		set_owner(n, dir_fd, name);
	if (kinds & FILE_META_TIME &&
	    attr_helper_set_times(n->attrs, dir_fd, name, times) < 0)
		note_lost(n, FILE_META_TIME);
	return kinds != 0;
}
