/*
 * Unit tests of auth/spake2: the vectors of RFC 9382, appendix B, and what a
 * dishonest peer may send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <stdio.h>
#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include <cmocka.h>

#include "base/num.h"
#include "auth/spake2.h"
#include "within.h"

/* RFC 9382, appendix B: SPAKE2-P256-SHA256-HKDF-HMAC, without AAD. */
static const struct vector {
	const char *id_a, *id_b, *w, *x, *y, *share_a, *share_b, *key;
	const char *mac_a, *mac_b;
} vectors[] = {
	{ "server", "client",
	  "2ee57912099d31560b3a44b1184b9b4866e904c49d12ac5042c97dca461b1a5f",
	  "43dd0fd7215bdcb482879fca3220c6a968e66d70b1356cac18bb26c84a78d729",
	  "dcb60106f276b02606d8ef0a328c02e4b629f84f89786af5befb0bc75b6e66be",
	  "04a56fa807caaa53a4d28dbb9853b9815c61a411118a6fe516a8798434751470f9"
	  "010153ac33d0d5f2047ffdb1a3e42c9b4e6be662766e1eeb4116988ede5f912c",
	  "0406557e482bd03097ad0cbaa5df82115460d951e3451962f1eaf4367a420676d0"
	  "9857ccbc522686c83d1852abfa8ed6e4a1155cf8f1543ceca528afb591a1e0b7",
	  "0e0672dc86f8e45565d338b0540abe69",
	  "58ad4aa88e0b60d5061eb6b5dd93e80d9c4f00d127c65b3b35b1b5281fee38f0",
	  "d3e2e547f1ae04f2dbdbf0fc4b79f8ecff2dff314b5d32fe9fcef2fb26dc459b" },
	{ "", "client",
	  "0548d8729f730589e579b0475a582c1608138ddf7054b73b5381c7e883e2efae",
	  "403abbe3b1b4b9ba17e3032849759d723939a27a27b9d921c500edde18ed654b",
	  "903023b6598908936ea7c929bd761af6039577a9c3f9581064187c3049d87065",
	  "04a897b769e681c62ac1c2357319a3d363f610839c4477720d24cbe32f5fd85f44"
	  "fb92ba966578c1b712be6962498834078262caa5b441ecfa9d4a9485720e918a",
	  "04e0f816fd1c35e22065d5556215c097e799390d16661c386e0ecc84593974a61b"
	  "881a8c82327687d0501862970c64565560cb5671f696048050ca66ca5f8cc7fc",
	  "642f05c473c2cd79909f9a841e2f30a7",
	  "47d29e6666af1b7dd450d571233085d7a9866e4d49d2645e2df975489521232b",
	  "3313c5cefc361d27fb16847a91c2a73b766ffa90a4839122a9b70a2f6bd1d6df" },
	{ "server", "",
	  "626e0cdc7b14c9db3e52a0b1b3a768c98e37852d5db30febe0497b14eae8c254",
	  "07adb3db6bc623d3399726bfdbfd3d15a58ea776ab8a308b00392621291f9633",
	  "b6a4fc8dbb629d4ba51d6f91ed1532cf87adec98f25dd153a75accafafedec16",
	  "04f88fb71c99bfffaea370966b7eb99cd4be0ff1a7d335caac4211c4afd855e2e1"
	  "5a873b298503ad8ba1d9cbb9a392d2ba309b48bfd7879aefd0f2cea6009763b0",
	  "040c269d6be017dccb15182ac6bfcd9e2a14de019dd587eaf4bdfd353f031101e7"
	  "cca177f8eb362a6e83e7d5e729c0732e1b528879c086f39ba0f31a9661bd34db",
	  "005184ff460da2ce59062c87733c299c",
	  "bc9f9bbe99f26d0b2260e6456e05a86196a3307ec6663a18bf6ac825736533b2",
	  "c2370e1bf813b086dff0d834e74425a06e6390f48f5411900276dcccc5a297ec" },
	{ "", "",
	  "7bf46c454b4c1b25799527d896508afd5fc62ef4ec59db1efb49113063d70cca",
	  "8cef65df64bb2d0f83540c53632de911b5b24b3eab6cc74a97609fd659e95473",
	  "d7a66f64074a84652d8d623a92e20c9675c61cb5b4f6a0063e4648a2fdc02d53",
	  "04a65b367a3f613cf9f0654b1b28a1e3a8a40387956c8ba6063e8658563890f46c"
	  "a1ef6a676598889fc28de2950ab8120b79a5ef1ea4c9f44bc98f585634b46d66",
	  "04589f13218822710d98d8b2123a079041052d9941b9cf88c6617ddb2fcc049466"
	  "2eea8ba6b64692dc318250030c6af045cb738bc81ba35b043c3dcb46adf6f58d",
	  "fc6374762ba5cf11f4b2caa08b2cd1b9",
	  "dfb4db8d48ae5a675963ea5e6c19d98d4ea028d8e898dad96ea19a80ade95dca",
	  "d0f0609d1613138d354f7e95f19fb556bf52d751947241e8c7118df5ef0ae175" },
};

