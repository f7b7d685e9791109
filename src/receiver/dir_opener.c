/*
 * Two processes and a pair of sockets of packets (SOCK_SEQPACKET): a request is
 * a path, and each gets one answer.
 */
#include "receiver/dir_opener.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/name.h"
#include "os/process.h"

enum { SOCK_FD = STDERR_FILENO + 1, ROOT_FD }; /* in the other process */

struct dir_opener {
	pid_t pid;
	int fd;
	pthread_mutex_t lock; /* between a request and its answer */
};

struct answer {
	int32_t rc;
	struct unlock was;
};

/* ---- in the process that was split off ---- */

/* Open the directory path with O_PATH, one component at a time.  Returns a
 * descriptor or -1. */
static int walk(char *path)
{
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int dir = fcntl(ROOT_FD, F_DUPFD_CLOEXEC, 0);

	for (char *save, *name = strtok_r(path, "/", &save); name && dir >= 0;
	     name = strtok_r(NULL, "/", &save)) {
		int next = openat(dir, name, flags);

		io_close(&dir);
		dir = next;
	}
	return dir;
}

static void answer_request(char *path, size_t len)
{
	struct answer a = { .rc = -1 };
	int fd;

	/* The receiver may be an attacker's. */
	if (!name_check(path, len)) {
		fd = walk(path);
		if (fd >= 0)
			a.rc = unlock_closed_dir(fd, &a.was);
		io_close(&fd);
	}
	(void)send(SOCK_FD, &a, sizeof(a), MSG_NOSIGNAL);
}

/* Until the receiver closes the socket. */
static void serve(int sock, const char *dir)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE,
				       SIGTSTP };
	char path[NAME_PATH_MAX + 1];
	int root;

	/* Those of a terminal are for the receiver. */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* Not one of the two numbers. */
	root = root < 0 ? -1 : fcntl(root, F_DUPFD, ROOT_FD + 1);
	if (root < 0 || dup2(sock, SOCK_FD) < 0 || dup2(root, ROOT_FD) < 0)
		_exit(1);
	process_close_from(ROOT_FD + 1);
	for (;;) {
		const ssize_t n = recv(SOCK_FD, path, NAME_PATH_MAX, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(0);
		path[n] = '\0';
		answer_request(path, (size_t)n);
	}
}

/* ---- in the receiver ---- */

struct dir_opener *dir_opener_start(const char *dir, struct err *e)
{
	struct dir_opener *o = calloc(1, sizeof(*o));
	int fds[2] = { -1, -1 };

	if (!o || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		free(o);
		err_sys(e, ERR_RESOURCE, "starting a process");
		return NULL;
	}
	o->pid = fork();
	if (o->pid == 0)
		serve(fds[1], dir);
	io_close(&fds[1]);
	o->fd = fds[0];
	pthread_mutex_init(&o->lock, NULL);
	if (o->pid > 0)
		return o;
	err_sys(e, ERR_RESOURCE, "starting a process");
	dir_opener_free(o);
	return NULL;
}

void dir_opener_free(struct dir_opener *o)
{
	if (!o)
		return;
	io_close(&o->fd);
	if (o->pid > 0)
		(void)waitpid(o->pid, NULL, 0);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

int dir_opener_unlock(struct dir_opener *o, const char *path, size_t len,
		      struct unlock *was)
{
	struct answer a = { .rc = -1 };
	ssize_t n;

	pthread_mutex_lock(&o->lock);
	n = send(o->fd, path, len, MSG_NOSIGNAL);
	if (n == (ssize_t)len) {
		do {
			n = recv(o->fd, &a, sizeof(a), 0);
		} while (n < 0 && errno == EINTR);
		if (n != sizeof(a))
			a.rc = -1;
	}
	pthread_mutex_unlock(&o->lock);
	*was = a.was;
	return a.rc;
}
