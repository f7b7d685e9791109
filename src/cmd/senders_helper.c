/*
 * The answer to a request is a row of messages of one size: BEGIN, what there
 * is of the others, END; or FAILED alone.  Both sides are one program, so that
 * a message is a struct as it lies in memory.
 */
#include "cmd/senders_helper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/key.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/wipe.h"
#include "cmd/senders_load.h"
#include "fs/name.h"
#include "os/helper.h"
#include "os/packet.h"
#include "os/thread.h"
#include "receiver/dir_opener.h"
#include "receiver/exec_helper.h"
#include "receiver/senders.h"
#include "session/events.h"

enum {
	FILES = 3,     /* cert, cert-key, ca */
	END_MS = 1000, /* for the process to end */
};

enum message_kind {
	MESSAGE_FAILED,     /* code, text */
	MESSAGE_BEGIN,      /* mode; the base directory, if there is one */
	MESSAGE_WARNING,    /* text */
	MESSAGE_REPORTS,    /* the socket that programs report by */
	MESSAGE_FILE,       /* code: which; the open file */
	MESSAGE_SENDER,     /* sender; its directory */
	MESSAGE_EXEC,       /* of that sender: the socket of its process */
	MESSAGE_OPENER,     /* likewise */
	MESSAGE_CREDENTIAL, /* of that sender: key or text */
	MESSAGE_END,
};

struct message {
	uint32_t kind;
	int32_t code;
	union {
		char text[768];
		struct key key;
		struct {
			char name[SENDER_NAME_MAX + 1];
			char dir[NAME_PATH_MAX + 1];
			int existing;
			struct accept accept;
			uint64_t max_size, max_files, max_kept, rate;
			struct cidr_list allow;
		} sender;
	} u;
};

/* A sender as it arrives. */
struct row {
	struct sender sender;
	uint64_t rate;
	size_t credentials;
	char *name, *dir;
};

struct answer {
	enum security mode;
	int base_fd, reports_fd, files[FILES];
	struct row *rows;
	size_t count;
	struct key *keys;  /* of all senders, in their order, */
	char **texts;      /* or pins or subjects */
	size_t credential_count;
};

struct senders_helper {
	const char *path; /* borrowed */
	enum sandbox_mode sandbox;
	const struct session_events *events;
	struct helper helper;
	enum security mode;
	int base_fd, exec_fd;
};

static int no_section(const char *path, struct err *e)
{
	char shown[200];

	return err_set(e, ERR_USAGE, "%s has no section, so that nobody could "
		       "send (see ferry.conf(5))",
		       text_escape(shown, sizeof(shown), path, strlen(path)));
}

int senders_helper_check(const char *path, size_t *count,
			 struct err warnings[SENDERS_WARNINGS], struct err *e)
{
	struct senders_load l;
	int rc = senders_load(&l, path, -1, SANDBOX_OFF, e);

	*count = l.file.count;
	memcpy(warnings, l.warnings, sizeof(l.warnings));
	senders_load_release(&l);
	return rc || *count ? rc : no_section(path, e);
}

/* ---- in the helper ---- */

static int send_message(struct message *m, enum message_kind kind, int fd)
{
	m->kind = kind;
	return helper_send(HELPER_SOCKET, m, sizeof(*m), fd, 0);
}

static int send_error(enum message_kind kind, const struct err *e)
{
	struct message m = { .code = e->code };

	snprintf(m.u.text, sizeof(m.u.text), "%s", e->text);
	return send_message(&m, kind, -1);
}

/* A process that belongs to the receiver from now on. */
static int send_process(struct message *m, enum message_kind kind, int fd)
{
	int rc = send_message(m, kind, fd);

	io_close(&fd);
	return rc;
}

static int send_credentials(const struct senders_load *l,
			    const struct senders_section *s, size_t first)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->credential_count; i++) {
		struct message m = { .code = 0 };

		if (l->file.mode == SECURITY_PSK)
			m.u.key = l->keys[first + i];
		else
			snprintf(m.u.text, sizeof(m.u.text), "%s",
				 s->credentials[i].text);
		rc = send_message(&m, MESSAGE_CREDENTIAL, -1);
		wipe(&m, sizeof(m));
	}
	return rc;
}

