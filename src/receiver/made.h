/*
 * made.h - the directories that a transfer has made.  They alone get the
 * sender's modes and times, as those that were there are not the sender's to
 * change; and each counts, also one that is made for what the sender puts below
 * it.
 *
 * Layer: receiver.
 * Threads: any; it has a lock of its own.
 *
 * What was made is known by its name, inode number and time of creation: when
 * it is gone, another directory or file can get the first two.  Where the file
 * system keeps no such time, a file is known by its size and modification time
 * instead, and a directory by its name and inode number, in this session alone.
 *
 * At most MADE_MAX are remembered, so that memory is bounded.
 *
 * For a sender that comes back if it is lost, the list is also kept in a file
 * in the directory that is received into, ".ferry-TAG.journal", where its next
 * session finds it, with a receiver that was killed and restarted, too.  A
 * record of an earlier version, which knew only device and inode number, is
 * that of nothing.
 */
#ifndef FERRY_RECEIVER_MADE_H
#define FERRY_RECEIVER_MADE_H

#include <stddef.h>
#include <stdint.h>

enum { MADE_MAX = 1 << 19 }; /* 16 MiB */

struct dirs;
struct identity;
struct kept_sender;
struct made;
struct quota;
struct verdict;

/* The file of a list. */
struct made_file {
	uint64_t tag; /* 0: there is none */
	const struct kept_sender *keeper; /* whose it is; borrowed */
};

/* The file is read if it is there.  root_fd and quota are borrowed.  NULL when
 * out of memory. */
struct made *made_new(int root_fd, const struct made_file *file,
		      struct quota *quota);

/* Close and free; NULL is allowed. */
void made_free(struct made *m);

/* Remove the file: the transfer is over. */
void made_forget(struct made *m);

/* Leave the file to the next session of the transfer: from now on it counts
 * with what is kept (kept_note()), and may be removed. */
void made_leave(struct made *m);

/*
 * Whether the transfer has made the directory path (len bytes), which is this
 * one.  For a list of files, which is another struct made than that of the
 * directories: whether the item path, or any other key, has become this file.
 */
int made_has(struct made *m, const char *path, size_t len,
	     const struct identity *id);

/* Whether there was one that could not be remembered. */
int made_is_incomplete(struct made *m);

/* For a list of files: note that the item path has become this file.  With
 * --existing rename it may have the name of another item of the transfer. */
void made_note(struct made *m, const char *path, size_t len,
	       const struct identity *id);

/*
 * The sender names the directory path, at fd: count its item, unless it counts
 * already since it was made.  Returns 0; or -1 where a limit would be exceeded,
 * with STATUS_FAILED in v.
 */
int made_name(struct made *m, const char *path, size_t len, int fd,
	      struct verdict *v);

/* Have it count and add the directories that d makes. */
void made_serve(struct made *m, struct dirs *d);

#endif
