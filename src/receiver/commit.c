/*
 * Received files before they have their final names.
 */
#include "receiver/commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "fs/journal.h"
#include "fs/name.h"
#include "fs/preserve.h"
#include "receiver/fs_lacks.h"
#include "receiver/held_dir.h"
#include "receiver/placed.h"
#include "receiver/unlocked.h"
#include "wire/msg.h"

struct commit *commit_new(const char *name, size_t name_len)
{
	struct commit *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->part.fd = -1;
	c->name = malloc(name_len + 1);
	if (!c->name) {
		free(c);
		return NULL;
	}
	memcpy(c->name, name, name_len);
	c->name[name_len] = '\0';
	c->name_len = name_len;
	return c;
}

int commit_take_part(struct commit *c, struct placed *p)
{
	const struct placed_name name = { held_dir_fd(c->dir),
					  name_last(c->name), c->name,
					  c->name_len };

	if (!p || placed_take_part(p, &name, c->tag) == 0) {
		c->taken_from = p;
		return 0;
	}
	return -1;
}

void commit_drop_part(struct commit *c)
{
	const struct placed_name name = { -1, name_last(c->name), c->name,
					  c->name_len };

	if (c->taken_from)
		placed_drop_part(c->taken_from, &name, c->tag);
	c->taken_from = NULL;
}

void commit_free(struct commit *c)
{
	if (!c)
		return;
	io_close(&c->part.fd);
	journal_close(c->journal);
	held_dir_unref(c->dir);
	commit_drop_part(c);
	free(c->fields);
	free(c->rival);
	free(c->renamed);
	free(c->name);
	free(c);
}

int commit_copy_meta(struct commit *c, const struct file_meta *meta)
{
	c->meta = *meta;
	c->meta.fields = NULL;
	c->is_linked = file_meta_has(meta, FILE_META_TAG_LINKED);
	if (meta->fields_len == 0)
		return 0;
	c->fields = malloc(meta->fields_len);
	if (!c->fields)
		return -1;
	memcpy(c->fields, meta->fields, meta->fields_len);
	c->meta.fields = c->fields;
	return 0;
}

/* Note what the file system accepted and ignored; not what it refused. */
static void note_ignored(struct commit *c, const struct preserve *how,
			 struct fs_lacks *lacks)
{
	int is_mount_mode;
	const unsigned ignored = part_ignored_meta(&c->part, &c->meta, how,
						   &is_mount_mode) &
				 ~c->not_kept;

	if (is_mount_mode && !(c->not_kept & FILE_META_MODE))
		fs_lacks_note(lacks, LACKS_MODES);
	if (ignored & FILE_META_BASIC_KINDS)
		fs_lacks_note(lacks, LACKS_META);
	if (ignored && !c->not_kept)
		c->not_kept_cause = CAUSE_UNSUPPORTED;
	c->not_kept |= ignored;
}

void commit_set_meta(struct commit *c, const struct preserve *how,
		     struct fs_lacks *lacks)
{
	/* Whether a call was ignored shows only afterwards, at the cost of one
	 * more call.  Mode and time are looked at with the first file, and with
	 * the others only if they were ignored there.  The owner is looked at
	 * with every file: that of the first one may happen to be the one that
	 * this mount gives to all. */
	const enum fs_lack looked = c->part.has_mode ? LACKS_LOOKED_AT_TIME :
						       LACKS_LOOKED_AT_ALL;
	const int has_owner = how && how->kinds & PRESERVE_OWNER &&
			      file_meta_has(&c->meta, FILE_META_TAG_OWNER);
	struct err e;

	err_clear(&e);
	c->not_kept = part_set_meta(&c->part, &c->meta, how, &e);
	/* No call fails where a set-ID bit is left out, because the owner or
	 * group that it is for was not kept. */
	c->not_kept_cause = !c->not_kept ? CAUSE_NONE :
			    !e.sys_errno ? CAUSE_PERMISSION :
					   wire_cause_of_errno(e.sys_errno);
	if (has_owner && !(c->not_kept & FILE_META_OWNER)) {
		note_ignored(c, how, lacks);
	} else if (!c->not_kept && (!fs_lacks_has(lacks, looked) ||
				    fs_lacks_has(lacks, LACKS_META))) {
		fs_lacks_note(lacks, looked);
		note_ignored(c, how, lacks);
	}
}

void commit_discard(struct commit *c)
{
	int dir;

	if (!c->dir)
		return;
	dir = held_dir_fd(c->dir);
	/* The journal first: while the part is locked, no other transfer uses
	 * it.  Where it cannot be removed the part stays, as a later transfer
	 * finds both by the part's name. */
	if (c->journal && journal_remove(dir, c->tag) < 0)
		c->part.name[0] = '\0';
	part_discard(&c->part, dir);
}

void commit_clear_kept(const struct commit *c, struct unlocked *unlocked)
{
	const int dir = held_dir_fd(c->dir);

	if (journal_clear(dir, c->tag) < 0 && errno == EACCES &&
	    unlocked_open_parent(unlocked, dir, c->name, c->name_len))
		(void)journal_clear(dir, c->tag);
}
