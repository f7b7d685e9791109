/*
 * Leaves that an earlier session left in the part, or that the file under the
 * final name (the basis) has, are unverified until the sender says what they
 * should be.
 */
#include "receiver/file_check.h"

#include <assert.h>
#include <string.h>

#include "base/io.h"
#include "fs/journal.h"
#include "receiver/file.h"
#include "receiver/file_open.h"
#include "receiver/file_table.h"
#include "receiver/file_use.h"
#include "receiver/input.h"
#include "receiver/worker.h"
#include "session/channel.h"
#include "wire/msg.h"

/* Whether the leaves lie in the file, and a range is a whole one. */
static int lies_in_file(const struct recv_file *f, const struct msg_check *m)
{
	const uint64_t leaf = m->offset / TREE_LEAF;
	const uint64_t leaves = tree_leaf_count(f->size);

	if (f->size == TREE_SIZE_UNKNOWN || leaf >= leaves ||
	    m->count > leaves - leaf)
		return 0;
	return m->kind != CHECK_RANGE ||
	       (leaf % TREE_RANGE_LEAVES == 0 &&
		(m->count == TREE_RANGE_LEAVES || leaf + m->count == leaves));
}

/* The digests of the leaves of a CHECK as they are here. */
struct own {
	uint8_t tree[CHECK_LEAVES_MAX * DIGEST_MAX]; /* for the file's tree */
	uint8_t check[CHECK_LEAVES_MAX * DIGEST_MAX]; /* to be compared */
	uint64_t unread; /* bit i: the i-th could not be read */
};

/* How large a digest is that leaves of the file are checked by. */
static size_t check_size(const struct worker *w, const struct recv_file *f)
{
	return f->trusts_journal ? w->transfer->digest->size : SAME_SIZE;
}

/* Get both digests of a leaf: from the journal where that is trusted, otherwise
 * by reading the leaf.  Returns 0, or -1 where it cannot be read. */
static int own_digests(struct worker *w, struct recv_file *f, uint64_t leaf,
		       uint8_t *tree, uint8_t *check)
{
	const struct digest_ops *ops = w->transfer->digest;
	const struct commit *c = f->commit;
	const int fd = f->basis_fd >= 0 ? f->basis_fd : c->part.fd;
	const size_t n = tree_leaf_size(f->size, leaf);

	if (f->trusts_journal) {
		if (journal_get(c->journal, leaf, tree))
			return -1;
		memcpy(check, tree, ops->size);
		return 0;
	}
	if (io_pread(fd, w->raw, n, leaf * TREE_LEAF) != (ssize_t)n ||
	    same_digest(&w->same, w->raw, n, check))
		return -1;
	if (ops->id == DIGEST_SHA256)
		memcpy(tree, check, SAME_SIZE);
	else
		ops->sum(w->raw, n, tree);
	return 0;
}

static int read_own(struct worker *w, struct recv_file *f,
		    const struct msg_check *m, struct own *own, struct err *e)
{
	const uint64_t leaf = m->offset / TREE_LEAF;
	const size_t size = check_size(w, f);
	int rc = 0;

	own->unread = 0;
	for (uint32_t i = 0; rc == 0 && i < m->count; i++) {
		if (own_digests(w, f, leaf + i,
				own->tree + i * w->transfer->digest->size,
				own->check + i * size))
			own->unread |= (uint64_t)1 << i;
		rc = channel_ping_if_due(w->channel, 1, e);
	}
	return rc;
}

/* Whether the leaves together have the digest of a CHECK_RANGE. */
static int is_same_range(struct worker *w, const struct recv_file *f,
			 const struct msg_check *m, const struct own *own)
{
	const size_t size = check_size(w, f);
	uint8_t sum[DIGEST_MAX];

	if (own->unread)
		return 0;
	if (f->trusts_journal)
		w->transfer->digest->sum(own->check, m->count * size, sum);
	else if (same_digest(&w->same, own->check, m->count * size, sum))
		return 0;
	return memcmp(sum, m->digests, size) == 0;
}

