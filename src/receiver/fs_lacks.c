/*
 * What the file system cannot do.
 */
#include "receiver/fs_lacks.h"

#include <sys/stat.h>

#include "base/file_meta.h"
#include "fs/trial.h"
#include "session/events.h"

#define NS_PER_S INT64_C(1000000000)
#define UNIT_MAX UINT64_C(2000000000) /* of trial_time_unit() */

int fs_lacks_has(struct fs_lacks *l, enum fs_lack what)
{
	return (atomic_load(&l->found) & what) != 0;
}

static const char *warning_of(enum fs_lack what)
{
	switch (what) {
	case LACKS_FLUSH:
		return "the file system cannot flush files or directories: "
		       "what is committed may be lost by a power failure";
	case LACKS_MODES:
		return "the file system does not keep modes: files get those "
		       "of the mount";
	case LACKS_LINKS:
	case LACKS_META:
	case LACKS_LOOKED_AT_ALL:
	case LACKS_LOOKED_AT_TIME:
		break;
	}
	return NULL;
}

void fs_lacks_note(struct fs_lacks *l, enum fs_lack what)
{
	const char *warning = warning_of(what);

	if (!(atomic_fetch_or(&l->found, what) & what) && warning)
		events_session_message(l->events, l->number, SESSION_WARNING,
				       "%s", warning);
}

/* Two streams may find it out at the same time. */
static uint64_t time_unit(struct fs_lacks *l, int dir_fd)
{
	uint64_t unit = atomic_load(&l->time_unit);

	if (unit == 0) {
		unit = trial_time_unit(dir_fd);
		atomic_store(&l->time_unit, unit);
	}
	return unit;
}

/* Nanoseconds between two times; INT64_MAX where it is more than about two
 * seconds, the coarsest unit. */
static int64_t time_between(const struct timespec *there,
			    const struct file_meta *meta)
{
	int64_t s, ns;

	/* The sender chose one of them, so that it may overflow. */
	if (__builtin_sub_overflow((int64_t)there->tv_sec, meta->mtime_s, &s) ||
	    s < -2 || s > 2)
		return INT64_MAX;
	ns = s * NS_PER_S + there->tv_nsec - (int64_t)meta->mtime_ns;
	return ns < 0 ? -ns : ns;
}

int fs_lacks_same_time(struct fs_lacks *l, int dir_fd,
		       const struct timespec *there,
		       const struct file_meta *meta)
{
	const int64_t away = time_between(there, meta);

	if (away == 0)
		return 1;
	/* All units but nanoseconds are multiples of this. */
	if (!l || there->tv_nsec % 100 != 0)
		return 0;
	return away < (int64_t)UNIT_MAX &&
	       (uint64_t)away < time_unit(l, dir_fd);
}

/* The coarsest unit that a time can be a multiple of. */
static int64_t guess_unit(const struct timespec *ts)
{
	static const int32_t units[] = { 10000000, 1000000, 1000, 100 };

	if (ts->tv_nsec == 0)
		return ts->tv_sec % 2 ? NS_PER_S : 2 * NS_PER_S;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (ts->tv_nsec % units[i] == 0)
			return units[i];
	}
	return 1;
}

/* Whether the time of the directory shows that the file system has times as
 * fine as can be: the kernel has set it. */
static int has_fine_times(int dir_fd)
{
	struct stat st;

	return fstat(dir_fd, &st) == 0 && guess_unit(&st.st_mtim) == 1;
}

int fs_lacks_may_be_time(int dir_fd, const struct timespec *there,
			 const struct file_meta *meta)
{
	const int64_t away = time_between(there, meta);

	return away == 0 ||
	       (away < guess_unit(there) && !has_fine_times(dir_fd));
}

int fs_lacks_keeps_times(struct fs_lacks *l, int dir_fd)
{
	return !l || time_unit(l, dir_fd) <= UNIT_MAX;
}
