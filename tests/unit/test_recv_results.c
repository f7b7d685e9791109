/*
 * Results: verdicts in runs and in two outboxes, counts, what the user is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>

#include "receiver/commit.h"
#include "receiver/results.h"
#include "session/totals.h"

enum { FILES = 8 };

struct lab {
	struct session_events events;
	struct results *r;
	struct buf out;
	size_t done; /* of out, that were read */
	unsigned files, messages;
	uint64_t number;
	struct {
		enum file_status status;
		char name[64], renamed[64], error[256];
	} file[FILES];
	char message[256];
};

static void on_file(void *ctx, uint64_t number, const struct session_file *f)
{
	struct lab *lab = ctx;
	const unsigned i = lab->files++ % FILES;

	lab->number = number;
	lab->file[i].status = f->status;
	snprintf(lab->file[i].name, sizeof(lab->file[i].name), "%s", f->name);
	snprintf(lab->file[i].renamed, sizeof(lab->file[i].renamed), "%s",
		 f->renamed_to ? f->renamed_to : "");
	snprintf(lab->file[i].error, sizeof(lab->file[i].error), "%s",
		 f->error ? f->error : "");
}

static void on_message(void *ctx, enum session_level level, const char *text)
{
	struct lab *lab = ctx;

	if (level == SESSION_VERBOSE)
		return;
	assert_true(level == SESSION_ERROR || level == SESSION_ERROR_OF_BOTH);
	lab->messages++;
	snprintf(lab->message, sizeof(lab->message), "%s", text);
}

static int set_up(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	assert_non_null(lab);
	lab->events.file = on_file;
	lab->events.message = on_message;
	lab->events.ctx = lab;
	lab->r = results_new(&lab->events, &digest_xxh3);
	assert_non_null(lab->r);
	results_set_session(lab->r, 7, "host");
	buf_init(&lab->out, 16 << 20); /* more than an outbox */
	*state = lab;
	return 0;
}

static int tear_down(void **state)
{
	struct lab *lab = *state;

	results_free(lab->r);
	buf_release(&lab->out);
	free(lab);
	return 0;
}

static void add(struct lab *lab, uint64_t id, uint8_t kind,
		enum file_status status, unsigned cause)
{
	static const uint8_t digest[DIGEST_MAX] = { 1 };
	const struct item_result item = {
		.id = id,
		.kind = kind,
		.v = { .status = status, .cause = cause },
		.name = "n",
		.name_len = 1,
		.size = 10,
		.digest = digest,
	};

	results_add(lab->r, &item);
}

static void items_over_the_limit_are_bounded(void **state)
{
	struct lab *lab = *state;
	struct err e;

	results_set_limit(lab->r, 10);
	/* directories that are there are no events */
	for (uint64_t id = 1; id <= 100; id++)
		add(lab, id, ITEM_DIR, STATUS_COMMITTED, CAUSE_NONE);
	for (uint64_t id = 101; id <= 110 + RESULTS_OVER_ITEMS; id++)
		add(lab, id, ITEM_FILE, STATUS_FAILED, CAUSE_EXISTS);
	assert_int_equal(results_check_limit(lab->r, &e), 0);
	results_aborted(lab->r, "n", 1, CAUSE_CHANGED, 0);
	err_clear(&e);
	assert_int_equal(results_check_limit(lab->r, &e), ERR_LOCAL);
	assert_int_equal(e.sys_errno, ERR_ERRNO_LIMIT);
	assert_non_null(strstr(e.text, "--max-files"));
}

static void only_what_is_refused_counts_without_a_limit_of_items(void **state)
{
	struct lab *lab = *state;
	uint64_t id = 0;
	struct err e;

	while (id < 2 * RESULTS_OVER_ITEMS)
		add(lab, ++id, ITEM_FILE, STATUS_FAILED, CAUSE_EXISTS);
	for (int i = 0; i < RESULTS_OVER_ITEMS; i++)
		add(lab, ++id, ITEM_FILE, STATUS_FAILED, CAUSE_LIMIT);
	assert_int_equal(results_check_limit(lab->r, &e), 0);
	add(lab, ++id, ITEM_DIR, STATUS_FAILED, CAUSE_LIMIT);
	assert_int_equal(results_check_limit(lab->r, &e), ERR_LOCAL);
}

/* Take what is due for a stream; returns whether there was something. */
static int take(struct lab *lab, int is_first, int only_first)
{
	buf_reset(&lab->out);
	lab->done = 0;
	return results_take_frames(lab->r, is_first, only_first, &lab->out);
}