static void assert_hex(const uint8_t *got, const char *want)
{
	char text[2 * SPAKE2_SHARE + 1];

	hex_encode(text, got, strlen(want) / 2);
	assert_string_equal(text, want);
}

static struct spake2 *side(enum spake2_role role, const struct vector *v,
			   const char *scalar)
{
	struct spake2_config cfg = { .role = role, .id_a = v->id_a,
				     .id_b = v->id_b, .aad = "" };
	uint8_t bytes[SPAKE2_SCALAR];
	struct err e = { 0 };
	struct spake2 *s;

	assert_int_equal(hex_decode(cfg.w, SPAKE2_SCALAR, v->w), 0);
	if (scalar) {
		assert_int_equal(hex_decode(bytes, sizeof(bytes), scalar), 0);
		cfg.scalar = bytes;
	}
	s = spake2_new(&cfg, &e);
	assert_non_null(s);
	return s;
}

static void the_vectors_of_the_rfc(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct spake2 *a = side(SPAKE2_A, v, v->x);
		struct spake2 *b = side(SPAKE2_B, v, v->y);
		struct err e = { 0 };

		assert_hex(spake2_share(a), v->share_a);
		assert_hex(spake2_share(b), v->share_b);
		assert_int_equal(spake2_take_share(a, spake2_share(b), &e), 0);
		assert_int_equal(spake2_take_share(b, spake2_share(a), &e), 0);
		assert_hex(spake2_key(a), v->key);
		assert_hex(spake2_key(b), v->key);
		assert_hex(spake2_mac(a), v->mac_a);
		assert_hex(spake2_mac(b), v->mac_b);
		assert_true(spake2_check(a, spake2_mac(b)));
		assert_true(spake2_check(b, spake2_mac(a)));
		/* Reflected confirmations are no confirmations. */
		assert_false(spake2_check(a, spake2_mac(a)));
		assert_false(spake2_check(b, spake2_mac(b)));
		spake2_free(a);
		spake2_free(b);
	}
}

static void w_is_the_seed_modulo_the_order(void **state)
{
	/* The order of P-256 (SEC 2), and what 2^320 - 1 leaves: computed
	 * with Python's integers. */
	static const char order[] =
		"ffffffff00000000ffffffffffffffff"
		"bce6faada7179e84f3b9cac2fc632551";
	static const char rest[] =
		"fffffffe00000001431905529c0166cd"
		"22159165b6faae70f756a571fc632550";
	uint8_t seed[SPAKE2_SEED] = { 0 }, w[SPAKE2_SCALAR];
	uint8_t zero[SPAKE2_SCALAR] = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(hex_decode(seed + 8, 32, order), 0);
	assert_int_equal(spake2_make_w(w, seed, &e), 0);
	assert_memory_equal(w, zero, sizeof(w));
	seed[SPAKE2_SEED - 1]++;
	assert_int_equal(spake2_make_w(w, seed, &e), 0);
	assert_int_equal(w[SPAKE2_SCALAR - 1], 1);
	memset(seed, 0xff, sizeof(seed));
	assert_int_equal(spake2_make_w(w, seed, &e), 0);
	assert_hex(w, rest);
}

struct two {
	struct spake2 *a, *b;
	struct err e;
};

static void begin(struct two *t)
{
	memset(t, 0, sizeof(*t));
	t->a = side(SPAKE2_A, &vectors[0], NULL);
	t->b = side(SPAKE2_B, &vectors[0], NULL);
}

static void end(struct two *t)
{
	spake2_free(t->a);
	spake2_free(t->b);
}

