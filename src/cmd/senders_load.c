/*
 * Directories and programs first, secrets last: the processes that are started
 * here have a copy of this one's memory.
 */
#include "cmd/senders_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/key.h"
#include "auth/tls.h"
#include "base/io.h"
#include "base/text.h"
#include "receiver/dir_opener.h"
#include "receiver/exec_check.h"
#include "receiver/exec_helper.h"
#include "receiver/senders.h"

enum {
	SHOWN_MAX = 200,
	WARNING_MAX = 500,
	/* The kernel opens no path with more (path_resolution(7)). */
	LINKS_MAX = 40,
	TARGET_MAX = 4096, /* Linux has none that is longer */
};

/* A path that is not there may have been meant otherwise than it is taken. */
static void hint_at_text(const char *path, struct err *e)
{
	const char *hint =
		e->sys_errno != ENOENT && e->sys_errno != ENOTDIR ? NULL :
		strpbrk(path, "\"'") ? "there are no quotes in this file" :
		strstr(path, " #") || strstr(path, " ;") ?
			"a comment has a line of its own" :
		path[strcspn(path, "~$")] ?
			"neither ~ nor variables are replaced here" :
		strstr(path, " -") ?
			"a program gets no arguments: write a script" : NULL;

	if (hint)
		err_append(e, " (%s)", hint);
}

/* Put "FILE:LINE: [NAME]: " before the error. */
static int at_line(const struct senders_load *l,
		   const struct senders_section *s, unsigned line,
		   struct err *e)
{
	char path[SHOWN_MAX];

	text_escape(path, sizeof(path), l->file.path, strlen(l->file.path));
	if (s->name)
		return err_prefix(e, "%s:%u: [%s]", path, line, s->name);
	return err_prefix(e, "%s:%u", path, line);
}

/* ---- directories ---- */

