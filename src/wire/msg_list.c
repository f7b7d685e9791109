/*
 * LIST and LISTED, and the rows of a LIST's table.
 */
#include "wire/msg_list.h"

#include <string.h>

#include "base/err.h"
#include "wire/body.h"

enum {
	KIND_BITS = 3,
	ROW_SAME_MODE = 1 << 2, /* as the row before it */
	ROW_DIGEST = 1 << 3,
	ROW_BY_CONTENT = 1 << 4,
	ROW_SAME_FIELDS = 1 << 5,
	ROW_HIGH_KIND = 1 << 6, /* KIND_BITS are the kind less so many: */
	LOW_KINDS = ITEM_SYMLINK,
	ROW_UNREADABLE = 1 << 7,
	ROW_BITS = KIND_BITS | ROW_SAME_MODE | ROW_DIGEST | ROW_BY_CONTENT |
		   ROW_UNREADABLE,
	ROW_EXTENDED_BITS = ROW_BITS | ROW_SAME_FIELDS | ROW_HIGH_KIND,
	VARINT_MAX = 10, /* bytes of 64 bits, 7 in each */
};

void msg_put_list(struct buf *b, const struct msg_list *m, size_t digest_size,
		  uint32_t payload_len)
{
	body_begin(b, FRAME_LIST, MSG_LIST_FIXED + digest_size + payload_len);
	buf_put_u64(b, m->first_id);
	buf_put_u32(b, m->count);
	buf_put_u32(b, m->raw_len);
	buf_put_u8(b, m->codec);
	body_put_zeroes(b, 3);
	body_put_digest(b, m->digest, digest_size);
}

int msg_get_list(struct msg_list *m, size_t digest_size, const uint8_t *p,
		 size_t n, size_t payload_len)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->first_id = rd_u64(&r);
	m->count = rd_u32(&r);
	m->raw_len = rd_u32(&r);
	m->codec = rd_u8(&r);
	ok = body_get_zeroes(&r, 3);
	ok &= body_get_digest(&r, m->digest, digest_size);
	ok &= m->count <= PACK_ITEMS_MAX &&
	      body_is_id_run(m->first_id, m->count);
	ok &= m->raw_len >= 1 && m->raw_len <= CHUNK_MAX;
	ok &= body_is_payload(m->raw_len, m->codec, payload_len);
	return body_end(&r, ok);
}

/* ---- rows ---- */

/* 7 bits a byte, the lowest first; all but the last byte have bit 7 set. */
static void put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_put_u8(b, (uint8_t)(v | 0x80));
	buf_put_u8(b, (uint8_t)v);
}

/* Returns whether it is well-formed: in 64 bits, and as short as can be. */
static int get_varint(struct rd *r, uint64_t *v)
{
	*v = 0;
	for (unsigned i = 0; i < VARINT_MAX; i++) {
		const uint64_t byte = rd_u8(r);

		if (i == VARINT_MAX - 1 && byte > 1)
			return 0;
		*v |= (byte & 0x7f) << (7 * i);
		if (!(byte & 0x80))
			return i == 0 || byte != 0;
	}
	return 0;
}

/* Small numbers of either sign become small ones: 0, -1, 1, -2 ... are 0, 1, 2,
 * 3 ... */
static uint64_t zigzag(uint64_t v)
{
	return v << 1 ^ (0 - (v >> 63));
}

static uint64_t unzigzag(uint64_t v)
{
	return v >> 1 ^ (0 - (v & 1));
}

static size_t common_prefix(const struct msg_rows *rows, const char *name,
			    size_t len)
{
	size_t n = 0;

	while (n < len && n < rows->name_len && rows->name[n] == name[n])
		n++;
	return n;
}

static int are_same_fields(const struct file_meta *a, const struct file_meta *b)
{
	return a->fields_len == b->fields_len &&
	       (a->fields == b->fields || a->fields_len == 0 ||
		memcmp(a->fields, b->fields, a->fields_len) == 0);
}

static uint8_t row_bits(const struct msg_rows *rows, const struct msg_row *row)
{
	const struct pack_item *it = &row->item;
	unsigned bits = it->kind;

	if (bits > LOW_KINDS)
		bits = (bits - LOW_KINDS) | ROW_HIGH_KIND;
	if (rows->mode == it->meta.mode)
		bits |= ROW_SAME_MODE;
	if (row->has_digest)
		bits |= ROW_DIGEST;
	if (row->by_content)
		bits |= ROW_BY_CONTENT;
	if (row->is_unreadable)
		bits |= ROW_UNREADABLE;
	if (rows->form == FILE_META_EXTENDED &&
	    are_same_fields(&rows->fields, &it->meta))
		bits |= ROW_SAME_FIELDS;
	return (uint8_t)bits;
}