static int send_sender(const struct senders_section *s,
		       struct senders_opened *o)
{
	struct message m = { .code = 0 };
	int rc;

	snprintf(m.u.sender.name, sizeof(m.u.sender.name), "%s", s->name);
	snprintf(m.u.sender.dir, sizeof(m.u.sender.dir), "%s", s->dir);
	m.u.sender.existing = s->existing;
	m.u.sender.accept = s->accept;
	m.u.sender.max_size = s->max_size;
	m.u.sender.max_files = s->max_files;
	m.u.sender.max_kept = s->max_kept;
	m.u.sender.rate = s->rate;
	m.u.sender.allow = s->allow;
	rc = send_message(&m, MESSAGE_SENDER, o->root_fd);
	if (rc == 0 && o->exec)
		rc = send_process(&m, MESSAGE_EXEC,
				  exec_helper_detach(o->exec));
	o->exec = NULL;
	if (rc == 0 && o->opener)
		rc = send_process(&m, MESSAGE_OPENER,
				  dir_opener_detach(o->opener));
	o->opener = NULL;
	return rc;
}

/* Before the answer begins: the receiver would wait in the middle of it for a
 * disk that does not answer. */
static void open_files(const struct senders_file *f, int files[FILES])
{
	const char *const paths[FILES] = { f->defaults.cert,
					   f->defaults.cert_key,
					   f->defaults.ca };

	for (int i = 0; i < FILES; i++)
		files[i] = paths[i] ? open(paths[i],
					   O_RDONLY | O_CLOEXEC | O_NONBLOCK) :
				      -1;
}

static int send_all(struct senders_load *l, int reports_fd)
{
	struct message m = { .code = (int32_t)l->file.mode };
	size_t first = 0;
	int files[FILES], rc;

	open_files(&l->file, files);
	rc = send_message(&m, MESSAGE_BEGIN, l->base_fd);

	for (int i = 0; rc == 0 && i < SENDERS_WARNINGS; i++) {
		if (l->warnings[i].code)
			rc = send_error(MESSAGE_WARNING, &l->warnings[i]);
	}
	if (rc == 0)
		rc = send_message(&m, MESSAGE_REPORTS, reports_fd);
	for (int i = 0; i < FILES; i++) {
		m.code = i;
		if (rc == 0 && files[i] >= 0)
			rc = send_message(&m, MESSAGE_FILE, files[i]);
		io_close(&files[i]);
	}
	for (size_t i = 0; rc == 0 && i < l->file.count; i++) {
		const struct senders_section *s = &l->file.list[i];

		rc = send_sender(s, &l->opened[i]);
		if (rc == 0)
			rc = send_credentials(l, s, first);
		first += s->credential_count;
	}
	return rc ? rc : send_message(&m, MESSAGE_END, -1);
}

/* A disk that does not answer is waited for without end. */
static void *end_with_receiver(void *unused)
{
	/* POLLHUP, which need not be asked for: the receiver has ended. */
	struct pollfd pfd = { .fd = HELPER_SOCKET };

	(void)unused;
	while (poll(&pfd, 1, -1) <= 0)
		;
	_exit(0);
}

static void serve(void *ctx)
{
	const struct senders_helper *h = ctx;
	int32_t request = 0;
	pthread_t thread;
	int reports[2];

	/* The processes that are started here belong to the receiver; nobody
	 * waits for them. */
	signal(SIGCHLD, SIG_IGN);
	if (packet_pair(reports) < 0)
		return;
	/* Without the thread only a reader that hangs outlives the receiver. */
	(void)thread_start(&thread, end_with_receiver, NULL);
	while (helper_receive(HELPER_SOCKET, &request, sizeof(request), NULL,
			      0) == 0) {
		struct senders_load l;
		struct err e;
		int rc;

		err_clear(&e);
		rc = senders_load(&l, h->path, reports[1], h->sandbox, &e);
		rc = rc ? send_error(MESSAGE_FAILED, &e) :
			  send_all(&l, reports[0]);
		senders_load_release(&l);
		if (rc)
			return;
	}
}

