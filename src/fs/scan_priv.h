/*
 * scan_priv.h - the roots of a scan: what its user added.  Private to scan.c
 * and scan_root.c.
 *
 * Layer: fs.
 */
#ifndef FERRY_FS_SCAN_PRIV_H
#define FERRY_FS_SCAN_PRIV_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "fs/scan.h"

/* Bytes of an escaped path in an error's text, which has room for 768. */
enum { SHOWN_MAX = 400 };

struct root {
	int fd;        /* see scan_root_fd() */
	int owned;     /* 0: an earlier root owns the descriptor */
	int follow;    /* see scan_root_follow() */
	char *display; /* see scan_root_display(); owned */
	size_t display_len;
	size_t name_off;  /* where the receiver's names start in display */
	char *leaf;       /* the file's name; NULL for a directory; owned */
	int list_fd;      /* list of names, borrowed; or -1 */
	char list_end;    /* the byte that ends each name */
	off_t list_start; /* its offset when added; -1: it cannot seek */
};

/* A source that cannot be sent. */
struct bad_source {
	char *path; /* as given; owned */
	struct err err;
};

struct scan {
	enum scan_symlinks symlinks;
	int stays_on_file_system; /* see scan_stay_on_file_system() */
	int skips_special;        /* see scan_skip_special() */
	int keeps_special;        /* see scan_keep_special() */
	const struct filter *filter; /* or NULL; borrowed */
	struct root *roots;
	unsigned count;
	unsigned cap;
	struct bad_source *bad;
	unsigned bad_count;
};

/* Open a directory for reading; follow: also where leaf is a symlink.  Returns
 * a descriptor that the caller closes, or -1 with errno. */
int scan_open_dir(int dir_fd, const char *leaf, int follow);

/* Whether the errno says that the process is out of memory or descriptors. */
int scan_is_exhausted(int error);

/* A fixed text that says what a file is that is neither regular nor a directory
 * nor a symlink. */
const char *scan_special_name(mode_t mode);

#endif
