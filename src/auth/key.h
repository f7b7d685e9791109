/*
 * key.h - files that hold secrets, and the shared key.
 *
 * Layer: auth.  Uses base, OpenSSL (RNG, HKDF).
 * Threads: any.
 *
 * The key file is one line of text: "ferry-key-1:" and 64 hex digits
 * (256 random bits), then a newline.
 */
#ifndef FERRY_AUTH_KEY_H
#define FERRY_AUTH_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { KEY_BYTES = 32, KEY_ID_BYTES = 8 };

struct key {
	uint8_t secret[KEY_BYTES];
};

/*
 * Open a file that holds a secret: O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_NONBLOCK,
 * and then require, of the descriptor, a regular file, owned by us or root,
 * with no permission for group and others.  Returns the descriptor; ERR_LOCAL
 * when it cannot be opened; ERR_USAGE, with the remedy in the text ("chmod
 * 600 FILE"), when it is not safe.
 */
int key_open_secret(const char *path, struct err *e);

/* Load a key file (also with CR LF or without a newline at the end).
 * Returns 0; ERR_USAGE for an unsafe or malformed file; ERR_LOCAL. */
int key_load(struct key *k, const char *path, struct err *e);

/* Make a new key and write it: O_CREAT|O_EXCL, mode 0600, flushed; an
 * existing file is never touched.  Returns 0; ERR_LOCAL ("exists already"
 * among them); ERR_RESOURCE when there is no randomness. */
int key_generate(const char *path, struct err *e);

/*
 * What TLS gets: PSK and identity, both by HKDF-SHA256 (RFC 5869) from the
 * key with distinct labels that hold the protocol's version and the role of
 * who names the identity, so that neither tells anything of the key or of the
 * other.  That is the TLS client, the side that connects; in the labels it is
 * called "sender", as it always was when they were chosen.
 * identity: "ferry/1 sender " and the key's id in hex, terminated.
 * Returns 0 or ERR_RESOURCE.
 */
int key_derive_psk(const struct key *k, uint8_t psk[KEY_BYTES],
		   char *identity, size_t identity_size, struct err *e);

/* Wipe. */
void key_wipe(struct key *k);

#endif
