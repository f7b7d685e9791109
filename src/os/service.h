/*
 * service.h - what a service manager such as systemd gives a process: a socket
 * (sd_listen_fds(3)), and a socket on which it wants to be told that the
 * process is ready and alive (sd_notify(3)).
 *
 * Layer: os.  Uses base.
 * Threads: service_take_socket() and service_start() while there is one; the
 * rest from one thread.
 *
 * The messages are sent by a helper (os/helper.h): the socket is one of
 * datagrams, by which a process could send to any other, so that the sandbox of
 * ours allows none.  So the service manager has to accept messages of all
 * processes of the service (NotifyAccess=all).
 */
#ifndef FERRY_OS_SERVICE_H
#define FERRY_OS_SERVICE_H

#include "base/err.h"

enum service_socket {
	SERVICE_NONE,
	SERVICE_LISTENER,   /* a TCP socket that listens; it does not block */
	SERVICE_CONNECTION, /* a TCP connection */
};

enum service_state {
	SERVICE_READY,
	SERVICE_ALIVE, /* for the watchdog */
	SERVICE_STOPPING,
};

/* The priorities of the journal, as in syslog(3). */
enum {
	SERVICE_ERROR = 3,
	SERVICE_WARNING = 4,
	SERVICE_INFO = 6,
};

struct service;

/* Whether what is written to fd goes to the journal, which takes "<N>" at the
 * beginning of a line as its priority (sd-daemon(3)).  From any thread. */
int service_is_journal(int fd);

/*
 * Take the socket that the process was given.  *fd is the caller's, and closed
 * by exec().  Returns an enum service_socket; ERR_USAGE where there are
 * several, or it is of another kind.
 */
int service_take_socket(int *fd, struct err *e);

/* Start the helper, if the service manager wants to be told anything.  *s: NULL
 * if not.  Returns 0 or ERR_RESOURCE. */
int service_start(struct service **s, struct err *e);

void service_free(struct service *s); /* NULL is allowed */

/* Tell it; does not block.  s may be NULL. */
void service_tell(const struct service *s, enum service_state state);

/* How often it wants to be told SERVICE_ALIVE, in milliseconds; 0: never.  s
 * may be NULL. */
int service_alive_ms(const struct service *s);

#endif
