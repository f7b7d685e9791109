/*
 * Setting up, then the accept loop.  Each connection has a thread.
 */
#include "receiver/receive.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "fs/mode_rules.h"
#include "receiver/connection.h"
#include "receiver/exec_events.h"
#include "receiver/exec_helper.h"
#include "receiver/fd_budget.h"
#include "receiver/sessions.h"
#include "receiver/setup.h"
#include "session/admission.h"
#include "session/listener.h"

enum {
	STOP_CHECK_MS = 100,
	/* How long streams have to tell their senders that the receiver ends:
	 * a tick until they notice, and time to send. */
	STOP_TELL_MS = 2000,
};

/* Belongs to the thread of the accept loop. */
struct receiver {
	struct recv_setup setup;
	struct admission *admission;
	struct sessions *sessions;
	struct recv_connection_set *connections;
	unsigned pending_max;
	struct listener listener;
};

/* ---- setting up ---- */

static int open_root(struct recv_setup *setup, struct err *e)
{
	const char *dir = setup->cfg->dir;
	struct stat st;

	if (setup->cfg->to_stdout)
		return 0;
	setup->root_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (setup->root_fd < 0 || fstat(setup->root_fd, &st))
		return err_sys(e, ERR_LOCAL, "cannot open directory %s", dir);
	setup->root_dev = (uint64_t)st.st_dev;
	return 0;
}

static void on_connection(void *ctx, int fd, const char *peer,
			  const struct sockaddr_storage *sa)
{
	recv_connection_start(ctx, fd, peer, sa);
}

/* Open the socket, then confine the process: nothing is accepted before
 * that. */
static int start_listening(struct receiver *r, struct err *e)
{
	const struct receive_config *cfg = r->setup.cfg;
	const struct session_events *ev = cfg->events;
	const struct listener_config listener = {
		.port = cfg->port,
		.net = &cfg->net,
		.allow = cfg->allow,
		.events = ev,
		.admission = r->admission,
		.refusals = &r->setup.refusals,
		.batch = r->pending_max,
		.on_connection = on_connection,
		.ctx = r->connections,
	};
	char local[ADDR_TEXT_MAX], confined[SANDBOX_TEXT_MAX];
	uint16_t port = 0;
	int rc = listener_open(&r->listener, &listener, local, &port, e);

	if (rc)
		return rc;
	rc = sandbox_receiver(cfg->sandbox, r->setup.root_fd, confined, e);
	if (rc)
		return rc;
	events_message(ev, SESSION_VERBOSE, "%s", confined);
	if (ev->listening)
		ev->listening(ev->ctx, local, port);
	if (ev->started)
		ev->started(ev->ctx);
	return 0;
}

static int start_connecting(struct receiver *r, struct err *e)
{
	const struct receive_config *cfg = r->setup.cfg;
	char confined[SANDBOX_TEXT_MAX];
	int rc;

	if ((cfg->sandbox != SANDBOX_OFF && !cfg->carrier) || !cfg->once)
		return err_set(e, ERR_INTERNAL,
			       "a receiver that connects is not confined, and "
			       "ends after one session");
	/* Waiting for a connection to be made ends only by a descriptor. */
	if (cancel_init(&r->setup.stop))
		return err_sys(e, ERR_RESOURCE, "starting to connect");
	rc = sandbox_receiver(cfg->sandbox, r->setup.root_fd, confined, e);
	if (rc)
		return rc;
	events_message(cfg->events, SESSION_VERBOSE, "%s", confined);
	if (cfg->events->started)
		cfg->events->started(cfg->events->ctx);
	return recv_connection_connect(r->connections, e);
}

static int has_session(void *ctx, uint64_t source)
{
	return sessions_has_source(ctx, source);
}

static int set_up(struct receiver *r, const struct receive_config *cfg,
		  struct err *e)
{
	struct recv_setup *setup = &r->setup;
	struct admission_config admission = {
		.mode = &setup->mode,
		.has_session = has_session,
	};

