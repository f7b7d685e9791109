/*
 * made.h - the directories that a transfer has made.  They alone get the
 * sender's modes and times, as those that were there are not the sender's to
 * change; and each counts, also one that is made for what the sender puts below
 * it.
 *
 * Layer: receiver.
 * Threads: any; it has a lock of its own.
 *
 * Directories are known by device and inode.  At most MADE_MAX are remembered,
 * so that memory is bounded; what a sender names itself when it is made needs
 * no memory (dirs_is_new()).
 *
 * For a sender that comes back if it is lost, the list is also kept in a file
 * in the directory that is received into, ".ferry-TAG.journal", where its next
 * session finds it, with a receiver that was killed and restarted, too.
 */
#ifndef FERRY_RECEIVER_MADE_H
#define FERRY_RECEIVER_MADE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { MADE_MAX = 1 << 19 }; /* 16 MiB */

struct dirs;
struct made;
struct quota;
struct verdict;

/* tag: of the file, which is read if it is there; 0: no file.  root_fd and
 * quota are borrowed.  NULL when out of memory. */
struct made *made_new(int root_fd, uint64_t tag, struct quota *quota);

/* Close and free; NULL is allowed. */
void made_free(struct made *m);

/* Remove the file: the transfer is over. */
void made_forget(struct made *m);

/* Whether the transfer has made this directory. */
int made_has(struct made *m, const struct stat *st);

/*
 * The sender names the directory at fd: count its item, unless it counts
 * already since it was made.  Returns 0; or -1 where a limit would be exceeded,
 * with STATUS_FAILED in v.
 */
int made_name(struct made *m, int fd, struct verdict *v);

/*
 * For a list of files, which is another struct made than that of the
 * directories: note that the item path (len bytes, or any other key) has become
 * the file st; and whether it has become that file.  The inode alone does not
 * tell: with --existing rename the file may have the name of another item of
 * the transfer.
 */
void made_note_file(struct made *m, const char *path, size_t len,
		    const struct stat *st);
int made_has_file(struct made *m, const char *path, size_t len,
		  const struct stat *st);

/* Have it count and add the directories that d makes. */
void made_serve(struct made *m, struct dirs *d);

#endif