static void scalars_are_fresh(void **state)
{
	struct two t, u;

	(void)state;
	begin(&t);
	begin(&u);
	assert_memory_not_equal(spake2_share(t.a), spake2_share(u.a),
				SPAKE2_SHARE);
	assert_int_equal(spake2_take_share(t.a, spake2_share(t.b), &t.e), 0);
	assert_int_equal(spake2_take_share(u.a, spake2_share(u.b), &u.e), 0);
	assert_memory_not_equal(spake2_key(t.a), spake2_key(u.a), SPAKE2_KEY);
	/* A confirmation of one exchange is none in another. */
	assert_int_equal(spake2_take_share(t.b, spake2_share(t.a), &t.e), 0);
	assert_true(spake2_check(t.a, spake2_mac(t.b)));
	assert_false(spake2_check(u.a, spake2_mac(t.b)));
	end(&t);
	end(&u);
}

static void refuse_share(const uint8_t *share)
{
	struct two t;

	begin(&t);
	assert_int_equal(spake2_take_share(t.a, share, &t.e), ERR_AUTH);
	err_clear(&t.e);
	assert_int_equal(spake2_take_share(t.b, share, &t.e), ERR_AUTH);
	end(&t);
}

static void shares_that_are_no_points_are_refused(void **state)
{
	uint8_t share[SPAKE2_SHARE];
	struct two t;

	(void)state;
	/* The point at infinity is one zero byte; here with more after it. */
	memset(share, 0, sizeof(share));
	refuse_share(share);
	share[0] = 4;
	refuse_share(share);
	memset(share + 1, 0xff, sizeof(share) - 1);
	refuse_share(share);
	/* Off the curve by one bit, in X and in Y. */
	begin(&t);
	for (size_t at = 1; at < SPAKE2_SHARE; at += 31) {
		memcpy(share, spake2_share(t.a), sizeof(share));
		share[at] ^= 1;
		refuse_share(share);
	}
	/* Other forms of the same point: hybrid, compressed. */
	for (uint8_t form = 2; form < 8; form++) {
		memcpy(share, spake2_share(t.a), sizeof(share));
		share[0] = form;
		if (form != 4)
			refuse_share(share);
	}
	end(&t);
}

static void ones_own_share_is_refused(void **state)
{
	struct two t;

	(void)state;
	begin(&t);
	assert_int_equal(spake2_take_share(t.a, spake2_share(t.a), &t.e), ERR_AUTH);
	err_clear(&t.e);
	assert_int_equal(spake2_take_share(t.b, spake2_share(t.b), &t.e), ERR_AUTH);
	end(&t);
}

/* w times N, as B would send it with the scalar 0. */
static void bare_blinding(uint8_t share[SPAKE2_SHARE], const char *compressed)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *p = EC_POINT_new(group);
	BIGNUM *w = NULL;

	assert_int_equal(BN_hex2bn(&w, vectors[0].w), 64);
	assert_non_null(EC_POINT_hex2point(group, compressed, p, NULL));
	assert_int_equal(EC_POINT_mul(group, p, NULL, p, w, NULL), 1);
	assert_int_equal(EC_POINT_point2oct(group, p,
					    POINT_CONVERSION_UNCOMPRESSED,
					    share, SPAKE2_SHARE, NULL),
			 SPAKE2_SHARE);
	BN_free(w);
	EC_POINT_free(p);
	EC_GROUP_free(group);
}

static void a_share_that_makes_infinity_is_refused(void **state)
{
	uint8_t share[SPAKE2_SHARE];
	struct two t;

	(void)state;
	begin(&t);
	bare_blinding(share, "03D8BBD6C639C62937B04D997F38C3770719C629D7014D49"
			     "A24B4F98BAA1292B49");
	assert_int_equal(spake2_take_share(t.a, share, &t.e), ERR_AUTH);
	err_clear(&t.e);
	bare_blinding(share, "02886E2F97ACE46E55BA9DD7242579F2993B64E16EF3DCAB"
			     "95AFD497333D8FA12F");
	assert_int_equal(spake2_take_share(t.b, share, &t.e), ERR_AUTH);
	end(&t);
}

/* Two sides that differ in one thing do not confirm each other. */
static void differ(const struct spake2_config *a, const struct spake2_config *b)
{
	struct err e = { 0 };
	struct spake2 *one = spake2_new(a, &e), *two = spake2_new(b, &e);

	assert_non_null(one);
	assert_non_null(two);
	assert_int_equal(spake2_take_share(one, spake2_share(two), &e), 0);
	assert_int_equal(spake2_take_share(two, spake2_share(one), &e), 0);
	assert_false(spake2_check(one, spake2_mac(two)));
	assert_false(spake2_check(two, spake2_mac(one)));
	spake2_free(one);
	spake2_free(two);
}

