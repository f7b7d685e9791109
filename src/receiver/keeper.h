/*
 * keeper.h - the directories that are received into, and the thread that looks
 * through them for what interrupted transfers left: at the start, and once a
 * day.
 *
 * Layer: receiver.
 * Threads: any; it has a lock of its own.
 */
#ifndef FERRY_RECEIVER_KEEPER_H
#define FERRY_RECEIVER_KEEPER_H

#include <stdint.h>

struct keeper;
struct kept;
struct sender;
struct session_events;

/* keep_s and max_bytes as in struct kept_config; events is borrowed.  NULL when
 * out of memory. */
struct keeper *keeper_new(uint64_t keep_s, uint64_t max_bytes,
			  const struct session_events *events);

/* Ends the thread; NULL is allowed. */
void keeper_free(struct keeper *kr);

/* Start the thread.  Returns 0; or -1 with errno. */
int keeper_start(struct keeper *kr);

/* What is kept below the directory of a sender, which is looked through soon if
 * it is new.  Borrowed until keeper_free(); so is the descriptor of a sender
 * without a name, who is there as long; that of others is copied.  NULL without
 * a directory, and with errno when out of memory or descriptors. */
struct kept *keeper_add(struct keeper *kr, const struct sender *s);

#endif
