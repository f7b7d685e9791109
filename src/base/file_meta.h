/*
 * file_meta.h - the metadata of a file, directory or symlink, and its form as
 * bytes: in OPEN and PACK, and in records of the receiver's own.
 *
 * Layer: base, since wire and fs, which do not include each other, both use
 * it.  Uses buf.h.
 * Threads: none of its own.
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
	/* The further fields that are present: bit t for the field with tag t.
	 * This version knows no tag, so file_meta_get() has skipped those whose
	 * bits it set, and the caller can tell what is not kept. */
	uint32_t further;
};

/*
 * BASIC: u32 mode | i64 seconds | u32 nanoseconds.
 *
 * EXTENDED, for peers that both have granted it and for records of one process:
 * BASIC, then u16 bytes that follow, then the further fields in ascending order
 * of their tags, none twice, each
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

/* What stat() says; no further fields. */
struct file_meta file_meta_of_stat(const struct stat *st);

/* Append m in this form.  Further fields that this version does not know are
 * left out. */
void file_meta_put(struct buf *b, const struct file_meta *m,
		   enum file_meta_form form);

/*
 * Decode.  Returns whether mode and nanoseconds are in range and the further
 * fields are well-formed; whether there were enough bytes is in r->failed, which
 * is all there is to check in a record that this process wrote itself.  Fields
 * with an unknown tag are skipped.
 */
int file_meta_get(struct rd *r, struct file_meta *m, enum file_meta_form form);

#endif
