/*
 * The helper has a thread for each connection that is being made.  A request
 * that is cancelled, or given up at its deadline, is cancelled there as well;
 * a thread that is resolving a name then goes on until libc's resolver has
 * ended, and for nobody.
 *
 * Here, each thread with a request waits for the socket, and one that receives
 * the reply to another's request hands it over.
 */
#include "net/connector.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "net/dial.h"
#include "net/proxy.h"
#include "net/resolver.h"
#include "os/cancel.h"
#include "os/helper.h"
#include "os/thread.h"
#include "os/wake.h"

enum {
	/* Requests at a time, also of those that were given up: more than there
	 * are streams. */
	JOBS_MAX = 256,
	/* The helper replies at the deadline of connecting; where it does not,
	 * it is still resolving the name. */
	GRACE_MS = 300,
	/* connector_any(): below are the ports of services. */
	PORT_MIN = 1024,
};

enum request_kind { FIRST, ANY, FURTHER, CANCEL };

struct request {
	uint32_t id; /* 1 and up */
	uint32_t kind;
	uint32_t count; /* ANY: of addresses */
	struct dial_peer peers[CONNECTOR_ADDRESSES_MAX];
};

/* With a descriptor where code is 0. */
struct reply {
	uint32_t id; /* of the request; 0: the helper could not begin */
	int32_t code;
	int32_t sys_errno;
	char peer[ADDR_TEXT_MAX];
	char text[sizeof(((struct err *)NULL)->text)];
};

/* ---- in the helper ---- */

struct job {
	struct job *next;
	struct maker *maker;
	struct request request;
	struct cancel cancel;
};

struct maker {
	const struct connector_config *cfg;
	pthread_mutex_t lock; /* guards the rest */
	struct job *jobs;
	unsigned count;
	int has_peer;
	struct dial_peer peer; /* of the last FIRST or ANY */
	pthread_mutex_t sending; /* threads take turns, see os/packet.h */
};

static void send_reply(struct maker *m, const struct request *q, int fd,
		       const char *peer, const struct err *e)
{
	struct reply r;

	memset(&r, 0, sizeof(r));
	r.id = q->id;
	if (fd < 0) {
		r.code = e->code;
		r.sys_errno = e->sys_errno;
		snprintf(r.text, sizeof(r.text), "%s", e->text);
	}
	snprintf(r.peer, sizeof(r.peer), "%s", peer);
	pthread_mutex_lock(&m->sending);
	/* Where this fails the other process is gone. */
	(void)helper_send(HELPER_SOCKET, &r, sizeof(r), fd, 0);
	pthread_mutex_unlock(&m->sending);
}

/* Whether connector_any() may connect to this. */
static int is_allowed(const struct maker *m, const struct dial_peer *to)
{
	const struct sockaddr *sa = (const struct sockaddr *)&to->addr;
	const uint16_t port = addr_port(sa);

	return !addr_is_multicast(sa) && port != 0 &&
	       (port >= PORT_MIN || port == m->cfg->port);
}

/* Connect to the host, or to one of the addresses of the request. */
static int connect_first(struct job *j, char *peer, struct err *e)
{
	const struct maker *m = j->maker;
	const struct request *q = &j->request;

	if (q->kind == FIRST && m->cfg->to)
		return dial_connect(m->cfg->to, m->cfg->net, &j->cancel, peer,
				    e);
	if (q->kind == FIRST || m->cfg->to || q->count < 1 ||
	    q->count > CONNECTOR_ADDRESSES_MAX)
		return err_set(e, ERR_INTERNAL, "malformed request");
	for (uint32_t i = 0; i < q->count; i++) {
		if (!is_allowed(m, &q->peers[i]))
			return err_set(e, ERR_CONNECT,
				       "the other side named an address that "
				       "is not connected to");
	}
	return dial_connect_any(q->peers, q->count, m->cfg->net, &j->cancel,
				peer, e);
}

