/*
 * send_options.h - the options of ferry send: their table, and what they set.
 *
 * Layer: cmd.
 * Threads: main's only.
 */
#ifndef FERRY_CMD_SEND_OPTIONS_H
#define FERRY_CMD_SEND_OPTIONS_H

#include <stdint.h>

#include "base/err.h"
#include "chunk/codec.h"
#include "cmd/common.h"

struct digest_ops;
struct filter;
struct option_group;

#define SEND_OPTIONS_COMMAND "stdin-from-command"

struct send_options {
	struct common_options common; /* first: see common.h */
	struct codec_choice codec;
	const struct digest_ops *digest;
	int delta;        /* enum send_delta */
	int compare_time; /* --compare time; -1: not said */
	unsigned streams; /* 0: auto */
	const char *name;
	int from_command;
	int symlinks;     /* enum scan_symlinks; -1: not said */
	int existing;     /* enum wire_existing */
	unsigned preserve; /* enum file_meta_preserve */
	int archive;
	int numeric_ids;
	int skips_special;
	int one_file_system;
	int growing;
	int deletes;
	int mirrors; /* --mirror, until send_options_complete() */
	struct max_delete { int is_set; uint64_t n; } max_delete;
	int dry_run, list;
	const char *files_from; /* NULL: the operands are the sources */
	int null;         /* names in files_from end with a NUL */
	struct filter *filter; /* NULL: none */
	int listen;
	unsigned receivers; /* UINT_MAX: any number */
	int sandbox; /* enum sandbox_mode */
};

/* The words of options that ferry receive has, too, with HOST:PATH. */
extern const struct option_word send_options_codecs[], send_options_digests[],
	send_options_symlinks[], send_options_delta[], send_options_compare[],
	send_options_special[];

/* For options_parse(); ends with NULL. */
extern const struct option_group *const send_options_groups[];

/* The defaults, before options_parse(). */
void send_options_init(struct send_options *opts);

/* After it: what --mirror stands for, as far as no other option says
 * otherwise. */
void send_options_complete(struct send_options *opts);

/* Check which options exclude each other.  Returns 0 or ERR_USAGE. */
int send_options_check(const struct send_options *opts, struct err *e);

#endif
