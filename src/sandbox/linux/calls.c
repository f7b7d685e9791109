/*
 * Which system calls each side may make: the rules of a receiver and of a
 * sender list what is allowed.  Where modules of libc's name service
 * (nsswitch.conf) or a preloaded library run, which may make any call, the
 * rules list what is not.
 *
 * A filter sees the arguments of a call, but not what they point to.  So:
 *
 * - There is no socket(), and sendto() has no destination.  That of sendmsg()
 *   is in memory; without MSG_FASTOPEN it has no effect on a TCP socket, nor on
 *   a connected Unix socket of any other type than SOCK_DGRAM, and the process
 *   has none of other kinds (sandbox.c looks).
 * - Metadata is set by descriptor.  A descriptor of O_PATH, which Landlock lets
 *   be opened anywhere, does for none of the calls that are allowed.
 * - No set-ID bits in a mode: a program of this user's that others run.
 *
 * - Where libc calls socketcall(), whose arguments are in memory, it may be
 *   only what is harmless with any; for the rest there is os/sockcall.h.
 *
 * What a receiver accepts of that (--accept) is allowed to it by descriptor,
 * and nothing else.
 */
#define _GNU_SOURCE 1
#include "sandbox/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/net.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h> /* TCGETS of ppc64el */
#include <unistd.h>

#include "base/file_meta.h"
#include "sandbox/sandbox.h"

/* Missing in the kernel headers of older systems; the same number on every
 * architecture. */
enum {
	CALL_LANDLOCK_CREATE_RULESET = 444,
	CALL_LANDLOCK_ADD_RULE = 445,
	CALL_LANDLOCK_RESTRICT_SELF = 446,
	CALL_MEMFD_SECRET = 447,
	CALL_FCHMODAT2 = 452,
	CALL_SETXATTRAT = 463,
	CALL_LISTXATTRAT = 465,
	CALL_REMOVEXATTRAT = 466,
	CALL_FILE_SETATTR = 469,
};

/* TCGETS2, by which isatty() asks since glibc 2.42: the header that has its
 * struct cannot be included beside <termios.h>. */
static const uint64_t tcgets2 = _IOC(_IOC_READ, 'T', 0x2a, 44);

/* What libc's mmap() calls.  That of s390x has its arguments in memory:
 * sandbox.c has the kernel refuse executable memory there. */
#ifdef SYS_mmap2
enum { CALL_MMAP = SYS_mmap2 };
#else
enum { CALL_MMAP = SYS_mmap };
#endif
#ifdef __s390x__
enum { MMAP_IS_IN_MEMORY = 1, CLONE_FLAGS = 1 };
#else
enum { MMAP_IS_IN_MEMORY = 0, CLONE_FLAGS = 0 };
#endif

/* O_TMPFILE without O_DIRECTORY, which is part of it. */
enum { NAMELESS = O_TMPFILE & ~O_DIRECTORY };

static const uint64_t any = UINT64_MAX; /* all 64 bits */
static const uint64_t low = UINT32_MAX; /* an int */
static const uint64_t set_id = S_ISUID | S_ISGID;
static const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP |
				   CLONE_NEWUTS | CLONE_NEWIPC |
				   CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

