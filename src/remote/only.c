/*
 * The check of paths gives a message that names the restriction; Landlock
 * enforces it also against what happens between the check and the use.
 */
#include "remote/only.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "os/path_fd.h"
#include "os/process.h"
#include "sandbox/landlock.h"

enum { SHOWN_MAX = 200 };

struct only {
	char *dir;
};

/* What is used outside: the standard descriptors' replacement, and what
 * libraries read. */
static const struct {
	const char *path;
	uint64_t rights;
} outside[] = {
	{ "/dev/null", LANDLOCK_READ_FILE | LANDLOCK_WRITE_FILE },
	{ "/dev/urandom", LANDLOCK_READ_FILE },
	{ "/sys/devices/system/cpu", LANDLOCK_READ_FILE | LANDLOCK_READ_DIR },
};

enum { OUTSIDE = sizeof(outside) / sizeof(outside[0]) };

static const uint64_t inside =
	LANDLOCK_WRITE_FILE | LANDLOCK_READ_FILE | LANDLOCK_READ_DIR |
	LANDLOCK_REMOVE_FILE | LANDLOCK_REMOVE_DIR | LANDLOCK_MAKE_DIR |
	LANDLOCK_MAKE_REG | LANDLOCK_MAKE_SYM | LANDLOCK_REFER |
	LANDLOCK_TRUNCATE | LANDLOCK_MAKE_FIFO | LANDLOCK_MAKE_SOCK |
	LANDLOCK_MAKE_CHAR | LANDLOCK_MAKE_BLOCK;

static int confine(int dir_fd, struct err *e)
{
	struct landlock_rule rules[OUTSIDE + 1] = { { dir_fd, inside } };
	struct landlock_policy policy = { .rules = rules,
					  .count = 1,
					  .any_port = 1 };
	int rc = 0;

	if (landlock_abi() == 0)
		return 0;
	for (size_t i = 0; i < OUTSIDE; i++) {
		const struct landlock_rule rule = {
			path_fd_open(AT_FDCWD, outside[i].path, 0),
			outside[i].rights
		};

		if (rule.fd >= 0)
			rules[policy.count++] = rule;
	}
	if (process_gain_nothing() < 0)
		rc = err_sys(e, ERR_RESOURCE, "--only: cannot drop privileges");
	else
		rc = landlock_confine(&policy, e);
	for (size_t i = 1; i < policy.count; i++)
		io_close(&rules[i].fd);
	return rc;
}

struct only *only_enter(const char *dir, struct err *e)
{
	struct only *o = calloc(1, sizeof(*o));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char shown[SHOWN_MAX];
	int rc = 0;

	if (o)
		o->dir = realpath(dir, NULL);
	if (!o || !o->dir || fd < 0 || fchdir(fd) < 0)
		rc = err_sys(e, ERR_LOCAL, "--only: cannot enter %s",
			     text_escape(shown, sizeof(shown), dir,
					 strlen(dir)));
	else
		rc = confine(fd, e);
	io_close(&fd);
	if (rc == 0)
		return o;
	only_free(o);
	return NULL;
}

void only_free(struct only *o)
{
	if (!o)
		return;
	free(o->dir);
	free(o);
}

const char *only_dir(const struct only *o)
{
	return o->dir;
}

/* Whether an absolute path is the directory or lies below it, textually. */
static int is_inside(const struct only *o, const char *path)
{
	size_t n = strlen(o->dir);

	if (n == 1)
		return 1; /* "/" */
	return strncmp(path, o->dir, n) == 0 &&
	       (path[n] == '/' || path[n] == '\0');
}

static int has_dot_dot(const char *path)
{
	while (*path) {
		const size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.')
			return 1;
		path += n;
		path += strspn(path, "/");
	}
	return 0;
}

int only_check(const struct only *o, const char *path, struct err *e)
{
	char shown[SHOWN_MAX], dir[SHOWN_MAX];
	char *real = NULL;
	int ok = (path[0] != '/' || is_inside(o, path)) && !has_dot_dot(path);

	/* what does not exist gets the usual message later */
	if (ok)
		real = realpath(path, NULL);
	ok = ok && (!real || is_inside(o, real));
	free(real);
	if (ok)
		return 0;
	return err_set(e, ERR_REMOTE,
		       "%s leads out of %s, to which this log-in is restricted "
		       "(--only)",
		       text_escape(shown, sizeof(shown), path, strlen(path)),
		       text_escape(dir, sizeof(dir), o->dir, strlen(o->dir)));
}
