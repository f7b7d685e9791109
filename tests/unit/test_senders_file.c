/*
 * The file of named senders: what its sections get, and from where.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/ini.h"
#include "cmd/senders_file.h"
#include "receiver/conflict.h"
#include "receiver/senders.h"

static int parse(struct senders_file *f, const char *text, struct err *e)
{
	err_clear(e);
	return senders_file_parse(f, "conf/ferry.conf", text, strlen(text), e);
}

static void lines(void **state)
{
	char text[] = "\r\n  # no = setting\n;\n a\t=  b = c # d \n[ s 1 ]\nx=y";
	struct ini_entry en;
	struct ini p;

	(void)state;
	ini_init(&p, text, sizeof(text) - 1);
	assert_int_equal(ini_next(&p, &en), 1);
	assert_int_equal(en.kind, INI_SETTING);
	assert_string_equal(en.name, "a");
	assert_string_equal(en.value, "b = c # d");
	assert_int_equal(p.line, 4);
	assert_int_equal(ini_next(&p, &en), 1);
	assert_int_equal(en.kind, INI_SECTION);
	assert_string_equal(en.name, "s 1");
	assert_int_equal(ini_next(&p, &en), 1);
	assert_string_equal(en.value, "y");
	assert_int_equal(p.line, 6);
	assert_int_equal(ini_next(&p, &en), 0);
	assert_int_equal(ini_next(&p, &en), 0);
}

static void defaults_and_sections(void **state)
{
	static const char text[] =
		"dir = /srv\nexisting = newer\nmax-size = 1K\nrate = 5\n"
		"allow = 10.0.0.0/8 ::1\naccept = existing\nexec = run\n"
		"[a]\nkey = a.key\nkey = /k/b.key\n"
		"[b]\nkey = b\ndir = own\nexisting = skip\nmax-size = 2\n"
		"accept = none\nallow = 192.0.2.1\nmax-kept = 9\n";
	const struct senders_section *a, *b;
	struct senders_file f;
	struct err e;

	(void)state;
	assert_int_equal(parse(&f, text, &e), 0);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.mode, SECURITY_PSK);
	a = &f.list[0];
	b = &f.list[1];
	assert_string_equal(a->dir, "/srv/a");
	assert_true(a->has_default_dir);
	assert_int_equal(a->existing, CONFLICT_NEWER);
	assert_int_equal(a->max_size, 1024);
	assert_true(a->max_files == UINT64_MAX);
	assert_int_equal(a->rate, 5);
	assert_int_equal(a->allow.count, 2);
	assert_true(a->accept.requests != 0);
	assert_string_equal(a->exec, "conf/run");
	assert_int_equal(a->credential_count, 2);
	assert_string_equal(a->credentials[0].text, "conf/a.key");
	assert_string_equal(a->credentials[1].text, "/k/b.key");
	assert_int_equal(a->credentials[1].line, 10);
	assert_string_equal(b->dir, "conf/own");
	assert_false(b->has_default_dir);
	assert_int_equal(b->existing, CONFLICT_SKIP);
	assert_int_equal(b->max_size, 2);
	assert_int_equal(b->max_kept, 9);
	assert_int_equal(b->accept.requests, 0);
	assert_int_equal(b->allow.count, 1);
	senders_file_release(&f);
}

/* More senders and keys than there may be. */
static void limits(void **state)
{
	const size_t size = SENDERS_CREDENTIALS_MAX * 32 + 256;
	char *text = calloc(1, size);
	struct senders_file f;
	struct err e;
	size_t n = 0;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i <= SENDERS_MAX; i++) {
		n += (size_t)snprintf(text + n, size - n,
				      "[n%d]\nkey=k\ndir=d\n", i);
		if (i == SENDERS_MAX - 1) {
			assert_int_equal(parse(&f, text, &e), 0);
			senders_file_release(&f);
		}
	}
	assert_int_equal(parse(&f, text, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, ":3073: there are more than 1024"));
	senders_file_release(&f);
	n = (size_t)snprintf(text, size, "[n]\ndir=d\n");
	for (int i = 0; i <= SENDERS_CREDENTIALS_MAX; i++)
		n += (size_t)snprintf(text + n, size - n, "key=k%d\n", i);
	assert_int_equal(parse(&f, text, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, ":4099: there are more than 4096"));
	senders_file_release(&f);
	memset(text, 'a', 100);
	assert_false(senders_file_is_name(""));
	text[64] = '\0';
	assert_true(senders_file_is_name(text));
	text[64] = 'a';
	text[65] = '\0';
	assert_false(senders_file_is_name(text));
	assert_false(senders_file_is_name("-a"));
	assert_false(senders_file_is_name("a/b"));
	assert_false(senders_file_is_name("a b"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(defaults_and_sections),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
