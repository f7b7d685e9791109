/*
 * Two processes and a pair of sockets that keeps messages apart.  The one split
 * off has a child for each question: a question that nobody waits for any more
 * is ended by killing it.  Everything from serve() down happens there.
 */
#include "net/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "net/addr.h"
#include "os/cancel.h"
#include "os/process.h"

enum { SOCK_FD = STDERR_FILENO + 1 /* in the process that was split off */ };

struct resolver {
	int fd;
	pid_t pid;
	uint32_t id; /* of the last question */
};

struct question {
	uint32_t id; /* 1 and up */
	int family;
	uint16_t port;
	char host[ADDR_HOST_MAX];
};

struct answer {
	uint32_t id; /* of the question; 0: the process could not begin */
	int gai;     /* of getaddrinfo() */
	int error;   /* errno, with EAI_SYSTEM */
	struct resolved found;
	char text[256]; /* with id 0 */
};

/* -------------------------------------------------------------- looking up */

/* Returns getaddrinfo()'s result. */
static int look_up(const struct question *q, int flags, struct resolved *found)
{
	/* No AI_ADDRCONFIG: "::1" and "127.0.0.1" must work on a host that has
	 * only loopback addresses. */
	const struct addrinfo hints = {
		.ai_family = q->family,
		.ai_socktype = SOCK_STREAM,
		.ai_protocol = IPPROTO_TCP,
		.ai_flags = AI_NUMERICSERV | flags,
	};
	struct addrinfo *list = NULL;
	char port[8];
	int rc;

	snprintf(port, sizeof(port), "%u", (unsigned)q->port);
	found->count = 0;
	rc = getaddrinfo(q->host, port, &hints, &list);
	if (rc)
		return rc;
	for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		if (found->count == RESOLVED_MAX ||
		    ai->ai_addrlen > sizeof(found->list[0].addr))
			continue;
		memcpy(&found->list[found->count].addr, ai->ai_addr,
		       ai->ai_addrlen);
		found->list[found->count++].len = ai->ai_addrlen;
	}
	freeaddrinfo(list);
	return found->count > 0 ? 0 : EAI_NONAME;
}

static int set_error(const struct resolver_query *q, int gai, struct err *e)
{
	if (gai == EAI_MEMORY)
		return err_set(e, ERR_RESOURCE, "out of memory");
	if (gai == EAI_SYSTEM)
		return err_sys(e, ERR_CONNECT, "cannot resolve host %s",
			       q->host);
	return err_set(e, ERR_CONNECT, "cannot resolve host %s: %s", q->host,
		       gai_strerror(gai));
}

/* ------------------------------------------------ in the process split off */

static void answer_question(const struct question *q)
{
	struct answer a;

	memset(&a, 0, sizeof(a));
	a.id = q->id;
	a.gai = look_up(q, 0, &a.found);
	a.error = errno;
	(void)send(SOCK_FD, &a, sizeof(a), MSG_NOSIGNAL);
	_exit(0);
}

static void end_child(pid_t *pid)
{
	if (*pid <= 0)
		return;
	(void)kill(*pid, SIGKILL);
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}

/* Nothing of the sender's is kept: not its standard input, whose writer would
 * wait for us, nor its output. */
static int arrange_descriptors(int sock)
{
	const int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
		return -1;
	if (sock != SOCK_FD && dup2(sock, SOCK_FD) < 0)
		return -1;
	process_close_from(SOCK_FD + 1);
	return 0;
}

static void serve(int sock, resolver_confine_fn *confine, const void *ctx)
{
	struct answer failed;
	struct question q;
	struct err e;
	pid_t child = 0;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	if (arrange_descriptors(sock) < 0)
		_exit(1);
	if (confine && confine(ctx, &e) < 0) {
		memset(&failed, 0, sizeof(failed));
		snprintf(failed.text, sizeof(failed.text), "%.255s", e.text);
		(void)send(SOCK_FD, &failed, sizeof(failed), MSG_NOSIGNAL);
		_exit(1);
	}
	for (;;) {
		const ssize_t n = recv(SOCK_FD, &q, sizeof(q), 0);

		if (n < 0 && errno == EINTR)
			continue;
		/* A new question, or the end: nobody waits for the answer to
		 * the former one. */
		end_child(&child);
		if (n != sizeof(q))
			break;
		q.host[sizeof(q.host) - 1] = '\0';
		child = fork();
		if (child == 0)
			answer_question(&q);
	}
	_exit(0);
}

