/*
 * Lines to sections.  The keys and their values are in a table of option rows,
 * so that a value here means what it means on the command line.
 */
#include "cmd/senders_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ini.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/similar.h"
#include "base/text.h"
#include "cmd/option_hints.h"
#include "cmd/receive_words.h"
#include "receiver/conflict.h"
#include "receiver/senders.h"

enum {
	SHOWN_MAX = 100, /* of a text of the file in a message */
};

/* What systemd names the directory of a service's credentials by. */
#define CREDENTIALS "CREDENTIALS_DIRECTORY"
#define CREDENTIALS_PREFIX "${" CREDENTIALS "}/"

/* Of a type in a subject: a word, or numbers with dots. */
#define TYPE_CHARACTERS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"

enum where { ANYWHERE, ABOVE, IN_SECTIONS };

struct key {
	struct option_row row;
	enum where where;
	int is_path;
	enum security mode; /* of a credential: the kind that it is */
};

/* Networks with commas or blanks between. */
static int set_allow(void *field, const char *value)
{
	struct cidr_list *list = field;
	char text[64];

	memset(list, 0, sizeof(*list));
	for (value += strspn(value, ", \t"); *value;
	     value += strspn(value, ", \t")) {
		const size_t n = strcspn(value, ", \t");

		if (n >= sizeof(text) || list->count == CIDR_LIST_MAX)
			return ERR_RANGE;
		memcpy(text, value, n);
		text[n] = '\0';
		if (cidr_parse(&list->nets[list->count++], text))
			return ERR_RANGE;
		value += n;
	}
	return list->count > 0 ? 0 : ERR_RANGE;
}

/* What a section says replaces the default. */
static int set_accept(void *field, const char *value)
{
	struct accept accept = { 0, 0 };

	if (strcmp(value, "none") != 0 &&
	    receive_words_set_accept(&accept, value))
		return ERR_RANGE;
	*(struct accept *)field = accept;
	return 0;
}

#define OFF(field) .off = offsetof(struct senders_section, field)

