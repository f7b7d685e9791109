/*
 * The table of the options of ferry send.
 */
#include "cmd/send_options.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "chunk/digest.h"
#include "cmd/habits.h"
#include "cmd/options.h"
#include "cmd/receive_words.h"
#include "fs/filter.h"
#include "sender/send.h"

static int set_codec(void *field, const char *value)
{
	return codec_parse(value ? value : "auto", field);
}

/* Words of other tools, and a level alone or after another separator. */
static int guess_codec(char *dst, size_t size, const char *value)
{
	static const char *const meant[][2] = {
		{ "gzip", "zlib" }, { "gz", "zlib" }, { "deflate", "zlib" },
		{ "zst", "zstd" },  { "yes", "auto" }, { "on", "auto" },
		{ "no", "none" },   { "off", "none" },
	};
	struct codec_choice choice;
	uint64_t level;
	char *separator;

	value += *value == '=';
	if (num_parse(value, 1, 19, &level) == 0)
		snprintf(dst, size, "zstd:%s", value);
	else
		snprintf(dst, size, "%s", value);
	separator = strpbrk(dst, ",-=");
	if (separator)
		*separator = ':';
	for (size_t i = 0; i < sizeof(meant) / sizeof(meant[0]); i++) {
		if (strcmp(value, meant[i][0]) == 0)
			snprintf(dst, size, "%s", meant[i][1]);
	}
	return codec_parse(dst, &choice) == 0;
}

static int set_digest(void *field, const char *value)
{
	const struct digest_ops **digest = field;

	*digest = digest_by_name(value);
	return *digest ? 0 : ERR_RANGE;
}

static int set_streams(void *field, const char *value)
{
	unsigned *streams = field;
	uint64_t n = 0;

	if (strcmp(value, "auto") != 0 &&
	    num_parse(value, 1, STREAMS_MAX, &n))
		return ERR_RANGE;
	*streams = (unsigned)n;
	return 0;
}

static int set_receivers(void *field, const char *value)
{
	unsigned *receivers = field;
	uint64_t n = UINT_MAX;

	if (strcmp(value, "any") != 0 && num_parse(value, 1, 1000000, &n))
		return ERR_RANGE;
	*receivers = (unsigned)n;
	return 0;
}

static int set_max_delete(void *field, const char *value)
{
	struct max_delete *most = field;

	most->is_set = 1;
	return num_parse(value, 0, UINT64_MAX >> 1, &most->n);
}

static int add_pattern(void *field, int is_exclude, const char *value)
{
	struct filter **filter = field;

	if (!*filter)
		*filter = filter_new();
	return *filter ? filter_add(*filter, is_exclude, value) : ERR_RESOURCE;
}

static int set_exclude(void *field, const char *value)
{
	return add_pattern(field, 1, value);
}

static int set_include(void *field, const char *value)
{
	return add_pattern(field, 0, value);
}

/* A level may follow; the values have no meaning: see codec_parse(). */
const struct option_word send_options_codecs[] = {
	{ "auto", 0, "zstd, for data that shrinks" },
	{ "none", 0, "as it is" },
	{ "zlib", 0, "deflate" },
	{ "zstd", 0, "fast, and smaller than zlib" },
	{ NULL, 0, NULL },
};

/* See digest_by_name(). */
const struct option_word send_options_digests[] = {
	{ "xxh3", 0, "the fastest" },
	{ "sha256", 0, "cryptographic" },
	{ "crc32", 0, "as zlib and Ethernet" },
	{ NULL, 0, NULL },
};

const struct option_word send_options_symlinks[] = {
	{ "keep", SCAN_KEEP, "those that stay inside what is sent" },
	{ "follow", SCAN_FOLLOW, "send what they point to" },
	{ "skip", SCAN_SKIP, "leave them out" },
	{ "all", SCAN_ALL, "as they are, wherever they point" },
	{ NULL, 0, NULL },
};

static const struct option_word existing_words[] = {
#define X(word, id, meaning) { word, EXISTING_##id, meaning },
	RECEIVE_WORDS_EXISTING(X)
#undef X
	{ NULL, 0, NULL },
};

const struct option_word send_options_delta[] = {
	{ "auto", SEND_DELTA_AUTO, "for files over 8 MiB" },
	{ "on", SEND_DELTA_ON, "for every file that is replaced" },
	{ "off", SEND_DELTA_OFF, "send files whole" },
	{ NULL, 0, NULL },
};

const struct option_word send_options_compare[] = {
	{ "content", 0, "read and compare files that are there" },
	{ "time", 1, "the same size and time is the same file" },
	{ NULL, 0, NULL },
};

const struct option_word send_options_special[] = {
	{ "report", 0, "count them as failed" },
	{ "skip", 1, "leave them out" },
	{ NULL, 0, NULL },
};

