/*
 * Whether the receive directory is still there.
 */
#include "receiver/setup.h"

#include <errno.h>
#include <sys/stat.h>

#include "session/events.h"

const char *recv_setup_check_dir(const struct recv_setup *setup)
{
	struct stat held, now;
	int is_there;

	if (setup->root_fd < 0 || fstat(setup->root_fd, &held) < 0)
		return NULL;
	if (held.st_nlink == 0)
		return "the directory that it receives into was removed: make "
		       "it again, and restart the receiver";
	is_there = stat(setup->cfg->dir, &now) == 0;
	if (is_there ? now.st_dev != held.st_dev || now.st_ino != held.st_ino :
		       errno == ENOENT || errno == ENOTDIR)
		events_message(setup->cfg->events, SESSION_WARNING,
			       "the directory that is received into was moved%s: "
			       "files go where it is now, until the receiver is "
			       "restarted",
			       is_there ? ", and another one has its name" : "");
	return NULL;
}
