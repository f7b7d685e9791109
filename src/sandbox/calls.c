/*
 * Which system calls each side may make.  A receiver makes few, so its list
 * says what is allowed; in a sender the modules of the name service run,
 * which may call anything, so its list says what is not.
 */
#include "sandbox/calls.h"

#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/times.h"

/* Newer than the kernel headers of some systems. */
enum { CALL_FCHMODAT2 = 452, CALL_SETXATTRAT = 463, CALL_REMOVEXATTRAT = 466 };

/* Allowed to a receiver whatever the arguments are. */
static const int receiving[] = {
	/* descriptors */
	SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64,
	SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_lseek,
	SYS_close, SYS_dup, SYS_eventfd2, SYS_ppoll,
#ifdef SYS_poll
	SYS_poll,
#endif
	/* files; Landlock sees to where they are */
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
	/* connections that come in */
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
	/* time, chance, and who we are */
	SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep,
	SYS_nanosleep, SYS_gettimeofday, SYS_getrandom, SYS_uname,
	SYS_sysinfo, SYS_getpid, SYS_getppid, SYS_getuid, SYS_geteuid,
	SYS_getgid, SYS_getegid,
#ifdef SYS_time
	SYS_time,
#endif
};

/*
 * Refused politely: a library may try them by itself (to name a network
 * interface, libc asks by way of a socket), and goes on without.
 */
static const int refused[] = {
	SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen,
	SYS_kill, SYS_tkill, SYS_prctl, SYS_chdir, SYS_fchdir, SYS_mknodat,
};

/* Metadata by path, of which Landlock takes no notice; and the owner. */
static const int metadata[] = {
	SYS_fchmodat, SYS_fchownat, SYS_fchown, SYS_truncate, SYS_setxattr,
	SYS_lsetxattr, SYS_fsetxattr, SYS_removexattr, SYS_lremovexattr,
	SYS_fremovexattr, CALL_FCHMODAT2, CALL_SETXATTRAT, CALL_REMOVEXATTRAT,
#ifdef SYS_chmod
	SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat,
#endif
};

/* What nobody in this program, nor in its libraries, has a reason for. */
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

struct list {
	struct seccomp_rule *rules;
	size_t count;
};

static void add(struct list *l, struct seccomp_rule rule)
{
	if (l->count < SECCOMP_RULES_MAX)
		l->rules[l->count++] = rule;
}

static void add_all(struct list *l, const int *calls, size_t count,
		    enum seccomp_action action)
{
	for (size_t i = 0; i < count; i++)
		add(l, (struct seccomp_rule){ calls[i], action, 0, 0, 0 });
}

/* Allow a call where an argument is as given. */
static void add_if(struct list *l, int nr, unsigned arg, uint64_t mask,
		   uint64_t value)
{
	add(l, (struct seccomp_rule){ nr, SECCOMP_ALLOW, arg, mask, value });
}

/* Allowed to a receiver for some arguments, and refused for others. */
static void add_by_argument(struct list *l)
{
	const uint64_t all = UINT64_MAX, low = UINT32_MAX;
	static const int last[] = { SYS_utimensat, SYS_fcntl, SYS_ioctl,
				    SYS_mmap, SYS_mprotect, SYS_clone,
				    SYS_tgkill, SYS_prlimit64 };

	/* the times of a descriptor, and of a link that one leads to */
	add_if(l, SYS_utimensat, 1, all, 0);
	add_if(l, SYS_utimensat, 1, all, (uintptr_t)times_empty_path);
	/* F_DUPFD to F_SETLKW; not F_SETOWN, which sends signals */
	add_if(l, SYS_fcntl, 1, low & ~UINT64_C(7), 0);
	add_if(l, SYS_fcntl, 1, low, F_DUPFD_CLOEXEC);
	/* not TIOCSTI, which types at the user's terminal */
	add_if(l, SYS_ioctl, 1, low, TIOCGWINSZ);
	add_if(l, SYS_ioctl, 1, low, TIOCGPGRP);
	add_if(l, SYS_ioctl, 1, low, TCGETS);
	add_if(l, SYS_ioctl, 1, low, FIONREAD);
	/* no new code */
	add_if(l, SYS_mmap, 2, PROT_EXEC, 0);
	add_if(l, SYS_mprotect, 2, PROT_EXEC, 0);
	/* threads; clone3() hides its flags, so libc is sent back to this */
	add_if(l, SYS_clone, 0, CLONE_THREAD, CLONE_THREAD);
	add_if(l, SYS_tgkill, 0, low, (uint32_t)getpid());
	add_if(l, SYS_prlimit64, 2, all, 0);
	add_all(l, last, COUNT(last), SECCOMP_REFUSE);
}

size_t calls_of_receiver(struct seccomp_rule *rules)
{
	struct list l = { rules, 0 };

	add_all(&l, receiving, COUNT(receiving), SECCOMP_ALLOW);
	add_by_argument(&l);
	add_all(&l, refused, COUNT(refused), SECCOMP_REFUSE);
	add_all(&l, metadata, COUNT(metadata), SECCOMP_REFUSE);
	add_all(&l, forbidden, COUNT(forbidden), SECCOMP_DIE);
	return l.count;
}

size_t calls_of_sender(struct seccomp_rule *rules)
{
	static const int times[] = { SYS_utimensat };
	struct list l = { rules, 0 };

	add_all(&l, times, COUNT(times), SECCOMP_REFUSE);
	add_all(&l, metadata, COUNT(metadata), SECCOMP_REFUSE);
	add_all(&l, forbidden, COUNT(forbidden), SECCOMP_REFUSE);
	return l.count;
}
