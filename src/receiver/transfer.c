/*
 * What the streams of a session share.
 */
#include "receiver/transfer.h"

#include "fs/mode_rules.h"
#include "fs/name.h"
#include "os/identity.h"
#include "receiver/asked.h"
#include "receiver/made.h"

int transfer_see_ids(struct transfer *t, uint64_t first, uint64_t count)
{
	const uint64_t last = first + count - 1;
	uint64_t max = atomic_load(&t->max_id);

	if (first == 0 || last < first)
		return -1;
	while (last > max &&
	       !atomic_compare_exchange_weak(&t->max_id, &max, last))
		;
	return 0;
}

const char *transfer_check_name(const struct transfer *t, const char *name,
				size_t len)
{
	const char *why = name_check(name, len);

	if (!why && !asked_has(t->asked, name, len))
		why = "it was not asked for";
	return why;
}

uint32_t transfer_mode(const struct transfer *t, const struct file_meta *meta,
		       int is_dir)
{
	const int has_all_bits = file_meta_has(meta, FILE_META_TAG_SETID);

	if (!t->chmod && has_all_bits)
		return meta->mode;
	return mode_rules_apply(t->chmod, meta->mode, is_dir, t->umask);
}

struct same_meta transfer_same_meta(struct transfer *t)
{
	return (struct same_meta){ t->existing, &t->lacks, &t->preserve };
}

int transfer_may_be_linked(const struct transfer *t,
			   const struct file_meta *meta)
{
	return t->linked && file_meta_has(meta, FILE_META_TAG_LINKED);
}

void transfer_note_linked(struct transfer *t, const struct file_meta *meta,
			  const char *path, size_t len, int fd)
{
	struct identity id;
	struct stat st;

	if (transfer_may_be_linked(t, meta) && identity_of(fd, &id, &st) == 0)
		made_note(t->linked, path, len, &id);
}

int transfer_allows_meta(const struct transfer *t,
			 const struct file_meta *meta)
{
	return (file_meta_needs(meta) & ~t->preserve.kinds) == 0;
}

int transfer_is_dry_run(const struct transfer *t)
{
	return (t->features & FEATURE_DRY_RUN) != 0;
}
