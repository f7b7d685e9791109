/*
 * A stack of open directories.  fd[i] is the directory that the first i + 1
 * components of path[] led to when they were opened; end[i] is where component
 * i ends in path[].  Those before `first` were closed again.  The kernel is
 * only ever given single components, so a symlink planted in the path makes an
 * open fail and cannot redirect it.
 */
#include "fs/dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "fs/name.h"
#include "fs/why.h"
#include "os/times.h"

struct dirs {
	int root_fd; /* borrowed */
	unsigned flags;
	dirs_on_create on_create;
	void *ctx;
	dirs_on_locked on_locked;
	void *locked_ctx;
	dirs_on_blocked on_blocked;
	void *blocked_ctx;
	struct dirs_making making;
	int no_create, no_unlock; /* dirs_allow() */
	mode_t mode;
	struct timespec since;
	size_t depth; /* how many of fd[] and end[] are in use */
	size_t first; /* fd[first] up to fd[depth - 1] are open, */
	size_t held;  /* at most this many */
	int fd[NAME_DEPTH_MAX];
	size_t end[NAME_DEPTH_MAX];
	char is_new[NAME_DEPTH_MAX]; /* created by open_component() */
	char is_young[NAME_DEPTH_MAX];
	char path[NAME_PATH_MAX + 1];
	char leaf[NAME_COMPONENT_MAX + 1];
};

struct dirs *dirs_new(int root_fd, unsigned flags, dirs_on_create on_create,
		      void *ctx)
{
	struct dirs *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->root_fd = root_fd;
	d->flags = flags;
	d->on_create = on_create;
	d->ctx = ctx;
	d->mode = 0777;
	d->held = NAME_DEPTH_MAX;
	return d;
}

void dirs_set_held(struct dirs *d, unsigned max)
{
	d->held = max < DIRS_HELD_LEAST ? DIRS_HELD_LEAST :
		  max > NAME_DEPTH_MAX	? NAME_DEPTH_MAX :
					  max;
}

void dirs_set_mode(struct dirs *d, uint32_t mode)
{
	d->mode = (mode_t)mode & 0777;
}

void dirs_allow(struct dirs *d, int creates, int unlocks)
{
	d->no_create = !creates;
	d->no_unlock = !unlocks;
}

void dirs_set_on_locked(struct dirs *d, dirs_on_locked on_locked, void *ctx)
{
	d->on_locked = on_locked;
	d->locked_ctx = ctx;
}

void dirs_set_on_blocked(struct dirs *d, dirs_on_blocked on_blocked, void *ctx)
{
	d->on_blocked = on_blocked;
	d->blocked_ctx = ctx;
}

void dirs_set_making(struct dirs *d, const struct dirs_making *making)
{
	d->making = *making;
}

void dirs_set_since(struct dirs *d, const struct timespec *since)
{
	d->since = *since;
}

void dirs_free(struct dirs *d)
{
	if (!d)
		return;
	dirs_reset(d);
	free(d);
}

static int current_fd(const struct dirs *d)
{
	return d->depth ? d->fd[d->depth - 1] : d->root_fd;
}

/* Close the directories below depth; all of them where the one at depth is not
 * open any more. */
static void close_below(struct dirs *d, size_t depth)
{
	if (depth <= d->first)
		depth = 0;
	while (d->depth > depth) {
		d->depth--;
		if (d->depth >= d->first)
			close(d->fd[d->depth]);
	}
	if (depth == 0)
		d->first = 0;
}

/* Close the first ones, so that another may be opened. */
static void make_room(struct dirs *d)
{
	while (d->depth - d->first >= d->held)
		close(d->fd[d->first++]);
}

void dirs_reset(struct dirs *d)
{
	close_below(d, 0);
}

/* How many of the open directories path (len bytes) shares. */
static size_t count_common(const struct dirs *d, const char *path, size_t len)
{
	size_t n = 0, start = 0;

	while (n < d->depth) {
		const size_t end = d->end[n];

		if (end > len || (end < len && path[end] != '/') ||
		    memcmp(path + start, d->path + start, end - start) != 0)
			break;
		start = end;
		n++;
	}
	return n;
}

