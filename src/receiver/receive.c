/*
 * Setting up, then the accept loop.  Each connection has a thread.
 */
#include "receiver/receive.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "fs/attr_helper.h"
#include "fs/mode_rules.h"
#include "os/entropy.h"
#include "os/interposed.h"
#include "os/thread.h"
#include "receiver/connection.h"
#include "receiver/cpu_share.h"
#include "receiver/direct.h"
#include "receiver/exec_events.h"
#include "receiver/exec_helper.h"
#include "receiver/exec_queue.h"
#include "receiver/fd_budget.h"
#include "receiver/keeper.h"
#include "receiver/senders.h"
#include "receiver/sessions.h"
#include "receiver/setup.h"
#include "session/admission.h"
#include "session/listener.h"
#include "session/naming.h"
#include "session/retry.h"

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
	/* Where it connects; is_told: the user knows that the sender cannot be
	 * reached. */
	struct retry retry;
	int is_told;
	uint64_t idle_ms; /* where it listens: without a session since */
	uint64_t told_ms; /* when the service manager was told something */
	uint64_t drain_by_ms; /* stopped, until sessions have ended; 0: not */
};

/* ---- setting up ---- */

static int confine_helper(const void *ctx, struct err *e)
{
	const struct receive_config *cfg = ctx;

	return sandbox_attr_helper(cfg->sandbox, cfg->preserve, e);
}

int receive_start_helpers(struct receive_config *cfg, struct err *e)
{
	if (cfg->to_stdout)
		return 0;
	if (cfg->sandbox != SANDBOX_OFF) {
		cfg->attrs = attr_helper_start(confine_helper, cfg, e);
		if (!cfg->attrs)
			return e->code;
	}
	return (cfg->preserve & PRESERVE_NAMED) ?
		       naming_start(cfg->sandbox, &cfg->ids, e) : 0;
}

