/*
 * Messages about what is at the receiver and not at the sender.
 */
#include "wire/msg.h"

#include "base/err.h"
#include "wire/body.h"

/* ---- DELETE ---- */

void msg_delete_put_dir(struct buf *b, const struct delete_dir *d)
{
	buf_put_u64(b, d->names);
	buf_put_u64(b, d->sum);
	body_put_text(b, d->path, d->path_len, 0, WIRE_NAME_MAX);
}

int msg_delete_get_dir(struct delete_dir *d, struct rd *r)
{
	d->names = rd_u64(r);
	d->sum = rd_u64(r);
	return body_get_text(r, &d->path, &d->path_len, 0, WIRE_NAME_MAX) &&
			       !r->failed ?
		       0 : ERR_PROTOCOL;
}

void msg_put_delete(struct buf *b, const struct msg_delete *m)
{
	body_begin(b, FRAME_DELETE, BODY_DELETE + m->list_len);
	buf_put_u8(b, m->kind);
	body_put_zeroes(b, 1);
	buf_put_u16(b, m->count);
	buf_put(b, m->list, m->list_len);
}

static int are_dirs(const struct msg_delete *m)
{
	struct delete_dir d;
	struct rd r;

	if (m->count < 1 || m->count > DELETE_DIRS_MAX)
		return 0;
	rd_init(&r, m->list, m->list_len);
	for (unsigned i = 0; i < m->count; i++) {
		if (msg_delete_get_dir(&d, &r))
			return 0;
	}
	return rd_at_end(&r);
}

/* Whether these are so many bits, and none after the last. */
static int are_bits(const uint8_t *bits, size_t len, unsigned count)
{
	return count >= 1 && count <= EXTRA_ROWS_MAX &&
	       len == (count + 7) / 8 &&
	       (count % 8 == 0 || bits[count / 8] >> (count % 8) == 0);
}

int msg_get_delete(struct msg_delete *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->kind = rd_u8(&r);
	ok = body_get_zeroes(&r, 1);
	m->count = rd_u16(&r);
	if (!ok || r.failed)
		return ERR_PROTOCOL;
	m->list_len = r.left;
	m->list = rd_bytes(&r, r.left);
	switch ((enum delete_kind)m->kind) {
	case DELETE_BEGIN:
		ok = m->count == 0 && m->list_len == 0;
		break;
	case DELETE_DIRS:
		ok = are_dirs(m);
		break;
	case DELETE_CHOICE:
		ok = are_bits(m->list, m->list_len, m->count);
		break;
	default:
		ok = 0;
		break;
	}
	return ok ? 0 : ERR_PROTOCOL;
}

/* ---- EXTRA ---- */

void msg_extra_put_row(struct buf *b, const struct extra_row *row)
{
	buf_put_u8(b, row->kind);
	body_put_text(b, row->name, row->name_len, 1, WIRE_NAME_MAX);
}

int msg_extra_get_row(struct extra_row *row, struct rd *r)
{
	row->kind = rd_u8(r);
	return body_get_text(r, &row->name, &row->name_len, 1, WIRE_NAME_MAX) &&
			       !r->failed &&
			       (row->kind == ITEM_FILE || row->kind == ITEM_DIR) ?
		       0 : ERR_PROTOCOL;
}

void msg_put_extra(struct buf *b, const struct msg_extra *m)
{
	body_begin(b, FRAME_EXTRA, BODY_EXTRA + m->list_len);
	buf_put_u8(b, m->kind);
	buf_put_u8(b, m->flags);
	buf_put_u16(b, m->count);
	buf_put_u32(b, m->dir);
	buf_put(b, m->list, m->list_len);
}

static int are_rows(const struct msg_extra *m)
{
	struct extra_row row;
	struct rd r;

	if (m->count < 1 || m->count > EXTRA_ROWS_MAX ||
	    m->flags & ~(EXTRA_BELOW | EXTRA_FOLDS))
		return 0;
	rd_init(&r, m->list, m->list_len);
	for (unsigned i = 0; i < m->count; i++) {
		if (msg_extra_get_row(&row, &r))
			return 0;
	}
	return rd_at_end(&r);
}

int msg_get_extra(struct msg_extra *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok = 0;

	rd_init(&r, p, n);
	m->kind = rd_u8(&r);
	m->flags = rd_u8(&r);
	m->count = rd_u16(&r);
	m->dir = rd_u32(&r);
	if (r.failed)
		return ERR_PROTOCOL;
	m->list_len = r.left;
	m->list = rd_bytes(&r, r.left);
	switch ((enum extra_kind)m->kind) {
	case EXTRA_LIST:
		return are_rows(m) ? 0 : ERR_PROTOCOL;
	case EXTRA_READY:
	case EXTRA_DONE:
		ok = m->count == 0 && m->list_len == 0 && m->dir == 0;
		break;
	case EXTRA_RESULT:
		ok = m->count <= EXTRA_ROWS_MAX &&
		     m->list_len == 2 * (size_t)m->count && m->dir == 0;
		break;
	case EXTRA_UNREAD:
		ok = m->count == 1 && m->list_len == 2;
		break;
	}
	return ok && m->flags == 0 ? 0 : ERR_PROTOCOL;
}
