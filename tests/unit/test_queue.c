/*
 * A sending session's queue, as the receiver's answers come in: links that are
 * held, verdicts, packs that are to be sent again, and beginning anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "sender/outfile_priv.h"
#include "sender/pack.h"
#include "sender/queue.h"
#include "sender/queue_delta.h"
#include "sender/queue_files.h"
#include "sender/queue_lists.h"
#include "sender/queue_replies.h"
#include "sender/queue_tasks.h"
#include "wire/msg_list.h"

/* A queue and one stream. */
struct lab {
	struct queue *queue;
	struct task task;
	unsigned verdicts; /* that the queue told of */
};

static int setup(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	*state = lab;
	if (!lab)
		return -1;
	lab->queue = queue_new();
	return lab->queue ? 0 : -1;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	queue_free(lab->queue);
	free(lab);
	return 0;
}

static void count_verdict(void *ctx, const struct queue_verdict *v)
{
	struct lab *lab = ctx;

	assert_non_null(v->item);
	lab->verdicts++;
}

/* ---- what the scanner and the stream do ---- */

/* The next item is a link (l), a directory (d) or a file of 10 bytes (f). */
static void add_item(struct pack *pk, char kind)
{
	const int is_file = kind == 'f', is_link = kind == 'l';
	const uint64_t size = is_file ? 10 : 0;
	const struct pack_texts texts = { "name", 4, 0, "to", is_link ? 2 : 0 };
	struct item *it = pack_add(pk, ITEM_DIR, &texts, size);

	assert_non_null(it);
	if (kind != 'd')
		it->kind = is_link ? ITEM_SYMLINK : ITEM_FILE;
	it->st.st_size = (off_t)size;
}

static void add_pack(struct lab *lab, const char *kinds)
{
	struct pack *pk = pack_new();

	assert_non_null(pk);
	while (*kinds)
		add_item(pk, *kinds++);
	assert_int_equal(queue_add_pack(lab->queue, pk), 0);
}

static enum queue_next take(struct lab *lab)
{
	return queue_take(lab->queue, &lab->task, 0);
}

/* Take the next pack, which has so many items, and send it: its first id. */
static uint64_t send_pack(struct lab *lab, uint32_t count)
{
	assert_int_equal(take(lab), QUEUE_TASK);
	assert_int_equal(lab->task.kind, TASK_PACK);
	assert_int_equal(lab->task.pack->count, count);
	for (uint32_t i = 0; i < count; i++) {
		assert_false(lab->task.pack->items[i].done);
		assert_false(lab->task.pack->items[i].is_deferred);
	}
	return queue_assign_pack_ids(lab->queue, lab->task.pack);
}

static uint64_t send_new_pack(struct lab *lab, const char *kinds)
{
	add_pack(lab, kinds);
	return send_pack(lab, (uint32_t)strlen(kinds));
}

/* Queue a file that is sent in chunks, and open it: its id. */
static uint64_t open_file(struct lab *lab)
{
	struct outfile *f = outfile_new("name", 4, 0);

	assert_non_null(f);
	f->size = 3 << 20;
	assert_int_equal(queue_add_file(lab->queue, f), 0);
	assert_int_equal(take(lab), QUEUE_TASK);
	assert_int_equal(lab->task.kind, TASK_OPEN);
	return queue_assign_file_id(lab->queue, f, 0);
}

/* The first file of all. */
static void send_file(struct lab *lab)
{
	assert_int_equal(open_file(lab), 1);
}

/* ---- what the receiver answers ---- */

static int held(struct lab *lab, uint64_t first, uint32_t count)
{
	const struct msg_verdict m = {
		.first_id = first,
		.count = count,
		.status = STATUS_DEFERRED,
	};

	return queue_deferred(lab->queue, &m);
}

