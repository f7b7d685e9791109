/*
 * Host and port from the command line.
 *
 * Input: the text.
 */
#include "fuzz.h"

#include "base/err.h"
#include "net/addr.h"

static void check_host(const char *host)
{
	CHECK(*host && *host != '-');
	for (const char *p = host; *p; p++)
		CHECK((unsigned char)*p > ' ' && *p != 0x7f && *p != '/');
}

/* Written in full, it means the same. */
static void parse_again(const struct host_port *hp)
{
	char text[ADDR_HOST_MAX + 16];
	struct host_port again;
	struct err e = { 0 };
	int is_v6 = strchr(hp->host, ':') != NULL;

	snprintf(text, sizeof(text), "%s%s%s:%u", is_v6 ? "[" : "", hp->host,
		 is_v6 ? "]" : "", (unsigned)hp->port);
	CHECK(addr_parse(&again, text, 1, &e) == 0);
	CHECK(strcmp(again.host, hp->host) == 0);
	CHECK(again.port == hp->port && again.has_port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	struct host_port hp;
	struct err e = { 0 };
	int rc = addr_parse(&hp, text, FERRY_PORT, &e);

	if (rc == 0) {
		CHECK(hp.port != 0);
		CHECK(hp.has_port || hp.port == FERRY_PORT);
		check_host(hp.host);
		parse_again(&hp);
	} else {
		CHECK(rc == ERR_USAGE && e.code == rc && *e.text);
	}
	free(text);
	return 0;
}
