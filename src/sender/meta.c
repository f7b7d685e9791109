/*
 * The metadata that is sent with an item.
 */
#include "sender/meta.h"

#include <sys/stat.h>

#include "fs/preserve.h"
#include "os/device.h"
#include "sender/item.h"
#include "sender/outcome.h"
#include "sender/pack.h"
#include "sender/queue_files.h"
#include "sender/stream.h"

enum file_meta_form meta_form(const struct send_stream *st)
{
	return st->features & FEATURE_PRESERVE ? FILE_META_EXTENDED :
						 FILE_META_BASIC;
}

int meta_needs_open(const struct send_stream *st)
{
	return (st->sender->preserve.kinds & PRESERVE_ATTRS) != 0;
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

int meta_read_in_pack(struct send_stream *st, const struct pack *pk,
		      struct item *it, int fd, struct err *fe)
{
	const size_t off = st->fields.len;
	const uint64_t left = pk->fields_room - off;
	const int is_alone = pk->item_room == FILE_META_FIELDS_MAX;
	const size_t room = left < FILE_META_FIELDS_MAX ? (size_t)left :
							  FILE_META_FIELDS_MAX;
	unsigned lost = 0;
	int rc;

	it->fields_off = (uint32_t)off;
	it->fields_len = 0;
	if (!(st->features & FEATURE_PRESERVE))
		return 0;
	rc = meta_read(st, it, fd, room, &lost, fe);
	if (rc)
		return rc;
	if (st->fields.len - off > room || (lost && !is_alone)) {
		st->fields.len = off;
		return 1;
	}
	it->fields_len = (uint16_t)(st->fields.len - off);
	it->cut |= (uint8_t)lost;
	return 0;
}

int meta_send_alone(struct send_stream *st, const struct pack *pk,
		    const struct item *it, struct err *e)
{
	struct pack *alone = pack_alone(pk, it);

	if (!alone)
		return err_set(e, ERR_RESOURCE, "out of memory");
	queue_requeue_pack(st->sender->queue, alone);
	return 1;
}

int meta_read_other(struct send_stream *st, const struct pack *pk,
		    struct item *it, struct err *e)
{
	const char *name = pack_name(pk, it);
	struct err fe;
	int rc, fd = PRESERVE_CLOSED;

	if (!(st->features & FEATURE_PRESERVE))
		return 0;
	err_clear(&fe);
	/* One that cannot be opened was reported by the scan. */
	if (it->kind == ITEM_DIR && meta_needs_open(st))
		fd = send_stream_open_dir(st, it, name);
	rc = meta_read_in_pack(st, pk, it, fd, &fe);
	if (rc == 1)
		return meta_send_alone(st, pk, it, e);
	if (rc)
		send_stream_item_unsent(st, it, name, &fe);
	return rc ? 1 : 0;
}

static uint8_t special_type(mode_t mode)
{
	return S_ISFIFO(mode) ? SPECIAL_FIFO :
	       S_ISSOCK(mode) ? SPECIAL_SOCKET :
	       S_ISCHR(mode)  ? SPECIAL_CHAR :
				SPECIAL_BLOCK;
}

void meta_put_device(struct pack_item *row, const struct stat *st)
{
	row->special = special_type(st->st_mode);
	if (!S_ISCHR(st->st_mode) && !S_ISBLK(st->st_mode))
		return;
	(void)device_split(st->st_rdev, &row->major, &row->minor);
}
