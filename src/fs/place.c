/*
 * Final names that are taken.  Every change is one rename, exchange or link
 * within one directory, so that a process killed at any point loses no file.
 */
#include "fs/place.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/trial.h"
#include "os/rename.h"

enum {
	EXTENSION_MAX = 16, /* with its dot */
	SUFFIX_MAX = 16,    /* " (N)" or "~N~" */
	/* Each further try means that another process removed or created the
	 * name meanwhile; one that does so on purpose must not hold us. */
	EXCHANGE_TRIES = 16,
	/* A second, for what takes two system calls. */
	LOCK_TRIES = 1000,
	LOCK_PAUSE_MS = 1,
};

/* ---- names ---- */

/* Where the extension begins, or len where there is none. */
static size_t extension_at(const char *name, size_t len)
{
	/* A leading dot makes a name hidden; it does not begin an extension. */
	const size_t start = strspn(name, "."), tar = strlen(".tar");
	const char *last = strrchr(name + start, '.');
	size_t dot = last ? (size_t)(last - name) : len;

	if (dot + 1 >= len || len - dot > EXTENSION_MAX ||
	    memchr(name + dot, ' ', len - dot))
		return len;
	if (dot > start + tar && memcmp(name + dot - tar, ".tar", tar) == 0)
		dot -= tar;
	return dot;
}

/* How many of len bytes to keep: at most max, and no UTF-8 character is cut.
 * Bytes that are not UTF-8 are cut anywhere. */
static size_t shortened_len(const char *name, size_t len, size_t max)
{
	size_t n = max;

	if (len <= max)
		return len;
	/* A character has at most 3 continuation bytes (10xxxxxx). */
	while (n > 0 && max - n < 3 && ((unsigned char)name[n] & 0xc0) == 0x80)
		n--;
	return ((unsigned char)name[n] & 0xc0) == 0x80 || n == 0 ? max : n;
}

static void compose_name(char out[NAME_COMPONENT_MAX + 1], const char *name,
			 size_t stem, const char *suffix)
{
	const size_t tail = strlen(suffix) + strlen(name + stem);
	const size_t n = shortened_len(name, stem, NAME_COMPONENT_MAX - tail);

	snprintf(out, NAME_COMPONENT_MAX + 1, "%.*s%s%s", (int)n, name, suffix,
		 name + stem);
}

void place_name(char out[NAME_COMPONENT_MAX + 1], const char *name, unsigned n)
{
	char suffix[SUFFIX_MAX];

	snprintf(suffix, sizeof(suffix), " (%u)", n);
	compose_name(out, name, extension_at(name, strlen(name)), suffix);
}

void place_backup_name(char out[NAME_COMPONENT_MAX + 1], const char *name,
			unsigned n)
{
	char suffix[SUFFIX_MAX] = "~";

	if (n > 0)
		snprintf(suffix, sizeof(suffix), "~%u~", n);
	compose_name(out, name, strlen(name), suffix);
}

/* ---- exchanging names ---- */

int place_put(const struct candidate *c, int dir_fd, const char *name,
	      int replace, struct err *e)
{
	if (c->part)
		return part_rename(c->part, dir_fd, name, replace, e);
	return node_make(c->node, dir_fd, name, replace, e);
}

