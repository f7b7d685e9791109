/*
 * Lists of names (--files-from), against splitting all of it at once.
 *
 * Input: a byte (1: names end with NUL; the rest: how often the list is
 * repeated, as it is read through a buffer), then the list.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/io.h"
#include "fs/list.h"

enum { NAME_LIMIT = 8192 };

/* The list as a whole. */
struct whole {
	const uint8_t *p;
	size_t n;
	uint8_t end;
};

/* Take the next name from the front; 0 at the end.  is_refused: the list ends
 * within it, which only the last line of a file may do. */
static int model_next(struct whole *w, const uint8_t **name, size_t *n,
		      int *is_refused)
{
	const uint8_t *end = w->n ? memchr(w->p, w->end, w->n) : NULL;

	if (w->n == 0)
		return 0;
	*name = w->p;
	*n = end ? (size_t)(end - w->p) : w->n;
	*is_refused = !end && w->end == '\0';
	w->p += *n + (end != NULL);
	w->n -= *n + (end != NULL);
	return 1;
}

static void check(struct list *l, struct whole w)
{
	const uint8_t *want;
	struct err e = { 0 };
	size_t n;
	char *name;
	int is_refused;

	while (model_next(&w, &want, &n, &is_refused)) {
		enum list_result got = list_next(l, &name, &e);

		if (n > NAME_LIMIT || memchr(want, '\0', n) || is_refused) {
			CHECK(got == LIST_FAILED);
			CHECK(e.code == ERR_LOCAL && *e.text);
			return;
		}
		CHECK(got == LIST_NAME);
		CHECK(strlen(name) == n && memcmp(name, want, n) == 0);
		memset(name, 'x', n); /* the caller may */
	}
	CHECK(list_next(l, &name, &e) == LIST_END);
	CHECK(list_next(l, &name, &e) == LIST_END);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct whole w;
	struct list *l;
	uint8_t *all;
	size_t times;
	int fd;

	if (size < 1)
		return 0;
	times = 1u + data[0] / 2;
	w.n = (size - 1) * times;
	w.end = data[0] & 1 ? '\0' : '\n';
	w.p = all = fuzz_alloc(w.n);
	for (size_t i = 0; i < times && w.n > 0; i++)
		memcpy(all + i * (size - 1), data + 1, size - 1);
	fd = memfd_create("list", MFD_CLOEXEC);
	CHECK(fd >= 0 && io_write(fd, all, w.n) == 0);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	l = list_new(fd, (char)w.end);
	CHECK(l);
	check(l, w);
	list_free(l);
	io_close(&fd);
	free(all);
	return 0;
}
