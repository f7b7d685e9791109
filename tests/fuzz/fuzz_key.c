/*
 * Key files: one is accepted exactly if it is the line that ferry-protocol(7)
 * and key.h describe, and then the key is what the digits say.
 *
 * Input: the file.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/num.h"
#include "auth/key.h"

static char path[256];
static int fd = -1;

static void remove_file(void)
{
	(void)unlink(path);
}

static void make_file(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/ferry-fuzz-key.XXXXXX",
		 tmp && *tmp ? tmp : "/tmp");
	fd = mkstemp(path);
	CHECK(fd >= 0);
	(void)atexit(remove_file);
}

/* "ferry-key-1:", 64 hex digits, and nothing, CR, LF or CR LF. */
static int model(const uint8_t *p, size_t n, uint8_t *secret)
{
	static const char prefix[] = "ferry-key-1:";
	size_t head = sizeof(prefix) - 1, digits = 2 * KEY_BYTES;
	char hex[2 * KEY_BYTES + 1];

	if (n < head + digits || memcmp(p, prefix, head) != 0)
		return 0;
	memcpy(hex, p + head, digits);
	hex[digits] = '\0';
	p += head + digits;
	n -= head + digits;
	if (!(n == 0 || (n == 1 && (p[0] == '\n' || p[0] == '\r')) ||
	      (n == 2 && p[0] == '\r' && p[1] == '\n')))
		return 0;
	return strspn(hex, "0123456789abcdefABCDEF") == digits &&
	       hex_decode(secret, KEY_BYTES, hex) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t want[KEY_BYTES], zero[KEY_BYTES] = { 0 };
	struct key k;
	struct err e = { 0 };
	int rc;

	if (fd < 0)
		make_file();
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(pwrite(fd, data, size, 0) == (ssize_t)size);
	memset(&k, 0xa5, sizeof(k));
	rc = key_load(&k, path, &e);
	if (model(data, size, want)) {
		CHECK(rc == 0);
		CHECK(memcmp(k.secret, want, KEY_BYTES) == 0);
		return 0;
	}
	CHECK(rc == ERR_USAGE && e.code == ERR_USAGE && *e.text);
	/* nothing of a bad key is left */
	CHECK(memcmp(k.secret, zero, KEY_BYTES) == 0);
	return 0;
}
