/*
 * Which system calls each side may make.  A receiver makes few, so its rules
 * list what is allowed.  The process that resolves names for a sender runs the
 * modules of libc's name service (nsswitch.conf), which may make any call, and
 * so may a library that was preloaded: the rules of both list what is not.
 */
#include "sandbox/calls.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/times.h"

/* Missing in the kernel headers of older systems; the same number on every
 * architecture. */
enum { CALL_FCHMODAT2 = 452, CALL_SETXATTRAT = 463, CALL_REMOVEXATTRAT = 466 };

/* Allowed to a receiver with any arguments. */
static const int receiving[] = {
	/* descriptors */
	SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64,
	SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_lseek,
	SYS_close, SYS_dup, SYS_eventfd2, SYS_ppoll,
#ifdef SYS_poll
	SYS_poll,
#endif
	/* files; Landlock restricts where */
	SYS_openat, SYS_openat2, SYS_mkdirat, SYS_unlinkat, SYS_linkat,
	SYS_symlinkat, SYS_renameat2, SYS_readlinkat, SYS_getdents64,
#ifdef SYS_renameat
	SYS_renameat,
#endif
#ifdef SYS_newfstatat
	SYS_newfstatat,
#endif
	SYS_fstat, SYS_statx, SYS_fstatfs, SYS_fchmod,
	SYS_ftruncate, SYS_fallocate, SYS_fadvise64, SYS_fsync, SYS_fdatasync,
	SYS_syncfs, SYS_sync_file_range, SYS_flock, SYS_fgetxattr, SYS_umask,
	/* incoming connections */
	SYS_accept4, SYS_recvfrom, SYS_recvmsg, SYS_sendto, SYS_sendmsg,
	SYS_shutdown, SYS_getsockopt, SYS_setsockopt, SYS_getsockname,
	SYS_getpeername,
	/* memory */
	SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise,
	/* threads and signals */
	SYS_futex, SYS_set_robust_list, SYS_rseq, SYS_exit, SYS_exit_group,
	SYS_gettid, SYS_sched_yield, SYS_sched_getaffinity, SYS_getcpu,
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
	SYS_sigaltstack, SYS_restart_syscall, SYS_wait4,
	/* time, random bytes and identity */
	SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep,
	SYS_nanosleep, SYS_gettimeofday, SYS_getrandom, SYS_uname,
	SYS_sysinfo, SYS_getpid, SYS_getppid, SYS_getuid, SYS_geteuid,
	SYS_getgid, SYS_getegid, SYS_getgroups,
#ifdef SYS_time
	SYS_time,
#endif
};

/*
 * Libraries may try these and go on without: libc opens a socket to get the
 * name of a network interface.
 */
static const int refused[] = {
	SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen,
	SYS_kill, SYS_tkill, SYS_prctl, SYS_chdir, SYS_fchdir, SYS_mknodat,
};

/* Calls that set metadata by path, which Landlock does not restrict, and the
 * owner and extended attributes, which no side ever sets. */
static const int metadata[] = {
	SYS_fchmodat, SYS_fchownat, SYS_fchown, SYS_truncate, SYS_setxattr,
	SYS_lsetxattr, SYS_fsetxattr, SYS_removexattr, SYS_lremovexattr,
	SYS_fremovexattr, CALL_FCHMODAT2, CALL_SETXATTRAT, CALL_REMOVEXATTRAT,
#ifdef SYS_chmod
	SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat,
#endif
};