#define OFF(field) offsetof(struct send_options, field)

static const struct option_row rows[] = {
	{ .name = "listen",
	  .kind = OPTION_FLAG,
	  .value = 1,
	  .off = OFF(listen),
	  .help = "wait for ferry receive --connect, instead of connecting: "
		  "there is no HOST" },
	{ .name = "receivers",
	  .arg = "N",
	  .kind = OPTION_SET,
	  .set = set_receivers,
	  .off = OFF(receivers),
	  .wants = "a number from 1 to 1000000 or any",
	  .help = "with --listen: serve N receivers, one after the other "
		  "(default 1), or any number until a signal" },
	{ .letter = 'z',
	  .name = "compress",
	  .arg = "[=CODEC[:LEVEL]]",
	  .kind = OPTION_SET,
	  .set = set_codec,
	  .guess = guess_codec,
	  .off = OFF(codec),
	  .words = send_options_codecs,
	  .wants = "WORDS, optionally with a level (zlib:1 to zlib:9, zstd:1 "
		   "to zstd:19)",
	  .help = "compress with auto (zstd, for data that shrinks), none, "
		  "zlib or zstd; default none, or auto if only CODEC is left "
		  "out; no space before CODEC: -zzstd:5" },
	{ .name = "checksum",
	  .arg = "ALG",
	  .kind = OPTION_SET,
	  .set = set_digest,
	  .off = OFF(digest),
	  .words = send_options_digests,
	  .wants = "WORDS",
	  .help = "checksum algorithm: xxh3 (default), sha256 or crc32" },
	{ .name = "compare",
	  .arg = "WHAT",
	  .kind = OPTION_WORD,
	  .off = OFF(compare_time),
	  .words = send_options_compare,
	  .help = "how a file that is there is known to be the same: by its "
		  "content (default), or by size and modification time, "
		  "without "
		  "reading it" },
	{ .name = "delta",
	  .arg = "WHEN",
	  .kind = OPTION_WORD,
	  .off = OFF(delta),
	  .words = send_options_delta,
	  .help = "send only what differs from a file that is replaced: auto "
		  "(default; files over 8 MiB), on or off" },
	{ .letter = 'j',
	  .name = "streams",
	  .arg = "N",
	  .kind = OPTION_SET,
	  .set = set_streams,
	  .off = OFF(streams),
	  .wants = "a number from 1 to 16 or auto",
	  .help = "number of connections, 1 to 16 or auto (default)" },
	{ .name = "name",
	  .arg = "NAME",
	  .kind = OPTION_TEXT,
	  .off = OFF(name),
	  .help = "name of standard input on the receiver (default stdin)" },
	{ .name = SEND_OPTIONS_COMMAND,
	  .kind = OPTION_FLAG,
	  .value = 1,
	  .off = OFF(from_command),
	  .help = "run the COMMAND that follows -- and send its output like "
		  "standard input, but commit it only if COMMAND ends with "
		  "status 0" },
	{ .name = "symlinks",
	  .arg = "WHAT",
	  .kind = OPTION_WORD,
	  .off = OFF(symlinks),
	  .words = send_options_symlinks,
	  .help = "keep (default; only those that stay inside the tree that is "
		  "sent), follow, skip, or all as they are, where the receiver "
		  "has --accept links" },
	{ .name = "existing",
	  .arg = "WHAT",
	  .kind = OPTION_WORD,
	  .off = OFF(existing),
	  .words = existing_words,
	  .help = "the receiver's --existing for this transfer, where it has "
		  "--accept existing: fail, skip, replace, newer, rename or "
		  "backup" },
	{ .letter = 'a',
	  .name = "archive",
	  .kind = OPTION_FLAG,
	  .value = 1,
	  .off = OFF(archive),
	  .help = "keep all that the receiver accepts of --symlinks all and "
		  "--preserve, except capability and trusted; also set the "
		  "metadata of directories that exist there" },
	{ .name = "preserve",
	  .arg = "LIST",
	  .kind = OPTION_SET,
	  .set = receive_words_set_preserve,
	  .off = OFF(preserve),
	  .words = receive_words_preserve,
	  .help = "what to keep besides modes and times, separated by commas, "
		  "where the receiver has it in --accept: owner (and group), "
		  "setid (all bits of modes), acl, xattr (user.*), capability "
		  "and trusted (as root), hardlinks, specials (FIFOs, sockets; "
		  "devices as root)" },
	{ .name = "numeric-ids",
	  .kind = OPTION_FLAG,
	  .value = 1,
	  .off = OFF(numeric_ids),
	  .help = "keep the numbers of users and groups, not their names" },
	{ .name = "delete",
	  .kind = OPTION_FLAG,
	  .value = 1,
	  .off = OFF(deletes),
	  .help = "when all is committed, delete what the receiver has and the "
		  "sender does not, in the directories that were sent, where "
		  "the receiver has --accept delete" },
	{ .name = "mirror",
	  .kind = OPTION_FLAG,
	  .value = 1,
	  .off = OFF(mirrors),
	  .help = "--compare time --existing replace --delete" },
	{ .name = "max-delete",
	  .arg = "N",
	  .kind = OPTION_SET,
	  .set = set_max_delete,
	  .off = OFF(max_delete),
	  .wants = "a number, such as 100",
	  .help = "with --delete: delete at most N files and directories; "
		  "without it, nothing where a PATH is an empty directory" },
	{ .name = "special",
	  .arg = "WHAT",
	  .kind = OPTION_WORD,
	  .off = OFF(skips_special),
	  .words = send_options_special,
	  .help = "FIFOs, sockets and devices in a tree: report (default; they "
		  "count as failed) or skip" },
	{ .letter = 'x',
	  .name = "one-file-system",
	  .kind = OPTION_FLAG,
	  .value = 1,
	  .off = OFF(one_file_system),
	  .help = "do not go into directories where another file system is "
		  "mounted: send them empty" },
	{ .name = "growing",
	  .kind = OPTION_FLAG,
	  .value = 1,
	  .off = OFF(growing),
	  .help = "send a file that grows meanwhile, such as a log, as long "
		  "as it was at the start" },
	{ .name = "sandbox",
	  .arg = "WHAT",
	  .kind = OPTION_WORD,
	  .off = OFF(sandbox),
	  .words = common_sandbox_words,
	  .help = "confine the sender to reading the PATHs: auto (default: as "
		  "far as the kernel supports it), require or off" },
	{ .letter = 'n',
	  .name = "dry-run",
	  .kind = OPTION_FLAG,
	  .value = 1,
	  .off = OFF(dry_run),
	  .help = "ask the receiver, and list on standard output what would be "
		  "sent, replaced, refused, deleted and so on; nothing is "
		  "changed" },
	{ .name = "list",
	  .kind = OPTION_FLAG,
	  .value = 1,
	  .off = OFF(list),
	  .help = "only list what would be sent, on standard output, without "
		  "connecting" },
};
static const struct option_group options = {
	"Options", rows, sizeof(rows) / sizeof(rows[0]), habits_send
};

