/*
 * conflict.h - what to do where something exists under a name: the one place
 * that knows what the words of --existing mean.
 *
 * Layer: receiver.  Uses fs/place.h, fs/part.h, wire/msg.h.
 * Threads: any; one place request at a time.
 */
#ifndef FERRY_RECEIVER_CONFLICT_H
#define FERRY_RECEIVER_CONFLICT_H

#include <sys/stat.h>

#include "fs/place.h"
#include "fs/name.h"
#include "fs/part.h"
#include "wire/msg.h"

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
 * The action for an arriving item with this metadata, where another one (see
 * part_stat()) has its name.  A directory is never replaced or renamed: only
 * with CONFLICT_RENAME this does not fail.
 */
enum conflict_action conflict_decide(enum conflict_policy existing,
				     const struct stat *there,
				     const struct file_meta *meta);

/* With ACTION_FAIL: why. */
unsigned conflict_cause(const struct stat *there);

/* Something whole that is to have the name leaf in dir_fd. */
struct place_request {
	struct candidate what;
	int dir_fd;
	const char *leaf;
	const struct file_meta *meta;
	/* Whether what is there under name, of any kind, is the same. */
	int (*is_same)(const void *ctx, int dir_fd, const char *name);
	const void *ctx;
};

struct place_result {
	enum file_status status;
	unsigned cause; /* with STATUS_FAILED */
	/* COMMITTED or UNCHANGED under this name instead; else empty */
	char renamed[NAME_COMPONENT_MAX + 1];
};

/*
 * Give it its name, or do what the policy says.  Where the same is there already
 * it stays, as STATUS_UNCHANGED; but with CONFLICT_REPLACE that is not looked
 * at.  With CONFLICT_RENAME the same is also found under one of the further
 * names, if its time (in seconds) is the same: sending again adds no copies.
 *
 * At every instant leaf names the whole old or the whole new thing (but see
 * place_backup() on file systems that cannot exchange names).  With
 * CONFLICT_NEWER another process may write the same name between the comparison
 * and the replacement.
 */
void conflict_place(const struct place_request *a,
		    enum conflict_policy existing, struct place_result *out);

#endif