/* Without --config, one sender stands for all. */
static int make_sender(struct recv_setup *setup, struct err *e)
{
	const struct receive_config *cfg = setup->cfg;
	struct senders *ss = cfg->senders ? cfg->senders : senders_new(NULL);
	struct sender s = {
		.dir = cfg->dir,
		.root_fd = -1,
		.existing = cfg->existing,
		.accept = cfg->accept,
		.preserve = cfg->preserve,
		.max_size = cfg->max_size,
		.max_files = cfg->max_files,
		.exec = cfg->exec,
		.opener = cfg->opener,
	};
	struct stat st;

	if (!ss)
		return err_set(e, ERR_RESOURCE, "out of memory");
	senders_current_set(setup->senders, ss);
	if (cfg->senders) {
		/* For admission, which asks only whether there is one. */
		setup->mode.tls = senders_tls(ss);
		return 0;
	}
	if (!cfg->to_stdout) {
		s.root_fd = open(cfg->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (s.root_fd < 0 || fstat(s.root_fd, &st)) {
			err_sys(e, ERR_LOCAL, "cannot open directory %s",
				cfg->dir);
			io_close(&s.root_fd);
			return e->code;
		}
		s.root_dev = (uint64_t)st.st_dev;
	}
	return senders_add(ss, &s, 0) ? 0 :
		err_set(e, ERR_RESOURCE, "out of memory");
}

static void on_connection(void *ctx, int fd, const char *peer,
			  const struct sockaddr_storage *sa)
{
	recv_connection_start(ctx, fd, peer, sa);
}

/* To the directories of the named senders, and those in which others may get
 * theirs by a reload. */
static int confine_to_many(const struct receiver *r, const struct senders *ss,
			   struct sandbox_state *state, struct err *e)
{
	const struct receive_config *cfg = r->setup.cfg;
	const size_t count = senders_count(ss);
	int *fds = calloc(count + 1, sizeof(*fds));
	struct sandbox_dirs dirs = {
		.fds = fds,
		.count = count,
		.allowed = cfg->preserve,
	};
	int rc;

	if (!fds)
		return err_set(e, ERR_RESOURCE, "out of memory");
	for (size_t i = 0; i < count; i++)
		fds[i] = senders_at(ss, i)->root_fd;
	if (cfg->base_fd > 0)
		fds[dirs.count++] = cfg->base_fd;
	rc = sandbox_receiver_of_many(cfg->sandbox, &dirs, state, e);
	free(fds);
	return rc;
}

static int confine(struct receiver *r, struct err *e)
{
	const struct receive_config *cfg = r->setup.cfg;
	struct senders *ss = senders_current_get(r->setup.senders);
	struct sandbox_state state = { 0 };
	char library[64];
	const char *interposed =
		cfg->connect_to || (r->setup.direct && !cfg->is_ordered)
			? interposed_by(library, sizeof(library))
			: NULL;
	const struct sandbox_receiving only = { senders_at(ss, 0)->root_fd,
						interposed,
						cfg->preserve };
	int rc;

	if (cfg->senders)
		rc = confine_to_many(r, ss, &state, e);
	else
		rc = sandbox_receiver(cfg->sandbox, &only, &state, e);
	senders_release(ss);
	r->setup.is_confined = rc == 0;
	if (rc == 0)
		events_message(cfg->events,
			       state.is_partial ? SESSION_WARNING
						: SESSION_VERBOSE,
			       "%s", state.text);
	return rc;
}

/* Returns 0, and sets local (ADDR_TEXT_MAX bytes) and *port; or an error. */
static int open_listener(struct receiver *r, uint16_t wanted, char *local,
			 uint16_t *port, struct err *e)
{
	const struct receive_config *cfg = r->setup.cfg;
	const struct listener_config listener = {
		.port = wanted,
		.fd = cfg->listen_fd,
		.net = &cfg->net,
		.allow = cfg->allow,
		.events = cfg->events,
		.admission = r->admission,
		.refusals = &r->setup.refusals,
		.batch = r->pending_max,
		.on_connection = on_connection,
		.ctx = r->connections,
	};

	return listener_open(&r->listener, &listener, local, port, e);
}

/* Open the socket, then confine the process: nothing is accepted before
 * that. */
static int start_listening(struct receiver *r, struct err *e)
{
	const struct receive_config *cfg = r->setup.cfg;
	const struct session_events *ev = cfg->events;
	char local[ADDR_TEXT_MAX];
	uint16_t port = 0;
	int rc = open_listener(r, cfg->port, local, &port, e);

	if (rc)
		return rc;
	rc = confine(r, e);
	if (rc)
		return rc;
	if (ev->listening)
		ev->listening(ev->ctx, local, port);
	if (ev->started)
		ev->started(ev->ctx);
	return 0;
}

/* Prepare direct streams.  Where the port cannot be had, content is left to
 * ssh. */
static int start_direct(struct receiver *r, struct err *e)
{
	const struct receive_config *cfg = r->setup.cfg;
	char local[ADDR_TEXT_MAX];
	uint16_t port = 0;
	struct err why;

	r->setup.direct = recv_direct_new(
		cfg, recv_connection_wake(r->connections), e);
	if (!r->setup.direct)
		return e->code;
	if (!cfg->is_ordered)
		return 0;
	if (open_listener(r, cfg->direct_port, local, &port, &why))
		events_message(cfg->events,
			       cfg->direct_port ? SESSION_WARNING
						: SESSION_VERBOSE,
			       "no direct streams: %s", why.text);
	recv_direct_set_port(r->setup.direct, port);
	return 0;
}

static int start_connecting(struct receiver *r, struct err *e)
{
	const struct receive_config *cfg = r->setup.cfg;
	int rc;

	/* Waiting for a connection to be made ends only by a descriptor. */
	if (cancel_init(&r->setup.stop))
		return err_sys(e, ERR_RESOURCE, "cannot connect");
	rc = start_direct(r, e);
	if (rc == 0)
		rc = confine(r, e);
	if (rc)
		return rc;
	if (cfg->events->started)
		cfg->events->started(cfg->events->ctx);
	retry_init(&r->retry, cfg->retry_ms, clock_ms());
	return recv_connection_connect(r->connections, e);
}

/* The only connection, which a service manager has accepted. */
static int start_connected(struct receiver *r, struct err *e)
{
	const struct receive_config *cfg = r->setup.cfg;
	struct sockaddr_storage sa;
	char peer[ADDR_TEXT_MAX];
	int rc = dial_take_connection(cfg->connected_fd, &cfg->net, peer, &sa,
				      e);

	if (rc == 0)
		rc = confine(r, e);
	if (rc)
		return rc;
	if (cfg->events->started)
		cfg->events->started(cfg->events->ctx);
	recv_connection_start(r->connections, cfg->connected_fd, peer, &sa);
	return 0;
}

static int start_receiver(struct receiver *r, struct err *e)
{
	if (r->setup.mode.role == NET_CONNECTS)
		return start_connecting(r, e);
	return r->setup.cfg->connected_fd > 0 ? start_connected(r, e) :
						start_listening(r, e);
}

static void tell_service(struct receiver *r, enum receive_state state)
{
	const struct receive_service *service = &r->setup.cfg->service;

	if (service->tell)
		service->tell(service->ctx, state);
	r->told_ms = clock_ms();
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
	setup->mode.role = cfg->connect_to || cfg->carrier ? NET_CONNECTS
							   : NET_LISTENS;
	setup->mode.tls = cfg->tls;
	setup->mode.pake = cfg->code.pake;
	setup->mode.renewal = cfg->code.renewal;
	r->listener.fd = -1;
	/* While we listen a flag is enough, and saves descriptors: sessions
	 * check it every second, and pending connections have tokens of their
	 * own. */
	cancel_init_flag(&setup->stop);
	rate_limit_init(&setup->rate_limit, cfg->limit_rate);
	refusals_init(&setup->refusals, cfg->events);
	setup->senders = senders_current_new();
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
			setup->fds, cfg->code.pake ? LISTENER_PENDING_CODE :
						LISTENER_PENDING_MAX);
	setup->cpu = cpu_share_new();
	setup->exec_queue = exec_queue_new();
	setup->keeper = keeper_new(cfg->keep_s, cfg->max_kept, cfg->events);
	r->sessions = sessions_new(setup);
	admission.max = r->pending_max;
	admission.ctx = r->sessions;
	r->admission = admission_new(&admission);
	r->connections =
		recv_connection_set_new(setup, r->admission, r->sessions);
	if (!setup->senders || !setup->fds || !setup->cpu || !setup->keeper ||
	    !setup->exec_queue || !r->sessions || !r->admission || !r->connections)
		return err_sys(e, ERR_RESOURCE, "cannot begin to receive");
	return 0;
}

