/*
 * Checking the program, and what the process does for each event.
 */
#include "receiver/exec_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "os/helper.h"
#include "os/spawn.h"
#include "receiver/exec_check.h"

enum {
	SHOWN_MAX = 200,
	FACTS_MAX = 12, /* variables that differ from session to session */
	FACT_MAX = STREAM_IDENTITY + 32,
	FIXED_MAX = 6, /* variables that are always the same */
};

struct exec_helper {
	struct helper helper;
	pthread_mutex_t sending; /* threads take turns, see os/packet.h */
};

/* What the helper knows from the start. */
struct runner {
	const char *name; /* as the user wrote it */
	char *program;    /* absolute, without symlinks */
	char *dir;
	char *fixed[FIXED_MAX];
	size_t count;
	int report_fd; /* in the helper */
};

/* ------------------------------------------------------------ setting up */

static int check_program(struct runner *r, struct err *e)
{
	char shown[SHOWN_MAX];
	struct stat st;

	text_escape(shown, sizeof(shown), r->name, strlen(r->name));
	if (!strchr(r->name, '/'))
		return err_set(e, ERR_USAGE,
			       "'%s' has no '/': give the path of a "
			       "program (for arguments, write a script)",
			       shown);
	r->program = realpath(r->name, NULL);
	if (!r->program || stat(r->program, &st) < 0)
		return err_sys(e, ERR_LOCAL, "cannot run %s", shown);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_LOCAL, "%s is not a program",
			       shown);
	if (faccessat(AT_FDCWD, r->program, X_OK, AT_EACCESS) < 0)
		return err_sys(e, ERR_LOCAL, "cannot run %s", shown);
	if (exec_check_is_in_dir(r->program, r->dir))
		return err_set(e, ERR_USAGE,
			       "%s is inside the directory to receive "
			       "into, where senders could replace it",
			       shown);
	return exec_check_program(r->program, e);
}

static int add_fixed(struct runner *r, const char *name, const char *value)
{
	if (!value)
		return 0;
	r->fixed[r->count] = text_format("%s=%s", name, value);
	if (!r->fixed[r->count])
		return -1;
	r->count++;
	return 0;
}

/* The program runs in the directory that senders fill: nothing may be looked up
 * there. */
static int add_search_path(struct runner *r)
{
	const char *list = getenv("PATH");
	char *kept = list ? exec_check_search_path(list, r->dir) : NULL;
	int rc;

	if (list && !kept)
		return -1;
	rc = add_fixed(r, "PATH", kept);
	free(kept);
	return rc;
}

static void runner_release(struct runner *r)
{
	free(r->program);
	free(r->dir);
	while (r->count > 0)
		free(r->fixed[--r->count]);
}

static int runner_init(struct runner *r, const char *program, const char *dir,
		       struct err *e)
{
	memset(r, 0, sizeof(*r));
	r->name = program;
	/* Absolute, as the process changes its directory to it. */
	r->dir = realpath(dir, NULL);
	if (!r->dir)
		return err_sys(e, ERR_LOCAL, "%s", dir);
	if (add_search_path(r) ||
	    add_fixed(r, "HOME", getenv("HOME")) ||
	    add_fixed(r, "LANG", getenv("LANG")) ||
	    add_fixed(r, "FERRY_EVENT", "session") ||
	    add_fixed(r, "FERRY_DIR", r->dir))
		return err_set(e, ERR_RESOURCE, "out of memory");
	return check_program(r, e);
}

/* --------------------------------------------------------- in the helper */

/* Texts come from the receiver, which an attacker may control: only characters
 * of addresses, security modes and senders' names stay. */
static void clean_text(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++) {
		if (!strchr(SENDER_NAME_CHARACTERS ":%[]", *text))
			*text = '?';
	}
}

/* The same for what proved who the sender is, which may have blanks, commas and
 * UTF-8. */
static void clean_line(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
	}
}

/* Returns how many there are. */
static size_t set_facts(char facts[FACTS_MAX][FACT_MAX],
			const struct exec_helper_event *ev)
{
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "SESSION", ev->session },     { "FILES", ev->files },
		{ "BYTES", ev->bytes },         { "UNCHANGED", ev->unchanged },
		{ "SKIPPED", ev->skipped },     { "FAILED", ev->failed },
		{ "DELETED", ev->deleted },
		{ "EXIT", (uint8_t)ev->exit_status },
	};
	size_t n = sizeof(numbers) / sizeof(numbers[0]);

	for (size_t i = 0; i < n; i++)
		snprintf(facts[i], FACT_MAX, "FERRY_%s=%" PRIu64,
			 numbers[i].name, numbers[i].value);
	snprintf(facts[n++], FACT_MAX, "FERRY_PEER=%s", ev->peer);
	snprintf(facts[n++], FACT_MAX, "FERRY_PEER_ID=%s", ev->identity);
	snprintf(facts[n++], FACT_MAX, "FERRY_SECURITY=%s", ev->security);
	if (ev->sender[0])
		snprintf(facts[n++], FACT_MAX, "FERRY_SENDER=%s", ev->sender);
	return n;
}