static const uint8_t *next_frame(struct lab *lab, struct frame *f)
{
	const uint8_t *p = lab->out.data + lab->done;

	frame_seal(lab->out.data, lab->out.len);
	assert_true(lab->out.len - lab->done >= FRAME_HEADER);
	assert_int_equal(frame_get(f, p, 0), 0);
	lab->done += FRAME_HEADER + f->len;
	return p + FRAME_HEADER;
}

static void expect(struct lab *lab, uint64_t id, uint32_t count,
		   enum file_status status, unsigned cause)
{
	struct msg_verdict m;
	struct frame f;
	const uint8_t *body = next_frame(lab, &f);

	assert_int_equal(f.type, FRAME_VERDICT);
	assert_int_equal(msg_get_verdict(&m, body, f.len), 0);
	assert_int_equal(m.first_id, id);
	assert_int_equal(m.count, count);
	assert_int_equal(m.status, status);
	assert_int_equal(m.cause, cause);
}

static void expect_end(struct lab *lab)
{
	assert_int_equal(lab->done, lab->out.len);
}

static int is_awake(struct lab *lab, int is_first)
{
	struct pollfd fd = { .fd = results_wake_fd(lab->r, is_first),
			     .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static void equal_verdicts_become_one_frame(void **state)
{
	struct lab *lab = *state;

	add(lab, 1, ITEM_FILE, STATUS_COMMITTED, CAUSE_NONE);
	add(lab, 2, ITEM_FILE, STATUS_COMMITTED, CAUSE_NONE);
	add(lab, 3, ITEM_FILE, STATUS_COMMITTED, CAUSE_NONE);
	/* The run may still grow. */
	assert_false(take(lab, 1, 0));
	assert_false(is_awake(lab, 0));
	results_push(lab->r);
	assert_true(is_awake(lab, 0));
	assert_true(is_awake(lab, 1));
	results_clear_wake(lab->r, 0);
	assert_false(is_awake(lab, 0));
	assert_true(is_awake(lab, 1));
	assert_true(take(lab, 0, 0));
	expect(lab, 1, 3, STATUS_COMMITTED, CAUSE_NONE);
	expect_end(lab);
	assert_false(take(lab, 1, 0));
}

/* A gap, another status, cause or number of bytes begins another run. */
static void runs_are_split(void **state)
{
	struct lab *lab = *state;
	struct item_result full = {
		.kind = ITEM_FILE,
		.v = { .status = STATUS_FAILED,
		       .cause = CAUSE_NO_SPACE,
		       .need = 10,
		       .have = 5 },
		.name = "n",
		.name_len = 1,
	};

	add(lab, 1, ITEM_FILE, STATUS_COMMITTED, CAUSE_NONE);
	add(lab, 3, ITEM_FILE, STATUS_COMMITTED, CAUSE_NONE);
	add(lab, 4, ITEM_FILE, STATUS_UNCHANGED, CAUSE_NONE);
	add(lab, 5, ITEM_FILE, STATUS_FAILED, CAUSE_EXISTS);
	add(lab, 6, ITEM_FILE, STATUS_FAILED, CAUSE_IS_DIR);
	for (full.id = 7; full.id < 10; full.id++) {
		full.v.need += full.id == 8;
		full.v.have += full.id == 9;
		results_add(lab->r, &full);
	}
	add(lab, 2, ITEM_FILE, STATUS_COMMITTED, CAUSE_NONE);
	results_push(lab->r);
	assert_true(take(lab, 1, 0));
	expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	expect(lab, 3, 1, STATUS_COMMITTED, CAUSE_NONE);
	expect(lab, 4, 1, STATUS_UNCHANGED, CAUSE_NONE);
	expect(lab, 5, 1, STATUS_FAILED, CAUSE_EXISTS);
	expect(lab, 6, 1, STATUS_FAILED, CAUSE_IS_DIR);
	for (uint64_t id = 7; id < 10; id++)
		expect(lab, id, 1, STATUS_FAILED, CAUSE_NO_SPACE);
	expect(lab, 2, 1, STATUS_COMMITTED, CAUSE_NONE);
	expect_end(lab);
}

/* Verdicts on symlinks go by the first stream alone, and all else by whichever
 * comes; once FINISH came, all by the first. */
static void two_outboxes(void **state)
{
	struct lab *lab = *state;

	results_deferred(lab->r, 1);
	add(lab, 1, ITEM_SYMLINK, STATUS_COMMITTED, CAUSE_NONE);
	add(lab, 2, ITEM_FILE, STATUS_COMMITTED, CAUSE_NONE);
	results_push(lab->r);
	assert_false(take(lab, 0, 1));
	assert_true(take(lab, 0, 0));
	expect(lab, 1, 1, (enum file_status)STATUS_DEFERRED, CAUSE_NONE);
	expect(lab, 2, 1, STATUS_COMMITTED, CAUSE_NONE);
	expect_end(lab);
	assert_false(take(lab, 0, 0));
	assert_true(take(lab, 1, 1));
	expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	expect_end(lab);
	add(lab, 3, ITEM_FILE, STATUS_COMMITTED, CAUSE_NONE);
	results_push(lab->r);
	assert_true(take(lab, 1, 1));
	expect(lab, 3, 1, STATUS_COMMITTED, CAUSE_NONE);
}

static void what_is_counted(void **state)
{
	static const uint8_t digest[DIGEST_MAX] = { 1 };
	struct lab *lab = *state;
	struct totals t, sum = { 0 };
	struct msg_summary m;
	struct msg_finish f = { .files = 2, .bytes = 20 };

	add(lab, 1, ITEM_FILE, STATUS_COMMITTED, CAUSE_NONE);
	add(lab, 2, ITEM_FILE, STATUS_UNCHANGED, CAUSE_NONE);
	add(lab, 3, ITEM_FILE, STATUS_SKIPPED, CAUSE_NONE);
	add(lab, 4, ITEM_FILE, STATUS_FAILED, CAUSE_EXISTS);
	add(lab, 5, ITEM_FILE, STATUS_FAILED, CAUSE_MISMATCH);
	add(lab, 6, ITEM_DIR, STATUS_COMMITTED, CAUSE_NONE);
	add(lab, 7, ITEM_SYMLINK, STATUS_COMMITTED, CAUSE_NONE);
	add(lab, 8, ITEM_SPECIAL, STATUS_UNCHANGED, CAUSE_NONE);
	results_get_totals(lab->r, &t);
	assert_int_equal(t.committed, 2);
	assert_int_equal(t.unchanged, 2);
	assert_int_equal(t.skipped, 1);
	assert_int_equal(t.failed_local, 1);
	assert_int_equal(t.failed_changed, 1);
	assert_int_equal(t.bytes, 20);
	totals_file(&sum, STATUS_UNCHANGED, 2, 10, digest, digest_xxh3.size);
	totals_file(&sum, STATUS_COMMITTED, 1, 10, digest, digest_xxh3.size);
	assert_memory_equal(t.sum, sum.sum, WIRE_SUM_LEN);
	memcpy(f.sum, sum.sum, WIRE_SUM_LEN);
	assert_true(results_match(lab->r, &f));
	f.sum[3] ^= 1;
	assert_false(results_match(lab->r, &f));
	f.sum[3] ^= 1;
	f.bytes++;
	assert_false(results_match(lab->r, &f));
	f.bytes--;
	f.files++;
	assert_false(results_match(lab->r, &f));
	results_note(lab->r, "d", 1, FILE_META_MODE, EACCES);
	results_get_summary(lab->r, &m);
	assert_int_equal(m.files, 2);
	assert_int_equal(m.bytes, 20);
	assert_int_equal(m.notes, 1);
	assert_memory_equal(m.sum, sum.sum, WIRE_SUM_LEN);
}

static void what_the_user_is_told(void **state)
{
	static const uint8_t digest[DIGEST_MAX] = { 1 };
	struct lab *lab = *state;
	struct item_result item = {
		.id = 1,
		.kind = ITEM_FILE,
		.v = { .status = STATUS_FAILED,
		       .cause = CAUSE_LIMIT,
		       .need = 10,
		       .have = 5 },
		.name = "d/a\n",
		.name_len = 4,
	};

	results_add(lab->r, &item);
	assert_int_equal(lab->number, 7);
	/* Escaped in the message, as it is in the name. */
	assert_string_equal(lab->file[0].name, "d/a\n");
	assert_non_null(strstr(lab->file[0].error, "d/a\\n: from host: on "));
	item.v.status = STATUS_COMMITTED;
	item.digest = digest;
	item.renamed = "a (1)";
	results_add(lab->r, &item);
	assert_string_equal(lab->file[1].error, "");
	assert_string_equal(lab->file[1].renamed, "d/a (1)");
	add(lab, 2, ITEM_DIR, STATUS_COMMITTED, CAUSE_NONE);
	assert_int_equal(lab->files, 2);
	add(lab, 3, ITEM_DIR, STATUS_FAILED, CAUSE_NOT_DIR);
	add(lab, 4, ITEM_SYMLINK, STATUS_SKIPPED, CAUSE_NONE);
	assert_int_equal(lab->files, 4);
	assert_int_equal(lab->file[3].status, STATUS_SKIPPED);
}

static void without_events_nobody_is_told(void **state)
{
	const struct session_events none = { 0 };
	struct results *r = results_new(&none, &digest_xxh3);
	const struct item_result item = { .id = 1, .kind = ITEM_FILE,
					  .v = { .status = STATUS_SKIPPED },
					  .name = "a", .name_len = 1 };
	struct totals t;

	(void)state;
	results_add(r, &item);
	results_aborted(r, "b", 1, CAUSE_IO, 0);
	results_note(r, "d", 1, FILE_META_MODE, EIO);
	results_get_totals(r, &t);
	assert_int_equal(t.skipped, 1);
	assert_int_equal(t.failed_remote, 1);
	assert_int_equal(t.failed_local, 0);
	assert_int_equal(t.not_kept, 1);
	results_free(r);
}

/* The sender knows why: no verdict. */
static void a_file_that_the_sender_gave_up(void **state)
{
	struct lab *lab = *state;
	struct totals t;

	results_aborted(lab->r, "a", 1, CAUSE_CHANGED, 0);
	results_aborted(lab->r, "b", 1, CAUSE_VANISHED, 0);
	results_push(lab->r);
	assert_false(take(lab, 1, 0));
	assert_false(is_awake(lab, 1));
	results_get_totals(lab->r, &t);
	assert_int_equal(t.failed_changed, 1);
	assert_int_equal(t.failed_remote, 1);
	assert_int_equal(lab->files, 2);
	assert_string_equal(
		lab->file[1].error,
		"b: aborted by the sender host: it was removed meanwhile");
}

/* A note comes after the verdicts before it. */
static void a_note_on_a_directory(void **state)
{
	struct lab *lab = *state;
	struct msg_note m;
	struct frame f;
	const uint8_t *body;

	add(lab, 1, ITEM_FILE, STATUS_COMMITTED, CAUSE_NONE);
	results_note(lab->r, "d", 1, FILE_META_MODE, EACCES);
	assert_true(is_awake(lab, 1));
	assert_true(take(lab, 1, 0));
	expect(lab, 1, 1, STATUS_COMMITTED, CAUSE_NONE);
	body = next_frame(lab, &f);
	assert_int_equal(f.type, FRAME_NOTE);
	assert_int_equal(msg_get_note(&m, body, f.len), 0);
	assert_int_equal(m.cause, CAUSE_PERMISSION);
	assert_int_equal(m.kind, ITEM_DIR);
	assert_memory_equal(m.name, "d", 1);
	assert_int_equal(m.not_kept, 0);
	expect_end(lab);
	assert_int_equal(lab->messages, 0);
	results_tell_losses(lab->r);
	assert_int_equal(lab->messages, 1);
	assert_string_equal(lab->message,
			    "the mode of d could not be kept on this side "
			    "(session from host): permission denied");
}

static void lose(struct lab *lab, uint64_t id, unsigned not_kept)
{
	static const uint8_t digest[DIGEST_MAX] = { 1 };
	const struct item_result item = {
		.id = id,
		.kind = ITEM_FILE,
		.v = { .status = STATUS_COMMITTED,
		       .cause = not_kept ? CAUSE_PERMISSION : CAUSE_NONE,
		       .not_kept = not_kept },
		.name = "d/a",
		.name_len = 3,
		.digest = digest,
	};

	results_add(lab->r, &item);
}

static struct msg_verdict next_verdict(struct lab *lab)
{
	struct msg_verdict m;
	struct frame f;
	const uint8_t *body = next_frame(lab, &f);

	assert_int_equal(f.type, FRAME_VERDICT);
	assert_int_equal(msg_get_verdict(&m, body, f.len), 0);
	return m;
}

/* Files without their mode or time: the verdict says so, and the user is told
 * once. */
static void metadata_that_is_not_kept(void **state)
{
	struct lab *lab = *state;
	struct msg_verdict m;
	struct totals t;

	results_set_features(lab->r, FEATURE_NOT_KEPT);
	lose(lab, 1, 0);
	lose(lab, 2, FILE_META_MODE);
	lose(lab, 3, FILE_META_MODE);
	lose(lab, 4, FILE_META_BASIC_KINDS);
	results_push(lab->r);
	assert_true(take(lab, 1, 0));
	m = next_verdict(lab);
	assert_int_equal(m.not_kept, 0);
	m = next_verdict(lab);
	assert_int_equal(m.first_id, 2);
	assert_int_equal(m.count, 2);
	assert_int_equal(m.not_kept, FILE_META_MODE);
	assert_int_equal(m.cause, CAUSE_PERMISSION);
	m = next_verdict(lab);
	assert_int_equal(m.not_kept, FILE_META_BASIC_KINDS);
	expect_end(lab);
	results_get_totals(lab->r, &t);
	assert_int_equal(t.committed, 4);
	assert_int_equal(t.not_kept, 3);
	assert_int_equal(totals_code(&t, 0), ERR_SOME_FAILED);
	assert_int_equal(lab->messages, 0);
	results_tell_losses(lab->r);
	assert_int_equal(lab->messages, 2);
	assert_non_null(strstr(lab->message,
			       "the modification time of d/a could not be"));
}

/* Metadata that was set alone: a sender that does not know of that is told that
 * the file is unchanged. */
static void metadata_that_is_set_alone(void **state)
{
	struct lab *lab = *state;
	struct totals t;

	add(lab, 1, ITEM_FILE, STATUS_UPDATED, CAUSE_NONE);
	add(lab, 2, ITEM_FILE, STATUS_UNCHANGED, CAUSE_NONE);
	results_push(lab->r);
	assert_true(take(lab, 1, 0));
	expect(lab, 1, 2, STATUS_UNCHANGED, CAUSE_NONE);
	results_set_features(lab->r, FEATURE_UPDATED);
	add(lab, 3, ITEM_FILE, STATUS_UPDATED, CAUSE_NONE);
	results_push(lab->r);
	assert_true(take(lab, 1, 0));
	expect(lab, 3, 1, STATUS_UPDATED, CAUSE_NONE);
	expect_end(lab);
	results_get_totals(lab->r, &t);
	assert_int_equal(t.unchanged, 3);
	assert_int_equal(t.updated, 2);
}

/* An older sender gets one note, as of a directory. */
static void metadata_that_is_not_kept_from_an_older_sender(void **state)
{
	struct lab *lab = *state;
	struct msg_verdict v;
	struct msg_summary sum;
	struct msg_note m;
	struct frame f;
	const uint8_t *body;

	lose(lab, 1, FILE_META_MODE);
	lose(lab, 2, FILE_META_TIME);
	results_push(lab->r);
	assert_true(take(lab, 1, 0));
	body = next_frame(lab, &f);
	assert_int_equal(f.type, FRAME_NOTE);
	assert_int_equal(msg_get_note(&m, body, f.len), 0);
	assert_int_equal(m.not_kept, 0);
	assert_int_equal(m.cause, CAUSE_PERMISSION);
	v = next_verdict(lab);
	assert_int_equal(v.count, 2);
	assert_int_equal(v.not_kept, 0);
	assert_int_equal(v.cause, CAUSE_NONE);
	expect_end(lab);
	results_get_summary(lab->r, &sum);
	assert_int_equal(sum.notes, 1);
}

static void a_committed_file(void **state)
{
	struct lab *lab = *state;
	struct commit *c = commit_new("d/a", 3);
	struct totals t;

	c->id = 9;
	c->size = 30;
	c->renamed = strdup("a (1)");
	results_committed(lab->r, c, STATUS_COMMITTED, CAUSE_NONE);
	commit_free(c);
	results_push(lab->r);
	assert_true(take(lab, 1, 0));
	expect(lab, 9, 1, STATUS_COMMITTED, CAUSE_NONE);
	results_get_totals(lab->r, &t);
	assert_int_equal(t.bytes, 30);
	assert_string_equal(lab->file[0].renamed, "d/a (1)");
}

/* Verdicts that nobody takes are bounded; that they are missing is said, which
 * ends the session. */
static void an_outbox_is_bounded(void **state)
{
	struct lab *lab = *state;
	const struct verdict v = { .status = STATUS_COMMITTED };
	struct item_result item = { .kind = ITEM_DIR, .v = v };

	for (uint64_t id = 1; id <= 200000; id += 2) {
		item.id = id;
		results_add(lab->r, &item);
	}
	results_push(lab->r);
	assert_true(take(lab, 1, 0));
	assert_true(lab->out.failed);
}

#define results_test(name) \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		results_test(equal_verdicts_become_one_frame),
		results_test(runs_are_split),
		results_test(two_outboxes),
		results_test(what_is_counted),
		results_test(items_over_the_limit_are_bounded),
		results_test(
			only_what_is_refused_counts_without_a_limit_of_items),
		results_test(what_the_user_is_told),
		results_test(without_events_nobody_is_told),
		results_test(a_file_that_the_sender_gave_up),
		results_test(a_note_on_a_directory),
		results_test(metadata_that_is_not_kept),
		results_test(metadata_that_is_set_alone),
		results_test(metadata_that_is_not_kept_from_an_older_sender),
		results_test(a_committed_file),
		results_test(an_outbox_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
