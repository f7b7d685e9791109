/*
 * Limits on what is kept of interrupted transfers: which parts are removed,
 * when they are too old, too much, or in the way of a new file, and which stay.
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
#include <sys/file.h>
#include <time.h>

#include "../lib/scratch.h"

#include "base/io.h"
#include "fs/journal.h"
#include "fs/leftover.h"
#include "fs/part.h"
#include "receiver/kept.h"
#include "session/events.h"

enum { SIZE = 64 << 10, HOUR = 3600 };

struct lab {
	char path[128];
	int dir;
	struct session_events events;
	struct kept_config cfg;
	struct kept *kept;
	uint64_t unit; /* bytes that a part and its journal take */
	unsigned messages;
	enum session_level level;
	char message[256];
};

static void on_message(void *ctx, enum session_level level, const char *text)
{
	struct lab *lab = ctx;

	lab->messages++;
	lab->level = level;
	snprintf(lab->message, sizeof(lab->message), "%s", text);
}

/* ---- parts ---- */

/* Make or open the part with this tag, which keeps it locked.  Returns its
 * descriptor. */
static int lock_part(struct lab *lab, uint64_t tag)
{
	struct part part = { .fd = -1 };
	struct err e;
	int was_there;

	assert_int_equal(part_open_kept(&part, lab->dir, tag, &was_there, &e),
			 0);
	return part.fd;
}

static void set_age(struct lab *lab, uint64_t tag, const char *suffix, int age_s)
{
	const time_t then = time(NULL) - age_s;
	const struct timespec times[2] = { { .tv_sec = then },
					   { .tv_sec = then } };
	char name[NAME_PART_MAX];

	part_tag_name(name, tag, suffix);
	assert_int_equal(utimensat(lab->dir, name, times, 0), 0);
}

/* What an interrupted session of a sender leaves: size bytes, written last so
 * many seconds ago. */
static void leave(struct lab *lab, int sender, uint64_t tag, size_t size, int age_s)
{
	struct journal_id id = { .size = 1 << 30, .digest_size = 16,
				 .leaf_size = 1 << 20 };
	struct part part = { .fd = -1 };
	struct journal *j;
	struct err e;
	int was_there;
	char *bytes = malloc(size);

	assert_non_null(bytes);
	memset(bytes, 'x', size);
	memset(id.peer, sender, sizeof(id.peer));
	assert_int_equal(part_open_kept(&part, lab->dir, tag, &was_there, &e),
			 0);
	assert_int_equal(part_write(&part, bytes, size, 0, &e), 0);
	assert_int_equal(part_sync(&part, &e), 0);
	j = journal_create(lab->dir, tag, &part, &id, &e);
	assert_non_null(j);
	journal_close(j);
	close(part.fd);
	set_age(lab, tag, "part", age_s);
	set_age(lab, tag, "journal", age_s);
	free(bytes);
}

static uint64_t bytes_of(struct lab *lab, uint64_t tag)
{
	struct leftover l;

	return leftover_look(lab->dir, tag, &l) == 0 ? l.bytes : 0;
}

/* Whether the part is there: a limit has removed both files, or none. */
static int is_there(struct lab *lab, uint64_t tag)
{
	char part[NAME_PART_MAX], journal[NAME_PART_MAX];
	int there;

	part_tag_name(part, tag, "part");
	part_tag_name(journal, tag, "journal");
	there = faccessat(lab->dir, part, F_OK, 0) == 0;
	assert_int_equal(faccessat(lab->dir, journal, F_OK, 0) == 0, there);
	return there;
}

static void note_limited(struct lab *lab, int sender, uint64_t tag,
			 uint64_t max_bytes)
{
	uint8_t peer[JOURNAL_PEER];
	const struct kept_sender s = { lab->kept, peer, max_bytes };

	memset(peer, sender, sizeof(peer));
	kept_note(&s, "file", 4, tag);
}

static void note(struct lab *lab, int sender, uint64_t tag)
{
	note_limited(lab, sender, tag, 0);
}

static int give_way(struct lab *lab, int sender, uint64_t missing, int err_no)
{
	uint8_t peer[JOURNAL_PEER];
	const struct kept_sender s = { lab->kept, peer, 0 };

	memset(peer, sender, sizeof(peer));
	return kept_give_way(&s, lab->dir, missing, err_no);
}

