/*
 * pake.h - the code exchange, which makes a TLS key from a one-time code.
 *
 * Layer: auth.  Uses OpenSSL.
 * Threads: any, several at once; pake_free() while no other call runs.
 *
 * It precedes TLS on the first connection: four messages of fixed size, SPAKE2
 * with confirmation in both directions (ferry-protocol(7)).  The resulting key
 * is set in a struct tls made for SECURITY_CODE, and the TLS handshake follows
 * on the same connection.  Further connections begin with TLS.
 *
 * The side that connects commits to its share before it sees the other's, so
 * that a man in the middle who knows the code cannot choose the words to
 * verify.
 *
 * A code allows one guess (but see pake_reopen()).  An eavesdropper or a man in
 * the middle learns nothing that helps to find the code offline.  A peer that
 * completes the exchange has tested one code, and neither side accepts a second
 * attempt with the same one.
 */
#ifndef FERRY_AUTH_PAKE_H
#define FERRY_AUTH_PAKE_H

#include <stdint.h>

#include "auth/words.h"
#include "base/err.h"
#include "net/role.h"
#include "os/cancel.h"

struct pake;
struct tls;

/* What became of the code by a connection. */
enum pake_use {
	PAKE_VALID = 0,
	PAKE_USED,    /* it is used up */
	PAKE_GUESSED, /* likewise, by a wrong guess */
};

enum {
	PAKE_VERIFY_WORDS = 4,
	PAKE_VERIFY_MAX = PAKE_VERIFY_WORDS * (WORDS_LEN_MAX + 1),
};

/*
 * Prepare for a code, in the form that code_parse() produces.  Stretches it
 * with scrypt, which takes about 0.1 s and, during that time, 32 MiB.  The code
 * is not kept.  NULL with ERR_RESOURCE.
 */
struct pake *pake_new(const char *code, struct err *e);

/*
 * The same with the code in a file, as code_file_open(); path is borrowed.  The
 * file is marked before anybody can learn whether a guess was right.  Where
 * that fails the code is used up, and no guess is tested: the exchange fails
 * with ERR_LOCAL.  NULL with an error as code_file_open(), or ERR_RESOURCE.
 */
struct pake *pake_new_from_file(const char *path, enum net_role role,
				struct err *e);

/* Wipe and free; NULL is allowed. */
void pake_free(struct pake *p);

/* A connected socket, borrowed, and when to stop waiting. */
struct pake_conn {
	int fd;
	const struct cancel *cancel; /* or NULL */
	uint64_t deadline_ms;        /* clock_ms() time */
};

/*
 * The exchange on the side that connects.  Returns at once if the key was
 * agreed on before.  Blocks at most until the deadline.
 *
 * Returns 0 when the key is agreed on and set in tls; ERR_AUTH, also when the
 * connection ended, because that is how the other side refuses; ERR_TIMEOUT;
 * ERR_INTERRUPTED; ERR_RESOURCE.  Once it has begun to send our
 * confirmation, any failure makes every later call fail with ERR_AUTH, until
 * pake_renew().
 */
int pake_connect(struct pake *p, struct tls *tls, const struct pake_conn *c,
		 struct err *e);

/*
 * The exchange on the side that listens.  Blocks at most until the deadline.
 * Returns 0 when TLS is to follow: the key was agreed on here, or it was before
 * and the peer begins with TLS.  Else ERR_AUTH; ERR_PROTOCOL for a peer in
 * another security mode; ERR_LOST; ERR_TIMEOUT; ERR_INTERRUPTED; ERR_RESOURCE.
 *
 * *use is set to PAKE_USED if this connection used the code up: by the right
 * code (0 is returned), by the right one when the last step failed (another
 * error), or by one exchange too many of those that peers began and did not
 * finish (ERR_AUTH); to PAKE_GUESSED by a wrong one (ERR_AUTH).  Any other
 * failure leaves the code valid.  To refuse, the caller closes the connection
 * without a reason, so that a peer learns nothing (but see
 * pake_tell_renewed()); one in another security mode gets a TLS alert.
 */
int pake_listen(struct pake *p, struct tls *tls, const struct pake_conn *c,
		enum pake_use *use, struct err *e);

/*
 * After an exchange that has agreed on a key, and when no connection uses that
 * any more: make the code valid for another exchange, also in its file.  The
 * peer has proved that it knows the code, so nobody gets a second guess by
 * this.  Does nothing where no key was agreed on.  Returns 0; or -1 where the
 * file cannot be written, which goes on saying that the code was used.
 */
int pake_reopen(struct pake *p);

/* Whether a key was agreed on: then further connections begin with TLS. */
int pake_is_agreed(struct pake *p);

/*
 * Go on with another code, as with pake_new(), which is not from a file.  An
 * exchange that was begun with the former code fails as one for a code that was
 * used up.  Any thread.  Returns 0 or ERR_RESOURCE, with p unchanged.
 */
int pake_renew(struct pake *p, const char *code, struct err *e);

/* Tell the peer whose guess was wrong, on its connection, that there is another
 * code now, so that its user can be asked again.  Does not block. */
void pake_tell_renewed(int fd);

/* Whether the side that listens has told us that. */
int pake_is_renewed(struct pake *p);

/*
 * Words derived from the key, for users to compare: they differ if a man in the
 * middle knew the code.  text gets them, terminated.  Returns 0; or ERR_AGAIN,
 * with text empty, if no key was agreed on.
 */
int pake_verify(struct pake *p, char text[PAKE_VERIFY_MAX]);

#endif
