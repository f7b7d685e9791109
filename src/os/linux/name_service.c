/*
 * With glibc "files" and "dns" are part of the library itself (since 2.34).
 */
#define _GNU_SOURCE 1
#include "os/name_service.h"

#include <features.h> /* __GLIBC__ */

#if defined(FERRY_STATIC) && defined(__GLIBC__)
#include <nss.h>

void name_service_init(void)
{
	__nss_configure_lookup("hosts", "files dns");
	__nss_configure_lookup("passwd", "files");
	__nss_configure_lookup("group", "files");
}
#else
void name_service_init(void)
{
}
#endif