static int is_dir(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

/* Whether names can be exchanged in dir_fd.  Tried with other files before it
 * is relied upon: a file system that accepts the call and only renames would
 * remove the old file. */
static int can_exchange(const struct candidate *c, int dir_fd)
{
	int known = c->exchanges ? atomic_load(c->exchanges) : 0;

	if (known == 0)
		known = trial_exchange(dir_fd) ? 1 : -1;
	if (c->exchanges)
		atomic_store(c->exchanges, known);
	return known > 0;
}

/* Check that the candidate still has the name that it was given, before it is
 * renamed by it: any sender may send a file of that name, such as "f~".  See
 * part_rename().  Returns 0, or -1 with EBUSY. */
static int check_has(const struct candidate *c, int dir_fd, const char *name)
{
	if (c->part ? !part_has_lost(c->part, dir_fd, name) :
		      !node_has_lost(c->node, dir_fd, name))
		return 0;
	errno = EBUSY;
	return -1;
}

/* Exchange the candidate, which has the backup name, with what has the name.
 * Returns 0, or -1 with errno. */
static int exchange_names(const struct candidate *c, int dir_fd,
			  const char *backup, const char *name)
{
	for (int i = 0; i < EXCHANGE_TRIES; i++) {
		if (check_has(c, dir_fd, backup) < 0)
			return -1;
		if (rename_exchange(dir_fd, backup, name) == 0) {
			/* A directory is never replaced.  That this is one
			 * shows only now: looking before would be a race. */
			if (!is_dir(dir_fd, backup))
				return 0;
			if (rename_exchange(dir_fd, backup, name) == 0)
				errno = EISDIR;
			return -1;
		}
		if (errno != ENOENT)
			break;
		/* The old file is gone, so there is nothing to back up. */
		if (rename_new(dir_fd, backup, name) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return -1;
}

/* ---- where names cannot be exchanged ---- */

/*
 * Lock the directory against other sessions and other processes of ferry: of
 * two that back up the same name at once, the second would replace the file of
 * the first, of which it has made no backup; and both may use the same
 * temporary name, which follows from that of the backup.  Goes on without the
 * lock after a second, since any user who can read the directory can hold it.
 * Returns a descriptor, whose closing unlocks it; -1 where there is none.
 */
static int lock_dir(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			break;
		(void)poll(NULL, 0, LOCK_PAUSE_MS);
	}
	return fd;
}

/* Give what has the name the backup name: as a second name (*linked), or where
 * links are not possible instead of the first.  Returns 0, or -1 with errno. */
static int move_aside(int dir_fd, const char *name, const char *backup,
		      int *linked)
{
	*linked = linkat(dir_fd, name, dir_fd, backup, 0) == 0;
	if (*linked)
		return 0;
	if (errno == EEXIST || errno == ENOENT)
		return -1;
	if (is_dir(dir_fd, name)) {
		errno = EISDIR;
		return -1;
	}
	return rename_new(dir_fd, name, backup);
}

static void undo_move_aside(int dir_fd, const char *name, const char *backup,
			    int linked)
{
	const int saved = errno;

	if (linked)
		(void)unlinkat(dir_fd, backup, 0);
	else
		(void)rename_new(dir_fd, backup, name);
	errno = saved;
}

/* Rename the candidate from its temporary name to the name, after what has that
 * was moved to the first free backup name.  Returns 0, or -1 with errno. */
static int back_up_and_rename(const struct candidate *c, int dir_fd,
			      const char *temp, const char *name)
{
	char backup[NAME_COMPONENT_MAX + 1];
	int is_aside = 0, linked = 0;

	for (unsigned n = 0; !is_aside && n < PLACE_TRIES; n++) {
		place_backup_name(backup, name, n);
		is_aside = move_aside(dir_fd, name, backup, &linked) == 0;
		if (!is_aside && errno != EEXIST)
			break;
	}
	/* ENOENT: the old file is gone, so there is nothing to back up. */
	if (!is_aside && errno != ENOENT)
		return -1;
	if (check_has(c, dir_fd, temp) == 0 &&
	    renameat(dir_fd, temp, dir_fd, name) == 0)
		return 0;
	if (is_aside)
		undo_move_aside(dir_fd, name, backup, linked);
	return -1;
}

/* ---- backup ---- */

/* Give the candidate, which has the backup name, the name itself; remove it
 * where that fails.  Returns 0, or -1 with errno. */
static int swap_names(const struct candidate *c, int dir_fd,
		      const char *backup, const char *name)
{
	char temp[NAME_PART_MAX];
	const char *now = backup; /* the candidate's name */
	const int exchanges = can_exchange(c, dir_fd);
	int rc = -1, lock, saved;

	if (exchanges)
		rc = exchange_names(c, dir_fd, backup, name);
	if (rc == 0)
		return 0;
	if (!exchanges || rename_is_unsupported(errno)) {
		/* The old file needs the backup name, so free it first. */
		part_new_name(temp, backup);
		lock = lock_dir(dir_fd);
		rc = check_has(c, dir_fd, backup);
		if (rc == 0)
			rc = renameat(dir_fd, backup, dir_fd, temp);
		if (rc == 0) {
			now = temp;
			rc = back_up_and_rename(c, dir_fd, temp, name);
		}
		saved = errno;
		io_close(&lock);
		errno = saved;
	}
	if (rc < 0) {
		saved = errno;
		if (check_has(c, dir_fd, now) == 0)
			unlinkat(dir_fd, now, 0);
		errno = saved;
	}
	return rc;
}

int place_backup(const struct candidate *c, int dir_fd, const char *name,
		 struct err *e)
{
	char backup[NAME_COMPONENT_MAX + 1];
	int rc = ERR_LOCAL;

	for (unsigned n = 0; n < PLACE_TRIES; n++) {
		err_clear(e);
		place_backup_name(backup, name, n);
		rc = place_put(c, dir_fd, backup, 0, e);
		if (rc == 0 || e->sys_errno != EEXIST)
			break;
	}
	if (rc == 0 && swap_names(c, dir_fd, backup, name) < 0)
		rc = err_sys(e, ERR_LOCAL, "exchange names with the old file");
	return rc;
}
