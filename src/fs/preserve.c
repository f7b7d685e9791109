/*
 * Owner, set-ID bits, ACLs and extended attributes of what is open.
 *
 * ACLs are read and set in the form of the attributes system.posix_acl_*: a
 * header and entries of fixed size, in little-endian order, which the kernel
 * has kept since Linux 2.6 (linux/posix_acl_xattr.h).  libacl would parse the
 * same bytes, into a form that then had to be taken apart again for the wire.
 */
#include "fs/preserve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/user.h"
#include "os/attr_names.h"
#include "os/ids.h"
#include "os/xattr.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

enum {
	LIST_MAX = 65536,  /* bytes of a list of names: XATTR_LIST_MAX, */
	FEW = 1024,        /* of almost all lists */
	VALUE_MAX = 65536, /* and of a value: XATTR_SIZE_MAX */
	/* Attributes of one item; what the kernel allows beyond that is left
	 * out and told. */
	XATTRS_MAX = 512,
	ACL_HEADER = 4,
	ACL_ENTRY = 8,
	ACL_VERSION = 2,
};

/* Tags of entries in system.posix_acl_*, in the order of enum
 * file_meta_acl_kind. */
static const uint16_t acl_tags[] = { 0, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20 };

/* What is at fd, while it is read or set. */
struct attrs {
	char *names; /* as xattr_list() returns them; owned */
	size_t names_len;
	uint8_t *value; /* VALUE_MAX bytes; owned; NULL: none was read yet */
};

/* ---- reading ---- */

static int is_missing(int error)
{
	return xattr_is_none(error) || error == ENOSYS;
}

/* Returns 0, or -1 with errno. */
static int attrs_list(struct attrs *a, int fd)
{
	char few[FEW];
	ssize_t n = fd == PRESERVE_BARE ? 0 : xattr_list(fd, few, sizeof(few));

	memset(a, 0, sizeof(*a));
	if (n == 0 || (n < 0 && is_missing(errno)))
		return 0;
	if (n < 0 && errno != ERANGE)
		return -1;
	a->names = malloc(n > 0 ? (size_t)n : LIST_MAX);
	if (!a->names)
		return -1;
	if (n > 0)
		memcpy(a->names, few, (size_t)n);
	else
		n = xattr_list(fd, a->names, LIST_MAX);
	if (n < 0) {
		free(a->names);
		a->names = NULL;
		return -1;
	}
	a->names_len = (size_t)n;
	return 0;
}

static void attrs_release(struct attrs *a)
{
	free(a->names);
	free(a->value);
}

/* Each name is terminated, and so is the list. */
static const char *next_name(const struct attrs *a, const char *name)
{
	if (!a->names)
		return NULL;
	name = name ? name + strlen(name) + 1 : a->names;
	return name < a->names + a->names_len ? name : NULL;
}

static int attrs_have(const struct attrs *a, const char *wanted)
{
	const char *name = NULL;

	while ((name = next_name(a, name))) {
		if (strcmp(name, wanted) == 0)
			return 1;
	}
	return 0;
}

/* Read a value to a->value.  Returns its length, 0 also where there is none; or
 * -1 with errno. */
