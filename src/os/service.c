/*
 * A helper is sent the number of a state, and sends the text for it on.
 */
#include "os/service.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "os/fds.h"
#include "os/helper.h"

enum { FIRST_FD = 3 }; /* SD_LISTEN_FDS_START */

struct service {
	struct helper helper;
	int alive_ms;
};

/* A number in the environment that is meant for this process: the variable pid,
 * if there is one, names it.  0: there is none. */
static uint64_t number_for_us(const char *name, const char *pid)
{
	const char *text = getenv(name), *owner = getenv(pid);
	uint64_t number, owner_pid;

	if (!text || num_parse(text, 1, UINT64_MAX, &number))
		return 0;
	if (owner && (num_parse(owner, 1, INT_MAX, &owner_pid) ||
		      owner_pid != (uint64_t)getpid()))
		return 0;
	return number;
}

int service_is_journal(int fd)
{
	/* "DEVICE:INODE" of the pipe or socket that goes there */
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!stream || fstat(fd, &st) < 0)
		return 0;
	snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	return strcmp(own, stream) == 0;
}

/* ---- the socket ---- */

static int socket_option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

static int is_tcp(int fd)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(sa);

	return getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
	       (sa.ss_family == AF_INET || sa.ss_family == AF_INET6) &&
	       socket_option(fd, SO_TYPE) == SOCK_STREAM;
}

int service_take_socket(int *fd, struct err *e)
{
	/* Without LISTEN_PID the descriptors may be another process's. */
	const uint64_t count = getenv("LISTEN_PID") ?
				       number_for_us("LISTEN_FDS", "LISTEN_PID") :
				       0;
	int listens;

	*fd = -1;
	if (!count)
		return SERVICE_NONE;
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	if (count > 1)
		return err_set(e, ERR_USAGE,
			       "the service manager gives %llu sockets, and "
			       "this takes one: one ListenStream= with a port "
			       "serves IPv4 and IPv6",
			       (unsigned long long)count);
	listens = socket_option(FIRST_FD, SO_ACCEPTCONN);
	if (!is_tcp(FIRST_FD) || listens < 0)
		return err_set(e, ERR_USAGE,
			       "the socket of the service manager is not one of "
			       "TCP");
	if (fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(FIRST_FD, F_SETFL,
		  (fcntl(FIRST_FD, F_GETFL) & ~O_NONBLOCK) |
			  (listens ? O_NONBLOCK : 0)) < 0)
		return err_sys(e, ERR_RESOURCE, "the service manager's socket");
	*fd = FIRST_FD;
	return listens ? SERVICE_LISTENER : SERVICE_CONNECTION;
}

/* ---- in the helper ---- */

/* The socket that NOTIFY_SOCKET names, or -1. */
static int connect_notify(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const size_t n = strlen(path);
	const socklen_t len = (socklen_t)(offsetof(struct sockaddr_un,
						   sun_path) + n);
	int fd;

	if (n == 0 || n >= sizeof(sa.sun_path))
		return -1;
	memcpy(sa.sun_path, path, n);
	/* An abstract name, which begins with NUL. */
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	fd = fds_socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&sa, len) < 0)
		io_close(&fd);
	return fd;
}

static void serve(void *path)
{
	static const char *const texts[] = {
		[SERVICE_READY] = "READY=1",
		[SERVICE_ALIVE] = "WATCHDOG=1",
		[SERVICE_STOPPING] = "STOPPING=1",
	};
	int fd = connect_notify(path);
	uint32_t state;

	while (helper_receive(HELPER_SOCKET, &state, sizeof(state), NULL, 0) ==
	       0) {
		if (state < sizeof(texts) / sizeof(texts[0]))
			(void)send(fd, texts[state], strlen(texts[state]),
				   MSG_NOSIGNAL);
	}
}

/* ---- in our process ---- */

int service_start(struct service **out, struct err *e)
{
	char *path = getenv("NOTIFY_SOCKET");
	const struct helper_config cfg = { HELPER_STDIO_NONE, -1, serve, path };
	const uint64_t watchdog_us = number_for_us("WATCHDOG_USEC",
						   "WATCHDOG_PID");
	struct service *s;

	*out = NULL;
	if (!path || !*path)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, ERR_RESOURCE, "out of memory");
	if (helper_start(&s->helper, &cfg)) {
		free(s);
		return err_sys(e, ERR_RESOURCE,
			       "cannot start a process to notify the service "
			       "manager");
	}
	/* Twice in its time, as sd_watchdog_enabled(3) recommends. */
	if (watchdog_us / 2000 > 0 && watchdog_us / 2000 < INT_MAX)
		s->alive_ms = (int)(watchdog_us / 2000);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	*out = s;
	return 0;
}

void service_free(struct service *s)
{
	if (!s)
		return;
	helper_stop(&s->helper, 1);
	free(s);
}

void service_tell(const struct service *s, enum service_state state)
{
	const uint32_t message = state;

	if (s)
		(void)helper_send(s->helper.fd, &message, sizeof(message), -1,
				  MSG_DONTWAIT);
}

int service_alive_ms(const struct service *s)
{
	return s ? s->alive_ms : 0;
}
