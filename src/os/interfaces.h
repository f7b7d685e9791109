/*
 * interfaces.h - the addresses of this host's network interfaces (getifaddrs(),
 * which is not in POSIX, but in all systems).
 *
 * Layer: os.
 * Threads: any.
 */
#ifndef FERRY_OS_INTERFACES_H
#define FERRY_OS_INTERFACES_H

#include <sys/socket.h>

typedef void interfaces_fn(void *ctx, const char *interface,
			   const struct sockaddr *sa);

/* Call fn for each IPv4 and IPv6 address of an interface that is up and not the
 * loopback's; both pointers are valid during the call.  Returns 0, or -1 with
 * errno where they are not known. */
int interfaces_list(interfaces_fn *fn, void *ctx);

#endif
