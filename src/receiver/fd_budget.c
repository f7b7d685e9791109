/*
 * Counting descriptors and dividing them.
 */
#include "receiver/fd_budget.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "fs/dirs.h"
#include "os/cancel.h"
#include "os/cond.h"
#include "os/process.h"
#include "receiver/kept.h"

enum {
	/* Of the process: listener, directory, wake-ups, --exec, and what libc
	 * opens for a moment; and what looks for parts that were kept. */
	FDS_PROCESS = 8 + KEPT_FDS,
	/* Of a session: two wake-ups, and DIRS_HELD_LEAST directories on each
	 * of the walks of its committer and of symlinks. */
	FDS_SESSION = 2 + 2 * DIRS_HELD_LEAST,
	/* Of a stream: its socket, and at least so many directories of the
	 * current path. */
	DIRS_LEAST = 4,
	FDS_STREAM = 1 + DIRS_LEAST,
	/* Of a file in chunks: part, journal, directory, basis. */
	FDS_FILE = 4,
	/* Of a small file that waits for its commit: part, directory. */
	FDS_COMMIT = 2,
	/* Of a pending connection: its socket, and the token that ends it. */
	FDS_PENDING = 2,
	FDS_LEAST = FDS_SESSION + FDS_STREAM + FDS_FILE + FDS_COMMIT,

	/* Pending connections get 1/PENDING_DIVISOR of all descriptors. */
	PENDING_DIVISOR = 8,
	PENDING_MIN = 2,
	/* A session gets 1/SESSION_DIVISOR of what is left, or more where there
	 * may be fewer sessions. */
	SESSION_DIVISOR = 4,
	/* 1/RESERVE_DIVISOR of all is kept for the smallest shares of the
	 * sessions that there may be, so that the last one gets some too. */
	RESERVE_DIVISOR = 2,
	FILES_MAX = 64,
	COMMITS_MAX = 10240, /* a group of the committer, and some more */

	STOP_CHECK_MS = 100,
};

struct fd_budget {
	/* set once */
	unsigned divisor; /* a session gets 1/divisor of what is left */
	unsigned sessions;
	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t given_back;
	uint64_t all; /* that sessions may have */
	uint64_t left;
	unsigned shares; /* that are taken */
};

/* How many descriptors may be opened besides those that are open. */
static uint64_t count_spare(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	return process_count_spare_fds();
}

static unsigned within(uint64_t n, unsigned least, unsigned most)
{
	return n < least ? least : n > most ? most : (unsigned)n;
}

struct fd_budget *fd_budget_new(unsigned sessions)
{
	struct fd_budget *b = calloc(1, sizeof(*b));
	const uint64_t spare = count_spare();

	if (!b)
		return NULL;
	b->divisor = within(sessions, 1, SESSION_DIVISOR);
	b->sessions = sessions;
	b->all = b->left = spare > FDS_PROCESS ? spare - FDS_PROCESS : 0;
	pthread_mutex_init(&b->lock, NULL);
	cond_init(&b->given_back);
	return b;
}

void fd_budget_free(struct fd_budget *b)
{
	if (!b)
		return;
	pthread_cond_destroy(&b->given_back);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

unsigned fd_budget_take_pending(struct fd_budget *b, unsigned most)
{
	unsigned count;
	uint64_t fds;

	pthread_mutex_lock(&b->lock);
	count = within(b->left / PENDING_DIVISOR, PENDING_MIN, most);
	fds = (uint64_t)count * FDS_PENDING;
	b->left -= fds < b->left ? fds : b->left;
	b->all = b->left;
	pthread_mutex_unlock(&b->lock);
	return count;
}

int fd_budget_divide(uint64_t fds, unsigned streams, struct fd_share *share)
{
	uint64_t used, left;

	/* A quarter for streams, half for files in chunks, the rest for
	 * commits; but each leaves the smallest number to the others. */
	share->streams = within(fds / 4 / FDS_STREAM, 1, streams);
	share->dirs = within(fds / 4 / share->streams, FDS_STREAM,
			     1 + DIRS_HELD_MOST) - 1;
	share->walk_dirs = share->dirs > DIRS_LEAST ? share->dirs :
						      DIRS_HELD_LEAST;
	used = FDS_SESSION +
	       2 * ((uint64_t)share->walk_dirs - DIRS_HELD_LEAST) +
	       (uint64_t)share->streams * (1 + share->dirs);
	left = fds > used + FDS_COMMIT ? fds - used - FDS_COMMIT : 0;
	share->open_files = within((fds / 2 < left ? fds / 2 : left) / FDS_FILE,
				   1, FILES_MAX);
	used += (uint64_t)share->open_files * FDS_FILE;
	share->commits = within(fds > used ? (fds - used) / FDS_COMMIT : 0, 1,
				COMMITS_MAX);
	share->fds = used + (uint64_t)share->commits * FDS_COMMIT;
	return share->fds <= fds ? 0 : -1;
}

/* How many descriptors the next session may have: a fraction of what is left,
 * less what is kept for the sessions after it.  Locked. */
static uint64_t next_share(const struct fd_budget *b)
{
	const unsigned least = within(b->all / RESERVE_DIVISOR / FDS_LEAST, 0,
				      b->sessions);
	const uint64_t kept = least > b->shares + 1 ?
				      (uint64_t)(least - b->shares - 1) *
					      FDS_LEAST :
				      0;
	uint64_t fds = b->left / b->divisor;

	if (fds + kept > b->left)
		fds = b->left > kept ? b->left - kept : 0;
	return fds < FDS_LEAST && b->left >= FDS_LEAST ? FDS_LEAST : fds;
}

int fd_budget_take(struct fd_budget *b, unsigned streams, uint64_t by_ms,
		   const struct cancel *stop, struct fd_share *share,
		   struct err *e)
{
	int rc = ERR_AGAIN;

	pthread_mutex_lock(&b->lock);
	while (rc == ERR_AGAIN) {
		if (fd_budget_divide(next_share(b), streams, share) == 0 ||
		    b->shares == 0)
			rc = 0;
		else if (cancel_is_set(stop) || clock_left_ms(by_ms) == 0)
			rc = ERR_RESOURCE;
		else
			cond_wait(&b->given_back, &b->lock,
					STOP_CHECK_MS);
	}
	if (rc == 0) {
		/* The only session may get more than is left, which then is
		 * not there to be given back either. */
		if (share->fds > b->left)
			share->fds = b->left;
		b->left -= share->fds;
		b->shares++;
	}
	pthread_mutex_unlock(&b->lock);
	if (rc == 0)
		return 0;
	share->streams = 0;
	return err_set(e, rc, "out of descriptors for a session");
}

void fd_budget_give_back(struct fd_budget *b, const struct fd_share *share)
{
	pthread_mutex_lock(&b->lock);
	b->left += share->fds;
	b->shares--;
	pthread_cond_broadcast(&b->given_back);
	pthread_mutex_unlock(&b->lock);
}