static void tear_down(struct receiver *r)
{
	struct recv_setup *setup = &r->setup;

	recv_direct_free(setup->direct);
	recv_connection_set_free(r->connections);
	admission_free(r->admission);
	sessions_free(r->sessions);
	keeper_free(setup->keeper);
	cpu_share_free(setup->cpu);
	exec_queue_free(setup->exec_queue);
	fd_budget_free(setup->fds);
	umask(setup->umask);
	rate_limit_release(&setup->rate_limit);
	listener_close(&r->listener);
	refusals_release(&setup->refusals);
	cancel_release(&setup->stop);
	senders_current_free(setup->senders);
}

/* ---- accepting ---- */

/* Whether nobody has come for cfg->wait_ms.  Lowers *left_ms, how long to wait
 * (-1: for ever), to what is left of that. */
static int nobody_came(struct receiver *r, int *left_ms, struct err *e)
{
	const uint64_t most_ms = r->setup.cfg->wait_ms;
	int has_begun, left;

	if (!most_ms)
		return 0;
	if (sessions_count(r->sessions, &has_begun) > 0) {
		r->idle_ms = 0;
		return 0;
	}
	if (!r->idle_ms)
		r->idle_ms = clock_ms();
	left = clock_left_ms(r->idle_ms + most_ms);
	if (*left_ms < 0 || left < *left_ms)
		*left_ms = left;
	if (left > 0)
		return 0;
	if (!has_begun)
		err_set(e, ERR_TIMEOUT, "no sender came within %llu s (--wait)",
			(unsigned long long)most_ms / 1000);
	return 1;
}

