/*
 * What a process that an attacker controls would try in the sandbox: a table of
 * attempts, all of which have to be refused to a receiver and to a sender.
 *
 * Each attempt is made from the first thread and from a later one, as root and,
 * where we are root, as an ordinary user; with --sandbox require and auto, and
 * with auto on a kernel without Landlock, where those are left out that only
 * Landlock refuses.  The table is also run unconfined: an attempt that is
 * refused there, too, shows nothing.
 *
 * The attempts are made in a child, which writes a result for each to shared
 * memory.  Some end it by SIGSYS: then another goes on with the next attempt.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/net.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/scratch.h"

#include "sandbox/landlock.h"
#include "sandbox/sandbox.h"
#include "sandbox/seccomp.h"

enum {
	NOBODY = 65534,
	ROWS_MIN = 60, /* for each role */
	ROWS_MAX = 400,
	/* Results other than errno. */
	NOT_TRIED = -1,
	DIED = -2,
	MASK = 1023,
};

/* A tree: top/in is what is confined to. */
struct place {
	char top[128];
	int top_fd, in_fd, out_fd;
	int file_fd;  /* in/file, for writing as a receiver has it, or reading */
	int listener; /* of ours */
	int foreign; /* a TCP service that is not ours */
	struct sockaddr_in service; /* its address */
	struct sockaddr_un local, local_packets;
	int local_fd, local_packets_fd; /* Unix sockets that listen there */
	pid_t parent;
};

/* ---- making the place ---- */

static int listen_tcp(struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)sin, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)sin, &len), 0);
	return fd;
}

static int listen_local(const struct place *p, struct sockaddr_un *sun,
			int type, const char *name)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	sun->sun_family = AF_UNIX;
	snprintf(sun->sun_path, sizeof(sun->sun_path), "%.80s/out/%s", p->top,
		 name);
	assert_int_equal(bind(fd, (struct sockaddr *)sun, sizeof(*sun)), 0);
	assert_int_equal(chmod(sun->sun_path, 0777), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static void make_file(int dir, const char *name)
{
	scratch_write(dir, name, "sentinel", 8, O_TRUNC, 0666);
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct sockaddr_in own;

	assert_non_null(p);
	p->top_fd = scratch_make(p->top, sizeof(p->top), "attempts");
	assert_int_equal(fchmod(p->top_fd, 0777), 0);
	p->in_fd = scratch_make_dir(p->top_fd, "in");
	p->out_fd = scratch_make_dir(p->top_fd, "out");
	make_file(p->in_fd, "file");
	make_file(p->out_fd, "file");
	assert_int_equal(symlinkat("../out/file", p->in_fd, "way-out"), 0);
	make_file(p->out_fd, "doomed");
	close(scratch_make_dir(p->out_fd, "empty"));
	assert_int_equal(symlinkat("../out", p->in_fd, "way-to-dir"), 0);
	p->file_fd = openat(p->in_fd, "file", O_RDWR | O_CLOEXEC);
	p->listener = listen_tcp(&own);
	p->foreign = listen_tcp(&p->service);
	p->local_fd = listen_local(p, &p->local, SOCK_STREAM, "stream");
	p->local_packets_fd =
		listen_local(p, &p->local_packets, SOCK_DGRAM, "packets");
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	const int fds[] = { p->top_fd, p->in_fd, p->out_fd, p->file_fd,
			    p->listener, p->foreign, p->local_fd,
			    p->local_packets_fd };

	scratch_remove(p->top);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close(fds[i]);
	free(p);
	return 0;
}

/* ---- attempts ---- */

/* Each returns whether it succeeded: not -1, with errno. */
#define ATTEMPT(name, call)                                                    \
	static long name(struct place *p)                                      \
	{                                                                      \
		(void)p;                                                       \
		return (long)(call);                                           \
	}

#define ADDR(a) (const struct sockaddr *)(a), sizeof(*(a))

/* Sockets of every kind. */
ATTEMPT(socket_tcp, socket(AF_INET, SOCK_STREAM, 0))
ATTEMPT(socket_tcp6, socket(AF_INET6, SOCK_STREAM, 0))
ATTEMPT(socket_udp, socket(AF_INET, SOCK_DGRAM, 0))
ATTEMPT(socket_udp6, socket(AF_INET6, SOCK_DGRAM, 0))
ATTEMPT(socket_mptcp, socket(AF_INET, SOCK_STREAM, 262))
ATTEMPT(socket_sctp, socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP))
ATTEMPT(socket_ping, socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP))
ATTEMPT(socket_raw, socket(AF_INET, SOCK_RAW, IPPROTO_ICMP))
ATTEMPT(socket_packet, socket(AF_PACKET, SOCK_RAW, 0))
ATTEMPT(socket_netlink, socket(AF_NETLINK, SOCK_RAW, 0))
ATTEMPT(socket_vsock, socket(AF_VSOCK, SOCK_STREAM, 0))
ATTEMPT(socket_alg, socket(AF_ALG, SOCK_SEQPACKET, 0))
ATTEMPT(socket_can, socket(AF_CAN, SOCK_RAW, 1))
ATTEMPT(socket_local, socket(AF_UNIX, SOCK_STREAM, 0))
ATTEMPT(socket_local_packets, socket(AF_UNIX, SOCK_DGRAM, 0))
ATTEMPT(socket_local_seq, socket(AF_UNIX, SOCK_SEQPACKET, 0))

static long socket_pair(struct place *p)
{
	int fds[2];

	(void)p;
	return socketpair(AF_UNIX, SOCK_DGRAM, 0, fds);
}

/* Ways to connect.  Without socket(), there is the socket that listens: after
 * shutdown() it is not connected. */
static int unused_socket(struct place *p)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		return fd;
	(void)shutdown(p->listener, SHUT_RDWR);
	return p->listener;
}

static int unused_packets(struct place *p, int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	/* Any socket shows whether the call is refused. */
	return fd >= 0 ? fd : p->listener;
}

ATTEMPT(connect_tcp, connect(unused_socket(p), ADDR(&p->service)))
ATTEMPT(connect_udp, connect(unused_packets(p, AF_INET), ADDR(&p->service)))
ATTEMPT(connect_local, connect(unused_socket(p), ADDR(&p->local)))
ATTEMPT(sendto_fast_open, sendto(unused_socket(p), "x", 1, MSG_FASTOPEN,
				 ADDR(&p->service)))
