/*
 * pake.h - the exchange that makes a TLS key of a one-time code.
 *
 * Layer: auth.  Uses base, os/cancel.h, spake2.h, tls.h.
 * Threads: pake_connect() and pake_listen() may be called from several threads
 * at once; pake_new() and pake_free() while no other does.
 *
 * It comes first on a connection: four messages of fixed size, SPAKE2 with
 * confirmation both ways (ferry-protocol(7)).  The key that both sides then
 * have is set as that of a struct tls made for SECURITY_CODE, and the TLS
 * handshake follows on the same connection.  Further connections begin with
 * TLS at once.
 *
 * A code is good for one guess.  Whoever looks on or stands in between learns
 * nothing that helps to find the code; who takes part to the end has tried one
 * code, and after that there is no other try, on either side.
 */
#ifndef FERRY_AUTH_PAKE_H
#define FERRY_AUTH_PAKE_H

#include <stdint.h>

#include "base/err.h"
#include "os/cancel.h"
#include "auth/words.h"

struct pake;
struct tls;

enum {
	PAKE_VERIFY_WORDS = 4,
	PAKE_VERIFY_MAX = PAKE_VERIFY_WORDS * (WORDS_LEN_MAX + 1),
};

/*
 * Prepare for a code (code.h, in the form that code_parse() gives).  Stretches
 * it by scrypt: takes some 0.1 s and 32 MiB for that time.  The code is not
 * kept.  NULL with ERR_RESOURCE.
 */
struct pake *pake_new(const char *code, struct err *e);

/* Wipe and free; NULL is allowed. */
void pake_free(struct pake *p);

/* A connected socket, which stays the caller's, and how long to wait. */
struct pake_conn {
	int fd;
	const struct cancel *cancel; /* or NULL */
	uint64_t deadline_ms;        /* clock_ms() time */
};

/*
 * The side that connects and was told the code.  Returns at once where the key
 * was agreed on before.  Blocks until the deadline.
 *
 * Returns 0 when the key was agreed on and set in tls; ERR_AUTH; ERR_TIMEOUT;
 * ERR_LOST; ERR_INTERRUPTED; ERR_RESOURCE.  Once our confirmation was sent and
 * no good one came back, every later call fails with ERR_AUTH.
 */
int pake_connect(struct pake *p, struct tls *tls, const struct pake_conn *c,
		 struct err *e);

/*
 * The side that listens and made the code, in the same way.  Returns 0 where
 * TLS is to follow: the key was agreed on here, or it was before and the peer
 * begins with TLS.
 *
 * *spent becomes 1 where this connection used the code up: with 0 by knowing
 * it, with ERR_AUTH by a wrong guess, with another error because it was lost
 * just then.  All other failures leave the code as it is.  A peer is told
 * nothing but the end of the connection (one that speaks another mode: a TLS
 * alert).
 */
int pake_listen(struct pake *p, struct tls *tls, const struct pake_conn *c,
		int *spent, struct err *e);

/*
 * Words that are the same on both sides, and others where somebody who knew
 * the code stood in between.  text gets them, terminated.  Returns 0; or
 * ERR_AGAIN where no key was agreed on yet.
 */
int pake_verify(struct pake *p, char text[PAKE_VERIFY_MAX]);

#endif
