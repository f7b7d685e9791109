/*
 * file_meta.h - the metadata of a file, directory or symlink, and its encoding
 * in OPEN, PACK and records that the receiver keeps.
 *
 * Layer: base, as both wire and fs use it, which do not include each other.
 * Threads: none of its own; one owner at a time.
 *
 * Specified in ferry-protocol(7), METADATA; that page and this file change
 * together.
 */
#ifndef FERRY_BASE_FILE_META_H
#define FERRY_BASE_FILE_META_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"

struct file_meta {
	uint32_t mode; /* 07777 at most */
	int64_t mtime_s;
	uint32_t mtime_ns; /* below 10^9 */
	/* Bit t is set where the field with tag t was present.  This version
	 * knows no tags, so file_meta_get() skips all these fields; by the bits
	 * the caller can tell that something is not preserved. */
	uint32_t further;
};

/* What is set of it, as bits: where it could not be, these say what is lost. */
enum file_meta_kind { FILE_META_MODE = 1, FILE_META_TIME = 2 };
enum { FILE_META_KINDS = 2, FILE_META_ALL_KINDS = 3 };

/*
 * BASIC: u32 mode | i64 seconds | u32 nanoseconds.
 *
 * EXTENDED, where both peers have granted it, and for records of one process:
 * BASIC, then u16 number of bytes that follow, then the further fields in
 * ascending order of their tags, no tag twice, each
 *
 *	u8 tag (0..31) | u16 length | value
 */
enum file_meta_form { FILE_META_BASIC, FILE_META_EXTENDED };

enum {
	FILE_META_BASIC_SIZE = 16,
	FILE_META_TAGS = 32,
	/* bytes of the longest EXTENDED form */
	FILE_META_MAX = FILE_META_BASIC_SIZE + 2 + UINT16_MAX,
};

/* The metadata in a struct stat; no further fields. */
struct file_meta file_meta_of_stat(const struct stat *st);

/* Append m in this form, without further fields. */
void file_meta_put(struct buf *b, const struct file_meta *m,
		   enum file_meta_form form);

/*
 * Decode.  Returns whether mode and nanoseconds are in range and the further
 * fields are well-formed; fields with an unknown tag are skipped.  Whether
 * there were enough bytes is in r->failed, which the caller checks; for a
 * record that this process has written itself, that is all there is to check.
 */
int file_meta_get(struct rd *r, struct file_meta *m, enum file_meta_form form);

#endif
