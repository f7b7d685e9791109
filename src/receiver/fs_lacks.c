/*
 * What the file system cannot do.
 */
#include "receiver/fs_lacks.h"

#include "session/events.h"

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
		events_message(l->events, SESSION_WARNING, "%s", warning);
}
