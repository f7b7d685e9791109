/*
 * Checks of names that come from outside.  Nothing is stripped, decoded or
 * joined: what is checked is, byte for byte, what the kernel is given later.
 */
#include "fs/name.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define OWN_PREFIX ".ferry-"
#define OWN_HEX 16
#define NOT_UTF8 UINT32_MAX

static int ends_with(const char *p, size_t n, const char *tail)
{
	return n == strlen(tail) && memcmp(p, tail, n) == 0;
}

int name_is_own(const char *component, size_t len)
{
	const size_t prefix = strlen(OWN_PREFIX);
	const size_t head = prefix + OWN_HEX;

	if (len < head || memcmp(component, OWN_PREFIX, prefix) != 0)
		return 0;
	for (size_t i = prefix; i < head; i++) {
		const char c = component[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return 0;
	}
	return ends_with(component + head, len - head, ".part") ||
	       ends_with(component + head, len - head, ".journal") ||
	       ends_with(component + head, len - head, ".new");
}

/* The character that the n bytes at p, at least one, begin with; *used is how
 * many bytes it has.  NOT_UTF8 for what is none. */
static uint32_t decode(const char *p, size_t n, size_t *used)
{
	const unsigned char first = (unsigned char)p[0];
	const size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 :
			   first < 0xf0 ? 3 : 4;
	uint32_t c = len == 1 ? first : first & (0x7fu >> len);

	*used = len;
	if (len > n || (first >= 0x80 && first < 0xc0) || first >= 0xf8)
		return NOT_UTF8;
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return NOT_UTF8;
		c = c << 6 | ((unsigned char)p[i] & 0x3f);
	}
	return c;
}

/* Whether file systems leave the character out when they compare names: those
 * of Unicode that are not shown (Default_Ignorable_Code_Point). */
static int is_left_out(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x00ad, 0x00ad },   { 0x034f, 0x034f },
		{ 0x061c, 0x061c },   { 0x115f, 0x1160 },
		{ 0x17b4, 0x17b5 },   { 0x180b, 0x180f },
		{ 0x200b, 0x200f },   { 0x202a, 0x202e },
		{ 0x2060, 0x206f },   { 0x3164, 0x3164 },
		{ 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },
		{ 0xffa0, 0xffa0 },   { 0xfff0, 0xfff8 },
		{ 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
		{ 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (c >= ranges[i].first && c <= ranges[i].last)
			return 1;
	}
	return 0;
}

int name_is_like_own(const char *component, size_t len)
{
	enum { LIGATURE_FF = 0xfb00, FULLWIDTH = 0xff01 - '!' };
	const size_t prefix = strlen(OWN_PREFIX);
	char plain[NAME_PART_MAX];
	size_t n = 0, used;

	for (size_t i = 0; i < len; i += used) {
		uint32_t c = decode(component + i, len - i, &used);

		if (c != NOT_UTF8 && is_left_out(c))
			continue;
		if (c >= FULLWIDTH + '!' && c <= FULLWIDTH + '~')
			c -= FULLWIDTH;
		if (c >= 0x80 && c != LIGATURE_FF)
			return 0;
		if (n + 2 > sizeof(plain)) {
			if (c != '.' && c != ' ')
				return 0;
			continue; /* is taken off below */
		}
		if (c == LIGATURE_FF)
			plain[n++] = (char)(c = 'f');
		/* Of other letters only two are the same as ASCII's in lower
		 * case, k and s, which no name of ours has. */
		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		plain[n++] = (char)c;
		if (n <= prefix && memcmp(plain, OWN_PREFIX, n) != 0)
			return 0;
	}
	while (n > 0 && (plain[n - 1] == '.' || plain[n - 1] == ' '))
		n--;
	return name_is_own(plain, n);
}

