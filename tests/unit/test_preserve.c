/*
 * Metadata beside mode and time: the bytes of its fields, users and groups by
 * their names, and what is read from one file, set on another and compared.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/scratch.h"
#include "os_lacks.h"

#include "os/ids.h"
#include "fs/preserve.h"
#include "sandbox/seccomp.h"

#define BASIC "\0\0\1\xa4" "\0\0\0\0\0\0\0\1" "\0\0\0\2"

/* ---- fields ---- */

static int is_good(const char *fields, size_t n)
{
	struct file_meta m;
	struct buf b;
	struct rd r;
	int ok;

	buf_init(&b, FILE_META_MAX);
	buf_put(&b, BASIC, FILE_META_BASIC_SIZE);
	buf_put_u16(&b, (uint16_t)n);
	buf_put(&b, fields, n);
	rd_init(&r, b.data, b.len);
	ok = file_meta_get(&r, &m, FILE_META_EXTENDED) && rd_at_end(&r);
	buf_release(&b);
	return ok;
}

#define FIELDS(text) (text), sizeof(text) - 1

static void fields_that_are_malformed_are_refused(void **state)
{
	static const struct {
		const char *fields;
		size_t n;
		int is_good;
	} cases[] = {
		/* owner */
		{ FIELDS("\1\0\x0b" "\1\0\0\3\xe8\0\0\0\7" "\0" "\0"), 1 },
		{ FIELDS("\1\0\x0e" "\0\0\0\3\xe8\0\0\0\7" "\1a" "\2bc"), 1 },
		{ FIELDS("\1\0\x0b" "\2\0\0\3\xe8\0\0\0\7" "\0" "\0"), 0 },
		{ FIELDS("\1\0\x0b" "\1\xff\xff\xff\xff\0\0\0\7" "\0" "\0"), 0 },
		{ FIELDS("\1\0\x0b" "\1\0\0\0\7\xff\xff\xff\xff" "\0" "\0"), 0 },
		{ FIELDS("\1\0\x0c" "\1\0\0\3\xe8\0\0\0\7" "\1\0" "\0"), 0 },
		{ FIELDS("\1\0\x0c" "\1\0\0\3\xe8\0\0\0\7" "\0" "\0x"), 0 },
		{ FIELDS("\1\0\x0b" "\1\0\0\3\xe8\0\0\0\7" "\2a" ""), 0 },
		{ FIELDS("\1\0\0"), 0 },
		/* set-ID bits */
		{ FIELDS("\2\0\0"), 1 },
		{ FIELDS("\2\0\1x"), 0 },
		/* ACLs: none; the three; with a mask and a user */
		{ FIELDS("\3\0\0"), 1 },
		{ FIELDS("\3\0\6" "\1\7" "\3\5" "\6\0"), 1 },
		{ FIELDS("\3\0\x10" "\1\7" "\2\6\0\0\0\1\1a" "\3\5" "\5\7" "\6\0"),
		  1 },
		{ FIELDS("\3\0\x0f" "\1\7" "\2\6\0\0\0\1\1a" "\3\5" "\5\7" "\6\0"),
		  0 }, /* an entry that ends after the value */
		{ FIELDS("\3\0\x11" "\1\7" "\2\6\0\0\0\1\2ab" "\3\5" "\5\7" "\6\0"),
		  1 },
		{ FIELDS("\3\0\4" "\1\7" "\3\5"), 0 },
		{ FIELDS("\3\0\6" "\3\7" "\1\5" "\6\0"), 0 },
		{ FIELDS("\3\0\x8" "\1\7" "\1\7" "\3\5" "\6\0"), 0 },
		{ FIELDS("\3\0\6" "\1\x8" "\3\5" "\6\0"), 0 },
		{ FIELDS("\3\0\x8" "\1\7" "\3\5" "\6\0" "\7\0"), 0 },
		{ FIELDS("\3\0\x8" "\0\7" "\1\7" "\3\5" "\6\0"), 0 },
		{ FIELDS("\3\0\7" "\1\7" "\3\5" "\6\0" "\6"), 0 },
		{ FIELDS("\4\0\x0d" "\1\7" "\2\6\xff\xff\xff\xff\0" "\3\5" "\6\0"),
		  0 },
		/* attributes */
		{ FIELDS("\5\0\1\x8"), 1 },
		{ FIELDS("\5\0\0"), 0 },
		{ FIELDS("\5\0\1\0"), 0 },
		{ FIELDS("\5\0\1\x48"), 0 },
		{ FIELDS("\5\0\x0b\x8" "\6user.a" "\0\1v"), 1 },
		{ FIELDS("\5\0\x0a\x8" "\6user.a" "\0\0"), 1 },
		{ FIELDS("\5\0\x0b\x8" "\6user.a" "\0\2v"), 0 },
		{ FIELDS("\5\0\x09\x8" "\5user." "\0\0"), 0 },
		{ FIELDS("\5\0\x0b\x8" "\7user.a\0" "\0\0"), 0 },
		{ FIELDS("\5\0\x0d\x8" "\x9trusted.a" "\0\0"), 0 },
		{ FIELDS("\5\0\x0d\x28" "\x9trusted.a" "\0\0"), 1 },
		{ FIELDS("\5\0\x17\x10" "\x13security.capability" "\0\0"), 1 },
		{ FIELDS("\5\0\x14\x38" "\x10security.selinux" "\0\0"), 0 },
		{ FIELDS("\5\0\x1b\x38" "\x17system.posix_acl_access" "\0\0"), 0 },
		/* in order, none twice */
		{ FIELDS("\5\0\x13\x8" "\6user.a" "\0\0" "\6user.b" "\0\0"), 1 },
		{ FIELDS("\5\0\x13\x8" "\6user.b" "\0\0" "\6user.a" "\0\0"), 0 },
		{ FIELDS("\5\0\x13\x8" "\6user.a" "\0\0" "\6user.a" "\0\0"), 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (is_good(cases[i].fields, cases[i].n) != cases[i].is_good)
			print_error("case %zu\n", i);
		assert_int_equal(is_good(cases[i].fields, cases[i].n),
				 cases[i].is_good);
	}
}

static void what_a_field_needs(void **state)
{
	static const struct {
		const char *fields;
		size_t n;
		unsigned needs;
	} cases[] = {
		{ FIELDS("\1\0\x0b" "\1\0\0\3\xe8\0\0\0\7" "\0" "\0"),
		  PRESERVE_OWNER },
		{ FIELDS("\1\0\x0b" "\0\0\0\3\xe8\0\0\0\7" "\0" "\0" "\2\0\0"),
		  PRESERVE_SETID },
		{ FIELDS("\3\0\0" "\5\0\1\x28"),
		  PRESERVE_ACL | PRESERVE_XATTR | PRESERVE_TRUSTED },
		{ FIELDS("\4\0\0"), PRESERVE_ACL },
		{ FIELDS("\6\0\0"), PRESERVE_HARDLINKS },
		{ FIELDS("\x1f\0\0"), 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct file_meta m;
		struct buf b;
		struct rd r;

		buf_init(&b, FILE_META_MAX);
		buf_put(&b, BASIC, FILE_META_BASIC_SIZE);
		buf_put_u16(&b, (uint16_t)cases[i].n);
		buf_put(&b, cases[i].fields, cases[i].n);
		rd_init(&r, b.data, b.len);
		assert_true(file_meta_get(&r, &m, FILE_META_EXTENDED));
		assert_int_equal(file_meta_needs(&m), cases[i].needs);
		buf_release(&b);
	}
}

/* ---- users and groups ---- */

static uint32_t map(struct ids *ids, enum ids_kind kind, uint32_t id,
		    const char *name)
{
	const struct file_meta_id theirs = { id, name, (uint8_t)strlen(name) };

	return ids_map(ids, kind, &theirs);
}

static void names_and_numbers(void **state)
{
	char name[FILE_META_NAME_MAX + 1], many[16];
	struct ids *ids;
	struct err e;

	(void)state;
	ids = ids_start(NULL, NULL, &e);
	assert_non_null(ids);
	/* more than are remembered, each twice */
	for (unsigned i = 0; i < 1200; i++) {
		snprintf(many, sizeof(many), "no-%u", i / 2);
		assert_int_equal(map(ids, IDS_USER, 70000 + i, many),
				 70000 + i);
	}
	ids_name(ids, IDS_USER, 0, name);
	assert_string_equal(name, "root");
	ids_name(ids, IDS_GROUP, 0, name);
	assert_string_equal(name, "root");
	ids_name(ids, IDS_USER, 3999999999, name);
	assert_string_equal(name, "");
	/* a number of another host, by its name here */
	assert_int_equal(map(ids, IDS_USER, 12345, "daemon"), 1);
	assert_int_equal(map(ids, IDS_USER, 12345, "daemon"), 1);
	assert_int_equal(map(ids, IDS_GROUP, 12345, "daemon"), 1);
	assert_int_equal(map(ids, IDS_USER, 12345, ""), 12345);
	/* never root by mistake, nor anybody else where it is root */
	assert_int_equal(map(ids, IDS_USER, 12345, "root"), 12345);
	assert_int_equal(map(ids, IDS_GROUP, 12345, "root"), 12345);
	assert_int_equal(map(ids, IDS_USER, 0, "daemon"), 0);
	/* by numbers */
	assert_int_equal(map(NULL, IDS_USER, 12345, "daemon"), 12345);
	ids_name(NULL, IDS_USER, 0, name);
	assert_string_equal(name, "");
	ids_stop(ids);
}

/* ---- from one file to another ---- */

struct place {
	char path[128];
	int dir, from, to;
};

static int set_up(void **state)
{
	static struct place p;

	p.dir = scratch_make(p.path, sizeof(p.path), "preserve");
	p.from = openat(p.dir, "from", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	p.to = openat(p.dir, "to", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(p.from >= 0 && p.to >= 0);
	*state = &p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	close(p->from);
	close(p->to);
	close(p->dir);
	scratch_remove(p->path);
	return 0;
}

/* The metadata of p->from, in b. */
static struct file_meta read_meta(const struct place *p,
				  const struct preserve *how, struct buf *b,
				  size_t room, unsigned *lost)
{
	struct file_meta m, basic;
	struct stat st;
	struct buf fields;
	struct rd r;
	struct err e;

	assert_int_equal(fstat(p->from, &st), 0);
	buf_init(&fields, 1 << 20);
	*lost = 0;
	assert_int_equal(preserve_read(how, p->from, &st, room, &fields, lost,
				       &e), 0);
	assert_true(fields.len <= room);
	basic = file_meta_of_stat(&st);
	basic.fields = fields.data;
	basic.fields_len = (uint16_t)fields.len;
	buf_init(b, FILE_META_MAX);
	file_meta_put(b, &basic, FILE_META_EXTENDED);
	buf_release(&fields);
	rd_init(&r, b->data, b->len);
	assert_true(file_meta_get(&r, &m, FILE_META_EXTENDED));
	assert_true(rd_at_end(&r));
	return m;
}

static unsigned differs(const struct place *p, const struct preserve *how,
			const struct file_meta *m)
{
	struct stat st;

	assert_int_equal(fstat(p->to, &st), 0);
	return preserve_differs(how, p->to, &st, m);
}

/* Give the file an ACL: user::rw- user:N:r-x group::r-- mask::rwx other::---.
 * N is this user, as a user namespace may have no other. */
static void set_acl(int fd)
{
	uint8_t acl[] =
		"\2\0\0\0" "\1\0\6\0\xff\xff\xff\xff" "\2\0\5\0uid-"
		"\4\0\4\0\xff\xff\xff\xff" "\x10\0\7\0\xff\xff\xff\xff"
		"\x20\0\0\0\xff\xff\xff\xff";

	for (unsigned i = 0; i < 4; i++) /* little-endian */
		acl[16 + i] = (uint8_t)(geteuid() >> 8 * i);
	if (fsetxattr(fd, "system.posix_acl_access", acl, sizeof(acl) - 1, 0)) {
		assert_int_equal(errno, EOPNOTSUPP);
		skip();
	}
}

static void what_was_read_is_set_and_compared(void **state)
{
	const struct preserve how = {
		.kinds = PRESERVE_OWNER | PRESERVE_SETID | PRESERVE_ACL |
			 PRESERVE_XATTR,
	};
	struct place *p = *state;
	struct file_meta m;
	struct buf b;
	struct err e;
	unsigned lost;
	int wants_mode;

	skip_without("ACLs and extended attributes");
	if (fsetxattr(p->from, "user.b", "value", 5, 0) < 0 &&
	    errno == EOPNOTSUPP)
		skip();
	assert_int_equal(fsetxattr(p->from, "user.a", "", 0, 0), 0);
	set_acl(p->from);
	assert_int_equal(fchmod(p->from, 04770), 0);
	m = read_meta(p, &how, &b, FILE_META_FIELDS_MAX, &lost);
	assert_int_equal(lost, 0);
	assert_int_equal(file_meta_needs(&m), how.kinds);
	assert_int_equal(differs(p, &how, &m),
			 FILE_META_SETID | FILE_META_ACL | FILE_META_XATTR);
	/* what the item does not have goes */
	assert_int_equal(fsetxattr(p->to, "user.z", "old", 3, 0), 0);
	assert_int_equal(preserve_set(&how, p->to, &m, 0, &wants_mode, &e), 0);
	assert_true(wants_mode);
	lost = 0;
	assert_int_equal(preserve_mode(&how, p->to, &m, &lost), 04770);
	assert_int_equal(lost, 0);
	assert_int_equal(fchmod(p->to, 04770), 0);
	assert_int_equal(differs(p, &how, &m), 0);
	/* one difference each */
	assert_int_equal(fsetxattr(p->to, "user.z", "new", 3, 0), 0);
	assert_int_equal(differs(p, &how, &m), FILE_META_XATTR);
	assert_int_equal(fremovexattr(p->to, "user.z"), 0);
	assert_int_equal(fsetxattr(p->to, "user.b", "valuE", 5, 0), 0);
	assert_int_equal(differs(p, &how, &m), FILE_META_XATTR);
	assert_int_equal(fsetxattr(p->to, "user.b", "value", 5, 0), 0);
	assert_int_equal(fremovexattr(p->to, "user.a"), 0);
	assert_int_equal(differs(p, &how, &m), FILE_META_XATTR);
	assert_int_equal(fsetxattr(p->to, "user.a", "", 0, 0), 0);
	assert_int_equal(differs(p, &how, &m), 0);
	assert_int_equal(fchmod(p->to, 04750), 0);
	assert_int_equal(differs(p, &how, &m), FILE_META_ACL);
	buf_release(&b);
	/* an ACL that the item does not have goes, too */
	assert_int_equal(fremovexattr(p->from, "system.posix_acl_access"), 0);
	m = read_meta(p, &how, &b, FILE_META_FIELDS_MAX, &lost);
	assert_true(differs(p, &how, &m) & FILE_META_ACL);
	assert_int_equal(preserve_set(&how, p->to, &m, 0, &wants_mode, &e), 0);
	assert_int_equal(differs(p, &how, &m) & FILE_META_ACL, 0);
	buf_release(&b);
}

/* Whether the file "from" is bare, and what a symlink to it leads to. */
static int is_bare(const struct place *p, unsigned kinds)
{
	char dir[64];
	int fd, bare;

	snprintf(dir, sizeof(dir), "/proc/self/fd/%d", p->from);
	fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	bare = preserve_is_bare(kinds, fd, strrchr(dir, '/') + 1, 1);
	close(fd);
	return bare;
}

static void what_is_bare_need_not_be_opened(void **state)
{
	const struct preserve how = { .kinds = PRESERVE_ACL | PRESERVE_XATTR };
	struct place *p = *state;
	struct file_meta m;
	struct stat st;
	struct buf b;
	unsigned lost;

	skip_without("ACLs and extended attributes");
	assert_true(is_bare(p, how.kinds));
	m = read_meta(p, &how, &b, FILE_META_FIELDS_MAX, &lost);
	assert_int_equal(fstat(p->to, &st), 0);
	assert_int_equal(preserve_differs(&how, PRESERVE_BARE, &st, &m), 0);
	assert_int_equal(preserve_differs(&how, PRESERVE_CLOSED, &st, &m),
			 FILE_META_ACL | FILE_META_XATTR);
	buf_release(&b);
	if (fsetxattr(p->from, "user.a", "1", 1, 0) < 0)
		skip();
	assert_false(is_bare(p, how.kinds));
	assert_true(is_bare(p, PRESERVE_ACL));
	set_acl(p->from);
	assert_false(is_bare(p, PRESERVE_ACL));
	assert_true(is_bare(p, PRESERVE_CAPABILITY));
	m = read_meta(p, &how, &b, FILE_META_FIELDS_MAX, &lost);
	assert_int_equal(preserve_differs(&how, PRESERVE_BARE, &st, &m),
			 FILE_META_ACL | FILE_META_XATTR);
	buf_release(&b);
	/* what is not there may have anything */
	assert_false(preserve_is_bare(how.kinds, AT_FDCWD, "/nonexistent", 0));
}

/* Linux before 6.13 has no listxattrat(). */
static void an_older_kernel_is_asked_by_path(void **state)
{
	const struct seccomp_rule rule = { .nr = 465,
					   .action = SECCOMP_UNKNOWN };
	struct place *p = *state;
	int status;
	pid_t pid;

	if (!seccomp_is_known() ||
	    fsetxattr(p->from, "user.a", "1", 1, 0) < 0)
		skip();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err e;

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    seccomp_filter(&rule, 1, SECCOMP_ALLOW, &e))
			_exit(77);
		_exit(is_bare(p, PRESERVE_XATTR) == 0 &&
		      is_bare(p, PRESERVE_ACL) == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* What does not fit is left out, and said. */
static void there_is_room_for_some(void **state)
{
	static char value[2000];
	const struct preserve how = { .kinds = PRESERVE_OWNER |
					       PRESERVE_XATTR };
	struct place *p = *state;
	struct file_meta m;
	struct buf b;
	unsigned lost;
	struct rd r;

	skip_without("ACLs and extended attributes");
	if (fsetxattr(p->from, "user.large", value, sizeof(value), 0) < 0)
		skip();
	assert_int_equal(fsetxattr(p->from, "user.small", "x", 1, 0), 0);
	m = read_meta(p, &how, &b, 100, &lost);
	assert_int_equal(lost, FILE_META_XATTR);
	assert_int_equal(file_meta_xattrs(&m, &r), PRESERVE_XATTR);
	assert_int_equal(r.left, 14);
	buf_release(&b);
	m = read_meta(p, &how, &b, 3000, &lost);
	assert_int_equal(lost, 0);
	buf_release(&b);
}

/* A set-ID bit is for the user it was made for. */
static void set_id_bits_need_the_owner(void **state)
{
	const struct preserve how = { .kinds = PRESERVE_SETID };
	struct place *p = *state;
	struct file_meta_owner o = {
		.user = { .id = geteuid() + 1, .name = "" },
		.group = { .id = getegid(), .name = "" },
	};
	struct file_meta m = { .mode = 07711 };
	unsigned lost = 0;
	struct stat st;
	struct buf b;

	assert_int_equal(fstat(p->to, &st), 0);
	o.group.id = st.st_gid;
	buf_init(&b, 100);
	file_meta_put_owner(&b, &o);
	file_meta_put_field(&b, FILE_META_TAG_SETID, 0);
	m.fields = b.data;
	m.fields_len = (uint16_t)b.len;
	m.further = 1 << FILE_META_TAG_OWNER | 1 << FILE_META_TAG_SETID;
	assert_int_equal(preserve_mode(&how, p->to, &m, &lost), 03711);
	assert_int_equal(lost, FILE_META_SETID);
	/* nor without saying whose it is */
	m.further = 1 << FILE_META_TAG_SETID;
	lost = 0;
	assert_int_equal(preserve_mode(&how, p->to, &m, &lost), 01711);
	assert_int_equal(lost, FILE_META_SETID);
	/* and not where it was not asked for */
	m.further = 0;
	lost = 0;
	assert_int_equal(preserve_mode(&how, p->to, &m, &lost), 0711);
	assert_int_equal(preserve_mode(NULL, p->to, &m, &lost), 0711);
	assert_int_equal(lost, 0);
	buf_release(&b);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_that_are_malformed_are_refused),
		cmocka_unit_test(what_a_field_needs),
		cmocka_unit_test(names_and_numbers),
		TEST(what_was_read_is_set_and_compared),
		TEST(what_is_bare_need_not_be_opened),
		TEST(an_older_kernel_is_asked_by_path),
		TEST(there_is_room_for_some),
		TEST(set_id_bits_need_the_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
