/*
 * wan PID_A PID_B [OPTION VALUE]... - a long, thin or lossy line between the
 * network namespaces of two processes.
 *
 * A TUN device "wan0" in each (10.77.0.1 in A's, 10.77.0.2 in B's) and one
 * loop that carries packets from one to the other.  Each direction, called a
 * lane, is modelled as a queue in front of a link of a given rate, which then
 * takes a fixed time to cross and loses packets at random:
 *
 *	delay-us N    one way                                       (0)
 *	rate N        bits a second; 0: no limit                    (0)
 *	loss-ppm N    lost packets in a million                     (0)
 *	queue-us N    what the queue holds, as time on the link     (100000)
 *	mark N        see "mark_ns"                                 (0)
 *	seed N        of the random losses                          (1)
 *
 * Prints "ready" once the line stands.  On SIGTERM, SIGINT, or when its
 * standard input ends, prints one line of JSON and ends: for each lane the
 * packets and bytes (IP packets, headers included) that were offered by the
 * sender, and those lost and dropped at the queue; when its first packet was
 * offered, and when its TCP payload passed "mark" bytes (mark_ns, 0 if it
 * never did; retransmissions count).  The devices end with the process.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MTU = 1500,
	BATCH = 32,       /* packets moved before the other lane's turn */
	SLOTS = 1 << 15,  /* packets in flight: 48 MiB */
	TX_QUEUE = 10000, /* packets the kernel keeps for us */
};

struct packet {
	uint64_t due_ns;
	uint32_t len;
	unsigned char data[MTU];
};

struct lane {
	int from, to;
	/* the packets on their way: a ring, counted without end */
	struct packet *ring;
	size_t head, tail;
	uint64_t link_free_ns;
	uint64_t random;
	/* what is reported */
	uint64_t packets, bytes, payload, lost, dropped, refused;
	uint64_t first_ns, mark_ns;
};

struct settings {
	uint64_t delay_us, rate, loss_ppm, queue_us, mark, seed;
};

static void die(const char *what)
{
	fprintf(stderr, "wan: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* xorshift64*: good enough to throw dice with. */
static uint64_t throw_dice(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dU >> 32;
}

/* ---- one lane
 * -------------------------------------------------------------- */

/* Bytes of TCP payload in an IPv4 packet; 0 for all else. */
static uint64_t payload_of(const unsigned char *p, size_t len)
{
	size_t ip = (size_t)(p[0] & 15) * 4, total, tcp;

	if (len < 40 || p[0] >> 4 != 4 || p[9] != IPPROTO_TCP || len < ip + 20)
		return 0;
	total = (size_t)p[2] << 8 | p[3];
	tcp = (size_t)(p[ip + 12] >> 4) * 4;
	return total > ip + tcp ? total - ip - tcp : 0;
}

static void count(struct lane *l, const struct settings *set,
		  const struct packet *p, uint64_t now)
{
	if (!l->packets++)
		l->first_ns = now;
	l->bytes += p->len;
	l->payload += payload_of(p->data, p->len);
	if (set->mark && !l->mark_ns && l->payload > set->mark)
		l->mark_ns = now;
}

/* Decide whether and when the packet at the ring's tail comes through. */
static void admit(struct lane *l, const struct settings *set, uint64_t now)
{
	struct packet *p = &l->ring[l->tail % SLOTS];
	uint64_t start = l->link_free_ns > now ? l->link_free_ns : now;

	count(l, set, p, now);
	if (set->rate) {
		if (start - now > set->queue_us * 1000) {
			l->dropped++;
			return;
		}
		start += p->len * 8000000000U / set->rate;
	}
	l->link_free_ns = start;
	if (set->loss_ppm && throw_dice(&l->random) % 1000000 < set->loss_ppm) {
		l->lost++;
		return;
	}
	p->due_ns = start + set->delay_us * 1000;
	l->tail++;
}

/* Take what the sender offers; true if there may be more. */
static int take(struct lane *l, const struct settings *set)
{
	int i;

	for (i = 0; i < BATCH && l->tail - l->head < SLOTS; i++) {
		struct packet *p = &l->ring[l->tail % SLOTS];
		ssize_t n = read(l->from, p->data, sizeof(p->data));

		if (n <= 0)
			return 0;
		if (n < 20 || p->data[0] >> 4 != 4)
			continue; /* IPv6 looking for routers */
		p->len = (uint32_t)n;
		admit(l, set, now_ns());
	}
	return l->tail - l->head < SLOTS;
}

/* Hand over what is due; the time until the next is, UINT64_MAX for never. */
static uint64_t give(struct lane *l)
{
	int i;

	for (i = 0; l->head != l->tail; i++) {
		struct packet *p = &l->ring[l->head % SLOTS];
		uint64_t now = now_ns();

		if (p->due_ns > now)
			return p->due_ns - now;
		if (i == BATCH)
			return 0;
		if (write(l->to, p->data, p->len) < 0)
			l->refused++;
		l->head++;
	}
	return UINT64_MAX;
}

static void carry(struct lane lanes[2], const struct settings *set, int stop)
{
	struct pollfd fds[] = {
		{ .fd = lanes[0].from, .events = POLLIN },
		{ .fd = lanes[1].from, .events = POLLIN },
		{ .fd = stop, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};

	while (!fds[2].revents && !fds[3].revents) {
		struct timespec ts;
		uint64_t wait_ns, other;
		int more = take(&lanes[0], set) | take(&lanes[1], set);

		wait_ns = give(&lanes[0]);
		other = give(&lanes[1]);
		wait_ns = other < wait_ns ? other : wait_ns;
		if (more)
			wait_ns = 0;
		ts.tv_sec = (time_t)(wait_ns / 1000000000U);
		ts.tv_nsec = (long)(wait_ns % 1000000000U);
		ppoll(fds, 4, wait_ns == UINT64_MAX ? NULL : &ts, NULL);
	}
}

/* ---- set-up
 * ---------------------------------------------------------------- */

static void enter(const char *pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

static void set_address(int sock, struct ifreq *ifr, unsigned long what,
			const char *address)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };

	inet_pton(AF_INET, address, &sin.sin_addr);
	memcpy(&ifr->ifr_addr, &sin, sizeof(sin));
	if (ioctl(sock, what, ifr))
		die(address);
}

static void bring_up(int sock, const char *name)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_flags = IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr))
		die(name);
}

