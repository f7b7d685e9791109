/*
 * Counting verdicts, and the result that follows from them.
 */
#include "session/totals.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "chunk/digest.h"

enum file_status totals_status(enum file_status status, unsigned not_kept)
{
	return status == STATUS_UPDATED && not_kept ? STATUS_UNCHANGED : status;
}

static void count_good(struct totals *t, enum file_status status)
{
	if (status == STATUS_COMMITTED)
		t->committed++;
	else
		t->unchanged++;
	t->updated += status == STATUS_UPDATED;
}

void totals_node(struct totals *t, enum file_status status)
{
	count_good(t, status);
	t->nodes++;
}

uint64_t totals_with_content(const struct totals *t)
{
	return t->committed + t->unchanged - t->nodes;
}

void totals_file(struct totals *t, enum file_status status, uint64_t id,
		uint64_t size, const uint8_t *digest, size_t digest_size)
{
	uint8_t record[16 + DIGEST_MAX], hash[DIGEST_MAX];
	unsigned carry = 0;

	count_good(t, status);
	if (status == STATUS_COMMITTED)
		t->new_bytes += size;
	t->bytes += size;
	be_put64(record, id);
	be_put64(record + 8, size);
	memcpy(record + 16, digest, digest_size);
	digest_xxh3.sum(record, 16 + digest_size, hash);
	/* sum += hash, as 128-bit big-endian numbers */
	for (int i = WIRE_SUM_LEN - 1; i >= 0; i--) {
		carry += (unsigned)t->sum[i] + hash[i];
		t->sum[i] = (uint8_t)(carry & 0xff);
		carry >>= 8;
	}
}

void totals_failed(struct totals *t, enum totals_side side, unsigned cause)
{
	if (side == TOTALS_CHANGED)
		t->failed_changed++;
	else if (side == TOTALS_LOCAL)
		t->failed_local++;
	else
		t->failed_remote++;
	if (cause == CAUSE_NO_SPACE || cause == CAUSE_QUOTA ||
	    cause == CAUSE_INODES)
		t->is_full = 1;
}

void totals_add(struct totals *t, const struct totals *more)
{
	t->committed += more->committed;
	t->unchanged += more->unchanged;
	t->nodes += more->nodes;
	t->updated += more->updated;
	t->skipped += more->skipped;
	t->failed_local += more->failed_local;
	t->failed_remote += more->failed_remote;
	t->failed_changed += more->failed_changed;
	t->not_kept += more->not_kept;
	t->deleted += more->deleted;
	t->not_deleted += more->not_deleted;
	t->is_full |= more->is_full;
	t->replaced += more->replaced;
	t->renamed += more->renamed;
	t->bytes += more->bytes;
	t->new_bytes += more->new_bytes;
}

uint64_t totals_failed_count(const struct totals *t)
{
	return t->failed_local + t->failed_remote + t->failed_changed;
}

void totals_summary(const struct totals *t, struct session_summary *sum)
{
	sum->files = t->committed + t->unchanged;
	sum->unchanged = t->unchanged;
	sum->updated = t->updated;
	sum->replaced = t->replaced;
	sum->renamed = t->renamed;
	sum->new_bytes = t->new_bytes;
	sum->skipped = t->skipped;
	sum->failed = totals_failed_count(t);
	sum->not_kept = t->not_kept;
	sum->deleted = t->deleted;
	sum->not_deleted = t->not_deleted;
	sum->bytes = t->bytes;
}

int totals_code(const struct totals *t, int is_sender)
{
	uint64_t failed = totals_failed_count(t);
	uint64_t skipped = is_sender ? t->skipped : 0;
	uint64_t good = t->committed + t->unchanged;

	if (failed == 0)
		return skipped || t->not_kept || t->not_deleted ?
			       ERR_SOME_FAILED : ERR_OK;
	if (t->is_full)
		return is_sender ? ERR_REMOTE : ERR_LOCAL;
	if (t->failed_changed == failed && skipped == 0)
		return ERR_CHANGED;
	if (good > 0 || skipped > 0)
		return ERR_SOME_FAILED;
	if (t->failed_local == failed)
		return ERR_LOCAL;
	if (t->failed_remote == failed)
		return ERR_REMOTE;
	return ERR_SOME_FAILED;
}

int totals_conclude(const struct totals *t, int is_sender, const char *files,
		    struct err *e)
{
	const size_t n = strlen(files);
	size_t used = strlen(e->text);
	int code = totals_code(t, is_sender);

	if (!e->code)
		return code ? err_set(e, code, "%s", files) : 0;
	if (n == 0 || n + sizeof("; ") > sizeof(e->text))
		return e->code;
	/* A long error loses its end rather than what is said of the files. */
	if (used > sizeof(e->text) - n - sizeof("; "))
		used = sizeof(e->text) - n - sizeof("; ");
	snprintf(e->text + used, sizeof(e->text) - used, "; %s", files);
	return e->code;
}