/* Allowed to both sides with any arguments. */
static const int common[] = {
	/* descriptors */
	SYS_read,
	SYS_write,
	SYS_readv,
	SYS_writev,
	SYS_pread64,
	SYS_pwrite64,
	SYS_preadv,
	SYS_preadv2,
	SYS_pwritev2,
	SYS_lseek,
	SYS_close,
	SYS_dup,
	SYS_ftruncate,
	SYS_fallocate,
	SYS_fsync,
	SYS_fdatasync,
	SYS_eventfd2,
	SYS_ppoll,
#ifdef SYS_poll
	SYS_poll,
#endif
	/* files; Landlock restricts where */
	SYS_readlinkat,
	SYS_getdents64,
	SYS_fstat,
	SYS_statx,
	SYS_fstatfs,
	SYS_flistxattr,
	SYS_fgetxattr,
	/* names of attributes tell no more than statx() does */
	SYS_listxattr,
	SYS_llistxattr,
	CALL_LISTXATTRAT,
	SYS_readahead,
	SYS_flock,
	SYS_faccessat,
#ifdef SYS_fadvise64
	SYS_fadvise64,
#endif
#ifdef SYS_faccessat2
	SYS_faccessat2,
#endif
#ifdef SYS_access
	SYS_access,
#endif
#ifdef SYS_newfstatat
	SYS_newfstatat,
#endif
/* the same of 32-bit processors, for files of 2 GiB or more */
#ifdef SYS_ftruncate64
	SYS__llseek,
	SYS_ftruncate64,
	SYS_fstat64,
	SYS_fstatat64,
	SYS_fstatfs64,
#endif
#ifdef SYS_fadvise64_64
	SYS_fadvise64_64,
#endif
#ifdef SYS_arm_fadvise64_64
	SYS_arm_fadvise64_64,
#endif
	/* the connections that there are */
	SYS_accept4,
	SYS_recvfrom,
	SYS_recvmsg,
	SYS_shutdown,
	SYS_getsockopt,
	SYS_getsockname,
	SYS_getpeername,
	/* memory */
	SYS_brk,
	SYS_munmap,
	SYS_mremap,
	SYS_madvise,
	/* threads and signals */
	SYS_futex,
	SYS_set_robust_list,
	SYS_rseq,
	SYS_exit,
	SYS_exit_group,
	SYS_gettid,
	SYS_sched_yield,
	SYS_sched_getaffinity,
	SYS_getcpu,
	SYS_getrusage,
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigpending,
	SYS_rt_sigreturn,
	SYS_sigaltstack,
	SYS_restart_syscall,
	SYS_wait4,
	/* time, random bytes and identity */
	SYS_clock_gettime,
	SYS_clock_getres,
	SYS_clock_nanosleep,
	SYS_nanosleep,
	SYS_gettimeofday,
	SYS_getrandom,
	SYS_uname,
	SYS_sysinfo,
	SYS_getpid,
	SYS_getppid,
	SYS_getuid,
	SYS_geteuid,
	SYS_getgid,
	SYS_getegid,
	SYS_getgroups,
	SYS_getpgid,
	SYS_getsid,
#ifdef SYS_getpgrp
	SYS_getpgrp,
#endif
#ifdef SYS_time
	SYS_time,
#endif
/* of 32-bit processors: times after 2038, ids above 65535 */
#ifdef SYS_clock_gettime64
	SYS_clock_gettime64,
	SYS_clock_getres_time64,
	SYS_clock_nanosleep_time64,
	SYS_ppoll_time64,
	SYS_futex_time64,
#endif
#ifdef SYS_getuid32
	SYS_getuid32,
	SYS_geteuid32,
	SYS_getgid32,
	SYS_getegid32,
	SYS_getgroups32,
#endif
/* the end of a handler without SA_SIGINFO */
#ifdef SYS_sigreturn
	SYS_sigreturn,
#endif
};

/* To a receiver: what changes files. */
static const int receiving[] = {
	SYS_pwritev,          SYS_unlinkat, SYS_linkat, SYS_symlinkat,
	SYS_renameat2,        SYS_syncfs,   SYS_umask,
#ifdef SYS_sync_file_range
	SYS_sync_file_range,
#endif
#ifdef SYS_sync_file_range2
	SYS_sync_file_range2,
#endif
#ifdef SYS_renameat
	SYS_renameat,
#endif
};

/*
 * Libraries may try these and go on without: libc opens a socket to get the
 * name of a network interface.
 */
static const int refused[] = {
	SYS_socket,     SYS_socketpair, SYS_connect, SYS_bind,
	SYS_listen,     SYS_kill,       SYS_tkill,   SYS_prctl,
	SYS_chdir,      SYS_fchdir,     SYS_mknodat,
#ifdef SYS_socketcall
	SYS_socketcall,
#endif
};