/* ---- beginning and end ---- */

static int set_up(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	assert_non_null(lab);
	lab->dir = scratch_make(lab->path, sizeof(lab->path), "kept");
	lab->events = (struct session_events){ .message = on_message,
					       .ctx = lab };
	lab->cfg = (struct kept_config){ .root_fd = lab->dir, .keep_s = HOUR,
					 .max_bytes = UINT64_MAX,
					 .events = &lab->events };
	leave(lab, 1, 99, SIZE, 0);
	lab->unit = bytes_of(lab, 99);
	assert_true(lab->unit >= SIZE);
	assert_int_equal(leftover_remove(lab->dir, 99), 0);
	*state = lab;
	return 0;
}

static int tear_down(void **state)
{
	struct lab *lab = *state;
	int rc;

	kept_free(lab->kept);
	rc = scratch_remove(lab->path);
	close(lab->dir);
	free(lab);
	return rc;
}

static void begin(struct lab *lab, uint64_t max_bytes)
{
	lab->cfg.max_bytes = max_bytes;
	kept_free(lab->kept);
	lab->kept = kept_new(&lab->cfg);
	assert_non_null(lab->kept);
}

/* ---- too much ---- */

static void the_oldest_of_a_sender_goes_first(void **state)
{
	struct lab *lab = *state;

	begin(lab, lab->unit * 5 / 2);
	leave(lab, 1, 11, SIZE, 100);
	leave(lab, 1, 12, SIZE, 300);
	leave(lab, 1, 13, SIZE, 200);
	leave(lab, 2, 21, SIZE, 1000);
	note(lab, 2, 21);
	note(lab, 1, 11);
	note(lab, 1, 12);
	assert_int_equal(lab->messages, 0);
	note(lab, 1, 13);
	assert_false(is_there(lab, 12));
	assert_true(is_there(lab, 11) && is_there(lab, 13));
	assert_true(is_there(lab, 21)); /* another sender's, though older */
	assert_int_equal(lab->messages, 1);
	assert_int_equal(lab->level, SESSION_WARNING);
	assert_non_null(strstr(lab->message, "removed 1 part of"));
	assert_non_null(strstr(lab->message, "--max-kept"));
	/* the same part, noted again, counts once */
	note(lab, 1, 13);
	note(lab, 1, 13);
	assert_true(is_there(lab, 11) && is_there(lab, 13));
}

/* It is not removed under the transfer that uses it: the next oldest goes. */
static void a_part_in_use_stays(void **state)
{
	struct lab *lab = *state;
	int fd;

	begin(lab, lab->unit * 5 / 2);
	leave(lab, 1, 11, SIZE, 300);
	leave(lab, 1, 12, SIZE, 200);
	leave(lab, 1, 13, SIZE, 100);
	note(lab, 1, 11);
	note(lab, 1, 12);
	fd = lock_part(lab, 11);
	note(lab, 1, 13);
	close(fd);
	assert_true(is_there(lab, 11) && is_there(lab, 13));
	assert_false(is_there(lab, 12));
}

static void a_sender_with_a_limit_of_its_own(void **state)
{
	struct lab *lab = *state;

	begin(lab, UINT64_MAX);
	leave(lab, 1, 11, SIZE, 200);
	leave(lab, 1, 12, SIZE, 100);
	note_limited(lab, 1, 11, lab->unit * 3 / 2);
	assert_true(is_there(lab, 11));
	note_limited(lab, 1, 12, lab->unit * 3 / 2);
	assert_false(is_there(lab, 11));
	assert_true(is_there(lab, 12));
}

/* All senders have four times the limit of one; the one who has the most
 * gives. */