ATTEMPT(sendto_udp, sendto(unused_packets(p, AF_INET), "x", 1, 0,
			   ADDR(&p->service)))
ATTEMPT(sendto_local, sendto(unused_packets(p, AF_UNIX), "x", 1, 0,
			     ADDR(&p->local_packets)))

static long send_message(int fd, const void *to, size_t len, int flags)
{
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	memcpy(&m.msg_name, &to, sizeof(to));
	m.msg_namelen = (socklen_t)len;
	return sendmsg(fd, &m, flags);
}

ATTEMPT(sendmsg_fast_open, send_message(unused_socket(p), &p->service,
					sizeof(p->service), MSG_FASTOPEN))

static long sendmmsg_fast_open(struct place *p)
{
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_name = &p->service,
					  .msg_namelen = sizeof(p->service),
					  .msg_iov = &iov,
					  .msg_iovlen = 1 } };

	return sendmmsg(unused_socket(p), &m, 1, MSG_FASTOPEN);
}

static long set_option(int fd, int level, int name)
{
	const int on = 1;

	return setsockopt(fd, level, name, &on, sizeof(on));
}

#ifdef SYS_socketcall
/* The same by the call whose arguments are in memory. */
static long socket_call(int call, int fd, long a, long b, long c, long d,
			long e)
{
	const long args[] = { fd, a, b, c, d, e };

	return syscall(SYS_socketcall, call, args);
}

ATTEMPT(by_memory_socket, socket_call(SYS_SOCKET, AF_INET, SOCK_STREAM, 0, 0, 0,
				      0))
ATTEMPT(by_memory_connect, socket_call(SYS_CONNECT, unused_socket(p),
				       (long)&p->service, sizeof(p->service), 0,
				       0, 0))
ATTEMPT(by_memory_fast_open, socket_call(SYS_SENDTO, unused_socket(p),
					 (long)"x", 1, MSG_FASTOPEN,
					 (long)&p->service,
					 sizeof(p->service)))
ATTEMPT(by_memory_option, socket_call(SYS_SETSOCKOPT, unused_socket(p),
				      SOL_SOCKET, SO_KEEPALIVE,
				      (long)&(int){ 1 }, sizeof(int), 0))
#endif
ATTEMPT(bind_port, bind(unused_socket(p), ADDR(&p->service)))
ATTEMPT(listen_again, listen(unused_socket(p), 1))
ATTEMPT(fast_open_connect, set_option(unused_socket(p), IPPROTO_TCP, 30))
ATTEMPT(tcp_repair, set_option(unused_socket(p), IPPROTO_TCP, TCP_REPAIR))
ATTEMPT(tcp_ulp, setsockopt(unused_socket(p), IPPROTO_TCP, 31, "none", 4))
ATTEMPT(multicast, set_option(p->listener, IPPROTO_IP, IP_MULTICAST_LOOP))
ATTEMPT(ip_options, setsockopt(p->listener, IPPROTO_IP, IP_OPTIONS,
			       "\1\1\1\1", 4))
ATTEMPT(bind_device, setsockopt(p->listener, SOL_SOCKET, SO_BINDTODEVICE,
				"", 0))
ATTEMPT(send_buffer, set_option(p->listener, SOL_SOCKET, SO_SNDBUF))

static long socket_filter(struct place *p)
{
	struct sock_filter all = { BPF_RET | BPF_K, 0, 0, 0xffff };
	struct sock_fprog prog = { 1, &all };

	return setsockopt(p->listener, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			  sizeof(prog));
}

/* Files outside. */
ATTEMPT(open_passwd, open("/etc/passwd", O_RDONLY))
ATTEMPT(open_resolv, open("/etc/resolv.conf", O_RDONLY))
ATTEMPT(open_hosts, open("/etc/hosts", O_RDONLY))
ATTEMPT(open_top, open("/", O_RDONLY | O_DIRECTORY))
ATTEMPT(open_run, open("/run", O_RDONLY | O_DIRECTORY))
ATTEMPT(open_var_lib, open("/var/lib", O_RDONLY | O_DIRECTORY))
ATTEMPT(open_tmp, open("/tmp", O_RDONLY | O_DIRECTORY))
ATTEMPT(open_null, open("/dev/null", O_RDWR))
ATTEMPT(open_own_memory, open("/proc/self/mem", O_RDWR))
ATTEMPT(open_own_maps, open("/proc/self/maps", O_RDONLY))
ATTEMPT(open_proc, open("/proc", O_RDONLY | O_DIRECTORY))
ATTEMPT(open_program, open("/proc/self/exe", O_RDONLY))
ATTEMPT(open_out, openat(p->out_fd, "file", O_RDONLY))
ATTEMPT(open_out_write, openat(p->out_fd, "file", O_WRONLY))
ATTEMPT(open_out_truncate, openat(p->out_fd, "file", O_RDONLY | O_TRUNC))
ATTEMPT(open_out_append, openat(p->out_fd, "file", O_WRONLY | O_APPEND))
ATTEMPT(open_out_dir, openat(p->out_fd, ".", O_RDONLY | O_DIRECTORY))
ATTEMPT(open_dotdot, openat(p->in_fd, "../out/file", O_RDONLY))
ATTEMPT(open_way_out, openat(p->in_fd, "way-out", O_RDONLY))
ATTEMPT(open_way_out_write, openat(p->in_fd, "way-out", O_WRONLY))
ATTEMPT(open_create, openat(p->out_fd, "new", O_WRONLY | O_CREAT, 0600))
ATTEMPT(open_nameless, openat(p->out_fd, ".", O_TMPFILE | O_RDWR, 0600))

/* By the link to a descriptor that has no right to read. */
static long open_by_proc(struct place *p)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d",
		 openat(p->out_fd, "file", O_PATH | O_CLOEXEC));
	return open(path, O_RDWR);
}

static long open_second_way(struct place *p)
{
	const uint64_t how[3] = { O_RDONLY, 0, 0 }; /* struct open_how */

	return syscall(SYS_openat2, p->out_fd, "file", how, sizeof(how));
}

