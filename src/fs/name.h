/*
 * name.h - the one check that every name from a peer passes.
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
	NAME_PART_MAX = 40, /* of our own file names, with the NUL */
};

/*
 * Whether a relative path may be used below the receiver's directory.  It
 * refuses and never repairs: length 1..4095; components of 1..255 bytes, at
 * most 128, separated by single slashes; none of them "." or ".."; no NUL; no
 * slash at either end; no component that looks like one of our own temporary
 * names (".ferry-" 16 lower-case hex digits, then ".part", ".journal" or
 * ".new").
 * Names are bytes: nothing is decoded.
 *
 * Returns NULL where it is fine, else a fixed text that says what is wrong.
 */
const char *name_check(const char *path, size_t len);

/* The last component of a path that ends with NUL, within it. */
const char *name_last(const char *path);

/* Whether one component is one of our own temporary names. */
int name_is_own(const char *component, size_t len);

/*
 * Whether a symlink at path (which passed name_check) with this target stays
 * inside the tree whose top is path's first prefix_depth components (0: the
 * receiver's directory itself): the target is relative, 1..4095 bytes without
 * NUL, and walking it lexically from the link's directory never leaves that
 * tree.  ".." is accepted only in front of the first name: behind one it would
 * leave the tree wherever that name is itself a link ("a -> .", "b -> a/..").
 * Returns NULL or a fixed text.
 */
const char *name_check_link(const char *path, size_t len, size_t prefix_depth,
			    const char *target, size_t target_len);

#endif
