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
 * TASK_PACK: read the files of a pack and send it in one frame: a PACK or,
 * where the receiver may have the files, an OFFER without their content.  Files
 * that cannot be read are reported and left out.  Takes ownership of the pack,
 * which is then in flight, and ends the task.  Blocks while it reads, and as
 * send_stream_send().
 *
 * Returns 0, or an error that ends the session.
 */
int send_pack(struct send_stream *st, struct pack *pk, struct err *e);

#endif