#ifdef SYS_open
ATTEMPT(open_oldest_way, syscall(SYS_open, "/etc/passwd", O_RDONLY))
ATTEMPT(create_oldest_way, syscall(SYS_creat, "/etc/ferry-test", 0600))
#endif
ATTEMPT(make_dir_out, mkdirat(p->out_fd, "new-dir", 0700))
ATTEMPT(make_symlink_out, symlinkat("x", p->out_fd, "link"))
ATTEMPT(rename_out, renameat(p->out_fd, "file", p->out_fd, "file"))
ATTEMPT(remove_out, unlinkat(p->out_fd, "stream", 0))
ATTEMPT(remove_file_out, unlinkat(p->out_fd, "doomed", 0))
ATTEMPT(remove_dir_out, unlinkat(p->out_fd, "empty", AT_REMOVEDIR))
ATTEMPT(remove_dotdot, unlinkat(p->in_fd, "../out/doomed", 0))
ATTEMPT(remove_by_symlink, unlinkat(p->in_fd, "way-to-dir/doomed", 0))
ATTEMPT(remove_dir_by_symlink,
	unlinkat(p->in_fd, "way-to-dir/empty", AT_REMOVEDIR))
/* the receiver's directory itself */
ATTEMPT(remove_own_dir, unlinkat(p->top_fd, "in", AT_REMOVEDIR))
ATTEMPT(move_in, renameat(p->out_fd, "doomed", p->in_fd, "moved-in"))

static long remove_path(struct place *p)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/out/doomed", p->top);
	return unlink(path);
}

static long remove_dir_path(struct place *p)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/out/empty", p->top);
	return rmdir(path);
}

ATTEMPT(link_out, linkat(p->in_fd, "file", p->out_fd, "linked", 0))
ATTEMPT(link_in, linkat(p->out_fd, "file", p->in_fd, "linked", 0))
ATTEMPT(move_out, renameat(p->in_fd, "way-out", p->out_fd, "moved"))
ATTEMPT(exchange, syscall(SYS_renameat2, p->in_fd, "file", p->out_fd, "file",
			  RENAME_EXCHANGE))
ATTEMPT(change_dir, chdir("/"))
ATTEMPT(change_dir_fd, fchdir(p->out_fd))
ATTEMPT(change_root, chroot("/"))
ATTEMPT(make_fifo, mknodat(p->in_fd, "fifo", S_IFIFO | 0600, 0))
ATTEMPT(make_device, mknodat(p->in_fd, "device", S_IFCHR | 0600, 0x0103))
ATTEMPT(make_file_node, mknodat(p->in_fd, "node", S_IFREG | 04755, 0))
ATTEMPT(watch, syscall(SYS_inotify_init1, 0))
ATTEMPT(watch_all, syscall(SYS_fanotify_init, 0, 0))

/* The ways to change a source: for a sender only. */
ATTEMPT(source_write, openat(p->in_fd, "file", O_WRONLY))
ATTEMPT(source_update, openat(p->in_fd, "file", O_RDWR))
ATTEMPT(source_truncate, openat(p->in_fd, "file", O_RDONLY | O_TRUNC))
ATTEMPT(source_create, openat(p->in_fd, "created", O_WRONLY | O_CREAT, 0600))
ATTEMPT(source_create_empty, openat(p->in_fd, "empty", O_RDONLY | O_CREAT,
				    0600))
ATTEMPT(source_nameless, openat(p->in_fd, ".", O_TMPFILE | O_RDWR, 0600))
ATTEMPT(source_make_dir, mkdirat(p->in_fd, "source-dir", 0700))
ATTEMPT(source_symlink, symlinkat("x", p->in_fd, "source-link"))
ATTEMPT(source_link, linkat(p->in_fd, "file", p->in_fd, "source-linked", 0))
ATTEMPT(source_rename, renameat(p->in_fd, "file", p->in_fd, "file"))
ATTEMPT(source_remove, unlinkat(p->in_fd, "way-out", 0))
ATTEMPT(source_chmod, fchmod(p->file_fd, 0640))

/* Metadata. */
static const struct timespec then[2] = { { 1, 0 }, { 1, 0 } };

ATTEMPT(source_times, futimens(p->file_fd, then))
ATTEMPT(chmod_at, syscall(SYS_fchmodat, p->out_fd, "file", 0644))
ATTEMPT(chmod_inside, syscall(SYS_fchmodat, p->in_fd, "file", 0644))
ATTEMPT(chmod_at_2, syscall(452, p->out_fd, "file", 0644, AT_SYMLINK_NOFOLLOW))
ATTEMPT(chown_at, fchownat(p->out_fd, "file", geteuid(), getegid(), 0))
ATTEMPT(chown_fd, fchown(p->file_fd, geteuid(), getegid()))
ATTEMPT(times_path, utimensat(p->out_fd, "file", then, 0))
ATTEMPT(times_nofollow, utimensat(p->out_fd, "file", then,
				  AT_SYMLINK_NOFOLLOW))
ATTEMPT(times_own_empty, utimensat(p->out_fd, "", then, AT_EMPTY_PATH))
ATTEMPT(times_of_path, utimensat(openat(p->out_fd, "file", O_PATH), "", then,
				 AT_EMPTY_PATH))
ATTEMPT(chmod_of_path, syscall(452, openat(p->out_fd, "file", O_PATH), "",
			       0644, AT_EMPTY_PATH))
ATTEMPT(chown_of_path, fchownat(openat(p->out_fd, "file", O_PATH), "",
				geteuid(), getegid(), AT_EMPTY_PATH))
ATTEMPT(truncate_path, truncate("/proc/self/no-file", 1))
ATTEMPT(xattr_path, syscall(SYS_setxattr, "/proc/self/no", "user.a", "b", 1, 0))
ATTEMPT(xattr_link, syscall(SYS_lsetxattr, "/no-file", "user.a", "b", 1, 0))
ATTEMPT(xattr_fd, syscall(SYS_fsetxattr, p->file_fd, "user.a", "b", 1, 0))
ATTEMPT(xattr_capability, syscall(SYS_fsetxattr, p->file_fd,
				  "security.capability", "b", 1, 0))
