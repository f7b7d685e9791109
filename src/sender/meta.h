/*
 * meta.h - the metadata that is sent with an item.
 *
 * Layer: sender.
 * Threads: the stream's.
 */
#ifndef FERRY_SENDER_META_H
#define FERRY_SENDER_META_H

#include <stddef.h>

#include "base/err.h"
#include "base/file_meta.h"

struct item;
struct send_stream;

/* How it is encoded in this session. */
enum file_meta_form meta_form(const struct send_stream *st);

/* Whether a directory has to be opened to read what the session preserves. */
int meta_needs_open(const struct send_stream *st);

/* Append the further metadata of an item, which is open at fd (-1: it is not), to
 * st->fields, as preserve_read() (fs/preserve.h). */
int meta_read(struct send_stream *st, const struct item *it, int fd,
	      size_t room, unsigned *lost, struct err *e);

/* The item's metadata, with what meta_read() put to its place in st->fields: valid
 * until that changes. */
struct file_meta meta_of_item(const struct send_stream *st,
			      const struct item *it);

#endif
