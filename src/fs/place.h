/*
 * place.h - a name that is taken, and free ones beside it.
 *
 * Layer: fs.  Uses part.h, name.h.
 * Threads: any; one newcomer by one at a time.
 */
#ifndef FERRY_FS_PLACE_H
#define FERRY_FS_PLACE_H

#include "base/err.h"
#include "fs/name.h"
#include "fs/part.h"

enum {
	/* Numbers that are tried for a name. */
	PLACE_TRIES = 1000,
};

/* What is to have a name: a part (whole), or a link with target and meta. */
struct candidate {
	const struct part *part;
	const char *target;
	const struct file_meta *meta;
};

/*
 * "NAME (N).EXT" for a final name.  The extension begins at the last dot that
 * is not at the beginning, has 1 to 15 bytes and no space, and takes a ".tar"
 * before it along; without one the number comes last.  What would be longer
 * than 255 bytes has NAME shortened, never within a character of UTF-8.
 */
void place_name(char out[NAME_COMPONENT_MAX + 1], const char *name,
		 unsigned n);

/* "NAME~" for n 0, else "NAME~N~"; shortened likewise. */
void place_backup_name(char out[NAME_COMPONENT_MAX + 1], const char *name,
			unsigned n);

/* part_rename() or part_symlink(). */
int place_put(const struct candidate *what, int dir_fd, const char *name,
	       int replace, struct err *e);

/*
 * Give it a name that is taken; what has that gets the first backup name that is
 * free.  The newcomer is put under the backup name first, and the two are
 * exchanged: nothing is missing at any instant, nothing is lost to another who
 * does the same, and a death in between leaves the new one as a backup.
 *
 * Where names cannot be exchanged the old one is linked to its backup name and
 * replaced; where it cannot be linked either it is renamed, and then for an
 * instant nothing has the name.  In both cases one that another puts there in
 * between may be replaced without a backup.
 *
 * Returns 0; ERR_LOCAL with errno: EISDIR for a directory that turns up, EEXIST
 * when all backup names are taken.  A part that was not hidden may be gone then.
 */
int place_backup(const struct candidate *what, int dir_fd, const char *name,
		  struct err *e);

#endif
