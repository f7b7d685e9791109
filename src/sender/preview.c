/*
 * A walk over the sources that only reports what it finds.
 */
#include "sender/preview.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "fs/dirs.h"
#include "fs/source.h"
#include "sender/input_end.h"
#include "session/totals.h"

struct preview {
	const struct send_config *cfg;
	struct session_summary *summary;
	struct totals totals;
	struct dirs *dirs; /* of the root that a file was opened below last */
	unsigned dirs_root;
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

static void report_failure(struct preview *p, const struct scan_item *si,
			   const struct err *why)
{
	const struct session_events *ev = p->cfg->events;
	const struct session_file f = {
		.name = si->name,
		.name_len = si->name_len,
		.status = STATUS_FAILED,
		.error = why->text,
		.reason = si->reason ? si->reason :
			  wire_cause_text(wire_cause_of_errno(why->sys_errno)),
		.advice = si->advice,
	};

	totals_failed(&p->totals,
		      why->code == ERR_CHANGED ? TOTALS_CHANGED : TOTALS_LOCAL,
		      CAUSE_NONE);
	if (ev->file)
		ev->file(ev->ctx, 1, &f);
}

/* Open the file as it would be opened to be sent.  Returns 0; ERR_LOCAL or
 * ERR_CHANGED with the path in e; or ERR_RESOURCE. */
static int try_file(struct preview *p, const struct scan_item *si,
		    struct err *e)
{
	const struct send_config *cfg = p->cfg;
	const int follow = cfg->follow_links;
	const char *leaf = NULL;
	char shown[400];
	struct stat st;
	int fd;

	if (!p->dirs || p->dirs_root != si->root) {
		dirs_free(p->dirs);
		p->dirs = dirs_new(scan_root_fd(cfg->scan, si->root),
				   follow ? DIRS_FOLLOW : 0, NULL, NULL);
		p->dirs_root = si->root;
		if (!p->dirs)
			return err_set(e, ERR_RESOURCE, "out of memory");
	}
	fd = dirs_parent(p->dirs, si->path, si->path_len, &leaf, e);
	if (fd >= 0)
		fd = source_open(fd, leaf, follow ||
				 scan_root_follow(cfg->scan, si->root), &st, e);
	if (fd >= 0) {
		io_close(&fd);
		return 0;
	}
	if (e->code == ERR_LOCAL && e->sys_errno == ENOENT)
		e->code = ERR_CHANGED;
	text_escape(shown, sizeof(shown), si->display, strlen(si->display));
	return err_prefix(e, "%s", shown);
}

static int preview_file(struct preview *p, const struct scan_item *si,
			struct err *e)
{
	struct err why;
	int rc = try_file(p, si, &why);

	if (rc == ERR_RESOURCE) {
		*e = why;
		return rc;
	}
	if (rc) {
		report_failure(p, si, &why);
		return 0;
	}
	p->totals.committed++;
	report_planned(p, si->name, si->name_len, (uint64_t)si->st.st_size);
	return 0;
}

static int on_item(void *ctx, const struct scan_item *si, struct err *e)
{
	struct preview *p = ctx;
	struct pollfd cancel = { .fd = p->cfg->cancel_fd, .events = POLLIN };

	if (poll(&cancel, 1, 0) > 0 ||
	    (si->kind == SCAN_LIST_END &&
	     input_end_is_signalled(p->cfg->cancel_fd)))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	switch (si->kind) {
	case SCAN_FILE:
		return preview_file(p, si, e);
	case SCAN_SYMLINK:
	case SCAN_SPECIAL:
		report_planned(p, si->name, si->name_len, 0);
		break;
	case SCAN_ERROR:
		report_failure(p, si, si->err);
		break;
	case SCAN_DIR:
	case SCAN_SKIPPED:
	case SCAN_WAITING:
	case SCAN_LIST_END:
		break;
	}
	return 0;
}

int preview_run(const struct send_config *cfg, struct session_summary *summary,
		struct err *e)
{
	struct preview p = { .cfg = cfg, .summary = summary };
	const uint64_t began_ns = clock_ns();
	char number[TEXT_GROUPED_MAX], all[TEXT_COUNT_MAX];
	uint64_t failed;
	int rc = 0;

	err_clear(e);
	memset(summary, 0, sizeof(*summary));
	if (cfg->stdin_fd >= 0) {
		p.totals.committed++;
		report_planned(&p, cfg->stdin_name, strlen(cfg->stdin_name), 0);
	}
	if (cfg->scan)
		rc = scan_run(cfg->scan, on_item, &p, e);
	dirs_free(p.dirs);
	failed = totals_failed_count(&p.totals);
	summary->failed = failed;
	if (rc == 0 && failed > 0)
		rc = err_set(e, totals_code(&p.totals, 1),
			     "%s of %s cannot be sent (see above)",
			     text_grouped(number, failed),
			     text_count(all, failed + summary->files, "file"));
	summary->code = rc;
	summary->seconds = (double)(clock_ns() - began_ns) / 1e9;
	if (cfg->events->summary)
		cfg->events->summary(cfg->events->ctx, 1, summary, e);
	return rc;
}
