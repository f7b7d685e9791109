/*
 * Hidden, kept and ordinary parts.
 */
#include "receiver/parts.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "chunk/tree.h"
#include "fs/dirs.h"
#include "fs/journal.h"
#include "net/stream.h"
#include "receiver/commit.h"
#include "receiver/fs_lacks.h"
#include "receiver/held_dir.h"
#include "receiver/unlocked.h"

uint64_t parts_tag(const struct parts *p, const char *leaf)
{
	uint8_t text[STREAM_PEER + NAME_COMPONENT_MAX], sum[DIGEST_MAX];
	size_t n = strlen(leaf);

	memcpy(text, p->peer_id, STREAM_PEER);
	memcpy(text + STREAM_PEER, leaf, n);
	/* Not a secret and not trusted: the journal has the identity itself. */
	digest_xxh3.sum(text, STREAM_PEER + n, sum);
	return be_get64(sum);
}

int parts_is_taken(const struct parts *p, int dir, const char *leaf)
{
	/* There is nothing in a directory that this session has made. */
	return !dirs_is_young(p->dirs) &&
	       part_is_locked(dir, parts_tag(p, leaf));
}

/* Whether the result of opening a kept part says that it cannot be locked, or
 * that another transfer has it. */
static int is_unlockable(int rc, const struct err *e)
{
	return rc == ERR_AGAIN ||
	       (rc < 0 && (e->sys_errno == ENOLCK || e->sys_errno == EINVAL ||
			   e->sys_errno == ENOSYS ||
			   e->sys_errno == EOPNOTSUPP));
}

/* Whether making a part failed with rc because of the directory's mode, and is
 * worth another try. */
static int unlocks(struct parts *p, const struct commit *c, int dir, int rc,
		   struct err *e)
{
	if (rc >= 0 || rc == ERR_AGAIN || e->sys_errno != EACCES ||
	    !unlocked_open_parent(p->unlocked, dir, c->name, c->name_len))
		return 0;
	err_clear(e);
	return 1;
}

/* Open a kept part that no other item of this session has. */
static int open_kept(struct parts *p, struct commit *c, int dir, int *was_there,
		     struct err *e)
{
	int rc;

	if (commit_take_part(c, p->placed) < 0) {
		c->part.fd = -1;
		c->part.name[0] = '\0';
		return ERR_AGAIN;
	}
	rc = part_open_kept(&c->part, dir, c->tag, was_there, e);
	if (rc < 0)
		commit_drop_part(c);
	return rc;
}

/* Make a part that was there empty.  One that cannot be made so is removed and
 * given back: the caller may try again, and would find it locked. */
static int empty_kept(struct commit *c, int dir, struct err *e)
{
	if (part_set_size(&c->part, 0, e) == 0)
		return 0;
	/* As in commit_discard(). */
	if (journal_remove(dir, c->tag) < 0)
		c->part.name[0] = '\0';
	part_discard(&c->part, dir);
	commit_drop_part(c);
	return e->code;
}

static int create(struct parts *p, struct commit *c, int dir, const char *leaf,
		  struct err *e)
{
	int rc = ERR_AGAIN, was_there = 0;

	if (!p->names.is_visible && !fs_lacks_has(p->lacks, LACKS_LINKS))
		rc = part_create_hidden(&c->part, dir, c->meta.mode,
					held_dir_is_exact(c->dir), e);
	/* An earlier session may have kept a part, when the source was larger;
	 * but not in a directory that this session has made. */
	if (rc == 0 && !dirs_is_young(p->dirs))
		(void)journal_clear(dir, parts_tag(p, leaf));
	if (rc != ERR_AGAIN)
		return rc;
	p->names.is_visible = 1;
	/* No hidden files here.  The name follows from the tag, so that the
	 * part of a killed process is found and removed by the next
	 * transfer.  It may have been kept for a larger source: its journal
	 * would remain when the part has its final name. */
	c->tag = parts_tag(p, leaf);
	rc = open_kept(p, c, dir, &was_there, e);
	if (rc == 0 && was_there) {
		(void)journal_remove(dir, c->tag);
		rc = empty_kept(c, dir, e);
	}
	if (!is_unlockable(rc, e))
		return rc;
	err_clear(e);
	return part_create(&c->part, &p->names, dir, e);
}

int parts_create(struct parts *p, struct commit *c, int dir, const char *leaf,
		 struct err *e)
{
	int rc = create(p, c, dir, leaf, e);

	if (unlocks(p, c, dir, rc, e))
		rc = create(p, c, dir, leaf, e);
	return rc;
}

int parts_create_kept(struct parts *p, struct commit *c, int dir,
		      const char *leaf, struct parts_found *found,
		      struct err *e)
{
	struct journal_id id = {
		.size = c->size,
		.mtime_s = c->meta.mtime_s,
		.mtime_ns = c->meta.mtime_ns,
		.digest_id = p->digest->id,
		.digest_size = (uint8_t)p->digest->size,
		.leaf_size = TREE_LEAF,
	};
	int was_there, rc;

	memcpy(id.peer, p->peer_id, sizeof(id.peer));
	memcpy(id.boot, p->boot, sizeof(id.boot));
	c->tag = parts_tag(p, leaf);
	rc = open_kept(p, c, dir, &was_there, e);
	if (unlocks(p, c, dir, rc, e))
		rc = open_kept(p, c, dir, &was_there, e);
	if (is_unlockable(rc, e)) {
		err_clear(e);
		return parts_create(p, c, dir, leaf, e);
	}
	if (rc)
		return rc;
	if (was_there)
		c->journal = journal_load(dir, c->tag, &c->part, &id,
					  found->unverified, &found->is_sealed);
	if (c->journal && found->unverified->len > 0) {
		found->is_resumed = 1;
		/* Another sender could have had another content received with
		 * the same checksum; not with the same SHA-256. */
		found->trusts_journal =
			found->is_sealed &&
			(p->is_known || p->digest->id == DIGEST_SHA256);
		return 0;
	}
	/* Nothing can be resumed: start from the beginning. */
	journal_close(c->journal);
	c->journal = NULL;
	if (was_there && empty_kept(c, dir, e))
		return e->code;
	c->journal = journal_create(dir, c->tag, &c->part, &id, e);
	/* Without a journal the file is received all the same, but a later
	 * session cannot resume it. */
	err_clear(e);
	return 0;
}