static const struct key keys[] = {
	{ .row = { .name = "dir", .arg = "DIR", .kind = OPTION_TEXT, OFF(dir) },
	  .is_path = 1 },
	{ .row = { .name = "existing", .kind = OPTION_WORD, OFF(existing),
		   .words = receive_words_existing } },
	{ .row = { .name = "accept", .kind = OPTION_SET, .set = set_accept,
		   OFF(accept), .words = receive_words_accept,
		   .wants = "none or a list of WORDS, separated by commas" } },
	{ .row = { .name = "max-size", .kind = OPTION_SIZE, .min = 1,
		   .max = (uint64_t)1 << 60, OFF(max_size),
		   .wants = "bytes, such as 500K, 10M or 1G" } },
	{ .row = { .name = "max-files", .kind = OPTION_NUMBER, .min = 1,
		   .max = (uint64_t)1 << 53, OFF(max_files) } },
	{ .row = { .name = "max-kept", .kind = OPTION_SIZE, .min = 1,
		   .max = (uint64_t)1 << 60, OFF(max_kept),
		   .wants = "bytes, such as 500K, 10M or 1G" } },
	{ .row = { .name = "rate", .kind = OPTION_SIZE, .min = 1,
		   .max = (uint64_t)1 << 53, OFF(rate),
		   .wants = "bytes a second, such as 500K, 10M or 1G" } },
	{ .row = { .name = "allow", .kind = OPTION_SET, .set = set_allow,
		   OFF(allow),
		   .wants = "networks such as 192.0.2.0/24, whose bits after "
			    "the prefix are 0, or addresses, no names" } },
	{ .row = { .name = "exec", .arg = "PROGRAM", .kind = OPTION_TEXT,
		   OFF(exec) },
	  .is_path = 1 },
	{ .row = { .name = "cert", .arg = "FILE", .kind = OPTION_TEXT,
		   OFF(cert) },
	  .where = ABOVE, .is_path = 1 },
	{ .row = { .name = "cert-key", .arg = "FILE", .kind = OPTION_TEXT,
		   OFF(cert_key) },
	  .where = ABOVE, .is_path = 1 },
	{ .row = { .name = "ca", .arg = "FILE", .kind = OPTION_TEXT, OFF(ca) },
	  .where = ABOVE, .is_path = 1 },
	{ .row = { .name = "key" }, .where = IN_SECTIONS, .is_path = 1,
	  .mode = SECURITY_PSK },
	{ .row = { .name = "pin" }, .where = IN_SECTIONS,
	  .mode = SECURITY_PIN },
	{ .row = { .name = "subject" }, .where = IN_SECTIONS,
	  .mode = SECURITY_X509 },
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

_Static_assert((int)KEYS == (int)SENDERS_FILE_KEYS, "a line of each key");

/* What people write instead, from the files of other programs. */
static const struct {
	const char *words, *key;
} habits[] = {
	{ "psk secret secrets password key-file keyfile", "key" },
	{ "path directory root folder", "dir" },
	{ "hosts from network networks hosts-allow allow-from", "allow" },
	{ "command hook run post-xfer-exec", "exec" },
	{ "conflict policy overwrite", "existing" },
	{ "preserve permit", "accept" },
	{ "limit bwlimit bandwidth limit-rate rate-limit", "rate" },
	{ "quota", "max-kept" },
};

/* Options of ferry receive that hold for all senders. */
#define FOR_ALL " port bind sync max-sessions chmod keep-parts timeout drain " \
	"wait sandbox congestion json plain "

/* ---- messages ---- */

__attribute__((format(printf, 4, 5)))
static int fail(const struct senders_file *f, unsigned line, struct err *e,
		const char *fmt, ...)
{
	char path[SHOWN_MAX], text[sizeof(e->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_escape(path, sizeof(path), f->path, strlen(f->path));
	return err_set(e, ERR_USAGE, "%s:%u: %s", path, line, text);
}

/* Whether word is one of these words, with blanks between. */
static int is_one_of(const char *words, const char *word)
{
	const size_t n = strlen(word);

	for (words += strspn(words, " "); *words; words += strspn(words, " ")) {
		const size_t len = strcspn(words, " ");

		if (len == n && memcmp(words, word, n) == 0)
			return 1;
		words += len;
	}
	return 0;
}

static int unknown_key(const struct senders_file *f, unsigned line,
		       const char *name, struct err *e)
{
	const char *near = NULL;
	char shown[SHOWN_MAX];
	struct similar s;

	text_escape(shown, sizeof(shown), name, strlen(name));
	if (is_one_of(FOR_ALL, name))
		return fail(f, line, e, "'%s' is the same for all senders: it "
			    "is no key of this file, but an option: ferry "
			    "receive --%s", shown, shown);
	for (size_t i = 0; i < sizeof(habits) / sizeof(*habits); i++) {
		if (is_one_of(habits[i].words, name))
			near = habits[i].key;
	}
	similar_begin(&s, name);
	for (size_t i = 0; i < KEYS; i++)
		similar_offer(&s, keys[i].row.name);
	near = near ? near : s.nearest;
	return fail(f, line, e, "unknown key '%s'%s%s%s", shown,
		    near ? "; did you mean '" : "", near ? near : "",
		    near ? "'?" : "");
}

/* ---- texts that have to be made ---- */

static int out_of_memory(struct err *e)
{
	return err_set(e, ERR_RESOURCE, "out of memory");
}

/* Own an allocated text.  NULL when out of memory. */
static const char *keep(struct senders_file *f, char *text)
{
	char **made = text ? mem_resize(f->made, f->made_count + 1,
					sizeof(*made)) : NULL;

	if (!made) {
		free(text);
		return NULL;
	}
	f->made = made;
	made[f->made_count++] = text;
	return text;
}

/* A path of the file: one that is relative starts from the file's directory. */
static int make_path(struct senders_file *f, unsigned line, const char *value,
		     const char **path, struct err *e)
{
	const size_t n = sizeof(CREDENTIALS_PREFIX) - 1;
	const char *slash = strrchr(f->path, '/');
	const char *dir = getenv(CREDENTIALS);
	char *text = NULL;

	if (strncmp(value, CREDENTIALS_PREFIX, n) == 0) {
		if (!dir)
			return fail(f, line, e, "there is no " CREDENTIALS
				    " in the environment: the service "
				    "manager sets it for LoadCredential=");
		text = text_format("%s/%s", dir, value + n);
	} else if (value[0] == '/' || !slash) {
		text = strdup(value);
	} else {
		text = text_format("%.*s/%s", (int)(slash - f->path), f->path,
				   value);
	}
	*path = keep(f, text);
	return *path ? 0 : out_of_memory(e);
}

/* ---- lines ---- */

int senders_file_is_name(const char *name)
{
	const size_t n = strlen(name);

	return n > 0 && n <= SENDER_NAME_MAX && !strchr("._@+-", name[0]) &&
	       !name[strspn(name, SENDER_NAME_CHARACTERS)];
}

/* A name stands in messages, and is that of a directory. */
static int check_name(const struct senders_file *f, unsigned line,
		      const char *name, struct err *e)
{
	char shown[SHOWN_MAX];

	text_escape(shown, sizeof(shown), name, strlen(name));
	if (!senders_file_is_name(name))
		return fail(f, line, e, "'%s' cannot be a sender's name: it needs "
			    SENDERS_FILE_NAME, shown);
	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(f->list[i].name, name) == 0)
			return fail(f, line, e, "there is a [%s] in line "
				    "%u already", name, f->list[i].line);
	}
	return 0;
}

static int begin_section(struct senders_file *f, unsigned line,
			 const char *name, struct err *e)
{
	struct senders_section *list, *s;
	int rc = check_name(f, line, name, e);

	if (rc)
		return rc;
	if (f->count == SENDERS_MAX)
		return fail(f, line, e, "there are more than %d sections",
			    (int)SENDERS_MAX);
	list = mem_resize(f->list, f->count + 1, sizeof(*list));
	if (!list)
		return out_of_memory(e);
	f->list = list;
	s = &list[f->count++];
	*s = f->defaults;
	s->name = name;
	s->line = line;
	s->dir = NULL;
	return 0;
}

/* Whether text is as cert_text_of_subject() writes one: TYPE=VALUE, with commas
 * between, or '+', and no blanks after these. */
static int is_subject(const char *text)
{
	const char *c = text;

	while (*c) {
		const size_t n = strspn(c, TYPE_CHARACTERS);

		if (n == 0 || c[n] != '=')
			return 0;
		for (c += n; *c && *c != ',' && *c != '+'; c++)
			c += *c == '\\' && c[1];
		if (*c && !*++c)
			return 0;
	}
	return c > text;
}

/* What can be no subject would let nobody in, without a word. */
static int check_subject(const struct senders_file *f, unsigned line,
			 const char *text, struct err *e)
{
	if (strlen(text) >= TLS_CREDENTIAL_MAX)
		return fail(f, line, e, "a subject of more than %d bytes "
			    "cannot be told apart: use pins",
			    TLS_CREDENTIAL_MAX - 1);
	if (strncmp(text, "sha256:", 7) == 0)
		return fail(f, line, e, "this is a public key, not a subject: "
			    "give it with pin");
	if (strncmp(text, "subject=", 8) == 0)
		return fail(f, line, e, "leave out the first 'subject=', which "
			    "openssl prints before the subject");
	if (!is_subject(text))
		return fail(f, line, e, "a subject is written as in "
			    "CN=alice,O=Example, with no blanks around '=' and "
			    "',' (openssl x509 -noout -subject -nameopt "
			    "RFC2253,-esc_msb)");
	return 0;
}

static int add_credential(struct senders_file *f, struct senders_section *s,
			  const struct key *key, unsigned line,
			  const char *value, struct err *e)
{
	struct senders_credential *all;
	size_t total = 0;

	if (f->mode && f->mode != key->mode)
		return fail(f, line, e, "all sections have a key, or all have "
			    "a pin, or all have a subject: a receiver has one "
			    "security mode");
	for (size_t i = 0; i < f->count; i++)
		total += f->list[i].credential_count;
	if (total == SENDERS_CREDENTIALS_MAX)
		return fail(f, line, e, "there are more than %d keys, pins or "
			    "subjects", (int)SENDERS_CREDENTIALS_MAX);
	if (key->mode == SECURITY_X509 && check_subject(f, line, value, e))
		return e->code;
	f->mode = key->mode;
	all = mem_resize(s->credentials, s->credential_count + 1,
			 sizeof(*all));
	if (!all)
		return out_of_memory(e);
	s->credentials = all;
	all[s->credential_count++] = (struct senders_credential){ value, line };
	return 0;
}

static int take_setting(struct senders_file *f, unsigned line,
			const struct ini_entry *en, struct err *e)
{
	struct senders_section *s = f->count ? &f->list[f->count - 1] :
					       &f->defaults;
	const char *value = en->value;
	size_t i = 0;
	int rc = 0;

	while (i < KEYS && strcmp(keys[i].row.name, en->name) != 0)
		i++;
	if (i == KEYS)
		return unknown_key(f, line, en->name, e);
	if (keys[i].where == ABOVE && f->count)
		return fail(f, line, e, "%s is the same for all senders: put "
			    "it above the first section", en->name);
	if (keys[i].where == IN_SECTIONS && !f->count)
		return fail(f, line, e, "%s belongs to a sender: put it "
			    "below a [NAME]", en->name);
	/* a line above the section is that of the default */
	if (s->lines[i] > s->line && !keys[i].mode)
		return fail(f, line, e, "%s is in line %u already",
			    en->name, s->lines[i]);
	s->lines[i] = line;
	if (keys[i].is_path)
		rc = make_path(f, line, en->value, &value, e);
	if (rc)
		return rc;
	if (keys[i].mode)
		return add_credential(f, s, &keys[i], line, value, e);
	if (options_set(&keys[i].row, en->name, s, value, e) == 0)
		return 0;
	option_hints_setting(&keys[i].row, value, e);
	return fail(f, line, e, "%s", e->text);
}

/* ---- the whole ---- */

static int complete_section(struct senders_file *f, struct senders_section *s,
			    struct err *e)
{
	if (!s->credential_count)
		return fail(f, s->line, e, "[%s] has no key, pin or subject, "
			    "so nobody could prove to be this sender (settings "
			    "for all senders belong above the first section)",
			    s->name);
	if (!s->dir && !f->defaults.dir)
		return fail(f, s->line, e, "[%s] has no dir, and there is none "
			    "above the first section either", s->name);
	if (s->dir)
		return 0;
	s->dir = keep(f, text_format("%s/%s", f->defaults.dir, s->name));
	s->has_default_dir = 1;
	return s->dir ? 0 : out_of_memory(e);
}

static int check_certificates(const struct senders_file *f, struct err *e)
{
	const struct senders_section *d = &f->defaults;
	const char *what = f->mode == SECURITY_PIN ? "pin" : "subject";
	const char *one = d->cert ? "cert" : d->cert_key ? "cert-key" :
			  d->ca ? "ca" : NULL;

	if (f->mode == SECURITY_PSK)
		return !one ? 0 :
			fail(f, senders_file_line(d, one), e,
			     "%s is for senders with a pin or a "
			     "subject, and these have keys", one);
	if (!d->cert || !d->cert_key)
		return fail(f, 1, e, "with %s, this receiver needs a "
			    "certificate: cert and cert-key above the first "
			    "section", what);
	if (f->mode == SECURITY_PIN && d->ca)
		return fail(f, senders_file_line(d, "ca"), e,
			    "ca is for senders with a subject, and these have "
			    "pins");
	if (f->mode == SECURITY_X509 && !d->ca)
		return fail(f, 1, e, "with subject, there has to be a ca above "
			    "the first section, which vouches for it");
	return 0;
}

int senders_file_parse(struct senders_file *f, const char *path,
		       const void *text, size_t size, struct err *e)
{
	struct ini_entry en;
	struct ini ini;
	size_t start = 0;
	int rc;

	memset(f, 0, sizeof(*f));
	f->path = path;
	f->defaults.max_size = f->defaults.max_files = UINT64_MAX;
	f->text = malloc(size + 1);
	if (!f->text)
		return out_of_memory(e);
	if (text)
		memcpy(f->text, text, size);
	f->text[size] = '\0';
	/* some editors put a byte order mark there */
	if (strncmp(f->text, "\xef\xbb\xbf", 3) == 0)
		start = 3;
	ini_init(&ini, f->text + start, size - start);
	while ((rc = ini_next(&ini, &en)) > 0) {
		rc = en.kind == INI_SECTION ?
			     begin_section(f, ini.line, en.name, e) :
			     take_setting(f, ini.line, &en, e);
		if (rc)
			return rc;
	}
	if (rc)
		return fail(f, ini.line, e, "%s", ini.why);
	if (!f->mode)
		f->mode = SECURITY_PSK;
	for (size_t i = 0; rc == 0 && i < f->count; i++)
		rc = complete_section(f, &f->list[i], e);
	return rc || !f->count ? rc : check_certificates(f, e);
}

static int check_owner(int fd, const char *shown, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_LOCAL, "%s", shown);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "%s is not a regular file", shown);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(e, ERR_USAGE,
			       "%s belongs to another user (uid %u), who could "
			       "have programs run here: chown it", shown,
			       (unsigned)st.st_uid);
	if (st.st_mode & 022)
		return err_set(e, ERR_USAGE,
			       "%s can be changed by other users (mode %04o): "
			       "chmod go-w %s", shown,
			       (unsigned)(st.st_mode & 07777), shown);
	if (st.st_size > SENDERS_FILE_MAX)
		return err_set(e, ERR_USAGE, "%s is too large", shown);
	return 0;
}