static void put_meta(struct buf *b, struct msg_rows *rows,
		     const struct file_meta *m, uint8_t bits)
{
	if (!(bits & ROW_SAME_MODE))
		buf_put_u16(b, (uint16_t)m->mode);
	put_varint(b, zigzag((uint64_t)m->mtime_s - rows->mtime_s));
	buf_put_u32(b, m->mtime_ns);
	rows->mode = m->mode;
	rows->mtime_s = (uint64_t)m->mtime_s;
	if (rows->form != FILE_META_EXTENDED || bits & ROW_SAME_FIELDS)
		return;
	put_varint(b, m->fields_len);
	buf_put(b, m->fields, m->fields_len);
	rows->fields.fields = m->fields;
	rows->fields.fields_len = m->fields_len;
}

/* What items of this kind have. */
static void put_content(struct buf *b, const struct msg_row *row)
{
	const struct pack_item *it = &row->item;

	if (it->kind == ITEM_FILE)
		put_varint(b, it->size);
	if (row->has_digest)
		buf_put(b, it->digest, LIST_DIGEST);
	if (it->kind == ITEM_SYMLINK || it->kind == ITEM_LINK) {
		put_varint(b, it->target_len);
		buf_put(b, it->target, it->target_len);
	}
	if (it->kind == ITEM_SPECIAL) {
		buf_put_u8(b, it->special);
		put_varint(b, it->major);
		put_varint(b, it->minor);
	}
}

void msg_put_row(struct buf *b, struct msg_rows *rows, const struct msg_row *row)
{
	const struct pack_item *it = &row->item;
	const size_t shared = common_prefix(rows, it->name, it->name_len);
	const uint8_t bits = row_bits(rows, row);

	if (it->name_len < 1 || it->name_len > WIRE_NAME_MAX ||
	    it->target_len > WIRE_TARGET_MAX ||
	    (it->kind > LOW_KINDS && rows->form != FILE_META_EXTENDED)) {
		b->failed = 1;
		return;
	}
	buf_put_u8(b, bits);
	put_meta(b, rows, &it->meta, bits);
	put_varint(b, shared);
	put_varint(b, it->name_len - shared);
	buf_put(b, it->name + shared, it->name_len - shared);
	put_content(b, row);
	memcpy(rows->name, it->name, it->name_len);
	rows->name_len = it->name_len;
}

/* The name of a row goes to rows->name.  Returns whether it is well-formed. */
static int get_name(struct rd *r, struct msg_rows *rows)
{
	uint64_t shared, rest;
	const uint8_t *p;

	if (!get_varint(r, &shared) || !get_varint(r, &rest) ||
	    shared > rows->name_len || rest > WIRE_NAME_MAX - shared ||
	    shared + rest < 1)
		return 0;
	p = rd_bytes(r, (size_t)rest);
	if (!p)
		return 0;
	memcpy(rows->name + shared, p, (size_t)rest);
	rows->name_len = (size_t)(shared + rest);
	return 1;
}

static int get_target(struct rd *r, struct pack_item *it)
{
	const size_t max = it->kind == ITEM_LINK ? (size_t)WIRE_NAME_MAX :
						   (size_t)WIRE_TARGET_MAX;
	uint64_t len;

	if (!get_varint(r, &len) || len < 1 || len > max)
		return 0;
	it->target_len = (size_t)len;
	it->target = (const char *)rd_bytes(r, it->target_len);
	return it->target != NULL;
}

static int get_special(struct rd *r, struct pack_item *it)
{
	uint64_t major, minor;

	it->special = rd_u8(r);
	if (!get_varint(r, &major) || !get_varint(r, &minor) ||
	    major > UINT32_MAX || minor > UINT32_MAX)
		return 0;
	it->major = (uint32_t)major;
	it->minor = (uint32_t)minor;
	return pack_is_special(it);
}

static int get_bits(struct msg_row *row, const struct msg_rows *rows,
		    unsigned bits)
{
	struct pack_item *it = &row->item;
	const unsigned known = rows->form == FILE_META_EXTENDED ?
				       ROW_EXTENDED_BITS : ROW_BITS;

	it->kind = bits & KIND_BITS;
	row->has_digest = (bits & ROW_DIGEST) != 0;
	row->by_content = (bits & ROW_BY_CONTENT) != 0;
	row->is_unreadable = (bits & ROW_UNREADABLE) != 0;
	if ((bits & ~known) || it->kind < ITEM_FILE)
		return 0;
	if (bits & ROW_HIGH_KIND)
		it->kind += LOW_KINDS;
	/* Only the content of files is compared. */
	return it->kind <= ITEM_SPECIAL &&
	       (it->kind == ITEM_FILE ||
		!(row->has_digest || row->by_content || row->is_unreadable));
}