static int set_error(const char *doing, const char *path, size_t len,
		     struct err *e)
{
	const int saved = errno;
	char shown[512];
	int code = ERR_LOCAL;

	if (saved == EMFILE || saved == ENFILE || saved == ENOMEM)
		code = ERR_RESOURCE;
	text_escape(shown, sizeof(shown), path, len);
	errno = saved;
	return err_sys(e, code, "%s directory %s", doing, shown);
}

/* Whether a call that failed with errno is worth another try, as the directory
 * was unlocked. */
static int unlocks(const struct dirs *d, int fd, const char *path, size_t len)
{
	const int saved = errno;
	const int rc = saved == EACCES && d->on_locked && !d->no_unlock &&
		       d->on_locked(d->locked_ctx, fd, path, len);

	errno = saved;
	return rc;
}

/* The same of the current directory, in which a call failed. */
static int unlocks_current(const struct dirs *d)
{
	return d->depth > 0 &&
	       unlocks(d, current_fd(d), d->path, d->end[d->depth - 1]);
}

static int try_open(const struct dirs *d, const char *component)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, fd;

	if (!(d->flags & DIRS_FOLLOW))
		flags |= O_NOFOLLOW;
	do {
		fd = openat(current_fd(d), component, flags);
	} while (fd < 0 && errno == EINTR);
	return fd;
}

/* Open the directory path (len bytes), which ends with component, in the
 * current one. */
static int open_dir(const struct dirs *d, const char *component,
		    const char *path, size_t len)
{
	int fd = try_open(d, component);

	/* The current one may not be searched, or that one not be read. */
	if (fd < 0 && unlocks_current(d))
		fd = try_open(d, component);
	if (fd < 0 && unlocks(d, -1, path, len))
		fd = try_open(d, component);
	return fd;
}

/* Create the directory path (len bytes), which ends with component, in the
 * current one.  Returns 1; 0 where another process or thread created it
 * meanwhile, which serves as well; -1 with errno. */
static int make_dir(const struct dirs *d, const char *component,
		    const char *path, size_t len)
{
	if (d->on_create)
		d->on_create(d->ctx, path, len);
	if (mkdirat(current_fd(d), component, d->mode) < 0 &&
	    !(unlocks_current(d) &&
	      mkdirat(current_fd(d), component, d->mode) == 0))
		return errno == EEXIST ? 0 : -1;
	if (d->on_create)
		d->on_create(d->ctx, path, len);
	return 1;
}

/* The same, and open it: *fd, or -1 with errno. */
static int make_and_open(const struct dirs *d, const char *component,
			 const char *path, size_t len, int *fd)
{
	const struct dirs_making *m = &d->making;
	int made, saved;

	if (m->begin && !m->begin(m->ctx)) {
		errno = ERR_ERRNO_LIMIT;
		return -1;
	}
	made = make_dir(d, component, path, len);
	if (made >= 0)
		*fd = open_dir(d, component, path, len);
	saved = errno;
	if (m->end)
		m->end(m->ctx, path, len, made > 0, *fd);
	errno = saved;
	return made;
}

/* Whether a directory could not be opened as something else has its name, which
 * was removed now.  Sets errno as if it had not been there. */
static int is_unblocked(const struct dirs *d, const char *component,
			const char *path, size_t len)
{
	const int saved = errno;

	if ((saved != ENOTDIR && saved != ELOOP) || !d->on_blocked ||
	    !d->on_blocked(d->blocked_ctx, current_fd(d), component, path,
			   len)) {
		errno = saved;
		return 0;
	}
	errno = ENOENT;
	return 1;
}

/* Look at the directory fd, path (len bytes), which was there.  Returns whether
 * it is young. */
static int examine(const struct dirs *d, int fd, const char *path, size_t len)
{
	const struct timespec *since = &d->since;
	struct timespec birth;
	struct stat st;
	uint32_t mode;
	int has_birth;

	if (since->tv_sec == 0)
		return 0;
	has_birth = times_of_birth(fd, &birth, &mode) == 0;
	/* What may not be searched is of no use to callers; what may not be
	 * written to may be. */
	if (mode && !(mode & S_IXUSR) && fstatat(fd, ".", &st, 0) < 0)
		(void)unlocks(d, fd, path, len);
	return has_birth && (birth.tv_sec > since->tv_sec ||
			     (birth.tv_sec == since->tv_sec &&
			      birth.tv_nsec >= since->tv_nsec));
}