static int committed(struct lab *lab, uint64_t first, uint32_t count)
{
	const struct msg_verdict m = {
		.first_id = first,
		.count = count,
		.status = STATUS_COMMITTED,
	};

	return queue_verdict(lab->queue, &m, count_verdict, lab);
}

static int state_of(struct lab *lab, uint64_t id, unsigned state)
{
	const struct msg_state m = { .id = id, .state = (uint8_t)state };

	return queue_state(lab->queue, &m, NULL);
}

static int resend(struct lab *lab, uint64_t id)
{
	const struct msg_resend m = { .id = id };
	uint64_t again;
	int is_misfit;

	return queue_resend(lab->queue, &m, &is_misfit, &again);
}

static void assert_waits(struct lab *lab)
{
	assert_int_equal(take(lab), QUEUE_WAIT);
	assert_false(queue_is_over(lab->queue));
}

/* All is sent, and links are held that have no verdict yet. */
static void assert_done(struct lab *lab)
{
	assert_int_equal(take(lab), QUEUE_DONE);
	assert_false(queue_is_over(lab->queue));
}

static void assert_over(struct lab *lab)
{
	assert_int_equal(take(lab), QUEUE_DONE);
	assert_true(queue_is_over(lab->queue));
}

/* ---- the end ---- */

static void done_is_when_nothing_is_left_to_do(void **state)
{
	struct lab *lab = *state;

	assert_waits(lab);
	add_pack(lab, "fd");
	assert_false(queue_is_over(lab->queue));
	assert_int_equal(send_pack(lab, 2), 1);
	assert_int_equal(committed(lab, 1, 1), 0);
	queue_set_scanned(lab->queue);
	assert_waits(lab);
	assert_int_equal(committed(lab, 2, 1), 0);
	assert_over(lab);
	assert_int_equal(lab->verdicts, 2);
	queue_set_unscanned(lab->queue);
	assert_waits(lab);
}

static void a_pack_that_is_taken_is_not_done(void **state)
{
	struct lab *lab = *state;
	struct task other = { 0 };

	add_pack(lab, "l");
	queue_set_scanned(lab->queue);
	assert_false(queue_is_over(lab->queue));
	assert_int_equal(take(lab), QUEUE_TASK);
	assert_int_equal(queue_take(lab->queue, &other, 0), QUEUE_WAIT);
	assert_false(queue_is_over(lab->queue));
	assert_int_equal(queue_assign_pack_ids(lab->queue, lab->task.pack), 1);
	assert_waits(lab);
	assert_int_equal(held(lab, 1, 1), 0);
	assert_int_equal(queue_take(lab->queue, &other, 0), QUEUE_DONE);
	assert_done(lab);
}

/* ---- links that are held ---- */

static void links_are_held_before_their_verdicts(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(send_new_pack(lab, "ll"), 1);
	queue_set_scanned(lab->queue);
	assert_waits(lab);
	assert_int_equal(held(lab, 1, 1), 0);
	assert_waits(lab);
	assert_int_equal(held(lab, 2, 1), 0);
	assert_done(lab);
	assert_int_equal(lab->verdicts, 0);
	assert_int_equal(committed(lab, 1, 1), 0);
	assert_done(lab);
	assert_int_equal(committed(lab, 2, 1), 0);
	assert_over(lab);
	assert_int_equal(lab->verdicts, 2);
}

/* By another stream they may come in any order. */
static void links_are_held_after_their_verdicts(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(send_new_pack(lab, "ll"), 1);
	queue_set_scanned(lab->queue);
	assert_int_equal(committed(lab, 1, 1), 0);
	assert_waits(lab);
	assert_int_equal(held(lab, 1, 1), 0);
	assert_waits(lab);
	assert_int_equal(held(lab, 1, 2), 0);
	assert_done(lab);
	assert_int_equal(committed(lab, 2, 1), 0);
	assert_over(lab);
	/* the pack is gone */
	assert_int_equal(held(lab, 1, 2), 0);
	assert_over(lab);
	assert_int_equal(lab->verdicts, 2);
}

