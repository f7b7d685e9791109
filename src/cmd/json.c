/*
 * JSON Lines, written by hand: six kinds of events need no library.
 */
#include "cmd/json.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/text.h"

static void put_str(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

static void put_key(struct buf *b, const char *key, const char *suffix)
{
	put_str(b, ",\"");
	put_str(b, key);
	put_str(b, suffix);
	put_str(b, "\":");
}

static void put_string(struct buf *b, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	char escaped[8];

	put_str(b, "\"");
	while (n > 0) {
		unsigned cp = 0;
		size_t len = text_utf8_next(p, n, &cp);

		if (len && (cp == '"' || cp == '\\')) {
			put_str(b, cp == '"' ? "\\\"" : "\\\\");
		} else if (len && !text_is_control(cp)) {
			buf_put(b, p, len);
		} else {
			/* all code points to escape are below U+10000 */
			snprintf(escaped, sizeof(escaped), "\\u%04x",
				 len ? cp & 0xffff : 0xfffd);
			put_str(b, escaped);
		}
		len = len ? len : 1;
		p += len;
		n -= len;
	}
	put_str(b, "\"");
}

void json_begin(struct buf *b, const char *event)
{
	put_str(b, "{\"event\":\"");
	put_str(b, event);
	put_str(b, "\"");
}

void json_u64(struct buf *b, const char *key, uint64_t v)
{
	char text[24];

	put_key(b, key, "");
	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	put_str(b, text);
}

void json_true(struct buf *b, const char *key)
{
	put_key(b, key, "");
	put_str(b, "true");
}

void json_seconds(struct buf *b, const char *key, double v)
{
	char text[64];

	put_key(b, key, "");
	snprintf(text, sizeof(text), "%.3f", v >= 0 && v < 1e15 ? v : 0);
	put_str(b, text);
}

void json_text(struct buf *b, const char *key, const char *s, size_t n)
{
	put_key(b, key, "");
	put_string(b, s, n);
}

void json_bytes(struct buf *b, const char *key, const char *s, size_t n)
{
	char group[BASE64_LEN(3) + 1];

	if (text_is_utf8(s, n)) {
		json_text(b, key, s, n);
		return;
	}
	put_key(b, key, "_base64");
	put_str(b, "\"");
	for (size_t i = 0; i < n; i += 3) {
		base64_encode(group, s + i, n - i < 3 ? n - i : 3);
		put_str(b, group);
	}
	put_str(b, "\"");
}

void json_end(struct buf *b)
{
	put_str(b, "}\n");
}

void json_to_ascii(struct buf *b, const void *line, size_t n)
{
	const unsigned char *p = line;
	char escaped[16];

	while (n > 0) {
		unsigned cp = 0;
		size_t len = text_utf8_next(p, n, &cp);

		if (len == 1) {
			buf_put(b, p, 1);
		} else if (cp < 0x10000) {
			snprintf(escaped, sizeof(escaped), "\\u%04x",
				 len ? cp : 0xfffd);
			put_str(b, escaped);
		} else {
			/* a surrogate pair (RFC 8259, 7) */
			snprintf(escaped, sizeof(escaped), "\\u%04x\\u%04x",
				 0xd800 + ((cp - 0x10000) >> 10 & 0x3ff),
				 0xdc00 + (cp & 0x3ff));
			put_str(b, escaped);
		}
		len = len ? len : 1;
		p += len;
		n -= len;
	}
}
