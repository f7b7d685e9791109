/*
 * A depth-first walk.  Subdirectories wait as paths, not as descriptors, as
 * other threads need those more.
 */
#include "fs/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/num.h"
#include "fs/dirs.h"
#include "fs/name.h"
#include "fs/part.h"
#include "os/cancel.h"
#include "os/listing.h"

enum {
	HELD_DIRS = 3, /* the other descriptors: the directory that is read, and
			  part and journal of one leftover */
	/* So many entries, then a pause: at most some per cent of the time of a
	 * processor, and of a disk. */
	PAUSE_ENTRIES = 1024,
	PAUSE_NS = 10 * 1000 * 1000,
	BLOCK_BYTES = 512, /* of st_blocks */
};

#define OWN_PREFIX ".ferry-"

struct walk {
	const struct cancel *stop;
	leftover_fn fn;
	void *ctx;
	struct dirs *dirs;
	dev_t dev;
	uint64_t entries; /* seen */
	char *waiting;    /* paths, each terminated; the last is next */
	size_t waiting_len, waiting_cap;
	char path[NAME_PATH_MAX + 1]; /* of the directory that is read */
	char child[NAME_PATH_MAX + 1];
};

/* ---- one leftover ---- */

/* The tag in ".ferry-0123456789abcdef.part" or ".journal".  Returns 0, or -1
 * for another name. */
static int parse_tag(const char *name, uint64_t *tag, int *is_journal)
{
	const size_t prefix = sizeof(OWN_PREFIX) - 1, len = strlen(name);
	char digits[17];
	uint8_t bytes[8];

	if (!name_is_own(name, len))
		return -1;
	memcpy(digits, name + prefix, 16);
	digits[16] = '\0';
	*is_journal = strcmp(name + prefix + 16, ".journal") == 0;
	if ((!*is_journal && strcmp(name + prefix + 16, ".part") != 0) ||
	    hex_decode(bytes, sizeof(bytes), digits))
		return -1;
	*tag = be_get64(bytes);
	return 0;
}

static int is_ours(int dir_fd, const struct stat *st)
{
	return S_ISREG(st->st_mode) &&
	       (st->st_uid == geteuid() ||
		part_owner_of(dir_fd, st) == PART_ANYBODYS);
}

/* Count the file with this suffix.  Returns 0, or -1 where there is none. */
static int count_file(int dir_fd, uint64_t tag, const char *suffix,
		      struct leftover *l)
{
	char name[NAME_PART_MAX];
	struct stat st;

	part_tag_name(name, tag, suffix);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !is_ours(dir_fd, &st))
		return -1;
	l->bytes += (uint64_t)st.st_blocks * BLOCK_BYTES;
	/* A part that was about to be committed has the time of its source; its
	 * journal has not. */
	if (st.st_mtim.tv_sec > l->used_s)
		l->used_s = st.st_mtim.tv_sec;
	return 0;
}

int leftover_look(int dir_fd, uint64_t tag, struct leftover *l)
{
	int has_part, has_journal, kind;

	memset(l, 0, sizeof(*l));
	l->dir_fd = dir_fd;
	l->tag = tag;
	l->used_s = INT64_MIN;
	has_part = count_file(dir_fd, tag, "part", l) == 0;
	has_journal = count_file(dir_fd, tag, "journal", l) == 0;
	kind = has_journal ? journal_read_peer(dir_fd, tag, l->peer) : -1;
	l->is_list = kind == 1 && !has_part;
	l->is_resumable = l->is_list || (kind == 0 && has_part);
	return has_part || has_journal ? 0 : -1;
}

/* Remove a journal without a part: of directories that a transfer has made,
 * which locks it, or what could not be removed when its part got its final
 * name. */