/* ---- in the receiver ---- */

struct senders_helper *senders_helper_start(const char *path,
					    enum sandbox_mode sandbox,
					    const struct session_events *events,
					    struct err *e)
{
	struct senders_helper *h = calloc(1, sizeof(*h));
	const struct helper_config cfg = { HELPER_STDIO_ERROR, -1, serve, h };

	if (!h) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	h->path = path;
	h->base_fd = h->exec_fd = -1;
	h->sandbox = sandbox;
	h->events = events;
	if (helper_start(&h->helper, &cfg) == 0)
		return h;
	err_sys(e, ERR_RESOURCE,
		"cannot start a process to read the senders' file");
	free(h);
	return NULL;
}

void senders_helper_stop(struct senders_helper *h)
{
	if (!h)
		return;
	/* The disk that it reads from may not answer. */
	helper_stop(&h->helper, helper_ends(&h->helper, END_MS));
	io_close(&h->base_fd);
	io_close(&h->exec_fd);
	free(h);
}

void senders_helper_finish(void *h)
{
	const struct senders_helper *own = h;

	(void)shutdown(own->helper.fd, SHUT_WR);
}

static void answer_release(struct answer *a)
{
	for (size_t i = 0; i < a->count; i++) {
		struct row *r = &a->rows[i];

		io_close(&r->sender.root_fd);
		exec_helper_free(r->sender.exec);
		dir_opener_free(r->sender.opener);
		free(r->name);
		free(r->dir);
	}
	for (size_t i = 0; i < a->credential_count; i++) {
		key_wipe(&a->keys[i]);
		free(a->texts[i]);
	}
	for (int i = 0; i < FILES; i++)
		io_close(&a->files[i]);
	io_close(&a->base_fd);
	io_close(&a->reports_fd);
	free(a->rows);
	free(a->keys);
	free(a->texts);
}

/* Takes the descriptor over. */
static int add_row(struct answer *a, const struct message *m, int fd)
{
	struct row *rows = mem_resize(a->rows, a->count + 1, sizeof(*rows));
	struct stat st = { 0 };
	struct row *r;

	if (!rows || fstat(fd, &st) < 0) {
		a->rows = rows ? rows : a->rows;
		io_close(&fd);
		return -1;
	}
	a->rows = rows;
	r = &rows[a->count++];
	memset(r, 0, sizeof(*r));
	r->name = strdup(m->u.sender.name);
	r->dir = strdup(m->u.sender.dir);
	r->rate = m->u.sender.rate;
	r->sender = (struct sender){
		.name = r->name,
		.dir = r->dir,
		.root_fd = fd,
		.root_dev = (uint64_t)st.st_dev,
		.existing = (enum conflict_policy)m->u.sender.existing,
		.accept = m->u.sender.accept.requests,
		.preserve = m->u.sender.accept.preserve | PRESERVE_HARDLINKS,
		.max_size = m->u.sender.max_size,
		.max_files = m->u.sender.max_files,
		.max_kept = m->u.sender.max_kept,
		.allow = m->u.sender.allow,
	};
	return r->name && r->dir ? 0 : -1;
}

static int add_credential(struct answer *a, const struct message *m)
{
	const size_t n = a->credential_count;
	struct key *keys = calloc(n + 1, sizeof(*keys));
	char **texts = mem_resize(a->texts, n + 1, sizeof(*texts));

	if (texts)
		a->texts = texts;
	if (!texts || !keys || a->count == 0) {
		free(keys);
		return -1;
	}
	/* Not realloc(), which leaves copies of keys behind. */
	for (size_t i = 0; i < n; i++) {
		keys[i] = a->keys[i];
		key_wipe(&a->keys[i]);
	}
	free(a->keys);
	a->keys = keys;
	texts[n] = NULL;
	a->credential_count++;
	a->rows[a->count - 1].credentials++;
	if (a->mode == SECURITY_PSK)
		keys[n] = m->u.key;
	else
		texts[n] = strdup(m->u.text);
	return a->mode == SECURITY_PSK || texts[n] ? 0 : -1;
}

