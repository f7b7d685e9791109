/*
 * name.h - the check that every name from a peer has to pass.
 *
 * Layer: fs.  Pure.
 */
#ifndef FERRY_FS_NAME_H
#define FERRY_FS_NAME_H

#include <stddef.h>

enum {
	NAME_PATH_MAX = 4095,
	NAME_COMPONENT_MAX = 255,
	NAME_DEPTH_MAX = 128,
	NAME_PART_MAX = 40, /* bytes of a temporary name, with NUL */
};

/*
 * Check that a relative path may be used below the receiver's directory.  A
 * path is refused, never repaired.  It has 1 to 4095 bytes and 1 to 128
 * components of 1 to 255 bytes, separated by single slashes; none is "." or
 * ".."; there is no NUL and no slash at either end; no component is like one of
 * ferry's temporary names (name_is_like_own()).  Names are bytes: nothing is
 * decoded, except to find that out.
 *
 * Returns NULL if it may be used, else a fixed text that says what is wrong.
 */
const char *name_check(const char *path, size_t len);

/* The last component of a terminated path: a pointer into it. */
const char *name_last(const char *path);

/*
 * Whether every file system that is in use stores this component: at most 128
 * bytes of printable ASCII, none of "*:<>?\|, no dot or space at the end, and
 * not a device of DOS (CON, LPT1...), with or without an extension.
 */
int name_is_portable(const char *component);

/* Whether a component is one of ferry's temporary names: ".ferry-", 16
 * lower-case hex digits, then ".part", ".journal" or ".new". */
int name_is_own(const char *component, size_t len);

/*
 * Whether a component is one of them in another spelling, or in the same, that
 * a file system may take for it: with upper case (VFAT, NTFS, APFS, ext4 with
 * chattr +F), dots and spaces at the end (VFAT, NTFS), characters that are not
 * shown or the ligature of two f (ext4, HFS+), fullwidth forms (ZFS).  It is
 * not asked whether this one does: such names are nobody else's.
 *
 * ZFS knows more forms, and VFAT short names such as FERRY-~1.PAR, which may be
 * anybody's: see part_rename().
 */
int name_is_like_own(const char *component, size_t len);

/* Check a symlink's target alone: 1 to 4095 bytes without NUL.  Returns NULL or
 * a fixed text. */
const char *name_check_target(const char *target, size_t len);

/*
 * Check that a symlink at path (which has passed name_check()) with this target
 * stays inside the tree whose top is path's first prefix_depth components (0:
 * the receiver's directory itself).  The target is relative, has 1 to 4095
 * bytes without NUL, and followed textually from the symlink's directory never
 * leaves that tree.  ".." is accepted only before the first name: after a name
 * it would leave the tree where that name is itself a symlink ("a -> .", "b ->
 * a/..").  Returns NULL or a fixed text.
 */
const char *name_check_symlink(const char *path, size_t len,
			       size_t prefix_depth, const char *target,
			       size_t target_len);

#endif
