/*
 * The one-time code of a run.
 */
#include "cmd/one_time_code.h"

#include <stddef.h>

#include "auth/code.h"
#include "auth/pake.h"
#include "cmd/ask.h"
#include "cmd/report.h"

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
