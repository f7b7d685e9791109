/*
 * The system's calls, or plain ones for each descriptor.
 */
#include "os/process.h"

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	FDS_COUNTED = 4096, /* no descriptor above is inherited */
	/* With RLIMIT_NOFILE at infinity the loop would not end. */
	FDS_MAX = 65536,
};

/* How many of the first n descriptors are not open.  One poll() says so of all
 * of them: asked one by one, they would take longer than a small transfer. */
static uint64_t count_closed(unsigned n)
{
	struct pollfd fds[FDS_COUNTED];
	uint64_t closed = 0;

	for (unsigned i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = (int)i };
	if (poll(fds, n, 0) < 0)
		return 0;
	for (unsigned i = 0; i < n; i++)
		closed += (fds[i].revents & POLLNVAL) != 0;
	return closed;
}

uint64_t process_count_spare_fds(void)
{
	struct rlimit lim;
	uint64_t spare;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		return 0;
	spare = count_closed(lim.rlim_cur < FDS_COUNTED ?
				     (unsigned)lim.rlim_cur :
				     FDS_COUNTED);
	if (lim.rlim_cur > FDS_COUNTED)
		spare += lim.rlim_cur - FDS_COUNTED;
	return spare;
}

void process_close_from(int first)
{
	struct rlimit lim = { FDS_MAX, FDS_MAX };

	if (process_close_range_from(first) == 0)
		return;
	(void)getrlimit(RLIMIT_NOFILE, &lim);
	for (int fd = first; fd < FDS_MAX && (rlim_t)fd < lim.rlim_cur; fd++)
		close(fd);
}
