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

/* What senders may ask for. */
struct accept {
	uint32_t requests; /* enum wire_request */
	uint32_t preserve; /* enum file_meta_preserve */
};

/* Every bit of both. */
extern const struct accept receive_words_accept_all;

/* For OPTION_SET of a struct accept: add what a list says, separated by commas.
 * Returns 0 or ERR_RANGE. */
int receive_words_set_accept(void *field, const char *value);

#endif
