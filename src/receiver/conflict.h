/*
 * conflict.h - what is done where a name is taken: the one place that
 * implements --existing.
 *
 * Layer: receiver.
 * Threads: any; it has no state.
 */
#ifndef FERRY_RECEIVER_CONFLICT_H
#define FERRY_RECEIVER_CONFLICT_H

#include <sys/stat.h>

#include "fs/name.h"
#include "fs/part.h"
#include "fs/place.h"
#include "wire/msg.h"

struct fs_lacks;
struct placed;
struct unlocked;

enum conflict_policy {
	CONFLICT_FAIL,
	CONFLICT_SKIP,
	CONFLICT_REPLACE,
	CONFLICT_NEWER,  /* replace what is older, skip otherwise */
	CONFLICT_RENAME, /* the new one gets a free name: "NAME (1)" */
	CONFLICT_BACKUP, /* the old one gets a free name: "NAME~" */
};

/* What is done about one conflict. */
enum conflict_action {
	ACTION_FAIL,
	ACTION_SKIP,
	ACTION_REPLACE,
	ACTION_RENAME,
	ACTION_BACKUP,
};

/*
 * The action for an item with this metadata, where another one (there, of
 * part_stat()) has its name.  An existing directory is never replaced or
 * renamed: all policies but CONFLICT_RENAME fail there.  lacks, or NULL: what
 * the file system of dir_fd, where it is, makes of times.
 */
enum conflict_action conflict_decide(enum conflict_policy existing,
				     const struct stat *there,
				     const struct file_meta *meta, int dir_fd,
				     struct fs_lacks *lacks);

/*
 * The cause for ACTION_FAIL (enum wire_cause), where leaf in dir_fd (-1: not
 * known) has the name of a file of this size (UINT64_MAX: of something else): a
 * file of the same size that cannot be read may be the same, and is no conflict
 * but CAUSE_PERMISSION.
 */
unsigned conflict_cause(int dir_fd, const char *leaf, const struct stat *there,
			uint64_t size);

/* Something whole that is to have the name leaf in dir_fd. */
struct place_request {
	struct candidate what;
	int dir_fd;
	const char *leaf;
	const struct file_meta *meta;
	/* Whether what is there under name, of any kind, is the same. */
	int (*is_same)(const void *ctx, int dir_fd, const char *name);
	const void *ctx;
	/* The whole path, which ends with leaf, and what the session has put so
	 * far and unlocked; either NULL: not looked at. */
	const char *path;
	size_t path_len;
	struct placed *placed;
	struct unlocked *unlocked;
	struct fs_lacks *lacks; /* or NULL, as for conflict_decide() */
};

struct place_result {
	enum file_status status;
	unsigned cause; /* with STATUS_FAILED */
	int has_replaced; /* COMMITTED in place of something else */
	/* COMMITTED or UNCHANGED under this name instead; else empty */
	char renamed[NAME_COMPONENT_MAX + 1];
	/* With CAUSE_RIVAL: the path of the other item; the caller frees it.
	 * Else NULL. */
	char *rival;
};

/*
 * Give it its name, or do what the policy says where the name is taken.  What
 * is the same already stays, with STATUS_UNCHANGED.  With CONFLICT_RENAME the
 * further names are checked as well, where the time is the same, so that
 * sending again adds no copies.
 *
 * Where the file system folds names, and what has the name is another item of
 * this session, it fails whatever the policy, but CONFLICT_RENAME.
 *
 * At every instant leaf names the whole old or the whole new thing (but see
 * place_backup() on file systems that cannot exchange names).  With
 * CONFLICT_NEWER another process may write the same name between the comparison
 * and the replacement.
 */
void conflict_place(const struct place_request *a,
		    enum conflict_policy existing, struct place_result *out);

#endif