/* Calls that neither this program nor its libraries ever make. */
static const int forbidden[] = {
	SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv,
	SYS_process_vm_writev, SYS_mount, SYS_umount2, SYS_pivot_root,
	SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount,
	SYS_fspick, SYS_mount_setattr, SYS_chroot, SYS_unshare, SYS_setns,
	SYS_bpf, SYS_perf_event_open, SYS_io_uring_setup,
	SYS_io_uring_enter, SYS_io_uring_register, SYS_keyctl, SYS_add_key,
	SYS_request_key, SYS_init_module, SYS_finit_module, SYS_delete_module,
	SYS_kexec_load, SYS_userfaultfd, SYS_open_by_handle_at, SYS_reboot,
	SYS_swapon, SYS_swapoff, SYS_acct, SYS_quotactl,
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct rule_list {
	struct seccomp_rule *rules;
	size_t count;
};

static void add(struct rule_list *l, struct seccomp_rule rule)
{
	if (l->count < SECCOMP_RULES_MAX)
		l->rules[l->count++] = rule;
}

static void add_all(struct rule_list *l, const int *calls, size_t count,
		    enum seccomp_action action)
{
	for (size_t i = 0; i < count; i++)
		add(l, (struct seccomp_rule){ calls[i], action, 0, 0, 0 });
}

/* Allow a call where an argument is as given. */
static void add_if(struct rule_list *l, int nr, unsigned arg, uint64_t mask,
		   uint64_t value)
{
	add(l, (struct seccomp_rule){ nr, SECCOMP_ALLOW, arg, mask, value });
}

/* Allowed to a receiver with some arguments, and refused with others. */
static void add_by_argument(struct rule_list *l)
{
	const uint64_t all = UINT64_MAX, low = UINT32_MAX;
	static const int other_arguments[] = {
		SYS_utimensat, SYS_fcntl, SYS_ioctl, SYS_mmap,
		SYS_mprotect, SYS_clone, SYS_tgkill, SYS_prlimit64,
	};

	/* the times of a descriptor: futimens() passes NULL as the path, and
	 * times_set_symlink() the empty path */
	add_if(l, SYS_utimensat, 1, all, 0);
	add_if(l, SYS_utimensat, 1, all, (uintptr_t)times_empty_path);
	/* 0 to 7, F_DUPFD to F_SETLKW; not F_SETOWN (8), which makes the kernel
	 * send signals */
	add_if(l, SYS_fcntl, 1, low & ~UINT64_C(7), 0);
	add_if(l, SYS_fcntl, 1, low, F_DUPFD_CLOEXEC);
	/* not TIOCSTI, which puts input into the user's terminal */
	add_if(l, SYS_ioctl, 1, low, TIOCGWINSZ);
	add_if(l, SYS_ioctl, 1, low, TIOCGPGRP);
	add_if(l, SYS_ioctl, 1, low, TCGETS);
	add_if(l, SYS_ioctl, 1, low, FIONREAD);
	/* reads what chattr sets */
	add_if(l, SYS_ioctl, 1, low, FS_IOC_GETFLAGS & low);
	/* no executable memory */
	add_if(l, SYS_mmap, 2, PROT_EXEC, 0);
	add_if(l, SYS_mprotect, 2, PROT_EXEC, 0);
	/* threads only.  A filter cannot see the flags of clone3(), which are
	 * in memory; with ENOSYS for it, libc uses clone(). */
	add_if(l, SYS_clone, 0, CLONE_THREAD, CLONE_THREAD);
	/* signals to this process only, as by abort() and raise() */
	add_if(l, SYS_tgkill, 0, low, (uint32_t)getpid());
	/* reading limits, not setting them */
	add_if(l, SYS_prlimit64, 2, all, 0);
	add_all(l, other_arguments, COUNT(other_arguments), SECCOMP_REFUSE);
}

/* Refuse socket() where the argument has any of these bits. */
static void refuse_socket_bits(struct rule_list *l, unsigned arg, uint64_t bits)
{
	for (uint64_t bit = 1; bit <= bits; bit <<= 1) {
		if (bits & bit)
			add(l, (struct seccomp_rule){ SYS_socket,
						      SECCOMP_REFUSE, arg, bit,
						      bit });
	}
}

/*
 * Making TCP connections.  Landlock restricts to which port, but only those of
 * plain TCP: so no other type and no protocol but 0 (MPTCP is 262).  bind() is
 * for --bind, to a port that the kernel chooses.  What has no rule here is
 * refused, as socket() is among those of every receiver.
 */
static void add_connecting(struct rule_list *l)
{
	static const int calls[] = { SYS_connect, SYS_bind };
	const uint64_t low = UINT32_MAX;

	add_all(l, calls, COUNT(calls), SECCOMP_ALLOW);
	/* SOCK_STREAM is 1; the other types have one of these bits */
	refuse_socket_bits(l, 1, 2 | 4 | 8);
	refuse_socket_bits(l, 2, 511); /* more than any protocol */
	add_if(l, SYS_socket, 0, low, AF_INET);
	add_if(l, SYS_socket, 0, low, AF_INET6);
}

static void add_receiving(struct rule_list *l)
{
	add_all(l, receiving, COUNT(receiving), SECCOMP_ALLOW);
	add_by_argument(l);
	add_all(l, refused, COUNT(refused), SECCOMP_REFUSE);
	add_all(l, metadata, COUNT(metadata), SECCOMP_REFUSE);
	add_all(l, forbidden, COUNT(forbidden), SECCOMP_DIE);
}

size_t calls_of_receiver(struct seccomp_rule *rules)
{
	struct rule_list l = { rules, 0 };

	add_receiving(&l);
	return l.count;
}

size_t calls_of_connecting_receiver(struct seccomp_rule *rules)
{
	struct rule_list l = { rules, 0 };

	add_connecting(&l);
	add_receiving(&l);
	return l.count;
}

size_t calls_of_sender(struct seccomp_rule *rules)
{
	static const int times[] = { SYS_utimensat };
	struct rule_list l = { rules, 0 };

	add_all(&l, times, COUNT(times), SECCOMP_REFUSE);
	add_all(&l, metadata, COUNT(metadata), SECCOMP_REFUSE);
	add_all(&l, forbidden, COUNT(forbidden), SECCOMP_REFUSE);
	return l.count;
}
