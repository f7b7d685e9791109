/*
 * key.h - the shared key, and opening files that contain secrets.
 *
 * Layer: auth.  Uses OpenSSL.
 * Threads: any.
 *
 * The key file is one line of text: "ferry-key-1:" and 64 hex digits
 * (256 random bits), then a newline.
 */
#ifndef FERRY_AUTH_KEY_H
#define FERRY_AUTH_KEY_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "base/err.h"

enum {
	KEY_BYTES = 32,
	KEY_ID_BYTES = 8,
	KEY_NAME_MAX = 24,
	KEY_NONCE = 16,
	KEY_IDENTITY_MAX = 80,
};

struct key {
	uint8_t secret[KEY_BYTES];
};

/*
 * Open a file for reading, close-on-exec.  /dev/stdin, /dev/fd/N and
 * /proc/self/fd/N, as process substitution gives them, are the descriptors
 * themselves, duplicated.  Returns the descriptor, or ERR_LOCAL.
 */
int key_open_file(const char *path, struct err *e);

/* Whether path (may be NULL) names standard input. */
int key_is_stdin(const char *path);

/*
 * Open a file that contains a secret, as key_open_file() does.  It must be a
 * regular file, owned by this process's user or root, with no permissions for
 * others; its group may have the one to read, if that is not just the effect of
 * a umask: the file is root's and we are not, its group is not our own, or its
 * mode is 0440.  Symlinks are followed: the file itself is checked, by its
 * descriptor.  A descriptor that was handed to us may also be a pipe or socket.
 * Returns the descriptor; ERR_LOCAL when it cannot be opened; ERR_USAGE, with
 * advice in the text ("chmod 600 FILE"), for a file that is not safe.
 */
int key_open_secret(const char *path, struct err *e);

/* Load a key file.  CR LF at the end is accepted, and so is no newline.
 * Returns 0, and the caller wipes k; ERR_USAGE for a file that is malformed or
 * not safe (key_open_secret()), ERR_LOCAL for one that cannot be read: then k
 * is zeroes. */
int key_load(struct key *k, const char *path, struct err *e);

/* Make a new key and write it to a new file, mode 0600, flushed to disk.
 * Returns 0; ERR_LOCAL when the file cannot be written, also when it exists, as
 * an existing file is never changed; ERR_RESOURCE when the kernel gives no
 * random bytes.  After a failure the new file is removed. */
int key_generate(const char *path, struct err *e);

/*
 * Derive the PSK for TLS from the key, and the key of its identities, by
 * HKDF-SHA256 (RFC 5869) with distinct labels, so that neither reveals anything
 * about the key or the other.  The labels contain the role of the TLS client,
 * which sends the identity.  That is the side that connects; the labels call it
 * "sender", since only a sender could connect when they were chosen.  Returns
 * 0, and the caller wipes both; ERR_RESOURCE, and both are zeroes.  libctx,
 * here and below: as of hkdf.h, and best one for all calls, as the first use of
 * a context takes about a millisecond.
 */
int key_derive_psk(OSSL_LIB_CTX *libctx, const struct key *k,
		   uint8_t psk[KEY_BYTES], uint8_t id_key[KEY_BYTES],
		   struct err *e);

/*
 * The identity of the PSK in a connection with this nonce, as terminated text.
 * It stands in the ClientHello in clear, and differs from connection to
 * connection, so that who does not have the key cannot tell that two are with
 * the same key.  Returns 0; -1 where OpenSSL fails.
 */
int key_identity(OSSL_LIB_CTX *libctx, const uint8_t id_key[KEY_BYTES],
		 const uint8_t nonce[KEY_NONCE], char identity[KEY_IDENTITY_MAX]);

/* Whether n bytes are an identity of this key.  In constant time but for their
 * form. */
int key_is_identity(OSSL_LIB_CTX *libctx, const uint8_t id_key[KEY_BYTES],
		    const uint8_t *identity, size_t n);

/*
 * What the key is called in messages and events: "key:" and 16 hex digits,
 * terminated.  They are derived from it like the PSK, with a label of their
 * own: they reveal nothing about the key, and are never sent.  Returns 0 or
 * ERR_RESOURCE.
 */
int key_name(OSSL_LIB_CTX *libctx, const struct key *k,
	     char name[KEY_NAME_MAX], struct err *e);

/* Overwrite the key with zeroes. */
void key_wipe(struct key *k);

#endif
