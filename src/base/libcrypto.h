/*
 * libcrypto.h - what OpenSSL needs from a thread that uses it.
 *
 * Layer: base.  Uses OpenSSL (libcrypto).
 * Threads: any.
 */
#ifndef FERRY_BASE_LIBCRYPTO_H
#define FERRY_BASE_LIBCRYPTO_H

/*
 * To be called in a thread before it uses OpenSSL.  libcrypto allocates the
 * state in which it keeps a thread's errors when the first one is reported.
 * From 3.6 on, an allocation that fails there is reported as well, and so on
 * until the stack overflows: so the state is made while there is memory.
 *
 * The first call in a process initializes libcrypto, which takes longer than
 * sending a small file: a session without encryption calls it only once it
 * needs SHA-256.  openssl.cnf is not read, as the sandbox does not allow it.
 *
 * Returns 0 or ERR_RESOURCE.
 */
int libcrypto_prepare_thread(void);

#endif
