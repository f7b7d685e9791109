/*
 * json.h - one event as a line of JSON.
 *
 * Layer: cmd.  Pure.
 *
 * The line is printable UTF-8: control characters, DEL, C1 and bidirectional
 * controls are escaped as \uXXXX, so that it is also safe on a terminal.
 * b->failed reports failures; checking it once at the end is enough.
 */
#ifndef FERRY_CMD_JSON_H
#define FERRY_CMD_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Begin an object with its "event". */
void json_begin(struct buf *b, const char *event);

/* Members.  Keys are constants, and not escaped. */
void json_u64(struct buf *b, const char *key, uint64_t v);
void json_seconds(struct buf *b, const char *key, double v);
void json_true(struct buf *b, const char *key);

/* A text of n bytes; invalid UTF-8 becomes U+FFFD. */
void json_text(struct buf *b, const char *key, const char *s, size_t n);

/* A name of any bytes: as text under key if it is UTF-8, else as base64 under
 * key with the suffix "_base64". */
void json_bytes(struct buf *b, const char *key, const char *s, size_t n);

/* End the object and the line. */
void json_end(struct buf *b);

/* Append a line, n bytes that the functions above have made, with every
 * character that is not ASCII as \uXXXX: for a terminal that does not
 * understand UTF-8. */
void json_to_ascii(struct buf *b, const void *line, size_t n);

#endif
