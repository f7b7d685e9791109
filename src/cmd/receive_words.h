/*
 * receive_words.h - the words of --existing and --accept, which the file of
 * --config has too.
 *
 * Layer: cmd.  Pure.
 */
#ifndef FERRY_CMD_RECEIVE_WORDS_H
#define FERRY_CMD_RECEIVE_WORDS_H

#include <stdint.h>

#include "cmd/options.h"

/* enum conflict_policy */
extern const struct option_word receive_words_existing[];

/* Every bit of enum wire_request. */
extern const uint32_t receive_words_accept_all;

/* For OPTION_SET of a uint32_t: add the requests in a list with commas between.
 * Returns 0 or ERR_RANGE. */
int receive_words_set_accept(void *field, const char *value);

#endif