/* Takes the descriptor over.  Returns 0 or -1 when out of memory. */
static int take_message(struct answer *a, const struct message *m, int fd)
{
	struct row *last = a->count ? &a->rows[a->count - 1] : NULL;
	int unused = -1;

	switch ((enum message_kind)m->kind) {
	case MESSAGE_BEGIN:
		a->mode = (enum security)m->code;
		a->base_fd = fd;
		return 0;
	case MESSAGE_REPORTS:
		a->reports_fd = fd;
		return 0;
	case MESSAGE_FILE:
		a->files[m->code % FILES] = fd;
		return 0;
	case MESSAGE_SENDER:
		return add_row(a, m, fd);
	case MESSAGE_EXEC:
		if (!last)
			break;
		last->sender.exec = exec_helper_adopt(fd);
		return last->sender.exec ? 0 : -1;
	case MESSAGE_OPENER:
		if (!last)
			break;
		last->sender.opener = dir_opener_adopt(fd);
		return last->sender.opener ? 0 : -1;
	case MESSAGE_CREDENTIAL:
		unused = fd;
		io_close(&unused);
		return add_credential(a, m);
	case MESSAGE_WARNING:
	case MESSAGE_FAILED:
	case MESSAGE_END:
		break;
	}
	unused = fd;
	io_close(&unused);
	return 0;
}

/* Receive a whole answer.  Once it has begun, it is complete in the helper, so
 * that this does not wait for a disk. */
static int receive_answer(const struct senders_helper *h, struct answer *a,
			  struct err *e)
{
	struct message m = { .kind = MESSAGE_BEGIN };
	int fd, rc = 0;

	memset(a, 0, sizeof(*a));
	a->base_fd = a->reports_fd = -1;
	for (int i = 0; i < FILES; i++)
		a->files[i] = -1;
	while (m.kind != MESSAGE_END) {
		if (helper_receive(h->helper.fd, &m, sizeof(m), &fd, 0) < 0)
			return err_set(e, ERR_CLOSED,
				       "the process that reads the file of "
				       "--config has ended");
		if (m.kind == MESSAGE_FAILED || m.kind == MESSAGE_WARNING)
			m.u.text[sizeof(m.u.text) - 1] = '\0';
		if (m.kind == MESSAGE_FAILED)
			return err_set(e, m.code, "%s", m.u.text);
		if (m.kind == MESSAGE_WARNING)
			events_message(h->events, SESSION_WARNING, "%s",
				       m.u.text);
		/* The rest has to be taken out of the socket in any case. */
		if (take_message(a, &m, fd))
			rc = -1;
		if (m.kind == MESSAGE_CREDENTIAL)
			wipe(&m.u, sizeof(m.u));
	}
	return rc ? err_set(e, ERR_RESOURCE, "out of memory") : 0;
}

