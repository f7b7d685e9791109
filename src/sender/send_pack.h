/*
 * send_pack.h - sending a pack of small files, symlinks and directories.
 *
 * Layer: sender.
 * Threads: the stream's.
 */
#ifndef FERRY_SENDER_SEND_PACK_H
#define FERRY_SENDER_SEND_PACK_H

#include "base/err.h"

struct pack;
struct send_stream;

/*
 * Read the files of a pack, and send all of it in one frame; or offer it first,
 * without content, where the receiver may have the files.  Files that cannot be
 * read are reported and left out.  Takes ownership of the pack, which is in
 * flight afterwards.  Blocks as send_stream_send() does.
 *
 * Returns 0, or an error that ends the session.
 */
int send_pack(struct send_stream *st, struct pack *pk, struct err *e);

#endif
