/*
 * code_file.h - a file that contains a one-time code, and that is marked once
 * the code is no longer valid.
 *
 * Layer: auth.
 * Threads: one at a time.
 *
 * A code allows one guess.  Without the mark, a ferry that is started again
 * with the same file would allow another; and without a lock, one that runs at
 * the same time.  Two of the same role cannot use the same file at a time; the
 * two sides of a session may share one.  The mark is written through a
 * descriptor that is opened here, as a process that has confined itself cannot
 * open the file any more.
 */
#ifndef FERRY_AUTH_CODE_FILE_H
#define FERRY_AUTH_CODE_FILE_H

#include "auth/code.h"
#include "base/err.h"
#include "net/role.h"

struct code_file;

/*
 * Read a code from a file that contains nothing else, as code_parse().  The
 * file must be safe for a secret (key_open_secret()), and this process must be
 * able to write to it and to lock it.  A pipe or a socket that was handed to
 * us, and a file without a name, need neither: who starts us again has to
 * provide the code again.  The lock lasts until code_file_free(), or this
 * process ends; on the side that connects, until the mark was made.
 *
 * path is borrowed.  The caller wipes code.  NULL with ERR_USAGE for a file
 * that is not safe, not writable, locked, or has no valid code; ERR_AUTH for
 * one that is marked; ERR_LOCAL; ERR_RESOURCE.  On failure code is empty.
 */
struct code_file *code_file_open(const char *path, enum net_role role,
				 char code[CODE_MAX], struct err *e);

/* Replace the code by the mark, durably, unless the file has other content by
 * now: the user may have written the next code.  Returns 0; ERR_LOCAL; or
 * ERR_AUTH on the side that connects where the mark is there already, so that
 * the code must not be used. */
int code_file_mark(struct code_file *f, struct err *e);

/* Put the code back in the place of the mark, unless the file has other content
 * by now.  Returns 0, or -1 where it cannot be written. */
int code_file_unmark(struct code_file *f);

/* The path, borrowed. */
const char *code_file_path(const struct code_file *f);

/* Wipe and free; NULL is allowed. */
void code_file_free(struct code_file *f);

#endif
