/*
 * A helper (os/helper.h): a request is a path, and each gets one answer.
 */
#include "receiver/dir_opener.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/name.h"
#include "os/helper.h"
#include "os/path_fd.h"

struct dir_opener {
	struct helper helper;
	pthread_mutex_t lock; /* between a request and its answer */
};

struct request {
	uint32_t len;
	char path[NAME_PATH_MAX + 1];
};

struct answer {
	int32_t rc;
	struct unlock was;
};

/* ---- in the helper ---- */

/* Open the directory path, one component at a time, as os/path_fd.h.  Returns a
 * descriptor or -1. */
static int walk(char *path)
{
	int dir = fcntl(HELPER_KEPT, F_DUPFD_CLOEXEC, 0);

	for (char *save, *name = strtok_r(path, "/", &save); name && dir >= 0;
	     name = strtok_r(NULL, "/", &save)) {
		int next = path_fd_open(dir, name, O_DIRECTORY | O_NOFOLLOW);

		io_close(&dir);
		dir = next;
	}
	return dir;
}

static void answer_request(struct request *q, struct answer *a)
{
	int fd;

	/* The receiver may be an attacker's. */
	if (q->len > NAME_PATH_MAX || name_check(q->path, q->len))
		return;
	q->path[q->len] = '\0';
	fd = walk(q->path);
	if (fd >= 0)
		a->rc = unlock_closed_dir(fd, &a->was);
	io_close(&fd);
}

static void serve(void *ctx)
{
	const enum sandbox_mode *mode = ctx;
	struct request q;
	struct err e;

	if (sandbox_dir_opener(*mode, &e) < 0)
		return;
	while (helper_receive(HELPER_SOCKET, &q, sizeof(q), NULL, 0) == 0) {
		struct answer a = { .rc = -1 };

		answer_request(&q, &a);
		(void)helper_send(HELPER_SOCKET, &a, sizeof(a), -1, 0);
	}
}

/* ---- in the receiver ---- */

struct dir_opener *dir_opener_start(const char *dir, enum sandbox_mode mode,
				    struct err *e)
{
	struct dir_opener *o = calloc(1, sizeof(*o));
	struct helper_config cfg = { .serve = serve, .ctx = &mode };
	int rc = -1;

	if (o) {
		/* Without it, nothing is unlocked. */
		cfg.keep = path_fd_open(AT_FDCWD, dir, O_DIRECTORY);
		rc = helper_start(&o->helper, &cfg);
		io_close(&cfg.keep);
	}
	if (rc == 0) {
		pthread_mutex_init(&o->lock, NULL);
		return o;
	}
	err_sys(e, ERR_RESOURCE, "cannot start a process to open directories");
	free(o);
	return NULL;
}

struct dir_opener *dir_opener_adopt(int fd)
{
	struct dir_opener *o = calloc(1, sizeof(*o));

	if (!o) {
		io_close(&fd);
		return NULL;
	}
	o->helper.fd = fd;
	pthread_mutex_init(&o->lock, NULL);
	return o;
}

int dir_opener_detach(struct dir_opener *o)
{
	const int fd = o->helper.fd;

	pthread_mutex_destroy(&o->lock);
	free(o);
	return fd;
}

void dir_opener_free(struct dir_opener *o)
{
	if (!o)
		return;
	helper_stop(&o->helper, 1);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

int dir_opener_unlock(struct dir_opener *o, const char *path, size_t len,
		      struct unlock *was)
{
	struct answer a = { .rc = -1 };
	struct request q = { .len = (uint32_t)len };
	const int fd = o->helper.fd;

	if (len > NAME_PATH_MAX)
		return -1;
	memcpy(q.path, path, len);
	pthread_mutex_lock(&o->lock);
	if (helper_send(fd, &q, sizeof(q), -1, 0) < 0 ||
	    helper_receive(fd, &a, sizeof(a), NULL, 0) < 0)
		a.rc = -1;
	pthread_mutex_unlock(&o->lock);
	*was = a.was;
	return a.rc;
}