static void a_link_held_twice_counts_once(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(send_new_pack(lab, "lf"), 1);
	queue_set_scanned(lab->queue);
	assert_int_equal(held(lab, 1, 1), 0);
	assert_int_equal(held(lab, 1, 1), 0);
	assert_waits(lab);
	assert_int_equal(committed(lab, 2, 1), 0);
	assert_done(lab);
	assert_int_equal(committed(lab, 1, 1), 0);
	assert_over(lab);
	/* nor does a second verdict */
	assert_int_equal(committed(lab, 1, 2), 0);
	assert_over(lab);
	assert_int_equal(lab->verdicts, 2);
}

static void a_run_of_links_goes_over_two_packs(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(send_new_pack(lab, "lll"), 1);
	assert_int_equal(send_new_pack(lab, "lll"), 4);
	queue_set_scanned(lab->queue);
	assert_int_equal(held(lab, 2, 4), 0);
	assert_waits(lab);
	assert_int_equal(held(lab, 1, 1), 0);
	assert_waits(lab);
	assert_int_equal(held(lab, 1, 6), 0);
	assert_done(lab);
	assert_int_equal(committed(lab, 3, 2), 0);
	assert_done(lab);
	assert_int_equal(committed(lab, 1, 6), 0);
	assert_over(lab);
	assert_int_equal(lab->verdicts, 6);
}

static void only_links_are_held(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(send_new_pack(lab, "lfdl"), 1);
	assert_int_equal(held(lab, 2, 1), ERR_PROTOCOL);
	assert_int_equal(held(lab, 3, 1), ERR_PROTOCOL);
	assert_int_equal(held(lab, 1, 2), ERR_PROTOCOL);
	assert_int_equal(held(lab, 3, 2), ERR_PROTOCOL);
	assert_int_equal(held(lab, 4, 1), 0);
}

static void a_file_in_chunks_is_not_held(void **state)
{
	struct lab *lab = *state;

	send_file(lab);
	queue_set_scanned(lab->queue);
	assert_int_equal(held(lab, 1, 1), ERR_PROTOCOL);
	assert_int_equal(committed(lab, 1, 1), 0);
	assert_waits(lab);
	queue_release_task(lab->queue, &lab->task);
	assert_over(lab);
	/* it is gone */
	assert_int_equal(held(lab, 1, 1), 0);
	assert_int_equal(lab->verdicts, 1);
}

/* ---- sending again ---- */

static void a_pack_is_sent_again_with_new_ids(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(send_new_pack(lab, "flf"), 1);
	queue_set_scanned(lab->queue);
	assert_int_equal(resend(lab, 1), 0);
	assert_false(queue_is_over(lab->queue));
	assert_int_equal(send_pack(lab, 3), 4);
	assert_waits(lab);
	/* these are no more */
	assert_int_equal(committed(lab, 1, 3), 0);
	assert_int_equal(held(lab, 2, 1), 0);
	assert_int_equal(lab->verdicts, 0);
	assert_waits(lab);
	assert_int_equal(committed(lab, 4, 3), 0);
	assert_over(lab);
	assert_int_equal(lab->verdicts, 3);
}

static void a_pack_that_was_taken_is_not_sent_again(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(send_new_pack(lab, "fl"), 1);
	assert_int_equal(send_new_pack(lab, "ff"), 3);
	assert_int_equal(held(lab, 2, 1), 0);
	assert_int_equal(resend(lab, 1), ERR_PROTOCOL);
	assert_int_equal(committed(lab, 4, 1), 0);
	assert_int_equal(resend(lab, 3), ERR_PROTOCOL);
	/* nor is a part of one */
	assert_int_equal(send_new_pack(lab, "ff"), 5);
	assert_int_equal(resend(lab, 6), ERR_PROTOCOL);
	assert_int_equal(resend(lab, 5), 0);
}