static void what_is_bound(void **state)
{
	struct spake2_config a = { .role = SPAKE2_A, .id_a = "s", .id_b = "r",
				   .aad = "v1" }, b = a, c;

	(void)state;
	memset(a.w, 7, sizeof(a.w));
	memset(b.w, 7, sizeof(b.w));
	b.role = SPAKE2_B;
	c = b;
	c.w[31] ^= 1;
	differ(&a, &c);
	c = b;
	c.id_a = "t";
	differ(&a, &c);
	c = b;
	c.id_b = "";
	differ(&a, &c);
	c = b;
	c.aad = "v2";
	differ(&a, &c);
	/* Two of the same role. */
	differ(&a, &a);
	differ(&b, &b);
}

static void every_bit_of_a_share_counts(void **state)
{
	/* Other points of the curve, as a proxy would put them in place. */
	struct two t, other;

	(void)state;
	begin(&t);
	begin(&other);
	assert_int_equal(spake2_take_share(t.a, spake2_share(other.b), &t.e), 0);
	assert_int_equal(spake2_take_share(t.b, spake2_share(t.a), &t.e), 0);
	assert_false(spake2_check(t.a, spake2_mac(t.b)));
	assert_false(spake2_check(t.b, spake2_mac(t.a)));
	end(&t);
	end(&other);
}

static void keys_for_different_uses_differ(void **state)
{
	uint8_t one[32], two[32], again[32];
	struct two t;

	(void)state;
	begin(&t);
	assert_int_equal(spake2_take_share(t.a, spake2_share(t.b), &t.e), 0);
	assert_int_equal(spake2_take_share(t.b, spake2_share(t.a), &t.e), 0);
	assert_int_equal(spake2_derive(t.a, "one", one, 32, &t.e), 0);
	assert_int_equal(spake2_derive(t.b, "one", again, 32, &t.e), 0);
	assert_int_equal(spake2_derive(t.a, "two", two, 32, &t.e), 0);
	assert_memory_equal(one, again, 32);
	assert_memory_not_equal(one, two, 32);
	end(&t);
}

/* ---- memory ---- */

/* OpenSSL's allocations: how many more go well; negative: all. */
static long allocations_left = -1;

static int allocation_fails(void)
{
	if (allocations_left > 0)
		allocations_left--;
	return allocations_left == 0;
}

static void *hook_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return allocation_fails() ? NULL : malloc(n);
}

static void *hook_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return allocation_fails() ? NULL : realloc(p, n);
}

static void hook_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

/* A wrong code costs the code: lack of memory must not look like one. */
static void lack_of_memory_does_not_blame_the_peer(void **state)
{
	long n, left = 0;
	struct two t;

	(void)state;
	for (n = 1; left <= 1; n++) {
		int rc;

		begin(&t);
		allocations_left = n;
		rc = spake2_take_share(t.a, spake2_share(t.b), &t.e);
		left = allocations_left;
		allocations_left = -1;
		if (rc == 0) {
			assert_int_equal(
				spake2_take_share(t.b, spake2_share(t.a), &t.e), 0);
			assert_true(spake2_check(t.b, spake2_mac(t.a)));
			assert_true(spake2_check(t.a, spake2_mac(t.b)));
		} else {
			assert_int_equal(rc, ERR_RESOURCE);
			assert_string_not_equal(t.e.text, "");
		}
		end(&t);
	}
	print_message("%ld allocations\n", n);
	assert_within(n, 20, 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_the_rfc),
		cmocka_unit_test(w_is_the_seed_modulo_the_order),
		cmocka_unit_test(scalars_are_fresh),
		cmocka_unit_test(shares_that_are_no_points_are_refused),
		cmocka_unit_test(ones_own_share_is_refused),
		cmocka_unit_test(a_share_that_makes_infinity_is_refused),
		cmocka_unit_test(what_is_bound),
		cmocka_unit_test(every_bit_of_a_share_counts),
		cmocka_unit_test(keys_for_different_uses_differ),
		cmocka_unit_test(lack_of_memory_does_not_blame_the_peer),
	};

	/* Before OpenSSL has allocated anything. */
	if (!CRYPTO_set_mem_functions(hook_malloc, hook_realloc, hook_free))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