/* Whether connections are to be accepted now, or *left_ms is lowered to when
 * that may change.  A listener for direct streams is closed when they are
 * there, or nobody has come. */
static int is_accepting(struct receiver *r, int *left_ms)
{
	if (r->setup.mode.role == NET_LISTENS)
		return 1;
	if (recv_direct_is_open(r->setup.direct, left_ms))
		return r->listener.fd >= 0;
	if (recv_direct_is_over(r->setup.direct))
		listener_close(&r->listener);
	return 0;
}

/* What the accept loop waits for.  The listener is the last, so that it can be
 * left out during a pause, when it would be readable all the time. */
enum { ON_WAKE, ON_CANCEL, ON_EXEC, ON_RELOAD, ON_LISTENER, ON_ALL };

static void set_up_polls(const struct receiver *r, struct pollfd fds[ON_ALL])
{
	const struct receive_config *cfg = r->setup.cfg;

	fds[ON_WAKE].fd = recv_connection_wake_fd(r->connections);
	fds[ON_CANCEL].fd = cfg->cancel_fd;
	fds[ON_EXEC].fd = cfg->exec_fd > 0 ? cfg->exec_fd : -1;
	fds[ON_RELOAD].fd = cfg->reload.fd > 0 ? cfg->reload.fd : -1;
	fds[ON_LISTENER].fd = -1; /* see is_accepting() */
	for (int i = 0; i < ON_ALL; i++) {
		fds[i].events = POLLIN;
		fds[i].revents = 0;
	}
}

/* The file of named senders was read again.  Returns whether it may be
 * again. */
static int reload(struct receiver *r)
{
	const struct receive_config *cfg = r->setup.cfg;
	struct senders *next = NULL, *now;
	char count[TEXT_COUNT_MAX], ended[TEXT_COUNT_MAX];
	struct err e;
	int rc;

	err_clear(&e);
	rc = cfg->reload.take(cfg->reload.ctx, &next, &e);
	if (rc) {
		events_message(cfg->events, SESSION_WARNING,
			       "%s; the senders stay as they were", e.text);
		return rc != ERR_CLOSED;
	}
	senders_current_set(r->setup.senders, next);
	now = senders_current_get(r->setup.senders);
	text_count(ended, sessions_revoke(r->sessions, now), "running session");
	events_message(cfg->events, SESSION_NOTICE,
		       "the senders were read again: %s; %s ended",
		       text_count(count, senders_count(now), "sender"), ended);
	senders_release(now);
	return 1;
}

/* The user has stopped the receiver.  Returns whether running sessions go on,
 * and no longer than until drain_by_ms; asked again when that may have
 * changed. */
static int drains(struct receiver *r)
{
	const struct receive_config *cfg = r->setup.cfg;
	int has_begun;
	const unsigned count = sessions_count(r->sessions, &has_begun);

	if (!r->drain_by_ms && cfg->drain_ms && count > 0) {
		r->drain_by_ms = clock_ms() + cfg->drain_ms;
		atomic_store(&r->setup.is_draining, 1);
		tell_service(r, RECEIVE_STOPPING);
		events_message(cfg->events, SESSION_NOTICE,
			       "stopping: no session begins any more, and %u "
			       "running may take %llu s", count,
			       (unsigned long long)cfg->drain_ms / 1000);
	}
	return r->drain_by_ms && count > 0 &&
	       clock_left_ms(r->drain_by_ms) > 0;
}

/* How long to wait for an event in milliseconds, -1: for ever.  progress_ms:
 * between two reports of progress, 0: none is due; left_ms: that of
 * sessions_have_ended(). */
