/*
 * Kept parts: opened by the name that follows from a tag, and locked while a
 * transfer uses them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/part_priv.h"

/*
 * The lock belongs to the open file description and is released with its last
 * descriptor.  flock() rather than fcntl(): fcntl() locks belong to the
 * process, so two sessions of one receiver would share them, and a write lock
 * needs a descriptor open for writing, which a part with a final mode of 0444
 * does not allow.
 */
static int lock_file(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB);
}

static int is_owned(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid();
}

enum { NEW_TRIES = 16 };
#define NEW_TAG UINT64_C(0x6e65772066696c65)

/* Get the owner and mode that a new file with mode 0600 has in dir_fd: of some
 * mounts all files have the same.  Returns 0 or -1. */
static int stat_new_file(int dir_fd, struct stat *st)
{
	char name[NAME_PART_MAX];
	int fd = -1, rc;

	/* Always the same names, so that what a killed process leaves is
	 * removed. */
	errno = EEXIST;
	for (uint64_t i = 0; fd < 0 && errno == EEXIST && i < NEW_TRIES; i++) {
		part_tag_name(name, NEW_TAG + i, "new");
		fd = part_open_new(dir_fd, name);
		if (fd < 0 && errno == EEXIST &&
		    part_clear_leftover(dir_fd, name))
			fd = part_open_new(dir_fd, name);
	}
	if (fd < 0)
		return -1;
	(void)lock_file(fd); /* until it is removed */
	rc = fstat(fd, st);
	unlinkat(dir_fd, name, 0);
	io_close(&fd);
	return rc;
}

/* Whether the file may be one that this user made: it is the user's, or all
 * files have its owner here. */
static int may_be_owned(int dir_fd, const struct stat *st)
{
	struct stat new;

	return is_owned(st) ||
	       (S_ISREG(st->st_mode) && stat_new_file(dir_fd, &new) == 0 &&
		new.st_uid == st->st_uid);
}

enum part_owner part_owner_of(int dir_fd, const struct stat *st)
{
	struct stat new;

	if (!S_ISREG(st->st_mode) || st->st_nlink != 1)
		return PART_FOREIGN;
	if (is_owned(st) && (st->st_mode & 07777) == 0600)
		return PART_OURS;
	if (stat_new_file(dir_fd, &new) == 0 && new.st_uid == st->st_uid &&
	    new.st_mode == st->st_mode)
		return PART_ANYBODYS;
	return PART_FOREIGN;
}

/* Remove what cannot be used.  Returns -1 with errno: ENOENT where it is gone,
 * as if there had been nothing.  ERR_AGAIN where it stays, though files can be
 * made in the directory: another user's in a sticky one, as the name can be
 * foretold, or a directory. */
static int remove_unusable(int dir_fd, const char *name)
{
	if (unlinkat(dir_fd, name, 0) == 0)
		errno = ENOENT;
	else if (errno == EPERM || errno == EISDIR || errno == EBUSY)
		return ERR_AGAIN;
	return -1;
}

int part_is_keepable(uint32_t mode)
{
	return mode & 0600 || geteuid() == 0;
}

/* Open a part that may have its final mode already, which need not allow both
 * reading and writing.  flock() works with any of these modes. */
static int open_any_mode(int dir_fd, const char *name)
{
	static const int modes[] = { O_RDWR, O_RDONLY, O_WRONLY };
	int fd = -1;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		fd = openat(dir_fd, name,
			    modes[i] | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 || errno != EACCES)
			break;
	}
	return fd;
}

/* Lock the open file, then check that it can be used.  Returns fd, which stays
 * open in any case, or fails as open_and_lock(). */
