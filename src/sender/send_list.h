/*
 * send_list.h - sending a list: the metadata of items, to find out which of
 * them the receiver wants.
 *
 * Layer: sender.
 * Threads: the stream's.
 */
#ifndef FERRY_SENDER_SEND_LIST_H
#define FERRY_SENDER_SEND_LIST_H

#include "base/err.h"

struct pack;
struct send_stream;

/*
 * TASK_PACK of a pack with is_list: send it in one LIST.  Where its has_digests
 * is set, its files are read for that, and those that cannot be read are
 * reported and left out.  Where the receiver has nothing, or knows no lists
 * with all the metadata that is preserved, the items are queued to be sent
 * instead, and compared by content.  Takes ownership and blocks as send_pack().
 *
 * Returns 0, or an error that ends the session.
 */
int send_list(struct send_stream *st, struct pack *pk, struct err *e);

#endif