/* The verdict may have come by another stream, before this. */
static void what_is_gone_is_not_sent_again(void **state)
{
	struct lab *lab = *state;

	send_file(lab);
	assert_int_equal(committed(lab, 1, 1), 0);
	assert_int_equal(resend(lab, 1), 0);
	queue_release_task(lab->queue, &lab->task);
	assert_int_equal(send_new_pack(lab, "f"), 2);
	assert_int_equal(committed(lab, 2, 1), 0);
	assert_int_equal(resend(lab, 2), 0);
	queue_set_scanned(lab->queue);
	assert_over(lab);
}

/* Else a receiver could keep a sender that retries for ever. */
static void only_what_is_finished_is_progress(void **state)
{
	struct lab *lab = *state;

	/* A verdict on what was to be sent again, and so has other ids. */
	assert_int_equal(send_new_pack(lab, "f"), 1);
	assert_int_equal(resend(lab, 1), 0);
	assert_int_equal(committed(lab, 1, 1), 0);
	assert_int_equal(lab->verdicts, 0);
	assert_false(queue_has_progress(lab->queue));
	queue_restart(lab->queue);
	assert_int_equal(send_pack(lab, 1), 1);
	assert_int_equal(committed(lab, 1, 1), 0);
	assert_true(queue_has_progress(lab->queue));
	/* A verdict on what has one. */
	queue_restart(lab->queue);
	assert_int_equal(send_new_pack(lab, "ff"), 1);
	assert_int_equal(committed(lab, 1, 1), 0);
	queue_restart(lab->queue);
	/* Directories, which are sent in each session. */
	assert_int_equal(send_pack(lab, 1), 1);
	assert_int_equal(send_new_pack(lab, "dd"), 2);
	assert_int_equal(committed(lab, 2, 1), 0);
	assert_true(queue_has_progress(lab->queue));
	queue_restart(lab->queue);
	assert_int_equal(send_pack(lab, 1), 1);
	assert_int_equal(send_pack(lab, 1), 2);
	assert_int_equal(committed(lab, 2, 1), 0);
	assert_false(queue_has_progress(lab->queue));
	assert_int_equal(send_new_pack(lab, "d"), 3);
	assert_int_equal(committed(lab, 3, 1), 0);
	assert_true(queue_has_progress(lab->queue));
}

static void links_that_were_held_are_sent_anew(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(send_new_pack(lab, "lll"), 1);
	assert_int_equal(send_new_pack(lab, "l"), 4);
	queue_set_scanned(lab->queue);
	assert_int_equal(held(lab, 1, 4), 0);
	assert_int_equal(committed(lab, 1, 1), 0);
	assert_done(lab);
	queue_restart(lab->queue);
	memset(&lab->task, 0, sizeof(lab->task));
	assert_false(queue_is_over(lab->queue));
	assert_int_equal(send_pack(lab, 2), 1);
	assert_int_equal(send_pack(lab, 1), 3);
	assert_waits(lab);
	assert_int_equal(held(lab, 1, 2), 0);
	assert_waits(lab);
	assert_int_equal(held(lab, 3, 1), 0);
	assert_done(lab);
	assert_int_equal(committed(lab, 1, 3), 0);
	assert_over(lab);
	assert_int_equal(lab->verdicts, 4);
}

/* ---- ids ---- */

static void assert_never_given(struct lab *lab, uint64_t id)
{
	const struct msg_state s = { .id = id, .state = STATE_SEND };
	const struct msg_checked c = { .id = id, .count = 1 };
	const struct msg_offered o = { .first_id = id, .count = 1 };
	uint64_t bytes;

	assert_int_equal(held(lab, id, 1), ERR_PROTOCOL);
	assert_int_equal(committed(lab, id, 1), ERR_PROTOCOL);
	assert_int_equal(resend(lab, id), ERR_PROTOCOL);
	assert_int_equal(queue_state(lab->queue, &s, NULL), ERR_PROTOCOL);
	assert_int_equal(queue_checked(lab->queue, &c, &bytes), ERR_PROTOCOL);
	assert_int_equal(queue_offered(lab->queue, &o), ERR_PROTOCOL);
}