/* Which leaves differ from the sender's: bit i for the i-th. */
static uint64_t compare_leaves(struct worker *w, const struct recv_file *f,
			       const struct msg_check *m,
			       const struct own *own)
{
	const size_t size = check_size(w, f);
	uint64_t differ = own->unread;

	assert(m->count > 0); /* msg_get_check() */
	if (m->kind == CHECK_RANGE)
		return is_same_range(w, f, m, own) ?
			       0 :
			       UINT64_MAX >> (CHECK_LEAVES_MAX - m->count);
	for (uint32_t i = 0; i < m->count; i++) {
		if (memcmp(own->check + i * size, m->digests + i * size,
			   size) != 0)
			differ |= (uint64_t)1 << i;
	}
	return differ;
}

/* The basis has changed since it was checked. */
static int basis_changed(struct verdict *v)
{
	v->status = STATUS_FAILED;
	v->cause = CAUSE_OTHER_BASIS;
	return -1;
}

/* Copy a leaf of the basis to the part, through w->raw, and get the digest of
 * what was copied.  Returns 0, or -1 with a verdict in v. */
static int copy_leaf(struct worker *w, struct recv_file *f, uint64_t leaf,
		     uint8_t *digest, struct verdict *v)
{
	const size_t n = tree_leaf_size(f->size, leaf);
	struct err e;
	int rc;

	if (io_pread(f->basis_fd, w->raw, n, leaf * TREE_LEAF) != (ssize_t)n)
		return basis_changed(v);
	w->transfer->digest->sum(w->raw, n, digest);
	err_clear(&e);
	do
		rc = part_copy(&f->commit->part, f->basis_fd, leaf * TREE_LEAF,
			       w->raw, n, leaf * TREE_LEAF, &e);
	while (rc && recv_file_make_room(f, &e));
	if (rc == 0)
		return 0;
	v->status = STATUS_FAILED;
	v->cause = wire_cause_of_errno(e.sys_errno);
	return -1;
}

/*
 * Copy the leaves of a range that were found to be the same.  The basis may
 * have changed since: what was copied has to have the digests that were
 * recorded, of each leaf, or of the range where all its leaves were.  Returns
 * as copy_leaf().
 */
static int copy_range(struct worker *w, struct recv_file *f, uint64_t range,
		      struct verdict *v)
{
	const struct digest_ops *ops = w->transfer->digest;
	const uint64_t first = range * TREE_RANGE_LEAVES;
	uint8_t sums[TREE_RANGE_LEAVES * DIGEST_MAX], sum[DIGEST_MAX];
	struct file_table *files = w->transfer->files;
	size_t n = 0; /* leaves whose digests are not kept one by one */

	for (uint64_t i = first; i < first + TREE_RANGE_LEAVES; i++) {
		uint8_t *copied = sums + n * ops->size;

		if (!file_table_has_leaf(files, f, i))
			continue;
		if (copy_leaf(w, f, i, copied, v))
			return -1;
		if (file_table_get_leaf(files, f, i, sum))
			n++;
		else if (memcmp(sum, copied, ops->size) != 0)
			return basis_changed(v);
	}
	if (n == 0)
		return 0;
	ops->sum(sums, n * ops->size, sums);
	if (file_table_get_range(files, f, range, sum) ||
	    memcmp(sum, sums, ops->size) != 0)
		return basis_changed(v);
	return 0;
}

/*
 * The basis is not the file that is sent: make the part, and copy the leaves to
 * it that were found to be the same.  What an earlier session left in the part
 * is not used, because STATE named the leaves of the basis.  Returns 0, or -1
 * with a verdict in v.
 */
static int materialize_part(struct worker *w, struct recv_file *f,
			    struct verdict *v)
{
	const uint64_t leaves = tree_leaf_count(f->size);
	struct runs unused;
	struct parts_found found = { .unverified = &unused };
	int rc;

