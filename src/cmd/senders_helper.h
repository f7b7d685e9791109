/*
 * senders_helper.h - a process that reads the file of ferry receive --config,
 * and all that it names, for a receiver that is confined and cannot.
 *
 * Layer: cmd.
 * Threads: all functions from one thread.
 *
 * It is a helper (os/helper.h), split off before there are secrets in memory,
 * and not confined.  The receiver asks it to read the file, by the number of a
 * signal and nothing else, and gets what it is to do for each sender: open
 * descriptors of its directory and of the processes that work for it, its keys,
 * its limits.
 */
#ifndef FERRY_CMD_SENDERS_HELPER_H
#define FERRY_CMD_SENDERS_HELPER_H

#include <stddef.h>

#include "auth/tls.h"
#include "base/err.h"
#include "cmd/senders_load.h"
#include "receiver/receive.h" /* enum sandbox_mode */

struct senders;
struct senders_helper;
struct session_events;

/* Read the file and check all that it names, without starting anything.
 * *count: the senders; warnings: of each kind one, with code 0 where there is
 * none.  Returns 0; or an error with the line in the text: ERR_USAGE,
 * ERR_LOCAL, ERR_RESOURCE. */
int senders_helper_check(const char *path, size_t *count,
			 struct err warnings[SENDERS_WARNINGS], struct err *e);

/* Start the process.  path and events are borrowed; sandbox: as the receiver's.
 * NULL with ERR_RESOURCE. */
struct senders_helper *senders_helper_start(const char *path,
					    enum sandbox_mode sandbox,
					    const struct session_events *events,
					    struct err *e);

/* End the process; NULL is allowed. */
void senders_helper_stop(struct senders_helper *h);

/* Have the file read for the first time, and wait for that.  *senders is the
 * caller's.  Returns 0, or as senders_helper_check(). */
int senders_helper_first(struct senders_helper *h, struct senders **senders,
			 struct err *e);

/* The socket, borrowed: a signal's number, an int32_t that is sent to it, has
 * the file read again; readable when senders_helper_take() has the result. */
int senders_helper_fd(const struct senders_helper *h);

/* What was read: 0 with *senders, which is the caller's; an error as above,
 * which says that the former senders stay; ERR_CLOSED where the process is
 * gone. */
int senders_helper_take(void *h, struct senders **senders, struct err *e);

/* The file is not going to be read again.  h: a struct senders_helper. */
void senders_helper_finish(void *h);

/* Of the first time: how senders are authenticated; the directory above the
 * sections, below which new senders may get theirs (0: none); where the
 * programs of all senders report.  Borrowed. */
enum security senders_helper_mode(const struct senders_helper *h);
int senders_helper_base_fd(const struct senders_helper *h);
int senders_helper_exec_fd(const struct senders_helper *h);

#endif
