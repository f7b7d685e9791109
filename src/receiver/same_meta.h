/*
 * same_meta.h - mode and time of a file whose content is there already: they are
 * set without its content.
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

/*
 * What of the metadata of a file that is there (of fstat(), in dir_fd) is not
 * that of meta and is to be set: enum file_meta_kind.  0 where the policy leaves
 * what is there as it is (CONFLICT_SKIP, CONFLICT_RENAME, and CONFLICT_NEWER for
 * a file that is not older), and for what the file system cannot keep.  meta has
 * the mode that the file is to have here.
 */
unsigned same_meta_differs(enum conflict_policy existing, struct fs_lacks *lacks,
			   int dir_fd, const struct stat *there,
			   const struct file_meta *meta);

/*
 * Set these kinds (not 0) of the file fd (borrowed).  The verdict is
 * STATUS_UPDATED, with what could not be set; or STATUS_UNCHANGED where the file
 * system cannot keep it.
 */
struct verdict same_meta_set(struct fs_lacks *lacks, int fd,
			     const struct file_meta *meta, unsigned kinds);

#endif
