/*
 * Sessions to the process that runs the program of --exec, reports from it.
 */
#include "receiver/exec_events.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "receiver/exec_helper.h"
#include "receiver/exec_queue.h"
#include "receiver/senders.h"
#include "receiver/session.h"
#include "receiver/setup.h"

enum {
	TICK_MS = 1000, /* between two checks whether the receiver stops */
	/* After a signal, programs are waited for no longer than this. */
	END_MS = 10000,
};

/* The program does not run for a session, for a reason of exec_queue_add(). */
static void not_run(void *ctx, uint64_t number, int rc)
{
	struct recv_setup *setup = ctx;

	atomic_fetch_sub(&setup->programs, 1);
	events_session_message(setup->cfg->events, number, SESSION_WARNING,
			       "the exec program was not run: %s",
			       rc == ERR_AGAIN ?
				       "too many programs are waiting" :
				       "the process that starts it has ended");
}

void exec_events_session(struct recv_setup *setup,
			 const struct recv_session *s,
			 const struct session_summary *sum)
{
	const struct exec_queue_sender sender = { s->senders, s->sender->exec,
						  s->owner };
	struct exec_helper_event ev;
	int rc;

	if (!sender.exec || sum->is_dry_run || (sum->code && sum->files == 0 && sum->deleted == 0))
		return;
	memset(&ev, 0, sizeof(ev));
	ev.session = s->number;
	ev.exit_status = setup->cfg->exit_status ?
				 setup->cfg->exit_status(sum->code) :
				 err_exit_status(sum->code);
	ev.files = sum->files;
	ev.bytes = sum->bytes;
	ev.unchanged = sum->unchanged;
	ev.skipped = sum->skipped;
	ev.failed = sum->failed;
	ev.deleted = sum->deleted;
	snprintf(ev.peer, sizeof(ev.peer), "%s", s->peer);
	snprintf(ev.identity, sizeof(ev.identity), "%s", s->identity);
	if (s->sender->name)
		snprintf(ev.sender, sizeof(ev.sender), "%s", s->sender->name);
	snprintf(ev.security, sizeof(ev.security), "%s",
		 security_name(setup->cfg->security));
	atomic_fetch_add(&setup->programs, 1);
	rc = exec_queue_add(setup->exec_queue, &sender, &ev);
	/* The queue is full, or this sender has its share of it.  The session
	 * waits, and counts as one of --max-sessions meanwhile, which slows new
	 * ones down. */
	while (rc == ERR_AGAIN && !cancel_is_set(&setup->stop)) {
		exec_queue_wait(setup->exec_queue, TICK_MS);
		rc = exec_queue_add(setup->exec_queue, &sender, &ev);
	}
	if (rc)
		not_run(setup, s->number, rc);
}

static void tell_report(struct recv_setup *setup,
			const struct exec_helper_report *report)
{
	const struct session_events *ev = setup->cfg->events;
	const uint64_t number = report->session;
	const int status = report->status;

	if (report->error)
		events_session_message(ev, number, SESSION_WARNING,
				       "the exec program cannot be run: %s",
				       strerror(report->error));
	else if (WIFSIGNALED(status))
		events_session_message(ev, number, SESSION_WARNING,
				       "the exec program was killed by signal %d",
				       WTERMSIG(status));
	else if (WEXITSTATUS(status))
		events_session_message(ev, number, SESSION_WARNING,
				       "the exec program exited with status %d",
				       WEXITSTATUS(status));
	else
		events_session_message(ev, number, SESSION_VERBOSE,
				       "the exec program succeeded");
}

int exec_events_reports(struct recv_setup *setup)
{
	struct exec_helper_report report;
	int rc;

	while ((rc = exec_helper_take(setup->cfg->exec_fd, &report)) == 0) {
		tell_report(setup, &report);
		atomic_fetch_sub(&setup->programs, 1);
	}
	/* Each report is one of a program that was handed over, and whose room
	 * is free. */
	exec_queue_pass_on(setup->exec_queue, 0, not_run, setup);
	return rc;
}

/* There are no more events for the processes. */
static void finish(struct recv_setup *setup)
{
	struct senders *ss = senders_current_get(setup->senders);

	for (size_t i = 0; i < senders_count(ss); i++) {
		if (senders_at(ss, i)->exec)
			exec_helper_finish(senders_at(ss, i)->exec);
	}
	senders_release(ss);
}

void exec_events_end(struct recv_setup *setup)
{
	struct pollfd fds[2] = { { .events = POLLIN },
				 { .fd = setup->cfg->cancel_fd,
				   .events = POLLIN } };
	uint64_t deadline_ms = 0;
	int is_finished = 0;

	fds[0].fd = setup->cfg->exec_fd;
	/* Where the file of --config is read, its reader has a copy of the
	 * other end, so that this one need not be closed when all have
	 * reported. */
	while (fds[0].fd > 0 && exec_events_reports(setup) == ERR_AGAIN &&
	       atomic_load(&setup->programs) > 0) {
		const int is_kept = exec_queue_count(setup->exec_queue) > 0;
		int ms = deadline_ms ? clock_left_ms(deadline_ms) : -1;

		if (!is_kept && !is_finished) {
			finish(setup);
			is_finished = 1;
		}
		if (ms == 0) {
			events_message(setup->cfg->events, SESSION_WARNING,
				       "the exec program is still running; not "
				       "waiting for it");
			break;
		}
		if (is_kept && (ms < 0 || ms > TICK_MS))
			ms = TICK_MS;
		/* The descriptor stays readable, so it is polled once only. */
		if (poll(fds, 2, ms) > 0 && fds[1].revents) {
			deadline_ms = clock_ms() + END_MS;
			fds[1].fd = -1;
		}
	}
	exec_queue_pass_on(setup->exec_queue, 1, not_run, setup);
	if (!is_finished)
		finish(setup);
}