static int lock_and_check(int fd, int dir_fd, const char *name, int is_any_mode)
{
	struct stat st;

	/* Lock before looking at the mode: a part that another transfer is
	 * committing has its final mode, and must not be removed for it. */
	if (lock_file(fd) < 0) {
		/* Other errors: a file system without locks, where no part can
		 * be kept.  EBADF: NFS, which needs a descriptor open for
		 * writing. */
		return errno == EAGAIN || errno == EACCES || errno == EBADF ?
			       ERR_AGAIN :
			       -1;
	}
	if (fstat(fd, &st) < 0)
		return -1;
	if (!part_is_named(dir_fd, name, &st)) {
		/* Committed or removed before it was locked. */
		errno = ENOENT;
		return -1;
	}
	if (is_any_mode || part_owner_of(dir_fd, &st) != PART_FOREIGN)
		return fd;
	return remove_unusable(dir_fd, name);
}

/* Open and lock the part with this name.  Returns a descriptor; ERR_AGAIN when
 * another transfer has it, or it cannot be removed; -1 with errno (ENOENT:
 * there is none, or it could not be used and was removed). */
static int open_and_lock(int dir_fd, const char *name, int is_any_mode)
{
	int fd = open_any_mode(dir_fd, name), rc, saved;
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return -1;
	/* Another transfer may be committing it with a final mode of 0000,
	 * which not even its owner can open. */
	if (fd < 0 && errno == EACCES &&
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    is_owned(&st))
		return ERR_AGAIN;
	if (fd < 0 || fstat(fd, &st) < 0 || !may_be_owned(dir_fd, &st)) {
		io_close(&fd);
		return remove_unusable(dir_fd, name);
	}
	rc = lock_and_check(fd, dir_fd, name, is_any_mode);
	if (rc >= 0)
		return rc;
	saved = errno;
	io_close(&fd);
	errno = saved;
	return rc;
}

int part_is_locked(int dir_fd, uint64_t tag)
{
	char name[NAME_PART_MAX];
	int fd, is_locked;

	part_tag_name(name, tag, "part");
	fd = open_any_mode(dir_fd, name);
	if (fd < 0)
		return 0;
	is_locked = lock_file(fd) < 0 && errno == EWOULDBLOCK;
	io_close(&fd);
	return is_locked;
}

static int create_kept(int dir_fd, const char *name)
{
	int fd = part_open_new(dir_fd, name), saved;

	if (fd < 0 || lock_file(fd) == 0)
		return fd;
	saved = errno;
	io_close(&fd);
	if (saved == EAGAIN || saved == EACCES) {
		/* Another transfer opened and locked it before this one could:
		 * it is that transfer's now. */
		errno = EEXIST;
		return -1;
	}
	unlinkat(dir_fd, name, 0);
	errno = saved;
	return -1;
}

int part_open_kept(struct part *p, int dir_fd, uint64_t tag, int *was_there,
		   struct err *e)
{
	part_reset(p);
	part_tag_name(p->name, tag, "part");
	for (int i = 0; i < PART_NAME_TRIES; i++) {
		*was_there = 1;
		p->fd = open_and_lock(dir_fd, p->name, 0);
		if (p->fd >= 0)
			return 0;
		if (p->fd == ERR_AGAIN)
			break;
		if (errno != ENOENT)
			break;
		*was_there = 0;
		p->fd = create_kept(dir_fd, p->name);
		if (p->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	p->name[0] = '\0';
	/* EEXIST: somebody puts files there as fast as they are removed. */
	if (p->fd == ERR_AGAIN || errno == EEXIST) {
		p->fd = -1;
		return ERR_AGAIN;
	}
	return err_sys(e, ERR_LOCAL, "create a temporary file");
}

int part_open_leftover(struct part *p, int dir_fd, uint64_t tag, int *was_there)
{
	part_reset(p);
	part_tag_name(p->name, tag, "part");
	p->fd = open_and_lock(dir_fd, p->name, 1);
	*was_there = p->fd >= 0 || errno != ENOENT;
	if (p->fd >= 0)
		return 0;
	p->name[0] = '\0';
	p->fd = -1;
	return -1;
}