/* Making or opening a directory that may be made failed: find out why. */
static int make_failed(const struct dirs *d, const char *path, size_t len,
		       struct err *e)
{
	const int error = errno, fd = current_fd(d);
	int rc = set_error("make", path, len, e);

	/* Some file systems say EINVAL of a name that they cannot store. */
	e->sys_errno = error == EINVAL ? EILSEQ : why_errno(fd, NULL, error);
	return rc;
}

/* Open the next component, path[start..end). */
static int open_component(struct dirs *d, const char *path, size_t start,
			  size_t end, struct err *e)
{
	char component[NAME_COMPONENT_MAX + 1];
	const int creates = d->flags & DIRS_CREATE && !d->no_create;
	const size_t n = end - start;
	int fd, made = 0;

	if (n == 0 || n > NAME_COMPONENT_MAX || d->depth == NAME_DEPTH_MAX ||
	    end > NAME_PATH_MAX)
		return err_set(e, ERR_INTERNAL, "a path that was not checked");
	memcpy(component, path + start, n);
	component[n] = '\0';
	make_room(d);
	fd = open_dir(d, component, path, end);
	if (fd < 0 && creates &&
	    (errno == ENOENT || is_unblocked(d, component, path, end))) {
		made = make_and_open(d, component, path, end, &fd);
		if (made < 0)
			return make_failed(d, path, end, e);
	}
	if (fd < 0 && creates)
		return make_failed(d, path, end, e);
	if (fd < 0)
		return set_error("open", path, end, e);
	/* The slash is for count_common(), which compares it too. */
	memcpy(d->path + start, path + start, n);
	if (end < NAME_PATH_MAX)
		d->path[end] = '/';
	d->end[d->depth] = end;
	d->is_new[d->depth] = (char)made;
	d->is_young[d->depth] = (char)(made || examine(d, fd, path, end));
	d->fd[d->depth++] = fd;
	return 0;
}

int dirs_is_empty(int root_fd)
{
	const int fd = openat(root_fd, ".",
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int is_empty = dir != NULL;

	if (!dir && fd >= 0)
		close(fd);
	while (is_empty && (entry = readdir(dir)))
		is_empty = strcmp(entry->d_name, ".") == 0 ||
			   strcmp(entry->d_name, "..") == 0;
	if (dir)
		closedir(dir);
	return is_empty;
}

int dirs_enter(struct dirs *d, const char *path, size_t len, struct err *e)
{
	size_t start;

	close_below(d, count_common(d, path, len));
	start = d->depth ? d->end[d->depth - 1] + 1 : 0;
	while (start < len) {
		const char *slash = memchr(path + start, '/', len - start);
		const size_t end = slash ? (size_t)(slash - path) : len;
		int rc = open_component(d, path, start, end, e);

		if (rc < 0)
			return rc;
		start = end + 1;
	}
	return current_fd(d);
}

int dirs_reached(const struct dirs *d)
{
	return current_fd(d);
}

int dirs_is_new(const struct dirs *d)
{
	return d->depth > 0 && d->is_new[d->depth - 1];
}

int dirs_is_young(const struct dirs *d)
{
	return d->depth > 0 && d->is_young[d->depth - 1];
}

int dirs_parent(struct dirs *d, const char *path, size_t len, const char **leaf,
		struct err *e)
{
	const char *slash = len ? mem_last(path, '/', len) : NULL;
	const size_t dir_len = slash ? (size_t)(slash - path) : 0;
	const size_t start = slash ? dir_len + 1 : 0;

	if (start == len || len - start > NAME_COMPONENT_MAX)
		return err_set(e, ERR_INTERNAL, "a path that was not checked");
	memcpy(d->leaf, path + start, len - start);
	d->leaf[len - start] = '\0';
	*leaf = d->leaf;
	return dirs_enter(d, path, dir_len, e);
}
