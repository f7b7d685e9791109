/*
 * The queue is two blocks of memory with the file between them.  Lines are put
 * into the tail block, which is appended to the file when it is full, and taken
 * from the head block, which is filled from the file; where the file is empty,
 * the tail becomes the head.  So the file is written and read a block at a
 * time, and a line costs a copy but no system call.
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
	size_t off, len; /* in use: len bytes from off (of the tail: 0) */
};

struct line_queue {
	struct block head, tail;
	int fd; /* of the file; -1: there is none */
	uint64_t file_off, file_end; /* the part of it that is queued */
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
	/* Not every file system can create files without a name. */
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

static int file_is_empty(const struct line_queue *q)
{
	return q->file_off == q->file_end;
}

/* Make the tail the head.  Only where nothing is queued before it: the head and
 * the file are empty. */
static void advance_tail(struct line_queue *q)
{
	const struct block empty = { .data = q->head.data };

	q->head = q->tail;
	q->tail = empty;
}

/* Empty the tail, without a system call where nothing is queued before it.
 * Returns 0, or errno. */
static int flush_tail(struct line_queue *q)
{
	if (q->head.len == 0 && file_is_empty(q)) {
		advance_tail(q);
		return 0;
	}
	if (q->fd < 0)
		return ENOSPC;
	/* A failed write leaves file_end as it was, and the next one overwrites
	 * what this one has left. */
	if (io_pwrite(q->fd, q->tail.data, q->tail.len, q->file_end) < 0)
		return errno;
	q->file_end += q->tail.len;
	q->tail.len = 0;
	return 0;
}

int line_queue_put(struct line_queue *q, const char *line, size_t n)
{
	struct block *tail = &q->tail;

	assert(n <= LINE_QUEUE_LINE_MAX);
	if (n > LINE_QUEUE_BLOCK - tail->len) {
		const int sys_errno = flush_tail(q);

		if (sys_errno)
			return sys_errno;
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
	/* A file that cannot be truncated keeps its disk space, and is
	 * overwritten from the start. */
	if (q->file_end > 0 && ftruncate(q->fd, 0) < 0)
		errno = 0;
	q->file_off = q->file_end = 0;
}

/* Fill the head, which is empty, from the file.  Returns 0; or errno, and then
 * what the file holds is lost. */
static int load_head(struct line_queue *q)
{
	const uint64_t off = q->file_off, queued = q->file_end - off;
	size_t n = queued < LINE_QUEUE_BLOCK ? (size_t)queued :
					       LINE_QUEUE_BLOCK;
	const ssize_t did = io_pread(q->fd, q->head.data, n, off);
	const char *newline;

	if (did < 0 || (size_t)did < n) {
		const int sys_errno = did < 0 ? errno : EIO;

		empty_file(q);
		return sys_errno;
	}
	/* What the tail held when it was written was rarely a full block, so
	 * this one may end in the middle of a line. */
	newline = mem_last(q->head.data, '\n', n);
	if (newline)
		n = (size_t)(newline - q->head.data) + 1;
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
		rc = load_head(q);
	else if (q->head.len == 0)
		advance_tail(q);
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