static int connect_job(struct job *j, char *peer, struct err *e)
{
	struct maker *m = j->maker;
	const struct connector_config *cfg = m->cfg;
	struct dial_peer to;
	int fd, has_peer;

	if (j->request.kind != FURTHER) {
		fd = connect_first(j, peer, e);
		if (fd >= 0 && dial_get_peer(fd, &to, e)) {
			io_close(&fd);
			return e->code;
		}
		pthread_mutex_lock(&m->lock);
		if (fd >= 0) {
			m->peer = to;
			m->has_peer = 1;
		}
		pthread_mutex_unlock(&m->lock);
		return fd;
	}
	pthread_mutex_lock(&m->lock);
	to = m->peer;
	has_peer = m->has_peer;
	pthread_mutex_unlock(&m->lock);
	if (!has_peer)
		return err_set(e, ERR_INTERNAL, "no first connection was made");
	return dial_connect_peer(&to, cfg->net, &j->cancel, e);
}

static void job_free(struct job *j)
{
	struct maker *m = j->maker;

	pthread_mutex_lock(&m->lock);
	for (struct job **p = &m->jobs; *p; p = &(*p)->next) {
		if (*p == j) {
			*p = j->next;
			m->count--;
			break;
		}
	}
	pthread_mutex_unlock(&m->lock);
	cancel_release(&j->cancel);
	free(j);
}

static void *job_main(void *arg)
{
	struct job *j = arg;
	char peer[ADDR_TEXT_MAX] = "";
	struct err e;
	int fd;

	err_clear(&e);
	fd = connect_job(j, peer, &e);
	send_reply(j->maker, &j->request, fd, peer, &e);
	io_close(&fd);
	job_free(j);
	return NULL;
}

/* Returns 0, or -1 with errno. */
static int start_job(struct maker *m, const struct request *q)
{
	struct job *j = calloc(1, sizeof(*j));
	pthread_t thread;
	int saved;

	if (!j)
		return -1;
	j->maker = m;
	j->request = *q;
	/* Without a descriptor it is only not cancelled while it waits. */
	(void)cancel_init(&j->cancel);
	pthread_mutex_lock(&m->lock);
	j->next = m->jobs;
	m->jobs = j;
	m->count++;
	saved = m->count > JOBS_MAX ? EAGAIN : 0;
	pthread_mutex_unlock(&m->lock);
	if (saved == 0 && thread_start(&thread, job_main, j) == 0) {
		(void)pthread_detach(thread);
		return 0;
	}
	saved = saved ? saved : errno;
	job_free(j);
	errno = saved;
	return -1;
}

static void cancel_job(struct maker *m, uint32_t id)
{
	pthread_mutex_lock(&m->lock);
	for (struct job *j = m->jobs; j; j = j->next) {
		if (j->request.id == id)
			cancel_set(&j->cancel);
	}
	pthread_mutex_unlock(&m->lock);
}

static void serve(void *ctx)
{
	struct maker m = { .cfg = ctx,
			   .lock = PTHREAD_MUTEX_INITIALIZER,
			   .sending = PTHREAD_MUTEX_INITIALIZER };
	struct request q = { .id = 0 };
	struct err e;

	err_clear(&e);
	if (m.cfg->confine && m.cfg->confine(m.cfg->ctx, &e) < 0) {
		send_reply(&m, &q, -1, "", &e);
		return;
	}
	while (helper_receive(HELPER_SOCKET, &q, sizeof(q), NULL, 0) == 0) {
		if (q.kind == CANCEL) {
			cancel_job(&m, q.id);
		} else if (start_job(&m, &q) < 0) {
			err_sys(&e, ERR_RESOURCE, "cannot make a connection");
			send_reply(&m, &q, -1, "", &e);
		}
	}
}

/* ---- in our process ---- */

/* A thread that waits for a reply; on its stack. */
struct waiter {
	struct waiter *next;
	uint32_t id;
	struct wake wake; /* signalled when it has its reply */
	int has_reply;
	struct reply reply;
	int fd; /* with the reply; -1 */
};

