/*
 * A request is a struct with a descriptor, a reply an errno.
 */
#include "fs/attr_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/name.h"
#include "os/helper.h"
#include "os/path_fd.h"

enum request_kind { SET_TIMES, SET_OWNER, CHMOD_DIR };

struct request {
	uint32_t kind;
	uint32_t mode;
	uint32_t uid, gid;
	struct timespec times[2];
	char name[NAME_COMPONENT_MAX + 1];
};

struct attr_helper {
	int (*confine)(const void *ctx, struct err *e);
	const void *ctx;
	struct helper helper;
	pthread_mutex_t lock; /* a request and its reply */
};

static int set_times(int dir_fd, const char *name,
		     const struct timespec times[2])
{
	int rc = utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW);

	/* A wrong time is no reason to fail the symlink. */
	if (rc < 0 && (errno == EPERM || errno == ENOSYS || errno == EOPNOTSUPP))
		rc = 0;
	return rc;
}

static int set_owner(int dir_fd, const char *name, uid_t uid, gid_t gid)
{
	return fchownat(dir_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

static int chmod_dir(int fd, mode_t mode)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	return fchmod(fd, (mode & 0777) | (mode & st.st_mode & 07000));
}

/* ---- in the helper ---- */

/* The other process may be controlled by an attacker.  It can open any
 * directory as os/path_fd.h does, but for reading only where the sandbox lets
 * it. */
static int is_open_dir(int fd)
{
	struct stat st;

	return fd >= 0 && !path_fd_is(fd) && fstat(fd, &st) == 0 &&
	       S_ISDIR(st.st_mode);
}

/* Whether it is a symlink or special file: a file or directory is changed by
 * descriptor. */
static int is_node(int dir_fd, const char *name)
{
	struct stat st;

	return !strchr(name, '/') &&
	       fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

/* Returns 0 or an errno. */
static int serve_request(struct request *q, int fd)
{
	q->name[sizeof(q->name) - 1] = '\0';
	if (!is_open_dir(fd))
		return EPERM;
	if (q->kind == CHMOD_DIR)
		return chmod_dir(fd, q->mode) < 0 ? errno : 0;
	if (!is_node(fd, q->name))
		return EPERM;
	if (q->kind == SET_TIMES)
		return set_times(fd, q->name, q->times) < 0 ? errno : 0;
	if (q->kind == SET_OWNER)
		return set_owner(fd, q->name, q->uid, q->gid) < 0 ? errno : 0;
	return EPERM;
}

static void serve(void *ctx)
{
	const struct attr_helper *h = ctx;
	struct request q;
	struct err e;
	int fd;

	if (h->confine && h->confine(h->ctx, &e) < 0)
		return;
	while (helper_receive(HELPER_SOCKET, &q, sizeof(q), &fd, 0) == 0) {
		const int32_t reply = serve_request(&q, fd);

		io_close(&fd);
		if (helper_send(HELPER_SOCKET, &reply, sizeof(reply), -1, 0))
			return;
	}
}

/* ---- in our process ---- */

struct attr_helper *attr_helper_start(int (*confine)(const void *ctx,
						     struct err *e),
				      const void *ctx, struct err *e)
{
	struct attr_helper *h = calloc(1, sizeof(*h));
	const struct helper_config cfg = { HELPER_STDIO_NONE, -1, serve, h };

	if (!h) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	h->confine = confine;
	h->ctx = ctx;
	pthread_mutex_init(&h->lock, NULL);
	if (helper_start(&h->helper, &cfg) == 0)
		return h;
	err_sys(e, ERR_RESOURCE, "cannot start a process to set attributes");
	attr_helper_stop(h);
	return NULL;
}

void attr_helper_stop(struct attr_helper *h)
{
	if (!h)
		return;
	helper_stop(&h->helper, 1);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static int ask(struct attr_helper *h, const struct request *q, int fd)
{
	int32_t reply = 0;
	int rc, saved;

	pthread_mutex_lock(&h->lock);
	rc = helper_send(h->helper.fd, q, sizeof(*q), fd, 0);
	if (rc == 0)
		rc = helper_receive(h->helper.fd, &reply, sizeof(reply), NULL,
				    0);
	saved = rc < 0 ? errno : reply;
	pthread_mutex_unlock(&h->lock);
	errno = saved;
	return saved ? -1 : 0;
}

int attr_helper_set_times(struct attr_helper *h, int dir_fd, const char *name,
			  const struct timespec times[2])
{
	struct request q;

	if (!h)
		return set_times(dir_fd, name, times);
	memset(&q, 0, sizeof(q));
	q.kind = SET_TIMES;
	memcpy(q.times, times, sizeof(q.times));
	snprintf(q.name, sizeof(q.name), "%s", name);
	return ask(h, &q, dir_fd);
}

int attr_helper_set_owner(struct attr_helper *h, int dir_fd, const char *name,
			  uid_t uid, gid_t gid)
{
	struct request q;

	if (!h)
		return set_owner(dir_fd, name, uid, gid);
	memset(&q, 0, sizeof(q));
	q.kind = SET_OWNER;
	q.uid = uid;
	q.gid = gid;
	snprintf(q.name, sizeof(q.name), "%s", name);
	return ask(h, &q, dir_fd);
}

int attr_helper_chmod_dir(struct attr_helper *h, int dir_fd, mode_t mode)
{
	struct request q;

	/* The sandbox refuses set-ID bits alone. */
	if (!h || !(mode & (S_ISUID | S_ISGID)))
		return chmod_dir(dir_fd, mode);
	memset(&q, 0, sizeof(q));
	q.kind = CHMOD_DIR;
	q.mode = mode;
	return ask(h, &q, dir_fd);
}
