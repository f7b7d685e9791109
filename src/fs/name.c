/*
 * Checks of names that come from outside.  Nothing is stripped, decoded or
 * joined: what is checked is, byte for byte, what the kernel is given later.
 */
#include "fs/name.h"

#include <string.h>
#include <strings.h>

#define OWN_PREFIX ".ferry-"
#define OWN_HEX 16

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
	if (name_is_own(p, n))
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