unsigned senders_file_line(const struct senders_section *s, const char *key)
{
	size_t i = 0;

	while (i < KEYS && strcmp(keys[i].row.name, key) != 0)
		i++;
	return i < KEYS && s->lines[i] ? s->lines[i] : s->line ? s->line : 1;
}

int senders_file_load(struct senders_file *f, const char *path, struct err *e)
{
	char shown[SHOWN_MAX], *text;
	ssize_t n = 0;
	/* O_NONBLOCK: a FIFO is refused without waiting for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int rc;

	memset(f, 0, sizeof(*f));
	text_escape(shown, sizeof(shown), path, strlen(path));
	if (fd < 0)
		return err_sys(e, ERR_LOCAL, "cannot open %s", shown);
	text = malloc(SENDERS_FILE_MAX);
	rc = text ? check_owner(fd, shown, e) : out_of_memory(e);
	if (rc == 0) {
		n = io_read(fd, text, SENDERS_FILE_MAX);
		rc = n < 0 ? err_sys(e, ERR_LOCAL, "cannot read %s", shown) : 0;
	}
	if (rc == 0)
		rc = senders_file_parse(f, path, text, (size_t)n, e);
	free(text);
	io_close(&fd);
	return rc;
}

void senders_file_release(struct senders_file *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->list[i].credentials);
	free(f->list);
	while (f->made_count > 0)
		free(f->made[--f->made_count]);
	free(f->made);
	free(f->text);
	memset(f, 0, sizeof(*f));
}
