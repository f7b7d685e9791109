/*
 * Encoding and decoding of file metadata.
 */
#include "base/file_meta.h"

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
	if (form == FILE_META_EXTENDED)
		buf_put_u16(b, 0);
}

/* Skip the further fields and set the bits of their tags.  Returns whether they
 * are well-formed. */
static int get_further(struct rd *r, uint32_t *further)
{
	size_t len = rd_u16(r);
	const uint8_t *p = rd_bytes(r, len);
	struct rd fields;

	if (!p)
		return 0;
	rd_init(&fields, p, len);
	while (fields.left > 0) {
		unsigned tag = rd_u8(&fields);
		uint32_t bit = tag < FILE_META_TAGS ? (uint32_t)1 << tag : 0;

		/* Larger than all bits so far: tags ascend, and none is
		 * repeated; 0: the tag is too large. */
		if (bit <= *further)
			return 0;
		rd_bytes(&fields, rd_u16(&fields));
		if (fields.failed)
			return 0;
		*further |= bit;
	}
	return 1;
}

int file_meta_get(struct rd *r, struct file_meta *m, enum file_meta_form form)
{
	m->mode = rd_u32(r);
	m->mtime_s = (int64_t)rd_u64(r);
	m->mtime_ns = rd_u32(r);
	m->further = 0;
	if (m->mode > 07777 || m->mtime_ns >= 1000000000)
		return 0;
	return form == FILE_META_BASIC || get_further(r, &m->further);
}
