/*
 * key.h - the shared key, and opening files that contain secrets.
 *
 * Layer: auth.  Uses base, hkdf.h, OpenSSL (random numbers).
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
 * Open a file that contains a secret: O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_NONBLOCK.
 * The descriptor must be of a regular file, owned by this process's user or
 * root, with no permissions for group and others.  Returns the descriptor;
 * ERR_LOCAL when it cannot be opened; ERR_USAGE, with advice in the text
 * ("chmod 600 FILE"), for a symlink or a file that is not safe.
 */
int key_open_secret(const char *path, struct err *e);

/* Load a key file; CR LF or no newline at the end are accepted.
 * Returns 0; ERR_USAGE for an unsafe or malformed file; ERR_LOCAL. */
int key_load(struct key *k, const char *path, struct err *e);

/* Make a new key and write it to a new file, mode 0600, flushed to disk.  An
 * existing file is never changed: it is ERR_LOCAL.  Returns 0; ERR_LOCAL;
 * ERR_RESOURCE when there are no random bytes. */
int key_generate(const char *path, struct err *e);

/*
 * Derive the PSK and the identity for TLS from the key, by HKDF-SHA256 (RFC
 * 5869) with distinct labels, so that neither reveals anything about the key or
 * the other.  The labels contain the protocol version and the role of the TLS
 * client, which sends the identity.  That is the side that connects; the labels
 * call it "sender", since only a sender could connect when they were chosen.
 * identity: "ferry/1 sender " and the key's id in hex, terminated.
 * Returns 0; ERR_RESOURCE; ERR_INTERNAL when identity is too small.
 */
int key_derive_psk(const struct key *k, uint8_t psk[KEY_BYTES],
		   char *identity, size_t identity_size, struct err *e);

/* Overwrite the key with zeroes. */
void key_wipe(struct key *k);

#endif
