/*
 * Lines of ssh_config(5), of known_hosts (sshd(8)) and of hosts(5).
 */
#include "remote/host_names.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

enum {
	DEPTH_MAX = 16, /* of Include, as ssh's */
	/* Files that include each other twice are 2^16 at that depth. */
	FILES_MAX = 256,
};

#define BLANKS " \t\r\n\f"

/* What is done with the names that are found. */
struct finder {
	host_names_take *take; /* NULL: wanted is looked for */
	void *ctx;
	const char *wanted;
	int is_found;
	unsigned files; /* that have been read, of a configuration */
};

/* ---- lines and words ---- */

/* Returns NULL where it is no file that can be read.  A FIFO would block. */
static FILE *open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	FILE *f = NULL;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		f = fdopen(fd, "r");
	if (fd >= 0 && !f)
		close(fd);
	return f;
}

/* The next word, which may have quotes around it, and is terminated; NULL at
 * the end of the line, or where a comment begins. */
static char *next_word(char **at)
{
	char *word = *at + strspn(*at, BLANKS), *end;

	if (!*word || *word == '#')
		return NULL;
	if (*word == '"')
		end = word + 1 + strcspn(word + 1, "\"\r\n");
	else
		end = word + strcspn(word, BLANKS);
	*at = *end ? end + 1 : end;
	*end = '\0';
	return word + (*word == '"');
}

static void give(const struct finder *f, const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_:%";

	if (f->take && *name && *name != '-' && !name[strspn(name, allowed)])
		f->take(f->ctx, name);
}

/* ---- ssh_config ---- */

static void take_pattern(struct finder *f, const char *pattern)
{
	give(f, pattern);
	if (f->wanted && *pattern != '!' && pattern[strspn(pattern, "*")] &&
	    fnmatch(pattern, f->wanted, 0) == 0)
		f->is_found = 1;
}

/* The criteria of Match: words, of which most are followed by an argument. */
static void take_match(struct finder *f, char *at)
{
	const char *word;

	while ((word = next_word(&at))) {
		const int is_host = strcasecmp(word, "host") == 0 ||
				    strcasecmp(word, "originalhost") == 0;
		char *list, *end, *rest = NULL;

		if (strcasecmp(word, "all") == 0 ||
		    strcasecmp(word, "canonical") == 0 ||
		    strcasecmp(word, "final") == 0)
			continue;
		list = next_word(&at);
		if (!is_host || !list)
			continue;
		for (end = strtok_r(list, ",", &rest); end;
		     end = strtok_r(NULL, ",", &rest))
			take_pattern(f, end);
	}
}

static void read_config(struct finder *f, const char *path, const char *home,
			int is_users, unsigned depth);

/* Patterns of files; those that are relative start from ssh's directory. */
static void include(struct finder *f, char *at, const char *home, int is_users,
		    unsigned depth)
{
	const char *word;

	while ((word = next_word(&at))) {
		char *pattern;
		glob_t found;

		if (word[0] == '~' && word[1] == '/')
			pattern = text_format("%s%s", home, word + 1);
		else if (*word == '/')
			pattern = text_format("%s", word);
		else if (is_users)
			pattern = text_format("%s/.ssh/%s", home, word);
		else
			pattern = text_format("/etc/ssh/%s", word);
		if (pattern && glob(pattern, 0, NULL, &found) == 0) {
			for (size_t i = 0; i < found.gl_pathc; i++)
				read_config(f, found.gl_pathv[i], home,
					    is_users, depth + 1);
			globfree(&found);
		}
		free(pattern);
	}
}

static void read_config(struct finder *f, const char *path, const char *home,
			int is_users, unsigned depth)
{
	FILE *file = depth < DEPTH_MAX && f->files < FILES_MAX ?
			     open_file(path) : NULL;
	char *line = NULL;
	size_t size = 0;

	f->files++;
	while (file && getline(&line, &size, file) >= 0) {
		char *keyword = line + strspn(line, BLANKS), *at, *word;
		char *end = keyword + strcspn(keyword, BLANKS "=");

		/* "Host name", "Host=name" and "Host = name" are the same */
		at = end + strspn(end, BLANKS);
		at += *at == '=';
		*end = '\0';
		if (strcasecmp(keyword, "include") == 0)
			include(f, at, home, is_users, depth);
		else if (strcasecmp(keyword, "match") == 0)
			take_match(f, at);
		else if (strcasecmp(keyword, "host") == 0)
			while ((word = next_word(&at)))
				take_pattern(f, word);
	}
	free(line);
	if (file)
		fclose(file);
}

/* "": not known */
static const char *find_home(void)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (home && *home)
		return home;
	pw = getpwuid(getuid());
	return pw ? pw->pw_dir : "";
}

static void read_configs(struct finder *f)
{
	const char *home = find_home();
	char *own = text_format("%s/.ssh/config", home);

	if (own)
		read_config(f, own, home, 1, 0);
	free(own);
	f->files = 0;
	read_config(f, "/etc/ssh/ssh_config", home, 0, 0);
}

/* ---- known_hosts, hosts ---- */

/* The first word: names parted by commas, [name]:port among them. */
static void take_known(const struct finder *f, char *at)
{
	char *list = next_word(&at), *rest = NULL;

	/* hashed, or with a marker */
	if (!list || *list == '|' || *list == '@')
		return;
	for (char *name = strtok_r(list, ",", &rest); name;
	     name = strtok_r(NULL, ",", &rest)) {
		if (*name == '[') {
			name++;
			name[strcspn(name, "]")] = '\0';
		}
		give(f, name);
	}
}

/* After the address. */
static void take_aliases(const struct finder *f, char *at)
{
	const char *name = next_word(&at);

	while (name && (name = next_word(&at)))
		give(f, name);
}

static void read_lines(const struct finder *f, const char *path,
		       void (*take_line)(const struct finder *f, char *at))
{
	FILE *file = open_file(path);
	char *line = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) >= 0)
		take_line(f, line);
	free(line);
	if (file)
		fclose(file);
}

void host_names_list(host_names_take *take, void *ctx)
{
	struct finder f = { .take = take, .ctx = ctx };
	char *own = text_format("%s/.ssh/known_hosts", find_home());

	read_configs(&f);
	if (own)
		read_lines(&f, own, take_known);
	free(own);
	read_lines(&f, "/etc/ssh/ssh_known_hosts", take_known);
	read_lines(&f, "/etc/hosts", take_aliases);
}

int host_names_ssh_knows(const char *name)
{
	struct finder f = { .wanted = name };

	read_configs(&f);
	return f.is_found;
}
