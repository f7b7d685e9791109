/*
 * POSIX has nothing like Landlock and seccomp: only core files are turned off.
 */
#include "sandbox/sandbox.h"

#include <stdio.h>
#include <sys/resource.h>

static int apply(enum sandbox_mode mode, struct sandbox_state *state,
		 struct err *e)
{
	static const char why[] =
		"this ferry was built for any POSIX system (OS=posix), which "
		"has no Landlock and no seccomp";
	const struct rlimit none = { 0, 0 };

	state->is_partial = mode != SANDBOX_OFF;
	snprintf(state->text, sizeof(state->text), "%s%s",
		 mode == SANDBOX_OFF ? "no sandbox" : "no sandbox: ",
		 mode == SANDBOX_OFF ? "" : why);
	if (mode == SANDBOX_REQUIRE)
		return err_set(e, ERR_RESOURCE, "--sandbox require: %s", why);
	if (mode == SANDBOX_AUTO && setrlimit(RLIMIT_CORE, &none) < 0)
		return err_sys(e, ERR_RESOURCE, "cannot drop privileges");
	return 0;
}

/* For a helper, whose process has told the user already. */
static int apply_to_helper(enum sandbox_mode mode, struct err *e)
{
	struct sandbox_state state;

	return apply(mode, &state, e);
}

int sandbox_receiver(enum sandbox_mode mode, const struct sandbox_receiving *r,
		     struct sandbox_state *state, struct err *e)
{
	(void)r;
	return apply(mode, state, e);
}

int sandbox_receiver_of_many(enum sandbox_mode mode,
			     const struct sandbox_dirs *dirs,
			     struct sandbox_state *state, struct err *e)
{
	(void)dirs;
	return apply(mode, state, e);
}

int sandbox_reading_thread(enum sandbox_mode mode, int dir_fd, struct err *e)
{
	/* With SANDBOX_REQUIRE there is no receiver. */
	(void)mode;
	(void)dir_fd;
	(void)e;
	return 0;
}

int sandbox_sender(enum sandbox_mode mode, const struct sandbox_sources *src,
		   struct sandbox_state *state, struct err *e)
{
	(void)src;
	return apply(mode, state, e);
}

int sandbox_connector(enum sandbox_mode mode, struct err *e)
{
	return apply_to_helper(mode, e);
}

int sandbox_attr_helper(enum sandbox_mode mode, unsigned allowed, struct err *e)
{
	(void)allowed;
	return apply_to_helper(mode, e);
}

int sandbox_dir_opener(enum sandbox_mode mode, struct err *e)
{
	return apply_to_helper(mode, e);
}