static ssize_t attrs_value(struct attrs *a, int fd, const char *name)
{
	ssize_t n;

	if (!a->value)
		a->value = malloc(VALUE_MAX);
	if (!a->value)
		return -1;
	n = xattr_get(fd, name, a->value, VALUE_MAX);
	return n < 0 && is_missing(errno) ? 0 : n;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of these kinds, in order.  Returns how many, at most XATTRS_MAX;
 * *more: there are more. */
static size_t attrs_select(const struct attrs *a, unsigned kinds,
			   const char *names[XATTRS_MAX], int *more)
{
	const char *name = NULL;
	size_t count = 0;

	*more = 0;
	while ((name = next_name(a, name))) {
		if (strlen(name) > FILE_META_NAME_MAX ||
		    !(file_meta_xattr_kind(name) & kinds))
			continue;
		if (count == XATTRS_MAX) {
			*more = 1;
			break;
		}
		names[count++] = name;
	}
	if (count > 1)
		qsort(names, count, sizeof(names[0]), compare_names);
	return count;
}

/* ---- ACLs ---- */

static uint32_t le_get(const uint8_t *p, unsigned bytes)
{
	uint32_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | p[bytes];
	return v;
}

static void le_put(uint8_t *p, unsigned bytes, uint32_t v)
{
	for (; bytes-- > 0; v >>= 8)
		*p++ = (uint8_t)v;
}

static unsigned acl_kind_of(unsigned tag)
{
	unsigned kind = FILE_META_ACL_OTHER;

	while (kind > 0 && acl_tags[kind] != tag)
		kind--;
	return kind;
}

static enum ids_kind ids_kind_of(unsigned kind)
{
	return kind == FILE_META_ACL_USER ? IDS_USER : IDS_GROUP;
}

/* Append the n bytes of an ACL as entries.  Returns 0, or -1 where it is none
 * that is known. */
static int put_acl(const struct preserve *how, const uint8_t *p, size_t n,
		   struct buf *b)
{
	if (n < ACL_HEADER || (n - ACL_HEADER) % ACL_ENTRY != 0 ||
	    le_get(p, 4) != ACL_VERSION)
		return -1;
	for (size_t i = ACL_HEADER; i < n; i += ACL_ENTRY) {
		char name[FILE_META_NAME_MAX + 1] = "";
		struct file_meta_ace a = {
			.kind = (uint8_t)acl_kind_of(le_get(p + i, 2)),
			.perm = (uint8_t)le_get(p + i + 2, 2),
			.id = { .id = le_get(p + i + 4, 4) },
		};

		if (a.kind == 0)
			return -1;
		if (a.kind == FILE_META_ACL_USER ||
		    a.kind == FILE_META_ACL_GROUP)
			ids_name(how->ids, ids_kind_of(a.kind), a.id.id, name);
		a.id.name = name;
		a.id.name_len = (uint8_t)strlen(name);
		file_meta_put_ace(b, &a);
	}
	return 0;
}

enum { NO_MODE = -1 };

/* Set the permissions of the entry at this place, if it is not 0, to the last
 * three bits of mode. */
static void set_perm(uint8_t *acl, size_t at, int mode)
{
	if (at)
		le_put(acl + at + 2, 2, (unsigned)mode & 7);
}

/*
 * Make an ACL of entries.  Those that stand for a part of the mode (acl(5)) get
 * it from mode, which is set after the ACL, and with --chmod is not the
 * sender's; from the entries with NO_MODE.  Returns the length, which is 0
 * where there are no entries; p has room for VALUE_MAX bytes.
 */
static size_t make_acl(const struct preserve *how, struct rd entries, int mode,
		       uint8_t *p)
{
	/* the entry of each kind, the last one; 0: there is none */
	size_t at[FILE_META_ACL_OTHER + 1] = { 0 };
	struct file_meta_ace a;
	size_t n = ACL_HEADER;

	le_put(p, 4, ACL_VERSION);
	while (n + ACL_ENTRY <= VALUE_MAX && file_meta_get_ace(&entries, &a)) {
		const int has_id = a.kind == FILE_META_ACL_USER ||
				   a.kind == FILE_META_ACL_GROUP;

		le_put(p + n, 2, acl_tags[a.kind]);
		le_put(p + n + 2, 2, a.perm);
		le_put(p + n + 4, 4, has_id ? ids_map(how->ids,
						      ids_kind_of(a.kind),
						      &a.id) :
					      UINT32_MAX);
		at[a.kind] = n;
		n += ACL_ENTRY;
	}
	if (mode != NO_MODE) {
		set_perm(p, at[FILE_META_ACL_USER_OBJ], mode >> 6);
		set_perm(p, at[FILE_META_ACL_MASK] ? at[FILE_META_ACL_MASK] :
						     at[FILE_META_ACL_GROUP_OBJ],
			 mode >> 3);
		set_perm(p, at[FILE_META_ACL_OTHER], mode);
	}
	return n > ACL_HEADER ? n : 0;
}

/* ---- without opening ---- */

static int is_acl_name(const char *name)
{
	return strcmp(name, ACL_ACCESS) == 0 || strcmp(name, ACL_DEFAULT) == 0;
}

int preserve_is_bare(unsigned kinds, int dir_fd, const char *leaf, int follow)
{
	char few[256];
	ssize_t n = attr_names_of_entry(dir_fd, leaf, follow, few, sizeof(few));
	const struct attrs a = { .names = few,
				 .names_len = n > 0 ? (size_t)n : 0 };
	const char *name = NULL;

	if (n < 0)
		return errno == EOPNOTSUPP;
	while ((name = next_name(&a, name))) {
		if ((kinds & PRESERVE_ACL && is_acl_name(name)) ||
		    file_meta_xattr_kind(name) & kinds)
			return 0;
	}
	return 1;
}

/* ---- on the sender ---- */

/* Begin a field whose length is known only when it ends. */
static size_t begin_field(struct buf *b, enum file_meta_tag tag)
{
	file_meta_put_field(b, tag, 0);
	return b->len;
}

/* Drop the field again where it is longer than room, counted from `all`. */
static int end_field(struct buf *b, size_t begin, size_t all, size_t room)
{
	if (b->failed)
		return -1;
	if (b->len - all > room) {
		b->len = begin - FILE_META_FIELD;
		return -1;
	}
	be_put16(b->data + begin - 2, (uint16_t)(b->len - begin));
	return 0;
}

static void read_owner(const struct preserve *how, const struct stat *st,
		       struct buf *b)
{
	char user[FILE_META_NAME_MAX + 1], group[FILE_META_NAME_MAX + 1];
	struct file_meta_owner o = {
		.flags = how->kinds & PRESERVE_OWNER ? FILE_META_OWNER_SET : 0,
		.user = { .id = st->st_uid, .name = user },
		.group = { .id = st->st_gid, .name = group },
	};

	ids_name(how->ids, IDS_USER, o.user.id, user);
	ids_name(how->ids, IDS_GROUP, o.group.id, group);
	o.user.name_len = (uint8_t)strlen(user);
	o.group.name_len = (uint8_t)strlen(group);
	file_meta_put_owner(b, &o);
}

/* Where the fields of an item go. */
struct place {
	struct buf *b;
	size_t all;  /* where they begin */
	size_t room; /* for all of them */
	unsigned *lost;
};

/* Returns 0, or -1 with errno. */
static int read_acl(const struct preserve *how, int fd, struct attrs *a,
		    enum file_meta_tag tag, const struct place *to)
{
	const char *name = tag == FILE_META_TAG_ACL ? ACL_ACCESS : ACL_DEFAULT;
	const size_t begin = begin_field(to->b, tag);
	ssize_t n = attrs_have(a, name) ? attrs_value(a, fd, name) : 0;

	if (n < 0)
		return -1;
	if (n > 0 && put_acl(how, a->value, (size_t)n, to->b)) {
		to->b->len = begin - FILE_META_FIELD;
		*to->lost |= FILE_META_ACL;
	} else if (end_field(to->b, begin, to->all, to->room)) {
		*to->lost |= FILE_META_ACL;
	}
	return 0;
}

/* The same. */
static int read_xattrs(const struct preserve *how, int fd, struct attrs *a,
		       const struct place *to)
{
	const unsigned kinds = how->kinds & PRESERVE_XATTRS;
	const size_t begin = begin_field(to->b, FILE_META_TAG_XATTR);
	const char *names[XATTRS_MAX];
	size_t count;
	int more;

	buf_put_u8(to->b, (uint8_t)kinds);
	count = attrs_select(a, kinds, names, &more);
	for (size_t i = 0; i < count; i++) {
		const ssize_t n = attrs_value(a, fd, names[i]);
		const size_t before = to->b->len;
		struct file_meta_xattr x = { .value = a->value };

		if (n < 0)
			return -1;
		memcpy(x.name, names[i], strlen(names[i]) + 1);
		x.len = (uint16_t)n;
		/* A value of 64 KiB fits in no field. */
		if (n <= UINT16_MAX)
			file_meta_put_xattr(to->b, &x);
		if (n > UINT16_MAX || to->b->len - to->all > to->room) {
			to->b->len = before;
			more = 1;
		}
	}
	if (end_field(to->b, begin, to->all, to->room) || more)
		*to->lost |= FILE_META_XATTR;
	return 0;
}

int preserve_read(const struct preserve *how, int fd, const struct stat *st,
		  size_t room, struct buf *fields, unsigned *lost,
		  struct err *e)
{
	const struct place to = { fields, fields->len, room, lost };
	struct attrs a;
	int rc = 0;

	if (how->kinds & PRESERVE_OWNER ||
	    (how->kinds & PRESERVE_SETID && st->st_mode & (S_ISUID | S_ISGID)))
		read_owner(how, st, fields);
	if (how->kinds & PRESERVE_SETID)
		file_meta_put_field(fields, FILE_META_TAG_SETID, 0);
	if (fd == PRESERVE_CLOSED || !(how->kinds & PRESERVE_ATTRS))
		return 0;
	if (attrs_list(&a, fd) < 0)
		return err_sys(e, ERR_LOCAL, "cannot read its attributes");
	if (how->kinds & PRESERVE_ACL)
		rc = read_acl(how, fd, &a, FILE_META_TAG_ACL, &to);
	if (rc == 0 && how->kinds & PRESERVE_ACL && S_ISDIR(st->st_mode))
		rc = read_acl(how, fd, &a, FILE_META_TAG_DEFAULT_ACL, &to);
	if (rc == 0 && how->kinds & PRESERVE_XATTRS)
		rc = read_xattrs(how, fd, &a, &to);
	if (rc)
		err_sys(e, ERR_LOCAL, "cannot read its attributes");
	attrs_release(&a);
	return rc ? ERR_LOCAL : 0;
}

/* ---- on the receiver ---- */

static int has_field(const struct file_meta *m, enum file_meta_tag tag)
{
	return m->further >> tag & 1;
}

/* Whether it is known whose the item is; *flags says whether that is to be
 * set. */
static int has_owner(const struct preserve *how, const struct file_meta *m,
		     uid_t *uid, gid_t *gid, unsigned *flags)
{
	struct file_meta_owner o;

	if (!how || !file_meta_owner(m, &o))
		return 0;
	*uid = ids_map(how->ids, IDS_USER, &o.user);
	*gid = ids_map(how->ids, IDS_GROUP, &o.group);
	*flags = o.flags;
	return 1;
}

int preserve_owner(const struct preserve *how, const struct file_meta *m,
		   uid_t *uid, gid_t *gid)
{
	unsigned flags;

	return has_owner(how, m, uid, gid, &flags) &&
	       flags & FILE_META_OWNER_SET;
}

/* Returns 0, or -1 with errno. */
static int set_owner(int fd, uid_t uid, gid_t gid)
{
	struct stat st;
	int saved;

	if (fchown(fd, uid, gid) == 0)
		return 0;
	saved = errno;
	/* An ordinary user may still give it to a group of theirs. */
	if (saved == EPERM && fchown(fd, (uid_t)-1, gid) == 0 &&
	    fstat(fd, &st) == 0 && st.st_uid == uid)
		return 0;
	errno = saved;
	return -1;
}

static int remove_attr(int fd, const char *name)
{
	return xattr_remove(fd, name) < 0 && !is_missing(errno) ? -1 : 0;
}

/* Set or remove an ACL.  Returns 0, or -1 with errno. */
static int set_acl(const struct preserve *how, int fd, const char *name,
		   struct rd entries, int mode, int is_new)
{
	uint8_t *p;
	size_t n;
	int rc;

	if (entries.left == 0)
		return is_new ? 0 : remove_attr(fd, name);
	p = malloc(VALUE_MAX);
	if (!p)
		return -1;
	n = make_acl(how, entries, mode, p);
	rc = xattr_set(fd, name, p, n);
	free(p);
	return rc;
}

/* Remove the attributes of these kinds that the item does not have.  Returns 0,
 * or -1 with errno. */
static int remove_others(int fd, unsigned kinds, struct rd wanted)
{
	const char *names[XATTRS_MAX];
	struct file_meta_xattr x;
	struct attrs a;
	size_t count;
	int rc, more;

	if (attrs_list(&a, fd) < 0)
		return -1;
	count = attrs_select(&a, kinds, names, &more);
	rc = 0;
	/* Both are in order. */
	x.name[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		while (strcmp(x.name, names[i]) < 0 &&
		       file_meta_get_xattr(&wanted, &x))
			;
		if (strcmp(x.name, names[i]) != 0)
			rc |= remove_attr(fd, names[i]);
	}
	attrs_release(&a);
	return rc;
}

static int set_xattrs(int fd, const struct file_meta *m, int is_new)
{
	struct rd value;
	const unsigned kinds = file_meta_xattrs(m, &value);
	struct rd all = value;
	struct file_meta_xattr x;
	int rc = 0, saved = 0;

	while (file_meta_get_xattr(&value, &x)) {
		if (xattr_set(fd, x.name, x.value, x.len) < 0) {
			rc = -1;
			saved = errno;
		}
	}
	if (!is_new && remove_others(fd, kinds, all) < 0)
		return -1;
	if (rc)
		errno = saved;
	return rc;
}

unsigned preserve_set(const struct preserve *how, int fd,
		      const struct file_meta *m, int is_new, int *wants_mode,
		      struct err *e)
{
	unsigned lost = 0;
	struct rd value;
	uid_t uid;
	gid_t gid;

	*wants_mode = 0;
	if (!how || !m->further)
		return 0;
	/* It clears set-ID bits, and the capability of a program. */
	if (preserve_owner(how, m, &uid, &gid)) {
		*wants_mode = 1;
		if (set_owner(fd, uid, gid) < 0) {
			err_sys(e, ERR_LOCAL, "set the owner");
			lost |= FILE_META_OWNER;
		}
	}
	if (has_field(m, FILE_META_TAG_XATTR) &&
	    set_xattrs(fd, m, is_new) < 0) {
		err_sys(e, ERR_LOCAL, "set extended attributes");
		lost |= FILE_META_XATTR;
	}
	if (file_meta_field(m, FILE_META_TAG_ACL, &value)) {
		*wants_mode |= value.left > 0 || !is_new;
		if (set_acl(how, fd, ACL_ACCESS, value, (int)m->mode,
			    is_new) < 0) {
			err_sys(e, ERR_LOCAL, "set the ACL");
			lost |= FILE_META_ACL;
		}
	}
	if (file_meta_field(m, FILE_META_TAG_DEFAULT_ACL, &value) &&
	    set_acl(how, fd, ACL_DEFAULT, value, NO_MODE, is_new) < 0) {
		err_sys(e, ERR_LOCAL, "set the default ACL");
		lost |= FILE_META_ACL;
	}
	return lost;
}

/* The bits above 0777 that an item with this status is to have. */
static mode_t special_bits(const struct preserve *how, const struct stat *st,
			   const struct file_meta *m, unsigned *lost)
{
	mode_t bits = m->mode & 07000;
	unsigned flags;
	uid_t uid;
	gid_t gid;
	int is_known;

	/* On a directory they give nobody rights. */
	if (!(bits & (S_ISUID | S_ISGID)) || S_ISDIR(st->st_mode))
		return bits;
	/* A program must not run as another user than the one who made it so:
	 * as root, where the owner was not kept. */
	is_known = has_owner(how, m, &uid, &gid, &flags);
	if (!is_known || uid != st->st_uid)
		bits &= ~(mode_t)S_ISUID;
	if (!is_known || gid != st->st_gid)
		bits &= ~(mode_t)S_ISGID;
	if (bits != (m->mode & 07000))
		*lost |= FILE_META_SETID;
	return bits;
}

mode_t preserve_mode(const struct preserve *how, int fd,
		     const struct file_meta *m, unsigned *lost)
{
	const mode_t mode = m->mode & 0777;
	struct stat st;

	if (!how || !has_field(m, FILE_META_TAG_SETID) || !(m->mode & 07000))
		return mode;
	if (fstat(fd, &st) < 0) {
		*lost |= FILE_META_SETID;
		return mode;
	}
	return mode | special_bits(how, &st, m, lost);
}

void preserve_copy(int from, int to)
{
	struct stat a, b;
	struct attrs attrs;
	const char *name = NULL;

	if (fstat(from, &a) < 0 || fstat(to, &b) < 0)
		return;
	if ((a.st_uid != b.st_uid || a.st_gid != b.st_gid) &&
	    fchown(to, a.st_uid, a.st_gid) < 0)
		return;
	if (attrs_list(&attrs, from) < 0)
		return;
	while ((name = next_name(&attrs, name))) {
		ssize_t n;

		if (!file_meta_xattr_kind(name) &&
		    strcmp(name, ACL_ACCESS) != 0)
			continue;
		n = attrs_value(&attrs, from, name);
		if (n >= 0)
			(void)xattr_set(to, name, attrs.value, (size_t)n);
	}
	attrs_release(&attrs);
}

/* ---- comparing ---- */

static int differs_acl(const struct preserve *how, int fd, struct attrs *a,
		       const char *name, struct rd entries, int mode)
{
	uint8_t *wanted;
	ssize_t have = attrs_have(a, name) ? attrs_value(a, fd, name) : 0;
	size_t n;
	int differs;

	if (have < 0)
		return 1;
	if (entries.left == 0 || have == 0)
		return entries.left != 0 || have != 0;
	wanted = malloc(VALUE_MAX);
	if (!wanted)
		return 1;
	n = make_acl(how, entries, mode, wanted);
	differs = n != (size_t)have || memcmp(wanted, a->value, n) != 0;
	free(wanted);
	return differs;
}

/* Whether what is at fd has other attributes of these kinds than those in
 * value. */
static int has_other_xattrs(int fd, struct attrs *a, unsigned kinds,
			    struct rd value)
{
	const char *names[XATTRS_MAX];
	struct file_meta_xattr x;
	size_t count;
	int more;

	count = attrs_select(a, kinds, names, &more);
	for (size_t i = 0; i < count; i++) {
		if (!file_meta_get_xattr(&value, &x) ||
		    strcmp(x.name, names[i]) != 0 ||
		    attrs_value(a, fd, x.name) != (ssize_t)x.len ||
		    memcmp(a->value, x.value, x.len) != 0)
			return 1;
	}
	return more || value.left > 0;
}

static int differs_xattrs(int fd, struct attrs *a, const struct file_meta *m)
{
	struct rd value;
	const unsigned kinds = file_meta_xattrs(m, &value);

	if (kinds && a->names_len > 0)
		return has_other_xattrs(fd, a, kinds, value);
	return kinds && value.left > 0;
}

static unsigned differs_attrs(const struct preserve *how, int fd,
			      const struct file_meta *m)
{
	unsigned kinds = 0;
	struct attrs a;
	struct rd value;

	if (fd == PRESERVE_CLOSED || attrs_list(&a, fd) < 0)
		return (has_field(m, FILE_META_TAG_ACL) ? FILE_META_ACL : 0) |
		       (has_field(m, FILE_META_TAG_XATTR) ? FILE_META_XATTR :
							    0);
	if (file_meta_field(m, FILE_META_TAG_ACL, &value) &&
	    differs_acl(how, fd, &a, ACL_ACCESS, value, (int)m->mode))
		kinds |= FILE_META_ACL;
	if (file_meta_field(m, FILE_META_TAG_DEFAULT_ACL, &value) &&
	    differs_acl(how, fd, &a, ACL_DEFAULT, value, NO_MODE))
		kinds |= FILE_META_ACL;
	if (differs_xattrs(fd, &a, m))
		kinds |= FILE_META_XATTR;
	attrs_release(&a);
	return kinds;
}

unsigned preserve_differs(const struct preserve *how, int fd,
			  const struct stat *st, const struct file_meta *m)
{
	const uint32_t attrs = 1u << FILE_META_TAG_ACL |
			       1u << FILE_META_TAG_DEFAULT_ACL |
			       1u << FILE_META_TAG_XATTR;
	unsigned kinds = 0, ignored = 0;
	struct stat then = *st;
	uid_t uid;
	gid_t gid;

	if (!how || !m->further)
		return 0;
	if (preserve_owner(how, m, &uid, &gid) &&
	    (uid != st->st_uid || gid != st->st_gid)) {
		kinds |= FILE_META_OWNER;
		then.st_uid = uid;
		then.st_gid = gid;
	}
	if (has_field(m, FILE_META_TAG_SETID) &&
	    special_bits(how, &then, m, &ignored) != (st->st_mode & 07000))
		kinds |= FILE_META_SETID;
	if (m->further & attrs)
		kinds |= differs_attrs(how, fd, m);
	return kinds;
}

unsigned preserve_denied(const struct preserve *how, const struct stat *st,
			 const struct file_meta *m)
{
	const uid_t user = geteuid();
	uid_t uid;
	gid_t gid;

	if (user == 0)
		return 0;
	if (st->st_uid != user)
		return FILE_META_MODE | FILE_META_TIME | FILE_META_OWNER |
		       FILE_META_SETID | FILE_META_ACL;
	if (!preserve_owner(how, m, &uid, &gid))
		return 0;
	if (uid != user)
		return FILE_META_OWNER | FILE_META_SETID;
	return gid == st->st_gid || user_has_group(gid) ? 0 : FILE_META_OWNER;
}
