/*
 * The journal of a kept part as somebody left it on the disk: torn, edited, of
 * another source, part or boot, or no journal at all.
 *
 * What must hold: it is usable exactly if a decoder that is written from the
 * comment in journal.c says so, and claims exactly the leaves that this one
 * finds, all of them leaves of the file; loading it once more gives the same,
 * but no seal; and it can be used from there on.
 *
 * Input: a byte (see below), u32 leaves, u16 bytes that the last of them is
 * short of, then the journal.  What only who wrote it here could know is put
 * right: a tag of 1 or 2 stands for the right one of a leaf that was written
 * or flushed, and there are two flags.
 */
#include "lab.h"

#include <zlib.h>

#include "base/err.h"
#include "fs/journal.h"

enum {
	SIZES = 3,     /* which digest */
	NO_BOOT = 4,   /* this boot cannot be told from others */
	FIX_HEAD = 8,  /* the inode, and the CRC of the head */
	FIX_SEAL = 16, /* the seal is of the part as it is */
	FEW_RUNS = 32, /* the caller has room for few claims */
	KINDS = 192,   /* what the file is: */
	READABLE = 64, /* by others, */
	LINKED = 128,  /* known by a second name, */
	SYMLINK = 192, /* or not even a file */
};
enum {
	FIXED = 7, /* of an input */
	HEAD = 128,
	PLACES = 256,
	LEAF = 4096,
	RUNS = 8192,
	RUNS_FEW = 3,
	TAG = 0x77,
};

static struct lab lab;
static int dir_fd;
static struct part part;

/* An input, and what is in it. */
struct given {
	unsigned flags;
	struct journal_id id;
	uint64_t leaves;
	size_t place; /* bytes of one */
	uint8_t *p;
	size_t n;
};

/* ---- a decoder of our own ---- */

static int same_boot(const struct given *g)
{
	return !(g->flags & NO_BOOT) &&
	       memcmp(g->p + 72, g->id.boot, JOURNAL_BOOT) == 0;
}

static uint64_t own_inode(void)
{
	struct stat st;

	CHECK(fstat(part.fd, &st) == 0);
	return st.st_ino;
}

static uint32_t head_crc(const uint8_t *p)
{
	return (uint32_t)crc32(0, p, HEAD - 4);
}

static int is_usable(const struct given *g)
{
	const uint8_t *p = g->p;
	uint8_t zero[12] = { 0 };

	return g->n >= HEAD && memcmp(p, "FERRYJNL", 8) == 0 && p[8] == 1 &&
	       p[9] == g->id.digest_id && memcmp(p + 10, zero, 2) == 0 &&
	       be_get32(p + 12) == LEAF && be_get64(p + 16) == g->id.size &&
	       be_get64(p + 24) == (uint64_t)g->id.mtime_s &&
	       be_get32(p + 32) == g->id.mtime_ns && be_get32(p + 36) == 0 &&
	       memcmp(p + 40, g->id.peer, JOURNAL_PEER) == 0 &&
	       be_get64(p + 104) == own_inode() &&
	       memcmp(p + 112, zero, 12) == 0 &&
	       be_get32(p + HEAD - 4) == head_crc(p);
}

/* The seal of the part as it is, with the salt of the journal. */
static void make_seal(const struct given *g, uint8_t seal[24])
{
	struct stat st;

	CHECK(fstat(part.fd, &st) == 0);
	be_put64(seal, (uint64_t)st.st_size);
	be_put64(seal + 8, (uint64_t)st.st_ctim.tv_sec);
	be_put32(seal + 16, (uint32_t)st.st_ctim.tv_nsec);
	be_put32(seal + 20, (uint32_t)crc32(crc32(0, g->p + 88, 16), seal, 20));
}

static int is_sealed(const struct given *g)
{
	uint8_t seal[24];

	make_seal(g, seal);
	return g->n >= HEAD + sizeof(seal) && same_boot(g) &&
	       memcmp(g->p + HEAD, seal, sizeof(seal)) == 0;
}

static uint8_t *place_at(const struct given *g, uint64_t leaf)
{
	return g->p + PLACES + leaf * g->place;
}

/* How many leaves have a place that is whole. */
static uint64_t place_count(const struct given *g)
{
	uint64_t fit = g->n > PLACES ? (g->n - PLACES) / g->place : 0;

	return fit < g->leaves ? fit : g->leaves;
}

static uint32_t make_tag(const struct given *g, uint64_t leaf, uint8_t state)
{
	uint8_t head[9];
	uLong crc;

	be_put64(head, leaf);
	head[8] = state;
	crc = crc32(crc32(0, g->p + 88, 16), head, sizeof(head));
	crc = crc32(crc, place_at(g, leaf), g->id.digest_size);
	return crc ? (uint32_t)crc : 1;
}

static int is_claimed(const struct given *g, uint64_t leaf)
{
	uint32_t tag;

	if (leaf >= place_count(g))
		return 0;
	tag = be_get32(place_at(g, leaf) + g->id.digest_size);
	return tag == make_tag(g, leaf, 2) ||
	       (same_boot(g) && tag == make_tag(g, leaf, 1));
}

/* ---- from an input to a file ---- */