static int is_dos_device(const char *p)
{
	static const char *const numbered[] = { "COM", "LPT" };
	static const char *const others[] = { "CON", "PRN", "AUX", "NUL" };
	const size_t len = strcspn(p, ". ");

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (len == 3 && strncasecmp(p, others[i], 3) == 0)
			return 1;
	}
	for (size_t i = 0; i < sizeof(numbered) / sizeof(numbered[0]); i++) {
		if (len == 4 && strncasecmp(p, numbered[i], 3) == 0 &&
		    p[3] >= '0' && p[3] <= '9')
			return 1;
	}
	return 0;
}

int name_is_portable(const char *component)
{
	enum { LEN_MAX = 128 }; /* eCryptfs and EncFS have 143 and fewer */
	const size_t n = strlen(component);

	if (n == 0 || n > LEN_MAX || strpbrk(component, "\"*:<>?\\|"))
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (component[i] < ' ' || component[i] > '~')
			return 0;
	}
	return component[n - 1] != '.' && component[n - 1] != ' ' &&
	       !is_dos_device(component);
}

/* Whether a component is "." (dots 1) or ".." (dots 2). */
static int is_dots(const char *p, size_t n, size_t dots)
{
	return n == dots && memcmp(p, "..", dots) == 0;
}

static const char *check_component(const char *p, size_t n)
{
	if (n == 0)
		return "a component of the name is empty";
	if (n > NAME_COMPONENT_MAX)
		return "a component of the name is longer than 255 bytes";
	if (is_dots(p, n, 1))
		return "a component of the name is \".\"";
	if (is_dots(p, n, 2))
		return "a component of the name is \"..\"";
	if (name_is_like_own(p, n))
		return "the name is one of ferry's own temporary names";
	return NULL;
}

/* The length of the component that starts at p, n bytes before the end. */
static size_t component_len(const char *p, size_t n)
{
	const char *slash = memchr(p, '/', n);

	return slash ? (size_t)(slash - p) : n;
}

const char *name_check(const char *path, size_t len)
{
	const char *why;
	size_t start = 0, depth = 0;

	if (len == 0)
		return "the name is empty";
	if (len > NAME_PATH_MAX)
		return "the name is longer than 4095 bytes";
	if (memchr(path, '\0', len))
		return "the name contains a NUL byte";
	if (path[0] == '/')
		return "the name is absolute";
	if (path[len - 1] == '/')
		return "the name ends with a slash";
	while (start < len) {
		const size_t n = component_len(path + start, len - start);

		why = check_component(path + start, n);
		if (why)
			return why;
		if (++depth > NAME_DEPTH_MAX)
			return "the name has more than 128 components";
		start += n + 1;
	}
	return NULL;
}

const char *name_last(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

const char *name_check_target(const char *target, size_t len)
{
	if (len == 0)
		return "the symlink's target is empty";
	if (len > NAME_PATH_MAX)
		return "the symlink's target is longer than 4095 bytes";
	if (memchr(target, '\0', len))
		return "the symlink's target contains a NUL byte";
	return NULL;
}

const char *name_check_symlink(const char *path, size_t len,
			       size_t prefix_depth, const char *target,
			       size_t target_len)
{
	const char *why = name_check_target(target, target_len);
	size_t depth = 0, start = 0;
	int descended = 0;

	if (why)
		return why;
	if (target[0] == '/')
		return "the symlink's target is absolute";
	for (size_t i = 0; i < len; i++)
		depth += path[i] == '/';
	if (depth < prefix_depth)
		return "the symlink is not inside the tree that is sent";
	while (start < target_len) {
		const char *p = target + start;
		const size_t n = component_len(p, target_len - start);

		start += n + 1;
		if (n == 0 || is_dots(p, n, 1))
			continue;
		if (!is_dots(p, n, 2)) {
			descended = 1;
			continue;
		}
		/*
		 * After a name, ".." is the parent of what that name leads to.
		 * Where the name is itself a symlink ("a -> .", "b -> a/.."),
		 * that is not what the text says, so depth would be wrong.
		 */
		if (descended)
			return "the symlink's target has \"..\" after a name";
		if (depth == prefix_depth)
			return "the symlink's target is outside the tree that "
			       "is sent";
		depth--;
	}
	return NULL;
}
