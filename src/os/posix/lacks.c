/*
 * As the manual says it (ferry(1), FILE SYSTEMS).
 */
#include "os/lacks.h"

const char *lacks_text(void)
{
	return "built for any POSIX system, without: a sandbox, files without "
	       "a name, exchange of names, renaming that replaces nothing, "
	       "reserved space, finding and punching holes, reflinks, ACLs and "
	       "extended attributes, device numbers, the id of a boot, times of "
	       "creation, options and figures of TCP, flushing a whole file "
	       "system, flags of files, limits of FUSE file systems, its own "
	       "program to copy (--deploy)";
}
