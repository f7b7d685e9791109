/*
 * Networks of --allow, against a reading of the text as bits; and who is in
 * them.
 *
 * Input: 16 bytes (an address, of IPv4 the last 4 if the first is even), then
 * the text.
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/err.h"
#include "net/cidr.h"

static void mapped(uint8_t bits[ADDR_BYTES], const struct in_addr *a)
{
	memset(bits, 0, ADDR_BYTES);
	bits[10] = bits[11] = 0xff;
	memcpy(bits + 12, a, 4);
}

static int bit(const uint8_t *p, unsigned i)
{
	return p[i / 8] >> (7 - i % 8) & 1;
}

/* The decimal number that all of s is, without room for doubt: -1 if it is
 * none up to max. */
static long model_bits(const char *s, long max)
{
	size_t digits = strspn(s, "0123456789");
	long n = 0;

	if (digits == 0 || s[digits])
		return -1;
	for (; *s && n <= max; s++)
		n = n * 10 + (*s - '0');
	return n <= max ? n : -1;
}

/* Whether it is a network; then its bits and how many of them count. */
static int model(const char *text, uint8_t want[ADDR_BYTES], unsigned *count)
{
	char *host = fuzz_string(text, strcspn(text, "/"));
	const char *slash = strchr(text, '/');
	struct in_addr four;
	struct in6_addr six;
	long n = -1;

	if (inet_pton(AF_INET, host, &four) == 1) {
		mapped(want, &four);
		n = slash ? model_bits(slash + 1, 32) : 32;
		n = n < 0 ? n : n + 96;
	} else if (inet_pton(AF_INET6, host, &six) == 1) {
		memcpy(want, &six, ADDR_BYTES);
		n = slash ? model_bits(slash + 1, 128) : 128;
	}
	free(host);
	for (unsigned i = n < 0 ? 128 : (unsigned)n; i < 128; i++) {
		if (bit(want, i))
			return 0;
	}
	*count = (unsigned)n;
	return n >= 0;
}

static int is_ipv4(const uint8_t *p)
{
	static const uint8_t head[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(p, head, sizeof(head)) == 0;
}

static int model_has(const struct cidr *c, const uint8_t *addr)
{
	if (is_ipv4(addr) != (is_ipv4(c->addr) && c->bits >= 96))
		return 0;
	for (unsigned i = 0; i < c->bits; i++) {
		if (bit(c->addr, i) != bit(addr, i))
			return 0;
	}
	return 1;
}

static void check_has(const struct cidr *c, const uint8_t *addr)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	const int want = model_has(c, addr);

	memcpy(&sin6.sin6_addr, addr, ADDR_BYTES);
	CHECK(cidr_has(c, (const struct sockaddr *)&sin6) == want);
	if (!is_ipv4(addr))
		return;
	memcpy(&sin.sin_addr, addr + 12, 4);
	CHECK(cidr_has(c, (const struct sockaddr *)&sin) == want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t addr[ADDR_BYTES], want[ADDR_BYTES] = { 0 };
	struct in_addr four;
	struct cidr c;
	unsigned bits;
	char *text;
	int rc;

	if (size < ADDR_BYTES)
		return 0;
	memcpy(addr, data, ADDR_BYTES);
	if (addr[0] % 2 == 0) {
		memcpy(&four, addr + 12, 4);
		mapped(addr, &four);
	}
	text = fuzz_string(data + ADDR_BYTES, size - ADDR_BYTES);
	rc = cidr_parse(&c, text);
	if (model(text, want, &bits)) {
		CHECK(rc == 0 && c.bits == bits);
		CHECK(memcmp(c.addr, want, ADDR_BYTES) == 0);
		check_has(&c, addr);
		/* itself is in it, and what is next to it if all may be */
		check_has(&c, c.addr);
		want[ADDR_BYTES - 1] ^= 1;
		check_has(&c, want);
	} else {
		CHECK(rc == ERR_RANGE);
	}
	free(text);
	return 0;
}
