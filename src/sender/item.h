/*
 * item.h - one source that the scan found.
 *
 * Layer: sender.
 * Threads: an item belongs to its pack or outfile.
 */
#ifndef FERRY_SENDER_ITEM_H
#define FERRY_SENDER_ITEM_H

#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>

#include "chunk/digest.h"

enum {
	/* Bytes of the names buffer of a pack or outfile. */
	ITEM_NAMES_MAX = 1 << 20,
	/* A file of at most this size is sent in a pack. */
	PACK_FILE_MAX = 256 * 1024,
};

/* Of standard input, which lies below no root. */
#define ITEM_NO_ROOT UINT_MAX

/* Offsets are into the names buffer of the pack or outfile. */
struct item {
	uint8_t kind;        /* enum item_kind */
	uint8_t done;        /* it has its verdict */
	uint8_t is_deferred; /* a symlink that the receiver makes at the end */
	/* Of its further metadata (enum file_meta_kind), what was not sent
	 * whole, as there is more of it than an item may have. */
	uint8_t cut;
	unsigned root;       /* scan root, or ITEM_NO_ROOT */
	uint32_t name_off;   /* terminated */
	uint32_t name_len;
	uint32_t path_off; /* of the path below the root, in the name */
	uint32_t target_off, target_len; /* ITEM_SYMLINK, ITEM_LINK */
	/* Its further metadata, in the stream's buffer while it is sent. */
	uint32_t fields_off;
	uint16_t fields_len;
	uint16_t unreadable; /* in a dry run: the errno of opening it; or 0 */
	uint32_t linked; /* the file's number in links.h; 0: none */
	struct stat st; /* when it was scanned; of files, when it was read */
	uint8_t digest[DIGEST_MAX];
};

/* Have to stand for what from stands for: all but what depends on the pack. */
static inline void item_set_source(struct item *to, const struct item *from)
{
	to->root = from->root;
	to->st = from->st;
	to->cut = from->cut;
	to->linked = from->linked;
}

#endif