ATTEMPT(xattr_remove, syscall(SYS_fremovexattr, p->file_fd, "user.none"))
ATTEMPT(xattr_at, syscall(463, p->out_fd, "file", 0, "user.a", NULL, 0))
ATTEMPT(attr_at, syscall(469, p->out_fd, "file", NULL, 0, 0))
#ifdef SYS_chmod
ATTEMPT(chmod_old, syscall(SYS_chmod, "/no-file", 0755))
ATTEMPT(chown_old, syscall(SYS_chown, "/no-file", 0, 0))
ATTEMPT(lchown_old, syscall(SYS_lchown, "/no-file", 0, 0))
ATTEMPT(utimes_old, syscall(SYS_utimes, "/no-file", NULL))
ATTEMPT(futimesat_old, syscall(SYS_futimesat, p->out_fd, "file", NULL))
#endif
#ifdef SYS_utime
ATTEMPT(utime_old, syscall(SYS_utime, "/no-file", NULL))
#endif
ATTEMPT(setuid_mode, fchmod(p->file_fd, 04755))
ATTEMPT(setgid_mode, fchmod(p->file_fd, 02755))
ATTEMPT(setuid_create, openat(p->in_fd, "suid", O_WRONLY | O_CREAT, 04755))
ATTEMPT(setgid_create, openat(p->in_fd, "sgid", O_WRONLY | O_CREAT, 02755))
ATTEMPT(setuid_nameless, openat(p->in_fd, ".", O_TMPFILE | O_RDWR, 04755))
ATTEMPT(setgid_dir, mkdirat(p->in_fd, "sgid-dir", 02755))
ATTEMPT(flags_of_file, ioctl(p->file_fd, 0x40086602 /* FS_IOC_SETFLAGS */,
			     &(long){ 0 }))

/* Other programs, and more processes. */
static char *const no_words[] = { NULL };

ATTEMPT(run_program, execve("/no-file", no_words, no_words))
ATTEMPT(run_descriptor, syscall(SYS_execveat, p->file_fd, "", no_words,
				no_words, AT_EMPTY_PATH))
ATTEMPT(memory_file, syscall(SYS_memfd_create, "x", 0))
#ifdef SYS_memfd_secret
ATTEMPT(memory_secret, syscall(SYS_memfd_secret, 1U << 20))
#endif
ATTEMPT(map_code, mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
#ifndef __s390x__ /* the arguments of mmap() are in memory there */
ATTEMPT(map_file_code, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE,
			    p->file_fd, 0))
#endif

static void *a_page(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

ATTEMPT(make_code, mprotect(a_page(), 4096, PROT_READ | PROT_EXEC))
ATTEMPT(make_code_key, syscall(SYS_pkey_mprotect, a_page(), 4096L,
			       PROT_READ | PROT_EXEC, -1L))

static long end_of(long pid)
{
	/* a child that came to be */
	if (pid == 0)
		_exit(0);
	return pid;
}

/* On s390x the stack comes before the flags. */
static long clone_raw(int flags)
{
#ifdef __s390x__
	return syscall(SYS_clone, 0, flags, 0, 0, 0);
#else
	return syscall(SYS_clone, flags, 0, 0, 0, 0);
#endif
}

ATTEMPT(fork_process, end_of(clone_raw(SIGCHLD)))
ATTEMPT(fork_namespace, end_of(clone_raw(SIGCHLD | CLONE_NEWUSER)))
ATTEMPT(thread_namespace, clone_raw(CLONE_THREAD | CLONE_NEWNET))
ATTEMPT(fork_new_way, syscall(SYS_clone3, NULL, 64))
#ifdef SYS_fork
ATTEMPT(fork_old, end_of(syscall(SYS_fork)))
#endif
ATTEMPT(trace, syscall(SYS_ptrace, 16 /* ATTACH */, 0x7ffffff, 0, 0))
ATTEMPT(read_memory, syscall(SYS_process_vm_readv, 0x7ffffff, NULL, 0, NULL, 0,
			     0))
ATTEMPT(write_memory, syscall(SYS_process_vm_writev, 0x7ffffff, NULL, 0, NULL,
			      0, 0))
ATTEMPT(open_process, syscall(SYS_pidfd_open, p->parent, 0))
ATTEMPT(take_descriptor, syscall(SYS_pidfd_getfd, p->file_fd, 0, 0))
ATTEMPT(signal_descriptor, syscall(SYS_pidfd_send_signal, p->file_fd, 0, NULL,
				   0))
ATTEMPT(advise_process, syscall(SYS_process_madvise, p->file_fd, NULL, 0L, 0,
				0))
ATTEMPT(compare_processes, syscall(SYS_kcmp, p->parent, p->parent, 0, 0, 0))
ATTEMPT(kill_parent, kill(p->parent, 0))
ATTEMPT(kill_all, syscall(SYS_kill, 0x7ffffff, 0))
ATTEMPT(kill_thread, syscall(SYS_tkill, p->parent, 0))
ATTEMPT(kill_group_thread, syscall(SYS_tgkill, p->parent, p->parent, 0))
ATTEMPT(queue_signal, syscall(SYS_rt_sigqueueinfo, p->parent, 0, NULL))
ATTEMPT(own_signals, fcntl(p->listener, F_SETOWN, p->parent))
ATTEMPT(choose_signal, fcntl(p->listener, F_SETSIG, 0))
ATTEMPT(limits_of_parent, prlimit(p->parent, RLIMIT_NOFILE, NULL,
				  &(struct rlimit){ 0 }))

static long limits_change(struct place *p)
{
	struct rlimit lim;

	(void)p;
	(void)getrlimit(RLIMIT_CORE, &lim);
	return setrlimit(RLIMIT_CORE, &lim);
}

ATTEMPT(priority, setpriority(PRIO_PROCESS, 0, 19))
ATTEMPT(scheduler, syscall(SYS_sched_setscheduler, 0, SCHED_OTHER,
			   &(struct sched_param){ 0 }))
ATTEMPT(affinity, syscall(SYS_sched_setaffinity, 0, 0, NULL))
ATTEMPT(traceable, prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
ATTEMPT(keep_capabilities, prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0))
ATTEMPT(set_tracer, prctl(PR_SET_PTRACER, p->parent, 0, 0, 0))
ATTEMPT(change_personality, syscall(SYS_personality, 0xffffffff))

/* Privileges and the kernel. */
ATTEMPT(set_user, syscall(SYS_setuid, geteuid()))
ATTEMPT(set_group, syscall(SYS_setgid, getegid()))
ATTEMPT(set_users, syscall(SYS_setresuid, -1, -1, -1))
ATTEMPT(set_fs_user, syscall(SYS_setfsuid, -1))
ATTEMPT(set_groups, syscall(SYS_setgroups, 0, NULL))
ATTEMPT(set_capabilities, syscall(SYS_capset, NULL, NULL))
ATTEMPT(new_namespace, syscall(SYS_unshare, 1))
ATTEMPT(enter_namespace, syscall(SYS_setns, p->file_fd, 0))
ATTEMPT(mount_fs, syscall(SYS_mount, "none", "/no-dir", "tmpfs", 0, NULL))
ATTEMPT(unmount_fs, syscall(SYS_umount2, "/no-dir", 0))
ATTEMPT(move_mounts, syscall(SYS_move_mount, p->out_fd, "", p->in_fd, "", 0))
ATTEMPT(open_tree_of, syscall(SYS_open_tree, p->out_fd, ".", 0))
ATTEMPT(open_fs, syscall(SYS_fsopen, "tmpfs", 0))
ATTEMPT(pick_fs, syscall(SYS_fspick, p->out_fd, ".", 0))
ATTEMPT(mount_attributes, syscall(SYS_mount_setattr, p->out_fd, "", 0, NULL,
				  0L))
ATTEMPT(pivot, syscall(SYS_pivot_root, "/no-dir", "/no-dir"))
ATTEMPT(ring_setup, syscall(SYS_io_uring_setup, 1, NULL))
ATTEMPT(ring_enter, syscall(SYS_io_uring_enter, p->file_fd, 0, 0, 0, NULL, 0L))
ATTEMPT(ring_register, syscall(SYS_io_uring_register, p->file_fd, 0, NULL, 0))
ATTEMPT(aio_setup, syscall(SYS_io_setup, 1, NULL))
ATTEMPT(keys_control, syscall(SYS_keyctl, 0 /* GET_KEYRING_ID */, -3L, 0))
ATTEMPT(keys_add, syscall(SYS_add_key, "user", "ferry", "x", 1L, -1))
ATTEMPT(keys_request, syscall(SYS_request_key, "user", "ferry", NULL, -3))
ATTEMPT(bpf_program, syscall(SYS_bpf, 0, NULL, 0))
ATTEMPT(perf_events, syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0))
ATTEMPT(page_faults, syscall(SYS_userfaultfd, 1 /* USER_MODE_ONLY */))
ATTEMPT(name_handle, syscall(SYS_name_to_handle_at, p->out_fd, "file", NULL,
			     NULL, 0))
