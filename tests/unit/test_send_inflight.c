/*
 * What is in flight, and the packs of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "sender/inflight.h"
#include "sender/outfile_priv.h"

static struct pack *new_pack(unsigned count, enum item_kind kind, uint64_t size)
{
	const struct pack_texts texts = { "name", 4, 0, "to",
					  kind == ITEM_SYMLINK ? 2 : 0 };
	struct pack *pk = pack_new();

	assert_non_null(pk);
	while (pk->count < count) {
		struct item *it = pack_add(pk, kind, &texts, size);

		assert_non_null(it);
		it->st.st_size = (off_t)size;
	}
	return pk;
}

static struct outfile *new_file(void)
{
	struct outfile *f = outfile_new("file", 4, 0);

	assert_non_null(f);
	return f;
}

static int set_up(void **state)
{
	struct inflight *in = malloc(sizeof(*in));

	assert_non_null(in);
	inflight_init(in);
	*state = in;
	return 0;
}

static int tear_down(void **state)
{
	inflight_release(*state);
	free(*state);
	return 0;
}

/* ---- ids ---- */

static void ids_are_given_in_order(void **state)
{
	struct inflight *in = *state;
	struct pack *pk = new_pack(3, ITEM_FILE, 10);
	struct outfile *f = new_file();

	assert_false(inflight_was_given(in, 1, 1));
	assert_int_equal(inflight_add(in, pk, NULL), 1);
	assert_int_equal(inflight_add(in, NULL, f), 4);
	assert_int_equal(pk->first_id, 1);
	assert_int_equal(f->id, 4);
	assert_true(f->locked->is_in_flight);
	assert_int_equal(in->items, 4);
	assert_true(inflight_was_given(in, 1, 4));
	assert_false(inflight_was_given(in, 1, 5));
	assert_false(inflight_was_given(in, 0, 1));
	assert_false(inflight_was_given(in, 5, 1));
	assert_false(inflight_was_given(in, 4, UINT64_MAX));
	for (uint64_t id = 1; id <= 3; id++)
		assert_ptr_equal(inflight_at(in, id)->pack, pk);
	assert_ptr_equal(inflight_at(in, 4)->file, f);
	assert_null(inflight_at(in, 0));
	assert_null(inflight_at(in, 5));
	assert_int_equal(inflight_index(in, 0), 0);
	assert_int_equal(inflight_index(in, 3), 0);
	assert_int_equal(inflight_index(in, 4), 1);
	assert_int_equal(inflight_index(in, 5), 2);
}

static void what_ended_is_not_found(void **state)
{
	struct inflight *in = *state;
	struct outfile *f = new_file();
	struct pack *pk = new_pack(2, ITEM_FILE, 10);

	inflight_add(in, pk, NULL);
	inflight_add(in, NULL, f);
	inflight_end_item(in, inflight_at(in, 1), &pk->items[1]);
	assert_int_equal(in->items, 2);
	assert_int_equal(pk->left, 1);
	/* the pack is there until its last item */
	assert_ptr_equal(inflight_at(in, 2)->pack, pk);
	inflight_end_item(in, inflight_at(in, 1), &pk->items[0]);
	assert_null(inflight_at(in, 1));
	assert_null(inflight_at(in, 2));
	inflight_end_file(in, f);
	assert_null(inflight_at(in, 3));
	assert_int_equal(in->items, 0);
	/* once is enough */
	inflight_end_file(in, f);
	assert_int_equal(in->items, 0);
	outfile_free(f);
	assert_true(inflight_was_given(in, 1, 3));
}

/* Thousands of entries of which most have ended: the list does not grow with
 * all that ever were, and the others are found. */
static void memory_is_for_what_is_in_flight(void **state)
{
	enum { COUNT = 20000, KEPT = 100 };
	struct inflight *in = *state;
	struct outfile *kept[COUNT / KEPT];

	for (unsigned i = 0; i < COUNT; i++) {
		struct outfile *f = new_file();

		assert_int_equal(inflight_add(in, NULL, f), i + 1);
		if (i % KEPT == 0) {
			kept[i / KEPT] = f;
		} else {
			inflight_end_file(in, f);
			outfile_free(f);
		}
	}
	assert_true(in->cap <= 512);
	assert_int_equal(in->items, COUNT / KEPT);
	for (unsigned i = 0; i < COUNT / KEPT; i++) {
		const uint64_t id = i * KEPT + 1;

		assert_ptr_equal(inflight_at(in, id)->file, kept[i]);
		assert_null(inflight_at(in, id + 1));
	}
}

