/*
 * Encoding and decoding of file metadata.
 */
#include "base/file_meta.h"

#include <string.h>

#define NO_ID UINT32_MAX

struct file_meta file_meta_of_stat(const struct stat *st)
{
	struct file_meta m = {
		.mode = (uint32_t)st->st_mode & 07777,
		.mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
	};

	return m;
}

void file_meta_put(struct buf *b, const struct file_meta *m,
		   enum file_meta_form form)
{
	buf_put_u32(b, m->mode);
	buf_put_u64(b, (uint64_t)m->mtime_s);
	buf_put_u32(b, m->mtime_ns);
	if (form != FILE_META_EXTENDED)
		return;
	buf_put_u16(b, m->fields_len);
	if (m->fields_len > 0)
		buf_put(b, m->fields, m->fields_len);
}

/* ---- values ---- */

void file_meta_put_field(struct buf *b, enum file_meta_tag tag, size_t len)
{
	if (len > UINT16_MAX)
		b->failed = 1;
	buf_put_u8(b, (uint8_t)tag);
	buf_put_u16(b, (uint16_t)len);
}

static void put_id(struct buf *b, const struct file_meta_id *id)
{
	buf_put_u8(b, id->name_len);
	if (id->name_len > 0)
		buf_put(b, id->name, id->name_len);
}

/* Returns whether it is a user or group, with a name that can be one. */
static int get_name(struct rd *r, struct file_meta_id *id)
{
	id->name_len = rd_u8(r);
	id->name = (const char *)rd_bytes(r, id->name_len);
	return id->id != NO_ID && id->name &&
	       !memchr(id->name, '\0', id->name_len);
}

void file_meta_put_owner(struct buf *b, const struct file_meta_owner *o)
{
	file_meta_put_field(b, FILE_META_TAG_OWNER,
			    (size_t)11 + o->user.name_len + o->group.name_len);
	buf_put_u8(b, o->flags);
	buf_put_u32(b, o->user.id);
	buf_put_u32(b, o->group.id);
	put_id(b, &o->user);
	put_id(b, &o->group);
}

static int get_owner(struct rd *r, struct file_meta_owner *o)
{
	int ok;

	o->flags = rd_u8(r);
	o->user.id = rd_u32(r);
	o->group.id = rd_u32(r);
	ok = get_name(r, &o->user);
	ok &= get_name(r, &o->group);
	return ok && (o->flags & ~FILE_META_OWNER_SET) == 0 && rd_at_end(r);
}

int file_meta_owner(const struct file_meta *m, struct file_meta_owner *o)
{
	struct rd value;

	return file_meta_field(m, FILE_META_TAG_OWNER, &value) &&
	       get_owner(&value, o);
}

static int has_id(unsigned kind)
{
	return kind == FILE_META_ACL_USER || kind == FILE_META_ACL_GROUP;
}

void file_meta_put_ace(struct buf *b, const struct file_meta_ace *a)
{
	buf_put_u8(b, a->kind);
	buf_put_u8(b, a->perm);
	if (!has_id(a->kind))
		return;
	buf_put_u32(b, a->id.id);
	put_id(b, &a->id);
}

int file_meta_get_ace(struct rd *value, struct file_meta_ace *a)
{
	int ok = 1;

	memset(a, 0, sizeof(*a));
	if (value->left == 0)
		return 0;
	a->kind = rd_u8(value);
	a->perm = rd_u8(value);
	if (has_id(a->kind)) {
		a->id.id = rd_u32(value);
		ok = get_name(value, &a->id);
	}
	return ok && !value->failed && a->perm <= 7 &&
	       a->kind >= FILE_META_ACL_USER_OBJ &&
	       a->kind <= FILE_META_ACL_OTHER;
}

/* Whether it is empty, or has the entries that every ACL has, in order: the
 * others are the file system's to judge. */
static int is_acl(struct rd value)
{
	struct file_meta_ace a;
	unsigned kinds = 0, last = 0;

	if (value.left == 0)
		return 1;
	while (value.left > 0) {
		if (!file_meta_get_ace(&value, &a) || a.kind < last ||
		    (a.kind == last && !has_id(a.kind)))
			return 0;
		last = a.kind;
		kinds |= 1u << a.kind;
	}
	return kinds >> FILE_META_ACL_USER_OBJ & 1 &&
	       kinds >> FILE_META_ACL_GROUP_OBJ & 1 &&
	       kinds >> FILE_META_ACL_OTHER & 1;
}

void file_meta_put_xattr(struct buf *b, const struct file_meta_xattr *x)
{
	const size_t n = strlen(x->name);

	buf_put_u8(b, (uint8_t)n);
	buf_put(b, x->name, n);
	buf_put_u16(b, x->len);
	if (x->len > 0)
		buf_put(b, x->value, x->len);
}

int file_meta_get_xattr(struct rd *value, struct file_meta_xattr *x)
{
	const uint8_t *name;
	size_t n;

	if (value->left == 0)
		return 0;
	n = rd_u8(value);
	name = rd_bytes(value, n);
	x->len = rd_u16(value);
	x->value = rd_bytes(value, x->len);
	if (!name || !x->value || memchr(name, '\0', n))
		return 0;
	memcpy(x->name, name, n);
	x->name[n] = '\0';
	return file_meta_xattr_kind(x->name) != 0;
}

