/*
 * Names beside one that is taken: what they are, and that neither the old nor
 * the new one is ever lost on the way.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/place.h"
#include "fs/trial.h"
#include "../lib/scratch.h"
#include "os_lacks.h"

struct place {
	char path[256];
	int dir;
	struct part_names names;
};

static void make_dir(struct place *p)
{
	p->dir = scratch_make(p->path, sizeof(p->path), "beside");
}

static int remove_dir(struct place *p)
{
	close(p->dir);
	return scratch_remove(p->path);
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	make_dir(p);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	int rc = remove_dir(*state);

	free(*state);
	return rc;
}

/* What a name holds, "" where there is none; a link's target. */
static const char *text_of(int dir, const char *name, char text[64])
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);
	ssize_t n = fd < 0 ? readlinkat(dir, name, text, 63) :
			     read(fd, text, 63);

	text[n < 0 ? 0 : n] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

static void assert_holds(int dir, const char *name, const char *want)
{
	char text[64];

	assert_string_equal(text_of(dir, name, text), want);
}

static int count_names(int dir)
{
	DIR *d = fdopendir(
		openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int n = -2;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* ---- what comes ---- */

enum kind { NAMED, HIDDEN, LINK, KINDS };

struct thing {
	struct part part;
	struct node node;
	struct candidate what;
};

/* LINK has the text as its target.  Returns 0, or -1 where there is no such
 * kind here. */
static int make(struct thing *t, struct place *p, enum kind kind,
		const char *text)
{
	static const struct file_meta meta = { .mode = 0644, .mtime_s = 1000000000,
					.mtime_ns = 5 };
	struct err e;
	int rc;

	memset(t, 0, sizeof(*t));
	t->part.fd = -1;
	if (kind == LINK) {
		t->node = (struct node){ .target = text, .meta = &meta };
		t->what.node = &t->node;
		return 0;
	}
	rc = kind == NAMED ? part_create(&t->part, &p->names, p->dir, &e) :
			     part_create_hidden(&t->part, p->dir, 0644, 0, &e);
	if (rc == ERR_AGAIN)
		return -1;
	assert_int_equal(rc, 0);
	assert_int_equal(part_write(&t->part, text, strlen(text), 0, &e), 0);
	t->what.part = &t->part;
	return 0;
}

static void unmake(struct thing *t, struct place *p)
{
	part_discard(&t->part, p->dir);
}

/* ---- names ---- */

struct name_case {
	const char *name;
	unsigned n;
	const char *want;
};

static void test_names(void **state)
{
	static const struct name_case cases[] = {
		{ "a", 1, "a (1)" },
		{ "a.txt", 2, "a (2).txt" },
		{ "a.b.txt", 999, "a.b (999).txt" },
		{ "a.tar.gz", 1, "a (1).tar.gz" },
		{ "a.tar", 1, "a (1).tar" },
		{ ".tar.gz", 1, ".tar (1).gz" },
		{ "x.tar.gz.tar.xz", 1, "x.tar.gz (1).tar.xz" },
		{ ".x", 1, ".x (1)" },
		{ ".x.conf", 1, ".x (1).conf" },
		{ "..x", 1, "..x (1)" },
		{ "...", 1, "... (1)" },
		{ "a.", 1, "a. (1)" },
		{ "a..b", 1, "a. (1).b" },
		{ "Mr. X", 1, "Mr. X (1)" },
		{ "a.123456789012345", 1, "a (1).123456789012345" },
		{ "a.1234567890123456", 1, "a.1234567890123456 (1)" },
		{ "a (1).txt", 1, "a (1) (1).txt" },
		{ "\xff.\xfe", 1, "\xff (1).\xfe" },
	};
	char out[NAME_COMPONENT_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		place_name(out, cases[i].name, cases[i].n);
		assert_string_equal(out, cases[i].want);
	}
	place_backup_name(out, "a.txt", 0);
	assert_string_equal(out, "a.txt~");
	place_backup_name(out, ".x", 12);
	assert_string_equal(out, ".x~12~");
}

/* A name of len bytes: pad times 'x', then this sequence again and again, and
 * the rest 'x'; the last bytes are tail. */
static void fill(char *name, size_t len, size_t pad, const char *seq,
		 const char *tail)
{
	const size_t n = strlen(seq), end = len - strlen(tail);

	memset(name, 'x', len);
	for (size_t i = pad; i + n <= end; i += n)
		memcpy(name + i, seq, n);
	memcpy(name + end, tail, strlen(tail));
	name[len] = '\0';
}

static int is_utf8_start(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static void check_shortened(const char *name, const char *out,
			    const char *suffix, size_t seq)
{
	const size_t tail = strlen(suffix), len = strlen(out), stem = len - tail;

	assert_true(len <= NAME_COMPONENT_MAX);
	assert_true(len + seq > NAME_COMPONENT_MAX);
	assert_string_equal(out + stem, suffix);
	assert_memory_equal(out, name, stem);
	assert_true(is_utf8_start(name[stem]));
}

static void test_long_names(void **state)
{
	static const char *const seqs[] = { "a", "\xc3\xa4", "\xe2\x82\xac",
					    "\xf0\x9f\x98\x80" };
	char name[NAME_COMPONENT_MAX + 1], out[NAME_COMPONENT_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
		const size_t n = strlen(seqs[i]);

		for (size_t pad = 0; pad < 5; pad++) {
			fill(name, NAME_COMPONENT_MAX, pad, seqs[i], ".tar.gz");
			place_name(out, name, 12);
			check_shortened(name, out, " (12).tar.gz", n);
			place_backup_name(out, name, 0);
			check_shortened(name, out, "~", n);
			fill(name, NAME_COMPONENT_MAX, pad, seqs[i], "");
			place_backup_name(out, name, 999);
			check_shortened(name, out, "~999~", n);
		}
	}
	/* what is not UTF-8 is cut anywhere, and not to nothing */
	memset(name, 0x80, NAME_COMPONENT_MAX);
	place_name(out, name, 1);
	assert_int_equal(strlen(out), NAME_COMPONENT_MAX);
	/* one that just fits is left alone */
	fill(name, NAME_COMPONENT_MAX - 4, 0, "a", ".b");
	place_name(out, name, 1);
	assert_int_equal(strlen(out), NAME_COMPONENT_MAX);
}

/* ---- backup ---- */

static void test_backup(void **state)
{
	struct place *p = *state;
	struct thing t;
	struct err e;

	for (enum kind kind = 0; kind < KINDS; kind++) {
		assert_int_equal(remove_dir(p), 0);
		make_dir(p);
		put_file(p->dir, "f", "one");
		put_file(p->dir, "f~1~", "taken");
		if (make(&t, p, kind, "two") == 0) {
			assert_int_equal(place_backup(&t.what, p->dir, "f",
						       &e), 0);
			unmake(&t, p);
			make(&t, p, kind, "three");
			assert_int_equal(place_backup(&t.what, p->dir, "f",
						       &e), 0);
			unmake(&t, p);
			assert_holds(p->dir, "f", "three");
			assert_holds(p->dir, "f~", "one");
			assert_holds(p->dir, "f~1~", "taken");
			assert_holds(p->dir, "f~2~", "two");
			assert_int_equal(count_names(p->dir), 4);
		}
	}
}

static void test_backup_of_nothing(void **state)
{
	struct place *p = *state;
	struct thing t;
	struct err e;

	for (enum kind kind = 0; kind < KINDS; kind++) {
		if (make(&t, p, kind, "new"))
			continue;
		/* it went before its turn came */
		assert_int_equal(place_backup(&t.what, p->dir, "f", &e), 0);
		unmake(&t, p);
		assert_holds(p->dir, "f", "new");
		assert_int_equal(count_names(p->dir), 1);
		assert_int_equal(unlinkat(p->dir, "f", 0), 0);
	}
}

static void test_backup_of_odd_things(void **state)
{
	struct place *p = *state;
	struct thing t;
	struct err e;

	assert_int_equal(mkdirat(p->dir, "d", 0755), 0);
	put_file(p->dir, "victim", "untouched");
	assert_int_equal(symlinkat("victim", p->dir, "l"), 0);
	assert_int_equal(mkfifoat(p->dir, "fifo", 0600), 0);
	for (enum kind kind = 0; kind < KINDS; kind++) {
		if (make(&t, p, kind, "new"))
			continue;
		assert_int_equal(place_backup(&t.what, p->dir, "d", &e),
				 ERR_LOCAL);
		assert_int_equal(e.sys_errno, EISDIR);
		unmake(&t, p);
		assert_int_equal(count_names(p->dir), 4);
	}
	make(&t, p, NAMED, "new");
	assert_int_equal(place_backup(&t.what, p->dir, "l", &e), 0);
	make(&t, p, NAMED, "new");
	assert_int_equal(place_backup(&t.what, p->dir, "fifo", &e), 0);
	assert_holds(p->dir, "l", "new");
	assert_holds(p->dir, "l~", "victim"); /* the link itself */
	assert_holds(p->dir, "victim", "untouched");
	assert_holds(p->dir, "fifo", "new");
	assert_int_equal(faccessat(p->dir, "d", F_OK, 0), 0);
}

static void test_all_taken(void **state)
{
	struct place *p = *state;
	char name[NAME_COMPONENT_MAX + 1];
	struct thing t;
	struct err e;

	put_file(p->dir, "f", "old");
	for (unsigned n = 0; n < PLACE_TRIES; n++) {
		place_backup_name(name, "f", n);
		put_file(p->dir, name, "");
	}
	make(&t, p, NAMED, "new");
	assert_int_equal(place_backup(&t.what, p->dir, "f", &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, EEXIST);
	unmake(&t, p);
	assert_holds(p->dir, "f", "old");
	assert_int_equal(count_names(p->dir), PLACE_TRIES + 1);
}

/* ---- several at once ---- */

enum { RACERS = 4, ROUNDS = 50 };

struct racer {
	struct thing t;
	int dir;
	pthread_barrier_t *barrier;
	int rc;
	struct err e;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(r->barrier);
	r->rc = place_backup(&r->t.what, r->dir, "f", &r->e);
	return NULL;
}

/* Whether all that came, and what was there, is under one of the names. */
static int are_all_there(int dir)
{
	int seen[RACERS + 1] = { 0 };
	char name[NAME_COMPONENT_MAX + 1] = "f", text[64];

	for (unsigned n = 0; n <= RACERS; n++) {
		unsigned which = (unsigned)(*text_of(dir, name, text) - '0');

		if (which > RACERS || seen[which] ||
		    unlinkat(dir, name, 0) < 0)
			return 0;
		seen[which] = 1;
		place_backup_name(name, "f", n);
	}
	return count_names(dir) == 0;
}

/* known: as exchanges of struct candidate.  Returns whether nothing was lost.
 * Also for a child process, where a failing assertion would go on with the next
 * test. */
static int race_in_rounds(struct place *p, int known)
{
	static const char *const texts[] = { "1", "2", "3", "4" };
	pthread_barrier_t barrier;
	struct racer r[RACERS];
	pthread_t threads[RACERS];
	atomic_int exchanges = known;
	int is_good = pthread_barrier_init(&barrier, NULL, RACERS) == 0;

	for (int round = 0; is_good && round < ROUNDS; round++) {
		put_file(p->dir, "f", "0");
		for (int i = 0; i < RACERS; i++) {
			if (make(&r[i].t, p, i % 2 ? HIDDEN : NAMED, texts[i]))
				make(&r[i].t, p, NAMED, texts[i]);
			r[i].t.what.exchanges = &exchanges;
			r[i].dir = p->dir;
			r[i].barrier = &barrier;
			if (pthread_create(&threads[i], NULL, race, &r[i]))
				abort();
		}
		for (int i = 0; i < RACERS; i++) {
			pthread_join(threads[i], NULL);
			is_good = is_good && r[i].rc == 0;
			unmake(&r[i].t, p);
		}
		is_good = is_good && are_all_there(p->dir);
	}
	pthread_barrier_destroy(&barrier);
	return is_good;
}

static void test_race(void **state)
{
	assert_true(race_in_rounds(*state, 0));
}

/* ---- without some system calls, and deaths in between ---- */

struct rule {
	long nr;
	int has_flags; /* the fifth argument is to be these, */
	uint32_t flags;
	uint32_t action;
};

#define DENY(error) (SECCOMP_RET_ERRNO | (uint32_t)(error))

/* Of this process and for good. */
static int filter(const struct rule *r)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->nr, 0, 4),
		BPF_JUMP(BPF_JMP | BPF_JA, r->has_flags ? 0 : 2, 0, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[4])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->flags, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, r->action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

enum { NO_FILTER = 77 };

struct fallback {
	struct rule rules[2];
	size_t count;
	int is_tried; /* that names can be exchanged was found before */
	int want;
};

/* "new" comes where "f" is, in a process under these rules.  Returns its exit
 * status: 0, an errno, NO_FILTER; or -1 for a death. */
static int run_filtered(struct place *p, enum kind kind,
			const struct fallback *c)
{
	struct thing t;
	pid_t child;
	int status;

	if (make(&t, p, kind, "new"))
		return NO_FILTER;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct err e;

		err_clear(&e);
		atomic_int exchanges = c->is_tried;

		t.what.exchanges = &exchanges;
		for (size_t i = 0; i < c->count; i++) {
			if (filter(&c->rules[i]))
				_exit(NO_FILTER);
		}
		if (place_backup(&t.what, p->dir, "f", &e) == 0)
			_exit(0);
		_exit(e.sys_errno);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	unmake(&t, p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* How libc's renameat() renames. */
#ifdef SYS_renameat
#define PLAIN_RENAME SYS_renameat, 0, 0
#else
#define PLAIN_RENAME SYS_renameat2, 1, 0
#endif

static const struct rule no_exchange = { SYS_renameat2, 1, RENAME_EXCHANGE,
					 DENY(EINVAL) };
static const struct rule no_flags = { SYS_renameat2, 0, 0, DENY(ENOSYS) };
static const struct rule no_link = { SYS_linkat, 0, 0, DENY(EPERM) };

static void test_fallbacks(void **state)
{
	const int exchanges = !os_lacks("exchange of names");
	const struct fallback cases[] = {
		{ { no_exchange }, 1, 0, 0 },
		{ { no_flags }, 1, 0, 0 },
		{ { no_exchange }, 1, 1, 0 },
		{ { no_exchange, no_link }, 2, 0, 0 },
		{ { no_flags, no_link }, 2, 0, 0 },
		/* any other failure is not papered over */
		{ { { SYS_renameat2, 1, RENAME_EXCHANGE, DENY(EIO) } }, 1, 1,
		  exchanges ? EIO : 0 },
		{ { no_exchange, { PLAIN_RENAME, DENY(EIO) } }, 2, 0,
		  EIO },
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct fallback *c = &cases[i];

		for (enum kind kind = 0; kind < KINDS; kind++) {
			int got;

			assert_int_equal(remove_dir(p), 0);
			make_dir(p);
			put_file(p->dir, "f", "old");
			got = run_filtered(p, kind, c);
			if (got == NO_FILTER)
				continue;
			assert_int_equal(got, c->want);
			assert_holds(p->dir, "f", got ? "old" : "new");
			if (got == 0)
				assert_holds(p->dir, "f~", "old");
			assert_int_equal(count_names(p->dir), got ? 1 : 2);
		}
	}
}

/* Sessions of one receiver, and other receivers, with the same name. */
static void test_race_without_exchange(void **state)
{
	const pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (filter(&no_exchange))
			_exit(NO_FILTER);
		_exit(!race_in_rounds(*state, -1));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_FILTER)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_fallback_leaves_directories(void **state)
{
	const struct fallback c = { { no_exchange }, 1, 0, EISDIR };
	struct place *p = *state;

	assert_int_equal(mkdirat(p->dir, "f", 0755), 0);
	for (enum kind kind = 0; kind < KINDS; kind++) {
		int got = run_filtered(p, kind, &c);

		if (got == NO_FILTER)
			continue;
		assert_int_equal(got, EISDIR);
		assert_int_equal(count_names(p->dir), 1);
	}
	assert_int_equal(unlinkat(p->dir, "f", AT_REMOVEDIR), 0);
}

static void test_death(void **state)
{
	const struct rule die_exchange = { SYS_renameat2, 1, RENAME_EXCHANGE,
					   SECCOMP_RET_KILL_PROCESS };
	const struct rule die_rename = { PLAIN_RENAME,
					 SECCOMP_RET_KILL_PROCESS };
	const struct fallback cases[] = {
		{ { no_exchange, die_rename }, 2, 0, -1 },
		{ { die_exchange }, 1, 1, -1 },
	};
	const size_t count = os_lacks("exchange of names") ? 1 : 2;
	struct place *p = *state;

	for (size_t i = 0; i < count; i++) {
		for (enum kind kind = 0; kind < KINDS; kind++) {
			int got;

			assert_int_equal(remove_dir(p), 0);
			make_dir(p);
			put_file(p->dir, "f", "old");
			got = run_filtered(p, kind, &cases[i]);
			if (got == NO_FILTER)
				continue;
			assert_int_equal(got, -1);
			assert_holds(p->dir, "f", "old");
			assert_holds(p->dir, "f~", "new");
		}
	}
}

/* How many entries the directory has. */
static int count_in(int dir)
{
	return count_entries(fdopendir(openat(dir, ".", O_RDONLY))) - 2;
}

static void make_all_trials(int dir)
{
	(void)trial_exchange(dir);
	(void)trial_time_unit(dir);
	(void)trial_name(dir, "x:y");
	(void)trial_folding(dir);
}

/* What libc's fstatat() calls; on 32-bit processors for the sake of the
 * times. */
#ifdef SYS_newfstatat
enum { CALL_FSTATAT = SYS_newfstatat };
#else
enum { CALL_FSTATAT = SYS_statx };
#endif

/* Nothing is left where a call fails, if only at the close of what was made. */
static void trials_with_failing_calls(void **state)
{
	static const struct rule rules[] = {
		{ SYS_close, 0, 0, DENY(ENOSPC) },
		{ SYS_renameat2, 0, 0, DENY(EIO) },
		{ SYS_utimensat, 0, 0, DENY(EPERM) },
		{ SYS_flock, 0, 0, DENY(ENOLCK) },
		{ SYS_getdents64, 0, 0, DENY(EIO) },
		{ CALL_FSTATAT, 0, 0, DENY(EIO) },
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0) {
			if (filter(&rules[i]))
				_exit(NO_FILTER);
			make_all_trials(p->dir);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(count_in(p->dir), 0);
	}
}

/* Whatever the moment in which a process is killed, the next trial leaves
 * nothing behind, and has the same result. */
static void trials_that_are_killed(void **state)
{
	const int exchanges = !os_lacks("exchange of names");
	struct place *p = *state;
	int left = 0;

	for (unsigned i = 0; i < 60; i++) {
		int begun[2];
		char byte;
		pid_t pid;

		assert_int_equal(pipe(begun), 0);
		pid = fork();
		if (pid == 0) {
			make_all_trials(p->dir);
			(void)!write(begun[1], "", 1);
			for (;;)
				make_all_trials(p->dir);
		}
		assert_true(pid > 0);
		assert_int_equal(read(begun[0], &byte, 1), 1);
		close(begun[0]);
		close(begun[1]);
		usleep(37 * i);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		left += count_in(p->dir) > 0;
		assert_int_equal(trial_exchange(p->dir), exchanges);
		assert_int_equal(trial_folding(p->dir), 0);
		assert_int_equal(count_in(p->dir), 0);
	}
	assert_true(left > 0);
}

static void *make_trials(void *ctx)
{
	const int exchanges = !os_lacks("exchange of names");
	const struct place *p = ctx;

	for (unsigned i = 0; i < 200; i++) {
		if (trial_exchange(p->dir) != exchanges || trial_folding(p->dir) != 0)
			return NULL;
	}
	return ctx;
}

/* Trials at the same time do not disturb one another. */
static void trials_in_several_threads(void **state)
{
	struct place *p = *state;
	pthread_t threads[4];

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, make_trials,
						p), 0);
	for (size_t i = 0; i < 4; i++) {
		void *ok;

		pthread_join(threads[i], &ok);
		assert_non_null(ok);
	}
	assert_int_equal(count_in(p->dir), 0);
}

/* Not what is no trial's: a name of ours that another process has taken. */
static void names_of_trials_that_are_taken(void **state)
{
	const int exchanges = !os_lacks("exchange of names");
	struct place *p = *state;
	char name[NAME_PART_MAX];

	part_tag_name(name, UINT64_C(0x747269616c732e2e), "new");
	assert_int_equal(mkdirat(p->dir, name, 0700), 0);
	assert_int_equal(mkdirat(p->dir, "d", 0700), 0);
	assert_int_equal(renameat(p->dir, "d", openat(p->dir, name, O_RDONLY),
				  "sub"), 0);
	assert_int_equal(trial_exchange(p->dir), exchanges);
	assert_int_equal(count_in(p->dir), 1);
	part_tag_name(name, UINT64_C(0x747269616c732e2e) + 1, "new");
	assert_int_equal(symlinkat(".", p->dir, name), 0);
	assert_int_equal(trial_exchange(p->dir), exchanges);
	assert_int_equal(count_in(p->dir), 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_long_names),
		TEST(test_backup),
		TEST(test_backup_of_nothing),
		TEST(test_backup_of_odd_things),
		TEST(test_all_taken),
		TEST(test_race),
		TEST(test_race_without_exchange),
		TEST(test_fallbacks),
		TEST(test_fallback_leaves_directories),
		TEST(test_death),
		TEST(trials_with_failing_calls),
		TEST(trials_that_are_killed),
		TEST(trials_in_several_threads),
		TEST(names_of_trials_that_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
