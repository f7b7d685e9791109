/*
 * All is there.
 */
#include "os/lacks.h"

#include <stddef.h>

const char *lacks_text(void)
{
	return NULL;
}
