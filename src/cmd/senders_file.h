/*
 * senders_file.h - the file of ferry receive --config: named senders, and what
 * each may do; ferry.conf(5).
 *
 * Layer: cmd.
 * Threads: any; a struct senders_file belongs to one.
 *
 * Nothing but the text is looked at here: no path is opened.
 */
#ifndef FERRY_CMD_SENDERS_FILE_H
#define FERRY_CMD_SENDERS_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "auth/tls.h"
#include "base/err.h"
#include "cmd/receive_words.h"
#include "net/cidr.h"

/* What the name of a sender has to be, for messages. */
#define SENDERS_FILE_NAME \
	"1 to 64 letters, digits and . _ @ + -, beginning with a letter or digit"

enum {
	SENDERS_FILE_MAX = 4 * 1024 * 1024, /* bytes */
	SENDERS_FILE_KEYS = 15,
};

struct senders_credential {
	const char *text; /* the path of a key, a pin or a subject */
	unsigned line;
};

/* A section; or what is above the first one: the defaults of all. */
struct senders_section {
	const char *name; /* NULL: of the defaults */
	unsigned line;
	/* Of each key, as senders_file.c lists them: where it stands; 0: not
	 * given.  Use senders_file_line(). */
	unsigned lines[SENDERS_FILE_KEYS];
	const char *dir;  /* of the defaults: where senders without one have
			     theirs; or NULL */
	int has_default_dir; /* dir is the one below that of the defaults */
	int existing;     /* enum conflict_policy */
	struct accept accept;
	uint64_t max_size, max_files; /* UINT64_MAX: no limit */
	uint64_t max_kept; /* 0: as --max-kept says */
	uint64_t rate;    /* bytes a second; 0: no limit */
	struct cidr_list allow;
	const char *exec; /* or NULL */
	const char *cert, *cert_key, *ca; /* of the defaults; or NULL */
	struct senders_credential *credentials;
	size_t credential_count;
};

struct senders_file {
	const char *path; /* borrowed */
	enum security mode; /* PSK, PIN or X509: what the credentials are */
	struct senders_section defaults;
	struct senders_section *list;
	size_t count;
	/* what the texts of the sections point to */
	char *text;
	char **made;
	size_t made_count;
};

/*
 * Parse size bytes of text.  path is what the file is called in messages, and
 * what relative paths in it start from.  Every section of the result has a
 * directory, and credentials of one kind; there may be no section, and mode is
 * SECURITY_PSK then.  Returns 0; ERR_USAGE with the line in the text; or
 * ERR_RESOURCE.  f has to be released in any case.
 */
int senders_file_parse(struct senders_file *f, const char *path,
		       const void *text, size_t size, struct err *e);

/* Read the file and parse it.  Nobody but this process's user and root may be
 * able to change it, for it says which programs are run.  Returns as
 * senders_file_parse(), or ERR_LOCAL. */
int senders_file_load(struct senders_file *f, const char *path, struct err *e);

/* The line in which this key stands for the section: in it, or above the first
 * one.  Where it stands nowhere, that of the section; 1 for the defaults. */
unsigned senders_file_line(const struct senders_section *s, const char *key);

/* Whether a sender may have this name. */
int senders_file_is_name(const char *name);

void senders_file_release(struct senders_file *f);

#endif
