/*
 * The limits of a session without progress.
 */
#include "session/idle.h"

#include "base/clock.h"

void idle_init(struct idle *i, int timeout_ms)
{
	const uint64_t now = clock_ms();

	i->timeout_ms = timeout_ms > 0 ? (uint64_t)timeout_ms : 0;
	atomic_init(&i->progress_ms, now);
	atomic_init(&i->busy_ms, now);
	atomic_init(&i->said_ms, 0);
	atomic_init(&i->checked_ms, now);
	atomic_init(&i->working, 0);
}

void idle_progress(struct idle *i)
{
	atomic_store_explicit(&i->progress_ms, clock_ms(),
			      memory_order_relaxed);
}

void idle_worked(struct idle *i, uint64_t ms)
{
	const uint64_t now = clock_ms();
	uint64_t at = atomic_load(&i->progress_ms);

	/* no gap */
	atomic_store(&i->checked_ms, now);
	/* Several threads may have worked at the same time. */
	while (ms > 0 && at < now &&
	       !atomic_compare_exchange_weak(&i->progress_ms, &at,
					     now - at > ms ? at + ms : now))
		;
}

void idle_peer_is_busy(struct idle *i, uint64_t at_ms)
{
	/* Several streams may say so; one of them may be the last to look. */
	if (at_ms > atomic_load(&i->busy_ms))
		atomic_store(&i->busy_ms, at_ms);
}

void idle_peer_says_busy(struct idle *i, uint64_t at_ms)
{
	idle_peer_is_busy(i, at_ms);
	if (at_ms > atomic_load(&i->said_ms))
		atomic_store(&i->said_ms, at_ms);
}

void idle_begin_work(struct idle *i)
{
	atomic_fetch_add(&i->working, 1);
}

void idle_end_work(struct idle *i)
{
	atomic_fetch_sub(&i->working, 1);
}

int idle_is_working(struct idle *i)
{
	return atomic_load(&i->working) > 0;
}

static void skip_gap(struct idle *i, uint64_t now)
{
	const uint64_t before = atomic_exchange(&i->checked_ms, now);

	if (now <= before || now - before <= IDLE_GAP_MS)
		return;
	atomic_fetch_add(&i->progress_ms, now - before);
	atomic_fetch_add(&i->busy_ms, now - before);
}

uint64_t idle_ends_ms(struct idle *i, int *is_busy)
{
	const uint64_t progress = atomic_load(&i->progress_ms);
	const uint64_t busy = atomic_load(&i->busy_ms);

	*is_busy = atomic_load(&i->said_ms) > progress;
	if (i->timeout_ms == 0)
		return 0;
	return (busy > progress ? busy : progress) + i->timeout_ms;
}

int idle_check(struct idle *i, const char *peer, struct err *e)
{
	const uint64_t now = clock_ms();
	uint64_t longest = IDLE_BUSY_FACTOR * i->timeout_ms;
	uint64_t progress, busy, past;

	skip_gap(i, now);
	progress = atomic_load(&i->progress_ms);
	busy = atomic_load(&i->busy_ms);
	if (longest < IDLE_BUSY_MS)
		longest = IDLE_BUSY_MS;
	if (i->timeout_ms == 0)
		return 0;
	past = now > progress ? now - progress : 0;
	if (past > i->timeout_ms && now > busy && now - busy > i->timeout_ms)
		return err_set(e, ERR_TIMEOUT,
			       "%s has sent nothing but heart-beats for %llu s",
			       peer, (unsigned long long)past / 1000);
	if (past > longest)
		return err_set(e, ERR_TIMEOUT,
			       "%s has made no progress for %llu s, though it "
			       "says that it is busy",
			       peer, (unsigned long long)past / 1000);
	return 0;
}