ATTEMPT(open_handle, syscall(SYS_open_by_handle_at, p->out_fd, NULL, 0))
ATTEMPT(module_load, syscall(SYS_finit_module, p->file_fd, "", 0))
ATTEMPT(module_init, syscall(SYS_init_module, NULL, 0L, ""))
ATTEMPT(module_delete, syscall(SYS_delete_module, "no-module", O_NONBLOCK))
ATTEMPT(kexec, syscall(SYS_kexec_load, 0, 0, NULL, 0))
ATTEMPT(restart_host, syscall(SYS_reboot, 0, 0, 0, NULL))
ATTEMPT(swap_on, syscall(SYS_swapon, "/no-file", 0))
ATTEMPT(swap_off, syscall(SYS_swapoff, "/no-file"))
ATTEMPT(account, syscall(SYS_acct, "/no-file"))
ATTEMPT(quota, syscall(SYS_quotactl, 0, "/no-file", 0, NULL))
ATTEMPT(kernel_log, syscall(SYS_syslog, 10, NULL, 0))
ATTEMPT(set_clock, syscall(SYS_clock_settime, 9999, NULL))
ATTEMPT(adjust_clock, syscall(SYS_clock_adjtime, 9999, NULL))
ATTEMPT(set_time, syscall(SYS_settimeofday, NULL, NULL))
ATTEMPT(set_host_name, syscall(SYS_sethostname, NULL, -1))
ATTEMPT(set_domain_name, syscall(SYS_setdomainname, NULL, -1))
#ifdef SYS_iopl
ATTEMPT(io_ports, syscall(SYS_ioperm, 0xfffff, 1, 1))
ATTEMPT(io_level, syscall(SYS_iopl, 4))
ATTEMPT(descriptor_table, syscall(SYS_modify_ldt, 17, NULL, 0))
#endif
ATTEMPT(move_memory, syscall(SYS_move_pages, 0, 0, NULL, NULL, NULL, 0))
ATTEMPT(share_memory, syscall(SYS_shmget, 0 /* IPC_PRIVATE */, 4096L, 0600))
ATTEMPT(message_queue, syscall(SYS_msgget, 0x7fe11e57, 0))
ATTEMPT(semaphores, syscall(SYS_semget, 0x7fe11e57, 1, 0))
ATTEMPT(posix_queue, syscall(SYS_mq_open, "no-queue", O_RDONLY, 0, NULL))
ATTEMPT(own_filter, syscall(SYS_seccomp, 0, 1, NULL))
ATTEMPT(own_supervisor, syscall(SYS_seccomp, 1, 8L /* NEW_LISTENER */, NULL))
ATTEMPT(own_ruleset, syscall(444, NULL, 0L, 1))
ATTEMPT(type_ahead, ioctl(STDIN_FILENO, TIOCSTI, "x"))
ATTEMPT(console, ioctl(STDIN_FILENO, 0x541c /* TIOCLINUX */, "\2"))
ATTEMPT(interfaces, ioctl(p->listener, 0x8912 /* SIOCGIFCONF */, NULL))
ATTEMPT(unknown_call, syscall(100000))

#if defined(__x86_64__)
/* x32 calls, whose numbers the rules do not have: getpid(). */
ATTEMPT(x32_call, syscall(0x40000000 + SYS_getpid))

/* 32-bit calls have other numbers: 20 is getpid() there. */
static long call_as_32_bit(struct place *p)
{
	long rc = 20;

	(void)p;
	__asm__ volatile("int $0x80" : "+a"(rc) : : "memory", "r8", "r9",
			 "r10", "r11");
	return rc;
}
#endif

/* ---- the table ---- */

enum {
	BY_CALL = 0,         /* refused without Landlock, too */
	BY_LANDLOCK = 1,     /* to a receiver; a sender may only read */
	BY_LANDLOCK_BOTH = 2,
	SENDER = 4,          /* a receiver may do that */
	/* Also refused without a sandbox, where the kernel is built so, or
	 * leaves no way to tell. */
	ANYWAY = 8,
	CHMOD = 16, /* the process that unlocks directories may, before 6.6 */
};

struct attempt {
	const char *what;
	long (*fn)(struct place *p);
	unsigned flags;
};

#define ROW(fn, flags) { #fn, fn, flags }

