/*
 * A helper (os/helper.h): a request is a name or a number, and each gets one
 * answer.  The answers are kept in a hash table, which is emptied when it is
 * full, as a peer chooses what is asked.
 */
#include "os/ids.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/fnv.h"
#include "os/helper.h"

enum {
	SLOTS = 1024, /* a power of 2 */
	SLOTS_USED = SLOTS / 2,
	RECORD_MAX = 1 << 20, /* of the name service: groups have members */
};

enum wanted { WANTED_NAME = 1, WANTED_ID = 2 };

/* A request, and with `found` its answer. */
struct entry {
	uint8_t wanted; /* enum wanted; 0: a free slot */
	uint8_t kind;   /* enum ids_kind */
	uint8_t found;
	uint32_t id;
	char name[FILE_META_NAME_MAX + 1];
};

struct ids {
	int (*confine)(const void *ctx, struct err *e);
	const void *ctx;
	struct helper helper;
	/* guarded by lock, which is held between a request and its answer */
	pthread_mutex_t lock;
	size_t used;
	struct entry slots[SLOTS];
};

/* ---- in the helper ---- */

static int find_user(struct entry *q, char *record, size_t size)
{
	struct passwd pw, *got = NULL;
	const int rc = q->wanted == WANTED_NAME ?
		getpwuid_r(q->id, &pw, record, size, &got) :
		getpwnam_r(q->name, &pw, record, size, &got);

	if (rc == 0 && got && strlen(pw.pw_name) <= FILE_META_NAME_MAX) {
		snprintf(q->name, sizeof(q->name), "%s", pw.pw_name);
		q->id = pw.pw_uid;
		q->found = 1;
	}
	return rc;
}

static int find_group(struct entry *q, char *record, size_t size)
{
	struct group gr, *got = NULL;
	const int rc = q->wanted == WANTED_NAME ?
		getgrgid_r(q->id, &gr, record, size, &got) :
		getgrnam_r(q->name, &gr, record, size, &got);

	if (rc == 0 && got && strlen(gr.gr_name) <= FILE_META_NAME_MAX) {
		snprintf(q->name, sizeof(q->name), "%s", gr.gr_name);
		q->id = gr.gr_gid;
		q->found = 1;
	}
	return rc;
}

static void answer(struct entry *q)
{
	size_t size = 4096;
	int rc = ERANGE;

	q->found = 0;
	q->name[FILE_META_NAME_MAX] = '\0';
	for (; rc == ERANGE && size <= RECORD_MAX; size *= 4) {
		char *record = malloc(size);

		if (!record)
			return;
		rc = q->kind == IDS_USER ? find_user(q, record, size) :
					   find_group(q, record, size);
		free(record);
	}
}

static void serve(void *ctx)
{
	const struct ids *ids = ctx;
	struct entry q;
	struct err e;

	if (ids->confine && ids->confine(ids->ctx, &e) < 0)
		return;
	while (helper_receive(HELPER_SOCKET, &q, sizeof(q), NULL, 0) == 0) {
		answer(&q);
		if (helper_send(HELPER_SOCKET, &q, sizeof(q), -1, 0))
			return;
	}
}

/* ---- in our process ---- */

struct ids *ids_start(int (*confine)(const void *ctx, struct err *e),
		      const void *ctx, struct err *e)
{
	struct ids *ids = calloc(1, sizeof(*ids));
	const struct helper_config cfg = { HELPER_STDIO_NONE, -1, serve, ids };

	if (!ids) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	ids->confine = confine;
	ids->ctx = ctx;
	pthread_mutex_init(&ids->lock, NULL);
	if (helper_start(&ids->helper, &cfg) == 0)
		return ids;
	err_sys(e, ERR_RESOURCE, "cannot start a process to look up names");
	ids_stop(ids);
	return NULL;
}

void ids_stop(struct ids *ids)
{
	if (!ids)
		return;
	helper_stop(&ids->helper, 1);
	pthread_mutex_destroy(&ids->lock);
	free(ids);
}

static int is_same_request(const struct entry *a, const struct entry *b)
{
	return a->wanted == b->wanted && a->kind == b->kind &&
	       (a->wanted == WANTED_NAME ? a->id == b->id :
					   strcmp(a->name, b->name) == 0);
}

/* The slot of the request, or the free one where it belongs.  Locked. */
static struct entry *slot_of(struct ids *ids, const struct entry *q)
{
	const uint64_t start = 2 * (uint64_t)q->wanted + q->kind;
	uint64_t hash = q->wanted == WANTED_NAME ?
		(start << 16) ^ q->id * UINT64_C(2654435761) :
		fnv_bytes(start, q->name, strlen(q->name));
	size_t h = (size_t)(hash ^ hash >> 15);

	while (ids->slots[h % SLOTS].wanted &&
	       !is_same_request(&ids->slots[h % SLOTS], q))
		h++;
	return &ids->slots[h % SLOTS];
}

/* Have q answered.  With the helper gone, nothing is found. */
static void ask(struct ids *ids, struct entry *q)
{
	struct entry *slot, got = *q;
	const int fd = ids->helper.fd;

	pthread_mutex_lock(&ids->lock);
	slot = slot_of(ids, q);
	if (!slot->wanted) {
		if (helper_send(fd, q, sizeof(*q), -1, 0) < 0 ||
		    helper_receive(fd, &got, sizeof(got), NULL, 0) < 0)
			got.found = 0;
		got.name[FILE_META_NAME_MAX] = '\0';
		if (ids->used == SLOTS_USED) {
			memset(ids->slots, 0, sizeof(ids->slots));
			ids->used = 0;
		}
		slot = slot_of(ids, q);
		*slot = *q;
		slot->found = got.found;
		if (q->wanted == WANTED_NAME)
			memcpy(slot->name, got.name, sizeof(slot->name));
		else
			slot->id = got.id;
		ids->used++;
	}
	*q = *slot;
	pthread_mutex_unlock(&ids->lock);
}

void ids_name(struct ids *ids, enum ids_kind kind, uint32_t id,
	      char name[FILE_META_NAME_MAX + 1])
{
	struct entry q = { WANTED_NAME, (uint8_t)kind, 0, id, "" };

	if (ids)
		ask(ids, &q);
	memcpy(name, q.found ? q.name : "", q.found ? sizeof(q.name) : 1);
}

uint32_t ids_map(struct ids *ids, enum ids_kind kind,
		 const struct file_meta_id *theirs)
{
	struct entry q = { WANTED_ID, (uint8_t)kind, 0, 0, "" };

	if (!ids || theirs->id == 0 || theirs->name_len == 0)
		return theirs->id;
	memcpy(q.name, theirs->name, theirs->name_len);
	ask(ids, &q);
	return q.found && q.id != 0 && q.id != UINT32_MAX ? q.id : theirs->id;
}
