/*
 * Files with codes.  The mark has the length of what it replaces, so that one
 * write is enough, and it cannot leave a part of the code.
 */
#include "auth/code_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/key.h"
#include "base/io.h"
#include "base/wipe.h"
#include "os/locked.h"
#include "os/path_fd.h"

#define MARK "used"

enum {
	/* A code has at most CODE_MAX bytes; the rest is for blanks. */
	FILE_MAX = 128,
	MARK_LEN = sizeof(MARK) - 1,
};

struct code_file {
	const char *path;
	int fd; /* for the mark; -1: it needs none */
	char text[FILE_MAX]; /* what was in it */
	size_t len;
};

/* Open for writing what was opened for reading and checked. */
static int open_again(int fd, const char *path, struct err *e)
{
	int rw = path_fd_reopen(fd, path, O_RDWR);

	if (rw >= 0)
		return rw;
	return err_set(e, ERR_USAGE,
		       "%s cannot be written to (%s), so that its code could "
		       "not be marked as used: make it writable for this user, "
		       "or give the code by a pipe (/dev/stdin)",
		       path, strerror(errno));
}

/* Open it for the mark, if it needs one. */
static int prepare_mark(struct code_file *f, int fd, enum net_role role,
			struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_LOCAL, "cannot get the status of %s",
			       f->path);
	if (!S_ISREG(st.st_mode) || st.st_nlink == 0)
		return 0;
	f->fd = open_again(fd, f->path, e);
	if (f->fd < 0)
		return e->code;
	if (role == NET_LISTENS && flock(f->fd, LOCK_EX | LOCK_NB) < 0 &&
	    errno == EWOULDBLOCK)
		return err_set(e, ERR_USAGE,
			       "the code in %s is in use by another ferry "
			       "receive: each needs a code of its own",
			       f->path);
	return 0;
}

static int read_code(struct code_file *f, int fd, char code[CODE_MAX],
		     struct err *e)
{
	const ssize_t n = io_read(fd, f->text, sizeof(f->text));
	int rc;

	if (n < 0)
		return err_sys(e, ERR_LOCAL, "cannot read %s", f->path);
	f->len = (size_t)n;
	if (f->len >= MARK_LEN && memcmp(f->text, MARK, MARK_LEN) == 0)
		return err_set(e, ERR_AUTH,
			       "the code in %s was used or guessed wrong, and "
			       "is no longer valid: write a new one to it",
			       f->path);
	if (f->len == sizeof(f->text))
		rc = err_set(e, ERR_USAGE, "it is too long");
	else
		rc = code_parse(code, f->text, f->len, e);
	if (rc)
		err_prefix(e, "%s does not contain a valid code", f->path);
	return rc;
}

struct code_file *code_file_open(const char *path, enum net_role role,
				 char code[CODE_MAX], struct err *e)
{
	struct code_file *f = locked_new(sizeof(*f));
	int fd = -1, rc;

	code[0] = '\0';
	if (!f) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	f->path = path;
	f->fd = -1;
	fd = key_open_secret(path, e);
	rc = fd < 0 ? fd : read_code(f, fd, code, e);
	if (rc == 0)
		rc = prepare_mark(f, fd, role, e);
	io_close(&fd);
	if (rc == 0)
		return f;
	code_wipe(code);
	code_file_free(f);
	return NULL;
}

/* Write text durably where the file still has what it is to replace: the user
 * may have written the next code already.  Both are of f->len bytes. */
static int replace(const struct code_file *f, const char *old, const char *text)
{
	char now[FILE_MAX];
	int rc = 0;

	if (io_pread(f->fd, now, sizeof(now), 0) == (ssize_t)f->len &&
	    memcmp(now, old, f->len) == 0 &&
	    (io_pwrite(f->fd, text, f->len, 0) < 0 || fdatasync(f->fd) < 0))
		rc = -1;
	wipe(now, sizeof(now));
	return rc;
}

static void make_mark(const struct code_file *f, char mark[FILE_MAX])
{
	memset(mark, ' ', f->len);
	memcpy(mark, MARK, MARK_LEN);
	mark[f->len - 1] = '\n';
}

int code_file_mark(struct code_file *f, struct err *e)
{
	char mark[FILE_MAX];

	if (f->fd < 0)
		return 0;
	make_mark(f, mark);
	return replace(f, f->text, mark) ?
		       err_sys(e, ERR_LOCAL, "cannot mark the code in %s as used",
			       f->path) : 0;
}

int code_file_unmark(struct code_file *f)
{
	char mark[FILE_MAX];

	if (f->fd < 0)
		return 0;
	make_mark(f, mark);
	return replace(f, mark, f->text);
}

const char *code_file_path(const struct code_file *f)
{
	return f->path;
}

void code_file_free(struct code_file *f)
{
	if (!f)
		return;
	io_close(&f->fd);
	locked_free(f, sizeof(*f));
}
