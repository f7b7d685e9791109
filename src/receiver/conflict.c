/*
 * Policies for names that are taken.
 */
#include "receiver/conflict.h"

#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "fs/why.h"
#include "receiver/fs_lacks.h"
#include "receiver/placed.h"
#include "receiver/unlocked.h"

enum {
	/* Another process may create and remove the name again and again. */
	NAME_TRIES = 16,
};

/* Times that the file system may not be able to tell apart are not newer. */
static int is_newer(const struct file_meta *meta, const struct stat *there,
		    int dir_fd, struct fs_lacks *lacks)
{
	if (fs_lacks_same_time(lacks, dir_fd, &there->st_mtim, meta))
		return 0;
	if (meta->mtime_s != (int64_t)there->st_mtim.tv_sec)
		return meta->mtime_s > (int64_t)there->st_mtim.tv_sec;
	return (long)meta->mtime_ns > there->st_mtim.tv_nsec;
}

enum conflict_action conflict_decide(enum conflict_policy existing,
				     const struct stat *there,
				     const struct file_meta *meta, int dir_fd,
				     struct fs_lacks *lacks)
{
	if (existing == CONFLICT_RENAME)
		return ACTION_RENAME;
	if (S_ISDIR(there->st_mode))
		return ACTION_FAIL;
	switch (existing) {
	case CONFLICT_SKIP:
		return ACTION_SKIP;
	case CONFLICT_REPLACE:
		return ACTION_REPLACE;
	case CONFLICT_NEWER:
		return is_newer(meta, there, dir_fd, lacks) ? ACTION_REPLACE :
							      ACTION_SKIP;
	case CONFLICT_BACKUP:
		return ACTION_BACKUP;
	case CONFLICT_RENAME:
	case CONFLICT_FAIL:
		break;
	}
	return ACTION_FAIL;
}

unsigned conflict_cause(int dir_fd, const char *leaf, const struct stat *there,
			uint64_t size)
{
	struct stat st;
	struct err e;
	int fd, can_read;

	if (S_ISDIR(there->st_mode))
		return CAUSE_IS_DIR;
	if (dir_fd < 0 || !S_ISREG(there->st_mode) ||
	    (uint64_t)there->st_size != size)
		return CAUSE_EXISTS;
	err_clear(&e);
	fd = part_open_existing(dir_fd, leaf, &st, &e);
	can_read = fd >= 0 || e.sys_errno != EACCES;
	io_close(&fd);
	return can_read ? CAUSE_EXISTS : CAUSE_PERMISSION;
}

/* The size of the file that is to be placed. */
static uint64_t size_of(const struct candidate *what)
{
	struct stat st;

	if (!what->part || fstat(what->part->fd, &st) < 0)
		return UINT64_MAX;
	return (uint64_t)st.st_size;
}

/* Set the result where place_put() or place_backup() returned rc.  Returns 0 or
 * -1. */
static int set_result(const struct place_request *a, struct place_result *out,
		      int rc, const struct err *e)
{
	out->status = rc ? STATUS_FAILED : STATUS_COMMITTED;
	if (rc)
		out->cause = wire_cause_of_errno(
			why_errno(a->dir_fd, a->leaf, e->sys_errno));
	return rc ? -1 : 0;
}

static int put_candidate(const struct place_request *a, const char *name,
			 int replace, struct place_result *out, struct err *e)
{
	err_clear(e);
	return set_result(a, out, place_put(&a->what, a->dir_fd, name, replace,
					    e), e);
}

/* Whether an earlier transfer put the same under a further name.  Only one with
 * the same time is read, as there may be many. */
static int is_same_as_before(const struct place_request *a, const char *name)
{
	struct stat st;
	struct err e;

	return part_stat(a->dir_fd, name, &st, &e) == 0 &&
	       (fs_lacks_same_time(a->lacks, a->dir_fd, &st.st_mtim, a->meta) ||
		!fs_lacks_keeps_times(a->lacks, a->dir_fd)) &&
	       a->is_same(a->ctx, a->dir_fd, name);
}

