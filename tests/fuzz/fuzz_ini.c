/*
 * Configuration files of named senders, as text.
 *
 * Input: the text.
 */
#include "fuzz.h"

#include "base/err.h"
#include "base/ini.h"
#include "cmd/senders_file.h"

static int is_inside(const char *s, const char *text, size_t size)
{
	return s >= text && s + strlen(s) <= text + size;
}

/* No entry lies elsewhere, lines are counted, and it ends. */
static void check_lines(const uint8_t *data, size_t size)
{
	char *text = fuzz_alloc(size + 1);
	unsigned lines = 1, last = 0;
	struct ini_entry en;
	struct ini p;
	int rc;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	memcpy(text, size ? (const void *)data : "", size);
	text[size] = '\0';
	ini_init(&p, text, size);
	while ((rc = ini_next(&p, &en)) > 0) {
		CHECK(p.line > last && p.line <= lines);
		CHECK(*en.name && is_inside(en.name, text, size));
		CHECK((en.kind == INI_SETTING) == (en.value != NULL));
		CHECK(!en.value || (*en.value &&
				    is_inside(en.value, text, size)));
		last = p.line;
	}
	CHECK(rc == 0 || (rc == ERR_RANGE && p.why && p.line <= lines));
	free(text);
}

static void check_file(const uint8_t *data, size_t size)
{
	struct senders_file f;
	struct err e = { 0 };
	int rc = senders_file_parse(&f, "ferry.conf", data, size, &e);

	CHECK(rc == 0 || (rc == ERR_USAGE && *e.text));
	for (size_t i = 0; rc == 0 && i < f.count; i++) {
		CHECK(*f.list[i].name && !strchr(f.list[i].name, '/'));
		CHECK(*f.list[i].name != '.');
		CHECK(f.list[i].credential_count > 0 && f.list[i].dir);
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(f.list[i].name, f.list[k].name) != 0);
	}
	senders_file_release(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_lines(data, size);
	check_file(data, size);
	return 0;
}