unsigned file_meta_xattr_kind(const char *name)
{
	if (strncmp(name, "user.", 5) == 0 && name[5])
		return PRESERVE_XATTR;
	if (strcmp(name, "security.capability") == 0)
		return PRESERVE_CAPABILITY;
	if (strncmp(name, "trusted.", 8) == 0 && name[8])
		return PRESERVE_TRUSTED;
	return 0;
}

static int are_xattrs(struct rd value)
{
	char last[FILE_META_NAME_MAX + 1] = "";
	const unsigned kinds = rd_u8(&value);
	struct file_meta_xattr x;

	if (kinds == 0 || kinds & ~(unsigned)PRESERVE_XATTRS)
		return 0;
	while (value.left > 0) {
		if (!file_meta_get_xattr(&value, &x) ||
		    !(file_meta_xattr_kind(x.name) & kinds) ||
		    strcmp(last, x.name) >= 0)
			return 0;
		memcpy(last, x.name, sizeof(last));
	}
	return 1;
}

unsigned file_meta_xattrs(const struct file_meta *m, struct rd *value)
{
	return file_meta_field(m, FILE_META_TAG_XATTR, value) ? rd_u8(value) :
								0;
}

static int is_value_good(unsigned tag, struct rd value)
{
	struct file_meta_owner owner;

	switch ((enum file_meta_tag)tag) {
	case FILE_META_TAG_OWNER:
		return get_owner(&value, &owner);
	case FILE_META_TAG_ACL:
	case FILE_META_TAG_DEFAULT_ACL:
		return is_acl(value);
	case FILE_META_TAG_XATTR:
		return are_xattrs(value);
	case FILE_META_TAG_SETID:
	case FILE_META_TAG_LINKED:
		return value.left == 0;
	}
	return 1; /* unknown: it is skipped */
}

/* ---- fields ---- */

int file_meta_get_fields(struct rd *r, size_t len, struct file_meta *m)
{
	struct rd fields, value;

	m->further = 0;
	m->fields_len = (uint16_t)len;
	m->fields = len <= FILE_META_FIELDS_MAX ? rd_bytes(r, len) : NULL;
	if (!m->fields)
		return 0;
	rd_init(&fields, m->fields, m->fields_len);
	while (fields.left > 0) {
		unsigned tag = rd_u8(&fields);
		uint32_t bit = tag < FILE_META_TAGS ? (uint32_t)1 << tag : 0;
		size_t n = rd_u16(&fields);
		const uint8_t *p = rd_bytes(&fields, n);

		/* Larger than all bits so far: tags ascend, and none is
		 * repeated; 0: the tag is too large. */
		if (bit <= m->further || !p)
			return 0;
		rd_init(&value, p, n);
		if (!is_value_good(tag, value))
			return 0;
		m->further |= bit;
	}
	return 1;
}

int file_meta_get(struct rd *r, struct file_meta *m, enum file_meta_form form)
{
	m->mode = rd_u32(r);
	m->mtime_s = (int64_t)rd_u64(r);
	m->mtime_ns = rd_u32(r);
	m->further = 0;
	m->fields_len = 0;
	m->fields = NULL;
	if (m->mode > 07777 || m->mtime_ns >= 1000000000)
		return 0;
	return form == FILE_META_BASIC || file_meta_get_fields(r, rd_u16(r), m);
}

int file_meta_field(const struct file_meta *m, enum file_meta_tag tag,
		    struct rd *value)
{
	struct rd fields;

	if (!(m->further >> tag & 1) || !m->fields)
		return 0;
	rd_init(&fields, m->fields, m->fields_len);
	while (fields.left > 0) {
		const unsigned have = rd_u8(&fields);
		const size_t len = rd_u16(&fields);
		const uint8_t *p = rd_bytes(&fields, len);

		if (!p)
			return 0;
		if (have != tag)
			continue;
		rd_init(value, p, len);
		return 1;
	}
	return 0;
}

int file_meta_has(const struct file_meta *m, enum file_meta_tag tag)
{
	return (int)(m->further >> tag & 1);
}

uint64_t file_meta_room(const struct file_meta *m)
{
	uint64_t room = 0;
	struct rd value;

	if (file_meta_field(m, FILE_META_TAG_ACL, &value))
		room += value.left;
	if (file_meta_field(m, FILE_META_TAG_DEFAULT_ACL, &value))
		room += value.left;
	if (file_meta_xattrs(m, &value))
		room += value.left;
	return room;
}

static unsigned needs_of_field(const struct file_meta *m, enum file_meta_tag tag)
{
	struct file_meta_owner owner;
	struct rd value;

	switch (tag) {
	case FILE_META_TAG_OWNER:
		if (!file_meta_owner(m, &owner))
			return 0;
		return owner.flags & FILE_META_OWNER_SET ? PRESERVE_OWNER
							 : PRESERVE_SETID;
	case FILE_META_TAG_SETID:
		return PRESERVE_SETID;
	case FILE_META_TAG_ACL:
	case FILE_META_TAG_DEFAULT_ACL:
		return PRESERVE_ACL;
	case FILE_META_TAG_XATTR:
		return file_meta_xattrs(m, &value);
	case FILE_META_TAG_LINKED:
		return PRESERVE_HARDLINKS;
	}
	return 0; /* unknown: it is skipped */
}

unsigned file_meta_needs(const struct file_meta *m)
{
	unsigned needs = 0;

	for (unsigned tag = 0; tag < FILE_META_TAGS && m->further >> tag; tag++)
		if (m->further >> tag & 1)
			needs |= needs_of_field(m, (enum file_meta_tag)tag);
	return needs;
}
