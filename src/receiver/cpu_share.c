/*
 * The time of the processors is counted in periods.
 *
 * How much of it there is to be shared is not asked for but measured, as other
 * processes take some, and a container may have a limit: it is what all senders
 * together had while they wanted more.
 */
#include "receiver/cpu_share.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "os/cond.h"

enum {
	MS_NS = 1000 * 1000,
	PERIOD_NS = 50 * MS_NS,
	PAUSES_MAX = CPU_SHARE_PAUSE_MS * MS_NS / PERIOD_NS,
	/* How often a thread reads what it has used, which is a system call.
	 * While its sender is limited, it takes as much of the share in
	 * advance. */
	METER_NS = MS_NS / 2,
	/* For how long a sender counts as kept from working after one of its
	 * threads was preempted: until that thread runs again, nothing shows
	 * whether it still is. */
	PREEMPTED_NS = 200 * MS_NS,
	/* A sender that is limited has 1/SHARE_DIVISOR of an equal share, since
	 * serving it costs more than what is counted here: the kernel works for
	 * its connections, too. */
	SHARE_DIVISOR = 2,
	/* With each period, 1/HAD_DIVISOR of what a sender has had is
	 * forgotten, so that it counts for some seconds; and 1/CAPACITY_DIVISOR
	 * of what there is to be shared, which counts for one or two. */
	HAD_DIVISOR = 64,
	CAPACITY_DIVISOR = 32,
	PERIODS_COUNTED = 1024, /* after so many, nothing is left of either */
	/* Threads of a sender that run at a time, for each processor: more than
	 * one, as they may wait for the disk. */
	RUN_PROCESSOR = 2,
	/* After this time another thread of the same sender has its turn. */
	TURN_NS = 20 * MS_NS,
	/* How often a thread that waits for its turn checks whether there is
	 * still another sender. */
	RECHECK_MS = 50,
};

/* A thread that waits for its turn. */
struct turn {
	struct turn *next;
	pthread_cond_t has_come;
	int is_its; /* it counts as running since then */
};

struct cpu_share {
	struct cpu_shares *all;
	struct cpu_share *next; /* guarded by all->lock, as what follows */
	uint8_t owner[STREAM_PEER];
	unsigned refs;
	uint64_t used_ns;      /* in this period */
	uint64_t had_ns;       /* before, of which some is forgotten */
	int works, has_worked; /* in this period, and in the last one */
	unsigned running;   /* threads */
	struct turn *first_turn, **last_turn; /* in the order they came */
};

struct cpu_shares {
	unsigned run_max;    /* set once: threads of a sender */
	atomic_uint count;   /* of shares */
	/* guarded by lock */
	pthread_mutex_t lock;
	struct cpu_share *first;
	uint64_t ends_ns;       /* of the period */
	uint64_t preempted_until_ns; /* until then, a sender counts as
					preempted */
	uint64_t capacity_ns;   /* of a period */
};

struct cpu_shares *cpu_share_new(void)
{
	struct cpu_shares *all = calloc(1, sizeof(*all));
	const long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (!all)
		return NULL;
	all->run_max = RUN_PROCESSOR *
		       (processors > 1 ? (unsigned)processors : 1);
	pthread_mutex_init(&all->lock, NULL);
	return all;
}

void cpu_share_free(struct cpu_shares *all)
{
	if (!all)
		return;
	pthread_mutex_destroy(&all->lock);
	free(all);
}

struct cpu_share *cpu_share_take(struct cpu_shares *all,
				 const uint8_t owner[STREAM_PEER])
{
	struct cpu_share *s;

	pthread_mutex_lock(&all->lock);
	s = all->first;
	while (s && memcmp(s->owner, owner, STREAM_PEER) != 0)
		s = s->next;
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (s) {
			s->all = all;
			s->last_turn = &s->first_turn;
			memcpy(s->owner, owner, STREAM_PEER);
			s->next = all->first;
			all->first = s;
			atomic_fetch_add(&all->count, 1);
		}
	}
	if (s)
		s->refs++;
	pthread_mutex_unlock(&all->lock);
	return s;
}

