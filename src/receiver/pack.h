/*
 * pack.h - PACK and OFFER: many small files, directories and symlinks in a
 * frame.
 *
 * Layer: receiver.
 * Threads: the stream's own.
 */
#ifndef FERRY_RECEIVER_PACK_H
#define FERRY_RECEIVER_PACK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "receiver/conflict.h"
#include "receiver/verdict.h"
#include "wire/msg.h"

struct transfer;
struct worker;

/*
 * Handle a PACK, or with is_offer an OFFER (which has no content, and is
 * answered with OFFERED), whose body of len bytes is still to be read.  Every
 * row and every byte is checked before the first item is written.  An item that
 * fails gets its verdict, and is no error here.  Returns 0, or an error that
 * ends the session.
 */
int recv_pack(struct worker *w, size_t len, int is_offer, struct err *e);

/* ---- for LIST, whose rows are items as well ---- */

/* An item of a table, and its content. */
struct item {
	struct pack_item row;
	uint64_t id;
	const uint8_t *content; /* row.size bytes, of a file in a PACK; NULL in
				   an OFFER */
};

/* Whether the sender may send items of this kind: what was accepted. */
int recv_pack_allows_kind(const struct transfer *t, unsigned kind);

/* Check the name of an item, and the target of a symlink.  Returns 0, or
 * ERR_PROTOCOL. */
int recv_pack_check_item(const struct transfer *t, const struct pack_item *row,
			 struct err *e);

/* The metadata that an item is to have here. */
struct file_meta recv_pack_meta(const struct transfer *t,
				const struct pack_item *row);

/* Report an item, and its failure with this errno. */
void recv_pack_report(struct transfer *t, const struct item *it,
		      const struct verdict *v);
void recv_pack_report_failed(struct transfer *t, const struct item *it,
			     int err_no);

/* Report a file that was there already, with that verdict; and one whose name
 * is taken by another (there, of part_stat()), which the policy says to fail or
 * to skip. */
void recv_pack_report_same(struct worker *w, const struct item *it,
			   const struct verdict *v);
void recv_pack_report_conflict(struct worker *w, const struct item *it,
			       enum conflict_action action,
			       const struct stat *there);

/* Make a directory, or note what is made later (symlinks.h).  Returns 0, also
 * after reporting that it failed, or an error that ends the session. */
int recv_pack_take_dir(struct worker *w, const struct item *it, struct err *e);
int recv_pack_take_symlink(struct worker *w, const struct item *it,
			   struct err *e);

/* How many bytes of an item count against the limit of them: content, or the
 * target of a symlink, and metadata that takes room of its own. */
uint64_t recv_pack_bytes(const struct pack_item *row);

#endif