static void ids_that_were_never_given(void **state)
{
	static const uint64_t ids[] = { 0, 4, 5, UINT32_MAX, UINT64_MAX };
	struct lab *lab = *state;

	assert_never_given(lab, 0);
	assert_never_given(lab, 1);
	assert_int_equal(send_new_pack(lab, "lll"), 1);
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		assert_never_given(lab, ids[i]);
	/* runs that begin well */
	assert_int_equal(held(lab, 1, 4), ERR_PROTOCOL);
	assert_int_equal(held(lab, 3, UINT32_MAX), ERR_PROTOCOL);
	assert_int_equal(committed(lab, 1, 4), ERR_PROTOCOL);
	assert_int_equal(committed(lab, 3, UINT32_MAX), ERR_PROTOCOL);
	assert_int_equal(lab->verdicts, 0);
	queue_set_scanned(lab->queue);
	assert_waits(lab);
	assert_int_equal(committed(lab, 1, 3), 0);
	assert_over(lab);
	assert_never_given(lab, 4);
}

static int signature(struct lab *lab, uint64_t id, unsigned kind, uint64_t offset)
{
	const struct msg_signature m = { .id = id, .offset = offset,
					 .kind = (uint8_t)kind };
	uint64_t same = 1;
	const int rc = queue_delta_signature(lab->queue, &m, &same);

	assert_int_equal(same, 0);
	return rc;
}

/* A basis is named once, before STATE, and for a file that can be read
 * again. */
static void a_basis_that_was_not_asked_for(void **state)
{
	struct lab *lab = *state;
	struct outfile *f;
	uint64_t id;

	queue_set_open_limit(lab->queue, 8, 9);
	id = open_file(lab);
	f = lab->task.file;
	assert_int_equal(signature(lab, id, SIGNATURE_BASIS, 1 << 20), 0);
	assert_non_null(f->locked->delta);
	assert_int_equal(signature(lab, id, SIGNATURE_BASIS, 1 << 20),
			 ERR_PROTOCOL);
	/* of standard input */
	id = open_file(lab);
	lab->task.file->is_stream = 1;
	assert_int_equal(signature(lab, id, SIGNATURE_BASIS, 1 << 20),
			 ERR_PROTOCOL);
	assert_null(lab->task.file->locked->delta);
	/* of a file that is not waited for any more it changes nothing */
	id = open_file(lab);
	assert_int_equal(state_of(lab, id, STATE_SEND), 0);
	assert_int_equal(signature(lab, id, SIGNATURE_BASIS, 1 << 20), 0);
	assert_null(lab->task.file->locked->delta);
	/* and without it nothing else may come */
	assert_int_equal(signature(lab, id, SIGNATURE_END, 0), ERR_PROTOCOL);
	assert_int_equal(signature(lab, id, SIGNATURE_SAME, 0), ERR_PROTOCOL);
	/* nor for a pack, or what was never sent */
	id = send_new_pack(lab, "f");
	assert_int_equal(signature(lab, id, SIGNATURE_BASIS, 1), ERR_PROTOCOL);
	assert_int_equal(signature(lab, id + 1, SIGNATURE_BASIS, 1),
			 ERR_PROTOCOL);
}

