/*
 * mode_rules.h - changes to the permission bits of what is received (--chmod).
 *
 * Layer: fs.  Pure.
 * Threads: any, once parsed.
 *
 * The syntax is that of rsync's --chmod without the set-id and sticky bits: a
 * list of changes separated by commas, each
 *
 *	[D|F] [ugoa]... +|-|= [rwxX]...		or	[D|F] octal
 *
 * D: only for directories, F: only for files.  X: x for directories, and for
 * files that had an x before all changes.  Where none of u, g, o, a is given,
 * it is all three, but bits of the umask are left alone.  The word umask is the
 * same as =rwX: the mode of a new file, which stays executable.  The word keep
 * changes nothing.
 */
#ifndef FERRY_FS_MODE_RULES_H
#define FERRY_FS_MODE_RULES_H

#include <stddef.h>
#include <stdint.h>

enum { MODE_RULES_MAX = 64 };

struct mode_rule {
	uint32_t clear, set;  /* bits of 0777; cleared first */
	uint32_t conditional; /* of set: only for what may be executed (X) */
	int for_dirs, for_files;
	int set_unmasked, clear_unmasked; /* not the bits of the umask */
};

/* Starts all zero. */
struct mode_rules {
	struct mode_rule v[MODE_RULES_MAX];
	size_t count;
};

/* Add the changes of a list.  Returns 0, or ERR_RANGE for one that is malformed
 * or too long; r is then of no use. */
int mode_rules_parse(struct mode_rules *r, const char *text);

/* Make the changes, in order, to the permission bits of mode.  Where there are
 * none (r may be NULL), mode less the bits of the umask. */
uint32_t mode_rules_apply(const struct mode_rules *r, uint32_t mode,
			  int is_dir, uint32_t umask);

#endif
