/*
 * text.h - making bytes from outside safe to print.
 *
 * Layer: base.  Pure.
 *
 * Names of files and texts from the peer may contain terminal control
 * sequences; they are printed only after text_escape().
 */
#ifndef FERRY_BASE_TEXT_H
#define FERRY_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Write n bytes of src to dst (size bytes, always terminated) so that they are
 * safe on a terminal: C0 and C1 controls, DEL, bytes that are not UTF-8,
 * bidirectional controls, the byte order mark, line and paragraph separators
 * and the backslash are written as \n, \t, \\ or as \xHH for each byte.  A
 * result that does not fit is cut, with "..." at the end.  Returns dst.
 */
char *text_escape(char *dst, size_t size, const void *src, size_t n);

/* Whether n bytes are well-formed UTF-8 (no overlong forms, no surrogates,
 * nothing above U+10FFFF). */
int text_is_utf8(const void *src, size_t n);

/* The length in bytes of the UTF-8 sequence at p (n bytes left), or 0 where
 * it is not well-formed; *cp gets the code point. */
size_t text_utf8_next(const unsigned char *p, size_t n, unsigned *cp);

/* Whether a code point controls a terminal, the order in which text is shown or
 * where lines end, so that it is not printed. */
int text_is_control(unsigned cp);

/* Append a text to dst (size bytes), after the separator unless dst is empty.
 * What does not fit is cut. */
void text_append(char *dst, size_t size, const char *separator,
		 const char *text);

/* As sprintf(), to memory that is the caller's.  NULL when out of memory. */
char *text_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Write a number of bytes for people to read, such as "12.3 MiB".  Returns
 * dst. */
char *text_size(char *dst, size_t size, double bytes);

enum { TEXT_GROUPED_MAX = 28 };
/* A number with commas, "12,345".  Returns dst. */
char *text_grouped(char dst[TEXT_GROUPED_MAX], uint64_t n);

enum { TEXT_COUNT_MAX = TEXT_GROUPED_MAX + 32 };
/* A number with commas, and what it counts: "1 file", "12,345 files".  Returns
 * dst. */
char *text_count(char dst[TEXT_COUNT_MAX], uint64_t n, const char *noun);

#endif