#define PATTERN_WANTS "a pattern such as '*.o', 'cache/' or '/src/tmp'"

static const struct option_row choice_rows[] = {
	{ .name = "exclude", .arg = "GLOB", .kind = OPTION_SET,
	  .set = set_exclude, .off = OFF(filter), .wants = PATTERN_WANTS,
	  .help = "leave out what matches, below the PATHs; repeatable; the "
		  "first pattern that matches decides" },
	{ .name = "include", .arg = "GLOB", .kind = OPTION_SET,
	  .set = set_include, .off = OFF(filter), .wants = PATTERN_WANTS,
	  .help = "send what matches, even if a later --exclude matches too" },
	{ .name = "files-from", .arg = "FILE", .kind = OPTION_TEXT,
	  .off = OFF(files_from),
	  .help = "send the names listed in FILE (-: standard input), one per "
		  "line, below PATH (default .)" },
	{ .letter = '0', .kind = OPTION_FLAG, .value = 1, .off = OFF(null),
	  .help = "names in FILE end with a NUL, as from find -print0" },
};
static const struct option_group choice_group = {
	"What to send", choice_rows,
	sizeof(choice_rows) / sizeof(choice_rows[0]), NULL
};
const struct option_group *const send_options_groups[] = {
	&options, &choice_group, &common_connection, &common_security,
	&common_ssh, &common_output, NULL,
};

void send_options_init(struct send_options *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->digest = &digest_xxh3;
	opts->symlinks = -1;
	opts->compare_time = -1;
	opts->receivers = 1;
	common_init(&opts->common);
	codec_parse("none", &opts->codec);
}

void send_options_complete(struct send_options *opts)
{
	if (!opts->mirrors)
		return;
	opts->deletes = 1;
	if (opts->compare_time < 0)
		opts->compare_time = 1;
	if (!opts->existing)
		opts->existing = EXISTING_REPLACE;
}

int send_options_check(const struct send_options *opts, struct err *e)
{
	if (opts->dry_run && opts->list)
		return err_set(e, ERR_USAGE,
			       "--dry-run and --list exclude each other: --list "
			       "does not ask the receiver");
	if (opts->max_delete.is_set && !opts->deletes)
		return err_set(e, ERR_USAGE, "--max-delete needs --delete");
	if (opts->deletes && opts->files_from)
		return err_set(e, ERR_USAGE,
			       "--delete and --files-from exclude each other: "
			       "a list does not say what else is in a "
			       "directory");
	return 0;
}
