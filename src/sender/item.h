/*
 * item.h - one source that the scan found.
 *
 * Layer: sender.  Uses chunk/digest.h.
 * Threads: an item belongs to its pack or outfile.
 */
#ifndef FERRY_SENDER_ITEM_H
#define FERRY_SENDER_ITEM_H

#include <stdint.h>
#include <sys/stat.h>

#include "chunk/digest.h"

enum {
	/* The names of a pack or a file. */
	ITEM_NAMES_MAX = 1 << 20,
	/* A file of at most so many bytes travels in a pack. */
	PACK_FILE_MAX = 256 * 1024,
};

/* Offsets are into the names buffer of the pack or outfile. */
struct item {
	uint8_t kind;        /* enum item_kind */
	uint8_t done;        /* it has its verdict */
	uint8_t is_deferred; /* a symlink that the receiver makes at the end */
	unsigned root;       /* scan root */
	uint32_t name_off;   /* terminated */
	uint32_t name_len;
	uint32_t path_off; /* within the name: where the path below the root
				begins */
	uint32_t target_off, target_len; /* ITEM_SYMLINK */
	struct stat st; /* as scanned; of a file that was read, as then */
	uint8_t digest[DIGEST_MAX];
};

#endif
