/*
 * Names beside one that is taken.
 */
#include "fs/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/rename.h"

enum {
	EXTENSION_MAX = 16, /* with its dot */
	SUFFIX_MAX = 16,
	EXCHANGE_TRIES = 16,
};

/* ---- names ---- */

/* Where the extension begins, or len where there is none. */
static size_t extension_at(const char *name, size_t len)
{
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

/* How many of len bytes to take so that there are at most max, and no character
 * is cut.  What is not UTF-8 is cut anywhere. */
static size_t shortened(const char *name, size_t len, size_t max)
{
	size_t n = max;

	if (len <= max)
		return len;
	while (n > 0 && max - n < 3 && ((unsigned char)name[n] & 0xc0) == 0x80)
		n--;
	return ((unsigned char)name[n] & 0xc0) == 0x80 || n == 0 ? max : n;
}

static void compose(char out[NAME_COMPONENT_MAX + 1], const char *name,
		    size_t stem, const char *suffix)
{
	const size_t tail = strlen(suffix) + strlen(name + stem);
	const size_t n = shortened(name, stem, NAME_COMPONENT_MAX - tail);

	snprintf(out, NAME_COMPONENT_MAX + 1, "%.*s%s%s", (int)n, name, suffix,
		 name + stem);
}

void place_name(char out[NAME_COMPONENT_MAX + 1], const char *name, unsigned n)
{
	char suffix[SUFFIX_MAX];

	snprintf(suffix, sizeof(suffix), " (%u)", n);
	compose(out, name, extension_at(name, strlen(name)), suffix);
}

void place_backup_name(char out[NAME_COMPONENT_MAX + 1], const char *name,
			unsigned n)
{
	char suffix[SUFFIX_MAX] = "~";

	if (n > 0)
		snprintf(suffix, sizeof(suffix), "~%u~", n);
	compose(out, name, strlen(name), suffix);
}

/* ---- putting ---- */

int place_put(const struct candidate *what, int dir_fd, const char *name,
	       int replace, struct err *e)
{
	if (what->part)
		return part_rename(what->part, dir_fd, name, replace, e);
	return part_symlink(dir_fd, name, what->target, what->meta, replace, e);
}

static int is_dir(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

/* A directory that has come under the name meanwhile goes back there. */
static int refuse_dir(int dir_fd, const char *kept, const char *name)
{
	if (!is_dir(dir_fd, kept))
		return 0;
	if (rename_exchange(dir_fd, kept, name) == 0)
		errno = EISDIR;
	return -1;
}

/* The newcomer has the name kept, and what has the other one is to have that.
 * Returns 0, or -1 with errno. */
static int exchange(int dir_fd, const char *kept, const char *name)
{
	for (int i = 0; i < EXCHANGE_TRIES; i++) {
		if (rename_exchange(dir_fd, kept, name) == 0)
			return refuse_dir(dir_fd, kept, name);
		if (errno != ENOENT)
			break;
		/* It has gone, and there is nothing to be kept. */
		if (rename_new(dir_fd, kept, name) ==
		    0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return -1;
}

/* ---- where names cannot be exchanged ---- */

/* Let what has a name have another, by a link (*linked) or else without the
 * first.  Returns 0, or -1 with errno. */
static int set_aside(int dir_fd, const char *name, const char *kept,
		     int *linked)
{
	*linked = linkat(dir_fd, name, dir_fd, kept, 0) == 0;
	if (*linked)
		return 0;
	if (errno == EEXIST || errno == ENOENT)
		return -1;
	if (is_dir(dir_fd, name)) {
		errno = EISDIR;
		return -1;
	}
	return rename_new(dir_fd, name, kept);
}

static void put_back(int dir_fd, const char *name, const char *kept, int linked)
{
	const int saved = errno;

	if (linked)
		(void)unlinkat(dir_fd, kept, 0);
	else
		(void)rename_new(dir_fd, kept, name);
	errno = saved;
}

/* The newcomer, which has the name ours, takes over.  Returns 0, or -1 with
 * errno. */
static int set_aside_and_rename(int dir_fd, const char *ours, const char *name)
{
	char kept[NAME_COMPONENT_MAX + 1];
	int is_aside = 0, linked = 0;

	for (unsigned n = 0; !is_aside && n < PLACE_TRIES; n++) {
		place_backup_name(kept, name, n);
		is_aside = set_aside(dir_fd, name, kept, &linked) == 0;
		if (!is_aside && errno != EEXIST)
			break;
	}
	/* One that has gone is not to be kept. */
	if (!is_aside && errno != ENOENT)
		return -1;
	if (renameat(dir_fd, ours, dir_fd, name) == 0)
		return 0;
	if (is_aside)
		put_back(dir_fd, name, kept, linked);
	return -1;
}

/* ---- backup ---- */

/* Returns 0, or -1 with errno. */
static int take_over(int dir_fd, const char *kept, const char *name)
{
	char ours[NAME_PART_MAX];
	const char *at = kept;
	int rc = exchange(dir_fd, kept, name), saved;

	if (rc == 0)
		return 0;
	if (rename_is_unsupported(errno)) {
		part_new_name(ours, kept);
		rc = renameat(dir_fd, kept, dir_fd, ours);
		if (rc == 0) {
			at = ours;
			rc = set_aside_and_rename(dir_fd, ours, name);
		}
	}
	if (rc < 0) {
		saved = errno;
		unlinkat(dir_fd, at, 0);
		errno = saved;
	}
	return rc;
}

int place_backup(const struct candidate *what, int dir_fd, const char *name,
		  struct err *e)
{
	char kept[NAME_COMPONENT_MAX + 1];
	int rc = ERR_LOCAL;

	for (unsigned n = 0; n < PLACE_TRIES; n++) {
		err_clear(e);
		place_backup_name(kept, name, n);
		rc = place_put(what, dir_fd, kept, 0, e);
		if (rc == 0 || e->sys_errno != EEXIST)
			break;
	}
	if (rc == 0 && take_over(dir_fd, kept, name) < 0)
		rc = err_sys(e, ERR_LOCAL, "exchange with the old one");
	return rc;
}
