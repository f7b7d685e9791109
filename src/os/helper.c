/*
 * fork(), and messages with descriptors (SCM_RIGHTS).
 */
#include "os/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "os/process.h"
#include "os/sockcall.h"

/* ---- in the helper ---- */

static int arrange_stdio(enum helper_stdio stdio)
{
	int null;

	if (stdio == HELPER_STDIO_OWN)
		return 0;
	null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return -1;
	if (stdio == HELPER_STDIO_ERROR)
		return dup2(STDERR_FILENO, STDOUT_FILENO);
	if (dup2(null, STDOUT_FILENO) < 0)
		return -1;
	return dup2(null, STDERR_FILENO);
}

/* Nothing else of the other process's may stay open here or in what is run
 * here: a pipe whose end is waited for, a socket, a key file. */
static int arrange_descriptors(enum helper_stdio stdio, int sock, int keep)
{
	/* To numbers that are free, so that neither overwrites the other. */
	if (sock <= HELPER_KEPT)
		sock = fcntl(sock, F_DUPFD_CLOEXEC, HELPER_KEPT + 1);
	if (keep >= 0 && keep <= HELPER_KEPT)
		keep = fcntl(keep, F_DUPFD_CLOEXEC, HELPER_KEPT + 1);
	if (arrange_stdio(stdio) < 0 ||
	    dup3(sock, HELPER_SOCKET, O_CLOEXEC) < 0)
		return -1;
	if (keep < 0) {
		process_close_from(HELPER_SOCKET + 1);
		return 0;
	}
	if (dup3(keep, HELPER_KEPT, O_CLOEXEC) < 0)
		return -1;
	process_close_from(HELPER_KEPT + 1);
	return 0;
}

static _Noreturn void be_helper(const struct helper_config *cfg, int sock)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	/* This process may hold signals back; what is run here must not. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (arrange_descriptors(cfg->stdio, sock, cfg->keep) < 0)
		_exit(1);
	cfg->serve(cfg->ctx);
	_exit(0);
}

/* ---- in our process ---- */

int helper_start(struct helper *h, const struct helper_config *cfg)
{
	int fds[2], saved;

	h->fd = -1;
	h->pid = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	h->pid = fork();
	if (h->pid == 0)
		be_helper(cfg, fds[1]);
	saved = errno;
	io_close(&fds[1]);
	if (h->pid < 0) {
		io_close(&fds[0]);
		h->pid = 0;
		errno = saved;
		return -1;
	}
	h->fd = fds[0];
	return 0;
}

void helper_stop(struct helper *h, int wait)
{
	/* That ends it, and needs no signal, which the sandbox would forbid.
	 * close() alone would not where another process has a copy. */
	if (h->fd >= 0)
		(void)shutdown(h->fd, SHUT_RDWR);
	io_close(&h->fd);
	if (h->pid > 0)
		while (waitpid(h->pid, NULL, wait ? 0 : WNOHANG) < 0 &&
		       errno == EINTR)
			;
	h->pid = 0;
}

/* ---- in both ---- */

/* Room for a descriptor; a union for its alignment. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

int helper_send(int fd, const void *p, size_t n, int pass, int flags)
{
	union control control;
	struct iovec iov = { .iov_len = n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t did;

	/* iov_base is not const, but sending only reads from it */
	memcpy(&iov.iov_base, &p, sizeof(p));
	if (pass >= 0) {
		memset(&control, 0, sizeof(control));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control.room);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &pass, sizeof(pass));
	}
	do {
		did = sockcall_sendmsg(fd, &m, flags | MSG_NOSIGNAL);
	} while (did < 0 && errno == EINTR);
	return did < 0 ? -1 : 0;
}

int helper_receive(int fd, void *p, size_t n, int *passed, int flags)
{
	union control control;
	struct iovec iov = { p, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int got = -1;
	ssize_t did;

	memset(&control, 0, sizeof(control));
	/* Without room for it, a descriptor that is sent is dropped. */
	if (passed) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control.room);
	}
	do {
		did = recvmsg(fd, &m, flags | MSG_CMSG_CLOEXEC);
	} while (did < 0 && errno == EINTR);
	if (did > 0 && passed && m.msg_controllen >= CMSG_LEN(sizeof(int)) &&
	    control.header.cmsg_level == SOL_SOCKET &&
	    control.header.cmsg_type == SCM_RIGHTS)
		memcpy(&got, CMSG_DATA(&control.header), sizeof(got));
	if (did >= 0 && ((size_t)did != n || (m.msg_flags & MSG_TRUNC))) {
		io_close(&got);
		errno = did == 0 ? EPIPE : EMSGSIZE;
		did = -1;
	}
	if (did < 0 && errno == ECONNRESET)
		errno = EPIPE;
	if (passed)
		*passed = got;
	return did < 0 ? -1 : 0;
}