static int get_meta(struct file_meta *m, struct msg_rows *rows, unsigned bits,
		    struct rd *r)
{
	uint64_t seconds, len;

	if (!(bits & ROW_SAME_MODE))
		rows->mode = rd_u16(r);
	if (rows->mode > 07777 || !get_varint(r, &seconds))
		return 0;
	rows->mtime_s += unzigzag(seconds);
	m->mode = rows->mode;
	m->mtime_s = (int64_t)rows->mtime_s;
	m->mtime_ns = rd_u32(r);
	if (rows->form == FILE_META_EXTENDED && !(bits & ROW_SAME_FIELDS) &&
	    !(get_varint(r, &len) && len <= FILE_META_FIELDS_MAX &&
	      file_meta_get_fields(r, (size_t)len, &rows->fields)))
		return 0;
	m->further = rows->fields.further;
	m->fields_len = rows->fields.fields_len;
	m->fields = rows->fields.fields;
	return m->mtime_ns < 1000000000;
}

int msg_get_row(struct msg_row *row, struct msg_rows *rows, struct rd *r)
{
	struct pack_item *it = &row->item;
	const unsigned bits = rd_u8(r);
	int ok;

	/* Fields of other kinds are 0. */
	memset(row, 0, sizeof(*row));
	ok = get_bits(row, rows, bits) && get_meta(&it->meta, rows, bits, r) &&
	     get_name(r, rows);
	if (!ok)
		return ERR_PROTOCOL;
	it->name = rows->name;
	it->name_len = rows->name_len;
	if (it->kind == ITEM_FILE)
		ok = get_varint(r, &it->size) && it->size <= WIRE_SIZE_MAX;
	if (row->has_digest)
		rd_copy(r, it->digest, LIST_DIGEST);
	if (it->kind == ITEM_SYMLINK || it->kind == ITEM_LINK)
		ok = get_target(r, it);
	if (it->kind == ITEM_SPECIAL)
		ok = get_special(r, it);
	return ok && !r->failed ? 0 : ERR_PROTOCOL;
}

/* ---- LISTED ---- */

enum file_status msg_listed_status(unsigned state)
{
	switch (state) {
	case LISTED_NEW:
	case LISTED_REPLACES:
	case LISTED_BACKUP:
	case LISTED_RENAMED:
		return STATUS_COMMITTED;
	case LISTED_UNCHANGED:
		return STATUS_UNCHANGED;
	case LISTED_UPDATED:
		return STATUS_UPDATED;
	case LISTED_SKIPPED:
		return STATUS_SKIPPED;
	default:
		return STATUS_FAILED;
	}
}

static int is_same_state(const struct listed_item *a,
			 const struct listed_item *b)
{
	return a->state == b->state && a->cause == b->cause;
}

/* How many items from i on have the same state. */
static uint32_t run_length(const struct msg_listed *m, uint32_t i)
{
	uint32_t n = 1;

	while (i + n < m->count && is_same_state(&m->items[i], &m->items[i + n]))
		n++;
	return n;
}

void msg_put_listed(struct buf *b, const struct msg_listed *m)
{
	size_t runs = 0;

	for (uint32_t i = 0; i < m->count; i += run_length(m, i))
		runs++;
	body_begin(b, FRAME_LISTED, BODY_LISTED + runs * LISTED_RUN);
	buf_put_u64(b, m->first_id);
	buf_put_u32(b, m->count);
	body_put_zeroes(b, 4);
	for (uint32_t i = 0, n; i < m->count; i += n) {
		n = run_length(m, i);
		buf_put_u8(b, m->items[i].state);
		buf_put_u16(b, m->items[i].cause);
		buf_put_u16(b, (uint16_t)n);
	}
}

static int is_same(const struct listed_item *a, const struct listed_item *b)
{
	return a->state == b->state && a->cause == b->cause;
}

int msg_get_listed(struct msg_listed *m, const uint8_t *p, size_t n)
{
	uint32_t done = 0;
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->first_id = rd_u64(&r);
	m->count = rd_u32(&r);
	ok = body_get_zeroes(&r, 4);
	ok &= m->count <= PACK_ITEMS_MAX && body_is_id_run(m->first_id, m->count);
	while (ok && done < m->count && !r.failed) {
		const struct listed_item it = { .state = rd_u8(&r),
						.cause = rd_u16(&r) };
		const uint32_t run = rd_u16(&r);

		ok = it.state <= LISTED_STATE_MAX && run >= 1 &&
		     run <= m->count - done &&
		     (it.cause == 0 || it.state == LISTED_FAILED) &&
		     (done == 0 || !is_same(&it, &m->items[done - 1]));
		for (uint32_t i = 0; ok && i < run; i++)
			m->items[done + i] = it;
		done += run;
	}
	return body_end(&r, ok && done == m->count);
}