static int open_dir(const char *dir, int is_base, int *fd, struct err *e)
{
	char shown[SHOWN_MAX];

	text_escape(shown, sizeof(shown), dir, strlen(dir));
	*fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return err_sys(e, ERR_LOCAL, "cannot open the directory %s",
			       shown);
	if (!is_base && faccessat(*fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return err_sys(e, ERR_LOCAL,
			       "cannot write to the directory %s (change its "
			       "owner or mode)", shown);
	return 0;
}

/* Without the real path check_place() would find nothing in that directory.
 * errno is that of the call that did not find it. */
static int check_is_known(const struct senders_opened *o,
			  const struct senders_section *s, struct err *e)
{
	char shown[SHOWN_MAX];

	if (o->real)
		return 0;
	text_escape(shown, sizeof(shown), s->dir, strlen(s->dir));
	return err_sys(e, errno == ENOMEM ? ERR_RESOURCE : ERR_LOCAL,
		       "cannot find the real path of the directory %s", shown);
}

/* A directory that the section does not name is made, so that a sender needs no
 * more than its section. */
static int open_root(struct senders_load *l, size_t i, int makes_dirs,
		     struct err *e)
{
	const struct senders_section *s = &l->file.list[i];
	const int is_default = s->has_default_dir;
	struct stat st;

	if (is_default && makes_dirs && mkdir(s->dir, 0700) < 0 &&
	    errno != EEXIST)
		return err_sys(e, ERR_LOCAL, "cannot make the directory %s",
			       s->dir);
	/* a symlink that leads nowhere is in the way */
	if (is_default && !makes_dirs && lstat(s->dir, &st) < 0 &&
	    errno == ENOENT) {
		if (faccessat(l->base_fd, ".", W_OK | X_OK, AT_EACCESS) == 0) {
			char *base = realpath(l->file.defaults.dir, NULL);

			if (base)
				l->opened[i].real =
					text_format("%s/%s", base, s->name);
			free(base);
			return check_is_known(&l->opened[i], s, e);
		}
		return err_sys(e, ERR_LOCAL, "cannot make the directory %s",
			       s->dir);
	}
	if (open_dir(s->dir, 0, &l->opened[i].root_fd, e))
		return e->code;
	if (fstat(l->opened[i].root_fd, &st) < 0)
		return err_sys(e, ERR_LOCAL, "stat");
	l->opened[i].dev = (uint64_t)st.st_dev;
	l->opened[i].ino = (uint64_t)st.st_ino;
	l->opened[i].real = realpath(s->dir, NULL);
	return check_is_known(&l->opened[i], s, e);
}

static int open_roots(struct senders_load *l, int makes_dirs, struct err *e)
{
	const struct senders_section *d = &l->file.defaults;
	int rc = 0;

	if (d->dir && open_dir(d->dir, 1, &l->base_fd, e)) {
		hint_at_text(d->dir, e);
		return at_line(l, d, senders_file_line(d, "dir"), e);
	}
	for (size_t i = 0; rc == 0 && i < l->file.count; i++) {
		const struct senders_section *s = &l->file.list[i];

		rc = open_root(l, i, makes_dirs, e);
		if (rc) {
			hint_at_text(s->dir, e);
			at_line(l, s, s->has_default_dir ?
				s->line : senders_file_line(s, "dir"), e);
		}
	}
	return rc;
}

/* The sender whose directory this is, also where it is mounted elsewhere, or
 * has it in it; or NULL. */
static const struct senders_section *sender_of(const struct senders_load *l,
					       const char *real)
{
	struct stat st;
	const int is_there = stat(real, &st) == 0;

	for (size_t i = 0; i < l->file.count; i++) {
		const struct senders_opened *o = &l->opened[i];

		if (o->real && (strcmp(real, o->real) == 0 ||
				exec_check_is_below(real, o->real)))
			return &l->file.list[i];
		if (is_there && o->root_fd >= 0 &&
		    o->dev == (uint64_t)st.st_dev &&
		    o->ino == (uint64_t)st.st_ino)
			return &l->file.list[i];
	}
	return NULL;
}

/* The target of the symlink at path, from the real directory that it is in;
 * NULL for what is none, or when errno is ENOMEM. */
static char *target_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char link[TARGET_MAX], *dir, *real, *target = NULL;
	ssize_t n;

	errno = 0;
	n = slash ? readlink(path, link, sizeof(link) - 1) : -1;
	if (n <= 0)
		return NULL;
	link[n] = '\0';
	if (link[0] == '/')
		return strdup(link);
	dir = strndup(path, (size_t)(slash - path) + 1);
	real = dir ? realpath(dir, NULL) : NULL;
	if (real)
		target = text_format("%s/%s", real, link);
	free(real);
	free(dir);
	return target;
}

/* Find the sender who could replace what is at path: *s, which is NULL at
 * first, and stays so where there is none.  Each directory on the way counts,
 * also on that of the target of a symlink: a symlink in it may lead out of the
 * sender's directory again, and be replaced as well.  links: of how many
 * symlinks the targets are still followed. */
static int find_replacer(const struct senders_load *l, const char *path,
			 unsigned *links, const struct senders_section **s,
			 struct err *e)
{
	char *part = text_format("%s%s", path[0] == '/' ? "" : "./", path);
	char *slash = part;
	int is_lost = !part, rc = 0;

	while (slash && !*s && !is_lost && rc == 0) {
		char *real = realpath(part, NULL), *target = NULL;

		is_lost = !real && errno == ENOMEM;
		*s = real ? sender_of(l, real) : NULL;
		free(real);
		if (!*s && !is_lost && *links > 0) {
			target = target_of(part);
			is_lost = !target && errno == ENOMEM;
		}
		if (target) {
			--*links;
			rc = find_replacer(l, target, links, s, e);
			free(target);
		}
		slash = strrchr(part, '/');
		if (slash)
			*slash = '\0';
	}
	free(part);
	return is_lost ? err_set(e, ERR_RESOURCE, "out of memory") : rc;
}

/* Nothing that decides who may do what is to be in a directory that is received
 * into.  s and line: what names the path, or NULL and 0.  path: NULL is
 * allowed. */
static int check_place(const struct senders_load *l,
		       const struct senders_section *s, unsigned line,
		       const char *what, const char *path, struct err *e)
{
	const struct senders_section *owner = NULL;
	unsigned links = LINKS_MAX;
	char shown[SHOWN_MAX];
	const int rc = path ? find_replacer(l, path, &links, &owner, e) : 0;

	if (rc == 0 && !owner)
		return 0;
	if (owner) {
		text_escape(shown, sizeof(shown), path, strlen(path));
		err_set(e, ERR_USAGE, "%s %s lies in the directory of [%s], "
			"where that sender could replace it: move it", what,
			shown, owner->name);
	}
	return s ? at_line(l, s, line, e) : e->code;
}

static int check_key(const struct senders_load *l,
		     const struct senders_section *s, const char *key,
		     const char *path, struct err *e)
{
	return check_place(l, s, senders_file_line(s, key), key, path, e);
}

static int check_places(const struct senders_load *l, struct err *e)
{
	const struct senders_file *f = &l->file;
	const struct senders_section *d = &f->defaults;
	int rc = check_place(l, NULL, 0, "the file", f->path, e);

	if (rc == 0)
		rc = check_key(l, d, "cert", d->cert, e);
	if (rc == 0)
		rc = check_key(l, d, "cert-key", d->cert_key, e);
	if (rc == 0)
		rc = check_key(l, d, "ca", d->ca, e);
	for (size_t i = 0; rc == 0 && i < f->count; i++) {
		const struct senders_section *s = &f->list[i];

		rc = check_key(l, s, "exec", s->exec, e);
		for (size_t k = 0; rc == 0 && f->mode == SECURITY_PSK &&
				   k < s->credential_count; k++)
			rc = check_place(l, s, s->credentials[k].line, "key",
					 s->credentials[k].text, e);
	}
	return rc;
}

/* Warn where a sender can reach the directory of another one: the file need not
 * show it, as some directories have no line of their own, and there are
 * symlinks. */
static void check_nested(struct senders_load *l)
{
	const struct senders_file *f = &l->file;
	const struct senders_section *first = NULL, *outer = NULL;
	struct err *w = &l->warnings[SENDERS_NESTED];
	char shown[SHOWN_MAX];
	size_t more = 0;

	for (size_t i = 0; i < f->count; i++) {
		for (size_t k = 0; k < f->count; k++) {
			const char *in = l->opened[i].real;
			const char *of = l->opened[k].real;

			if (!in || !of || !exec_check_is_below(in, of))
				continue;
			more += first != NULL;
			outer = first ? outer : &f->list[k];
			first = first ? first : &f->list[i];
		}
	}
	if (!first)
		return;
	text_escape(shown, sizeof(shown), first->dir, strlen(first->dir));
	err_set(w, ERR_USAGE, "its directory %s lies in that of [%s], "
		"which can change what is in it", shown, outer->name);
	if (more > 0)
		err_append(w, " (and %zu more are like this)", more);
	at_line(l, first, first->has_default_dir ?
		first->line : senders_file_line(first, "dir"), w);
}

/* ---- processes ---- */

static int bad_program(const struct senders_load *l,
		       const struct senders_section *s, struct err *e)
{
	hint_at_text(s->exec, e);
	err_prefix(e, "exec");
	return at_line(l, s, senders_file_line(s, "exec"), e);
}

static int check_programs(const struct senders_load *l, struct err *e)
{
	for (size_t i = 0; i < l->file.count; i++) {
		const struct senders_section *s = &l->file.list[i];
		/* One that will be made will lie in that of the defaults. */
		const char *dir = l->opened[i].root_fd >= 0 ?
					  s->dir : l->file.defaults.dir;

		if (s->exec && exec_helper_check(s->exec, dir, e))
			return bad_program(l, s, e);
	}
	return 0;
}

static int start_processes(struct senders_load *l, int report_fd,
			   enum sandbox_mode sandbox, struct err *e)
{
	const int needs_opener = geteuid() != 0;

	for (size_t i = 0; i < l->file.count; i++) {
		const struct senders_section *s = &l->file.list[i];
		struct senders_opened *o = &l->opened[i];

		if (s->exec)
			o->exec = exec_helper_start(s->exec, s->dir, report_fd,
						    e);
		if (s->exec && !o->exec)
			return bad_program(l, s, e);
		if (needs_opener)
			o->opener = dir_opener_start(s->dir, sandbox, e);
		if (needs_opener && !o->opener)
			return at_line(l, s, s->line, e);
	}
	return 0;
}

/* ---- credentials ---- */

static int load_keys(struct senders_load *l, struct err *e)
{
	const struct senders_file *f = &l->file;
	size_t n = 0;

	l->keys = calloc(l->credential_count + 1, sizeof(*l->keys));
	if (!l->keys)
		return err_set(e, ERR_RESOURCE, "out of memory");
	for (size_t i = 0; i < f->count; i++) {
		const struct senders_section *s = &f->list[i];

		for (size_t k = 0; k < s->credential_count; k++) {
			const struct senders_credential *c = &s->credentials[k];

			if (key_load(&l->keys[n++], c->text, e) == 0)
				continue;
			hint_at_text(c->text, e);
			return at_line(l, s, c->line, e);
		}
	}
	return 0;
}

/* The section and the credential with this index of all. */
static const struct senders_section *find_section(
	const struct senders_file *f, size_t index,
	const struct senders_credential **c)
{
	const struct senders_section *s = f->list;

	while (index >= s->credential_count)
		index -= s++->credential_count;
	*c = &s->credentials[index];
	return s;
}

static int check_twins(const struct senders_load *l, const struct tls *tls,
		       struct err *e)
{
	const struct senders_section *one, *other;
	const struct senders_credential *first, *second;
	size_t a, b;

	if (!tls_has_twins(tls, &a, &b))
		return 0;
	one = find_section(&l->file, a, &first);
	other = find_section(&l->file, b, &second);
	err_set(e, ERR_USAGE, "this is also the %s of [%s] in line %u%s",
		l->file.mode == SECURITY_PSK ? "key" :
		l->file.mode == SECURITY_PIN ? "pin" : "subject",
		one->name, first->line,
		one == other ? "" : ": who sends could not be told");
	return at_line(l, other, second->line, e);
}

/* The key of the file that the error names. */
static const char *named_in(const struct senders_section *d,
			    const struct err *e)
{
	if (d->ca && strstr(e->text, d->ca))
		return "ca";
	if (d->cert_key && strstr(e->text, d->cert_key))
		return "cert-key";
	return "cert";
}

/* Opening a FIFO would wait for a writer, and all later reloads with it. */
static int check_is_file(const struct senders_load *l, const char *key,
			 const char *path, struct err *e)
{
	const struct senders_section *d = &l->file.defaults;
	char shown[SHOWN_MAX];
	struct stat st;

	if (!path || stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return 0;
	text_escape(shown, sizeof(shown), path, strlen(path));
	err_set(e, ERR_USAGE, "%s is not a regular file", shown);
	return at_line(l, d, senders_file_line(d, key), e);
}

/* The texts of the credentials of all sections, to be freed.  NULL without
 * memory. */
static const char **credential_texts(const struct senders_load *l)
{
	const struct senders_file *f = &l->file;
	const char **texts = calloc(l->credential_count + 1, sizeof(*texts));
	size_t n = 0;

	for (size_t i = 0; texts && i < f->count; i++) {
		for (size_t k = 0; k < f->list[i].credential_count; k++)
			texts[n++] = f->list[i].credentials[k].text;
	}
	return texts;
}

/* Make of them what the receiver will make, to find what is wrong. */
static int check_credentials(struct senders_load *l, struct err *e)
{
	const struct senders_file *f = &l->file;
	const struct senders_section *d = &f->defaults;
	const char **texts;
	struct tls_config cfg = {
		.mode = f->mode,
		.role = NET_LISTENS,
		.keys = l->keys,
		.key_count = l->credential_count,
		.cert_file = d->cert,
		.cert_key_file = d->cert_key,
		.ca_file = d->ca,
	};
	char text[WARNING_MAX];
	struct tls *tls;
	int rc;

	/* cert-key is checked as a secret. */
	if (check_is_file(l, "cert", d->cert, e) ||
	    check_is_file(l, "ca", d->ca, e))
		return e->code;
	texts = credential_texts(l);
	if (!texts)
		return err_set(e, ERR_RESOURCE, "out of memory");
	if (f->mode == SECURITY_PIN) {
		cfg.pins = texts;
		cfg.pin_count = l->credential_count;
	} else if (f->mode == SECURITY_X509) {
		cfg.subjects = texts;
		cfg.subject_count = l->credential_count;
	}
	tls = tls_new(&cfg, e);
	if (tls && tls_has_bad_dates(tls, &cfg, text, sizeof(text))) {
		struct err *w = &l->warnings[SENDERS_BAD_DATES];

		err_set(w, ERR_USAGE, "%s", text);
		at_line(l, d, senders_file_line(d, named_in(d, w)), w);
	}
	if (!tls)
		rc = at_line(l, d, senders_file_line(d, named_in(d, e)), e);
	else
		rc = check_twins(l, tls, e);
	tls_free(tls);
	free(texts);
	return rc;
}

/* ---- all ---- */

int senders_load(struct senders_load *l, const char *path, int report_fd,
		 enum sandbox_mode sandbox, struct err *e)
{
	const int starts = report_fd >= 0;
	int rc;

	memset(l, 0, sizeof(*l));
	l->base_fd = -1;
	rc = senders_file_load(&l->file, path, e);
	if (rc)
		return rc;
	l->opened = calloc(l->file.count + 1, sizeof(*l->opened));
	if (!l->opened)
		return err_set(e, ERR_RESOURCE, "out of memory");
	for (size_t i = 0; i < l->file.count; i++) {
		l->opened[i].root_fd = -1;
		l->credential_count += l->file.list[i].credential_count;
	}
	rc = open_roots(l, starts, e);
	check_nested(l);
	if (rc == 0)
		rc = check_places(l, e);
	if (rc == 0)
		rc = starts ? start_processes(l, report_fd, sandbox, e) :
			      check_programs(l, e);
	if (rc == 0 && l->file.mode == SECURITY_PSK)
		rc = load_keys(l, e);
	return rc || !l->credential_count ? rc : check_credentials(l, e);
}

void senders_load_release(struct senders_load *l)
{
	for (size_t i = 0; l->opened && i < l->file.count; i++) {
		io_close(&l->opened[i].root_fd);
		free(l->opened[i].real);
		exec_helper_free(l->opened[i].exec);
		dir_opener_free(l->opened[i].opener);
	}
	free(l->opened);
	for (size_t i = 0; l->keys && i < l->credential_count; i++)
		key_wipe(&l->keys[i]);
	free(l->keys);
	io_close(&l->base_fd);
	senders_file_release(&l->file);
	memset(l, 0, sizeof(*l));
	l->base_fd = -1;
}
