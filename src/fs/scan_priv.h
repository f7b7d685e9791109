/*
 * scan_priv.h - the sources of a scan.  Private to scan.c and scan_root.c.
 *
 * Layer: fs.
 */
#ifndef FERRY_FS_SCAN_PRIV_H
#define FERRY_FS_SCAN_PRIV_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "fs/scan.h"

enum { SHOWN_MAX = 400 /* of an escaped path in an error's text */ };

struct root {
	int fd;
	int owned;     /* 0: the descriptor is an earlier root's */
	int follow;    /* a file named by a symlink */
	char *display; /* in front of the paths below it; owned */
	size_t display_len;
	size_t name_off; /* where names start in display */
	char *leaf;      /* the one file; NULL for a directory; owned */
	int list_fd;     /* names what is to be sent; borrowed; or -1 */
	char list_end;   /* behind each name */
	off_t list_start; /* where it began; -1: it cannot be read again */
};

struct scan {
	enum scan_links links;
	const struct filter *filter; /* or NULL; borrowed */
	struct root *roots;
	unsigned count;
	unsigned cap;
};

/* Whether errno says that the process ran out of something. */
int scan_is_exhausted(int error);

/* What stands there, where it is neither a file nor a directory. */
const char *scan_special_name(mode_t mode);

#endif
