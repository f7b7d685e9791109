/*
 * A walk over the sources that only reports what it finds.
 */
#include "sender/preview.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "session/totals.h"

struct preview {
	const struct send_config *cfg;
	struct session_summary *summary;
	struct totals totals;
};

static void report_planned(struct preview *p, const char *name, size_t name_len,
			   uint64_t size)
{
	const struct session_events *ev = p->cfg->events;
	const struct session_file f = {
		.name = name,
		.name_len = name_len,
		.size = size,
		.is_planned = 1,
	};

	p->summary->files++;
	p->summary->bytes += size;
	if (ev->file)
		ev->file(ev->ctx, 1, &f);
}

static void report_failure(struct preview *p, const struct scan_item *si)
{
	const struct session_events *ev = p->cfg->events;
	const struct session_file f = {
		.name = si->name,
		.name_len = si->name_len,
		.status = STATUS_FAILED,
		.error = si->err->text,
	};

	totals_failed(&p->totals,
		      si->err->code == ERR_CHANGED ? TOTALS_CHANGED
						   : TOTALS_LOCAL,
		      CAUSE_NONE);
	if (ev->file)
		ev->file(ev->ctx, 1, &f);
}

static int on_item(void *ctx, const struct scan_item *si, struct err *e)
{
	struct preview *p = ctx;
	struct pollfd cancel = { .fd = p->cfg->cancel_fd, .events = POLLIN };

	if (poll(&cancel, 1, 0) > 0)
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	switch (si->kind) {
	case SCAN_FILE:
		report_planned(p, si->name, si->name_len,
			       (uint64_t)si->st.st_size);
		break;
	case SCAN_SYMLINK:
		report_planned(p, si->name, si->name_len, 0);
		break;
	case SCAN_ERROR:
		report_failure(p, si);
		break;
	case SCAN_DIR:
	case SCAN_SKIPPED:
	case SCAN_WAITING:
		break;
	}
	return 0;
}

int preview_run(const struct send_config *cfg, struct session_summary *summary,
		struct err *e)
{
	struct preview p = { .cfg = cfg, .summary = summary };
	const uint64_t began_ns = clock_ns();
	uint64_t failed;
	int rc = 0;

	err_clear(e);
	memset(summary, 0, sizeof(*summary));
	if (cfg->stdin_fd >= 0)
		report_planned(&p, cfg->stdin_name, strlen(cfg->stdin_name), 0);
	if (cfg->scan)
		rc = scan_run(cfg->scan, on_item, &p, e);
	failed = totals_failed_count(&p.totals);
	if (rc == 0 && failed > 0) {
		summary->failed = failed;
		p.totals.committed = summary->files;
		rc = err_set(e, totals_code(&p.totals, 1),
			     "%llu of %llu files cannot be sent (see above)",
			     (unsigned long long)failed,
			     (unsigned long long)(failed + summary->files));
	}
	summary->code = rc;
	summary->seconds = (double)(clock_ns() - began_ns) / 1e9;
	if (cfg->events->summary)
		cfg->events->summary(cfg->events->ctx, 1, summary, e);
	return rc;
}
