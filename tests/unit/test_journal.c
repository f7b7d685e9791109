/*
 * The journal of a part: what is noted is claimed, on the right conditions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/err.h"
#include "base/runs.h"
#include "fs/journal.h"
#include "../lib/scratch.h"

enum { TAG = 0x1234, LEAVES = 100, LEAF = 4096, DIGEST = 16 };

struct place {
	char path[256];
	int dir;
	struct part part;
	struct journal_id id;
};

static void fill_digest(uint8_t *d, uint64_t leaf)
{
	memset(d, (int)(leaf + 1), DIGEST);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct err e;
	int was_there;

	assert_non_null(p);
	p->dir = scratch_make(p->path, sizeof(p->path), "journal");
	assert_int_equal(part_open_kept(&p->part, p->dir, TAG, &was_there, &e),
			 0);
	assert_int_equal(was_there, 0);
	p->id = (struct journal_id){
		.size = (uint64_t)LEAVES * LEAF - 1,
		.mtime_s = 12345,
		.mtime_ns = 678,
		.peer = "the peer",
		.digest_id = 1,
		.digest_size = DIGEST,
		.leaf_size = LEAF,
	};
	/* any that is known: not every build finds out what the real one is */
	memset(p->id.boot, 0xb0, JOURNAL_BOOT);
	assert_int_equal(part_set_size(&p->part, p->id.size, &e), 0);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	journal_remove(p->dir, TAG);
	part_discard(&p->part, p->dir);
	close(p->dir);
	assert_int_equal(rmdir(p->path), 0); /* nothing else is left */
	free(p);
	return 0;
}

static struct journal *begin(struct place *p)
{
	struct err e;
	struct journal *j = journal_create(p->dir, TAG, &p->part, &p->id, &e);

	assert_non_null(j);
	return j;
}

static void note(struct journal *j, uint64_t from, uint64_t to)
{
	uint8_t d[DIGEST];

	for (uint64_t i = from; i < to; i++) {
		fill_digest(d, i);
		journal_note(j, i, d);
	}
}

/* Load it; the claims must be just these leaves, with their digests. */
static void claims_are(struct place *p, uint64_t from, uint64_t to, int sealed)
{
	struct runs claims;
	int is_sealed;
	struct journal *j;
	uint8_t want[DIGEST], got[DIGEST];

	runs_init(&claims, 100);
	j = journal_load(p->dir, TAG, &p->part, &p->id, &claims, &is_sealed);
	assert_non_null(j);
	assert_int_equal(is_sealed, sealed);
	assert_true(runs_count(&claims) == to - from);
	for (uint64_t i = from; i < to; i++) {
		assert_true(runs_has(&claims, i));
		fill_digest(want, i);
		assert_int_equal(journal_get(j, i, got), 0);
		assert_memory_equal(got, want, DIGEST);
	}
	assert_int_equal(journal_get(j, to, got), -1);
	runs_release(&claims);
	journal_close(j);
}

static void is_unusable(struct place *p)
{
	struct runs claims;
	int is_sealed;

	runs_init(&claims, 100);
	assert_null(journal_load(p->dir, TAG, &p->part, &p->id, &claims,
				 &is_sealed));
	runs_release(&claims);
}

static int open_file(const struct place *p)
{
	char name[NAME_PART_MAX];
	int fd;

	part_tag_name(name, TAG, "journal");
	fd = openat(p->dir, name, O_RDWR);
	assert_true(fd >= 0);
	return fd;
}

static void what_was_noted_is_claimed(void **state)
{
	struct place *p = *state;
	struct journal *j = begin(p);

	/* a batch is written at once, what is left by the seal */
	note(j, 10, 10 + JOURNAL_BATCH + 3);
	journal_close(j);
	claims_are(p, 10, 10 + JOURNAL_BATCH, 0);
}

