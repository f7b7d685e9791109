/*
 * A whole transfer: a session, others after lost ones, and the summary.
 */
#include "sender/send.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/names.h"
#include "chunk/delta_key.h"
#include "chunk/tree.h"
#include "fs/dirs.h"
#include "fs/name.h"
#include "os/entropy.h"
#include "os/interposed.h"
#include "os/process.h"
#include "sender/command.h"
#include "sender/control.h"
#include "sender/direct.h"
#include "sender/links.h"
#include "sender/outcome.h"
#include "sender/progress.h"
#include "sender/queue.h"
#include "sender/scanner.h"
#include "sender/sender.h"
#include "sender/session.h"
#include "sender/waiting.h"
#include "session/acceptor.h"
#include "session/refusals.h"
#include "session/retry.h"

enum {
	/* The most files in chunks that are open at a time: as many as a
	 * receiver of ours allows.  Each may have an index of its basis, of
	 * what the receiver says is in it. */
	OPEN_FILES_MAX = 64,
};

/* ---- before it begins ---- */

/* Make the parts of s, which send_run() frees. */
static int prepare(struct sender *s, struct err *e)
{
	const struct send_config *cfg = s->cfg;
	uint8_t *zeros = calloc(1, TREE_LEAF);

	(void)clock_gettime(CLOCK_REALTIME, &s->began);
	s->queue = queue_new();
	s->session = s->queue ? send_session_new(s->queue) : NULL;
	s->outcome = outcome_new(cfg, &s->count);
	if (cfg->preserve & PRESERVE_HARDLINKS) {
		s->links = links_new();
		if (!s->links) {
			free(zeros);
			return err_sys(e, ERR_RESOURCE,
				       "cannot start a session");
		}
	}
	if (cfg->deletes) {
		s->waiting = waiting_new();
		s->sent_dirs = calloc(1, sizeof(*s->sent_dirs));
	}
	if (!zeros || !s->session || !s->outcome ||
	    (cfg->deletes && (!s->waiting || !s->sent_dirs)) ||
	    entropy_get(s->session_id, sizeof(s->session_id))) {
		free(zeros);
		return err_sys(e, ERR_RESOURCE, "cannot start a session");
	}
	cfg->digest->sum(zeros, TREE_LEAF, s->zero_digest);
	atomic_store(&s->count.is_endless, cfg->stdin_fd >= 0);
	free(zeros);
	return 0;
}

/* The descriptors below which there are sources, and how many; those of
 * symlinks' targets, which were opened for this, come last. */
struct source_fds {
	int *fds;
	size_t count, borrowed;
};

/* Returns 0 or an error; in both cases the caller calls
 * release_source_fds(). */
static int find_source_fds(struct source_fds *f, const struct scan *scan,
			   struct err *e)
{
	const unsigned count = scan ? scan_root_count(scan) : 0;

	memset(f, 0, sizeof(*f));
	f->fds = calloc(2 * (size_t)count + 1, sizeof(*f->fds));
	if (!f->fds)
		return err_set(e, ERR_RESOURCE, "out of memory");
	for (unsigned i = 0; i < count; i++) {
		const int fd = scan_root_fd(scan, i);

		/* Files of one directory share its descriptor, and one rule is
		 * enough for it. */
		if (f->count == 0 || fd != f->fds[f->count - 1])
			f->fds[f->count++] = fd;
	}
	f->borrowed = f->count;
	for (unsigned i = 0; i < count; i++) {
		int fd = -1;

		/* One that leads nowhere any more is reported when it is
		 * sent. */
		if (scan_root_follow(scan, i))
			fd = scan_root_open_target(scan, i);
		if (fd >= 0)
			f->fds[f->count++] = fd;
	}
	return 0;
}

static void release_source_fds(struct source_fds *f)
{
	while (f->count > f->borrowed)
		io_close(&f->fds[--f->count]);
	free(f->fds);
}

/*
 * Confine the process: from here on it can only read the sources and use the
 * connections that it is given.  Symlinks that are followed may lead anywhere;
 * then reading is not confined.
 */
static int confine(struct sender *s, struct err *e)
{
	const struct send_config *cfg = s->cfg;
	struct sandbox_sources src = { .anywhere = cfg->follow_links };
	struct sandbox_state state = { 0 };
	struct source_fds f;
	char library[64];
	int rc = find_source_fds(&f, cfg->scan, e);

	if (rc == 0) {
		src.fds = f.fds;
		src.count = f.count;
		src.interposed = interposed_by(library, sizeof(library));
		rc = sandbox_sender(cfg->sandbox, &src, &state, e);
	}
	release_source_fds(&f);
	if (rc == 0)
		events_message(cfg->events,
			       state.is_partial ? SESSION_WARNING
						: SESSION_VERBOSE,
			       "%s", state.text);
	return rc;
}

