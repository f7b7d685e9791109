/*
 * mode.h - telling in which security mode the other side is, where the two
 * sides differ.
 *
 * Layer: auth.  Pure, but for err.
 *
 * The mode is never negotiated.  But a side whose peer is in another mode sees
 * it from the first bytes that arrive, and a listener tells its own by the
 * alert of TLS with which it refuses, so that both users can be told which two
 * modes met.
 */
#ifndef FERRY_AUTH_MODE_H
#define FERRY_AUTH_MODE_H

#include <stddef.h>
#include <stdint.h>

#include "auth/tls.h"
#include "base/err.h"

enum { MODE_ALERT = 7, MODE_ACCESS_DENIED = 49 };

/* A mode as users write it: "a shared key (--key)". */
const char *mode_text(enum security mode);

/* The alert, not encrypted, with which a listener in this mode refuses a peer
 * in another one. */
void mode_put_alert(uint8_t alert[MODE_ALERT], enum security mode);

/* The alert with which a listener refuses an address. */
void mode_put_access_denied(uint8_t alert[MODE_ALERT]);

/* Whether the first n bytes that a peer sent show that it is not ferry, or in
 * another mode than ours: 1, or 0 where they say nothing. */
int mode_differs(const uint8_t *p, size_t n, enum security ours);

/* Set the error for such bytes, ERR_AUTH: which program it is; or both modes,
 * as far as they show them. */
int mode_set_error(const uint8_t *p, size_t n, enum security ours,
		   struct err *e);

/* The same where the other side turned out to use certificates. */
int mode_set_certificate_error(enum security ours, struct err *e);

/* The same for an alert of a listener, by its description.  Returns 0 where it
 * says nothing about the mode or the address. */
int mode_set_alert_error(int description, enum security ours, struct err *e);

#endif
