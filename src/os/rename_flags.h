/*
 * rename_flags.h - renaming with the flags of renameat2() (Linux).  For
 * os/rename.h.
 *
 * Layer: os.
 * Threads: any.
 *
 * Both fail with an error of rename_is_unsupported() where there is no such
 * call.
 */
#ifndef FERRY_OS_RENAME_FLAGS_H
#define FERRY_OS_RENAME_FLAGS_H

/* Rename within dir_fd.  Returns 0, or -1 with errno: EEXIST where something
 * has the name to. */
int rename_flags_new(int dir_fd, const char *from, const char *to);

/* Exchange two names.  Returns 0, or -1 with errno. */
int rename_flags_exchange(int dir_fd, const char *a, const char *b);

#endif