/* ------------------------------------------------------------ in our process */

struct resolver *resolver_start(resolver_confine_fn *confine, const void *ctx,
				struct err *e)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int fds[2];

	if (!r ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		err_sys(e, ERR_RESOURCE, "cannot start resolving names");
		free(r);
		return NULL;
	}
	r->pid = fork();
	if (r->pid == 0)
		serve(fds[1], confine, ctx);
	io_close(&fds[1]);
	r->fd = fds[0];
	if (r->pid > 0)
		return r;
	err_sys(e, ERR_RESOURCE, "cannot start a process to resolve names");
	resolver_stop(r);
	return NULL;
}

void resolver_stop(struct resolver *r)
{
	if (!r)
		return;
	/* It ends then, and needs no signal, which the sandbox would forbid. */
	io_close(&r->fd);
	if (r->pid > 0)
		while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
			;
	free(r);
}

/* Wait until the process has said something.  Returns 0 or an error. */
static int await_answer(const struct resolver *r,
			const struct resolver_query *q, struct err *e)
{
	struct pollfd fds[2] = {
		{ .fd = r->fd, .events = POLLIN },
		{ .fd = cancel_fd(q->cancel), .events = POLLIN },
	};

	for (;;) {
		const int left = clock_left_ms(q->deadline_ms);
		int n;

		if (cancel_is_set(q->cancel))
			return err_set(e, ERR_INTERRUPTED,
				       "interrupted while resolving a name");
		if (left == 0)
			return err_set(e, ERR_CONNECT,
				       "cannot resolve host %s: no answer "
				       "within %d s (does this host's name "
				       "server work?)",
				       q->host, q->timeout_ms / 1000);
		n = poll(fds, 2, left);
		if (n > 0 && fds[0].revents)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_RESOURCE, "waiting");
	}
}

static int ask(struct resolver *r, const struct question *question,
	       const struct resolver_query *q, struct resolved *found,
	       struct err *e)
{
	struct answer a;
	ssize_t n = send(r->fd, question, sizeof(*question), MSG_NOSIGNAL);
	int rc = 0;

	do {
		/* Where sending failed, it may have said why it ended. */
		if (n == sizeof(*question))
			rc = await_answer(r, q, e);
		if (rc)
			return rc;
		memset(&a, 0, sizeof(a));
		n = recv(r->fd, &a, sizeof(a), MSG_DONTWAIT);
		if (n == sizeof(a) && a.id == 0)
			return err_set(e, ERR_RESOURCE, "%s", a.text);
		if (n != sizeof(a))
			return err_set(e, ERR_CONNECT,
				       "cannot resolve host %s: the process "
				       "that resolves names has ended",
				       q->host);
		n = sizeof(*question);
	} while (a.id != question->id); /* the answer to a former one */
	errno = a.error;
	if (a.gai)
		return set_error(q, a.gai, e);
	*found = a.found;
	return found->count > 0 && found->count <= RESOLVED_MAX
		       ? 0
		       : set_error(q, EAI_NONAME, e);
}

/* The zone of an IPv6 address, such as "eth0"; NULL where there is none. */
static const char *zone_of(const char *host)
{
	const char *zone = strchr(host, '%');

	return zone && strchr(host, ':') ? zone + 1 : NULL;
}

int resolver_is_address(const char *host)
{
	struct question q = { .family = AF_UNSPEC };
	struct resolved found;

	snprintf(q.host, sizeof(q.host), "%s", host);
	return zone_of(host) || look_up(&q, AI_NUMERICHOST, &found) == 0;
}

int resolver_find(struct resolver *r, const struct resolver_query *q,
		  struct resolved *found, struct err *e)
{
	const char *zone = zone_of(q->host);
	struct question question;
	int rc;

	memset(&question, 0, sizeof(question));
	question.family = q->family;
	question.port = q->port;
	snprintf(question.host, sizeof(question.host), "%s", q->host);
	rc = look_up(&question, AI_NUMERICHOST, found);
	if (rc == 0)
		return 0;
	/* An interface may come up later. */
	if (zone && if_nametoindex(zone) == 0)
		return err_set(e, ERR_CONNECT,
			       "cannot connect to %s: this host has no "
			       "network interface %s",
			       q->host, zone);
	if (rc != EAI_NONAME)
		return set_error(q, rc, e);
	if (!r) {
		rc = look_up(&question, 0, found);
		return rc ? set_error(q, rc, e) : 0;
	}
	question.id = ++r->id;
	return ask(r, &question, q, found, e);
}
