/*
 * conflict.h - what to do where something of that name exists already: the one
 * place that knows what the words of --existing mean.
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
	CONFLICT_RENAME, /* the new one gets a free name beside it */
	CONFLICT_BACKUP, /* the old one gets a free name beside it */
};

/* What becomes of the one that comes. */
enum conflict_action { ACTION_FAIL, ACTION_SKIP, ACTION_REPLACE, ACTION_RENAME, ACTION_BACKUP };

/*
 * The action of what comes with this metadata where something else (see
 * part_stat()) has its name.  A directory is never replaced or moved: only with
 * CONFLICT_RENAME this does not fail.
 */
enum conflict_action conflict_decide(enum conflict_policy existing, const struct stat *there,
			  const struct file_meta *meta);

/* With ACTION_FAIL: why. */
unsigned conflict_cause(const struct stat *there);

/* Something whole that is to have the name leaf in dir_fd. */
struct place_request {
	struct candidate what;
	int dir_fd;
	const char *leaf;
	const struct file_meta *meta;
	/* Whether what is there under name (any kind) is just what comes. */
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
 * Give it its name, or what existing says.  What stands there and is the same
 * stays, as STATUS_UNCHANGED; but with CONFLICT_REPLACE nobody looks.  With
 * CONFLICT_RENAME the same is found under one of the further names too, where
 * its time (in seconds) is the same: what is sent again does not pile up.
 *
 * At every instant leaf names the whole old or the whole new thing (but see
 * place_backup() on file systems that cannot exchange names).  With
 * CONFLICT_NEWER another process that writes the same name may come between
 * looking and replacing.
 */
void conflict_place(const struct place_request *a, enum conflict_policy existing,
		    struct place_result *out);

#endif
