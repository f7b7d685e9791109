/*
 * Which bytes show which mode: the types of records and frames, and the magic
 * of the code exchange.
 */
#include "auth/mode.h"

#include <string.h>

enum {
	TLS_ALERT = 0x15,
	TLS_HANDSHAKE = 0x16,
	/* ferry-protocol(7): HELLO, JOIN, READY, PING, ERROR */
	FRAME_TYPE_MAX = 0x1f,
	/* Alerts that OpenSSL does not send to a client that is in the same
	 * mode (for certificates: only to one that sent none). */
	HANDSHAKE_FAILURE = 40,
	UNKNOWN_PSK_IDENTITY = 115,
	CERTIFICATE_REQUIRED = 116,
	NO_APPLICATION_PROTOCOL = 120,
};

#define CERTIFICATES "certificates (--cert with --ca or --pin)"

const char *mode_text(enum security mode)
{
	switch (mode) {
	case SECURITY_PLAIN:
		return "no encryption (--plain)";
	case SECURITY_PSK:
		return "a shared key (--key)";
	case SECURITY_X509:
	case SECURITY_PIN:
		return CERTIFICATES;
	case SECURITY_CODE:
		return "a one-time code";
	case SECURITY_SSH:
		return "ssh";
	case SECURITY_NONE:
		break;
	}
	return "another security mode";
}

static void put_alert(uint8_t alert[MODE_ALERT], int description)
{
	/* a fatal one */
	const uint8_t bytes[MODE_ALERT] = { TLS_ALERT, 3, 3, 0, 2, 2,
					    (uint8_t)description };

	memcpy(alert, bytes, sizeof(bytes));
}

void mode_put_alert(uint8_t alert[MODE_ALERT], enum security mode)
{
	put_alert(alert, mode == SECURITY_CODE ? NO_APPLICATION_PROTOCOL :
			 mode == SECURITY_PSK  ? UNKNOWN_PSK_IDENTITY :
						 CERTIFICATE_REQUIRED);
}

void mode_put_access_denied(uint8_t alert[MODE_ALERT])
{
	put_alert(alert, MODE_ACCESS_DENIED);
}

static int is_certificate(enum security mode)
{
	return mode == SECURITY_X509 || mode == SECURITY_PIN;
}

static int set_mismatch(const char *theirs, enum security ours, struct err *e)
{
	return err_set(e, ERR_AUTH,
		       "the other side uses %s, this side %s: both need the "
		       "same security mode",
		       theirs, mode_text(ours));
}

int mode_set_alert_error(int description, enum security ours, struct err *e)
{
	enum security theirs = SECURITY_NONE;

	if (description == MODE_ACCESS_DENIED)
		return err_set(e, ERR_AUTH,
			       "the other side does not accept connections "
			       "from this address (see --allow there)");
	if (description == NO_APPLICATION_PROTOCOL)
		theirs = SECURITY_CODE;
	else if (description == UNKNOWN_PSK_IDENTITY)
		theirs = SECURITY_PSK;
	else if (description == CERTIFICATE_REQUIRED && !is_certificate(ours))
		theirs = SECURITY_X509;
	/* With a shared key it has no certificate for a client that offers no
	 * key. */
	else if (description == HANDSHAKE_FAILURE && is_certificate(ours))
		theirs = SECURITY_PSK;
	if (theirs == SECURITY_NONE || theirs == ours)
		return 0;
	return set_mismatch(mode_text(theirs), ours, e);
}

static int begins_with(const uint8_t *p, size_t n, const char *text)
{
	const size_t len = strlen(text);

	return n > 0 && memcmp(p, text, n < len ? n : len) == 0;
}

/* Which other program begins so; NULL where none is known. */
static const char *program_of(const uint8_t *p, size_t n)
{
	static const struct {
		const char *begin, *program;
	} programs[] = {
		{ "SSH-", "ssh" },
		{ "HTTP/", "an HTTP server" },
		{ "GET ", "an HTTP client" },
		{ "HEAD ", "an HTTP client" },
		{ "POST ", "an HTTP client" },
		{ "PUT ", "an HTTP client" },
		{ "OPTIONS ", "an HTTP client" },
		{ "CONNECT ", "an HTTP client" },
		{ "@RSYNCD:", "rsync" },
		{ "220 ", "an FTP or mail server" },
		{ "220-", "an FTP or mail server" },
	};

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (n >= 4 && begins_with(p, n, programs[i].begin))
			return programs[i].program;
	}
	return NULL;
}

/* What the first bytes show; NULL where they show nothing. */
static const char *theirs_of(const uint8_t *p, size_t n)
{
	/* of all versions of the code exchange */
	if (begins_with(p, n, "ferry/"))
		return mode_text(SECURITY_CODE);
	if (n == 0)
		return NULL;
	if ((p[0] == TLS_ALERT || p[0] == TLS_HANDSHAKE) &&
	    (n < 2 || p[1] == 3))
		return "TLS";
	/* a type, and flags that are 0 */
	if (p[0] >= 1 && p[0] <= FRAME_TYPE_MAX && (n < 2 || p[1] == 0))
		return mode_text(SECURITY_PLAIN);
	return NULL;
}

int mode_differs(const uint8_t *p, size_t n, enum security ours)
{
	const char *theirs = theirs_of(p, n);

	return program_of(p, n) ||
	       (theirs && strcmp(theirs, mode_text(ours)) != 0);
}

int mode_set_error(const uint8_t *p, size_t n, enum security ours,
		   struct err *e)
{
	const char *theirs = theirs_of(p, n), *program = program_of(p, n);
	int rc = 0;

	if (program)
		return err_set(e, ERR_AUTH,
			       "the other side is %s, not ferry (is this the "
			       "right port?%s)", program,
			       strcmp(program, "ssh") != 0 ? "" :
			       " to send by ssh, write HOST:DIR");
	if (n >= MODE_ALERT && p[0] == TLS_ALERT)
		rc = mode_set_alert_error(p[6], ours, e);
	if (rc)
		return rc;
	return set_mismatch(theirs ? theirs : mode_text(SECURITY_NONE), ours,
			    e);
}

int mode_set_certificate_error(enum security ours, struct err *e)
{
	return set_mismatch(CERTIFICATES, ours, e);
}
