/*
 * Flushing a whole file system.
 */
#include "receiver/sync.h"

#include <errno.h>

#include "os/flush.h"

int sync_all(int root_fd, enum sync_mode mode, struct err *e)
{
	if (mode == SYNC_NONE || flush_filesystem(root_fd) == 0 ||
	    flush_is_unsupported(errno))
		return 0;
	return err_sys(e, ERR_LOCAL, "cannot flush the file system");
}