/* ---- sessions ---- */

/* Whether the code was wrong and the receiver shows another one, or the
 * receiver that was connected to before is another one now; and the user can be
 * asked for its code. */
static int has_new_code(const struct sender *s, const struct err *e)
{
	const struct send_config *cfg = s->cfg;

	return e->code == ERR_AUTH && cfg->code.pake && cfg->code.ask_again &&
	       (pake_is_renewed(cfg->code.pake) ||
		(cfg->retry_ms > 0 && pake_is_agreed(cfg->code.pake))) &&
	       !send_session_is_cancelled(s->session) &&
	       queue_can_restart(s->queue);
}

static int cannot_restart(const struct sender *s, struct err *e)
{
	err_prefix(e, "cannot retry: %s cannot be read again",
		   s->cfg->command ? "the output of the command"
				   : "standard input");
	return 0;
}

/* Whether a session that ended so before READY was refused or lost by the
 * receiver, and not ended by this side. */
static int is_receivers(int code)
{
	return err_is_lost(code) || code == ERR_CONNECT ||
	       code == ERR_PROTOCOL || code == ERR_CORRUPT ||
	       code == ERR_AUTH || code == ERR_REMOTE;
}

/* For a sender that listens, after a session: whether to wait for a receiver
 * again.  If not, e is what the user is told. */
static int awaits_another(struct sender *s, struct err *lost, struct err *e)
{
	const struct send_config *cfg = s->cfg;
	const enum session_stage stage = send_session_stage(s->session);

	if (e->code == 0 || send_session_is_cancelled(s->session))
		return 0;
	if (stage == SESSION_READY) {
		if (!(err_is_lost(e->code) || e->code == ERR_UNCONFIRMED) ||
		    !(s->peer.ready.features & FEATURE_RECONNECT))
			return 0;
		if (!queue_can_restart(s->queue))
			return cannot_restart(s, e);
		/* The time runs from the last progress: a receiver that comes
		 * back and brings nothing must not keep others out for ever. */
		if (!s->is_again || queue_has_progress(s->queue))
			s->accept_by_ms = clock_ms() +
					  (uint64_t)cfg->timeout_ms;
		s->is_again = 1;
		*lost = *e;
		if (clock_left_ms(s->accept_by_ms) == 0)
			return 0;
		refusals_tell_lost(acceptor_refusals(s->acceptor),
				   "%s; waiting for the receiver to reconnect",
				   e->text);
		return 1;
	}
	/* Nobody came.  Where one was lost before: what happened to it. */
	if (stage == SESSION_CONNECTING && e->code == ERR_TIMEOUT) {
		err_set(e, ERR_TIMEOUT,
			"no receiver came within %llu s (--wait)",
			(unsigned long long)cfg->wait_ms / 1000);
		if (lost->code)
			*e = *lost;
	}
	if (stage == SESSION_CONNECTING || !is_receivers(e->code) ||
	    (cfg->code.pake && !s->is_again))
		return 0;
	/* Nor must those who come and get no session extend the time. */
	if (s->is_again && clock_left_ms(s->accept_by_ms) == 0) {
		*e = *lost;
		return 0;
	}
	refusals_tell(acceptor_refusals(s->acceptor), SESSION_WARNING,
		      "no session: %s", e->text);
	return 1;
}

/* Ask the user for the receiver's new code.  Returns 0 or an error. */
static int ask_code(struct sender *s, struct err *e)
{
	const uint64_t began_ns = clock_ns();
	const int rc = s->cfg->code.ask_again(s->cfg->code.ask_ctx, e);

	s->asked_ns += clock_ns() - began_ns;
	return rc;
}

/*
 * After a session: whether to run another.  Blocks for the pause before it.
 * Sets e to why the session ended or, where there is no other, to what the user
 * is told.  *is_told: the user knows that the receiver cannot be reached.
 */