struct connector {
	struct connector_config cfg;
	struct helper helper;
	pthread_mutex_t sending; /* threads take turns, see os/packet.h */
	pthread_mutex_t lock; /* guards the rest */
	struct waiter *waiters;
	uint32_t id; /* of the last request */
	int is_over; /* the helper is gone */
	struct err why; /* with is_over, where it said so */
};

struct connector *connector_start(const struct connector_config *cfg,
				  struct err *e)
{
	struct connector *c = calloc(1, sizeof(*c));
	struct helper_config helper = { HELPER_STDIO_NONE, -1, serve, NULL };

	if (!c) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	c->cfg = *cfg;
	helper.ctx = &c->cfg;
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->sending, NULL);
	if (helper_start(&c->helper, &helper) == 0)
		return c;
	err_sys(e, ERR_RESOURCE, "cannot start a process to make connections");
	connector_stop(c);
	return NULL;
}

void connector_stop(struct connector *c)
{
	if (!c)
		return;
	helper_stop(&c->helper, 1);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->sending);
	free(c);
}

/* Give a reply to the thread that waits for it.  c->lock is held. */
static void hand_over(struct connector *c, const struct reply *r, int fd)
{
	struct waiter *w = c->waiters;

	while (w && w->id != r->id)
		w = w->next;
	if (!w) {
		/* nobody does any more */
		io_close(&fd);
		return;
	}
	w->reply = *r;
	w->fd = fd;
	w->has_reply = 1;
	wake_signal(&w->wake);
}

/* Receive what has arrived.  c->lock is held. */
static void receive_replies(struct connector *c)
{
	struct reply r;
	int fd;

	while (!c->is_over) {
		if (helper_receive(c->helper.fd, &r, sizeof(r), &fd,
				   MSG_DONTWAIT) < 0) {
			c->is_over = errno != EAGAIN;
			break;
		}
		r.text[sizeof(r.text) - 1] = '\0';
		r.peer[sizeof(r.peer) - 1] = '\0';
		if (r.id == 0) {
			err_set(&c->why, ERR_RESOURCE, "%s", r.text);
			c->is_over = 1;
			io_close(&fd);
		} else {
			hand_over(c, &r, fd);
		}
	}
	for (struct waiter *w = c->waiters; c->is_over && w; w = w->next)
		wake_signal(&w->wake);
}

/* A name is being resolved, or else the helper is stuck. */
static int set_timeout(const struct connector *c, struct err *e)
{
	const struct proxy *proxy = c->cfg.net->proxy;
	const struct host_port *to = proxy ? &proxy->at : c->cfg.to;
	const char *host = to ? to->host : "the other host";

	if (!to || resolver_is_address(host))
		return err_set(e, ERR_CONNECT,
			       "cannot connect to %s port %u: the process that "
			       "makes the connections does not answer",
			       host, to ? (unsigned)to->port : 0);
	return err_set(e, ERR_CONNECT,
		       "cannot resolve host %s: no answer within %d s (does "
		       "this host's name server work?)",
		       host, dial_connect_ms(c->cfg.net) / 1000);
}

/* Wait until the reply is there.  Returns 0 or an error. */
static int await_reply(struct connector *c, struct waiter *w,
		       const struct cancel *cancel, struct err *e)
{
	const int timeout_ms = dial_connect_ms(c->cfg.net);
	const uint64_t deadline_ms =
		clock_ms() + (uint64_t)timeout_ms + GRACE_MS;
	struct pollfd fds[3] = {
		{ .fd = c->helper.fd, .events = POLLIN },
		{ .fd = w->wake.fd, .events = POLLIN },
		{ .fd = cancel_fd(cancel), .events = POLLIN },
	};

	for (;;) {
		const int left =
			timeout_ms > 0 ? clock_left_ms(deadline_ms) : -1;
		int is_over, has_reply;

		if (cancel_is_set(cancel))
			return err_set(e, ERR_INTERRUPTED,
				       "interrupted while connecting");
		if (left == 0)
			return set_timeout(c, e);
		if (poll(fds, 3, left) < 0 && errno != EINTR)
			return err_sys(e, ERR_RESOURCE, "cannot wait for connections");
		pthread_mutex_lock(&c->lock);
		if (!w->has_reply)
			receive_replies(c);
		has_reply = w->has_reply;
		is_over = c->is_over;
		pthread_mutex_unlock(&c->lock);
		if (has_reply)
			return 0;
		if (is_over)
			return c->why.code
				       ? err_set(e, c->why.code, "%s",
						 c->why.text)
				       : err_set(e, ERR_RESOURCE,
						 "the process that makes the "
						 "connections has ended");
	}
}

