/*
 * Only whole blocks are written to the file and read back, so that a line costs
 * a copy but no system call.
 */
#include "cmd/line_queue.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "os/nameless.h"
#include "os/space.h"

struct block {
	char *data;
	size_t off, len; /* in use: len bytes from off */
};

struct line_queue {
	struct block head, tail;
	int fd; /* -1: there is no file */
	uint64_t file_off, file_end; /* the queued part of it */
};

/* Create a file without a name in dir.  Returns -1 on failure. */
static int open_nameless(const char *dir)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = dir_fd >= 0 ? nameless_create(dir_fd, 0600) : -1;
	char path[4096];
	int n;

	io_close(&dir_fd);
	if (fd >= 0)
		return fd;
	/* not every file system supports O_TMPFILE */
	n = snprintf(path, sizeof(path), "%s/ferry-XXXXXX", dir);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -1;
	fd = mkstemp(path);
	if (fd >= 0 && (unlink(path) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0))
		io_close(&fd);
	return fd;
}

/* /tmp comes last, because it is in memory on many systems. */
static int open_file(void)
{
	const char *const dirs[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		int fd = dirs[i] && *dirs[i] ? open_nameless(dirs[i]) : -1;

		if (fd >= 0)
			return fd;
	}
	return nameless_create_in_memory();
}

struct line_queue *line_queue_new(void)
{
	struct line_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->head.data = malloc(LINE_QUEUE_BLOCK);
	q->tail.data = malloc(LINE_QUEUE_BLOCK);
	q->fd = open_file();
	if (!q->head.data || !q->tail.data) {
		line_queue_free(q);
		return NULL;
	}
	return q;
}

static void swap_blocks(struct line_queue *q)
{
	const struct block tail = q->tail;

	q->tail = q->head;
	q->tail.off = q->tail.len = 0;
	q->head = tail;
}

static int file_is_empty(const struct line_queue *q)
{
	return q->file_off == q->file_end;
}

int line_queue_put(struct line_queue *q, const char *line, size_t n)
{
	struct block *tail = &q->tail;

	assert(n <= LINE_QUEUE_LINE_MAX);
	if (n > LINE_QUEUE_BLOCK - tail->len && q->head.len == 0 &&
	    file_is_empty(q)) {
		swap_blocks(q);
	} else if (n > LINE_QUEUE_BLOCK - tail->len) {
		if (q->fd < 0)
			return ENOSPC;
		/* A failed write leaves file_end as it was, and the next write
		 * overwrites what it left. */
		if (io_pwrite(q->fd, tail->data, tail->len, q->file_end) < 0)
			return errno;
		q->file_end += tail->len;
		tail->len = 0;
	}
	memcpy(tail->data + tail->len, line, n);
	tail->len += n;
	return 0;
}

uint64_t line_queue_size(const struct line_queue *q)
{
	return q->head.len + (q->file_end - q->file_off) + q->tail.len;
}

static void empty_file(struct line_queue *q)
{
	/* if it cannot be truncated, it is overwritten */
	if (q->file_end > 0 && ftruncate(q->fd, 0) < 0)
		errno = 0;
	q->file_off = q->file_end = 0;
}

/* Read the next block of the file into the head, up to the last whole line. */
static int load_block(struct line_queue *q)
{
	const uint64_t off = q->file_off;
	const uint64_t left = q->file_end - off;
	size_t n = left < LINE_QUEUE_BLOCK ? (size_t)left : LINE_QUEUE_BLOCK;
	const char *last;
	ssize_t did = io_pread(q->fd, q->head.data, n, off);

	if (did < 0 || (size_t)did < n) {
		const int sys_errno = did < 0 ? errno : EIO;

		empty_file(q);
		return sys_errno;
	}
	last = mem_last(q->head.data, '\n', n);
	if (last)
		n = (size_t)(last - q->head.data) + 1;
	q->head.off = 0;
	q->head.len = n;
	q->file_off += n;
	/* Free the space of what was read, so that a reader that never catches
	 * up does not make the file grow without limit.  Not every file system
	 * can do that. */
	if (file_is_empty(q))
		empty_file(q);
	else
		(void)space_punch(q->fd, off, n);
	return 0;
}

int line_queue_front(struct line_queue *q, const char **p, size_t *n)
{
	int rc = 0;

	if (q->head.len == 0 && !file_is_empty(q))
		rc = load_block(q);
	else if (q->head.len == 0)
		swap_blocks(q);
	*p = q->head.data + q->head.off;
	*n = q->head.len;
	return rc;
}

void line_queue_pop(struct line_queue *q, size_t n)
{
	assert(n <= q->head.len);
	q->head.off += n;
	q->head.len -= n;
}

void line_queue_clear(struct line_queue *q)
{
	q->head.len = q->tail.len = 0;
	empty_file(q);
}

void line_queue_free(struct line_queue *q)
{
	if (!q)
		return;
	io_close(&q->fd);
	free(q->head.data);
	free(q->tail.data);
	free(q);
}