static void deferred_items_count_once(void **state)
{
	struct inflight *in = *state;
	struct pack *pk = new_pack(3, ITEM_SYMLINK, 0);
	struct inflight_entry *en;

	inflight_add(in, pk, NULL);
	en = inflight_at(in, 1);
	inflight_defer(in, &pk->items[0]);
	inflight_defer(in, &pk->items[0]);
	inflight_defer(in, &pk->items[1]);
	assert_int_equal(in->deferred, 2);
	assert_int_equal(in->items, 3);
	inflight_end_item(in, en, &pk->items[0]);
	assert_int_equal(in->deferred, 1);
	/* its verdict came first */
	inflight_defer(in, &pk->items[0]);
	assert_int_equal(in->deferred, 1);
	inflight_end_item(in, en, &pk->items[2]);
	assert_int_equal(in->deferred, 1);
	assert_int_equal(in->items, 1);
}

static void a_pack_is_taken_out_whole(void **state)
{
	struct inflight *in = *state;
	struct pack *pk = new_pack(3, ITEM_FILE, 10);

	inflight_add(in, pk, NULL);
	assert_ptr_equal(inflight_take_pack(in, inflight_at(in, 1)), pk);
	assert_int_equal(in->items, 0);
	assert_null(inflight_at(in, 1));
	assert_int_equal(inflight_add(in, pk, NULL), 4);
	assert_int_equal(pk->first_id, 4);
}

/* For another session: last first, and what has ended is passed over. */
static void all_is_taken_out_from_the_end(void **state)
{
	struct inflight *in = *state;
	struct pack *packs[2] = { new_pack(2, ITEM_FILE, 1),
				  new_pack(1, ITEM_SYMLINK, 0) };
	struct outfile *gone = new_file(), *kept = new_file(), *f;
	struct pack *pk;

	inflight_add(in, packs[0], NULL);
	inflight_add(in, NULL, gone);
	inflight_add(in, NULL, kept);
	inflight_add(in, packs[1], NULL);
	inflight_defer(in, &packs[1]->items[0]);
	inflight_end_file(in, gone);
	outfile_free(gone);
	assert_true(inflight_pop(in, &pk, &f));
	assert_ptr_equal(pk, packs[1]);
	assert_null(f);
	pack_free(pk);
	assert_true(inflight_pop(in, &pk, &f));
	assert_ptr_equal(f, kept);
	assert_null(pk);
	outfile_free(f);
	assert_true(inflight_pop(in, &pk, &f));
	assert_ptr_equal(pk, packs[0]);
	pack_free(pk);
	assert_false(inflight_pop(in, &pk, &f));
	assert_int_equal(in->items, 0);
	assert_int_equal(in->deferred, 0);
	assert_false(inflight_was_given(in, 1, 1));
	assert_int_equal(inflight_add(in, NULL, new_file()), 1);
}

/* ---- packs ---- */

static void a_pack_has_bounds(void **state)
{
	char name[2000];
	const struct pack_texts file = { name, 10, 0, NULL, 0 };
	const struct pack_texts link = { name, 1000, 0, name, 1000 };
	struct pack *pk;
	unsigned n = 0;

	(void)state;
	memset(name, 'n', sizeof(name));
	/* items */
	pk = new_pack(PACK_ITEMS, ITEM_DIR, 0);
	assert_null(pack_add(pk, ITEM_DIR, &file, 0));
	assert_int_equal(pk->count, PACK_ITEMS);
	pack_free(pk);
	/* content and table together */
	pk = pack_new();
	while (pack_add(pk, ITEM_FILE, &file, 100000))
		n++;
	assert_int_equal(n, 10);
	while (pack_add(pk, ITEM_SYMLINK, &link, 0))
		n++;
	assert_true(pk->table_len + pk->bytes <= CHUNK_MAX);
	assert_true(pk->table_len + pk->bytes > CHUNK_MAX - 3000);
	assert_int_equal(pk->count, n);
	pack_free(pk);
}

static void a_pack_keeps_its_texts(void **state)
{
	const struct pack_texts link = { "a/linkXX", 6, 2, "targetXX", 6 };
	const struct pack_texts file = { "b", 1, 0, NULL, 0 };
	struct pack *pk = pack_new();
	struct item *it;

	(void)state;
	pack_add(pk, ITEM_SYMLINK, &link, 0);
	it = pack_add(pk, ITEM_FILE, &file, 7);
	assert_string_equal(pack_name(pk, it), "b");
	assert_int_equal(pk->bytes, 7);
	it = &pk->items[0];
	assert_string_equal(pack_name(pk, it), "a/link");
	assert_string_equal(pack_name(pk, it) + it->path_off, "link");
	assert_string_equal((char *)pk->names.data + it->target_off, "target");
	pack_free(pk);
}