/* Allowed with some arguments only. */
static const int by_argument[] = {
	SYS_sendto,
	SYS_sendmsg,
	SYS_setsockopt,
	SYS_openat,
	SYS_fcntl,
	SYS_ioctl,
	CALL_MMAP,
	SYS_mprotect,
	SYS_clone,
	SYS_tgkill,
	SYS_prlimit64,
	SYS_utimensat,
	SYS_fchmod,
	SYS_mkdirat,
#ifdef SYS_fcntl64
	SYS_fcntl64,
#endif
#ifdef SYS_utimensat_time64
	SYS_utimensat_time64,
#endif
};

/* Calls that set metadata by path, which Landlock does not restrict, and those
 * that set the owner and extended attributes, which a receiver may be allowed
 * by a rule before. */
static const int metadata[] = {
	SYS_fchmodat,       SYS_fchownat,      SYS_fchown,     SYS_truncate,
	SYS_setxattr,       SYS_lsetxattr,     SYS_fsetxattr,  SYS_removexattr,
	SYS_lremovexattr,   SYS_fremovexattr,  CALL_FCHMODAT2, CALL_SETXATTRAT,
	CALL_REMOVEXATTRAT, CALL_FILE_SETATTR,
#ifdef SYS_chmod
	SYS_chmod,          SYS_chown,         SYS_lchown,     SYS_utimes,
	SYS_futimesat,
#endif
#ifdef SYS_utime
	SYS_utime,
#endif
#ifdef SYS_chown32
	SYS_chown32,        SYS_lchown32,      SYS_fchown32,
#endif
#ifdef SYS_truncate64
	SYS_truncate64,
#endif
};

/* Calls that neither this program nor its libraries ever make. */
static const int forbidden[] = {
	SYS_execve,
	SYS_execveat,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_process_madvise,
	SYS_pidfd_getfd,
	SYS_pidfd_send_signal,
	SYS_kcmp,
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_move_mount,
	SYS_open_tree,
	SYS_fsopen,
	SYS_fsconfig,
	SYS_fsmount,
	SYS_fspick,
	SYS_mount_setattr,
	SYS_chroot,
	SYS_unshare,
	SYS_setns,
	SYS_bpf,
	SYS_perf_event_open,
	SYS_io_uring_setup,
	SYS_io_uring_enter,
	SYS_io_uring_register,
	SYS_keyctl,
	SYS_add_key,
	SYS_request_key,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
	SYS_userfaultfd,
	SYS_open_by_handle_at,
	SYS_name_to_handle_at,
	SYS_fanotify_init,
	SYS_memfd_create,
	CALL_MEMFD_SECRET,
	SYS_personality,
	SYS_reboot,
	SYS_swapon,
	SYS_swapoff,
	SYS_acct,
	SYS_quotactl,
	SYS_syslog,
	SYS_clock_settime,
	SYS_settimeofday,
	SYS_sethostname,
	SYS_setdomainname,
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
#ifdef SYS_iopl
	SYS_iopl,
	SYS_ioperm,
	SYS_modify_ldt,
#endif
#ifdef SYS_vm86
	SYS_vm86,
#endif
#ifdef SYS_vm86old
	SYS_vm86old,
#endif
#ifdef SYS_umount
	SYS_umount,
#endif
#ifdef SYS_stime
	SYS_stime,
#endif
#ifdef SYS_clock_settime64
	SYS_clock_settime64,
#endif
};

/* The options of TCP sockets that dial.c and sock.c set. */
static const struct {
	int level, name;
} socket_options[] = {
	{ SOL_SOCKET, SO_RCVTIMEO },      { SOL_SOCKET, SO_KEEPALIVE },
	{ IPPROTO_TCP, TCP_NODELAY },     { IPPROTO_TCP, TCP_KEEPIDLE },
	{ IPPROTO_TCP, TCP_KEEPINTVL },   { IPPROTO_TCP, TCP_KEEPCNT },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT }, { IPPROTO_TCP, TCP_CONGESTION },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct rule_list {
	struct seccomp_rule *rules;
	size_t count;
};

static void add_rule(struct rule_list *l, const struct seccomp_rule *rule)
{
	if (l->count < SECCOMP_RULES_MAX)
		l->rules[l->count++] = *rule;
}

