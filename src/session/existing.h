/*
 * existing.h - what to do where something of that name exists already: the one
 * place that knows what the words of --existing mean.
 *
 * Layer: session.  Uses fs/beside.h, fs/part.h, wire/msg.h.
 * Threads: any; an arrival by one at a time.
 */
#ifndef FERRY_SESSION_EXISTING_H
#define FERRY_SESSION_EXISTING_H

#include <sys/stat.h>

#include "fs/beside.h"
#include "fs/name.h"
#include "fs/part.h"
#include "wire/msg.h"

enum existing {
	EXISTING_FAIL,
	EXISTING_SKIP,
	EXISTING_REPLACE,
	EXISTING_NEWER,  /* replace what is older, skip otherwise */
	EXISTING_RENAME, /* the new one gets a free name beside it */
	EXISTING_BACKUP, /* the old one gets a free name beside it */
};

/* What becomes of the one that comes. */
enum fate { FATE_FAIL, FATE_SKIP, FATE_REPLACE, FATE_RENAME, FATE_BACKUP };

/*
 * The fate of what comes with this metadata where something else (see
 * part_stat()) has its name.  A directory is never replaced or moved: only with
 * EXISTING_RENAME this does not fail.
 */
enum fate existing_decide(enum existing existing, const struct stat *there,
			  const struct file_meta *meta);

/* With FATE_FAIL: why. */
unsigned existing_cause(const struct stat *there);

/* Something whole that is to have the name leaf in dir_fd. */
struct arrival {
	struct newcomer what;
	int dir_fd;
	const char *leaf;
	const struct file_meta *meta;
	/* Whether what is there under name (any kind) is just what comes. */
	int (*is_same)(const void *ctx, int dir_fd, const char *name);
	const void *ctx;
};

struct placed {
	enum file_status status;
	unsigned cause; /* with STATUS_FAILED */
	/* COMMITTED or UNCHANGED under this name instead; else empty */
	char renamed[NAME_COMPONENT_MAX + 1];
};

/*
 * Give it its name, or what existing says.  What stands there and is the same
 * stays, as STATUS_UNCHANGED; but with EXISTING_REPLACE nobody looks.  With
 * EXISTING_RENAME the same is found under one of the further names too, where
 * its time (in seconds) is the same: what is sent again does not pile up.
 *
 * At every instant leaf names the whole old or the whole new thing (but see
 * beside_backup() on file systems that cannot exchange names).  With
 * EXISTING_NEWER another process that writes the same name may come between
 * looking and replacing.
 */
void existing_place(const struct arrival *a, enum existing existing,
		    struct placed *out);

#endif