	runs_init(&unused, STATE_RUNS_MAX);
	rc = file_open_part(w, f, &found, v);
	runs_release(&unused);
	for (uint64_t i = 0; rc == 0 && i * TREE_RANGE_LEAVES < leaves; i++)
		rc = copy_range(w, f, i, v);
	return rc;
}

/* Record the leaves that do not differ as received, and copy them to the part
 * if it was made.  A file that fails is no error here. */
static int record_same(struct worker *w, struct recv_file *f,
		       const struct msg_check *m, const struct own *own,
		       uint64_t differ, struct err *e)
{
	struct transfer *t = w->transfer;
	const size_t size = t->digest->size;
	const uint64_t leaf = m->offset / TREE_LEAF;
	const int copies = f->basis_fd >= 0 && f->commit->part.fd >= 0;
	uint8_t copied[DIGEST_MAX];
	struct verdict v = { 0 };
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < m->count; i++) {
		const uint8_t *sum = own->tree + i * size;

		if (differ >> i & 1)
			continue;
		if (copies &&
		    (copy_leaf(w, f, leaf + i, copied, &v) ||
		     (memcmp(copied, sum, size) != 0 && basis_changed(&v)))) {
			file_use_give_up(t, f, &v);
			return 0;
		}
		rc = file_table_put_leaf(t->files, f, leaf + i, sum, e);
		if (rc == 0 && copies && f->commit->journal)
			journal_note(f->commit->journal, leaf + i, sum);
	}
	return rc;
}

/* Compare the leaves and answer.  The caller has locked the basis. */
static int check_leaves(struct worker *w, struct recv_file *f,
			const struct msg_check *m, struct err *e)
{
	struct msg_checked reply = { m->id, m->offset, m->count, 0 };
	struct verdict v = { .status = STATUS_FAILED };
	struct own own;
	int rc = read_own(w, f, m, &own, e);

	if (rc)
		return rc;
	reply.differing = compare_leaves(w, f, m, &own);
	if (recv_file_is_compare_only(f)) {
		/* Told by the verdict alone, when all were compared. */
		f->is_other |= reply.differing != 0;
		reply.differing = own.unread;
	}
	if (f->basis_fd >= 0 && f->commit->part.fd < 0 && reply.differing) {
		if (recv_file_is_compare_only(f)) {
			v = recv_file_conflict(f, NULL);
			rc = -1;
		} else {
			rc = materialize_part(w, f, &v);
		}
		if (rc) {
			file_use_give_up(w->transfer, f, &v);
			return 0;
		}
	}
	rc = record_same(w, f, m, &own, reply.differing, e);
	if (rc)
		return rc;
	msg_put_checked(&w->channel->out, &reply);
	return channel_send(w->channel, NULL, 0, e);
}

int file_check(struct worker *w, const uint8_t *body, size_t len,
	       struct err *e)
{
	struct transfer *t = w->transfer;
	size_t size = SAME_SIZE;
	struct recv_file *f;
	struct msg_check m;
	int rc;

	if (msg_get_check(&m, size, body, len)) {
		size = t->digest->size;
		if (msg_get_check(&m, size, body, len))
			return input_malformed("CHECK", e);
	}
	rc = file_use_begin(t, m.id, &f, e);
	if (rc || !f)
		return rc;
	/* Before the lock is held: this may wait for threads that want it,
	 * too. */
	cpu_share_check(&w->cpu);
	recv_file_lock_basis(f);
	if (size != check_size(w, f))
		rc = input_malformed("CHECK", e);
	else if (!lies_in_file(f, &m) ||
	    !file_table_start_check(t->files, f, m.offset / TREE_LEAF, m.count))
		rc = err_set(e, ERR_PROTOCOL,
			     "the sender checks chunks that the receiver did "
			     "not report");
	else
		rc = check_leaves(w, f, &m, e);
	w->input->has_effect = rc == 0;
	if (rc == 0)
		atomic_fetch_add(&t->stored_bytes,
				 (uint64_t)m.count * TREE_LEAF);
	recv_file_unlock_basis(f);
	file_use_end(t, f);
	return rc;
}