static int wants_another(struct sender *s, struct retry *r, struct err *lost,
			 int *is_told, struct err *e)
{
	struct pollfd cancel = { .fd = s->cfg->cancel_fd, .events = POLLIN };
	const uint64_t now = clock_ms();
	uint32_t random = 0;
	int was_ready;

	send_session_error(s->session, e);
	if (s->acceptor)
		return awaits_another(s, lost, e);
	was_ready = send_session_stage(s->session) == SESSION_READY;
	if (has_new_code(s, e))
		return ask_code(s, e) == 0;
	/* A dry run is asked for again as a whole, by its user. */
	if (send_session_is_cancelled(s->session) ||
	    (was_ready && s->cfg->dry_run) ||
	    !retry_is_wanted(r, e, was_ready, queue_has_progress(s->queue),
			     now))
		return 0;
	if (!queue_can_restart(s->queue))
		return cannot_restart(s, e);
	/* Warn once that the receiver cannot be reached, not at each
	 * attempt. */
	events_message(s->cfg->events,
			was_ready || !*is_told ? SESSION_WARNING
					       : SESSION_VERBOSE,
			"%s; retrying for %llu s", e->text,
			(unsigned long long)retry_left_s(r, now));
	*is_told = !was_ready;
	if (entropy_get(&random, sizeof(random)))
		random = 0;
	if (poll(&cancel, 1, (int)retry_next_wait_ms(r, random, now)) <= 0)
		return 1;
	(void)send_session_cancel(s->session);
	send_session_error(s->session, e);
	return 0;
}

/* Put everything back to where another session begins. */
static void restart(struct sender *s, struct scanner *scanner)
{
	struct err e;

	send_progress_restart(s);
	queue_restart(s->queue);
	outcome_restart(s->outcome);
	send_session_restart(s->session);
	/* In the new session nothing is deleted yet. */
	if (s->waiting)
		waiting_end(s->waiting, 0);
	if (s->waiting &&
	    waiting_requeue(s->waiting, s->queue, s->links, 0, &e) < 0)
		send_session_fail(s->session, &e);
	if (s->acceptor)
		acceptor_restart(s->acceptor);
	send_direct_restart(s->direct);
	/* The receiver sets the directories' metadata at the end of a session,
	 * and only of those that were named in it. */
	if (atomic_load(&s->count.done_dirs) > 0)
		scanner_rescan_dirs(scanner);
}

static void on_scan_failed(void *session, const struct err *e)
{
	send_session_fail(session, e);
}

/* Run sessions until one succeeds or there is to be no other.  e: how the last
 * one ended. */
static void run_sessions(struct sender *s, struct err *e)
{
	struct scanner *scanner = scanner_new(s, on_scan_failed, s->session);
	struct retry retry;
	struct err lost = { 0 };
	int is_told = 0;

	if (!scanner) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return;
	}
	retry_init(&retry, s->cfg->retry_ms, clock_ms());
	if (s->acceptor && s->cfg->wait_ms)
		s->accept_by_ms = clock_ms() + s->cfg->wait_ms;
	if (scanner_start(scanner) == 0) {
		control_run_session(s, scanner);
		while (wants_another(s, &retry, &lost, &is_told, e)) {
			restart(s, scanner);
			control_run_session(s, scanner);
		}
	} else {
		send_session_error(s->session, e);
	}
	/* The scan has to end too, whatever ended the streams.  If it failed
	 * between two sessions, neither knows of it: so e gets its error. */
	queue_close(s->queue);
	send_session_give_up(s->session);
	if (s->links)
		links_close(s->links);
	(void)scanner_join(scanner, e);
	send_progress_show(s, scanner_is_done(scanner));
	scanner_free(scanner);
}

/* Whether the wait for a receiver ended without one.  One that was lost did
 * come. */
static int nobody_came(struct sender *s, const struct err *e)
{
	return e->code && !s->is_again &&
	       send_session_stage(s->session) == SESSION_CONNECTING;
}

/* One transfer, to one receiver, and its summary; done: how many there were
 * before. */
static void transfer(struct sender *s, unsigned done,
		     struct session_summary *summary, struct err *e)
{
	const struct session_events *ev = s->cfg->events;
	const uint64_t began_ns = clock_ns();

	run_sessions(s, e);
	(void)outcome_sum_up(s->outcome, summary, e);
	summary->seconds = (double)(clock_ns() - began_ns - s->asked_ns) / 1e9;
	summary->code = e->code;
	if (ev->summary && !(done > 0 && nobody_came(s, e)))
		ev->summary(ev->ctx, 1, summary, e);
}

static void free_parts(struct sender *s)
{
	links_free(s->links);
	outcome_free(s->outcome);
	send_session_free(s->session);
	queue_free(s->queue);
	s->links = NULL;
	waiting_free(s->waiting);
	if (s->sent_dirs)
		names_set_release(s->sent_dirs);
	free(s->sent_dirs);
	s->waiting = NULL;
	s->sent_dirs = NULL;
	s->outcome = NULL;
	s->session = NULL;
	s->queue = NULL;
}

/* Prepare for another receiver. */
static int prepare_another(struct sender *s, struct err *e)
{
	free_parts(s);
	acceptor_restart(s->acceptor);
	memset(&s->count, 0, sizeof(s->count));
	memset(&s->peer, 0, sizeof(s->peer));
	s->accept_by_ms = 0;
	s->is_again = 0;
	return prepare(s, e);
}

