/*
 * unlock.h - giving the owner of a directory the permissions that its mode does
 * not, and taking them away again.
 *
 * Layer: fs.
 * Threads: any.
 */
#ifndef FERRY_FS_UNLOCK_H
#define FERRY_FS_UNLOCK_H

#include <stdint.h>

struct attr_helper;

/* In both calls attrs sets the mode where that has set-ID bits (NULL: this
 * process does). */

/* A directory that was unlocked. */
struct unlock {
	uint64_t dev, ino;
	uint32_t mode; /* that it had: permission, set-id and sticky bits */
};

/*
 * Add read, write and search permission for the owner to the mode of the
 * directory fd, which belongs to the effective user and lacks one of them.
 * Returns 1 with what it was; 0 where the owner has all three; -1 where they
 * cannot be added: it is another user's, or the kernel would clear its set-gid
 * bit.
 */
int unlock_dir(int fd, struct attr_helper *attrs, struct unlock *was);

/* The same for a descriptor that was opened with O_PATH, as the directory may
 * not be read.  Not possible in the receiver's sandbox. */
int unlock_closed_dir(int path_fd, struct unlock *was);

/* Restore the mode of fd, if it is that directory and its mode is still the one
 * that unlock_dir() set.  Returns 0, or -1 with errno. */
int unlock_restore(int fd, struct attr_helper *attrs,
		   const struct unlock *was);

#endif