static void a_seal_holds_until_something_is_touched(void **state)
{
	struct place *p = *state;
	struct journal *j = begin(p);

	note(j, 0, 5);
	journal_seal(j, &p->part);
	journal_close(j);
	claims_are(p, 0, 5, 1);
	/* loading breaks it: what comes may be killed */
	claims_are(p, 0, 5, 0);
	j = begin(p);
	note(j, 0, 5);
	journal_seal(j, &p->part);
	journal_close(j);
	assert_int_equal(pwrite(p->part.fd, "x", 1, 77), 1);
	claims_are(p, 0, 5, 0);
}

static void another_identity_is_refused(void **state)
{
	struct place *p = *state;
	struct journal *j = begin(p);
	const struct journal_id id = p->id;

	note(j, 0, JOURNAL_BATCH);
	journal_close(j);
	p->id.size++;
	is_unusable(p);
	p->id = id;
	p->id.mtime_s++;
	is_unusable(p);
	p->id = id;
	p->id.mtime_ns--;
	is_unusable(p);
	p->id = id;
	p->id.peer[31] ^= 1;
	is_unusable(p);
	p->id = id;
	p->id.digest_id = 2;
	is_unusable(p);
	p->id = id;
	claims_are(p, 0, JOURNAL_BATCH, 0);
}

/* Each bit of the file flipped, one at a time: either nothing is claimed that
 * was not noted, or the whole is refused. */
static void no_flipped_bit_makes_a_false_claim(void **state)
{
	struct place *p = *state;
	struct journal *j = begin(p);
	struct stat st;
	int fd;

	note(j, 0, JOURNAL_BATCH);
	journal_close(j);
	fd = open_file(p);
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t bit = 0; bit < st.st_size * 8; bit += 3) {
		struct runs claims;
		uint8_t byte, want[DIGEST], got[DIGEST];
		int is_sealed;

		assert_int_equal(pread(fd, &byte, 1, bit / 8), 1);
		byte ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(pwrite(fd, &byte, 1, bit / 8), 1);
		runs_init(&claims, 100);
		j = journal_load(p->dir, TAG, &p->part, &p->id, &claims,
				 &is_sealed);
		for (uint64_t i = 0; j && i < LEAVES; i++) {
			if (!runs_has(&claims, i))
				continue;
			fill_digest(want, i);
			assert_int_equal(journal_get(j, i, got), 0);
			assert_memory_equal(got, want, DIGEST);
		}
		assert_false(is_sealed);
		journal_close(j);
		runs_release(&claims);
		/* as it was */
		close(fd);
		j = begin(p);
		note(j, 0, JOURNAL_BATCH);
		journal_close(j);
		fd = open_file(p);
	}
	close(fd);
}

static void every_cut_claims_what_is_left(void **state)
{
	struct place *p = *state;
	const off_t head = 256, place = DIGEST + 4;

	for (off_t len = 0; len < head + JOURNAL_BATCH * place; len += 7) {
		struct journal *j = begin(p);
		int fd;

		note(j, 0, JOURNAL_BATCH);
		journal_close(j);
		fd = open_file(p);
		assert_int_equal(ftruncate(fd, len), 0);
		close(fd);
		if (len < 128)
			is_unusable(p);
		else
			claims_are(p, 0,
				   len < head ? 0 :
						(uint64_t)((len - head) / place),
				   0);
	}
}

/* As if another boot had written it: only what was flushed counts. */
static void after_another_boot_only_what_was_flushed_counts(void **state)
{
	struct place *p = *state;
	struct journal *j = begin(p);
	struct err e;
	uint8_t head[128];
	uLong crc;
	int fd;

	note(j, 0, 20);
	assert_true(journal_unflushed(j) == 20);
	assert_int_equal(journal_flush(j, &p->part, &e), 0);
	assert_true(journal_unflushed(j) == 0);
	note(j, 20, 20 + JOURNAL_BATCH);
	journal_seal(j, &p->part);
	journal_close(j);
	fd = open_file(p);
	assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
	head[75] ^= 0xff;
	assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
	is_unusable(p); /* the CRC does not fit */
	crc = crc32(0, head, 124);
	for (int i = 0; i < 4; i++)
		head[124 + i] = (uint8_t)(crc >> (24 - 8 * i));
	assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
	close(fd);
	claims_are(p, 0, 20, 0);
	/* and now it is this boot's */
	claims_are(p, 0, 20, 0);
}