void cpu_share_give_back(struct cpu_share *s)
{
	struct cpu_shares *all;
	struct cpu_share **at;

	if (!s)
		return;
	all = s->all;
	pthread_mutex_lock(&all->lock);
	if (--s->refs == 0) {
		for (at = &all->first; *at != s; at = &(*at)->next)
			;
		*at = s->next;
		atomic_fetch_sub(&all->count, 1);
		free(s);
	}
	pthread_mutex_unlock(&all->lock);
}

static int is_working(const struct cpu_share *s)
{
	return s->works || s->has_worked;
}

/* Whether a sender has had more than others that work now.  Locked. */
static int is_above_mean(const struct cpu_share *s)
{
	uint64_t had_ns = 0, count = 0;

	for (const struct cpu_share *o = s->all->first; o; o = o->next) {
		if (!is_working(o))
			continue;
		count++;
		had_ns += o->had_ns;
	}
	return count > 1 && s->had_ns > had_ns / count;
}

/* What such a sender may use of a period while another one is kept from
 * working.  Locked. */
static uint64_t get_share(const struct cpu_shares *all)
{
	uint64_t count = 0;

	for (const struct cpu_share *s = all->first; s; s = s->next)
		count += (unsigned)is_working(s);
	return all->capacity_ns / SHARE_DIVISOR / (count ? count : 1);
}

static void forget(uint64_t *ns, unsigned divisor, uint64_t periods)
{
	for (uint64_t i = 0; i < periods && i < PERIODS_COUNTED; i++)
		*ns -= *ns / divisor;
}

/* Begin another period if it is time.  Locked. */
static void begin_period(struct cpu_shares *all, uint64_t now_ns)
{
	uint64_t periods, total = 0;

	if (now_ns < all->ends_ns)
		return;
	periods = 1 + (now_ns - all->ends_ns) / PERIOD_NS;
	for (struct cpu_share *s = all->first; s; s = s->next) {
		total += s->used_ns;
		s->had_ns += s->used_ns;
		forget(&s->had_ns, HAD_DIVISOR, periods);
		s->used_ns = 0;
		s->has_worked = s->works;
		s->works = 0;
	}
	forget(&all->capacity_ns, CAPACITY_DIVISOR, periods);
	if (total > all->capacity_ns)
		all->capacity_ns = total;
	all->ends_ns = now_ns + PERIOD_NS;
}

/* Count what a thread has used since it was last metered.  Locked. */
static void count_used(struct cpu_meter *m, const struct thread_usage *u)
{
	struct cpu_share *s = m->share;
	const uint64_t used_ns = u->cpu_ns - m->usage.cpu_ns;

	s->works = 1;
	s->used_ns += used_ns > m->taken_ns ? used_ns - m->taken_ns : 0;
	m->taken_ns = 0;
	if (u->preemptions != m->usage.preemptions && !is_above_mean(s))
		s->all->preempted_until_ns = m->metered_ns + PREEMPTED_NS;
}

/* Whether the sender's share allows the thread to go on; then what it is going
 * to use is taken from the share.  Locked. */
static int take_share(struct cpu_meter *m)
{
	struct cpu_share *s = m->share;

	if (m->metered_ns >= s->all->preempted_until_ns || !is_above_mean(s))
		return 1;
	if (s->used_ns + METER_NS > get_share(s->all))
		return 0;
	s->used_ns += METER_NS;
	m->taken_ns = METER_NS;
	return 1;
}

/* Count what the thread has used.  Returns how long it has to pause. */
static uint64_t meter(struct cpu_meter *m, uint64_t now_ns)
{
	struct cpu_shares *all = m->share->all;
	const int is_first = m->metered_ns == 0;
	struct thread_usage u;
	uint64_t pause_ns = 0;

	if (thread_usage_get(&u))
		return 0;
	m->metered_ns = now_ns;
	pthread_mutex_lock(&all->lock);
	begin_period(all, now_ns);
	if (!is_first)
		count_used(m, &u);
	if (!take_share(m))
		pause_ns = all->ends_ns - now_ns;
	pthread_mutex_unlock(&all->lock);
	m->usage = u;
	return pause_ns;
}

