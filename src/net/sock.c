/*
 * Single steps of input and output on a socket.  The socket is blocking
 * with a receive timeout of one tick: to wait in recv(2) itself, with
 * MSG_WAITALL for large reads, takes one system call, where poll(2) and recv(2)
 * would take two for every segment that arrives.  Calls that must not wait use
 * MSG_DONTWAIT.
 *
 * What sshd gives a command are pipes, which have none of these: they do not
 * block, and every wait is in poll(2).
 */
#include "net/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "os/sockcall.h"
#include "os/tcp.h"

static void init(struct sock *k, int fd, int timeout_ms)
{
	memset(k, 0, sizeof(*k));
	k->fd = fd;
	k->out_fd = k->abort_wake.fd = -1;
	k->timeout_ms = timeout_ms;
	k->tick_ms = SOCK_TICK_MS;
	k->progress_ms = clock_ms();
	atomic_init(&k->aborted, 0);
	atomic_init(&k->bytes_in, 0);
	atomic_init(&k->bytes_out, 0);
}

int sock_init(struct sock *k, int fd, int timeout_ms, struct err *e)
{
	struct timeval tick = { .tv_sec = SOCK_TICK_MS / 1000 };
	int flags;

	init(k, fd, timeout_ms);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ||
	    sockcall_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tick,
				sizeof(tick)) < 0)
		return err_sys(e, ERR_LOST, "cannot set up the connection");
	/* It was set for connecting.  From here on step_ms() enforces
	 * timeout_ms: the kernel would also end a connection whose peer is
	 * alive and sends heart-beats, but does not read for a while (a zero
	 * window). */
	tcp_wait_unanswered(fd);
	return 0;
}

