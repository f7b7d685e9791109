/*
 * ferry with new TLS keys after each MiB instead of each 64 GiB, and with a
 * line on standard error at the end: how many key updates were sent and taken,
 * and on how many connections.  The functions here take precedence over those
 * of the library.
 */
#include <stdatomic.h>
#include <stdio.h>

#include <openssl/ssl.h>

#include "auth/tls.h"

struct tls *tls_new_as_it_is(const struct tls_config *cfg, struct err *e);
#define tls_new tls_new_as_it_is
#include "auth/tls.c"
#undef tls_new

#include "main.c"

enum { REKEY_BYTES = 1 << 20 };

static atomic_uint sent, taken, connections;
static int seen; /* index of what is noted with a connection */

static void on_message(int is_sent, int version, int type, const void *message,
		       size_t n, SSL *ssl, void *ctx)
{
	(void)version;
	(void)ctx;
	if (type != SSL3_RT_HANDSHAKE || n == 0 ||
	    *(const uint8_t *)message != SSL3_MT_KEY_UPDATE)
		return;
	atomic_fetch_add(is_sent ? &sent : &taken, 1);
	if (!SSL_get_ex_data(ssl, seen) && SSL_set_ex_data(ssl, seen, ssl))
		atomic_fetch_add(&connections, 1);
}

struct tls *tls_new(const struct tls_config *cfg, struct err *e)
{
	struct tls *t = tls_new_as_it_is(cfg, e);

	if (t) {
		seen = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
		tls_set_rekey(t, REKEY_BYTES);
		SSL_CTX_set_msg_callback(t->ctx, on_message);
	}
	return t;
}

static void __attribute__((destructor)) say_counts(void)
{
	dprintf(STDERR_FILENO, "key updates: %u sent, %u taken, on %u\n",
		atomic_load(&sent), atomic_load(&taken),
		atomic_load(&connections));
}
