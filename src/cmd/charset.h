/*
 * charset.h - which bytes a terminal may get.
 *
 * Layer: cmd.
 * Threads: any, as long as the environment does not change.
 *
 * The bytes of UTF-8 beyond ASCII are letters and control characters to a
 * terminal of another character set: 0x9b, which is part of many letters in
 * UTF-8, begins a control sequence on an 8-bit terminal.
 */
#ifndef FERRY_CMD_CHARSET_H
#define FERRY_CMD_CHARSET_H

#include <stddef.h>

/* Whether fd is a terminal and the locale (LC_ALL, LC_CTYPE or LANG) is not
 * UTF-8: only ASCII may be written there. */
int charset_is_ascii(int fd);

/* Copy text to dst (size bytes, always terminated), each byte beyond ASCII as
 * \xHH.  What does not fit is left out.  Returns dst. */
char *charset_to_ascii(char *dst, size_t size, const char *text);

#endif
