/*
 * protection.h - attributes that forbid changes even to the owner and root
 * (Linux: chattr +i and +a, by statx(); POSIX: not known).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_PROTECTION_H
#define FERRY_OS_PROTECTION_H

/* Whether the entry name of dir_fd has one, or dir_fd itself where name is "".
 * A symlink is not followed. */
int protection_is_set(int dir_fd, const char *name);

#endif