static void too_much_of_all_together(void **state)
{
	struct lab *lab = *state;

	begin(lab, lab->unit * 4 / 3);
	for (int sender = 1; sender <= 6; sender++) {
		const uint64_t tag = (uint64_t)sender;

		/* the third has a block more, and is not the oldest */
		leave(lab, sender, tag, sender == 3 ? SIZE + 4096 : SIZE,
		      1000 - 10 * sender);
		if (sender == 3 && bytes_of(lab, tag) <= lab->unit)
			skip(); /* blocks are larger here */
		if (sender <= 5)
			note(lab, sender, tag);
	}
	assert_true(is_there(lab, 3));
	assert_int_equal(lab->messages, 0);
	note(lab, 6, 6);
	for (uint64_t tag = 1; tag <= 6; tag++)
		assert_int_equal(is_there(lab, tag), tag != 3);
}

/* Leave the list of what a lost transfer of the sender has made, or hold it as
 * the transfer does that goes on with it.  Returns its descriptor. */
static int open_list(struct lab *lab, int sender, uint64_t tag)
{
	uint8_t head[JOURNAL_LIST_HEAD], peer[JOURNAL_PEER];
	char name[NAME_PART_MAX];
	int fd;

	memset(peer, sender, sizeof(peer));
	journal_put_list_head(head, peer);
	part_tag_name(name, tag, "journal");
	fd = openat(lab->dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io_pwrite(fd, head, sizeof(head), 0), 0);
	return fd;
}

static int has_list(struct lab *lab, uint64_t tag)
{
	char name[NAME_PART_MAX];

	part_tag_name(name, tag, "journal");
	return faccessat(lab->dir, name, F_OK, 0) == 0;
}

static void note_list(struct lab *lab, int sender, uint64_t tag)
{
	uint8_t peer[JOURNAL_PEER];
	const struct kept_sender s = { lab->kept, peer, 0 };

	memset(peer, sender, sizeof(peer));
	kept_note(&s, "", 0, tag);
}

/* They count as parts do, in number and bytes, also those that were there; one
 * that a transfer has open stays. */
static void lists_of_lost_transfers_are_limited(void **state)
{
	enum { MORE = 20, COUNT = KEPT_PARTS_SENDER + MORE };
	struct lab *lab = *state;
	const int fd = open_list(lab, 1, 1);
	uint64_t bytes;
	int left = 0;

	begin(lab, UINT64_MAX);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	note_list(lab, 1, 1);
	for (uint64_t tag = 2; tag <= COUNT; tag++) {
		close(open_list(lab, 1, tag));
		set_age(lab, tag, "journal", COUNT - (int)tag);
		note_list(lab, 1, tag);
	}
	set_age(lab, 1, "journal", COUNT);
	for (uint64_t tag = 1; tag <= COUNT; tag++)
		left += has_list(lab, tag);
	assert_int_equal(left, KEPT_PARTS_SENDER);
	assert_true(has_list(lab, 1) && has_list(lab, COUNT));
	assert_false(has_list(lab, 2) || has_list(lab, MORE + 1));
	assert_true(has_list(lab, MORE + 2));
	assert_int_equal(lab->messages, 1);
	assert_int_equal(lab->level, SESSION_WARNING);
	assert_non_null(strstr(lab->message, "removed 1 journal of"));
	close(fd);
	/* another sender's part, and what this one had before the start */
	bytes = bytes_of(lab, COUNT);
	leave(lab, 2, COUNT + 1, SIZE, 0);
	begin(lab, lab->unit > 3 * bytes ? lab->unit : 3 * bytes);
	kept_look(lab->kept, NULL);
	left = 0;
	for (uint64_t tag = 1; tag <= COUNT; tag++)
		left += has_list(lab, tag);
	assert_int_equal(left, lab->cfg.max_bytes / bytes);
	assert_true(is_there(lab, COUNT + 1) && has_list(lab, COUNT));
}

/* ---- a new file that does not fit ---- */

