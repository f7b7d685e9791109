/*
 * fd_path.h - paths that stand for an open descriptor, as shells write them
 * (/dev/fd; Linux: /proc).
 *
 * Layer: os.  Uses base.
 * Threads: any.
 */
#ifndef FERRY_OS_FD_PATH_H
#define FERRY_OS_FD_PATH_H

/* The number of the descriptor that path stands for; -1 for any other path. */
int fd_path_number(const char *path);

#endif
