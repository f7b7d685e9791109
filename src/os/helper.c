/*
 * fork(), and a pair of sockets.
 */
#include "os/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "os/packet.h"
#include "os/process.h"

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

static int move_fd(int from, int to)
{
	return dup2(from, to) < 0 ? -1 : fcntl(to, F_SETFD, FD_CLOEXEC);
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
	if (arrange_stdio(stdio) < 0 || move_fd(sock, HELPER_SOCKET) < 0)
		return -1;
	if (keep < 0) {
		process_close_from(HELPER_SOCKET + 1);
		return 0;
	}
	if (move_fd(keep, HELPER_KEPT) < 0)
		return -1;
	process_close_from(HELPER_KEPT + 1);
	return 0;
}

static _Noreturn void be_helper(const struct helper_config *cfg, int sock)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE,
				       SIGUSR1 };
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
	if (packet_pair(fds) < 0)
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

int helper_ends(const struct helper *h, int ms)
{
	/* POLLHUP, which need not be asked for: its socket is closed. */
	struct pollfd pfd = { .fd = h->fd };

	(void)shutdown(h->fd, SHUT_WR);
	return poll(&pfd, 1, ms) > 0;
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

int helper_send(int fd, const void *p, size_t n, int pass, int flags)
{
	return packet_send(fd, p, n, pass, flags);
}

int helper_receive(int fd, void *p, size_t n, int *passed, int flags)
{
	return packet_receive(fd, p, n, passed, flags);
}
