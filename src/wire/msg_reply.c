/*
 * Messages from the receiver about files, and the causes in them.
 */
#include "wire/msg.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "wire/body.h"

void msg_put_state(struct buf *b, const struct msg_state *m)
{
	body_begin(b, FRAME_STATE, BODY_STATE + m->run_count * BODY_RUN);
	buf_put_u64(b, m->id);
	buf_put_u8(b, m->state);
	buf_put_u8(b, m->digest);
	body_put_zeroes(b, 2);
	buf_put_u32(b, m->run_count);
	for (uint32_t i = 0; i < m->run_count; i++) {
		buf_put_u64(b, m->runs[i].first);
		buf_put_u64(b, m->runs[i].count);
	}
}

/* Checks that the runs ascend, with a gap between any two. */
static int get_runs(struct rd *r, struct msg_state *m)
{
	const uint64_t chunks_max = WIRE_SIZE_MAX / CHUNK_MAX;
	uint64_t from = 0;

	for (uint32_t i = 0; i < m->run_count; i++) {
		struct msg_run *run = &m->runs[i];

		run->first = rd_u64(r);
		run->count = rd_u64(r);
		if (run->first < from || run->count == 0 ||
		    run->first >= chunks_max ||
		    run->count > chunks_max - run->first)
			return 0;
		/* + 1: adjoining runs would be one. */
		from = run->first + run->count + 1;
	}
	return 1;
}

int msg_get_state(struct msg_state *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->id = rd_u64(&r);
	m->state = rd_u8(&r);
	m->digest = rd_u8(&r);
	ok = body_get_zeroes(&r, 2);
	m->run_count = rd_u32(&r);
	ok &= (m->digest != 0) == (m->state == STATE_RESUME);
	ok &= m->state >= STATE_SEND && m->state <= STATE_RESUME;
	ok &= m->run_count <= STATE_RUNS_MAX &&
	      (m->run_count > 0) == (m->state == STATE_RESUME);
	return body_end(&r, ok && get_runs(&r, m));
}

void msg_put_offered(struct buf *b, const struct msg_offered *m)
{
	size_t n = (m->count + 7) / 8;

	body_begin(b, FRAME_OFFERED, BODY_OFFERED + n);
	buf_put_u64(b, m->first_id);
	buf_put_u32(b, m->count);
	body_put_zeroes(b, 4);
	buf_put(b, m->wanted, n);
}

int msg_get_offered(struct msg_offered *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->first_id = rd_u64(&r);
	m->count = rd_u32(&r);
	ok = body_get_zeroes(&r, 4);
	ok &= m->count <= PACK_ITEMS_MAX && body_is_id_run(m->first_id, m->count);
	if (!ok)
		return ERR_PROTOCOL;
	rd_copy(&r, m->wanted, (m->count + 7) / 8);
	/* No bit after the last item's may be set. */
	ok = m->count % 8 == 0 ||
	     m->wanted[m->count / 8] >> (m->count % 8) == 0;
	return body_end(&r, ok);
}

void msg_put_checked(struct buf *b, const struct msg_checked *m)
{
	body_begin(b, FRAME_CHECKED, BODY_CHECKED);
	buf_put_u64(b, m->id);
	buf_put_u64(b, m->offset);
	buf_put_u32(b, m->count);
	body_put_zeroes(b, 4);
	buf_put_u64(b, m->differing);
}

int msg_get_checked(struct msg_checked *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->id = rd_u64(&r);
	m->offset = rd_u64(&r);
	m->count = rd_u32(&r);
	ok = body_get_zeroes(&r, 4);
	m->differing = rd_u64(&r);
	ok &= body_is_offset(m->offset) && body_is_check_count(m->count);
	ok = ok && (m->count == 64 || m->differing >> m->count == 0);
	return body_end(&r, ok);
}

int wire_cause_has_room(unsigned cause)
{
	return cause == CAUSE_NO_SPACE || cause == CAUSE_TOO_LARGE ||
	       cause == CAUSE_QUOTA || cause == CAUSE_LIMIT;
}

void msg_put_verdict(struct buf *b, const struct msg_verdict *m)
{
	const size_t extra = m->rival_len > 0 ? 2 + m->rival_len : 0;

	body_begin(b, FRAME_VERDICT, BODY_VERDICT + extra);
	buf_put_u64(b, m->first_id);
	buf_put_u32(b, m->count);
	buf_put_u8(b, m->status);
	buf_put_u8(b, m->not_kept);
	buf_put_u16(b, m->cause);
	buf_put_u64(b, m->need);
	buf_put_u64(b, m->have);
	if (extra > 0)
		body_put_text(b, m->rival, m->rival_len, 1, WIRE_NAME_MAX);
}

int msg_get_verdict(struct msg_verdict *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->first_id = rd_u64(&r);
	m->count = rd_u32(&r);
	m->status = rd_u8(&r);
	m->not_kept = rd_u8(&r);
	m->cause = rd_u16(&r);
	m->need = rd_u64(&r);
	m->have = rd_u64(&r);
	m->rival = NULL;
	m->rival_len = 0;
	ok = body_is_id_run(m->first_id, m->count);
	if (r.left > 0)
		ok &= m->cause == CAUSE_RIVAL && m->count == 1 &&
		      m->status == STATUS_FAILED &&
		      body_get_text(&r, &m->rival, &m->rival_len, 1,
				    WIRE_NAME_MAX);
	ok &= (m->not_kept & ~FILE_META_ALL_KINDS) == 0 &&
	      (m->not_kept == 0 || m->status == STATUS_COMMITTED ||
	       m->status == STATUS_UPDATED);
	ok &= m->status >= STATUS_COMMITTED && m->status <= STATUS_UPDATED;
	ok &= wire_cause_has_room(m->cause) || (m->need == 0 && m->have == 0);
	return body_end(&r, ok);
}

