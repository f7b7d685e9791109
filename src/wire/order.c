/*
 * The order and its answer.
 */
#include "wire/order.h"

#include <string.h>

#include "base/err.h"
#include "base/num.h"

static const char magic[8] = { 'F', 'E', 'R', 'R', 'Y', 'O', 'R', 'D' };
static const char marker[13] = { 'f', 'e', 'r', 'r', 'y', '-', 'r',
				 'e', 'm', 'o', 't', 'e', ':' };

size_t order_begin_list(struct buf *b)
{
	const size_t off = b->len;

	buf_put_u16(b, 0);
	return off;
}

void order_put_item(struct buf *b, size_t off, const char *item)
{
	const size_t n = strlen(item);
	unsigned count;

	if (b->failed)
		return;
	count = be_get16(b->data + off);
	if (n > UINT16_MAX || count == ORDER_ITEMS_MAX) {
		b->failed = 1;
		return;
	}
	be_put16(b->data + off, (uint16_t)(count + 1));
	buf_put_u16(b, (uint16_t)n);
	buf_put(b, item, n);
}

void order_put(struct buf *b, const struct order *m)
{
	buf_put(b, magic, sizeof(magic));
	buf_put_u16(b, m->version);
	buf_put_u16(b, 0);
	buf_put_u32(b, m->len);
	buf_put(b, m->nonce, sizeof(m->nonce));
}

void order_put_marker(struct buf *b, const uint8_t nonce[ORDER_NONCE])
{
	char hex[2 * ORDER_NONCE + 1];

	buf_put(b, marker, sizeof(marker));
	hex_encode(hex, nonce, ORDER_NONCE);
	buf_put(b, hex, 2 * ORDER_NONCE);
	buf_put_u8(b, '\n');
}

void order_put_answer(struct buf *b, const struct order_answer *m)
{
	buf_put_u16(b, m->version);
	buf_put_u16(b, m->code);
	buf_put_u32(b, m->len);
}

int order_get(struct order *m, const uint8_t p[ORDER_HEADER])
{
	uint16_t reserved;
	struct rd r;

	memset(m, 0, sizeof(*m));
	if (memcmp(p, magic, sizeof(magic)) != 0)
		return ERR_PROTOCOL;
	rd_init(&r, p + sizeof(magic), ORDER_HEADER - sizeof(magic));
	m->version = rd_u16(&r);
	reserved = rd_u16(&r);
	m->len = rd_u32(&r);
	rd_copy(&r, m->nonce, sizeof(m->nonce));
	if (m->version != ORDER_VERSION)
		return 0;
	return reserved == 0 && m->len <= ORDER_LIST_MAX ? 0 : ERR_PROTOCOL;
}

int order_get_answer(struct order_answer *m, const uint8_t p[ORDER_ANSWER])
{
	m->version = be_get16(p);
	m->code = be_get16(p + 2);
	m->len = be_get32(p + 4);
	return m->version != ORDER_VERSION || m->len <= ORDER_LIST_MAX
		       ? 0
		       : ERR_PROTOCOL;
}

int order_get_count(struct rd *r)
{
	const unsigned count = rd_u16(r);

	if (count > ORDER_ITEMS_MAX)
		r->failed = 1;
	return r->failed ? 0 : (int)count;
}

const char *order_get_item(struct rd *r, size_t *len)
{
	const uint8_t *p;

	*len = rd_u16(r);
	p = rd_bytes(r, *len);
	if (p && memchr(p, '\0', *len))
		r->failed = 1;
	return (const char *)p;
}