static void add_all(struct rule_list *l, const int *calls, size_t count,
		    enum seccomp_action action)
{
	for (size_t i = 0; i < count; i++) {
		const struct seccomp_rule rule = { .nr = calls[i],
						   .action = action };

		add_rule(l, &rule);
	}
}

/* Allow a call where an argument is as given. */
static void add_if(struct rule_list *l, int nr, unsigned arg, uint64_t mask,
		   uint64_t value)
{
	const struct seccomp_rule rule = {
		nr, SECCOMP_ALLOW, { { arg, mask, value } }
	};

	add_rule(l, &rule);
}

/* Allow a call where two arguments are as given. */
static void add_if_both(struct rule_list *l, int nr,
			const struct seccomp_test *a,
			const struct seccomp_test *b)
{
	const struct seccomp_rule rule = { nr, SECCOMP_ALLOW, { *a, *b } };

	add_rule(l, &rule);
}

static void add_socket_options(struct rule_list *l)
{
	for (size_t i = 0; i < COUNT(socket_options); i++)
		add_if_both(l, SYS_setsockopt,
			    &(struct seccomp_test){
				    1, low, (uint64_t)socket_options[i].level },
			    &(struct seccomp_test){
				    2, low, (uint64_t)socket_options[i].name });
}

/* Where libc makes calls of sockets by this one: those of its calls that are
 * allowed with any arguments.  send() has no destination. */
static void add_socketcalls(struct rule_list *l)
{
#ifdef SYS_socketcall
	static const unsigned calls[] = {
		SYS_GETSOCKNAME, SYS_GETPEERNAME, SYS_SEND,
		SYS_RECV,        SYS_RECVFROM,    SYS_SHUTDOWN,
		SYS_GETSOCKOPT,  SYS_RECVMSG,     SYS_ACCEPT4,
	};

	for (size_t i = 0; i < COUNT(calls); i++)
		add_if(l, SYS_socketcall, 0, low, calls[i]);
#else
	(void)l;
#endif
}

static void add_fcntl(struct rule_list *l, int nr)
{
	/* 0 to 7, F_DUPFD to F_SETLKW; not F_SETOWN (8), which makes the kernel
	 * send signals */
	add_if(l, nr, 1, low & ~UINT64_C(7), 0);
	add_if(l, nr, 1, low, F_DUPFD_CLOEXEC);
}

/* What both sides may do with some arguments. */
static void add_common_by_argument(struct rule_list *l)
{
	/* no other destination than the one that it is connected to */
	add_if(l, SYS_sendmsg, 2, MSG_FASTOPEN, 0);
	add_if_both(l, SYS_sendto, &(struct seccomp_test){ 3, MSG_FASTOPEN, 0 },
		    &(struct seccomp_test){ 4, any, 0 });
	add_socketcalls(l);
	/* no executable memory */
	add_if(l, CALL_MMAP, 2, MMAP_IS_IN_MEMORY ? 0 : PROT_EXEC, 0);
	add_if(l, SYS_mprotect, 2, PROT_EXEC, 0);
	add_socket_options(l);
	add_fcntl(l, SYS_fcntl);
#ifdef SYS_fcntl64
	add_fcntl(l, SYS_fcntl64);
#endif
	/* not TIOCSTI, which puts input into the user's terminal */
	add_if(l, SYS_ioctl, 1, low, TIOCGWINSZ);
	add_if(l, SYS_ioctl, 1, low, TIOCGPGRP);
	add_if(l, SYS_ioctl, 1, low, TCGETS);
	add_if(l, SYS_ioctl, 1, low, tcgets2);
	add_if(l, SYS_ioctl, 1, low, FIONREAD);
	/* reads what chattr sets */
	add_if(l, SYS_ioctl, 1, low, FS_IOC_GETFLAGS & low);
	/* threads only.  A filter cannot see the flags of clone3(), which are
	 * in memory; with ENOSYS for it, libc uses clone(). */
	add_if(l, SYS_clone, CLONE_FLAGS, CLONE_THREAD | namespaces,
	       CLONE_THREAD);
	/* signals to this process only, as by abort() and raise() */
	add_if(l, SYS_tgkill, 0, low, (uint32_t)getpid());
	/* reading its own limits, not setting them */
	add_if_both(l, SYS_prlimit64, &(struct seccomp_test){ 0, low, 0 },
		    &(struct seccomp_test){ 2, any, 0 });
}

