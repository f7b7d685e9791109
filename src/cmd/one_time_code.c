/*
 * The one-time code of a run.
 */
#include "cmd/one_time_code.h"

#include <stddef.h>

#include "auth/code.h"
#include "auth/pake.h"
#include "auth/secure.h"
#include "base/io.h"
#include "cmd/report.h"

enum {
	/* Every code allows a guess, so that few of them change little: four
	 * guesses of 2^35. */
	RENEWALS_MAX = 3,
};

/* For struct secure_renewal: another code of ours. */
static int make_another(void *ctx, const char *peer, struct err *e)
{
	struct one_time_code *c = ctx;
	char code[CODE_MAX];
	int rc;

	if (c->renewals == RENEWALS_MAX)
		return e->code;
	rc = code_generate(code, e);
	/* Shown before it is valid, or that of the next wrong guess could be
	 * shown before it. */
	if (rc == 0) {
		report_renew_code(c->report, code, peer, ++c->renewals + 1,
				  RENEWALS_MAX + 1);
		rc = pake_renew(c->pake, code, e);
	}
	code_wipe(code);
	return rc;
}

static int ask_for_another(void *ctx, struct err *e)
{
	struct one_time_code *c = ctx;
	char code[CODE_MAX];
	int rc;

	report_pause(c->report, 1);
	rc = ask_again(c->tty, &c->ask,
		       pake_is_renewed(c->pake)
			       ? "The code was wrong, and there is a new one."
			       : "The receiver was started again and has a new "
				 "code.",
		       code, e);
	report_pause(c->report, 0);
	if (rc == 0)
		rc = pake_renew(c->pake, code, e);
	code_wipe(code);
	return rc;
}

int one_time_code_prepare(struct one_time_code *c, struct secure_code *out,
			  struct err *e)
{
	const int is_new = !c->file && c->role == NET_LISTENS;
	char code[CODE_MAX] = "";

	if (c->file)
		c->pake = pake_new_from_file(c->file, c->role, e);
	else if ((is_new ? code_generate(code, e)
			 : ask_code(&c->ask, code, e)) == 0)
		c->pake = pake_new(code, e);
	if (c->pake)
		report_set_code(c->report, is_new ? code : NULL, c->pake);
	code_wipe(code);
	if (!c->pake)
		return e->code;
	out->pake = c->pake;
	/* A code from a file is not the user's to type. */
	if (is_new)
		out->renewal = (struct secure_renewal){ make_another, c };
	else if (!c->file && (c->tty = ask_open()) >= 0) {
		out->ask_again = ask_for_another;
		out->ask_ctx = c;
	}
	return 0;
}

void one_time_code_release(struct one_time_code *c)
{
	pake_free(c->pake);
	io_close(&c->tty);
}