static void put_renamed(const struct place_request *a, struct place_result *out)
{
	struct err e;

	for (unsigned n = 1; n < PLACE_TRIES; n++) {
		place_name(out->renamed, a->leaf, n);
		if (put_candidate(a, out->renamed, 0, out, &e) == 0)
			return;
		if (e.sys_errno != EEXIST)
			break;
		if (is_same_as_before(a, out->renamed)) {
			out->status = STATUS_UNCHANGED;
			return;
		}
	}
	out->renamed[0] = '\0';
}

/* Something else has the name: do what the policy says. */
static void resolve_conflict(const struct place_request *a,
			     enum conflict_policy existing,
			     const struct stat *there,
			     struct place_result *out)
{
	struct err e;
	const enum conflict_action action = conflict_decide(
		existing, there, a->meta, a->dir_fd, a->lacks);

	switch (action) {
	case ACTION_SKIP:
		out->status = STATUS_SKIPPED;
		break;
	case ACTION_REPLACE:
		(void)put_candidate(a, a->leaf, 1, out, &e);
		break;
	case ACTION_RENAME:
		put_renamed(a, out);
		break;
	case ACTION_BACKUP:
		err_clear(&e);
		(void)set_result(a, out, place_backup(&a->what, a->dir_fd,
						      a->leaf, &e), &e);
		break;
	case ACTION_FAIL:
		out->status = STATUS_FAILED;
		out->cause = conflict_cause(a->dir_fd, a->leaf, there,
					    size_of(&a->what));
		break;
	}
	out->has_replaced = out->status == STATUS_COMMITTED &&
			    (action == ACTION_REPLACE ||
			     action == ACTION_BACKUP);
}

/* Whether another item of the session has the name, as the file system folds
 * names: then the candidate fails, unless it is the same. */
static int meets_rival(const struct place_request *a, const struct stat *there,
		       int is_locked, struct place_result *out)
{
	const struct placed_name name = { a->dir_fd, a->leaf, a->path,
					  a->path_len };

	out->rival = placed_rival(a->placed, &name, there, is_locked);
	if (!out->rival)
		return 0;
	out->status = STATUS_FAILED;
	out->cause = CAUSE_RIVAL;
	return 1;
}

static void place_at(const struct place_request *a,
		     enum conflict_policy existing, int is_locked,
		     struct place_result *out)
{
	struct stat there;
	struct err e;

	if (is_locked && part_stat(a->dir_fd, a->leaf, &there, &e) == 0 &&
	    meets_rival(a, &there, is_locked, out)) {
		if (a->is_same(a->ctx, a->dir_fd, a->leaf))
			out->status = STATUS_UNCHANGED;
		return;
	}
	for (int i = 0; i < NAME_TRIES; i++) {
		if (put_candidate(a, a->leaf, 0, out, &e) == 0)
			break;
		if (e.sys_errno != EEXIST)
			break;
		if (part_stat(a->dir_fd, a->leaf, &there, &e)) {
			if (e.sys_errno == ENOENT)
				continue; /* removed meanwhile */
			break;
		}
		if (a->is_same(a->ctx, a->dir_fd, a->leaf))
			out->status = STATUS_UNCHANGED;
		else if (existing == CONFLICT_RENAME ||
			 !meets_rival(a, &there, is_locked, out))
			resolve_conflict(a, existing, &there, out);
		break;
	}
}

void conflict_place(const struct place_request *a,
		    enum conflict_policy existing, struct place_result *out)
{
	const struct placed_name name = { a->dir_fd, a->leaf, a->path,
					  a->path_len };
	const int is_locked = placed_lock(a->placed, &name);

	out->renamed[0] = '\0';
	out->rival = NULL;
	out->has_replaced = 0;
	place_at(a, existing, is_locked, out);
	/* Another session may have restored the directory's mode. */
	if (out->status == STATUS_FAILED && out->cause == CAUSE_PERMISSION &&
	    unlocked_open_parent(a->unlocked, a->dir_fd, a->path, a->path_len))
		place_at(a, existing, is_locked, out);
	if (out->status != STATUS_FAILED) {
		out->cause = CAUSE_NONE;
		free(out->rival);
		out->rival = NULL;
	}
	if (is_locked && (out->status == STATUS_COMMITTED ||
			  out->status == STATUS_UNCHANGED))
		placed_note(a->placed, &name);
	if (is_locked)
		placed_unlock(a->placed);
}
