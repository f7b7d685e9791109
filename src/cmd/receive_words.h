/*
 * receive_words.h - the words of --existing, --accept and --preserve, which
 * both commands have, or the file of --config.
 *
 * Layer: cmd.  Pure.
 */
#ifndef FERRY_CMD_RECEIVE_WORDS_H
#define FERRY_CMD_RECEIVE_WORDS_H

#include <stdint.h>

#include "cmd/options.h"

/* Each with the end of its name in enum conflict_policy and enum
 * wire_existing. */
#define RECEIVE_WORDS_EXISTING(X)                                              \
	X("fail", FAIL, "the new file fails")                                  \
	X("skip", SKIP, "keep what is there")                                  \
	X("replace", REPLACE, "the new file takes its place")                  \
	X("newer", NEWER, "replace what is older")                             \
	X("rename", RENAME, "the new file gets a number")                      \
	X("backup", BACKUP, "what is there gets a ~")

/* enum conflict_policy */
extern const struct option_word receive_words_existing[];

/* enum file_meta_preserve */
extern const struct option_word receive_words_preserve[];

/* Of --accept, and of the file, where "none" is allowed, too.  The values have
 * no meaning: see receive_words_set_accept(). */
extern const struct option_word receive_words_accept[];

/* What senders may ask for. */
struct accept {
	uint32_t requests; /* enum wire_request */
	uint32_t preserve; /* enum file_meta_preserve */
};

/* Every bit of both. */
extern const struct accept receive_words_accept_all;

/* For OPTION_SET of an unsigned: add what a list of receive_words_preserve
 * says.  Returns 0 or ERR_RANGE. */
int receive_words_set_preserve(void *field, const char *value);

/* For OPTION_SET of a struct accept: add what a list says, separated by commas.
 * Returns 0 or ERR_RANGE. */
int receive_words_set_accept(void *field, const char *value);

#endif
