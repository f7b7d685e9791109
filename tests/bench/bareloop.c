/*
 * bareloop recv PORT FILE / bareloop send FILE HOST PORT - the least that can
 * move a file: sendfile on one side, recv and write on the other; no framing,
 * no checksum, no temporary name.  What ferry costs beyond it is what its
 * guarantees cost.
 *
 * PORT is a number, HOST an IPv4 address.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SEND_BYTES = 1 << 30,   /* asked of one sendfile() */
	BUFFER_BYTES = 1 << 20, /* fewer wake-ups: faster than 256 KiB */
};

static int fail(const char *what)
{
	fprintf(stderr, "bareloop: %s: %s\n", what, strerror(errno));
	return 1;
}

static int read_port(const char *text, in_port_t *port_out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || n < 1 || n > 65535) {
		errno = EINVAL;
		return -1;
	}
	*port_out = htons((uint16_t)n);
	return 0;
}

static int send_all(int sock, int file)
{
	ssize_t n;

	while ((n = sendfile(sock, file, NULL, SEND_BYTES)) > 0)
		;
	return n < 0 ? -1 : shutdown(sock, SHUT_WR);
}

/* Until the receiver closes, when it has written everything. */
static int wait_for_end(int sock)
{
	char c;

	return recv(sock, &c, 1, 0) < 0 ? -1 : 0;
}

static int send_file(const char *path, const char *host, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int file = open(path, O_RDONLY | O_CLOEXEC);
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (file < 0)
		return fail(path);
	if (read_port(port, &to.sin_port))
		return fail(port);
	if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
		return fail(host);
	if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof(to)))
		return fail("connect");
	if (send_all(sock, file) || wait_for_end(sock))
		return fail("send");
	return 0;
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int recv_all(int sock, int file)
{
	char *buf = malloc(BUFFER_BYTES);
	ssize_t n = -1;

	if (!buf)
		return -1;
	while ((n = recv(sock, buf, BUFFER_BYTES, 0)) > 0) {
		if (write_all(file, buf, (size_t)n)) {
			n = -1;
			break;
		}
	}
	free(buf);
	return n < 0 ? -1 : 0;
}

static int recv_file(const char *port, const char *path)
{
	struct sockaddr_in on = { .sin_family = AF_INET };
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int lsock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1, sock;

	if (file < 0)
		return fail(path);
	if (read_port(port, &on.sin_port))
		return fail(port);
	if (lsock < 0 ||
	    setsockopt(lsock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(lsock, (struct sockaddr *)&on, sizeof(on)) || listen(lsock, 1))
		return fail("listen");
	sock = accept(lsock, NULL, NULL);
	if (sock < 0 || recv_all(sock, file))
		return fail("receive");
	if (close(file))
		return fail(path);
	return close(sock) ? fail("close") : 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "recv"))
		return recv_file(argv[2], argv[3]);
	if (argc == 5 && !strcmp(argv[1], "send"))
		return send_file(argv[2], argv[3], argv[4]);
	fprintf(stderr, "usage: bareloop recv PORT FILE | "
			"bareloop send FILE HOST PORT\n");
	return 2;
}