/* After the receiver was confined, it cannot use a directory elsewhere. */
static int is_reachable(const struct row *r)
{
	int fd = openat(r->sender.root_fd, ".",
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	io_close(&fd);
	return 1;
}

/* Leave out the senders whose directories cannot be used. */
static void drop_unreachable(const struct senders_helper *h, struct answer *a)
{
	size_t kept = 0, from = 0, to = 0;

	for (size_t i = 0; i < a->count; i++) {
		struct row *r = &a->rows[i];
		const size_t n = r->credentials;

		assert(n == 0 || (a->keys && a->texts));
		if (is_reachable(r)) {
			for (size_t k = 0; k < n; k++) {
				char *text = a->texts[from + k];

				a->keys[to + k] = a->keys[from + k];
				a->texts[from + k] = a->texts[to + k];
				a->texts[to + k] = text;
			}
			to += n;
			a->rows[kept++] = *r;
		} else {
			events_message(h->events, SESSION_WARNING,
				       "[%s] is refused until the receiver is "
				       "started again: %s lies outside of the "
				       "directories that it was confined to "
				       "when it started", r->name, r->dir);
			io_close(&r->sender.root_fd);
			exec_helper_free(r->sender.exec);
			dir_opener_free(r->sender.opener);
			free(r->name);
			free(r->dir);
		}
		from += n;
	}
	while (a->credential_count > to) {
		key_wipe(&a->keys[--a->credential_count]);
		free(a->texts[a->credential_count]);
	}
	a->count = kept;
}

static struct tls *make_tls(const struct answer *a, struct err *e)
{
	static const struct key none;
	char paths[FILES][32];
	struct tls_config cfg = {
		/* Without a sender, no key lets anybody in. */
		.mode = a->count ? a->mode : SECURITY_PSK,
		.role = NET_LISTENS,
		.keys = a->keys ? a->keys : &none,
		.key_count = a->credential_count,
	};
	const char **const to[FILES] = { &cfg.cert_file, &cfg.cert_key_file,
					 &cfg.ca_file };
	const char *const *texts = (const char *const *)a->texts;

	for (int i = 0; i < FILES; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/dev/fd/%d", a->files[i]);
		if (a->files[i] >= 0)
			*to[i] = paths[i];
	}
	if (cfg.mode == SECURITY_PIN) {
		cfg.pins = texts;
		cfg.pin_count = a->credential_count;
	} else if (cfg.mode == SECURITY_X509) {
		cfg.subjects = texts;
		cfg.subject_count = a->credential_count;
	}
	return tls_new(&cfg, e);
}

static int make_senders(struct answer *a, struct senders **senders,
			struct err *e)
{
	struct tls *tls = make_tls(a, e);
	struct senders *ss = tls ? senders_new(tls) : NULL;
	char identity[TLS_CREDENTIAL_MAX];
	size_t n = 0;
	int rc = 0;

	if (!tls)
		return e->code;
	if (!ss) {
		tls_free(tls);
		return err_set(e, ERR_RESOURCE, "out of memory");
	}
	for (size_t i = 0; rc == 0 && i < a->count; i++) {
		struct row *r = &a->rows[i];
		const size_t until = n + r->credentials;

		rc = senders_add(ss, &r->sender, r->rate) ? 0 : -1;
		r->sender.root_fd = -1;
		r->sender.exec = NULL;
		r->sender.opener = NULL;
		for (; rc == 0 && n < until; n++) {
			tls_credential(tls, n, identity);
			rc = senders_add_credential(ss, identity);
		}
	}
	if (rc) {
		senders_release(ss);
		return err_set(e, ERR_RESOURCE, "out of memory");
	}
	*senders = ss;
	return 0;
}

int senders_helper_first(struct senders_helper *h, struct senders **senders,
			 struct err *e)
{
	const int32_t request = SIGHUP;
	struct answer a;
	int rc;

	if (helper_send(h->helper.fd, &request, sizeof(request), -1, 0) < 0)
		return err_sys(e, ERR_RESOURCE,
			       "cannot have the senders' file read");
	rc = receive_answer(h, &a, e);
	if (rc == 0 && a.count == 0)
		rc = no_section(h->path, e);
	if (rc == 0)
		rc = make_senders(&a, senders, e);
	if (rc == 0) {
		h->mode = a.mode;
		h->base_fd = a.base_fd;
		h->exec_fd = a.reports_fd;
		a.base_fd = a.reports_fd = -1;
	}
	answer_release(&a);
	return rc;
}

int senders_helper_fd(const struct senders_helper *h)
{
	return h->helper.fd;
}

int senders_helper_take(void *ctx, struct senders **senders, struct err *e)
{
	const struct senders_helper *h = ctx;
	struct answer a;
	int rc = receive_answer(h, &a, e);

	if (rc == 0 && a.count > 0 && a.mode != h->mode)
		rc = err_set(e, ERR_USAGE,
			     "keys, pins and subjects cannot take the place of "
			     "one another while the receiver runs: start it "
			     "again");
	if (rc == 0) {
		/* without a section it says nothing about the mode */
		a.mode = h->mode;
		drop_unreachable(h, &a);
		rc = make_senders(&a, senders, e);
	}
	answer_release(&a);
	return rc;
}

enum security senders_helper_mode(const struct senders_helper *h)
{
	return h->mode;
}

int senders_helper_base_fd(const struct senders_helper *h)
{
	return h->base_fd >= 0 ? h->base_fd : 0;
}

int senders_helper_exec_fd(const struct senders_helper *h)
{
	return h->exec_fd;
}
