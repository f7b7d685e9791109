/*
 * Files with codes.  The mark has the length of what it replaces, so that one
 * write is enough, and it cannot leave a part of the code.
 */
#include "auth/code_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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
	/* The bytes that are locked, one for each role, as the two sides of a
	 * session may share a file. */
	LOCK_LISTENS = 0,
	LOCK_CONNECTS = 1,
};

struct code_file {
	const char *path;
	int fd; /* for the mark, locked; -1: it needs none */
	enum net_role role;
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

/* Lock or unlock what another ferry of the same role locks too.  With fcntl(),
 * as flock() knows no parts of a file, and locks the whole of one on NFS.
 * Returns 0, or -1 with errno. */
static int set_lock(const struct code_file *f, short type)
{
	struct flock range = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = f->role == NET_LISTENS ? LOCK_LISTENS :
						    LOCK_CONNECTS,
		.l_len = 1,
	};

	return fcntl(f->fd, F_SETLK, &range);
}

/* The code is read after this, so that it is not one that another ferry has
 * used meanwhile. */
static int lock(const struct code_file *f, struct err *e)
{
	if (set_lock(f, F_WRLCK) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return err_set(e, ERR_USAGE,
			       "the code in %s is in use by another ferry: each "
			       "needs a code of its own", f->path);
	return err_set(e, ERR_LOCAL,
		       "cannot lock %s (%s), so that another ferry could use "
		       "its code at the same time: put it into another file "
		       "system, or give the code by a pipe (/dev/stdin)",
		       f->path, strerror(errno));
}

/* Whether who starts us again could provide the code again without knowing that
 * it was used. */
static int needs_mark(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_LOCAL, "cannot get the status of %s",
			       path);
	return S_ISREG(st.st_mode) && st.st_nlink > 0;
}

/* Whether this is the mark, or begins with it. */
static int is_mark(const char *text, size_t n)
{
	return n >= MARK_LEN && memcmp(text, MARK, MARK_LEN) == 0;
}

static int was_used(const struct code_file *f, struct err *e)
{
	return err_set(e, ERR_AUTH,
		       "the code in %s was used or guessed wrong, and is no "
		       "longer valid: write a new one to it", f->path);
}

static int read_code(struct code_file *f, int fd, char code[CODE_MAX],
		     struct err *e)
{
	const ssize_t n = io_read(fd, f->text, sizeof(f->text));
	int rc;

	if (n < 0)
		return err_sys(e, ERR_LOCAL, "cannot read %s", f->path);
	f->len = (size_t)n;
	if (is_mark(f->text, f->len))
		return was_used(f, e);
	if (f->len == sizeof(f->text))
		rc = err_set(e, ERR_USAGE, "it is too long");
	else
		rc = code_parse(code, f->text, f->len, e);
	if (rc)
		err_prefix(e, "%s does not contain a valid code", f->path);
	return rc;
}

/* Read the code of the file, which is open, and closed by this. */
static int take_code(struct code_file *f, int fd, char code[CODE_MAX],
		     struct err *e)
{
	int rc = needs_mark(fd, f->path, e);

	if (rc > 0) {
		f->fd = open_again(fd, f->path, e);
		/* Before the lock: closing any descriptor of a file gives up
		 * this process's locks on it. */
		io_close(&fd);
		rc = f->fd < 0 ? e->code : lock(f, e);
	}
	if (rc == 0)
		rc = read_code(f, f->fd < 0 ? fd : f->fd, code, e);
	io_close(&fd);
	return rc;
}

struct code_file *code_file_open(const char *path, enum net_role role,
				 char code[CODE_MAX], struct err *e)
{
	struct code_file *f = locked_new(sizeof(*f));
	int fd, rc;

	code[0] = '\0';
	if (!f) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	f->path = path;
	f->fd = -1;
	f->role = role;
	fd = key_open_secret(path, e);
	rc = fd < 0 ? fd : take_code(f, fd, code, e);
	if (rc == 0)
		return f;
	code_wipe(code);
	code_file_free(f);
	return NULL;
}

enum content {
	CONTENT_FAILED = -1, /* with errno */
	CONTENT_OLD,
	CONTENT_MARK,
	CONTENT_OTHER,
};

/* What the file has now: old, which is of f->len bytes, or else. */
static enum content content_of(const struct code_file *f, const char *old)
{
	char now[FILE_MAX];
	const ssize_t n = io_pread(f->fd, now, sizeof(now), 0);
	enum content content = CONTENT_OTHER;

	if (n < 0)
		content = CONTENT_FAILED;
	else if (n == (ssize_t)f->len && memcmp(now, old, f->len) == 0)
		content = CONTENT_OLD;
	else if (is_mark(now, (size_t)n))
		content = CONTENT_MARK;
	wipe(now, sizeof(now));
	return content;
}

/* Write text durably in the place of what has its length.  Returns 0, or -1
 * with errno. */
static int replace(const struct code_file *f, const char *text)
{
	return io_pwrite(f->fd, text, f->len, 0) < 0 || fdatasync(f->fd) < 0 ?
		       -1 : 0;
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
	enum content content;

	if (f->fd < 0)
		return 0;
	make_mark(f, mark);
	content = content_of(f, f->text);
	if (content == CONTENT_FAILED ||
	    (content == CONTENT_OLD && replace(f, mark)))
		return err_sys(e, ERR_LOCAL, "cannot mark the code in %s as used",
			       f->path);
	/* The other side may share the file: then the mark that the side that
	 * listens finds is of the one whose guess it is about to judge. */
	if (content == CONTENT_MARK && f->role == NET_CONNECTS)
		return was_used(f, e);
	/* Whoever comes next finds the mark, or the next code, which may be
	 * used while this session goes on.  A side that listens goes on with
	 * its code after a dry run. */
	if (f->role == NET_CONNECTS)
		(void)set_lock(f, F_UNLCK);
	return 0;
}

int code_file_unmark(struct code_file *f)
{
	char mark[FILE_MAX];
	enum content content;

	if (f->fd < 0)
		return 0;
	make_mark(f, mark);
	content = content_of(f, mark);
	return content == CONTENT_FAILED ||
	       (content == CONTENT_OLD && replace(f, f->text)) ? -1 : 0;
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
