/*
 * Rules are translated to a BPF program that tests them one after the other.
 * Since Linux 5.11 the kernel caches which calls are allowed whatever their
 * arguments are, so the program runs only for calls whose rules test an
 * argument.  Those come first.
 */
#define _GNU_SOURCE 1
#include "sandbox/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__x86_64__) && defined(__LP64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && defined(__LP64__) && defined(__AARCH64EL__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define NATIVE_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define NATIVE_ARCH AUDIT_ARCH_S390X
#elif defined(__i386__)
#define NATIVE_ARCH AUDIT_ARCH_I386
#elif defined(__ARM_EABI__) && !defined(__ARMEB__)
#define NATIVE_ARCH AUDIT_ARCH_ARM
#else
#define NATIVE_ARCH 0 /* not supported: its calls are not in calls.c */
#endif

/* Where the halves of an argument lie.  Those of a 32-bit process are extended
 * with zeros. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
enum { LOW_HALF = 4, HIGH_HALF = 0 };
#else
enum { LOW_HALF = 0, HIGH_HALF = 4 };
#endif

enum {
	/* Instructions: of a test, of the longest rule, and of all but the
	 * rules. */
	TEST_MAX = 6,
	RULE_MAX = SECCOMP_TESTS_MAX * TEST_MAX + 3,
	FRAME_MAX = 8,
	X32_BIT = 0x40000000, /* in the numbers of x32 calls on x86-64 */
};

struct program {
	struct sock_filter *code;
	unsigned short len;
};

static void put_insn(struct program *p, unsigned code, uint32_t k, unsigned yes,
		     unsigned no)
{
	const struct sock_filter f = { (uint16_t)code, (uint8_t)yes,
				       (uint8_t)no, k };

	p->code[p->len++] = f;
}

static void put_load(struct program *p, size_t offset)
{
	put_insn(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void put_return(struct program *p, enum seccomp_action action)
{
	static const uint32_t answers[] = {
		[SECCOMP_ALLOW] = SECCOMP_RET_ALLOW,
		[SECCOMP_REFUSE] = SECCOMP_RET_ERRNO | EPERM,
		[SECCOMP_UNKNOWN] = SECCOMP_RET_ERRNO | ENOSYS,
		[SECCOMP_DIE] = SECCOMP_RET_KILL_PROCESS,
	};

	put_insn(p, BPF_RET | BPF_K, answers[action], 0, 0);
}

/* Test 32 bits of an argument, as BPF has no more; skip the rest of the rule,
 * which ends at the instruction with that index, where they do not match. */
static void put_half(struct program *p, size_t offset, uint32_t mask,
		     uint32_t value, unsigned end)
{
	if (mask == 0)
		return;
	put_load(p, offset);
	put_insn(p, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
	put_insn(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, end - p->len - 1U);
}

static unsigned count_halves(const struct seccomp_rule *r)
{
	unsigned n = 0;

	for (size_t i = 0; i < SECCOMP_TESTS_MAX; i++)
		n += ((uint32_t)r->tests[i].mask ? 1U : 0U) +
		     (r->tests[i].mask >> 32 ? 1U : 0U);
	return n;
}

/* The accumulator holds the number of the call before and after. */
static void put_rule(struct program *p, const struct seccomp_rule *r)
{
	const unsigned halves = count_halves(r);
	/* where the number is loaded again */
	const unsigned end = p->len + 2U + halves * (TEST_MAX / 2);

	put_insn(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->nr, 0,
		 halves ? end - p->len : 1);
	for (size_t i = 0; i < SECCOMP_TESTS_MAX; i++) {
		const struct seccomp_test *t = &r->tests[i];
		const size_t at = offsetof(struct seccomp_data, args) +
				  t->arg * sizeof(uint64_t);

		put_half(p, at + LOW_HALF, (uint32_t)t->mask,
			 (uint32_t)t->value, end);
		put_half(p, at + HIGH_HALF, (uint32_t)(t->mask >> 32),
			 (uint32_t)(t->value >> 32), end);
	}
	put_return(p, r->action);
	if (halves)
		put_load(p, offsetof(struct seccomp_data, nr));
}

static void put_program(struct program *p, const struct seccomp_rule *rules,
			size_t count, enum seccomp_action rest)
{
	put_load(p, offsetof(struct seccomp_data, arch));
	put_insn(p, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
	put_return(p, SECCOMP_DIE);
	put_load(p, offsetof(struct seccomp_data, nr));
	/* x32 calls, for which there are no rules; and -1, by which a tracer
	 * makes a call fail. */
	put_insn(p, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	put_return(p, SECCOMP_UNKNOWN);
	for (size_t i = 0; i < count; i++)
		put_rule(p, &rules[i]);
	put_return(p, rest);
}

int seccomp_is_known(void)
{
	return NATIVE_ARCH != 0;
}

/* flags: of seccomp(2) */
static int filter(const struct seccomp_rule *rules, size_t count,
		  enum seccomp_action rest, unsigned long flags, struct err *e)
{
	struct program p = { NULL, 0 };
	struct sock_fprog prog;
	int rc = 0;

	if (!seccomp_is_known()) {
		struct utsname name = { .machine = "" };

		uname(&name);
		return err_set(e, ERR_RESOURCE,
			       "ferry has no seccomp filter for this processor "
			       "(%s)", name.machine);
	}
	if (count > SECCOMP_RULES_MAX)
		return err_set(e, ERR_INTERNAL, "too many seccomp rules");
	p.code = calloc(count * RULE_MAX + FRAME_MAX, sizeof(*p.code));
	if (!p.code)
		return err_sys(e, ERR_RESOURCE, "seccomp");
	put_program(&p, rules, count, rest);
	prog.len = p.len;
	prog.filter = p.code;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog) != 0)
		rc = err_sys(e, ERR_RESOURCE, "seccomp");
	free(p.code);
	return rc;
}

int seccomp_filter(const struct seccomp_rule *rules, size_t count,
		   enum seccomp_action rest, struct err *e)
{
	return filter(rules, count, rest, SECCOMP_FILTER_FLAG_TSYNC, e);
}

int seccomp_filter_thread(const struct seccomp_rule *rules, size_t count,
			  enum seccomp_action rest, struct err *e)
{
	return filter(rules, count, rest, 0, e);
}