static const struct attempt attempts[] = {
	ROW(socket_tcp, 0), ROW(socket_tcp6, 0), ROW(socket_udp, 0),
	ROW(socket_udp6, 0), ROW(socket_mptcp, 0), ROW(socket_sctp, 0),
	ROW(socket_ping, ANYWAY), ROW(socket_raw, 0), ROW(socket_packet, 0),
	ROW(socket_netlink, 0), ROW(socket_vsock, 0), ROW(socket_alg, 0),
	ROW(socket_can, 0), ROW(socket_local, 0), ROW(socket_local_packets, 0),
	ROW(socket_local_seq, 0), ROW(socket_pair, 0), ROW(connect_tcp, 0),
	ROW(connect_udp, 0), ROW(connect_local, 0), ROW(sendto_fast_open, 0),
	ROW(sendto_udp, 0), ROW(sendto_local, 0), ROW(sendmsg_fast_open, 0),
	ROW(sendmmsg_fast_open, 0),
#ifdef SYS_socketcall
	ROW(by_memory_socket, 0), ROW(by_memory_connect, 0),
	ROW(by_memory_fast_open, 0), ROW(by_memory_option, 0),
#endif
	ROW(bind_port, 0), ROW(listen_again, 0),
	ROW(fast_open_connect, 0), ROW(tcp_repair, 0), ROW(tcp_ulp, 0),
	ROW(multicast, 0), ROW(ip_options, 0), ROW(bind_device, 0),
	ROW(send_buffer, 0), ROW(socket_filter, 0),

	ROW(open_passwd, BY_LANDLOCK_BOTH), ROW(open_resolv, BY_LANDLOCK_BOTH),
	ROW(open_hosts, BY_LANDLOCK_BOTH), ROW(open_top, BY_LANDLOCK_BOTH),
	ROW(open_run, BY_LANDLOCK_BOTH), ROW(open_var_lib, BY_LANDLOCK_BOTH),
	ROW(open_tmp, BY_LANDLOCK_BOTH), ROW(open_null, BY_LANDLOCK),
	ROW(open_own_memory, BY_LANDLOCK), ROW(open_own_maps, BY_LANDLOCK_BOTH),
	ROW(open_proc, BY_LANDLOCK_BOTH), ROW(open_program, BY_LANDLOCK_BOTH),
	ROW(open_out, BY_LANDLOCK_BOTH), ROW(open_out_write, BY_LANDLOCK),
	ROW(open_out_truncate, BY_LANDLOCK), ROW(open_out_append, BY_LANDLOCK),
	ROW(open_out_dir, BY_LANDLOCK_BOTH), ROW(open_dotdot, BY_LANDLOCK_BOTH),
	ROW(open_way_out, BY_LANDLOCK_BOTH),
	ROW(open_way_out_write, BY_LANDLOCK), ROW(open_create, BY_LANDLOCK),
	ROW(open_nameless, BY_LANDLOCK), ROW(open_by_proc, BY_LANDLOCK),
	ROW(open_second_way, 0),
#ifdef SYS_open
	ROW(open_oldest_way, 0), ROW(create_oldest_way, 0),
#endif
	ROW(make_dir_out, BY_LANDLOCK), ROW(make_symlink_out, BY_LANDLOCK),
	ROW(link_out, BY_LANDLOCK), ROW(link_in, BY_LANDLOCK),
	ROW(exchange, BY_LANDLOCK), ROW(rename_out, BY_LANDLOCK),
	ROW(move_out, BY_LANDLOCK), ROW(remove_out, BY_LANDLOCK),
	ROW(remove_file_out, BY_LANDLOCK), ROW(remove_dir_out, BY_LANDLOCK),
	ROW(remove_dotdot, BY_LANDLOCK), ROW(remove_by_symlink, BY_LANDLOCK),
	ROW(remove_dir_by_symlink, BY_LANDLOCK),
	ROW(remove_own_dir, BY_LANDLOCK), ROW(move_in, BY_LANDLOCK),
	ROW(remove_path, BY_LANDLOCK), ROW(remove_dir_path, BY_LANDLOCK),
	ROW(change_dir, 0), ROW(change_dir_fd, 0), ROW(change_root, 0),
	ROW(make_fifo, 0), ROW(make_device, 0), ROW(make_file_node, 0),
	ROW(watch, 0), ROW(watch_all, 0),

	ROW(source_write, SENDER), ROW(source_update, SENDER),
	ROW(source_truncate, SENDER), ROW(source_create, SENDER),
	ROW(source_create_empty, SENDER), ROW(source_nameless, SENDER),
	ROW(source_make_dir, SENDER), ROW(source_symlink, SENDER),
	ROW(source_link, SENDER), ROW(source_rename, SENDER),
	ROW(source_chmod, SENDER), ROW(source_times, SENDER),

	ROW(chmod_at, 0), ROW(chmod_inside, 0), ROW(chmod_at_2, 0),
	ROW(chown_at, 0), ROW(chown_fd, 0), ROW(times_path, 0),
	ROW(times_nofollow, 0), ROW(times_own_empty, 0),
	ROW(times_of_path, 0), ROW(chmod_of_path, 0),
	ROW(chown_of_path, 0), ROW(truncate_path, 0), ROW(xattr_path, 0),
	ROW(xattr_link, 0), ROW(xattr_fd, 0), ROW(xattr_capability, ANYWAY),
	ROW(xattr_remove, 0), ROW(xattr_at, 0), ROW(attr_at, 0),
#ifdef SYS_chmod
	ROW(chmod_old, CHMOD), ROW(chown_old, 0), ROW(lchown_old, 0),
	ROW(utimes_old, 0), ROW(futimesat_old, 0),
#endif
#ifdef SYS_utime
	ROW(utime_old, 0),
#endif
	ROW(setuid_mode, 0), ROW(setgid_mode, 0), ROW(setuid_create, 0),
	ROW(setgid_create, 0), ROW(setuid_nameless, 0), ROW(setgid_dir, 0),
	ROW(flags_of_file, 0),

	ROW(run_program, 0), ROW(run_descriptor, ANYWAY), ROW(memory_file, 0),
#ifdef SYS_memfd_secret
	ROW(memory_secret, 0),
#endif
	ROW(map_code, 0),
#ifndef __s390x__
	ROW(map_file_code, 0),
#endif
	ROW(make_code, 0),
	ROW(make_code_key, 0), ROW(fork_process, 0), ROW(fork_namespace, 0),
	ROW(thread_namespace, 0),
	ROW(fork_new_way, 0),
#ifdef SYS_fork
	ROW(fork_old, 0),
#endif
	ROW(trace, 0), ROW(read_memory, 0),
	ROW(write_memory, 0), ROW(open_process, 0), ROW(take_descriptor, 0),
	ROW(signal_descriptor, 0), ROW(advise_process, 0),
	ROW(compare_processes, 0), ROW(kill_parent, 0), ROW(kill_all, 0),
	ROW(kill_thread, 0), ROW(kill_group_thread, 0), ROW(queue_signal, 0),
	ROW(own_signals, 0), ROW(choose_signal, 0), ROW(limits_of_parent, 0),
	ROW(limits_change, 0), ROW(priority, 0), ROW(scheduler, 0),
	ROW(affinity, 0), ROW(traceable, 0), ROW(keep_capabilities, 0),
	ROW(set_tracer, 0), ROW(change_personality, 0),

	ROW(set_user, 0), ROW(set_group, 0), ROW(set_users, 0),
	ROW(set_fs_user, 0), ROW(set_groups, 0), ROW(set_capabilities, 0),
	ROW(new_namespace, 0), ROW(enter_namespace, 0), ROW(mount_fs, 0),
	ROW(unmount_fs, 0), ROW(move_mounts, 0), ROW(open_tree_of, 0),
	ROW(open_fs, 0), ROW(pick_fs, 0), ROW(mount_attributes, 0),
	ROW(pivot, 0), ROW(ring_setup, 0), ROW(ring_enter, 0),
	ROW(ring_register, 0), ROW(aio_setup, 0), ROW(keys_control, 0),
	ROW(keys_add, 0), ROW(keys_request, 0), ROW(bpf_program, 0),
	ROW(perf_events, 0), ROW(page_faults, 0), ROW(name_handle, 0),
	ROW(open_handle, 0), ROW(module_load, 0), ROW(module_init, 0),
	ROW(module_delete, 0), ROW(kexec, 0), ROW(restart_host, 0),
	ROW(swap_on, 0), ROW(swap_off, 0), ROW(account, 0), ROW(quota, 0),
	ROW(kernel_log, 0), ROW(set_clock, 0), ROW(adjust_clock, 0),
	ROW(set_time, 0), ROW(set_host_name, 0), ROW(set_domain_name, 0),
#ifdef SYS_iopl
	ROW(io_ports, 0), ROW(io_level, 0), ROW(descriptor_table, 0),
#endif
	ROW(move_memory, 0), ROW(share_memory, 0), ROW(message_queue, 0),
	ROW(semaphores, 0), ROW(posix_queue, 0), ROW(own_filter, 0),
	ROW(own_supervisor, 0),
	/* for sandbox_reading_thread() */
	ROW(own_ruleset, SENDER), ROW(type_ahead, 0), ROW(console, 0),
	ROW(interfaces, 0), ROW(unknown_call, 0),
#if defined(__x86_64__)
	ROW(x32_call, ANYWAY), ROW(call_as_32_bit, 0),
#endif
	/* it takes a name away that others use */
	ROW(source_remove, SENDER),
};