static int wait_ms(struct receiver *r, int progress_ms, int left_ms)
{
	const int due_ms = refusals_tick(&r->setup.refusals);
	const int alive_ms = r->setup.cfg->service.alive_ms;

	if (due_ms >= 0 && (left_ms < 0 || due_ms < left_ms))
		left_ms = due_ms;
	if (progress_ms && (left_ms < 0 || left_ms > progress_ms))
		left_ms = progress_ms;
	if (alive_ms && (left_ms < 0 || left_ms > alive_ms))
		left_ms = alive_ms;
	if (r->drain_by_ms &&
	    (left_ms < 0 || clock_left_ms(r->drain_by_ms) < left_ms))
		left_ms = clock_left_ms(r->drain_by_ms);
	return left_ms;
}

/* Handle what the loop was woken for, except connections.  Returns 0 or
 * ERR_INTERRUPTED. */
static int handle_events(struct receiver *r, struct pollfd fds[ON_ALL],
			 struct err *e)
{
	const int alive_ms = r->setup.cfg->service.alive_ms;

	if (alive_ms && clock_ms() - r->told_ms >= (uint64_t)alive_ms)
		tell_service(r, RECEIVE_ALIVE);
	if (fds[ON_WAKE].revents)
		recv_connection_clear_wake(r->connections);
	recv_connection_connect_further(r->connections);
	if (fds[ON_CANCEL].revents || r->drain_by_ms) {
		if (!drains(r))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
		/* It stays readable. */
		fds[ON_CANCEL].fd = -1;
	}
	if (fds[ON_EXEC].revents &&
	    exec_events_reports(&r->setup) == ERR_CLOSED)
		fds[ON_EXEC].fd = -1;
	if (fds[ON_RELOAD].revents && !reload(r))
		fds[ON_RELOAD].fd = -1;
	return 0;
}

/* Accept connections and reap their threads, until the receiver is to end.
 * Returns 0, ERR_INTERRUPTED, ERR_TIMEOUT or ERR_RESOURCE. */
static int accept_loop(struct receiver *r, struct err *e)
{
	const struct receive_config *cfg = r->setup.cfg;
	const int progress_ms =
		cfg->events->progress ? (int)cfg->events->progress_ms : 0;
	struct pollfd fds[ON_ALL];
	unsigned connections;
	int pause = 0, left_ms; /* pause: accept nothing for this many ms */

	set_up_polls(r, fds);
	while (!sessions_have_ended(r->sessions, &left_ms)) {
		int n;

		connections = recv_connection_reap(r->connections);
		if (nobody_came(r, &left_ms, e))
			return e->code;
		fds[ON_LISTENER].fd =
			is_accepting(r, &left_ms) ? r->listener.fd : -1;
		left_ms = wait_ms(r, connections > 0 ? progress_ms : 0, left_ms);
		fds[ON_LISTENER].revents = 0;
		n = poll(fds, pause ? ON_LISTENER : ON_ALL,
			 pause ? pause : left_ms);
		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_RESOURCE, "cannot wait for connections");
		for (int i = 0; n < 0 && i < ON_ALL; i++)
			fds[i].revents = 0;
		if (handle_events(r, fds, e))
			return e->code;
		if (fds[ON_LISTENER].fd < 0)
			pause = 0;
		else if (pause || fds[ON_LISTENER].revents)
			pause = listener_accept(&r->listener);
		if (progress_ms && connections > 0)
			sessions_show_progress(r->sessions);
	}
	return 0;
}

/*
 * The receiver connects, and its session has ended as e says, or there was
 * none: whether to connect again.  Blocks for the pause before it.  If not, e
 * is what the user is told.
 */