static int remove_journal(int dir_fd, uint64_t tag)
{
	char name[NAME_PART_MAX];
	int fd, rc = -1;

	part_tag_name(name, tag, "journal");
	fd = openat(dir_fd, name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		rc = journal_remove(dir_fd, tag);
	io_close(&fd);
	return rc;
}

int leftover_is_used(int dir_fd, uint64_t tag)
{
	struct part p;
	int was_there;

	if (part_open_leftover(&p, dir_fd, tag, &was_there) < 0)
		return 1;
	io_close(&p.fd);
	return 0;
}

int leftover_remove(int dir_fd, uint64_t tag)
{
	char name[NAME_PART_MAX];
	struct stat st;

	part_tag_name(name, tag, "part");
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return journal_clear(dir_fd, tag);
	return errno == ENOENT ? remove_journal(dir_fd, tag) : -1;
}

/* ---- the walk ---- */

static void visit_own(struct walk *w, int fd, const char *name)
{
	struct leftover l;
	struct stat st;
	uint64_t tag;
	int is_journal;

	if (parse_tag(name, &tag, &is_journal))
		return;
	/* The journal of a part is visited with the part. */
	if (is_journal) {
		char part[NAME_PART_MAX];

		part_tag_name(part, tag, "part");
		if (fstatat(fd, part, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return;
	}
	if (leftover_look(fd, tag, &l))
		return;
	l.dir = w->path;
	w->fn(w->ctx, &l);
}

/* Have a subdirectory of the one that is read visited later. */
static void add_dir(struct walk *w, const char *name)
{
	const size_t dir = strlen(w->path), n = strlen(name);
	size_t len = dir ? dir + 1 + n : n, cap = w->waiting_cap;
	char *larger;

	if (len > NAME_PATH_MAX)
		return;
	memcpy(w->child, w->path, dir);
	w->child[dir] = '/';
	memcpy(w->child + len - n, name, n + 1);
	/* One that cannot have been received into. */
	if (name_check(w->child, len))
		return;
	while (cap < w->waiting_len + len + 1)
		cap = cap ? 2 * cap : 4096;
	if (cap > LEFTOVER_PATHS)
		return;
	if (cap > w->waiting_cap) {
		larger = realloc(w->waiting, cap);
		if (!larger)
			return;
		w->waiting = larger;
		w->waiting_cap = cap;
	}
	memcpy(w->waiting + w->waiting_len, w->child, len + 1);
	w->waiting_len += len + 1;
}

/* Take the next directory as w->path.  Returns 0 where there is none. */
static int next_dir(struct walk *w)
{
	size_t at = w->waiting_len;

	if (at == 0)
		return 0;
	do
		at--;
	while (at > 0 && w->waiting[at - 1]);
	memcpy(w->path, w->waiting + at, w->waiting_len - at);
	w->waiting_len = at;
	return 1;
}

static void visit_entry(struct walk *w, int fd,
			const struct listing_entry *entry)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_NS };
	const char *name = entry->name;

	if (++w->entries % PAUSE_ENTRIES == 0 && w->entries > LEFTOVER_LEAST)
		(void)nanosleep(&pause, NULL);
	if (strncmp(name, OWN_PREFIX, sizeof(OWN_PREFIX) - 1) == 0)
		visit_own(w, fd, name);
	if (listing_kind_of(fd, entry) == LISTING_DIR)
		add_dir(w, name);
}

static int is_stopped(const struct walk *w)
{
	return w->entries >= LEFTOVER_LEAST && cancel_is_set(w->stop);
}

/* Open the directory w->path, with an offset of its own.  Returns a descriptor,
 * or -1. */
static int open_dir(struct walk *w)
{
	struct err ignored;
	struct stat st;
	int fd = dirs_enter(w->dirs, w->path, strlen(w->path), &ignored);

	if (fd >= 0)
		fd = openat(fd, ".",
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_dev != w->dev))
		io_close(&fd);
	return fd < 0 ? -1 : fd;
}

static void visit_dir(struct walk *w, struct listing *l)
{
	int fd = open_dir(w), error;
	const struct listing_entry *entry;

	listing_begin(l, fd);
	while (fd >= 0 && !is_stopped(w) && (entry = listing_next(l, &error)))
		visit_entry(w, fd, entry);
	listing_begin(l, -1);
	io_close(&fd);
}

void leftover_find(int root_fd, const struct cancel *stop, leftover_fn fn,
		   void *ctx)
{
	struct walk *w = calloc(1, sizeof(*w));
	struct listing *l = listing_new();
	struct stat st;

	if (w && l && fstat(root_fd, &st) == 0) {
		w->stop = stop;
		w->fn = fn;
		w->ctx = ctx;
		w->dev = st.st_dev;
		w->dirs = dirs_new(root_fd, 0, NULL, NULL);
	}
	if (w && w->dirs) {
		dirs_set_held(w->dirs, HELD_DIRS);
		do
			visit_dir(w, l);
		while (!is_stopped(w) && next_dir(w));
		dirs_free(w->dirs);
		free(w->waiting);
	}
	listing_free(l);
	free(w);
}
