/*
 * Names that are taken.
 */
#include "session/existing.h"

#include <errno.h>

enum {
	/* What stands there may go or come while it is looked at. */
	PLACE_TRIES = 16,
};

static int is_newer(const struct file_meta *meta, const struct stat *there)
{
	if (meta->mtime_s != (int64_t)there->st_mtim.tv_sec)
		return meta->mtime_s > (int64_t)there->st_mtim.tv_sec;
	return (long)meta->mtime_ns > there->st_mtim.tv_nsec;
}

enum fate existing_decide(enum existing existing, const struct stat *there,
			  const struct file_meta *meta)
{
	if (existing == EXISTING_RENAME)
		return FATE_RENAME;
	if (S_ISDIR(there->st_mode))
		return FATE_FAIL;
	switch (existing) {
	case EXISTING_SKIP:
		return FATE_SKIP;
	case EXISTING_REPLACE:
		return FATE_REPLACE;
	case EXISTING_NEWER:
		return is_newer(meta, there) ? FATE_REPLACE : FATE_SKIP;
	case EXISTING_BACKUP:
		return FATE_BACKUP;
	case EXISTING_RENAME:
	case EXISTING_FAIL:
		break;
	}
	return FATE_FAIL;
}

unsigned existing_cause(const struct stat *there)
{
	return S_ISDIR(there->st_mode) ? CAUSE_IS_DIR : CAUSE_EXISTS;
}

/* What putting it came to.  Returns 0, or -1 with the reason in out. */
static int settle(struct placed *out, int rc, const struct err *e)
{
	out->status = rc ? STATUS_FAILED : STATUS_COMMITTED;
	if (rc)
		out->cause = wire_cause_of_errno(e->sys_errno);
	return rc ? -1 : 0;
}

static int put(const struct arrival *a, const char *name, int replace,
	       struct placed *out, struct err *e)
{
	err_clear(e);
	return settle(out, beside_put(&a->what, a->dir_fd, name, replace, e),
		      e);
}

/* Whether what an earlier time left under a name beside is the same.  Read only
 * where that is likely, as there may be many. */
static int is_there_beside(const struct arrival *a, const char *name)
{
	struct stat st;
	struct err e;

	return part_stat(a->dir_fd, name, &st, &e) == 0 &&
	       (int64_t)st.st_mtim.tv_sec == a->meta->mtime_s &&
	       a->is_same(a->ctx, a->dir_fd, name);
}

static void put_beside(const struct arrival *a, struct placed *out)
{
	struct err e;

	for (unsigned n = 1; n < BESIDE_TRIES; n++) {
		beside_name(out->renamed, a->leaf, n);
		if (put(a, out->renamed, 0, out, &e) == 0)
			return;
		if (e.sys_errno != EEXIST)
			break;
		if (is_there_beside(a, out->renamed)) {
			out->status = STATUS_UNCHANGED;
			return;
		}
	}
	out->renamed[0] = '\0';
}

/* The name is taken by something else. */
static void take(const struct arrival *a, enum existing existing,
		 const struct stat *there, struct placed *out)
{
	struct err e;

	switch (existing_decide(existing, there, a->meta)) {
	case FATE_SKIP:
		out->status = STATUS_SKIPPED;
		break;
	case FATE_REPLACE:
		(void)put(a, a->leaf, 1, out, &e);
		break;
	case FATE_RENAME:
		put_beside(a, out);
		break;
	case FATE_BACKUP:
		err_clear(&e);
		(void)settle(out, beside_backup(&a->what, a->dir_fd, a->leaf,
						&e), &e);
		break;
	case FATE_FAIL:
		out->status = STATUS_FAILED;
		out->cause = existing_cause(there);
		break;
	}
}

void existing_place(const struct arrival *a, enum existing existing,
		    struct placed *out)
{
	struct stat there;
	struct err e;

	out->renamed[0] = '\0';
	for (int i = 0; i < PLACE_TRIES; i++) {
		if (put(a, a->leaf, existing == EXISTING_REPLACE, out, &e) == 0)
			break;
		if (e.sys_errno != EEXIST)
			break;
		if (part_stat(a->dir_fd, a->leaf, &there, &e)) {
			if (e.sys_errno == ENOENT)
				continue; /* it has just gone */
			break;
		}
		if (a->is_same(a->ctx, a->dir_fd, a->leaf))
			out->status = STATUS_UNCHANGED;
		else
			take(a, existing, &there, out);
		break;
	}
	if (out->status != STATUS_FAILED)
		out->cause = CAUSE_NONE;
}
