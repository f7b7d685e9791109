/*
 * Names out of a buffer that is filled up whenever no end of one is in it.
 */
#include "fs/list.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BUFFER = 64 * 1024,
	/* Longer than what can be sent, so that it is told by its name. */
	ENTRY_MAX = 8 * 1024,
	WAIT_MS = 200,
};

struct list {
	int fd;
	char end;
	int is_at_eof;
	size_t off, len; /* of what is in buf */
	char buf[BUFFER + 1];
};

struct list *list_new(int fd, char end)
{
	struct list *l = calloc(1, sizeof(*l));

	if (l) {
		l->fd = fd;
		l->end = end;
	}
	return l;
}

void list_free(struct list *l)
{
	free(l);
}

/* Take the n bytes at off, and `skip` behind them. */
static enum list_got take(struct list *l, size_t n, size_t skip, char **name,
			  struct err *e)
{
	*name = l->buf + l->off;
	if (memchr(*name, '\0', n)) {
		err_set(e, ERR_LOCAL,
			"a name in the list holds a NUL: is -0 missing?");
		return LIST_FAILED;
	}
	(*name)[n] = '\0';
	l->off += n + skip;
	l->len -= n + skip;
	return LIST_NAME;
}

/* More of the list.  LIST_NAME: look again. */
static enum list_got fill(struct list *l, struct err *e)
{
	struct pollfd pfd = { .fd = l->fd, .events = POLLIN };
	ssize_t n;

	memmove(l->buf, l->buf + l->off, l->len);
	l->off = 0;
	if (poll(&pfd, 1, WAIT_MS) == 0)
		return LIST_WAITING;
	n = read(l->fd, l->buf + l->len, BUFFER - l->len);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return LIST_WAITING;
	if (n < 0) {
		err_sys(e, ERR_LOCAL, "reading the list of names");
		return LIST_FAILED;
	}
	l->is_at_eof = n == 0;
	l->len += (size_t)n;
	return LIST_NAME;
}

enum list_got list_next(struct list *l, char **name, struct err *e)
{
	for (;;) {
		char *from = l->buf + l->off;
		char *end = memchr(from, l->end, l->len);
		size_t n = end ? (size_t)(end - from) : l->len;
		enum list_got got;

		if (n > ENTRY_MAX) {
			err_set(e, ERR_LOCAL,
				"a name in the list is longer than any path "
				"can be%s", l->end ? ": was -0 meant?" : "");
			return LIST_FAILED;
		}
		if (end)
			return take(l, n, 1, name, e);
		if (l->is_at_eof)
			return n > 0 ? take(l, n, 0, name, e) : LIST_END;
		got = fill(l, e);
		if (got != LIST_NAME)
			return got;
	}
}
