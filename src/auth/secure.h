/*
 * secure.h - makes a connected socket a stream whose peer is authenticated.
 *
 * Layer: auth.  Uses OpenSSL.
 * Threads: any; several connections may be authenticated at once.
 *
 * The role in the code exchange and in TLS follows from which side connects.
 */
#ifndef FERRY_AUTH_SECURE_H
#define FERRY_AUTH_SECURE_H

#include "auth/pake.h"
#include "base/err.h"
#include "net/role.h"
#include "net/stream.h"

struct tls;

/* How a listener goes on after a wrong guess of its one-time code. */
struct secure_renewal {
	/* Make another code, show it to the user, and pake_renew().  peer: who
	 * gave the wrong one.  Called in the thread of its connection, by one
	 * at a time.  Returns 0; or an error, with e as it was unless it says
	 * more: there is to be no other code. */
	int (*renew)(void *ctx, const char *peer, struct err *e);
	void *ctx;
};

/* The one-time code of a run; all NULL without SECURITY_CODE.  The pointers are
 * borrowed. */
struct secure_code {
	struct pake *pake;
	/* listening; renew NULL: a wrong guess ends the run */
	struct secure_renewal renewal;
	/* Connecting: ask the user for the code that the peer shows after a
	 * wrong one, or since it was started again, and pake_renew().  Called
	 * between two sessions, in the sandbox.  Blocks.  Returns 0 or an enum
	 * err_code.  NULL: a wrong code ends the run. */
	int (*ask_again)(void *ctx, struct err *e);
	void *ask_ctx;
};

/* How peers are authenticated.  The pointers are borrowed. */
struct secure_mode {
	enum net_role role;
	struct tls *tls;   /* made for this role; NULL: plain */
	struct pake *pake; /* with SECURITY_CODE, else NULL */
	/* listening, with pake; as in struct secure_code */
	struct secure_renewal renewal;
};

/*
 * libcrypto_prepare_thread() with a message, for a thread that reads and writes
 * by TLS what another one has opened; secure_open() does it itself.  Returns 0
 * or ERR_RESOURCE.
 */
int secure_prepare_thread(struct err *e);

/*
 * With SECURITY_CODE, and if no key was agreed on yet, exchange the code; then
 * make the TLS handshake.  Blocks at most until cfg's deadline; without one,
 * the code exchange is limited to cfg->timeout_ms.
 *
 * On success the stream owns fd; on failure fd stays the caller's.
 *
 * *use (may be NULL) is set to what became of the code, whatever is returned
 * (see pake_listen()); always PAKE_VALID for the side that connects.
 *
 * Returns the stream, or NULL with an error as tls_conn_open(), pake_connect()
 * and pake_listen().
 */
struct stream *secure_open(int fd, const struct secure_mode *mode,
			   const struct stream_config *cfg,
			   enum pake_use *use, struct err *e);

/*
 * After secure_open() has failed with PAKE_GUESSED: have another code shown, if
 * there is to be one, and tell the peer at fd so.  peer: its address.  Returns
 * 0; or ERR_AUTH, with e as it was, or another error.
 */
int secure_renew_code(int fd, const struct secure_mode *mode, const char *peer,
		      struct err *e);

#endif