static int make_end(const char *pid, const char *own, const char *peer)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int tun, sock;

	/* The device belongs to the namespace in which it is opened. */
	enter(pid);
	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tun < 0)
		die("/dev/net/tun");
	strcpy(ifr.ifr_name, "wan0");
	if (ioctl(tun, TUNSETIFF, &ifr))
		die("wan0");
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		die("socket");
	set_address(sock, &ifr, SIOCSIFADDR, own);
	set_address(sock, &ifr, SIOCSIFDSTADDR, peer);
	ifr.ifr_mtu = MTU;
	if (ioctl(sock, SIOCSIFMTU, &ifr))
		die("MTU");
	ifr.ifr_qlen = TX_QUEUE;
	if (ioctl(sock, SIOCSIFTXQLEN, &ifr))
		die("queue length");
	bring_up(sock, "lo");
	bring_up(sock, "wan0");
	close(sock);
	return tun;
}

static void make_lane(struct lane *l, int from, int to, uint64_t seed)
{
	l->from = from;
	l->to = to;
	l->random = seed;
	l->ring = calloc(SLOTS, sizeof(*l->ring));
	if (!l->ring)
		die("memory");
}

static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void print_lane(const char *name, const struct lane *l)
{
	printf("\"%s\":{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"payload\":%" PRIu64 ",\"lost\":%" PRIu64
	       ",\"dropped\":%" PRIu64 ",\"refused\":%" PRIu64
	       ",\"first_ns\":%" PRIu64 ",\"mark_ns\":%" PRIu64 "}",
	       name, l->packets, l->bytes, l->payload, l->lost, l->dropped,
	       l->refused, l->first_ns, l->mark_ns);
}

static int read_settings(struct settings *set, int argc, char **argv)
{
	struct {
		const char *name;
		uint64_t *value;
	} table[] = {
		{ "delay-us", &set->delay_us }, { "rate", &set->rate },
		{ "loss-ppm", &set->loss_ppm }, { "queue-us", &set->queue_us },
		{ "mark", &set->mark },         { "seed", &set->seed },
	};
	const size_t rows = sizeof(table) / sizeof(table[0]);
	int i;

	for (i = 0; i + 1 < argc; i += 2) {
		size_t row = 0;
		char *end;

		while (row < rows && strcmp(table[row].name, argv[i]))
			row++;
		if (row == rows)
			return -1;
		*table[row].value = strtoull(argv[i + 1], &end, 10);
		if (*end || end == argv[i + 1])
			return -1;
	}
	return i == argc && set->seed ? 0 : -1;
}

int main(int argc, char **argv)
{
	const struct sched_param param = { .sched_priority = 1 };
	struct settings set = { .queue_us = 100000, .seed = 1 };
	struct lane lanes[2] = { 0 };
	int a, b, stop;

	if (argc < 3 || read_settings(&set, argc - 3, argv + 3)) {
		fprintf(stderr, "usage: wan PID_A PID_B [delay-us|rate|loss-ppm"
				"|queue-us|mark|seed N]...\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, 9UL, 0UL, 0UL, 0UL);
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		fprintf(stderr, "wan: no real-time priority\n");
	a = make_end(argv[1], "10.77.0.1", "10.77.0.2");
	b = make_end(argv[2], "10.77.0.2", "10.77.0.1");
	make_lane(&lanes[0], a, b, set.seed);
	make_lane(&lanes[1], b, a, set.seed + 1);
	stop = catch_signals();
	puts("ready");
	fflush(stdout);
	carry(lanes, &set, stop);
	putchar('{');
	print_lane("ab", &lanes[0]);
	putchar(',');
	print_lane("ba", &lanes[1]);
	puts("}");
	return 0;
}
