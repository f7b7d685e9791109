/*
 * same_meta.h - metadata of a file whose content is there already: it is set
 * without the content.
 *
 * Layer: receiver.
 * Threads: any.
 */
#ifndef FERRY_RECEIVER_SAME_META_H
#define FERRY_RECEIVER_SAME_META_H

#include <sys/stat.h>

#include "base/file_meta.h"
#include "receiver/conflict.h"
#include "receiver/verdict.h"

struct preserve;

/* By what it is compared and set; borrowed. */
struct same_meta {
	enum conflict_policy existing;
	struct fs_lacks *lacks;
	const struct preserve *how; /* what is kept beside mode and time; or
				       NULL */
};

/* A file that is there. */
struct same_file {
	int fd, dir_fd;           /* borrowed */
	const struct stat *there; /* of fstat() */
};

/*
 * What of the metadata of a file that is there is not
 * that of meta and is to be set: enum file_meta_kind.  0 where the policy
 * leaves what is there as it is (CONFLICT_SKIP, CONFLICT_RENAME, and
 * CONFLICT_NEWER for a file that is not older), and for what the file system
 * cannot keep.  meta has the mode that the file is to have here.  lacks, NULL
 * in a dry run: nothing is tried.
 */
unsigned same_meta_differs(const struct same_meta *s, const struct same_file *f,
			   const struct file_meta *meta);

/*
 * Set these kinds (not 0) of the file fd (borrowed).  The verdict is
 * STATUS_UPDATED, with what could not be set; what the file system cannot keep,
 * an owner excepted, is left out of that.  It is STATUS_UNCHANGED where nothing
 * was set and nothing is told.
 */
struct verdict same_meta_set(const struct same_meta *s, int fd,
			     const struct file_meta *meta, unsigned kinds);

/* Both: the verdict on the file, STATUS_UNCHANGED where nothing differs. */
struct verdict same_meta_take(const struct same_meta *s,
			      const struct same_file *f,
			      const struct file_meta *meta);

#endif
