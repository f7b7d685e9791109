/*
 * ids.h - users and groups: their names and numbers on this host.
 *
 * Layer: os.  Uses base.
 * Threads: ids_start() as helper_start() (os/helper.h); ids_stop() from the
 * owner's; the others from any thread.
 *
 * The name service runs in a process of its own: its modules may read any file
 * and ask other hosts, which the sandbox forbids.  What it has answered is
 * remembered, some hundreds of names at most.
 */
#ifndef FERRY_OS_IDS_H
#define FERRY_OS_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file_meta.h"

struct ids;

enum ids_kind { IDS_USER, IDS_GROUP };

/* Start the process, which first calls confine (NULL: nothing); if that fails
 * the process ends, and no name is known.  NULL with ERR_RESOURCE. */
struct ids *ids_start(int (*confine)(const void *ctx, struct err *e),
		      const void *ctx, struct err *e);
void ids_stop(struct ids *ids); /* NULL is allowed */

/* The name of a user or group, terminated; "" where it has none, one that is
 * too long, or ids is NULL.  Blocks for as long as the name service takes. */
void ids_name(struct ids *ids, enum ids_kind kind, uint32_t id,
	      char name[FILE_META_NAME_MAX + 1]);

/*
 * The number on this host of a user or group of another: that which has the
 * name here, or the same number where there is no name, or none is known.
 * Number 0 stays 0, and nothing else becomes 0, whatever it is called.  Blocks
 * as ids_name().
 */
uint32_t ids_map(struct ids *ids, enum ids_kind kind,
		 const struct file_meta_id *theirs);

#endif