/* Start the program.  Returns 0 or an errno. */
static int start_program(const struct runner *r, char *const *env, pid_t *pid)
{
	char *const argv[] = { strdup(r->name), NULL };
	const struct spawn_config cfg = { r->program, argv, env, -1, -1, 0 };
	int rc = argv[0] ? spawn_program(&cfg, pid) : ENOMEM;

	free(argv[0]);
	return rc;
}

/* Run the program for a session, until it ends. */
static void run_program(const struct runner *r, struct exec_helper_event *ev,
			struct exec_helper_report *report)
{
	char facts[FACTS_MAX][FACT_MAX];
	char *env[FIXED_MAX + FACTS_MAX + 1] = { NULL };
	size_t n = 0, count;
	pid_t pid;

	clean_text(ev->peer, sizeof(ev->peer));
	clean_text(ev->security, sizeof(ev->security));
	clean_text(ev->sender, sizeof(ev->sender));
	clean_line(ev->identity, sizeof(ev->identity));
	count = set_facts(facts, ev);
	while (n < r->count) {
		env[n] = r->fixed[n];
		n++;
	}
	for (size_t i = 0; i < count; i++)
		env[n++] = facts[i];
	report->session = ev->session;
	report->error = start_program(r, env, &pid);
	if (report->error)
		return;
	while (waitpid(pid, &report->status, 0) < 0 && errno == EINTR)
		;
}

/* Run the program for each event, until the receiver closes the socket. */
static void serve_events(void *ctx)
{
	const struct runner *r = ctx;
	struct exec_helper_event ev;

	if (chdir(r->dir) < 0)
		_exit(1);
	while (helper_receive(HELPER_SOCKET, &ev, sizeof(ev), NULL, 0) == 0) {
		struct exec_helper_report report;

		memset(&report, 0, sizeof(report));
		run_program(r, &ev, &report);
		/* The receiver may have ended meanwhile. */
		(void)helper_send(r->report_fd, &report, sizeof(report), -1,
				  0);
	}
}

/* ---------------------------------------------------------- in the receiver */

struct exec_helper *exec_helper_start(const char *program, const char *dir,
				      int report_fd, struct err *e)
{
	struct exec_helper *h = calloc(1, sizeof(*h));
	struct runner r;
	const struct helper_config cfg = { HELPER_STDIO_ERROR, report_fd,
					   serve_events, &r };
	int rc;

	if (!h) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	h->helper.fd = -1;
	pthread_mutex_init(&h->sending, NULL);
	rc = runner_init(&r, program, dir, e);
	r.report_fd = report_fd < 0 ? HELPER_SOCKET : HELPER_KEPT;
	if (rc == 0 && helper_start(&h->helper, &cfg) < 0)
		rc = err_sys(e, ERR_RESOURCE, "cannot start its process");
	runner_release(&r);
	if (rc == 0)
		return h;
	exec_helper_free(h);
	return NULL;
}

int exec_helper_check(const char *program, const char *dir, struct err *e)
{
	struct runner r;
	int rc = runner_init(&r, program, dir, e);

	runner_release(&r);
	return rc;
}

struct exec_helper *exec_helper_adopt(int fd)
{
	struct exec_helper *h = calloc(1, sizeof(*h));

	if (!h) {
		io_close(&fd);
		return NULL;
	}
	h->helper.fd = fd;
	pthread_mutex_init(&h->sending, NULL);
	return h;
}

int exec_helper_detach(struct exec_helper *h)
{
	const int fd = h->helper.fd;

	pthread_mutex_destroy(&h->sending);
	free(h);
	return fd;
}

int exec_helper_post(struct exec_helper *h, const struct exec_helper_event *ev)
{
	int rc;

	pthread_mutex_lock(&h->sending);
	rc = helper_send(h->helper.fd, ev, sizeof(*ev), -1, MSG_DONTWAIT);
	pthread_mutex_unlock(&h->sending);
	if (rc == 0)
		return 0;
	return errno == EAGAIN || errno == ENOBUFS ? ERR_AGAIN : ERR_LOST;
}

int exec_helper_fd(const struct exec_helper *h)
{
	return h->helper.fd;
}

int exec_helper_take(int fd, struct exec_helper_report *r)
{
	if (helper_receive(fd, r, sizeof(*r), NULL, MSG_DONTWAIT) == 0)
		return 0;
	return errno == EAGAIN ? ERR_AGAIN : ERR_CLOSED;
}

void exec_helper_finish(struct exec_helper *h)
{
	(void)shutdown(h->helper.fd, SHUT_WR);
}

void exec_helper_free(struct exec_helper *h)
{
	if (!h)
		return;
	helper_stop(&h->helper, 0);
	pthread_mutex_destroy(&h->sending);
	free(h);
}
