/*
 * Preparing a thread for OpenSSL.
 */
#include "base/libcrypto.h"

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "base/err.h"

enum {
	/* More than libcrypto's state of a thread takes (0.8 KiB in 3.0), with
	 * what it keeps to find that again. */
	THREAD_STATE_BYTES = 16 * 1024,
};

int libcrypto_prepare_thread(void)
{
	/* volatile, or the compiler drops an allocation that nothing uses */
	void *volatile p = malloc(THREAD_STATE_BYTES);

	if (!p)
		return ERR_RESOURCE;
	free(p);
	if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL))
		return ERR_RESOURCE;
	(void)ERR_peek_error();
	return 0;
}
