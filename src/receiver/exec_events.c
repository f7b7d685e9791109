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
#include "receiver/senders.h"
#include "receiver/session.h"
#include "receiver/setup.h"

enum {
	TICK_MS = 1000, /* between two checks whether the receiver stops */
	/* After a signal, programs are waited for no longer than this. */
	END_MS = 10000,
};

void exec_events_session(struct recv_setup *setup,
			 const struct recv_session *s,
			 const struct session_summary *sum)
{
	struct exec_helper *exec = s->sender->exec;
	struct exec_helper_event ev;
	int rc;

	if (!exec || sum->is_dry_run || (sum->code && sum->files == 0 && sum->deleted == 0))
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
	rc = exec_helper_post(exec, &ev);
	/* The queue is full.  The session waits, and counts as one of
	 * --max-sessions meanwhile, which slows new ones down. */
	while (rc == ERR_AGAIN && !cancel_is_set(&setup->stop)) {
		exec_helper_wait(exec, TICK_MS);
		rc = exec_helper_post(exec, &ev);
	}
	if (rc == 0)
		return;
	atomic_fetch_sub(&setup->programs, 1);
	events_session_message(setup->cfg->events, s->number, SESSION_WARNING,
			       "--exec was not run: %s",
			       rc == ERR_AGAIN ?
				       "too many programs are waiting" :
				       "the process that starts it has ended");
}

static void tell_report(struct recv_setup *setup,
			const struct exec_helper_report *report)
{
	const struct session_events *ev = setup->cfg->events;
	const uint64_t number = report->session;
	const int status = report->status;

	if (report->error)
		events_session_message(ev, number, SESSION_WARNING,
				       "--exec cannot be run: %s",
				       strerror(report->error));
	else if (WIFSIGNALED(status))
		events_session_message(ev, number, SESSION_WARNING,
				       "--exec was killed by signal %d",
				       WTERMSIG(status));
	else if (WEXITSTATUS(status))
		events_session_message(ev, number, SESSION_WARNING,
				       "--exec exited with status %d",
				       WEXITSTATUS(status));
	else
		events_session_message(ev, number, SESSION_VERBOSE,
				       "--exec succeeded");
}

int exec_events_reports(struct recv_setup *setup)
{
	struct exec_helper_report report;
	int rc;

	while ((rc = exec_helper_take(setup->cfg->exec_fd, &report)) == 0) {
		tell_report(setup, &report);
		atomic_fetch_sub(&setup->programs, 1);
	}
	return rc;
}

void exec_events_end(struct recv_setup *setup)
{
	struct pollfd fds[2] = { { .events = POLLIN },
				 { .fd = setup->cfg->cancel_fd,
				   .events = POLLIN } };
	struct senders *ss = senders_current_get(setup->senders);
	uint64_t deadline_ms = 0;

	for (size_t i = 0; i < senders_count(ss); i++) {
		if (senders_at(ss, i)->exec)
			exec_helper_finish(senders_at(ss, i)->exec);
	}
	senders_release(ss);
	if (setup->cfg->exec_fd <= 0)
		return;
	fds[0].fd = setup->cfg->exec_fd;
	/* Where the file of --config is read, its reader has a copy of the
	 * other end, so that this one need not be closed when all have
	 * reported. */
	while (exec_events_reports(setup) == ERR_AGAIN &&
	       atomic_load(&setup->programs) > 0) {
		int ms = deadline_ms ? clock_left_ms(deadline_ms) : -1;

		if (ms == 0) {
			events_message(setup->cfg->events, SESSION_WARNING,
				       "--exec is still running; not waiting "
				       "for it");
			return;
		}
		/* The descriptor stays readable, so it is polled once only. */
		if (poll(fds, 2, ms) > 0 && fds[1].revents) {
			deadline_ms = clock_ms() + END_MS;
			fds[1].fd = -1;
		}
	}
}
