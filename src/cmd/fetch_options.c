/*
 * The table of the options that ferry receive forwards.
 */
#include "cmd/fetch_options.h"

#include <stddef.h>

#include "cmd/receive_options.h"
#include "cmd/receive_words.h"
#include "cmd/send_options.h"

#define FORWARD                                                                \
	.kind = OPTION_FORWARD,                                                \
	.off = offsetof(struct receive_options, fetch.forwards)
#define AS_SENT ": as for ferry send"

static const struct option_row fetch_rows[] = {
	{ .letter = 'z',
	  .name = "compress",
	  .arg = "[=CODEC[:LEVEL]]",
	  FORWARD,
	  .words = send_options_codecs,
	  .help = "compress" AS_SENT },
	{ .letter = 'j',
	  .name = "streams",
	  .arg = "N",
	  FORWARD,
	  .help = "number of direct connections" AS_SENT },
	{ .name = "checksum",
	  .arg = "ALG",
	  FORWARD,
	  .words = send_options_digests,
	  .help = "xxh3, sha256 or crc32" AS_SENT },
	{ .name = "compare",
	  .arg = "WHAT",
	  FORWARD,
	  .words = send_options_compare,
	  .help = "content or time" AS_SENT },
	{ .name = "delta",
	  .arg = "WHEN",
	  FORWARD,
	  .words = send_options_delta,
	  .help = "auto, on or off" AS_SENT },
	{ .name = "symlinks",
	  .arg = "WHAT",
	  FORWARD,
	  .words = send_options_symlinks,
	  .help = "keep, follow, skip or all" AS_SENT },
	{ .letter = 'a',
	  .name = "archive",
	  FORWARD,
	  .help = "keep all of this" AS_SENT },
	{ .name = "preserve",
	  .arg = "LIST",
	  FORWARD,
	  .words = receive_words_preserve,
	  .help = "what to keep besides modes and times" AS_SENT },
	{ .name = "numeric-ids",
	  FORWARD,
	  .help = "keep numbers of owners, not names" AS_SENT },
	{ .name = "special",
	  .arg = "WHAT",
	  FORWARD,
	  .words = send_options_special,
	  .help = "report or skip" AS_SENT },
	{ .letter = 'x',
	  .name = "one-file-system",
	  FORWARD,
	  .help = "do not go into mounted file systems" AS_SENT },
	{ .name = "growing",
	  FORWARD,
	  .help = "a file that grows, as long as it was" AS_SENT },
	{ .name = "delete",
	  FORWARD,
	  .help = "delete in DIR what is not there" AS_SENT },
	{ .name = "mirror",
	  FORWARD,
	  .help = "--compare time --existing replace --delete" AS_SENT },
	{ .name = "max-delete",
	  .arg = "N",
	  FORWARD,
	  .help = "at most N" AS_SENT },
	{ .letter = 'n',
	  .name = "dry-run",
	  FORWARD,
	  .help = "only list what would be done in DIR" AS_SENT },
	{ .name = "exclude",
	  .arg = "GLOB",
	  FORWARD,
	  .help = "leave out what matches" AS_SENT },
	{ .name = "include",
	  .arg = "GLOB",
	  FORWARD,
	  .help = "fetch what matches" AS_SENT },
};
const struct option_group fetch_options_group = {
	"What to fetch (with HOST:PATH)", fetch_rows,
	sizeof(fetch_rows) / sizeof(fetch_rows[0]), NULL
};
