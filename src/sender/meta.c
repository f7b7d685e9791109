/*
 * The metadata that is sent with an item.
 */
#include "sender/meta.h"

#include "fs/preserve.h"
#include "sender/item.h"
#include "sender/stream.h"

enum file_meta_form meta_form(const struct send_stream *st)
{
	return st->features & FEATURE_PRESERVE ? FILE_META_EXTENDED :
						 FILE_META_BASIC;
}

int meta_needs_open(const struct send_stream *st)
{
	return (st->sender->preserve.kinds &
		(PRESERVE_ACL | PRESERVE_XATTRS)) != 0;
}

int meta_read(struct send_stream *st, const struct item *it, int fd,
	      size_t room, unsigned *lost, struct err *e)
{
	const size_t linked = it->linked ? FILE_META_FIELD : 0;
	int rc;

	if (room < linked) {
		*lost |= FILE_META_LINK;
		return 0;
	}
	rc = preserve_read(&st->sender->preserve, fd, &it->st, room - linked,
			   &st->fields, lost, e);
	if (linked)
		file_meta_put_field(&st->fields, FILE_META_TAG_LINKED, 0);
	if (rc == 0 && st->fields.failed)
		rc = err_set(e, ERR_RESOURCE, "out of memory");
	return rc;
}

/* The bits that file_meta_get() would set. */
static uint32_t tags_of(const uint8_t *p, size_t n)
{
	uint32_t tags = 0;
	struct rd r;

	rd_init(&r, p, n);
	while (r.left > 0) {
		tags |= (uint32_t)1 << (rd_u8(&r) % FILE_META_TAGS);
		rd_bytes(&r, rd_u16(&r));
	}
	return tags;
}

struct file_meta meta_of_item(const struct send_stream *st,
			      const struct item *it)
{
	struct file_meta m = file_meta_of_stat(&it->st);

	if (it->fields_len == 0)
		return m;
	m.fields = st->fields.data + it->fields_off;
	m.fields_len = it->fields_len;
	m.further = tags_of(m.fields, m.fields_len);
	return m;
}