enum { COUNT = sizeof(attempts) / sizeof(attempts[0]) };

/* ---- running it ---- */

enum role { NONE, RECEIVER, STDOUT_RECEIVER, SENDING, DIR_OPENER };

struct run {
	struct place *place;
	enum role role;
	enum sandbox_mode mode;
	int has_landlock;
	uid_t uid; /* 0: as we are */
	const char *name;
};

/* What became of each attempt, in memory that the child shares: 0 (success), an
 * errno, or one of the above. */
struct results {
	int of[2][COUNT]; /* by the first thread, by a later one */
};

static int is_refusal(int result)
{
	return result == EPERM || result == EACCES || result == ENOSYS ||
	       result == EXDEV || result == DIED;
}

/* Whether the run is to refuse the attempt. */
static int is_due(const struct run *r, const struct attempt *a)
{
	if (r->role == NONE)
		return 0;
	if ((a->flags & SENDER) && r->role != SENDING && r->role != DIR_OPENER)
		return 0;
	/* It opens nothing, by its filter alone. */
	if (r->role == DIR_OPENER)
		return !(a->flags & CHMOD);
	if (r->has_landlock)
		return 1;
	if (a->flags & BY_LANDLOCK_BOTH)
		return 0;
	return !(a->flags & BY_LANDLOCK) || r->role == SENDING;
}

struct thread {
	const struct run *run;
	int *of;
};

/* Make all attempts that were not made yet. */
static void *make_attempts(void *arg)
{
	const struct thread *t = arg;

	for (size_t i = 0; i < COUNT; i++) {
		long rc;

		if (t->of[i] != NOT_TRIED)
			continue;
		/* stays so where the call ends the process */
		t->of[i] = DIED;
		errno = 0;
		rc = t->run->role != NONE && !is_due(t->run, &attempts[i]) ?
			     0 :
			     attempts[i].fn(t->run->place);
		t->of[i] = rc == -1 ? errno : rc < 0 && rc > -MASK ? (int)-rc :
								     0;
	}
	return NULL;
}

static void hide_landlock(void)
{
	static const struct seccomp_rule rule = { .nr = 444,
						  .action = SECCOMP_UNKNOWN };
	struct err e;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    seccomp_filter(&rule, 1, SECCOMP_ALLOW, &e))
		_exit(7);
}

static void confine(const struct run *r)
{
	const struct sandbox_sources src = { .fds = &r->place->in_fd,
					     .count = 1 };
	const struct sandbox_receiving receiving = { r->place->in_fd, NULL,
						     0 };
	const struct sandbox_receiving nowhere = { -1, NULL, 0 };
	struct sandbox_state state;
	struct err e;
	int rc = 0;

	/* those of others */
	close(r->place->foreign);
	close(r->place->local_fd);
	close(r->place->local_packets_fd);
	if (!r->has_landlock)
		hide_landlock();
	if (r->role == RECEIVER)
		rc = sandbox_receiver(r->mode, &receiving, &state, &e);
	else if (r->role == STDOUT_RECEIVER)
		rc = sandbox_receiver(r->mode, &nowhere, &state, &e);
	else if (r->role == SENDING)
		rc = sandbox_sender(r->mode, &src, &state, &e);
	else if (r->role == DIR_OPENER)
		rc = sandbox_dir_opener(r->mode, &e);
	if (rc)
		_exit(8);
}