static void states_are_awaited_until_there_is_a_range(void **state)
{
	struct lab *lab = *state;

	queue_set_open_limit(lab->queue, 8, 9);
	assert_false(queue_awaits_state(lab->queue));
	/* standard input is one stream's alone */
	assert_int_equal(open_file(lab), 1);
	lab->task.file->is_stream = 1;
	assert_false(queue_awaits_state(lab->queue));
	add_pack(lab, "f");
	assert_false(queue_awaits_state(lab->queue));
	for (uint64_t id = 2; id <= 4; id++) {
		assert_int_equal(open_file(lab), id);
		assert_true(queue_awaits_state(lab->queue));
	}
	/* one that is not wanted gives no range */
	assert_int_equal(state_of(lab, 3, STATE_REFUSED), 0);
	assert_true(queue_awaits_state(lab->queue));
	assert_false(queue_take_range(lab->queue, &lab->task));
	assert_int_equal(state_of(lab, 2, STATE_SEND), 0);
	assert_false(queue_awaits_state(lab->queue));
	assert_true(queue_take_range(lab->queue, &lab->task));
	assert_int_equal(lab->task.kind, TASK_RANGE);
	assert_int_equal(lab->task.file->id, 2);
}

/* Two streams must not both take what is the last file of the limit: the
 * receiver ends a session that opens more. */
static void a_file_counts_as_open_from_when_it_is_taken(void **state)
{
	struct lab *lab = *state;
	struct task second = { .is_waiting = 0 };
	struct outfile *f;

	queue_set_open_limit(lab->queue, 1, 9);
	for (int i = 0; i < 3; i++) {
		f = outfile_new("name", 4, 0);
		assert_non_null(f);
		f->size = 3 << 20;
		assert_int_equal(queue_add_file(lab->queue, f), 0);
	}
	assert_int_equal(take(lab), QUEUE_TASK);
	assert_int_equal(lab->task.kind, TASK_OPEN);
	assert_int_equal(queue_take(lab->queue, &second, 0), QUEUE_WAIT);
	/* the receiver, which allows no more, knows that */
	assert_false(queue_is_drained(lab->queue));
	/* one that cannot be opened makes room, ... */
	assert_true(queue_fail_file(lab->queue, lab->task.file));
	assert_int_equal(queue_take(lab->queue, &second, 0), QUEUE_TASK);
	assert_int_equal(second.kind, TASK_OPEN);
	queue_release_task(lab->queue, &lab->task);
	assert_int_equal(queue_assign_file_id(lab->queue, second.file, 0), 1);
	queue_release_task(lab->queue, &second);
	assert_int_equal(take(lab), QUEUE_WAIT);
	/* ... and so does a verdict */
	assert_int_equal(committed(lab, 1, 1), 0);
	assert_int_equal(take(lab), QUEUE_TASK);
	assert_int_equal(lab->task.kind, TASK_OPEN);
	assert_int_equal(queue_assign_file_id(lab->queue, lab->task.file, 0),
			 2);
	queue_release_task(lab->queue, &lab->task);
}

/* A receiver that allows more files waits for them before it commits. */
static void a_limit_of_this_side_is_told(void **state)
{
	struct lab *lab = *state;
	struct outfile *f;

	queue_set_open_limit(lab->queue, 9, 1);
	assert_int_equal(open_file(lab), 1);
	assert_int_equal(state_of(lab, 1, STATE_REFUSED), 0);
	queue_release_task(lab->queue, &lab->task);
	assert_int_equal(take(lab), QUEUE_WAIT);
	assert_false(queue_is_drained(lab->queue));
	f = outfile_new("name", 4, 0);
	assert_non_null(f);
	assert_int_equal(queue_add_file(lab->queue, f), 0);
	assert_int_equal(take(lab), QUEUE_WAIT);
	assert_true(queue_is_drained(lab->queue));
	add_pack(lab, "f");
	assert_false(queue_is_drained(lab->queue));
}

