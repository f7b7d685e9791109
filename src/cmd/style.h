/*
 * style.h - bold and colour for what matters most of a message.
 *
 * Layer: cmd.
 * Threads: any, as long as the environment does not change.
 */
#ifndef FERRY_CMD_STYLE_H
#define FERRY_CMD_STYLE_H

enum style { STYLE_NONE, STYLE_CODE, STYLE_WARNING, STYLE_ERROR };

#define STYLE_END "\033[0m"

/* Whether fd is a terminal that knows styles (TERM is neither empty nor dumb)
 * and whose user wants them (NO_COLOR is empty or not set). */
int style_is_used(int fd);

/* The sequence that begins a style; STYLE_END ends it. */
const char *style_begin(enum style style);

#endif