/* A transfer to each receiver.  summary becomes that of the last one, e the
 * result of all. */
static void transfers(struct sender *s, struct session_summary *summary,
		      struct err *e)
{
	const unsigned receivers = s->cfg->is_listening ? s->cfg->receivers : 1;
	unsigned done = 0, failed = 0;
	struct err first;

	for (;;) {
		transfer(s, done, summary, e);
		if (receivers == 1 || e->code == ERR_INTERRUPTED ||
		    e->code == ERR_RESOURCE)
			return;
		if (nobody_came(s, e) && done == 0)
			return;
		if (nobody_came(s, e))
			break;
		done++;
		if (e->code && failed++ == 0)
			first = *e;
		if (done == receivers)
			break;
		if (prepare_another(s, e))
			return;
	}
	err_clear(e);
	if (failed)
		err_set(e, first.code,
			"%u of %u receivers did not get everything (see above)",
			failed, done);
}

static unsigned within(uint64_t n, unsigned least, unsigned most)
{
	return n < least ? least : n > most ? most : (unsigned)n;
}

/* Divide the descriptors that there are besides those of the sources and
 * helpers: half of them for files that are sent in chunks, a quarter for the
 * directories of the streams, the rest for the scan, which has one for each
 * directory of its path, for connections and for what is read whole. */
static void divide_fds(struct sender *s)
{
	const uint64_t fds = process_count_spare_fds();

	s->open_files_max = within(fds / 2, 1, OPEN_FILES_MAX);
	s->stream_dirs = within(fds / 4 / STREAMS_MAX, DIRS_HELD_LEAST,
				DIRS_HELD_MOST);
}

/* All that comes before the first transfer. */
static int begin_sending(struct sender *s, struct err *e)
{
	const struct send_config *cfg = s->cfg;
	const struct session_events *ev = cfg->events;
	const struct acceptor_config acceptor = {
		.port = cfg->dest.port,
		.net = cfg->net,
		.mode = { NET_LISTENS, cfg->tls, cfg->code.pake, cfg->code.renewal },
		.allow = cfg->allow,
		.timeout_ms = cfg->timeout_ms,
		.events = ev,
	};
	const char *why = NULL;
	int rc;

	if (cfg->stdin_fd >= 0)
		why = name_check(cfg->stdin_name, strlen(cfg->stdin_name));
	if (why)
		return err_set(e, ERR_USAGE, "--name: %s", why);
	divide_fds(s);
	s->delta_key = delta_key_new();
	if (!s->delta_key)
		return err_set(e, ERR_RESOURCE, "out of memory");
	rc = prepare(s, e);
	/* Like the producer of a pipe, it may begin before there is a
	 * connection. */
	if (rc == 0 && cfg->command && !cfg->dry_run)
		rc = command_start(cfg->command, e);
	if (rc == 0 && cfg->is_listening) {
		s->acceptor = acceptor_new(&acceptor, e);
		rc = s->acceptor ? 0 : e->code;
	}
	if (rc == 0)
		rc = send_direct_new(s, &s->direct, e);
	if (rc == 0)
		rc = confine(s, e);
	if (rc == 0 && ev->started)
		ev->started(ev->ctx);
	/* No connection is accepted before the process is confined. */
	if (rc == 0 && s->acceptor)
		rc = acceptor_start(s->acceptor, e);
	return rc;
}

int send_run(const struct send_config *cfg, struct session_summary *summary,
	     struct err *e)
{
	const struct session_events *ev = cfg->events;
	struct sender *s = calloc(1, sizeof(*s));
	int rc;

	err_clear(e);
	memset(summary, 0, sizeof(*summary));
	if (s && rate_limit_init(&s->rate_limit, cfg->limit_rate)) {
		free(s);
		s = NULL;
	}
	if (s)
		s->cfg = cfg;
	rc = s ? begin_sending(s, e)
	       : err_set(e, ERR_RESOURCE, "out of memory");
	if (s && rc == 0) {
		transfers(s, summary, e);
		rc = e->code;
		/* A dry run does not use up the code. */
		if (cfg->dry_run && cfg->code.pake)
			(void)pake_reopen(cfg->code.pake);
	} else {
		summary->code = rc;
		if (ev->summary)
			ev->summary(ev->ctx, 1, summary, e);
	}
	if (!s)
		return rc;
	acceptor_free(s->acceptor);
	send_direct_free(s->direct);
	free_parts(s);
	rate_limit_release(&s->rate_limit);
	delta_key_free(s->delta_key);
	free(s);
	return rc;
}