/* Take the descriptor out of the reply, or the error. */
static int take_reply(struct waiter *w, char *peer, struct err *e)
{
	const struct reply *r = &w->reply;
	socklen_t len = sizeof(int);
	int fd = w->fd, type = 0;

	w->fd = -1;
	if (peer)
		snprintf(peer, ADDR_TEXT_MAX, "%s", r->peer);
	if (r->code) {
		io_close(&fd);
		err_set(e, r->code < 0 ? r->code : ERR_INTERNAL, "%s", r->text);
		e->sys_errno = r->sys_errno;
		return e->code;
	}
	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_STREAM)
		return fd;
	io_close(&fd);
	/* The kernel drops a descriptor that this process has no room for. */
	return err_set(e, ERR_RESOURCE,
		       "cannot take over a connection: too many open files?");
}

static void remove_waiter(struct connector *c, struct waiter *w)
{
	pthread_mutex_lock(&c->lock);
	for (struct waiter **p = &c->waiters; *p; p = &(*p)->next) {
		if (*p == w) {
			*p = w->next;
			break;
		}
	}
	pthread_mutex_unlock(&c->lock);
	wake_close(&w->wake);
	/* handed over after its thread had given up */
	io_close(&w->fd);
}

static void send_request(struct connector *c, const struct request *q, int flags)
{
	pthread_mutex_lock(&c->sending);
	(void)helper_send(c->helper.fd, q, sizeof(*q), -1, flags);
	pthread_mutex_unlock(&c->sending);
}

static int ask(struct connector *c, struct request *q,
	       const struct cancel *cancel, char *peer, struct err *e)
{
	struct waiter w = { .fd = -1 };
	int rc = 0;

	if (wake_open(&w.wake) < 0)
		return err_sys(e, ERR_RESOURCE, "cannot connect");
	pthread_mutex_lock(&c->lock);
	q->id = w.id = ++c->id;
	w.next = c->waiters;
	c->waiters = &w;
	pthread_mutex_unlock(&c->lock);
	/* Where the helper is gone, its last message may say why. */
	send_request(c, q, 0);
	rc = await_reply(c, &w, cancel, e);
	if (rc < 0) {
		q->kind = CANCEL;
		send_request(c, q, MSG_DONTWAIT);
	} else {
		rc = take_reply(&w, peer, e);
	}
	remove_waiter(c, &w);
	return rc;
}

int connector_first(struct connector *c, const struct cancel *cancel,
		    char *peer, struct err *e)
{
	struct request q = { .kind = FIRST };

	return ask(c, &q, cancel, peer, e);
}

int connector_any(struct connector *c, const struct dial_peer *peers,
		  size_t count, const struct cancel *cancel, char *peer,
		  struct err *e)
{
	struct request q = { .kind = ANY, .count = (uint32_t)count };

	if (count > CONNECTOR_ADDRESSES_MAX)
		return err_set(e, ERR_INTERNAL, "too many addresses");
	memcpy(q.peers, peers, count * sizeof(*peers));
	return ask(c, &q, cancel, peer, e);
}

int connector_further(struct connector *c, const struct cancel *cancel,
		      struct err *e)
{
	struct request q = { .kind = FURTHER };

	return ask(c, &q, cancel, NULL, e);
}