/* The connection may be lost while what a pack says is read. */
static void a_pack_of_which_nothing_was_sent_is_sent_in_the_next_session(
	void **state)
{
	struct lab *lab = *state;
	struct pack *pk;

	add_pack(lab, "fdff");
	assert_int_equal(take(lab), QUEUE_TASK);
	pk = lab->task.pack;
	/* The second item was left out when the third one could not be read. */
	pack_keep(pk, 1, 2);
	assert_int_equal(pk->count, 3);
	assert_int_equal(pk->bytes, 30);
	queue_return_pack(lab->queue, pk);
	queue_pause(lab->queue);
	queue_restart(lab->queue);
	queue_set_scanned(lab->queue);
	assert_int_equal(send_pack(lab, 3), 1);
	assert_int_equal(committed(lab, 1, 3), 0);
	assert_over(lab);
}

static void ignore_plan(void *ctx, const struct queue_verdict *v,
			const struct listed_item *item)
{
	(void)ctx;
	(void)v;
	(void)item;
}

/* In a dry run large files are digested, too, which takes its time. */
static void large_files_are_digested_for_a_list_each(void **state)
{
	const struct listed_item answer = { .state = LISTED_COMPARE };
	struct lab *lab = *state;
	struct msg_listed m = { .count = 5 };

	add_pack(lab, "fffff");
	assert_int_equal(take(lab), QUEUE_TASK);
	lab->task.pack->is_list = 1;
	for (int i = 0; i < 5; i++) {
		m.items[i] = answer;
		if (i < 3)
			lab->task.pack->items[i].st.st_size = (off_t)3 << 30;
	}
	m.first_id = queue_assign_pack_ids(lab->queue, lab->task.pack);
	assert_int_equal(queue_listed(lab->queue, &m, ignore_plan, NULL), 0);
	/* what is pushed last comes first */
	assert_int_equal(send_pack(lab, 3), 6);
	assert_int_equal(send_pack(lab, 1), 9);
	assert_int_equal(send_pack(lab, 1), 10);
	assert_waits(lab);
}

/* Where the answer to an offer is missing, its content was not sent. */
static void what_was_only_offered_was_not_sent(void **state)
{
	struct lab *lab = *state;

	queue_set_scanned(lab->queue);
	assert_true(queue_has_sent_all(lab->queue));
	add_pack(lab, "f");
	assert_false(queue_has_sent_all(lab->queue));
	assert_int_equal(take(lab), QUEUE_TASK);
	lab->task.pack->is_offered = 1;
	assert_int_equal(queue_assign_pack_ids(lab->queue, lab->task.pack), 1);
	assert_true(queue_is_drained(lab->queue));
	assert_false(queue_has_sent_all(lab->queue));
	assert_int_equal(committed(lab, 1, 1), 0);
	assert_true(queue_has_sent_all(lab->queue));
	assert_int_equal(send_new_pack(lab, "f"), 2);
	assert_true(queue_has_sent_all(lab->queue));
}

#define TEST(function)                                                         \
	cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(done_is_when_nothing_is_left_to_do),
		TEST(a_pack_that_is_taken_is_not_done),
		TEST(links_are_held_before_their_verdicts),
		TEST(links_are_held_after_their_verdicts),
		TEST(a_link_held_twice_counts_once),
		TEST(a_run_of_links_goes_over_two_packs),
		TEST(only_links_are_held),
		TEST(a_file_in_chunks_is_not_held),
		TEST(a_pack_is_sent_again_with_new_ids),
		TEST(a_pack_that_was_taken_is_not_sent_again),
		TEST(what_is_gone_is_not_sent_again),
		TEST(only_what_is_finished_is_progress),
		TEST(links_that_were_held_are_sent_anew),
		TEST(ids_that_were_never_given),
		TEST(a_file_counts_as_open_from_when_it_is_taken),
		TEST(a_limit_of_this_side_is_told),
		TEST(states_are_awaited_until_there_is_a_range),
		TEST(what_was_only_offered_was_not_sent),
		TEST(a_basis_that_was_not_asked_for),
		TEST(a_pack_of_which_nothing_was_sent_is_sent_in_the_next_session),
		TEST(large_files_are_digested_for_a_list_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