static void child_main(const struct run *r, struct results *res)
{
	struct thread first = { r, res->of[0] }, later = { r, res->of[1] };
	pthread_t thread;

	r->place->parent = getppid();
	signal(SIGPIPE, SIG_IGN);
	if (r->uid && (setgid(r->uid) || setuid(r->uid)))
		_exit(6);
	if (r->role != NONE)
		confine(r);
	make_attempts(&first);
	if (pthread_create(&thread, NULL, make_attempts, &later) ||
	    pthread_join(thread, NULL))
		_exit(4);
	_exit(0);
}

static void run_table(const struct run *r, struct results *res)
{
	int status;

	for (size_t i = 0; i < 2 * (size_t)COUNT; i++)
		res->of[i / COUNT][i % COUNT] = NOT_TRIED;
	do {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			child_main(r, res);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	} while (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	if (status)
		fail_msg("%s: status %#x", r->name, (unsigned)status);
}

static struct results *share_results(void)
{
	struct results *res = mmap(NULL, sizeof(*res), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(res != MAP_FAILED);
	return res;
}

/* Run the table; whatever was not refused and should be is the failure. */
static void expect_refusals(const struct run *r)
{
	struct results *res = share_results();
	size_t due = 0, wrong = 0;

	run_table(r, res);
	for (size_t i = 0; i < COUNT; i++) {
		if (!is_due(r, &attempts[i]))
			continue;
		due++;
		for (int t = 0; t < 2; t++) {
			if (is_refusal(res->of[t][i]))
				continue;
			print_error("%s, uid %u, %s: %s is not refused: %s\n",
				    r->name, (unsigned)(r->uid ? r->uid : geteuid()),
				    t ? "another thread" : "first thread",
				    attempts[i].what,
				    strerror(res->of[t][i]));
			wrong++;
		}
	}
	munmap(res, sizeof(*res));
	assert_int_equal(wrong, 0);
	assert_true(due >= ROWS_MIN);
	print_message("%s, uid %u: %zu attempts refused\n", r->name,
		      (unsigned)(r->uid ? r->uid : geteuid()), due);
}

/* With CAP_SETUID, and an id that the user namespace has. */
static int can_be(uid_t uid)
{
	const uid_t own_uid = geteuid();
	const gid_t own_gid = getegid();
	int can = setegid(uid) == 0 && seteuid(uid) == 0;

	return seteuid(own_uid) == 0 && setegid(own_gid) == 0 && can;
}

static void run_all(void **state, enum role role, const char *name)
{
	static const struct {
		enum sandbox_mode mode;
		int has_landlock;
		const char *name;
	} ways[] = {
		{ SANDBOX_REQUIRE, 1, "require" },
		{ SANDBOX_AUTO, 1, "auto" },
		{ SANDBOX_AUTO, 0, "auto without Landlock" },
	};

	(void)name;
#ifdef FERRY_INSTRUMENTED
	skip();
#endif
	if (!seccomp_is_known())
		skip();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct run r = { *state, role, ways[i].mode,
				 ways[i].has_landlock, 0, "" };
		char text[64];

		snprintf(text, sizeof(text), "%s, %s", name, ways[i].name);
		r.name = text;
		if (r.has_landlock && landlock_abi() < 1)
			continue;
		expect_refusals(&r);
		r.uid = NOBODY;
		if (can_be(NOBODY))
			expect_refusals(&r);
	}
}

static void test_receiver(void **state)
{
	run_all(state, RECEIVER, "receiver");
}

static void test_stdout_receiver(void **state)
{
	run_all(state, STDOUT_RECEIVER, "receiver --stdout");
}

static void test_sender(void **state)
{
	run_all(state, SENDING, "sender");
}

static void test_dir_opener(void **state)
{
	run_all(state, DIR_OPENER, "dir_opener");
}

/* What is refused in the sandbox is not refused without it. */
static void test_unconfined(void **state)
{
	const struct run r = { *state, NONE, SANDBOX_OFF, 1, 0, "unconfined" };
	struct results *res;
	size_t wrong = 0;

	/* Root of the whole system, to whom all is permitted. */
	if (geteuid() != 0 || syscall(SYS_acct, "/no-file") == 0 ||
	    errno == EPERM)
		skip();
	res = share_results();
	run_table(&r, res);
	for (size_t i = 0; i < COUNT; i++) {
		const int result = res->of[0][i];

		/* ENOSYS: this kernel does not have it */
		if ((attempts[i].flags & ANYWAY) || result == ENOSYS ||
		    !is_refusal(result))
			continue;
		print_error("%s is refused without a sandbox: %s\n",
			    attempts[i].what, strerror(result));
		wrong++;
	}
	munmap(res, sizeof(*res));
	assert_int_equal(wrong, 0);
}

/* ---- what would leave a way out ---- */

static void *wait_for_ever(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

/* In a child: confine it with another thread, or with a socket without a
 * peer, and see what is said.  Exit status 0: as it should be. */
static void confine_leaky(struct place *p, int with_thread)
{
	const char *what = with_thread ? "the process has other threads already"
				       : "is a socket that can send to any";
	const struct sandbox_receiving receiving = { p->in_fd, NULL, 0 };
	struct sandbox_state state;
	pthread_t thread;
	struct err e;

	close(p->foreign);
	close(p->local_fd);
	if (with_thread)
		close(p->local_packets_fd);
	if (with_thread &&
	    pthread_create(&thread, NULL, wait_for_ever, NULL))
		_exit(4);
	if (sandbox_receiver(SANDBOX_REQUIRE, &receiving, &state, &e) !=
		    ERR_RESOURCE ||
	    !strstr(e.text, what))
		_exit(5);
	if (sandbox_receiver(SANDBOX_AUTO, &receiving, &state, &e) != 0 ||
	    !state.is_partial || !strstr(state.text, what))
		_exit(6);
	_exit(open("/etc/passwd", O_RDONLY) >= 0 ? 7 : 0);
}

static void test_leaks(void **state)
{
#ifdef FERRY_INSTRUMENTED
	skip();
#endif
	if (!seccomp_is_known() || landlock_abi() < 1)
		skip();
	for (int with_thread = 0; with_thread < 2; with_thread++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			confine_leaky(*state, with_thread);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unconfined),
		TEST(test_receiver),
		TEST(test_stdout_receiver),
		TEST(test_sender),
		TEST(test_dir_opener),
		TEST(test_leaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
