/*
 * Files that are sent in chunks.
 */
#include "sender/outfile_priv.h"

#include <stdlib.h>

#include "base/io.h"
#include "fs/source.h"
#include "sender/delta.h"
#include "wire/msg.h"

struct outfile *outfile_new(const char *name, size_t name_len, size_t path_off)
{
	struct outfile *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->locked = calloc(1, sizeof(*f->locked));
	if (!f->locked) {
		free(f);
		return NULL;
	}
	f->fd = -1;
	f->item.kind = ITEM_FILE;
	f->item.name_len = (uint32_t)name_len;
	f->item.path_off = (uint32_t)path_off;
	runs_init(&f->locked->todo, OUTFILE_RUNS_MAX);
	runs_init(&f->locked->unverified, STATE_RUNS_MAX);
	runs_init(&f->locked->sent, OUTFILE_RUNS_MAX);
	buf_init(&f->names, ITEM_NAMES_MAX);
	buf_put(&f->names, name, name_len);
	buf_put_u8(&f->names, 0);
	if (f->names.failed) {
		outfile_free(f);
		return NULL;
	}
	return f;
}

void outfile_free(struct outfile *f)
{
	struct outfile_locked *l;

	if (!f)
		return;
	l = f->locked;
	if (!f->is_stream)
		io_close(&f->fd);
	tree_free(f->tree);
	runs_release(&l->todo);
	runs_release(&l->unverified);
	runs_release(&l->sent);
	delta_free(l->delta);
	free(l);
	buf_release(&f->names);
	free(f);
}

const char *outfile_name(const struct outfile *f)
{
	return (const char *)f->names.data;
}

uint64_t outfile_hole_leaves(const struct outfile *f, uint64_t leaf,
			     uint64_t count)
{
	uint64_t start, end, n;

	if (!f->has_holes ||
	    source_next_data(f->fd, leaf * TREE_LEAF, f->size, &start, &end,
			     NULL))
		return 0;
	/* Whole leaves only.  A hole up to the end of the file leaves out a
	 * last leaf that is shorter, since HOLE counts in whole leaves here. */
	n = start / TREE_LEAF - leaf;
	return n < count ? n : count;
}

void outfile_restart(struct outfile *f)
{
	struct outfile_locked *l = f->locked;

	f->id = 0;
	l->users = 0;
	l->is_in_flight = 0;
	l->is_counted = 0;
	l->is_reading = 0;
	l->state = FILE_QUEUED;
	l->checks = 0;
	l->counted = 0;
	f->has_counted_holes = 0;
	f->has_counted_part = 0;
	l->has_digest = 0;
	runs_release(&l->todo);
	runs_release(&l->unverified);
	delta_free(l->delta);
	l->delta = NULL;
}
