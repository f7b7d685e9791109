/*
 * A walk over the sources that only tells.
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

static void tell(struct preview *p, const char *name, size_t name_len,
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

static void tell_trouble(struct preview *p, const struct scan_item *si)
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

static int is_cancelled(const struct preview *p)
{
	struct pollfd pfd = { .fd = p->cfg->cancel_fd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

static int on_item(void *ctx, const struct scan_item *si, struct err *e)
{
	struct preview *p = ctx;

	if (is_cancelled(p))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	switch (si->kind) {
	case SCAN_FILE:
		tell(p, si->name, si->name_len, (uint64_t)si->st.st_size);
		break;
	case SCAN_LINK:
		tell(p, si->name, si->name_len, 0);
		break;
	case SCAN_TROUBLE:
		tell_trouble(p, si);
		break;
	case SCAN_DIR:
	case SCAN_SKIPPED:
	case SCAN_WAITING:
		break;
	}
	return 0;
}

/* The exit code of what was found. */
static int judge(struct preview *p, struct err *e)
{
	uint64_t failed = totals_failed_count(&p->totals);
	int code;

	p->summary->failed = failed;
	p->totals.committed = p->summary->files;
	code = totals_code(&p->totals, 1);
	if (code)
		err_set(e, code,
			"%llu of %llu files cannot be sent (see "
			"above)",
			(unsigned long long)failed,
			(unsigned long long)(failed + p->summary->files));
	return code;
}

int preview_run(const struct send_config *cfg, struct session_summary *summary,
		struct err *e)
{
	struct preview p = { .cfg = cfg, .summary = summary };
	uint64_t began_ns = clock_ns();
	int rc = 0;

	err_clear(e);
	memset(summary, 0, sizeof(*summary));
	if (cfg->stdin_fd >= 0)
		tell(&p, cfg->stdin_name, strlen(cfg->stdin_name), 0);
	if (cfg->scan)
		rc = scan_run(cfg->scan, on_item, &p, e);
	if (rc == 0)
		rc = judge(&p, e);
	summary->code = rc;
	summary->seconds = (double)(clock_ns() - began_ns) / 1e9;
	if (cfg->events->summary)
		cfg->events->summary(cfg->events->ctx, 1, summary, e);
	return rc;
}
