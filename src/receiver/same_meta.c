/*
 * Setting metadata of a file whose content is the same.
 */
#include "receiver/same_meta.h"

#include "fs/preserve.h"
#include "receiver/commit.h"
#include "receiver/fs_lacks.h"

enum { MODE_BITS = 0777 }; /* those above are a matter of fs/preserve.h */

unsigned same_meta_differs(const struct same_meta *s, const struct same_file *f,
			   const struct file_meta *meta)
{
	const enum conflict_policy existing = s->existing;
	const struct stat *there = f->there;
	struct fs_lacks *lacks = s->lacks;
	unsigned kinds = 0;

	if (existing == CONFLICT_SKIP || existing == CONFLICT_RENAME)
		return 0;
	if ((there->st_mode & MODE_BITS) != (meta->mode & MODE_BITS) &&
	    !(lacks && fs_lacks_has(lacks, LACKS_MODES)))
		kinds |= FILE_META_MODE;
	/* Not fs_lacks_keeps_times(): a trial would change the time of the
	 * directory, which may be the sender's already. */
	if (!(lacks ? fs_lacks_same_time(lacks, f->dir_fd, &there->st_mtim,
					 meta) ||
			      fs_lacks_has(lacks, LACKS_META) :
		      fs_lacks_may_be_time(f->dir_fd, &there->st_mtim, meta)))
		kinds |= FILE_META_TIME;
	/* As for content: what is newer here stays as it is.  With equal times
	 * the mode alone differs, which says nothing about which is newer. */
	if (existing == CONFLICT_NEWER && kinds & FILE_META_TIME &&
	    conflict_decide(existing, there, meta, f->dir_fd, lacks) ==
		    ACTION_SKIP)
		return 0;
	return kinds | preserve_differs(s->how, f->fd, there, meta);
}

struct verdict same_meta_set(const struct same_meta *s, int fd,
			     const struct file_meta *meta, unsigned kinds)
{
	struct verdict v = { .status = STATUS_UPDATED };
	struct commit c = {
		.meta = *meta,
		.part = { .fd = fd,
			  .has_mode = !(kinds & (FILE_META_MODE |
						 FILE_META_SETID)),
			  .is_old = 1 },
	};

	commit_set_meta(&c, s->how, s->lacks);
	/* Where only the mode differs, that the time cannot be set is no loss:
	 * it is what it should be. */
	v.not_kept = c.not_kept & kinds;
	if (v.not_kept == kinds)
		v.status = STATUS_UNCHANGED;
	/* What the file system cannot keep was told when the file was
	 * committed; but not an owner, if it was sent without. */
	if (c.not_kept_cause == CAUSE_UNSUPPORTED)
		v.not_kept &= FILE_META_OWNER;
	if (v.not_kept) {
		v.status = STATUS_UPDATED;
		v.cause = c.not_kept_cause;
	}
	return v;
}

struct verdict same_meta_take(const struct same_meta *s,
			      const struct same_file *f,
			      const struct file_meta *meta)
{
	const unsigned kinds = same_meta_differs(s, f, meta);

	if (kinds)
		return same_meta_set(s, f->fd, meta, kinds);
	return (struct verdict){ .status = STATUS_UNCHANGED };
}
