/*
 * Lists: every row is checked, then each is answered (list_item.h).
 */
#include "receiver/list.h"

#include <string.h>

#include "chunk/digest.h"
#include "fs/dirs.h"
#include "receiver/input.h"
#include "receiver/list_item.h"
#include "receiver/list_other.h"
#include "receiver/pack.h"
#include "receiver/quota.h"
#include "receiver/results.h"
#include "receiver/symlinks.h"
#include "receiver/worker.h"
#include "session/channel.h"
#include "wire/msg_list.h"

/* ---- reading ---- */

static int read_fields(struct list *l, size_t len, size_t *payload,
		       struct err *e)
{
	struct transfer *t = l->w->transfer;
	uint8_t fields[MSG_LIST_FIXED + DIGEST_MAX];
	const size_t fixed = MSG_LIST_FIXED + t->digest->size;
	int rc;

	if (len < fixed)
		return input_malformed("LIST", e);
	*payload = len - fixed;
	rc = input_fields(l->w->input, fields, fixed, e);
	if (rc)
		return rc;
	if (msg_get_list(&l->m, t->digest->size, fields, fixed, *payload) ||
	    transfer_see_ids(t, l->m.first_id, l->m.count))
		return input_malformed("LIST", e);
	l->is_dry_run = transfer_is_dry_run(t);
	if (t->stdout_fd >= 0 && !l->is_dry_run)
		return err_set(e, ERR_PROTOCOL,
			       "the sender sent a list to a receiver with "
			       "--stdout");
	return 0;
}

static enum file_meta_form rows_form(const struct list *l)
{
	return l->w->transfer->features & FEATURE_LIST_META ?
		       FILE_META_EXTENDED : FILE_META_BASIC;
}

/* Check the table's digest, and that every row is well-formed and has an
 * allowed name.  Returns as input_payload(). */
static int check_rows(const struct list *l, struct err *e)
{
	const struct digest_ops *digest = l->w->transfer->digest;
	struct msg_rows rows = { .form = rows_form(l) };
	const struct transfer *t = l->w->transfer;
	const uint8_t *allowed = NULL;
	uint8_t sum[DIGEST_MAX];
	struct msg_row row;
	struct rd r;

	digest->sum(l->w->raw, l->m.raw_len, sum);
	if (memcmp(sum, l->m.digest, digest->size) != 0)
		return ERR_CORRUPT;
	rd_init(&r, l->w->raw, l->m.raw_len);
	for (uint32_t i = 0; i < l->m.count; i++) {
		if (msg_get_row(&row, &rows, &r) ||
		    (row.is_unreadable && !l->is_dry_run) ||
		    !recv_pack_allows_kind(t, row.item.kind))
			return input_malformed("LIST", e);
		/* not once more for those of the row before */
		if (row.item.meta.fields != allowed &&
		    !transfer_allows_meta(t, &row.item.meta))
			return input_malformed("LIST", e);
		allowed = row.item.meta.fields;
		if (recv_pack_check_item(l->w->transfer, &row.item, e))
			return e->code;
	}
	return rd_at_end(&r) ? 0 : input_malformed("LIST", e);
}

/* ---- the list ---- */

static int take_row(struct list *l, const struct item *it,
		    const struct msg_row *row, struct err *e)
{
	struct worker *w = l->w;
	struct transfer *t = w->transfer;
	/* As for PACK: a directory counts when it is made or found. */
	const unsigned items = it->row.kind == ITEM_DIR && !l->is_dry_run ? 0 : 1;
	const uint64_t bytes = recv_pack_bytes(&it->row);
	struct verdict v;

	l->is_unreadable = row->is_unreadable;
	l->has_digest = row->has_digest;
	l->existing = t->existing;
	l->node = NULL;
	if (quota_take(t->quota, items, bytes, &v)) {
		l->over = v;
		list_item_answer(l, it,
				 l->is_dry_run ? LISTED_FAILED : LISTED_DONE,
				 l->is_dry_run ? v.cause : 0);
		if (!l->is_dry_run)
			recv_pack_report(t, it, &v);
		return 0;
	}
	if (t->stdout_fd >= 0) {
		list_item_want(l, it, LISTED_NEW);
		return 0;
	}
	if (it->row.kind == ITEM_FILE)
		return list_item_take_file(l, it, row, e);
	if (l->is_dry_run)
		return list_other_plan(l, it, e);
	list_item_answer(l, it, LISTED_DONE, 0);
	return it->row.kind == ITEM_DIR ? recv_pack_take_dir(w, it, e) :
					  recv_pack_take_symlink(w, it, e);
}

static int take_rows(struct list *l, struct err *e)
{
	struct msg_rows rows = { .form = rows_form(l) };
	struct item it = { .id = l->m.first_id };
	struct msg_row row;
	struct rd r;
	int rc = 0;

	rd_init(&r, l->w->raw, l->m.raw_len);
	for (uint32_t i = 0; rc == 0 && i < l->m.count; i++, it.id++) {
		/* check_rows() has seen that it is well-formed. */
		if (msg_get_row(&row, &rows, &r))
			return input_malformed("LIST", e);
		it.row = row.item;
		rc = take_row(l, &it, &row, e);
		cpu_share_check(&l->w->cpu);
	}
	return rc;
}

int recv_list(struct worker *w, size_t len, struct err *e)
{
	struct list l = { .w = w };
	size_t payload = 0;
	int rc = read_fields(&l, len, &payload, e);

	if (rc)
		return rc;
	rc = input_payload(w->input, l.m.codec, l.m.raw_len, payload, e);
	if (rc == 0)
		rc = check_rows(&l, e);
	if (rc == ERR_CORRUPT && !e->code)
		return input_ask_again(w->input, "a list", l.m.first_id, 0, 0,
				       e);
	if (rc == 0)
		rc = take_rows(&l, e);
	dirs_free(l.from);
	/* As after a PACK. */
	if (rc == 0 && w->transfer->symlinks && !l.is_dry_run &&
	    !(w->transfer->features & FEATURE_DEFERRED))
		rc = symlinks_make(w->transfer->symlinks, w->channel, e);
	if (rc)
		return rc;
	results_push(w->transfer->results);
	l.answer.first_id = l.m.first_id;
	l.answer.count = l.m.count;
	msg_put_listed(&w->channel->out, &l.answer);
	return channel_send(w->channel, NULL, 0, e);
}
