/*
 * What the script prints is read line by line, as ferry there is not yet.
 */
#include "remote/deploy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/num.h"
#include "base/text.h"
#include "chunk/digest.h"
#include "os/entropy.h"
#include "os/program.h"
#include "remote/login.h"
#include "session/events.h"

enum {
	NONCE = 16,
	LINE_MAX_BYTES = 1024,
	SHOWN_MAX = 400,
	REQUEST_MAX = 512,
};

struct deploy {
	enum deploy_use use;
	const void *data; /* this program */
	size_t size;
	char sum[2 * DIGEST_MAX + 1];
};

/*
 * The program is written to a name of its own, compared, and run, before it
 * gets its name: others may run the one that has it.  A file that is cut short,
 * as the connection was lost, has another sum.  Nothing is written where it
 * will not fit.  There is no character that not all login shells read alike,
 * see ssh.c.
 */
const char deploy_script[] =
	"sh -c '"
	"read -r n size sum use system || exit 1; set -f; "
	"d=$HOME/.cache/ferry; f=$d/ferry; t=$d/new.$$; "
	"say() { echo \"ferry-deploy:$n\"; echo \"$*\"; }; "
	"fail() { rm -f \"$t\"; say \"$*\"; exit 1; }; "
	"same() { case $(sha256sum <\"$1\") in \"$sum \"*) ;; "
	"*) return 1;; esac; }; "
	"if [ -x \"$f\" ] && same \"$f\" 2>/dev/null; then say have; else "
	"u=$(uname -sm); [ \"$u\" = \"$system\" ] || fail other $u; "
	"command -v sha256sum >/dev/null 2>&1 || "
	"fail fail there is no sha256sum; say want; "
	"e=$({ umask 077; mkdir -p \"$d\" && "
	"head -c \"$size\" >\"$t\"; } 2>&1) || "
	"fail fail $e; "
	"same \"$t\" || fail fail its SHA-256 is not the same there; "
	"e=$({ chmod 700 \"$t\" && \"$t\" version </dev/null >/dev/null; } "
	"2>&1) || fail unfit $e; "
	"e=$({ mv -f \"$t\" \"$f\"; } 2>&1) || fail fail $e; say done; fi; "
	"[ \"$use\" = keep ] && exec \"$f\" remote; "
	"trap : 1 2 15; \"$f\" remote; e=$?; "
	"rm -f \"$f\"; rmdir \"$d\" 2>/dev/null; exit $e'";

/* ---- requests to the script, and its answers ---- */

struct answer {
	char line[LINE_MAX_BYTES];
	const char *word, *rest; /* in line */
};

/* Read a line: a word, and what follows it. */
static int read_line(struct login *l, struct answer *a, struct err *e)
{
	char *space;
	size_t n = 0;
	int rc;

	for (;;) {
		char *to = &a->line[n];

		rc = login_read(l, to, 1, e);
		if (rc)
			return rc;
		if (*to == '\n')
			break;
		/* what is too long is cut */
		n += n + 1 < sizeof(a->line);
	}
	a->line[n] = '\0';
	space = strchr(a->line, ' ');
	a->word = a->line;
	a->rest = space ? space + 1 : "";
	if (space)
		*space = '\0';
	return 0;
}

/* Why ferry is not there. */
static int explain(const struct answer *a, const struct utsname *here,
		   const char *host, struct err *e)
{
	char shown[SHOWN_MAX];

	text_escape(shown, sizeof(shown), a->rest, strlen(a->rest));
	if (strcmp(a->word, "other") == 0)
		return err_set(e, ERR_CONNECT,
			       "%s: --deploy: the system there is %s, and this "
			       "ferry is for %s %s: install one there that is "
			       "built for it", host, shown, here->sysname,
			       here->machine);
	if (strcmp(a->word, "unfit") == 0)
		return err_set(e, ERR_CONNECT,
			       "%s: --deploy: this ferry does not run there "
			       "(%s); one that needs no libraries is built by "
			       "'make static'", host, shown);
	if (strcmp(a->word, "fail") == 0)
		return err_set(e, ERR_CONNECT,
			       "%s: --deploy: cannot copy ferry to "
			       "~/.cache/ferry there%s%s", host,
			       *shown ? ": " : "", shown);
	return err_set(e, ERR_PROTOCOL, "%s: --deploy: malformed answer", host);
}

/* Send n bytes, and read the answer. */
static int ask(struct login *l, const void *p, size_t n, const char *marker,
	       struct answer *a, struct err *e)
{
	int rc = login_exchange(l, p, n, marker, e);

	return rc ? rc : read_line(l, a, e);
}

int deploy_run(const struct deploy *d, struct login *l, const char *host,
	       const struct session_events *events, struct err *e)
{
	char nonce[2 * NONCE + 1], marker[LOGIN_MARKER_MAX];
	char request[REQUEST_MAX], size[32];
	uint8_t random[NONCE];
	struct utsname here;
	struct answer a;
	int rc;

	if (entropy_get(random, sizeof(random)) || uname(&here) < 0)
		return err_sys(e, ERR_RESOURCE, "cannot get random bytes");
	hex_encode(nonce, random, sizeof(random));
	snprintf(marker, sizeof(marker), "ferry-deploy:%s\n", nonce);
	snprintf(request, sizeof(request), "%s %zu %s %s %s %s\n", nonce,
		 d->size, d->sum, d->use == DEPLOY_KEEP ? "keep" : "remove",
		 here.sysname, here.machine);
	rc = ask(l, request, strlen(request), marker, &a, e);
	if (rc == 0 && strcmp(a.word, "want") == 0) {
		events_message(events, SESSION_VERBOSE,
			       "%s: copying this ferry (%s) to ~/.cache/ferry "
			       "there", host,
			       text_size(size, sizeof(size), (double)d->size));
		rc = ask(l, d->data, d->size, marker, &a, e);
	}
	if (rc)
		return rc;
	if (strcmp(a.word, "have") == 0 || strcmp(a.word, "done") == 0)
		return 0;
	return explain(&a, &here, host, e);
}

/* ---- making and freeing ---- */

struct deploy *deploy_new(enum deploy_use use, struct err *e)
{
	struct deploy *d = calloc(1, sizeof(*d));
	uint8_t sum[DIGEST_MAX];

	if (!d) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	if (program_map(&d->data, &d->size)) {
		err_sys(e, ERR_LOCAL, "--deploy: cannot read the file of this "
			"program");
		free(d);
		return NULL;
	}
	d->use = use;
	digest_sha256.sum(d->data, d->size, sum);
	hex_encode(d->sum, sum, digest_sha256.size);
	return d;
}

void deploy_free(struct deploy *d)
{
	if (!d)
		return;
	program_unmap(d->data, d->size);
	free(d);
}
