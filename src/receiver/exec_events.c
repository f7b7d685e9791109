/*
 * --exec: telling the process that runs the program of what was committed,
 * and the user of what became of it.  Whatever that is, it is not the
 * session's result.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "receiver/exec_helper.h"
#include "receiver/receiver.h"

enum {
	TICK_MS = 1000,
	/* After a signal, programs are waited for no longer than this. */
	END_MS = 10000,
};

void exec_events_session(struct receiver *r, uint64_t number,
			   const char *peer,
			   const struct session_summary *sum)
{
	struct exec_helper_event ev;
	int rc;

	if (!r->cfg->exec || (sum->code && sum->files == 0))
		return;
	memset(&ev, 0, sizeof(ev));
	ev.session = number;
	ev.exit_status = err_exit_status(sum->code);
	ev.files = sum->files;
	ev.bytes = sum->bytes;
	ev.unchanged = sum->unchanged;
	ev.skipped = sum->skipped;
	ev.failed = sum->failed;
	snprintf(ev.peer, sizeof(ev.peer), "%s", peer);
	snprintf(ev.security, sizeof(ev.security), "%s",
		 security_name(r->cfg->security));
	rc = exec_helper_post(r->cfg->exec, &ev);
	/* Hundreds wait: the session keeps its place until there is room. */
	while (rc == ERR_AGAIN && !atomic_load(&r->is_stopping)) {
		exec_helper_wait(r->cfg->exec, TICK_MS);
		rc = exec_helper_post(r->cfg->exec, &ev);
	}
	if (rc)
		receiver_message(r, SESSION_WARNING,
				 "session %llu: --exec was not run: %s",
				 (unsigned long long)number,
				 rc == ERR_AGAIN ? "too many are waiting" :
						   "its process is gone");
}

static void tell(struct receiver *r, const struct exec_helper_report *report)
{
	const unsigned long long number = report->session;
	const int status = report->status;

	if (report->error)
		receiver_message(r, SESSION_WARNING,
				 "session %llu: --exec cannot be run: %s",
				 number, strerror(report->error));
	else if (WIFSIGNALED(status))
		receiver_message(r, SESSION_WARNING,
				 "session %llu: --exec was ended by signal %d",
				 number, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		receiver_message(r, SESSION_WARNING,
				 "session %llu: --exec ended with status %d",
				 number, WEXITSTATUS(status));
	else
		receiver_message(r, SESSION_VERBOSE,
				 "session %llu: --exec is done", number);
}

int exec_events_reports(struct receiver *r)
{
	struct exec_helper_report report;
	int rc;

	while ((rc = exec_helper_take(r->cfg->exec, &report)) == 0)
		tell(r, &report);
	return rc;
}

void exec_events_end(struct receiver *r)
{
	struct pollfd fds[2] = { { .events = POLLIN },
				 { .fd = r->cfg->cancel_fd,
				   .events = POLLIN } };
	uint64_t deadline_ms = 0;

	if (!r->cfg->exec)
		return;
	exec_helper_finish(r->cfg->exec);
	fds[0].fd = exec_helper_fd(r->cfg->exec);
	while (exec_events_reports(r) == ERR_AGAIN) {
		int ms = deadline_ms ? clock_left_ms(deadline_ms) : -1;

		if (ms == 0) {
			receiver_message(r, SESSION_WARNING,
					 "--exec takes long and goes on; not "
					 "waiting for it");
			return;
		}
		if (poll(fds, 2, ms) > 0 && fds[1].revents) {
			deadline_ms = clock_ms() + END_MS;
			fds[1].fd = -1;
		}
	}
}
