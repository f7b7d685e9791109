/*
 * place.h - giving a file or node its final name when the name is taken:
 * a numbered name, or a backup of what has the name.
 *
 * Layer: fs.
 * Threads: any; a candidate is used by one thread at a time.
 */
#ifndef FERRY_FS_PLACE_H
#define FERRY_FS_PLACE_H

#include <stdatomic.h>

#include "base/err.h"
#include "fs/name.h"
#include "fs/node.h"
#include "fs/part.h"

enum {
	/* Numbers tried for a name before giving up. */
	PLACE_TRIES = 1000,
};

/* What is to get a name: a finished part, or, where part is NULL, a node.  All
 * borrowed. */
struct candidate {
	struct part *part;
	struct node *node;
	/* Whether names can be exchanged in the directory: 1, -1 where they
	 * cannot, 0 as long as it was not tried; NULL: try each time. */
	atomic_int *exchanges;
};

/*
 * Write "NAME (N).EXT" for a final name to out.  The extension begins at the
 * last dot after the first character that is not a dot, has 1 to 15 bytes and
 * no space, and includes a ".tar" before it; without an extension the number
 * comes last.  NAME is shortened so that the result has at most 255 bytes,
 * never within a UTF-8 character.
 */
void place_name(char out[NAME_COMPONENT_MAX + 1], const char *name, unsigned n);

/* Write "NAME~" for n 0, else "NAME~N~"; shortened as by place_name(). */
void place_backup_name(char out[NAME_COMPONENT_MAX + 1], const char *name,
		       unsigned n);

/* Give the candidate a name: part_rename() or node_make(). */
int place_put(const struct candidate *c, int dir_fd, const char *name,
	      int replace, struct err *e);

/*
 * Give the candidate a name that is taken, and what has the name the first free
 * backup name.  The candidate first gets the backup name, then the two names
 * are exchanged in one system call.  So the name exists at every instant, two
 * processes that do this at once lose nothing, and a process that is killed
 * between the two steps leaves the candidate under the backup name.
 *
 * Where the file system cannot exchange names (c->exchanges), the old file is
 * linked to its backup name and then replaced.  Where it cannot be linked
 * either, it is renamed (rename_new()), and for an instant nothing has the
 * name.  In both cases a file that another program puts there in between may be
 * replaced without a backup; sessions, also of other receivers, wait for each
 * other, by a lock on the directory.
 *
 * Returns 0; ERR_LOCAL with errno: EISDIR where a directory has the name,
 * EEXIST when all backup names are taken, EBUSY where another file has taken
 * the candidate's.  After an error a part that had a name of its own may have
 * been removed.
 */
int place_backup(const struct candidate *c, int dir_fd, const char *name,
		 struct err *e);

#endif