/* ---- which threads run ---- */

static void stop_running(struct cpu_meter *m)
{
	struct cpu_share *s = m->share;
	struct turn *t;

	if (!m->is_running)
		return;
	m->is_running = 0;
	pthread_mutex_lock(&s->all->lock);
	t = s->running <= s->all->run_max ? s->first_turn : NULL;
	if (t) {
		/* given on, so that nobody who comes now can take it */
		s->first_turn = t->next;
		if (!t->next)
			s->last_turn = &s->first_turn;
		t->is_its = 1;
		pthread_cond_signal(&t->has_come);
	} else {
		s->running--;
	}
	pthread_mutex_unlock(&s->all->lock);
}

static int has_others(const struct cpu_shares *all)
{
	return atomic_load_explicit(&all->count, memory_order_relaxed) > 1;
}

/* Leave the line without having had one's turn.  Locked. */
static void leave_line(struct cpu_share *s, struct turn *t)
{
	struct turn **at = &s->first_turn;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	if (!t->next)
		s->last_turn = at;
	s->running++;
}

/* Wait until it is the thread's turn to run; not for ever, so that its stream
 * is served however many there are.  It counts as running then.  Returns
 * whether it is its turn.  Locked. */
static int wait_for_turn(struct cpu_share *s)
{
	const uint64_t end_ms = clock_ms() + CPU_SHARE_TURN_MS;
	struct turn t = { .next = NULL };

	cond_init(&t.has_come);
	*s->last_turn = &t;
	s->last_turn = &t.next;
	while (!t.is_its && has_others(s->all) && clock_left_ms(end_ms) > 0)
		cond_wait(&t.has_come, &s->all->lock, RECHECK_MS);
	if (!t.is_its)
		leave_line(s, &t);
	pthread_cond_destroy(&t.has_come);
	return t.is_its;
}

/* Wait for the turn, and count as running. */
static void start_running(struct cpu_meter *m)
{
	struct cpu_share *s = m->share;
	int is_its_turn = 1;

	pthread_mutex_lock(&s->all->lock);
	if (s->running < s->all->run_max && !s->first_turn)
		s->running++;
	else
		is_its_turn = wait_for_turn(s);
	pthread_mutex_unlock(&s->all->lock);
	m->is_running = 1;
	m->until_ns = is_its_turn ? clock_ns() + TURN_NS : 0;
}

/* Pause while its sender has had more than its share. */
static void pause_if_above(struct cpu_meter *m)
{
	struct timespec ts = { 0 };

	/* Other threads of the sender may have taken all of its share in the
	 * next period before this one wakes. */
	for (int i = 0; i < PAUSES_MAX; i++) {
		ts.tv_nsec = (long)meter(m, clock_ns());
		if (ts.tv_nsec == 0)
			return;
		stop_running(m);
		nanosleep(&ts, NULL);
	}
}

void cpu_share_check(struct cpu_meter *m)
{
	uint64_t now_ns;

	if (!m->share)
		return;
	if (!has_others(m->share->all)) {
		m->metered_ns = m->taken_ns = 0;
		stop_running(m);
		return;
	}
	now_ns = clock_ns();
	if (m->is_running && now_ns >= m->until_ns)
		stop_running(m);
	if (m->works && !m->is_running)
		start_running(m);
	if (m->metered_ns && now_ns - m->metered_ns < METER_NS)
		return;
	/* After the wait: by now the sender may have had more than its
	 * share. */
	pause_if_above(m);
	if (m->works && !m->is_running)
		start_running(m);
}

void cpu_share_begin_work(struct cpu_meter *m)
{
	m->works = 1;
	cpu_share_check(m);
}

void cpu_share_end_work(struct cpu_meter *m)
{
	m->works = 0;
	stop_running(m);
}

unsigned cpu_share_run_max(const struct cpu_shares *all)
{
	return all->run_max;
}
