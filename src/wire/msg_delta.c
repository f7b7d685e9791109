/*
 * Messages about what a file shares with its basis.
 */
#include "wire/msg.h"

#include "base/err.h"
#include "wire/body.h"

void msg_put_compare(struct buf *b, const struct msg_compare *m)
{
	const size_t n = m->kind == COMPARE_LEAVES ?
				 (size_t)m->count * COMPARE_LEAF :
				 0;

	body_begin(b, FRAME_COMPARE, BODY_COMPARE + n);
	buf_put_u64(b, m->id);
	buf_put_u64(b, m->offset);
	buf_put_u32(b, m->count);
	buf_put_u8(b, m->kind);
	buf_put_u8(b, m->bits);
	buf_put_u16(b, m->stride);
	buf_put(b, m->leaves, n);
}

int msg_get_compare(struct msg_compare *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->id = rd_u64(&r);
	m->offset = rd_u64(&r);
	m->count = rd_u32(&r);
	m->kind = rd_u8(&r);
	m->bits = rd_u8(&r);
	m->stride = rd_u16(&r);
	m->leaves = NULL;
	ok = body_is_offset(m->offset) && m->count > 0;
	if (m->kind == COMPARE_LEAVES && m->count <= COMPARE_LEAVES_MAX) {
		m->leaves = rd_bytes(&r, (size_t)m->count * COMPARE_LEAF);
		ok &= m->bits == 0 && m->stride == 0;
	} else {
		ok &= m->kind == COMPARE_PIECES;
	}
	return body_end(&r, ok);
}

/* How many bytes an entry of the list takes, and how many entries there may
 * be. */
static size_t list_entry(const struct msg_signature *m, uint32_t *least,
			 uint32_t *most)
{
	*least = *most = 0;
	switch ((enum signature_kind)m->kind) {
	case SIGNATURE_BLOCKS:
		*most = SIGNATURE_BLOCKS_MAX;
		return SIGNATURE_BLOCK;
	case SIGNATURE_PIECES:
		*least = 1;
		*most = SIGNATURE_PIECES_MAX;
		return SIGNATURE_PIECE;
	case SIGNATURE_SAME:
		*least = 1;
		*most = COMPARE_LEAVES_MAX;
		return 0;
	case SIGNATURE_BASIS:
	case SIGNATURE_END:
		break;
	}
	return 0;
}

void msg_put_signature(struct buf *b, const struct msg_signature *m)
{
	uint32_t least, most;
	const size_t n = list_entry(m, &least, &most) * m->count;

	body_begin(b, FRAME_SIGNATURE, BODY_SIGNATURE + n);
	buf_put_u64(b, m->id);
	buf_put_u64(b, m->offset);
	buf_put_u32(b, m->count);
	buf_put_u8(b, m->kind);
	body_put_zeroes(b, 3);
	buf_put(b, m->list, n);
}

/* Whether the offset can be one of this kind. */
static int is_place(const struct msg_signature *m)
{
	if (m->kind == SIGNATURE_BASIS)
		return m->offset > 0 && m->offset <= WIRE_SIZE_MAX;
	if (m->kind == SIGNATURE_PIECES)
		return m->offset < WIRE_SIZE_MAX;
	return body_is_offset(m->offset);
}

int msg_get_signature(struct msg_signature *m, const uint8_t *p, size_t n)
{
	uint32_t least, most;
	struct rd r;
	size_t entry;
	int ok;

	rd_init(&r, p, n);
	m->id = rd_u64(&r);
	m->offset = rd_u64(&r);
	m->count = rd_u32(&r);
	m->kind = rd_u8(&r);
	ok = body_get_zeroes(&r, 3);
	ok &= m->kind >= SIGNATURE_BASIS && m->kind <= SIGNATURE_END;
	entry = list_entry(m, &least, &most);
	ok &= m->count >= least && m->count <= most && is_place(m);
	/* Checked first: the length of the list depends on them. */
	if (!ok)
		return ERR_PROTOCOL;
	m->list = rd_bytes(&r, entry * m->count);
	return body_end(&r, 1);
}
