/*
 * Permissions of a path's components, and of a search path's entries.
 */
#include "receiver/exec_check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

enum { SHOWN_MAX = 200 };

static const char usual_path[] = "/usr/local/bin:/usr/bin:/bin";

/* With an umask of 002, as some systems have, every user has a group of the
 * same number with no other member. */
static int is_private_group(const struct stat *st)
{
	return st->st_gid == st->st_uid;
}

static int is_safe(const struct stat *st)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return 0;
	/* In such a directory others cannot rename or remove what is not
	 * theirs. */
	if (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX))
		return 1;
	return !(st->st_mode & S_IWOTH) &&
	       (!(st->st_mode & S_IWGRP) || is_private_group(st));
}

static int check_one(const char *path, const char *program, struct err *e)
{
	char shown[SHOWN_MAX], shown_program[SHOWN_MAX];
	struct stat st;

	text_escape(shown, sizeof(shown), path, strlen(path));
	text_escape(shown_program, sizeof(shown_program), program,
		    strlen(program));
	if (stat(path, &st) < 0)
		return err_sys(e, ERR_LOCAL, "%s", shown);
	if (is_safe(&st))
		return 0;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(e, ERR_USAGE,
			       "%s belongs to another user (uid %u), "
			       "who could replace the program %s: use one that "
			       "is yours or root's, in directories that are",
			       shown, (unsigned)st.st_uid, shown_program);
	return err_set(e, ERR_USAGE,
		       "other users can write to %s (mode %04o) and so "
		       "replace the program %s: chmod go-w %s",
		       shown, (unsigned)(st.st_mode & 07777), shown_program,
		       shown);
}

int exec_check_program(const char *path, struct err *e)
{
	char *part = strdup(path), *slash;
	int rc;

	if (!part)
		return err_set(e, ERR_RESOURCE, "out of memory");
	rc = check_one(part, path, e);
	while (rc == 0 && (slash = strrchr(part, '/')) && slash != part) {
		*slash = '\0';
		rc = check_one(part, path, e);
	}
	if (rc == 0)
		rc = check_one("/", path, e);
	free(part);
	return rc;
}

int exec_check_is_below(const char *path, const char *dir)
{
	const size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 &&
	       (path[n] == '/' || (n > 0 && dir[n - 1] == '/'));
}

static int is_same_dir(const char *path, const struct stat *dir)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == dir->st_dev &&
	       st.st_ino == dir->st_ino;
}

/* Whether the path is that of dir, or lies below it. */
static int is_in(const char *path, const char *dir)
{
	struct stat st;

	return strcmp(path, dir) == 0 ||
	       (stat(dir, &st) == 0 && is_same_dir(path, &st)) ||
	       exec_check_is_in_dir(path, dir);
}

int exec_check_is_in_dir(const char *path, const char *dir)
{
	struct stat st;
	char *above, *slash;
	int found = 0;

	if (exec_check_is_below(path, dir))
		return 1;
	if (stat(dir, &st) < 0)
		return 0;
	above = strdup(path);
	if (!above)
		return 1; /* so that it is not used */
	while (!found && (slash = strrchr(above, '/'))) {
		*slash = '\0';
		found = is_same_dir(slash == above ? "/" : above, &st);
	}
	free(above);
	return found;
}

/* Whether programs are looked for in this entry. */
static int is_wanted(const char *entry, const char *dir)
{
	char *real;
	int rc;

	if (entry[0] != '/')
		return 0;
	real = realpath(entry, NULL);
	/* One that does not exist may come to exist later. */
	rc = !is_in(real ? real : entry, dir);
	free(real);
	return rc;
}

char *exec_check_search_path(const char *list, const char *dir)
{
	/* room for all of it */
	char *copy = strdup(list), *kept = strdup(list);
	char *rest = copy;
	size_t n = 0;
	int is_whole;

	while (rest && kept) {
		char *entry = rest;
		const size_t len = strcspn(entry, ":");

		rest = entry[len] ? entry + len + 1 : NULL;
		entry[len] = '\0';
		if (!is_wanted(entry, dir))
			continue;
		if (n > 0)
			kept[n++] = ':';
		memcpy(kept + n, entry, len);
		n += len;
	}
	is_whole = copy && kept;
	free(copy);
	if (is_whole && n > 0) {
		kept[n] = '\0';
		return kept;
	}
	free(kept);
	return is_whole ? strdup(usual_path) : NULL;
}
