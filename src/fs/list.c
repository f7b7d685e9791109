/*
 * Names are cut from a buffer, which is refilled when it holds no whole name.
 */
#include "fs/list.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

enum {
	BUFFER = 64 * 1024,
	/* Twice what can be sent (NAME_PATH_MAX), so that a name which is only
	 * a little too long is returned, and the caller's error names it. */
	ENTRY_MAX = 8 * 1024,
	WAIT_MS = 200, /* so that a user's interrupt is seen soon */
	SHOWN_MAX = 200, /* of a name in a message */
};

struct list {
	int fd;
	char end;
	int is_at_eof;
	int is_file;
	size_t off, len;      /* of what is in buf and was not returned yet */
	char buf[BUFFER + 1]; /* one more for a NUL after the last name */
};

struct list *list_new(int fd, char end)
{
	struct list *l = calloc(1, sizeof(*l));
	struct stat st;

	if (l) {
		l->fd = fd;
		l->end = end;
		l->is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	}
	return l;
}

void list_free(struct list *l)
{
	free(l);
}

int list_is_file(const struct list *l)
{
	return l->is_file;
}

/* Return the next n bytes as a name, and skip the `skip` bytes after it. */
static enum list_result cut_name(struct list *l, size_t n, size_t skip,
				 char **name, struct err *e)
{
	*name = l->buf + l->off;
	if (memchr(*name, '\0', n)) {
		err_set(e, ERR_LOCAL,
			"a name in the list contains a NUL: is -0 missing?");
		return LIST_FAILED;
	}
	(*name)[n] = '\0';
	l->off += n + skip;
	l->len -= n + skip;
	return LIST_NAME;
}

/* At the end of the list, with n bytes after the last name: they are a name
 * only where no writer can have been killed halfway through it. */
static enum list_result finish(struct list *l, size_t n, char **name,
			       struct err *e)
{
	const char *rest = l->buf + l->off;
	char shown[SHOWN_MAX];

	if (n == 0)
		return LIST_END;
	/* The error of a NUL says more. */
	if (l->end && (l->is_file || memchr(rest, '\0', n)))
		return cut_name(l, n, 0, name, e);
	text_escape(shown, sizeof(shown), rest, n);
	err_set(e, ERR_LOCAL,
		"the list of names ends within a name, without a %s after %s: "
		"its writer may have been killed",
		l->end ? "newline" : "NUL", shown);
	return LIST_FAILED;
}

/* Read more of the list.  LIST_NAME: look for a name again. */
static enum list_result read_more(struct list *l, struct err *e)
{
	struct pollfd pfd = { .fd = l->fd, .events = POLLIN };
	int rc;
	ssize_t n;

	memmove(l->buf, l->buf + l->off, l->len);
	l->off = 0;
	/* After a signal nothing may be there, and read() would block. */
	rc = poll(&pfd, 1, WAIT_MS);
	if (rc == 0 || (rc < 0 && errno == EINTR))
		return LIST_WAITING;
	n = read(l->fd, l->buf + l->len, BUFFER - l->len);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return LIST_WAITING;
	if (n < 0) {
		err_sys(e, ERR_LOCAL, "cannot read the list of names");
		return LIST_FAILED;
	}
	l->is_at_eof = n == 0;
	l->len += (size_t)n;
	return LIST_NAME;
}

enum list_result list_next(struct list *l, char **name, struct err *e)
{
	for (;;) {
		char *from = l->buf + l->off;
		char *end = memchr(from, l->end, l->len);
		size_t n = end ? (size_t)(end - from) : l->len;
		enum list_result result;

		if (n > ENTRY_MAX) {
			err_set(e, ERR_LOCAL,
				"a name in the list is too long for a "
				"path%s", l->end ? ": is -0 missing?" : "");
			return LIST_FAILED;
		}
		if (end)
			return cut_name(l, n, 1, name, e);
		if (l->is_at_eof)
			return finish(l, n, name, e);
		result = read_more(l, e);
		if (result != LIST_NAME)
			return result;
	}
}