static void take_input(struct given *g, const uint8_t *data, size_t size)
{
	static const uint8_t sizes[] = { 16, 32, 4, 16 };
	struct rd r;
	unsigned flags, leaves, less;

	rd_init(&r, data, size);
	flags = rd_u8(&r);
	leaves = rd_u32(&r);
	less = rd_u16(&r) % LEAF;
	*g = (struct given){ .flags = flags, .leaves = leaves };
	g->id = (struct journal_id){
		.size = (uint64_t)leaves * LEAF - (leaves ? less : 0),
		.mtime_s = -7,
		.mtime_ns = 999999999,
		.digest_id = (uint8_t)(1 + (flags & SIZES)),
		.digest_size = sizes[flags & SIZES],
		.leaf_size = LEAF,
	};
	memset(g->id.peer, 'p', JOURNAL_PEER);
	if (!(flags & NO_BOOT))
		memset(g->id.boot, 'b', JOURNAL_BOOT);
	g->place = g->id.digest_size + 4u;
	g->p = fuzz_copy(r.p, r.left);
	g->n = r.left;
}

static void put_right(const struct given *g)
{
	if (g->n >= HEAD && g->flags & FIX_HEAD) {
		be_put64(g->p + 104, own_inode());
		be_put32(g->p + HEAD - 4, head_crc(g->p));
	}
	if (g->n >= PLACES && g->flags & FIX_SEAL)
		make_seal(g, g->p + HEAD);
	for (uint64_t i = 0; i < place_count(g); i++) {
		uint8_t *tag = place_at(g, i) + g->id.digest_size;

		if (be_get32(tag) == 1 || be_get32(tag) == 2)
			be_put32(tag, make_tag(g, i, tag[3]));
	}
}

static void write_file(const struct given *g)
{
	static const char *const second = "second";
	char name[NAME_PART_MAX];
	int fd;

	part_tag_name(name, TAG, "journal");
	(void)unlinkat(dir_fd, name, 0);
	(void)unlinkat(dir_fd, second, 0);
	fd = openat(dir_fd, (g->flags & KINDS) == SYMLINK ? second : name,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && io_write(fd, g->p, g->n) == 0);
	if ((g->flags & KINDS) == READABLE)
		CHECK(fchmod(fd, 0644) == 0);
	if ((g->flags & KINDS) == LINKED)
		CHECK(linkat(dir_fd, name, dir_fd, second, 0) == 0);
	if ((g->flags & KINDS) == SYMLINK)
		CHECK(symlinkat(second, dir_fd, name) == 0);
	io_close(&fd);
}

/* ---- what is made of it ---- */

static struct journal *load(const struct given *g, struct runs *claims,
			    int *sealed)
{
	runs_init(claims, g->flags & FEW_RUNS ? RUNS_FEW : RUNS);
	return journal_load(dir_fd, TAG, &part, &g->id, claims, sealed);
}

/* The claims are those that our decoder finds, but for what had no room. */
static void check_claims(const struct given *g, struct journal *j,
			 const struct runs *claims)
{
	uint64_t want = 0;

	for (uint64_t i = 0; i < place_count(g); i++) {
		uint8_t digest[JOURNAL_DIGEST_MAX];

		want += (uint64_t)is_claimed(g, i);
		if (!runs_has(claims, i))
			continue;
		CHECK(is_claimed(g, i));
		CHECK(journal_get(j, i, digest) == 0);
		CHECK(memcmp(digest, place_at(g, i), g->id.digest_size) == 0);
	}
	/* and none beyond these */
	CHECK(claims->len <= claims->max);
	if (claims->len < claims->max)
		CHECK(runs_count(claims) == want);
	for (size_t i = 0; i < claims->len; i++)
		CHECK(claims->v[i].first + claims->v[i].count <= g->leaves);
}

static void check_same(const struct runs *a, const struct runs *b)
{
	CHECK(a->len == b->len);
	for (size_t i = 0; i < a->len; i++)
		CHECK(a->v[i].first == b->v[i].first &&
		      a->v[i].count == b->v[i].count);
}

/* Go on with it: a leaf is written, and the transfer broken off. */
static void check_use(const struct given *g, struct journal *j)
{
	uint8_t digest[JOURNAL_DIGEST_MAX], got[JOURNAL_DIGEST_MAX];
	struct runs claims;
	struct err e = { 0 };
	int sealed;

	memset(digest, 0x5a, sizeof(digest));
	if (g->leaves > 0)
		journal_note(j, 0, digest);
	CHECK(journal_flush(j, &part, &e) == 0);
	CHECK(journal_unflushed(j) == 0);
	journal_seal(j, &part);
	journal_close(j);
	j = load(g, &claims, &sealed);
	CHECK(j && sealed == !(g->flags & NO_BOOT));
	if (g->leaves > 0) {
		CHECK(runs_has(&claims, 0) && journal_get(j, 0, got) == 0);
		CHECK(memcmp(got, digest, g->id.digest_size) == 0);
	}
	runs_release(&claims);
	journal_close(j);
}

static void check_load(const struct given *g)
{
	struct runs claims, again;
	int sealed;
	struct journal *j = load(g, &claims, &sealed);

	CHECK((j != NULL) == (is_usable(g) && !(g->flags & KINDS)));
	if (j) {
		CHECK(sealed == is_sealed(g));
		check_claims(g, j, &claims);
		journal_close(j);
		j = load(g, &again, &sealed);
		CHECK(j && !sealed);
		check_same(&claims, &again);
		runs_release(&again);
		check_use(g, j);
	} else {
		CHECK(!sealed && claims.len == 0);
	}
	runs_release(&claims);
}

static void remove_all(void)
{
	(void)scratch_remove(lab.top);
}

static void begin(void)
{
	struct part_names names = { 0 };
	struct err e = { 0 };

	lab_make(&lab);
	CHECK(atexit(remove_all) == 0);
	dir_fd = open(lab.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(dir_fd >= 0);
	CHECK(part_create(&part, &names, dir_fd, &e) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct given g;

	if (!*lab.top)
		begin();
	if (size < FIXED)
		return 0;
	take_input(&g, data, size);
	put_right(&g);
	write_file(&g);
	check_load(&g);
	free(g.p);
	return 0;
}
