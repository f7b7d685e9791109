/*
 * deploy.h - this program on the other host, copied through ssh (--deploy).
 *
 * Layer: remote.
 * Threads: one at a time.
 *
 * What runs there is deploy_script, which is constant.  It reads one line: a
 * nonce, the size and SHA-256 of this program, "keep" or "remove", and the
 * system that it is for.  It answers with a line "ferry-deploy:" and the nonce,
 * and one that says what is there:
 *
 *	have		the same already
 *	want		then it reads the program, and answers again
 *	done		copied, compared, and run once
 *	other SYSTEM	not the one that it is for
 *	fail REASON	cannot be copied
 *	unfit REASON	cannot be run
 *
 * After "have" and "done" it runs ferry remote, and with "remove" deletes the
 * copy when that has ended.
 */
#ifndef FERRY_REMOTE_DEPLOY_H
#define FERRY_REMOTE_DEPLOY_H

#include "base/err.h"

struct deploy;
struct login;
struct session_events;

enum deploy_use { DEPLOY_NO, DEPLOY_KEEP, DEPLOY_REMOVE };

/* One simple command with one quoted argument, see ssh.c. */
extern const char deploy_script[];

/* Read this program's file: call it before the sandbox.  use: not DEPLOY_NO.
 * Returns NULL with ERR_LOCAL where the file cannot be read, or
 * ERR_RESOURCE. */
struct deploy *deploy_new(enum deploy_use use, struct err *e);
void deploy_free(struct deploy *d); /* NULL is allowed */

/*
 * Talk with deploy_script, until it runs ferry remote.  host: escaped; events:
 * what is done is told to them.  Blocks as login_exchange().  Returns 0;
 * ERR_CONNECT where this program cannot be copied to there, or does not run
 * there; or as login_exchange().
 */
int deploy_run(const struct deploy *d, struct login *l, const char *host,
	       const struct session_events *events, struct err *e);

#endif
