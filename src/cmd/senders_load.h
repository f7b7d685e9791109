/*
 * senders_load.h - opens and starts what the file of --config names.
 *
 * Layer: cmd.
 * Threads: one, and the process has no others where anything is started.
 */
#ifndef FERRY_CMD_SENDERS_LOAD_H
#define FERRY_CMD_SENDERS_LOAD_H

#include <stdint.h>

#include "base/err.h"
#include "cmd/senders_file.h"
#include "receiver/receive.h" /* enum sandbox_mode */

struct dir_opener;
struct exec_helper;
struct key;

/* What may be wrong, and is no error. */
enum senders_warning {
	SENDERS_NESTED,    /* a sender can reach the directory of another one */
	SENDERS_BAD_DATES, /* a certificate has expired or is not valid yet */
	SENDERS_WARNINGS,
};

/* What was opened and started for a sender. */
struct senders_opened {
	int root_fd; /* -1: it does not exist yet, when only checking */
	uint64_t dev, ino; /* of it */
	char *real; /* its path without symlinks, also where it will be made;
		       or NULL */
	struct exec_helper *exec;  /* or NULL */
	struct dir_opener *opener; /* or NULL: root needs none */
};

struct senders_load {
	struct senders_file file;
	int base_fd; /* the dir above the sections; -1: none */
	struct senders_opened *opened; /* of each section */
	struct key *keys; /* with SECURITY_PSK, of all sections in order */
	size_t credential_count;
	struct err warnings[SENDERS_WARNINGS]; /* code 0: none */
};

/*
 * Load the file at path and all that it names, and check that this fits
 * together.  report_fd: where the programs of exec report; -1: only check, so
 * that no process is started and no directory is made.  sandbox: of the
 * processes that unlock directories.  Returns 0; ERR_USAGE, ERR_LOCAL or
 * ERR_RESOURCE, with the line in the text.  l has to be released in any case.
 */
int senders_load(struct senders_load *l, const char *path, int report_fd,
		 enum sandbox_mode sandbox, struct err *e);

/* Also wipes the keys.  The processes that were not detached end. */
void senders_load_release(struct senders_load *l);

#endif
