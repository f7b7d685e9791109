/*
 * Messages from the sender about files: names and metadata, content, digests,
 * and packs.
 */
#include "wire/msg.h"

#include <string.h>

#include "base/err.h"
#include "wire/body.h"

void msg_put_open(struct buf *b, const struct msg_open *m, size_t digest_size,
		  enum file_meta_form form)
{
	const size_t further = form == FILE_META_EXTENDED ?
				       2 + (size_t)m->meta.fields_len : 0;

	body_begin(b, FRAME_OPEN,
		   MSG_OPEN_FIXED + further + m->name_len + digest_size);
	buf_put_u64(b, m->id);
	buf_put_u64(b, m->size);
	buf_put_u64(b, m->allocated);
	file_meta_put(b, &m->meta, form);
	body_put_text(b, m->name, m->name_len, 1, WIRE_NAME_MAX);
	body_put_digest(b, m->digest, digest_size);
}

int msg_get_open(struct msg_open *m, size_t digest_size,
		 enum file_meta_form form, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->id = rd_u64(&r);
	m->size = rd_u64(&r);
	m->allocated = rd_u64(&r);
	ok = file_meta_get(&r, &m->meta, form);
	ok &= body_get_text(&r, &m->name, &m->name_len, 1, WIRE_NAME_MAX);
	ok &= body_get_digest(&r, m->digest, digest_size);
	ok &= m->size <= WIRE_SIZE_MAX || m->size == WIRE_SIZE_UNKNOWN;
	return body_end(&r, ok);
}

void msg_put_chunk(struct buf *b, const struct msg_chunk *m, size_t digest_size,
		   uint32_t payload_len)
{
	body_begin(b, FRAME_CHUNK, MSG_CHUNK_FIXED + digest_size + payload_len);
	buf_put_u64(b, m->id);
	buf_put_u64(b, m->offset);
	buf_put_u32(b, m->raw_len);
	buf_put_u8(b, m->codec);
	body_put_zeroes(b, 3);
	body_put_digest(b, m->digest, digest_size);
}

int msg_get_chunk(struct msg_chunk *m, size_t digest_size, const uint8_t *p,
		  size_t n, size_t payload_len)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->id = rd_u64(&r);
	m->offset = rd_u64(&r);
	m->raw_len = rd_u32(&r);
	m->codec = rd_u8(&r);
	ok = body_get_zeroes(&r, 3);
	ok &= body_get_digest(&r, m->digest, digest_size);
	ok &= body_is_offset(m->offset) && m->raw_len <= CHUNK_MAX;
	ok &= body_is_payload(m->raw_len, m->codec, payload_len);
	return body_end(&r, ok);
}

void msg_put_hole(struct buf *b, const struct msg_hole *m)
{
	body_begin(b, FRAME_HOLE, BODY_HOLE);
	buf_put_u64(b, m->id);
	buf_put_u64(b, m->offset);
	buf_put_u64(b, m->len);
}

int msg_get_hole(struct msg_hole *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->id = rd_u64(&r);
	m->offset = rd_u64(&r);
	m->len = rd_u64(&r);
	/* That only a hole at the end of the file may have a length that is not
	 * a multiple of CHUNK_MAX is checked by the session, which knows the
	 * size. */
	ok = body_is_offset(m->offset) && m->len > 0 &&
	     m->len <= WIRE_SIZE_MAX - m->offset;
	return body_end(&r, ok);
}

void msg_put_file_end(struct buf *b, const struct msg_file_end *m,
		      size_t digest_size)
{
	body_begin(b, FRAME_FILE_END, BODY_FILE_END + digest_size);
	buf_put_u64(b, m->id);
	buf_put_u64(b, m->size);
	body_put_digest(b, m->digest, digest_size);
}

int msg_get_file_end(struct msg_file_end *m, size_t digest_size,
		     const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->id = rd_u64(&r);
	m->size = rd_u64(&r);
	ok = body_get_digest(&r, m->digest, digest_size);
	return body_end(&r, ok && m->size <= WIRE_SIZE_MAX);
}

void msg_put_file_abort(struct buf *b, const struct msg_file_abort *m)
{
	body_begin(b, FRAME_FILE_ABORT, BODY_FILE_ABORT);
	buf_put_u64(b, m->id);
	buf_put_u16(b, m->cause);
}

int msg_get_file_abort(struct msg_file_abort *m, const uint8_t *p, size_t n)
{
	struct rd r;

	rd_init(&r, p, n);
	m->id = rd_u64(&r);
	m->cause = rd_u16(&r);
	return body_end(&r, 1);
}

void msg_put_check(struct buf *b, const struct msg_check *m, size_t digest_size)
{
	size_t digests = m->kind == CHECK_RANGE ? 1 : m->count;

	body_begin(b, FRAME_CHECK, BODY_CHECK + digests * digest_size);
	buf_put_u64(b, m->id);
	buf_put_u64(b, m->offset);
	buf_put_u32(b, m->count);
	buf_put_u8(b, m->kind);
	body_put_zeroes(b, 3);
	buf_put(b, m->digests, digests * digest_size);
}

