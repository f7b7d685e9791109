/*
 * delete.h - the end of a session that is to delete what the sender does not
 * have: DELETE and EXTRA.
 *
 * Layer: receiver.
 * Threads: the first stream's, but for delete_has_deleted() and delete_free().
 *
 * When every item has its verdict, the sender says which names it has in each
 * directory, by a sum of hashes.  A directory that differs is listed; the
 * sender chooses from the list by position, so that no name of what is deleted
 * ever comes from it.  Directories that it chooses are listed too, with all
 * that is below them.  A directory is removed only when it is empty.
 */
#ifndef FERRY_RECEIVER_DELETE_H
#define FERRY_RECEIVER_DELETE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct deletion;
struct dirs;
struct transfer;
struct worker;

/* Whether a file, symlink or the like is removed where the sender has a
 * directory of its name: if the session may delete, and its policy is to
 * replace. */
int delete_gives_way(const struct transfer *t);

/* Then have d remove what has the name of a directory. */
void delete_serve(struct transfer *t, struct dirs *d);

/*
 * Read and handle a DELETE with a body of len bytes.  Blocks for as long as the
 * disk takes.  Returns 0, or an error that ends the session: ERR_PROTOCOL where
 * the sender did not keep to the order of frames, or named a directory that is
 * not allowed.
 */
int recv_delete(struct worker *w, uint32_t len, struct err *e);

/* Whether anything was deleted, so that directories have to be flushed.  NULL
 * is allowed. */
int delete_has_deleted(const struct deletion *d);

/* In a dry run, on the first stream: whether the directory path was chosen, and
 * nothing that is in it would stay. */
int delete_would_remove(const struct deletion *d, const char *path, size_t len);

void delete_free(struct deletion *d); /* NULL is allowed */

#endif