static int wants_another(struct receiver *r, struct err *e)
{
	const struct receive_config *cfg = r->setup.cfg;
	struct pollfd cancel = { .fd = cfg->cancel_fd, .events = POLLIN };
	const uint64_t now = clock_ms();
	int had_session, has_progress;
	uint32_t random = 0;

	sessions_get_result(r->sessions, e);
	sessions_restart(r->sessions, &had_session, &has_progress);
	if (e->code == ERR_AUTH && cfg->code.pake && cfg->code.ask_again &&
	    pake_is_renewed(cfg->code.pake))
		return cfg->code.ask_again(cfg->code.ask_ctx, e) == 0;
	if (!retry_is_wanted(&r->retry, e, had_session, has_progress, now))
		return 0;
	/* Warn once that the sender cannot be reached, not at each attempt. */
	events_message(cfg->events,
		       had_session || !r->is_told ? SESSION_WARNING
						  : SESSION_VERBOSE,
		       "%s; retrying for %llu s", e->text,
		       (unsigned long long)retry_left_s(&r->retry, now));
	r->is_told = !had_session;
	if (entropy_get(&random, sizeof(random)))
		random = 0;
	if (poll(&cancel, 1,
		 (int)retry_next_wait_ms(&r->retry, random, now)) <= 0)
		return 1;
	err_set(e, ERR_INTERRUPTED, "interrupted");
	return 0;
}

/* Between two sessions: end the direct streams that are still being opened. */
static void end_direct(struct receiver *r)
{
	struct pollfd pfd = {
		.fd = recv_connection_wake_fd(r->connections),
		.events = POLLIN,
	};

	if (!r->setup.direct)
		return;
	recv_direct_cancel(r->setup.direct);
	while (recv_connection_reap(r->connections) > 0) {
		if (poll(&pfd, 1, STOP_CHECK_MS) > 0)
			recv_connection_clear_wake(r->connections);
	}
	recv_direct_restart(r->setup.direct);
}

/* Connect and serve a session; again, as --retry says.  e: how the last one
 * ended. */
static int connect_loop(struct receiver *r, struct err *e)
{
	int rc = accept_loop(r, e);

	while (rc == 0 && wants_another(r, e)) {
		end_direct(r);
		rc = recv_connection_connect(r->connections, e);
		if (rc == 0)
			rc = accept_loop(r, e);
	}
	return e->code;
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
	recv_direct_cancel(r->setup.direct);
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

/* Only now, as it starts a thread, and that has to be confined. */
static void start_keeping(struct receiver *r)
{
	struct recv_setup *setup = &r->setup;
	const struct receive_config *cfg = setup->cfg;
	struct senders *ss = senders_current_get(setup->senders);
	const size_t count = senders_count(ss);
	size_t left_out = 0;
	struct err e;

	for (size_t i = 0; i < count; i++) {
		const struct sender *s = senders_at(ss, i);

		if (s->root_fd >= 0 && !keeper_add(setup->keeper, s))
			err_sys(&e, ERR_RESOURCE,
				"what interrupted transfers left is not looked "
				"for, for %zu of %zu senders", ++left_out,
				count);
	}
	senders_release(ss);
	if (left_out > 0)
		events_message(cfg->events, SESSION_WARNING, "%s", e.text);
	if (keeper_start(setup->keeper)) {
		thread_error(&e);
		events_message(cfg->events, SESSION_WARNING,
			       "what interrupted transfers left is not looked "
			       "for: %s", e.text);
	}
}

int receive_run(const struct receive_config *cfg, struct err *e)
{
	struct receiver r;
	int rc;

	err_clear(e);
	rc = set_up(&r, cfg, e);
	if (rc == 0)
		rc = make_sender(&r.setup, e);
	if (rc == 0)
		rc = start_receiver(&r, e);
	if (rc == 0) {
		if (!cfg->dry_run)
			start_keeping(&r);
		tell_service(&r, RECEIVE_READY);
		rc = r.setup.mode.role == NET_CONNECTS ?
			     connect_loop(&r, e) : accept_loop(&r, e);
		listener_close(&r.listener);
		tell_service(&r, RECEIVE_STOPPING);
		stop_all(&r);
		if (cfg->reload.fd > 0)
			cfg->reload.finish(cfg->reload.ctx);
		exec_events_end(&r.setup);
		if (rc == 0 && r.setup.mode.role == NET_LISTENS) {
			sessions_get_result(r.sessions, e);
			rc = e->code;
		}
		if (r.setup.mode.role == NET_CONNECTS)
			sessions_give_up(r.sessions, e);
	}
	tear_down(&r);
	return rc;
}
