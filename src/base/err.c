/*
 * Records of failures, and the table of codes.
 */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct err_row {
	int code;
	int status;
	const char *text;
};

static const struct err_row rows[] = {
#define X(code, status, text) { code, status, text },
	ERR_LIST(X)
#undef X
};

/* By ascending weight.  A code that is not listed has the least. */
static const int by_weight[] = {
	ERR_AGAIN,	ERR_CLOSED,   ERR_LOST,	    ERR_TIMEOUT,
	ERR_SOME_FAILED, ERR_RANGE,   ERR_PROTOCOL, ERR_CORRUPT,
	ERR_UNCONFIRMED, ERR_CONNECT, ERR_CHANGED,  ERR_REMOTE,
	ERR_LOCAL,	ERR_RESOURCE, ERR_INTERNAL, ERR_AUTH,
	ERR_USAGE,	ERR_INTERRUPTED,
};

static const struct err_row *find_code(int code)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].code == code)
			return &rows[i];
	}
	return NULL;
}

void err_clear(struct err *e)
{
	e->code = 0;
	e->sys_errno = 0;
	e->text[0] = '\0';
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (e) {
		e->code = code;
		e->sys_errno = 0;
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof(e->text), fmt, ap);
		va_end(ap);
	}
	errno = saved;
	return code;
}

const char *err_reason(int error, char *dst, size_t size)
{
	if (strerror_r(error, dst, size) != 0)
		snprintf(dst, size, "error %d", error);
	return dst;
}

void err_append(struct err *e, const char *fmt, ...)
{
	const size_t used = e ? strlen(e->text) : 0;
	va_list ap;

	if (!e)
		return;
	va_start(ap, fmt);
	vsnprintf(e->text + used, sizeof(e->text) - used, fmt, ap);
	va_end(ap);
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
	int saved = errno; /* formatting may change it */
	char buf[128];
	va_list ap;

	if (e) {
		e->code = code;
		e->sys_errno = saved;
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof(e->text), fmt, ap);
		va_end(ap);
		err_append(e, ": %s%s", err_reason(saved, buf, sizeof(buf)),
			   saved == EMFILE ? " (raise ulimit -n)" : "");
	}
	errno = saved;
	return code;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->text)];
	va_list ap;

	if (!e)
		return ERR_INTERNAL;
	memcpy(old, e->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	err_append(e, ": %.*s", (int)(sizeof(old) - 1), old);
	return e->code;
}

int err_exit_status(int code)
{
	const struct err_row *row = find_code(code);

	if (code == ERR_OK)
		return 0;
	return row ? row->status : 11;
}

int err_is_lost(int code)
{
	return code == ERR_LOST || code == ERR_CLOSED || code == ERR_TIMEOUT;
}

const char *err_name(int code)
{
	const struct err_row *row = find_code(code);

	if (code == ERR_OK)
		return "no error";
	return row ? row->text : "unknown error";
}

int err_weight(int code)
{
	size_t count = sizeof(by_weight) / sizeof(by_weight[0]);

	if (code == ERR_OK)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (by_weight[i] == code)
			return (int)i + 1;
	}
	return 1;
}

void err_merge(struct err *dst, const struct err *src)
{
	if (err_weight(src->code) > err_weight(dst->code))
		*dst = *src;
}