static int set_nonblocking(int fd)
{
	const int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int sock_init_pair(struct sock *k, int in, int out, int timeout_ms,
		   struct err *e)
{
	init(k, in, timeout_ms);
	k->is_pair = 1;
	k->out_fd = out;
	if (set_nonblocking(in) < 0 || set_nonblocking(out) < 0)
		return err_sys(e, ERR_LOST, "cannot set up the connection");
	if (wake_open(&k->abort_wake))
		return err_sys(e, ERR_RESOURCE, "cannot set up the connection");
	return 0;
}

void sock_set_tick(struct sock *k, int tick_ms)
{
	const struct timeval tick = {
		.tv_sec = tick_ms / 1000,
		.tv_usec = tick_ms % 1000 * 1000,
	};

	if (k->is_pair || sockcall_setsockopt(k->fd, SOL_SOCKET, SO_RCVTIMEO,
					      &tick, sizeof(tick)) == 0)
		k->tick_ms = tick_ms;
}

void sock_disown(struct sock *k)
{
	k->fd = k->out_fd = -1;
}

void sock_release(struct sock *k)
{
	io_close(&k->fd);
	io_close(&k->out_fd);
	if (k->is_pair)
		wake_close(&k->abort_wake);
}

void sock_end_output(struct sock *k)
{
	/* where input and output are one socket, closing one of its two
	 * descriptors ends nothing */
	(void)shutdown(k->is_pair ? k->out_fd : k->fd, SHUT_WR);
	io_close(&k->out_fd);
}

/* ------------------------------------------------------------------- time */

/* Set *ms to how long the next wait may take.  Returns 0, or ERR_TIMEOUT at the
 * deadline or after timeout_ms without progress. */
static int step_ms(const struct sock *k, int max_ms, int *ms, struct err *e)
{
	int left;

	*ms = k->tick_ms;
	if (max_ms >= 0 && max_ms < *ms)
		*ms = max_ms;
	if (k->deadline_ms > 0) {
		left = clock_left_ms(k->deadline_ms);
		if (left == 0)
			return err_set(e, ERR_TIMEOUT,
				       "the other side took too long");
		*ms = left < *ms ? left : *ms;
	}
	if (k->timeout_ms > 0) {
		if (k->waited_ms >= (uint64_t)k->timeout_ms)
			return err_set(e, ERR_TIMEOUT,
				       "no data from the other side for %d.%d "
				       "s",
				       k->timeout_ms / 1000,
				       k->timeout_ms % 1000 / 100);
		left = k->timeout_ms - (int)k->waited_ms;
		*ms = left < *ms ? left : *ms;
	}
	return 0;
}

/* A wait that takes so much longer than it was to be is one in which this
 * process was stopped. */
enum { STOPPED_MS = 1000 };

/* Only waits count towards timeout_ms, not the time that the caller takes to
 * process data; nor that in which this process was stopped. */
static void add_wait(struct sock *k, uint64_t start_ms, int most_ms)
{
	const uint64_t waited = clock_ms() - start_ms;
	const uint64_t most = (uint64_t)most_ms;

	k->waited_ms += waited < most + STOPPED_MS ? waited : most;
}

static void note_progress(struct sock *k)
{
	k->progress_ms = clock_ms();
	k->waited_ms = 0;
}

/* Only the owner writes, so that a relaxed load and store are enough; other
 * threads read. */
static void add_to(atomic_uint_fast64_t *counter, size_t n)
{
	uint_fast64_t old = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

/* --------------------------------------------------------------- transfers */

/* Translate errno of a failed transfer.  Returns ERR_AGAIN for what is no
 * failure, else the error. */
static int transfer_failed(struct sock *k, const char *what, struct err *e)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return ERR_AGAIN;
	k->is_broken = 1;
	if (sock_is_aborted(k))
		return err_set(e, ERR_LOST, "the connection was aborted");
	if (errno == ETIMEDOUT)
		return err_set(e, ERR_TIMEOUT,
			       "the other side no longer responds");
	if (errno == EPIPE)
		return err_set(e, ERR_LOST,
			       "the other side closed the connection while "
			       "this side was sending");
	return err_sys(e, ERR_LOST, "cannot %s the other side", what);
}

int sock_send(struct sock *k, const struct iovec *iov, size_t count,
	      size_t *sent, struct err *e)
{
	struct msghdr msg = { .msg_iovlen = count };
	ssize_t n;

	*sent = 0;
	/* sendmsg(2) does not change the array, though msg_iov is not const. */
	memcpy(&msg.msg_iov, &iov, sizeof(iov));
	n = k->is_pair ? writev(k->out_fd, iov, (int)count)
		       : sockcall_sendmsg(k->fd, &msg,
					  MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return transfer_failed(k, "send to", e);
	*sent = (size_t)n;
	add_to(&k->bytes_out, (size_t)n);
	if (!k->is_heartbeat)
		note_progress(k);
	return 0;
}

static int receive_once(struct sock *k, void *p, size_t n, int flags,
			size_t *got, struct err *e)
{
	ssize_t did = k->is_pair ? read(k->fd, p, n) :
				   recv(k->fd, p, n, flags);

	*got = 0;
	if (did < 0)
		return transfer_failed(k, "receive from", e);
	if (did == 0) {
		if (sock_is_aborted(k))
			return err_set(e, ERR_LOST,
				       "the connection was aborted");
		if (k->is_broken)
			return err_set(e, ERR_LOST,
				       "the connection was reset");
		return err_set(e, ERR_CLOSED,
			       "the other side closed the connection");
	}
	*got = (size_t)did;
	add_to(&k->bytes_in, (size_t)did);
	note_progress(k);
	return 0;
}

int sock_recv(struct sock *k, void *p, size_t n, size_t *got, struct err *e)
{
	return receive_once(k, p, n, MSG_DONTWAIT, got, e);
}

int sock_recv_wait(struct sock *k, void *p, size_t n, int want_all, size_t *got,
		   struct err *e)
{
	uint64_t start_ms;
	int rc, ms, revents, woken;

	*got = 0;
	rc = step_ms(k, -1, &ms, e);
	if (rc < 0)
		return rc;
	if (ms < k->tick_ms || k->cancel || k->is_pair) {
		/* SO_RCVTIMEO is a whole tick, and recv(2) cannot watch the
		 * token. */
		rc = sock_wait(k, POLLIN, -1, ms, &revents, &woken, e);
		return rc < 0 ? rc : sock_recv(k, p, n, got, e);
	}
	start_ms = clock_ms();
	rc = receive_once(k, p, n, want_all ? MSG_WAITALL : 0, got, e);
	if (rc == ERR_AGAIN)
		add_wait(k, start_ms, k->tick_ms);
	return rc;
}

int sock_wait(struct sock *k, int events, int wake_fd, int max_ms, int *revents,
	      int *woken, struct err *e)
{
	struct pollfd fds[5] = {
		{ .fd = k->fd, .events = (short)events },
		{ .fd = wake_fd, .events = POLLIN },
		{ .fd = cancel_fd(k->cancel), .events = POLLIN },
		{ .fd = k->abort_wake.fd, .events = POLLIN },
		{ .fd = -1, .events = POLLOUT },
	};
	uint64_t start_ms = clock_ms();
	int rc, ms;

	*revents = *woken = 0;
	rc = step_ms(k, max_ms, &ms, e);
	if (rc < 0)
		return rc;
	if (k->is_pair) {
		/* poll(2) reports the end of a pipe whatever is asked for */
		if (!(events & POLLIN))
			fds[0].fd = -1;
		if (events & POLLOUT)
			fds[4].fd = k->out_fd;
	}
	/* poll(2) ignores descriptors that are -1; entries at the end are left
	 * out. */
	rc = poll(fds, k->is_pair ? 5 : k->cancel ? 3 : wake_fd >= 0 ? 2 : 1,
		  ms);
	add_wait(k, start_ms, ms);
	if (rc < 0 && errno != EINTR)
		return err_sys(e, ERR_LOST, "cannot wait for the other side");
	if (rc > 0) {
		*revents = fds[0].revents | fds[4].revents;
		if (k->is_pair && fds[0].revents)
			*revents |= POLLIN;
		*woken = fds[1].revents != 0;
	}
	return 0;
}

void sock_abort(struct sock *k)
{
	atomic_store(&k->aborted, 1);
	/* Wakes the owner from recv(2) or poll(2). */
	if (k->is_pair)
		wake_signal(&k->abort_wake);
	else
		(void)shutdown(k->fd, SHUT_RDWR);
}

int sock_is_aborted(const struct sock *k)
{
	return atomic_load(&k->aborted) || cancel_is_set(k->cancel);
}
