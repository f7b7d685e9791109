/*
 * user.h - what the effective user may do with files.
 *
 * Layer: fs.
 * Threads: any.
 */
#ifndef FERRY_FS_USER_H
#define FERRY_FS_USER_H

#include <sys/types.h>

/* Whether the user is in the group. */
int user_has_group(gid_t gid);

#endif
