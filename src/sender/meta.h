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
struct pack;
struct pack_item;
struct send_stream;
struct stat;

/* How it is encoded in this session. */
enum file_meta_form meta_form(const struct send_stream *st);

/* Whether a directory has to be opened to read what the session preserves. */
int meta_needs_open(const struct send_stream *st);

/* Append the further metadata of an item, which is open at fd, or
 * PRESERVE_CLOSED or PRESERVE_BARE, to st->fields, as preserve_read()
 * (fs/preserve.h). */
int meta_read(struct send_stream *st, const struct item *it, int fd,
	      size_t room, unsigned *lost, struct err *e);

/*
 * The same for an item of the pack pk whose table is made; it is in the item's
 * place in st->fields then.  What is too much for one frame is left out and
 * told.  Returns 0; 1 where there is more than the pack has room for: it is
 * sent alone (meta_send_alone()); or an error of the item.
 */
int meta_read_in_pack(struct send_stream *st, const struct pack *pk,
		      struct item *it, int fd, struct err *fe);

/* The same for an item that is no file: a directory is opened.  Returns 0; 1
 * where it has to be left out of the pack, after it was queued on its own or
 * its failure reported; or an error that ends the session. */
int meta_read_other(struct send_stream *st, const struct pack *pk,
		    struct item *it, struct err *e);

/* Queue an item again in a pack of its own.  Returns 1 or ERR_RESOURCE. */
int meta_send_alone(struct send_stream *st, const struct pack *pk,
		    const struct item *it, struct err *e);

/* Set what a row of a special file has beside its metadata. */
void meta_put_device(struct pack_item *row, const struct stat *st);

/* The item's metadata, with what meta_read() put to its place in st->fields:
 * valid until that changes. */
struct file_meta meta_of_item(const struct send_stream *st,
			      const struct item *it);

#endif
