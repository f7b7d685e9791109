/*
 * The one-time code of a run.
 */
#include "cmd/one_time_code.h"

#include <stddef.h>

#include "auth/code.h"
#include "auth/pake.h"
#include "cmd/report.h"

enum {
	/* Every code allows a guess, so that few of them change little: four
	 * guesses of 2^35. */
	OTHERS_MAX = 3,
};

int one_time_code(const char *file, const struct ask *ask,
		  struct report *report, struct pake **pake, struct err *e)
{
	const int is_new = !file && !ask;
	char code[CODE_MAX] = "";

	*pake = NULL;
	if (file)
		*pake = pake_new_from_file(file, ask ? NET_CONNECTS :
						       NET_LISTENS, e);
	else if ((ask ? ask_code(ask, code, e) : code_generate(code, e)) == 0)
		*pake = pake_new(code, e);
	if (*pake)
		report_set_code(report, is_new ? code : NULL, *pake);
	code_wipe(code);
	return *pake ? 0 : e->code;
}

int one_time_code_make_another(void *made, const char *peer, struct err *e)
{
	struct one_time_code_made *m = made;
	char code[CODE_MAX];
	int rc;

	if (m->count == OTHERS_MAX)
		return e->code;
	rc = code_generate(code, e);
	/* Shown before it is valid, or that of the next wrong guess could be
	 * shown before it. */
	if (rc == 0) {
		report_renew_code(m->report, code, peer, ++m->count + 1,
				  OTHERS_MAX + 1);
		rc = pake_renew(m->pake, code, e);
	}
	code_wipe(code);
	return rc;
}

int one_time_code_ask_again(void *asked, struct err *e)
{
	struct one_time_code_asked *a = asked;
	char code[CODE_MAX];
	int rc;

	report_pause(a->report, 1);
	rc = ask_again(a->tty, &a->ask,
		       pake_is_renewed(a->pake)
			       ? "The code was wrong, and there is a new one."
			       : "The receiver was started again and has a new "
				 "code.",
		       code, e);
	report_pause(a->report, 0);
	if (rc == 0)
		rc = pake_renew(a->pake, code, e);
	code_wipe(code);
	return rc;
}