static void add_refusals(struct rule_list *l)
{
	add_all(l, by_argument, COUNT(by_argument), SECCOMP_REFUSE);
	add_all(l, refused, COUNT(refused), SECCOMP_REFUSE);
	add_all(l, metadata, COUNT(metadata), SECCOMP_REFUSE);
	add_all(l, forbidden, COUNT(forbidden), SECCOMP_DIE);
}

/* TCP connections; bind() is for --bind.  By socketcall() the kind of a socket
 * cannot be told. */
static void add_connecting(struct rule_list *l)
{
	static const int calls[] = {
		SYS_connect,
		SYS_bind,
#ifdef SYS_socketcall
		SYS_socketcall,
#endif
	};
	const struct seccomp_test stream = { 1, 15, SOCK_STREAM };

	add_all(l, calls, COUNT(calls), SECCOMP_ALLOW);
	add_if_both(l, SYS_socket, &(struct seccomp_test){ 0, low, AF_INET },
		    &stream);
	add_if_both(l, SYS_socket, &(struct seccomp_test){ 0, low, AF_INET6 },
		    &stream);
#ifdef SYS_socketcall
	add_if(l, SYS_socketcall, 0, low, SYS_SOCKET);
	add_if(l, SYS_socketcall, 0, low, SYS_CONNECT);
	add_if(l, SYS_socketcall, 0, low, SYS_BIND);
#endif
}

/* FIFOs, sockets and devices; mknod() of a regular file is left to openat(),
 * which has no set-ID bits either. */
static void add_special(struct rule_list *l, mode_t type)
{
	add_if(l, SYS_mknodat, 2, S_IFMT | set_id, type);
}

static void add_allowed(struct rule_list *l, unsigned allowed)
{
	static const int owners[] = {
		SYS_fchown,
#ifdef SYS_fchown32
		SYS_fchown32,
#endif
	};
	static const int attrs[] = { SYS_fsetxattr, SYS_fremovexattr };
	static const int modes[] = { SYS_fchmod };

	if (allowed & PRESERVE_OWNER)
		add_all(l, owners, COUNT(owners), SECCOMP_ALLOW);
	if (allowed & PRESERVE_ATTRS)
		add_all(l, attrs, COUNT(attrs), SECCOMP_ALLOW);
	if (allowed & PRESERVE_SETID)
		add_all(l, modes, COUNT(modes), SECCOMP_ALLOW);
	if (allowed & PRESERVE_SPECIALS) {
		add_special(l, S_IFIFO);
		add_special(l, S_IFSOCK);
		add_special(l, S_IFCHR);
		add_special(l, S_IFBLK);
	}
}

/* A thread restricts itself further (sandbox_reading_thread()): with any
 * arguments, these can only take rights away. */
static void add_restricting(struct rule_list *l)
{
	static const int landlock[] = {
		CALL_LANDLOCK_CREATE_RULESET,
		CALL_LANDLOCK_ADD_RULE,
		CALL_LANDLOCK_RESTRICT_SELF,
	};

	add_all(l, landlock, COUNT(landlock), SECCOMP_ALLOW);
	/* not with flags, of which one makes a supervisor */
	add_if_both(l, SYS_seccomp,
		    &(struct seccomp_test){ 0, low, SECCOMP_SET_MODE_FILTER },
		    &(struct seccomp_test){ 1, any, 0 });
}

static void add_receiving(struct rule_list *l, unsigned allowed)
{
	add_allowed(l, allowed);
	add_if(l, SYS_openat, 2, O_CREAT | NAMELESS, 0);
	add_if(l, SYS_openat, 3, set_id, 0);
	add_if(l, SYS_fchmod, 1, set_id, 0);
	add_if(l, SYS_mkdirat, 2, set_id, 0);
	/* the times of a descriptor: futimens() passes NULL as the path */
	add_if(l, SYS_utimensat, 1, any, 0);
#ifdef SYS_utimensat_time64
	add_if(l, SYS_utimensat_time64, 1, any, 0);
#endif
	/* blocks of a file that is open, for another that is */
	add_if(l, SYS_ioctl, 1, low, FICLONERANGE);
	add_common_by_argument(l);
	add_all(l, common, COUNT(common), SECCOMP_ALLOW);
	add_all(l, receiving, COUNT(receiving), SECCOMP_ALLOW);
	add_restricting(l);
	add_refusals(l);
}