void msg_put_resend(struct buf *b, const struct msg_resend *m)
{
	body_begin(b, FRAME_RESEND, BODY_RESEND);
	buf_put_u64(b, m->id);
	buf_put_u64(b, m->offset);
}

int msg_get_resend(struct msg_resend *m, const uint8_t *p, size_t n)
{
	struct rd r;

	rd_init(&r, p, n);
	m->id = rd_u64(&r);
	m->offset = rd_u64(&r);
	return body_end(&r, body_is_offset(m->offset));
}

void msg_put_note(struct buf *b, const struct msg_note *m)
{
	body_begin(b, FRAME_NOTE, BODY_NOTE + m->name_len);
	buf_put_u16(b, m->cause);
	buf_put_u8(b, m->kind);
	buf_put_u8(b, m->not_kept);
	body_put_text(b, m->name, m->name_len, 1, WIRE_NAME_MAX);
}

int msg_get_note(struct msg_note *m, const uint8_t *p, size_t n)
{
	struct rd r;
	int ok;

	rd_init(&r, p, n);
	m->cause = rd_u16(&r);
	m->kind = rd_u8(&r);
	m->not_kept = rd_u8(&r);
	ok = (m->not_kept & ~FILE_META_ALL_KINDS) == 0;
	ok &= body_get_text(&r, &m->name, &m->name_len, 1, WIRE_NAME_MAX);
	ok &= m->kind >= ITEM_FILE && m->kind <= ITEM_SYMLINK;
	return body_end(&r, ok);
}

int msg_note_is_nameless(const struct msg_note *m)
{
	return m->name_len == strlen(MSG_NOTE_NAMELESS) &&
	       memcmp(m->name, MSG_NOTE_NAMELESS, m->name_len) == 0;
}

const char *wire_cause_text(unsigned cause)
{
	static const struct {
		unsigned cause;
		const char *text;
	} rows[] = {
#define X(name, id, text) { id, text },
		WIRE_CAUSES(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].cause == cause)
			return rows[i].text;
	}
	return "unknown error";
}

static const struct {
	int err;
	enum wire_cause cause;
} causes_of_errno[] = {
	{ EEXIST, CAUSE_EXISTS },
	{ ENOTEMPTY, CAUSE_EXISTS },
	{ ENOSPC, CAUSE_NO_SPACE },
	{ EDQUOT, CAUSE_QUOTA },
	{ EACCES, CAUSE_PERMISSION },
	{ EPERM, CAUSE_PERMISSION },
	{ EROFS, CAUSE_READ_ONLY },
	{ EILSEQ, CAUSE_NAME },
	{ ENAMETOOLONG, CAUSE_NAME_TOO_LONG },
	{ ENOTDIR, CAUSE_NOT_DIR },
	{ ELOOP, CAUSE_NOT_DIR }, /* O_NOFOLLOW met a symlink */
	{ EISDIR, CAUSE_IS_DIR },
	{ EIO, CAUSE_IO },
	{ ESTALE, CAUSE_IO },
	{ EFBIG, CAUSE_TOO_LARGE },
	{ EOVERFLOW, CAUSE_TOO_LARGE },
	{ ENOENT, CAUSE_VANISHED },
	{ EINVAL, CAUSE_INVALID },
#ifdef EUCLEAN /* these two are Linux's */
	{ EUCLEAN, CAUSE_IO },
	{ EREMOTEIO, CAUSE_IO },
#endif
	{ EBADMSG, CAUSE_IO },
	{ ENXIO, CAUSE_IO },
	{ ENODEV, CAUSE_IO },
	{ ETIMEDOUT, CAUSE_IO }, /* a network file system */
	{ EHOSTDOWN, CAUSE_IO },
	{ EHOSTUNREACH, CAUSE_IO },
	{ ENOTCONN, CAUSE_IO }, /* FUSE: its process has ended */
	{ ECONNABORTED, CAUSE_IO },
	{ EBUSY, CAUSE_BUSY },
	{ ETXTBSY, CAUSE_BUSY },
	{ EAGAIN, CAUSE_BUSY }, /* another process has the lock */
	{ EOPNOTSUPP, CAUSE_UNSUPPORTED },
	{ ENOSYS, CAUSE_UNSUPPORTED },
	{ ENOMEM, CAUSE_RESOURCE },
	{ EMFILE, CAUSE_RESOURCE },
	{ ENFILE, CAUSE_RESOURCE },
	{ ECANCELED, CAUSE_CANCELLED },
	{ ERR_ERRNO_PROTECTED, CAUSE_PROTECTED },
	{ ERR_ERRNO_LIMIT, CAUSE_LIMIT },
	{ ERR_ERRNO_NO_ENTRIES, CAUSE_NO_ENTRIES },
};

enum wire_cause wire_cause_of_errno(int err)
{
	for (size_t i = 0;
	     i < sizeof(causes_of_errno) / sizeof(causes_of_errno[0]); i++) {
		if (causes_of_errno[i].err == err)
			return causes_of_errno[i].cause;
	}
	return CAUSE_OTHER;
}

enum wire_cause wire_cause_of_source(int err)
{
	const enum wire_cause cause = wire_cause_of_errno(err);

	if (cause == CAUSE_PERMISSION || cause == CAUSE_IO ||
	    cause == CAUSE_RESOURCE || cause == CAUSE_CANCELLED)
		return cause;
	return CAUSE_SOURCE;
}