/* Then what was written at the end of a transfer is flushed, and counts. */
static void without_an_id_of_the_boot_all_is_flushed_at_the_end(void **state)
{
	struct place *p = *state;
	struct journal *j;

	memset(p->id.boot, 0, JOURNAL_BOOT);
	j = begin(p);
	note(j, 0, JOURNAL_BATCH + 3);
	journal_close(j);
	claims_are(p, 0, 0, 0);
	for (int sealed = 0; sealed < 2; sealed++) {
		j = begin(p);
		note(j, 0, JOURNAL_BATCH + 3);
		if (sealed)
			journal_seal(j, &p->part);
		else
			journal_write(j, &p->part);
		journal_close(j);
		claims_are(p, 0, JOURNAL_BATCH + 3, 0);
	}
}

static void a_file_that_is_not_ours_alone_is_refused(void **state)
{
	struct place *p = *state;
	struct journal *j = begin(p);
	char name[NAME_PART_MAX];
	int fd;

	note(j, 0, JOURNAL_BATCH);
	journal_close(j);
	fd = open_file(p);
	assert_int_equal(fchmod(fd, 0644), 0);
	is_unusable(p);
	assert_int_equal(fchmod(fd, 0600), 0);
	close(fd);
	part_tag_name(name, TAG, "journal");
	assert_int_equal(linkat(p->dir, name, p->dir, "other", 0), 0);
	is_unusable(p);
	assert_int_equal(unlinkat(p->dir, name, 0), 0);
	assert_int_equal(symlinkat("other", p->dir, name), 0);
	is_unusable(p);
	assert_int_equal(unlinkat(p->dir, "other", 0), 0);
}

static int has_journal(const struct place *p)
{
	char name[NAME_PART_MAX];

	part_tag_name(name, TAG, "journal");
	return faccessat(p->dir, name, F_OK, 0) == 0;
}

/* Part and journal, or the one of them that is left. */
static void clearing_removes_what_is_left(void **state)
{
	struct place *p = *state;
	struct err e;
	int was_there;

	journal_close(begin(p));
	/* In use. */
	assert_int_equal(journal_clear(p->dir, TAG), -1);
	assert_true(has_journal(p));
	assert_int_equal(part_close(&p->part, &e), 0);
	assert_int_equal(journal_clear(p->dir, TAG), 0);
	assert_false(has_journal(p));
	assert_int_equal(faccessat(p->dir, p->part.name, F_OK, 0), -1);
	assert_int_equal(journal_clear(p->dir, TAG), 0);
	/* The part is gone, but not its journal. */
	assert_int_equal(part_open_kept(&p->part, p->dir, TAG, &was_there, &e),
			 0);
	journal_close(begin(p));
	part_discard(&p->part, p->dir);
	assert_true(has_journal(p));
	assert_int_equal(journal_clear(p->dir, TAG), 0);
	assert_false(has_journal(p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(what_was_noted_is_claimed),
		TEST(a_seal_holds_until_something_is_touched),
		TEST(another_identity_is_refused),
		TEST(no_flipped_bit_makes_a_false_claim),
		TEST(every_cut_claims_what_is_left),
		TEST(after_another_boot_only_what_was_flushed_counts),
		TEST(without_an_id_of_the_boot_all_is_flushed_at_the_end),
		TEST(a_file_that_is_not_ours_alone_is_refused),
		TEST(clearing_removes_what_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
