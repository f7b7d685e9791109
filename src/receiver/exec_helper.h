/*
 * exec_helper.h - a process that runs the program of --exec after each session
 * that committed something.
 *
 * Layer: receiver.
 * Threads: exec_helper_start() before there are any; exec_helper_post() from
 * any thread; the rest from one.
 *
 * It is a helper (os/helper.h) with no socket but the one to the receiver, and
 * program and directory are fixed from the start: a receiver that an attacker
 * controls can make it run this one program, with numbers and texts about the
 * peer in its environment, and nothing else.
 *
 * Programs run one after the other, in the order of the sessions, in DIR,
 * with standard input from /dev/null and standard output to standard error.
 * The environment is PATH, without what is relative or in DIR, HOME and LANG of
 * ferry, and
 *
 *	FERRY_EVENT=session	FERRY_SESSION	FERRY_PEER	FERRY_SECURITY
 *	FERRY_PEER_ID		FERRY_DIR	FERRY_EXIT	FERRY_FILES
 *	FERRY_BYTES		FERRY_UNCHANGED	FERRY_SKIPPED	FERRY_FAILED
 *	FERRY_DELETED	FERRY_SENDER (of a named sender)
 */
#ifndef FERRY_RECEIVER_EXEC_HELPER_H
#define FERRY_RECEIVER_EXEC_HELPER_H

#include <stdint.h>

#include "base/err.h"
#include "net/addr.h"
#include "net/stream.h"
#include "receiver/senders.h"

struct exec_helper;

/* The facts of a session; also what travels to the process. */
struct exec_helper_event {
	uint64_t session, files, bytes, unchanged, skipped, failed, deleted;
	int32_t exit_status;
	char peer[ADDR_TEXT_MAX];
	char identity[STREAM_IDENTITY];
	char sender[SENDER_NAME_MAX + 1]; /* empty: not a named one */
	char security[16];
};

/* How a program ended. */
struct exec_helper_report {
	uint64_t session;
	int32_t error;  /* errno where it could not be started, else 0 */
	int32_t status; /* of waitpid(2) */
};

/*
 * Start the process.  program is a path with a '/' (nothing is looked up, and
 * there is no shell and no argument); it must lie outside dir, where a sender
 * could replace it, and where no other user can (exec_check.h).  report_fd: a
 * socket of packets, borrowed, that reports are sent to; -1: the process's own,
 * exec_helper_fd().  NULL with ERR_USAGE, ERR_LOCAL or ERR_RESOURCE,
 * and a text that does not say which option or key named the program.
 */
struct exec_helper *exec_helper_start(const char *program, const char *dir,
				      int report_fd, struct err *e);

/* Check the program and the directory as exec_helper_start() does.  Returns 0,
 * ERR_USAGE, ERR_LOCAL or ERR_RESOURCE. */
int exec_helper_check(const char *program, const char *dir, struct err *e);

/* A process that another one has started, by its socket, which is taken over,
 * also on failure.  NULL when out of memory. */
struct exec_helper *exec_helper_adopt(int fd);

/* Free h, but not the process, which goes on.  Returns its socket, which is the
 * caller's. */
int exec_helper_detach(struct exec_helper *h);

/* Have the program run.  Does not block.  Returns 0; ERR_AGAIN when the queue
 * is full (see exec_queue.h); ERR_LOST when the process is gone. */
int exec_helper_post(struct exec_helper *h, const struct exec_helper_event *ev);

/* Its socket, borrowed: readable when exec_helper_take() has something. */
int exec_helper_fd(const struct exec_helper *h);

/* From the socket that reports come by: 0 with the next one; ERR_AGAIN;
 * ERR_CLOSED when there will be none. */
int exec_helper_take(int fd, struct exec_helper_report *r);

/* There are no more events: the process ends after those that it has. */
void exec_helper_finish(struct exec_helper *h);

/* Does not wait: the program that runs goes on, and those that are queued still
 * run.  NULL is allowed. */
void exec_helper_free(struct exec_helper *h);

#endif