	memset(r, 0, sizeof(*r));
	setup->cfg = cfg;
	setup->mode.role = cfg->connect_to || cfg->carrier ? NET_CONNECTS : NET_LISTENS;
	setup->mode.tls = cfg->tls;
	setup->mode.pake = cfg->pake;
	setup->root_fd = r->listener.fd = -1;
	/* While we listen a flag is enough, and saves descriptors: sessions
	 * check it every second, and pending connections have tokens of their
	 * own. */
	cancel_init_flag(&setup->stop);
	rate_limit_init(&setup->rate_limit, cfg->limit_rate);
	refusals_init(&setup->refusals, cfg->events);
	journal_get_boot(setup->boot);
	/* So that files can be created with just the modes they are to have. */
	setup->umask = umask(0);
	setup->dir_mode = 0777 & ~setup->umask;
	/* Not wider than --chmod says until their modes are set at the end, but
	 * files have to be created in them. */
	if (cfg->chmod)
		setup->dir_mode = mode_rules_apply(cfg->chmod, setup->dir_mode,
						   1, setup->umask) |
				  0700;
	setup->fds = fd_budget_new(cfg->once ? 1 : cfg->max_sessions);
	if (setup->fds)
		r->pending_max = fd_budget_take_pending(
			setup->fds, cfg->pake ? LISTENER_PENDING_CODE :
						LISTENER_PENDING_MAX);
	r->sessions = sessions_new(setup);
	admission.max = r->pending_max;
	admission.ctx = r->sessions;
	r->admission = admission_new(&admission);
	r->connections =
		recv_connection_set_new(setup, r->admission, r->sessions);
	if (!setup->fds || !r->sessions || !r->admission || !r->connections)
		return err_sys(e, ERR_RESOURCE, "cannot begin to receive");
	return 0;
}

static void tear_down(struct receiver *r)
{
	struct recv_setup *setup = &r->setup;

	recv_connection_set_free(r->connections);
	admission_free(r->admission);
	sessions_free(r->sessions);
	fd_budget_free(setup->fds);
	umask(setup->umask);
	rate_limit_release(&setup->rate_limit);
	listener_close(&r->listener);
	refusals_release(&setup->refusals);
	cancel_release(&setup->stop);
	io_close(&setup->root_fd);
}

/* ---- accepting ---- */

/* Accept connections and reap their threads, until the receiver is to end.
 * Returns 0, ERR_INTERRUPTED or ERR_RESOURCE. */
static int accept_loop(struct receiver *r, struct err *e)
{
	const struct receive_config *cfg = r->setup.cfg;
	struct pollfd fds[4] = {
		{ .fd = recv_connection_wake_fd(r->connections),
		  .events = POLLIN },
		{ .fd = cfg->cancel_fd, .events = POLLIN },
		{ .fd = cfg->exec ? exec_helper_fd(cfg->exec) : -1,
		  .events = POLLIN },
		{ .fd = r->listener.fd, .events = POLLIN },
	};
	int pause = 0, left_ms, due_ms; /* pause: accept nothing for this many ms */

	while (!sessions_have_ended(r->sessions, &left_ms)) {
		int n;

		due_ms = refusals_tick(&r->setup.refusals);
		if (due_ms >= 0 && (left_ms < 0 || due_ms < left_ms))
			left_ms = due_ms;
		/* During a pause the listener, which is the last, is left out:
		 * it would be readable all the time. */
		n = poll(fds, pause ? 3 : 4, pause ? pause : left_ms);
		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_RESOURCE, "waiting");
		if (n > 0 && fds[0].revents)
			recv_connection_clear_wake(r->connections);
		(void)recv_connection_reap(r->connections);
		recv_connection_connect_further(r->connections);
		if (n > 0 && fds[1].revents)
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		if (n > 0 && fds[2].revents &&
		    exec_events_reports(&r->setup) == ERR_CLOSED)
			fds[2].fd = -1;
		if (pause || (n > 0 && fds[3].revents))
			pause = listener_accept(&r->listener);
	}
	return 0;
}

/* End all connections and wait for their threads. */
static void stop_all(struct receiver *r)
{
	struct pollfd pfd = {
		.fd = recv_connection_wake_fd(r->connections),
		.events = POLLIN,
	};
	const uint64_t tell_until_ms = clock_ms() + STOP_TELL_MS;

	cancel_set(&r->setup.stop);
	/* Pending ones may be in the middle of a handshake. */
	admission_close(r->admission);
	/* Streams see setup.stop with their next tick, send ERROR and close.
	 * After STOP_TELL_MS they are aborted. */
	/* Reap before each wait: the wake-up of the last thread may have been
	 * cleared already. */
	while (recv_connection_reap(r->connections) > 0) {
		if (poll(&pfd, 1, STOP_CHECK_MS) > 0)
			recv_connection_clear_wake(r->connections);
		if (clock_left_ms(tell_until_ms) == 0)
			sessions_stop(r->sessions);
	}
}

int receive_run(const struct receive_config *cfg, struct err *e)
{
	struct receiver r;
	int rc;

	err_clear(e);
	rc = set_up(&r, cfg, e);
	if (rc == 0)
		rc = open_root(&r.setup, e);
	if (rc == 0)
		rc = cfg->connect_to || cfg->carrier ? start_connecting(&r, e) :
				       start_listening(&r, e);
	if (rc == 0) {
		rc = accept_loop(&r, e);
		listener_close(&r.listener);
		stop_all(&r);
		exec_events_end(&r.setup);
		if (rc == 0) {
			sessions_get_result(r.sessions, e);
			rc = e->code;
		}
	}
	tear_down(&r);
	return rc;
}