int msg_get_check(struct msg_check *m, size_t digest_size, const uint8_t *p,
		  size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->id = rd_u64(&r);
	m->offset = rd_u64(&r);
	m->count = rd_u32(&r);
	m->kind = rd_u8(&r);
	ok = body_get_zeroes(&r, 3);
	ok &= body_is_offset(m->offset) && body_is_check_count(m->count);
	ok &= m->kind == CHECK_LEAVES || m->kind == CHECK_RANGE;
	/* Checked first: the number of digests depends on them. */
	if (!ok)
		return ERR_PROTOCOL;
	m->digests = rd_bytes(&r, (m->kind == CHECK_RANGE ? 1 : m->count) *
					  digest_size);
	return body_end(&r, 1);
}

static void put_pack(struct buf *b, enum frame_type type,
		     const struct msg_pack *m, size_t digest_size,
		     uint32_t payload_len)
{
	body_begin(b, type, MSG_PACK_FIXED + digest_size + payload_len);
	buf_put_u64(b, m->first_id);
	buf_put_u32(b, m->count);
	buf_put_u32(b, m->raw_len);
	buf_put_u32(b, m->table_len);
	buf_put_u8(b, m->codec);
	body_put_zeroes(b, 3);
	body_put_digest(b, m->digest, digest_size);
}

void msg_put_pack(struct buf *b, const struct msg_pack *m, size_t digest_size,
		  uint32_t payload_len)
{
	put_pack(b, FRAME_PACK, m, digest_size, payload_len);
}

void msg_put_offer(struct buf *b, const struct msg_pack *m, size_t digest_size,
		   uint32_t payload_len)
{
	put_pack(b, FRAME_OFFER, m, digest_size, payload_len);
}

int msg_get_pack(struct msg_pack *m, size_t digest_size, const uint8_t *p,
		 size_t n, size_t payload_len)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->first_id = rd_u64(&r);
	m->count = rd_u32(&r);
	m->raw_len = rd_u32(&r);
	m->table_len = rd_u32(&r);
	m->codec = rd_u8(&r);
	ok = body_get_zeroes(&r, 3);
	ok &= body_get_digest(&r, m->digest, digest_size);
	ok &= m->count <= PACK_ITEMS_MAX &&
	      body_is_id_run(m->first_id, m->count);
	ok &= m->raw_len >= 1 && m->raw_len <= CHUNK_MAX &&
	      m->table_len <= m->raw_len;
	ok &= body_is_payload(m->raw_len, m->codec, payload_len);
	return body_end(&r, ok);
}

void pack_put_item(struct buf *b, const struct pack_item *it,
		   const struct pack_form *form)
{
	buf_put_u8(b, it->kind);
	file_meta_put(b, &it->meta, form->meta);
	body_put_text(b, it->name, it->name_len, 1, WIRE_NAME_MAX);
	if (it->kind == ITEM_FILE) {
		buf_put_u32(b, (uint32_t)it->size);
		body_put_digest(b, it->digest, form->digest_size);
	} else if (it->kind == ITEM_SYMLINK) {
		body_put_text(b, it->target, it->target_len, 1,
			      WIRE_TARGET_MAX);
	} else if (it->kind == ITEM_LINK) {
		body_put_text(b, it->target, it->target_len, 1, WIRE_NAME_MAX);
	} else if (it->kind == ITEM_SPECIAL) {
		buf_put_u8(b, it->special);
		buf_put_u32(b, it->major);
		buf_put_u32(b, it->minor);
	}
}

int pack_is_special(const struct pack_item *it)
{
	if (it->special == SPECIAL_CHAR || it->special == SPECIAL_BLOCK)
		return 1;
	return (it->special == SPECIAL_FIFO || it->special == SPECIAL_SOCKET) &&
	       it->major == 0 && it->minor == 0;
}

int pack_get_item(struct pack_item *it, struct rd *r,
		  const struct pack_form *form)
{
	int ok;

	/* Fields of other kinds are 0. */
	memset(it, 0, sizeof(*it));
	it->kind = rd_u8(r);
	ok = file_meta_get(r, &it->meta, form->meta);
	ok &= body_get_text(r, &it->name, &it->name_len, 1, WIRE_NAME_MAX);
	if (it->kind == ITEM_FILE) {
		it->size = rd_u32(r);
		ok &= body_get_digest(r, it->digest, form->digest_size);
		ok &= it->size <= CHUNK_MAX;
	} else if (it->kind == ITEM_SYMLINK) {
		ok &= body_get_text(r, &it->target, &it->target_len, 1,
				    WIRE_TARGET_MAX);
	} else if (it->kind == ITEM_LINK) {
		ok &= body_get_text(r, &it->target, &it->target_len, 1,
				    WIRE_NAME_MAX);
		ok &= form->meta == FILE_META_EXTENDED;
	} else if (it->kind == ITEM_SPECIAL) {
		it->special = rd_u8(r);
		it->major = rd_u32(r);
		it->minor = rd_u32(r);
		ok &= form->meta == FILE_META_EXTENDED && pack_is_special(it);
	} else {
		ok &= it->kind == ITEM_DIR;
	}
	return ok && !r->failed ? 0 : ERR_PROTOCOL;
}