static void parts_give_way_one_by_one(void **state)
{
	struct lab *lab = *state;
	const struct kept_sender none = { .kept = NULL };
	int fd;

	begin(lab, UINT64_MAX);
	leave(lab, 1, 11, SIZE, 100);
	leave(lab, 1, 12, SIZE, 200);
	leave(lab, 1, 13, SIZE, 500);
	leave(lab, 2, 21, SIZE, 900);
	for (uint64_t tag = 11; tag <= 13; tag++)
		note(lab, 1, tag);
	note(lab, 2, 21);
	fd = lock_part(lab, 13);
	/* for want of space alone, and not in vain */
	assert_int_equal(give_way(lab, 1, 1, EIO), 0);
	assert_int_equal(give_way(lab, 1, 2 * lab->unit + 1, ENOSPC), 0);
	assert_int_equal(kept_give_way(&none, lab->dir, 0, ENOSPC), 0);
	assert_int_equal(give_way(lab, 3, 0, ENOSPC), 0);
	assert_true(is_there(lab, 11) && is_there(lab, 12));
	assert_int_equal(lab->messages, 0);
	assert_int_equal(give_way(lab, 1, 2 * lab->unit, ENOSPC), 1);
	assert_true(is_there(lab, 11) && is_there(lab, 13));
	assert_false(is_there(lab, 12));
	assert_int_equal(give_way(lab, 1, 0, EDQUOT), 1);
	assert_false(is_there(lab, 11));
	assert_int_equal(give_way(lab, 1, 0, ENOSPC), 0);
	assert_true(is_there(lab, 13) && is_there(lab, 21));
	assert_non_null(strstr(lab->message, "the disk was full"));
	close(fd);
	assert_int_equal(give_way(lab, 1, 0, ENOSPC), 1);
	assert_false(is_there(lab, 13));
}

/* A part that was committed meanwhile, or removed by others, is not counted. */
static void what_is_gone_cannot_give_way(void **state)
{
	struct lab *lab = *state;

	begin(lab, UINT64_MAX);
	leave(lab, 1, 11, SIZE, 100);
	leave(lab, 1, 12, SIZE, 200);
	note(lab, 1, 11);
	note(lab, 1, 12);
	assert_int_equal(leftover_remove(lab->dir, 12), 0);
	assert_int_equal(give_way(lab, 1, lab->unit + 1, ENOSPC), 0);
	assert_true(is_there(lab, 11));
	assert_int_equal(give_way(lab, 1, lab->unit, ENOSPC), 1);
	assert_false(is_there(lab, 11));
}

/* ---- looking ---- */

static void what_is_too_old_is_removed(void **state)
{
	struct lab *lab = *state;
	int fd;

	begin(lab, lab->unit * 5 / 2);
	leave(lab, 1, 11, SIZE, HOUR + 60);
	leave(lab, 1, 12, SIZE, HOUR + 60);
	leave(lab, 1, 13, SIZE, HOUR - 600);
	leave(lab, 2, 21, SIZE, HOUR + 60);
	/* one whose source is old: what counts is when it was written */
	leave(lab, 2, 22, SIZE, 10);
	set_age(lab, 22, "part", 100 * HOUR);
	fd = lock_part(lab, 12);
	kept_look(lab->kept, NULL);
	assert_false(is_there(lab, 11) || is_there(lab, 21));
	assert_true(is_there(lab, 12) && is_there(lab, 13) &&
		    is_there(lab, 22));
	assert_non_null(strstr(lab->message, "--keep-parts"));
	assert_non_null(strstr(lab->message, "removed 2 parts"));
	close(fd);
	/* what was found counts from now on */
	leave(lab, 1, 14, SIZE, 0);
	note(lab, 1, 14);
	assert_false(is_there(lab, 12));
	assert_true(is_there(lab, 13) && is_there(lab, 14));
}

static void whether_anything_is_kept(void **state)
{
	struct lab *lab = *state;
	struct kept_sender s = { .kept = NULL };

	assert_true(kept_wants(&s));
	begin(lab, UINT64_MAX);
	s.kept = lab->kept;
	assert_true(kept_wants(&s));
	lab->cfg.keep_s = 0;
	begin(lab, UINT64_MAX);
	s.kept = lab->kept;
	assert_false(kept_wants(&s));
}

#define kept_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		kept_test(the_oldest_of_a_sender_goes_first),
		kept_test(a_part_in_use_stays),
		kept_test(a_sender_with_a_limit_of_its_own),
		kept_test(lists_of_lost_transfers_are_limited),
		kept_test(too_much_of_all_together),
		kept_test(parts_give_way_one_by_one),
		kept_test(what_is_gone_cannot_give_way),
		kept_test(what_is_too_old_is_removed),
		kept_test(whether_anything_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