/* With as much room for its metadata as there can be; a list has no content. */
static void an_item_goes_into_a_pack_of_its_own(void **state)
{
	(void)state;
	for (unsigned is_list = 0; is_list < 2; is_list++) {
		const struct pack_texts texts = { "d/file", 6, 2, NULL, 0 };
		struct pack *pk = pack_new(), *alone;
		struct item *it;

		assert_non_null(pk);
		pk->is_list = (int)is_list;
		pk->has_digests = pk->was_sent = pk->is_wanted = (int)is_list;
		it = pack_add(pk, ITEM_FILE, &texts, is_list ? 0 : 7);
		assert_non_null(it);
		it->st.st_size = 7;
		it->root = 3;
		it->linked = 4;
		alone = pack_alone(pk, it);
		assert_non_null(alone);
		assert_int_equal(alone->count, 1);
		assert_int_equal(alone->bytes, is_list ? 0 : 7);
		assert_int_equal(alone->is_list, is_list);
		assert_int_equal(alone->has_digests, is_list);
		assert_int_equal(alone->was_sent, is_list);
		assert_int_equal(alone->is_wanted, is_list);
		assert_int_equal(alone->fields_room, FILE_META_FIELDS_MAX);
		it = &alone->items[0];
		assert_string_equal(pack_name(alone, it), "d/file");
		assert_int_equal(it->path_off, 2);
		assert_int_equal(it->st.st_size, 7);
		assert_int_equal(it->root, 3);
		assert_int_equal(it->linked, 4);
		pack_free(alone);
		pack_free(pk);
	}
}

/* The answer to an offer of files, of which bit i says that i is wanted. */
static struct msg_offered offered(uint32_t count, uint8_t bits)
{
	struct msg_offered m = { .first_id = 1, .count = count };

	m.wanted[0] = bits;
	return m;
}

static void a_pack_of_what_is_wanted(void **state)
{
	struct pack *pk = new_pack(4, ITEM_FILE, 10), *wanted;
	struct msg_offered m = offered(4, 0xa);

	(void)state;
	pk->items[3].st.st_size = 25;
	pk->was_sent = 1;
	assert_int_equal(pack_count_wanted(&m), 2);
	assert_int_equal(pack_wanted(pk, &m, &wanted), 0);
	assert_int_equal(wanted->count, 2);
	assert_int_equal(wanted->bytes, 35);
	assert_int_equal(wanted->table_len, pk->table_len);
	assert_true(wanted->is_wanted && wanted->was_sent);
	assert_string_equal(pack_name(wanted, &wanted->items[1]), "name");
	assert_int_equal(wanted->items[1].st.st_size, 25);
	pack_free(wanted);
	m = offered(4, 0);
	assert_int_equal(pack_wanted(pk, &m, &wanted), 0);
	assert_null(wanted);
	/* what is no file has no content, and what has its verdict is done */
	m = offered(4, 0xf);
	pk->items[2].kind = ITEM_DIR;
	assert_int_equal(pack_wanted(pk, &m, &wanted), ERR_PROTOCOL);
	assert_null(wanted);
	pk->items[2].kind = ITEM_FILE;
	pk->items[1].done = 1;
	assert_int_equal(pack_wanted(pk, &m, &wanted), ERR_PROTOCOL);
	pack_free(pk);
}

static void a_pack_for_another_session(void **state)
{
	struct pack *pk = new_pack(4, ITEM_FILE, 10);

	(void)state;
	pk->first_id = 9;
	pk->is_wanted = 1;
	pk->items[0].done = pk->items[2].done = 1;
	pk->items[3].st.st_size = 30;
	pk->items[1].kind = ITEM_SYMLINK;
	pk->items[1].is_deferred = 1;
	pack_restart(pk);
	assert_int_equal(pk->count, 2);
	assert_int_equal(pk->items[0].kind, ITEM_SYMLINK);
	assert_false(pk->items[0].is_deferred);
	assert_int_equal(pk->items[1].st.st_size, 30);
	assert_int_equal(pk->bytes, 30);
	assert_int_equal(pk->first_id, 0);
	assert_true(pk->was_sent);
	assert_false(pk->is_wanted);
	pack_free(pk);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ids_are_given_in_order),
		TEST(what_ended_is_not_found),
		TEST(memory_is_for_what_is_in_flight),
		TEST(deferred_items_count_once),
		TEST(a_pack_is_taken_out_whole),
		TEST(all_is_taken_out_from_the_end),
		cmocka_unit_test(a_pack_has_bounds),
		cmocka_unit_test(a_pack_keeps_its_texts),
		cmocka_unit_test(an_item_goes_into_a_pack_of_its_own),
		cmocka_unit_test(a_pack_of_what_is_wanted),
		cmocka_unit_test(a_pack_for_another_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