size_t calls_of_receiver(struct seccomp_rule *rules, unsigned allowed)
{
	struct rule_list l = { rules, 0 };

	add_receiving(&l, allowed);
	return l.count;
}

size_t calls_of_connecting_receiver(struct seccomp_rule *rules,
				    unsigned allowed)
{
	struct rule_list l = { rules, 0 };

	add_connecting(&l);
	add_receiving(&l, allowed);
	return l.count;
}

size_t calls_of_sender(struct seccomp_rule *rules, unsigned allowed)
{
	struct rule_list l = { rules, 0 };

	(void)allowed;
	/* reading only */
	add_if(&l, SYS_openat, 2, O_ACCMODE | O_CREAT | O_TRUNC | NAMELESS, 0);
	add_common_by_argument(&l);
	add_all(&l, common, COUNT(common), SECCOMP_ALLOW);
	add_refusals(&l);
	return l.count;
}

size_t calls_of_attr_helper(struct seccomp_rule *rules, unsigned allowed)
{
	static const int attributes[] = {
		SYS_utimensat,
		SYS_fchmod,
#ifdef SYS_utimensat_time64
		SYS_utimensat_time64,
#endif
	};
	static const int owners[] = { SYS_fchownat };
	struct rule_list l = { rules, 0 };

	/* of symlinks and special files, by name */
	if (allowed & PRESERVE_OWNER)
		add_all(&l, owners, COUNT(owners), SECCOMP_ALLOW);
	add_all(&l, attributes, COUNT(attributes), SECCOMP_ALLOW);
	add_common_by_argument(&l);
	add_all(&l, common, COUNT(common), SECCOMP_ALLOW);
	add_refusals(&l);
	return l.count;
}

/* Setting a mode that lets the owner in, without a set-user-ID bit.  A
 * directory that had the set-group-ID bit keeps it. */
static void add_unlocking(struct rule_list *l)
{
	const uint64_t mask = S_IRWXU | S_ISUID;
	const struct seccomp_test mode = { 2, mask, S_IRWXU };

	add_if_both(l, CALL_FCHMODAT2, &mode,
		    &(struct seccomp_test){ 3, low, AT_EMPTY_PATH });
	/* Where the kernel has that call, the path of no other is needed. */
	if (syscall(CALL_FCHMODAT2, -1, "", 0, AT_EMPTY_PATH) < 0 &&
	    errno == EBADF)
		return;
	add_if(l, SYS_fchmodat, 2, mask, S_IRWXU);
#ifdef SYS_chmod
	add_if(l, SYS_chmod, 1, mask, S_IRWXU);
#endif
}

size_t calls_of_dir_opener(struct seccomp_rule *rules, unsigned allowed)
{
	struct rule_list l = { rules, 0 };

	(void)allowed;
	add_if(&l, SYS_openat, 2, O_PATH | O_CREAT | NAMELESS, O_PATH);
	add_unlocking(&l);
	add_common_by_argument(&l);
	add_all(&l, common, COUNT(common), SECCOMP_ALLOW);
	add_refusals(&l);
	return l.count;
}

size_t calls_of_guest(struct seccomp_rule *rules, unsigned allowed)
{
	static const int times[] = {
		SYS_utimensat,
#ifdef SYS_utimensat_time64
		SYS_utimensat_time64,
#endif
	};
	struct rule_list l = { rules, 0 };

	(void)allowed;
	add_all(&l, times, COUNT(times), SECCOMP_REFUSE);
	add_all(&l, metadata, COUNT(metadata), SECCOMP_REFUSE);
	add_all(&l, forbidden, COUNT(forbidden), SECCOMP_REFUSE);
	return l.count;
}
