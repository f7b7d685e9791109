/*
 * The kind of an entry.
 */
#include "os/listing.h"

#include <fcntl.h>
#include <sys/stat.h>

enum listing_kind listing_kind_of(int fd, const struct listing_entry *entry)
{
	struct stat st;

	if (entry->kind != LISTING_UNKNOWN ||
	    fstatat(fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return entry->kind;
	return S_ISDIR(st.st_mode) ? LISTING_DIR :
	       S_ISREG(st.st_mode) ? LISTING_FILE :
	       S_ISLNK(st.st_mode) ? LISTING_SYMLINK :
				     LISTING_SPECIAL;
}
