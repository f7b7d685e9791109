/*
 * A TLS connection as a stream's transport.  OpenSSL reads and writes two
 * buffers of ciphertext, much larger than TLS's records of 16 KiB, so that one
 * system call transfers many records.  OpenSSL's errors are translated into the
 * few of tls.h.  Whether a failure is one of authentication is decided by what
 * happened (an alert was received, a certificate rejected, no application data
 * yet) and not by the text of OpenSSL's error.
 */
#include "auth/tls_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "auth/cert_text.h"
#include "auth/mode.h"
#include "auth/tls_priv.h"
#include "base/num.h"
#include "base/text.h"
#include "net/stream.h"
#include "net/transport.h"

enum {
	BUFFER = 256 * 1024, /* each way, allocated when first used */
	/* For what TLS adds to a record's plaintext, and for a key update and
	 * an alert before and after it. */
	RECORD_RESERVE = 1024,
	/* Limits on the input of a peer that is not authenticated yet. */
	HANDSHAKE_MAX_PSK = 4 * 1024,
	HANDSHAKE_MAX_CERT = 64 * 1024,
	TLS_ALERT = 0x15,
	TLS_HANDSHAKE = 0x16,
	NO_ALERT = -1,
};

struct block {
	uint8_t *data; /* BUFFER bytes, or NULL */
	size_t off;    /* consumed */
	size_t end;    /* filled */
};

struct tls_conn {
	struct transport base; /* first: see conn_of() */
	const struct tls *t;
	SSL *ssl;
	BIO_METHOD *method;
	struct block in;
	struct block out;
	int in_eof;      /* no more input will come */
	int eof_met;     /* OpenSSL has read to that end */
	int ready;       /* the handshake succeeded and check_peer() passed */
	int has_begun;   /* application data was received */
	int not_tls;     /* the first bytes are not a TLS record */
	uint8_t first[MODE_ALERT]; /* those bytes, first_len of them */
	size_t first_len;
	char identity[KEY_IDENTITY_MAX]; /* that a client sends with its PSK */
	size_t credential; /* see stream_credential() */
	char cert_error[512]; /* why the certificate was rejected, or "" */
	int peer_alert;  /* the fatal alert received, or NO_ALERT */
	size_t handshake_in;   /* bytes of input during the handshake */
	uint64_t key_sent;     /* bytes sent with the current key */
	struct err read_error; /* the permanent error of on_read(), if any */
};

static struct tls_conn *conn_of(struct transport *t)
{
	return (struct tls_conn *)(void *)t;
}

/* ---------------------------------------------------------------- blocks */

static int block_alloc(struct block *b)
{
	if (!b->data)
		b->data = malloc(BUFFER);
	return b->data ? 0 : -1;
}

static size_t block_used(const struct block *b)
{
	return b->end - b->off;
}

static size_t block_room(const struct block *b)
{
	return BUFFER - b->end;
}

static void block_consume(struct block *b, size_t n)
{
	b->off += n;
	if (b->off == b->end)
		b->off = b->end = 0;
}

/* ------------------------------------------------------------ OpenSSL's BIO */

static int on_bio_read(BIO *bio, char *p, size_t n, size_t *got)
{
	struct tls_conn *c = BIO_get_data(bio);
	size_t left = block_used(&c->in);

	BIO_clear_retry_flags(bio);
	*got = 0;
	if (left == 0) {
		if (c->in_eof)
			c->eof_met = 1;
		else
			BIO_set_retry_read(bio);
		return 0;
	}
	*got = n < left ? n : left;
	memcpy(p, c->in.data + c->in.off, *got);
	block_consume(&c->in, *got);
	return 1;
}

static int on_bio_write(BIO *bio, const char *p, size_t n, size_t *took)
{
	struct tls_conn *c = BIO_get_data(bio);
	size_t room;

	BIO_clear_retry_flags(bio);
	*took = 0;
	if (block_alloc(&c->out) < 0)
		return 0;
	room = block_room(&c->out);
	if (room == 0) {
		BIO_set_retry_write(bio);
		return 0;
	}
	*took = n < room ? n : room;
	memcpy(c->out.data + c->out.end, p, *took);
	c->out.end += *took;
	return 1;
}

static long on_bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	const struct tls_conn *c = BIO_get_data(bio);

	(void)num;
	(void)ptr;
	if (cmd == BIO_CTRL_FLUSH)
		return 1;
	if (cmd == BIO_CTRL_EOF)
		return c->in_eof && block_used(&c->in) == 0;
	return 0;
}

static int attach_bio(struct tls_conn *c)
{
	BIO *bio = NULL;

	c->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | 0x7f, "ferry");
	if (c->method && BIO_meth_set_read_ex(c->method, on_bio_read) &&
	    BIO_meth_set_write_ex(c->method, on_bio_write) &&
	    BIO_meth_set_ctrl(c->method, on_bio_ctrl))
		bio = BIO_new_ex(c->t->libctx, c->method);
	if (!bio)
		return -1;
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	SSL_set_bio(c->ssl, bio, bio);
	return 0;
}

static void on_info(const SSL *ssl, int where, int what)
{
	struct tls_conn *c = SSL_get_app_data(ssl);
	int alert = what & 0xff;

	/* In TLS 1.3 all other alerts are fatal (RFC 8446, section 6). */
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT &&
	    alert != SSL_AD_CLOSE_NOTIFY && alert != SSL_AD_USER_CANCELLED)
		c->peer_alert = alert;
}

/* ---------------------------------------------------------- the connection */

static void on_free(struct transport *t)
{
	struct tls_conn *c = conn_of(t);

	SSL_free(c->ssl);
	BIO_meth_free(c->method);
	tls_leave_thread(c->t);
	free(c->in.data);
	free(c->out.data);
	free(c);
}

static size_t handshake_max(const struct tls_conn *c)
{
	return tls_uses_psk(c->t) ? HANDSHAKE_MAX_PSK
					  : HANDSHAKE_MAX_CERT;
}

static void *on_in_space(struct transport *t, size_t *cap, struct err *e)
{
	struct tls_conn *c = conn_of(t);
	size_t left;

	*cap = 0;
	if (block_alloc(&c->in) < 0) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	*cap = block_room(&c->in);
	if (!c->ready) {
		left = handshake_max(c) - c->handshake_in;
		*cap = left < *cap ? left : *cap;
	}
	return c->in.data + c->in.end;
}

static void on_in_added(struct transport *t, size_t n)
{
	struct tls_conn *c = conn_of(t);
	const uint8_t *p = c->in.data + c->in.end;

	if (!c->ready) {
		/* TLS begins with a record that holds a handshake message or,
		 * from a server that refuses us, an alert; version 3.x. */
		if (c->handshake_in == 0 && n > 0)
			c->not_tls = !(p[0] == TLS_HANDSHAKE ||
				       (p[0] == TLS_ALERT &&
					c->t->role == NET_CONNECTS)) ||
				     (n >= 2 && p[1] != 3);
		if (c->handshake_in == 0) {
			c->first_len = n < MODE_ALERT ? n : MODE_ALERT;
			memcpy(c->first, p, c->first_len);
		}
		c->handshake_in += n;
	}
	c->in.end += n;
}

static void on_in_end(struct transport *t)
{
	conn_of(t)->in_eof = 1;
}

static const void *on_out(struct transport *t, size_t *n)
{
	const struct tls_conn *c = conn_of(t);

	*n = block_used(&c->out);
	return *n > 0 ? c->out.data + c->out.off : NULL;
}

static void on_out_sent(struct transport *t, size_t n)
{
	block_consume(&conn_of(t)->out, n);
}

/* ------------------------------------------------------------- the errors */

static int out_of_memory(void)
{
	return ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
}

static const char *reason_text(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text ? text : "unknown reason";
}

static int refused(const struct tls_conn *c, const char *what, struct err *e)
{
	const char *advice = "both sides need --cert, --cert-key and --ca, "
			     "with a certificate signed by the other side's CA";

	if (c->t->mode == SECURITY_PSK)
		advice = "both sides need the same key with --key";
	else if (c->t->mode == SECURITY_CODE)
		advice = "both sides need a one-time code, without --key, "
			 "--cert and --plain";
	else if (c->t->mode == SECURITY_PIN)
		advice = "both sides need --cert, --cert-key and the pin of "
			 "the other side's key";
	return err_set(e, ERR_AUTH,
		       "the other side refused this side or uses another "
		       "security mode: %s (%s)",
		       what, advice);
}

/* What a peer that refuses this side so has found.  NULL: no plain cause is
 * known. */
static const char *cause_of_alert(const struct tls_conn *c)
{
	switch (c->peer_alert) {
	case SSL_AD_ILLEGAL_PARAMETER:
	case SSL_AD_DECRYPT_ERROR:
		return tls_uses_psk(c->t) ? "it has another key" : NULL;
	/* A client that finds no pin, or has a shared key and gets a
	 * certificate. */
	case SSL_AD_HANDSHAKE_FAILURE:
		return tls_uses_psk(c->t) ? NULL :
		       c->t->role == NET_CONNECTS ?
			       "the public key of this side's certificate is "
			       "not one of those that it accepts (--pin)" :
			       "it accepts another public key than this "
			       "side's (--pin), or uses a shared key (--key)";
	case SSL_AD_UNKNOWN_CA:
		return "its --ca is not the CA of this side's certificate";
	case SSL_AD_CERTIFICATE_EXPIRED:
		return "by its clock this side's certificate has expired";
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
		return "it does not accept this side's certificate";
	case SSL_AD_PROTOCOL_VERSION:
		return "it does not support TLS 1.3";
	case SSL_AD_INSUFFICIENT_SECURITY:
		return "it supports none of this side's ciphers";
	default:
		return NULL;
	}
}

static int refused_by_alert(const struct tls_conn *c, struct err *e)
{
	const char *cause = cause_of_alert(c);
	char dates[200], what[400];
	int rc = 0;

	/* Only a listener tells its mode, and once the handshake succeeded here
	 * it is ours. */
	if (c->t->role == NET_CONNECTS && !c->ready)
		rc = mode_set_alert_error(c->peer_alert, c->t->mode, e);
	if (rc)
		return rc;
	/* The other side's clock may be wrong, or ours. */
	if (!tls_uses_psk(c->t) && (c->peer_alert == SSL_AD_CERTIFICATE_EXPIRED ||
				    c->peer_alert == SSL_AD_BAD_CERTIFICATE)) {
		cert_text_of_dates(SSL_get_certificate(c->ssl), dates,
				   sizeof(dates));
		snprintf(what, sizeof(what), "%s, which is %s", cause, dates);
		return refused(c, what, e);
	}
	if (!cause) {
		snprintf(what, sizeof(what), "it sent the TLS alert %d (%s)",
			 c->peer_alert,
			 SSL_alert_desc_string_long(c->peer_alert));
		cause = what;
	}
	return refused(c, cause, e);
}

static int not_proven(const struct tls_conn *c, struct err *e)
{
	return err_set(e, ERR_AUTH,
		       "the other side did not prove that it has the same %s",
		       c->t->mode == SECURITY_CODE ? "code" : "key");
}

/* The other side has a certificate where we have a key or code, or the other
 * way round. */
static int is_other_mode(const struct tls_conn *c)
{
	const int reason = ERR_GET_REASON(ERR_peek_last_error());

	if (!tls_uses_psk(c->t))
		return 0;
	/* A client sees the certificate; a server would need one for a client
	 * that offers no key. */
	return SSL_get_verify_result(c->ssl) ==
		       X509_V_ERR_APPLICATION_VERIFICATION ||
	       reason == SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM;
}

static int bad_cert(const struct tls_conn *c, struct err *e)
{
	long why = SSL_get_verify_result(c->ssl);
	const char *text = *c->cert_error ?
				   c->cert_error :
				   X509_verify_cert_error_string(why);

	if (c->t->mode == SECURITY_PIN)
		text = "its public key is not the pinned one";
	return err_set(e, ERR_AUTH,
		       "the other side's certificate was rejected: %s",
		       text);
}

static int no_cert(struct err *e)
{
	return err_set(e, ERR_AUTH,
		       "the other side sent no certificate");
}

/* Whether the two sides have no TLS version in common. */
static int is_version_failure(void)
{
	switch (ERR_GET_REASON(ERR_peek_last_error())) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_WRONG_SSL_VERSION:
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_NO_PROTOCOLS_AVAILABLE:
		return 1;
	default:
		return 0;
	}
}

static int handshake_failed(const struct tls_conn *c, struct err *e)
{
	int reason = ERR_GET_REASON(ERR_peek_last_error());

	if (c->peer_alert != NO_ALERT)
		return refused_by_alert(c, e);
	if (c->eof_met)
		return err_set(e, ERR_LOST,
			       "the connection ended during the TLS handshake "
			       "(is the other side ferry, in the same security "
			       "mode?)");
	if (out_of_memory())
		return err_set(e, ERR_RESOURCE, "out of memory");
	if (is_version_failure())
		return refused(c, "it does not support TLS 1.3", e);
	if (is_other_mode(c))
		return mode_set_certificate_error(c->t->mode, e);
	if (tls_uses_psk(c->t))
		return not_proven(c, e);
	if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		return no_cert(e);
	if (SSL_get_verify_result(c->ssl) != X509_V_OK)
		return bad_cert(c, e);
	return refused(c, reason_text(), e);
}

/*
 * Check the result of a handshake that succeeded.  OpenSSL silently falls back
 * from an external PSK to certificates: only SSL_session_reused() shows whether
 * the PSK was used.
 */
static int check_peer(struct tls_conn *c, struct err *e)
{
	X509 *cert = SSL_get0_peer_certificate(c->ssl);
	int index;

	if (SSL_version(c->ssl) != TLS1_3_VERSION)
		return refused(c, "it does not support TLS 1.3", e);
	if (!SSL_get_negotiated_group(c->ssl))
		return refused(c, "it did no Diffie-Hellman exchange", e);
	if (tls_uses_psk(c->t))
		return SSL_session_reused(c->ssl) == 1 && !cert ? 0
								: not_proven(c, e);
	if (!cert || SSL_session_reused(c->ssl))
		return no_cert(e);
	if (SSL_get_verify_result(c->ssl) != X509_V_OK)
		return bad_cert(c, e);
	index = c->t->mode == SECURITY_PIN ? tls_find_pin(c->t, cert) :
					     tls_find_subject(c->t, cert);
	if (index < 0)
		return bad_cert(c, e);
	c->credential = (size_t)index;
	return 0;
}

/*
 * Alerts that mean a refusal even after our handshake has succeeded: in TLS 1.3
 * the client finishes before the server has verified its certificate.
 */
static int is_refusal(int alert)
{
	switch (alert) {
	case SSL_AD_HANDSHAKE_FAILURE:
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_ILLEGAL_PARAMETER:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
	case SSL_AD_DECODE_ERROR:
	case SSL_AD_DECRYPT_ERROR:
	case SSL_AD_PROTOCOL_VERSION:
	case SSL_AD_INSUFFICIENT_SECURITY:
	case SSL_AD_MISSING_EXTENSION:
	case SSL_AD_UNSUPPORTED_EXTENSION:
	case SSL_AD_UNKNOWN_PSK_IDENTITY:
	case SSL_AD_CERTIFICATE_REQUIRED:
		return 1;
	default:
		return 0;
	}
}

static int connection_failed(const struct tls_conn *c, struct err *e)
{
	int alert = c->peer_alert;

	if (alert != NO_ALERT && !c->has_begun && is_refusal(alert))
		return refused_by_alert(c, e);
	if (alert == SSL_AD_BAD_RECORD_MAC || alert == SSL_AD_RECORD_OVERFLOW)
		return err_set(e, ERR_CORRUPT,
			       "a TLS record arrived damaged at the other "
			       "side: something on the network changes data");
	if (alert != NO_ALERT)
		return err_set(e, ERR_LOST,
			       "the other side aborted the connection (TLS "
			       "alert %d, %s)", alert,
			       SSL_alert_desc_string_long(alert));
	if (c->eof_met)
		return err_set(e, ERR_LOST,
			       "the connection was cut, or the other side's "
			       "process ended");
	if (out_of_memory())
		return err_set(e, ERR_RESOURCE, "out of memory");
	return err_set(e, ERR_CORRUPT,
		       "a TLS record arrived damaged: something on the network "
		       "changes data");
}

/* --------------------------------------------------------- transport_ops */

/* Send a client that does not use TLS an alert, from which it can tell our
 * security mode. */
static void answer_no_tls(struct tls_conn *c)
{
	uint8_t alert[MODE_ALERT];

	mode_put_alert(alert, c->t->mode);
	if (c->t->role == NET_CONNECTS || block_alloc(&c->out) < 0 ||
	    block_room(&c->out) < sizeof(alert))
		return;
	memcpy(c->out.data + c->out.end, alert, sizeof(alert));
	c->out.end += sizeof(alert);
}

static int on_handshake(struct transport *t, struct err *e)
{
	struct tls_conn *c = conn_of(t);
	int rc;

	if (c->not_tls) {
		answer_no_tls(c);
		if (mode_differs(c->first, c->first_len, c->t->mode))
			return mode_set_error(c->first, c->first_len,
					      c->t->mode, e);
		return refused(c, "it does not use TLS (was it started with "
				  "--plain, or is it not ferry?)", e);
	}
	ERR_clear_error();
	rc = SSL_do_handshake(c->ssl);
	if (rc == 1) {
		rc = check_peer(c, e);
		c->ready = rc == 0;
	} else if (SSL_get_error(c->ssl, rc) == SSL_ERROR_WANT_READ) {
		if (c->handshake_in < handshake_max(c))
			return ERR_AGAIN;
		rc = refused(c, "its TLS handshake is too long", e);
	} else {
		rc = handshake_failed(c, e);
	}
	ERR_clear_error();
	/* After the handshake TLS needs no random numbers. */
	tls_leave_thread(c->t);
	return rc;
}

/* After SSL_read_ex() or SSL_peek_ex() failed. */
static int read_failed(struct tls_conn *c, struct err *e)
{
	switch (SSL_get_error(c->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return ERR_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		err_set(&c->read_error, ERR_CLOSED,
			"the other side closed the connection");
		break;
	default:
		connection_failed(c, &c->read_error);
		break;
	}
	ERR_clear_error();
	return err_set(e, c->read_error.code, "%s", c->read_error.text);
}

static int on_read(struct transport *t, void *p, size_t cap, size_t *got,
		   struct err *e)
{
	struct tls_conn *c = conn_of(t);

	*got = 0;
	if (c->read_error.code)
		return err_set(e, c->read_error.code, "%s", c->read_error.text);
	ERR_clear_error();
	if (SSL_read_ex(c->ssl, p, cap, got) != 1)
		return read_failed(c, e);
	c->has_begun = 1;
	return 0;
}

static int on_has_input(struct transport *t)
{
	struct tls_conn *c = conn_of(t);
	size_t got;
	char byte;

	if (c->read_error.code || SSL_pending(c->ssl) > 0)
		return 1;
	/* OpenSSL reads all of our input before it asks for more. */
	if (block_used(&c->in) == 0 && !c->in_eof)
		return 0;
	ERR_clear_error();
	return SSL_peek_ex(c->ssl, &byte, 1, &got) == 1 ||
	       read_failed(c, NULL) != ERR_AGAIN;
}

static int on_has_begun(struct transport *t)
{
	return conn_of(t)->has_begun;
}

static int on_write(struct transport *t, const void *p, size_t n,
		    size_t *took, struct err *e)
{
	struct tls_conn *c = conn_of(t);

	*took = 0;
	if (block_room(&c->out) < TRANSPORT_RECORD + RECORD_RESERVE)
		return ERR_AGAIN;
	if (n > TRANSPORT_RECORD)
		n = TRANSPORT_RECORD;
	ERR_clear_error();
	if (c->key_sent >= c->t->rekey_bytes) {
		/* OpenSSL sends it before the next record. */
		if (SSL_key_update(c->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1)
			goto failed;
		c->key_sent = 0;
	}
	if (SSL_write_ex(c->ssl, p, n, took) == 1) {
		c->key_sent += n;
		return 0;
	}
failed:
	if (c->read_error.code)
		return err_set(e, c->read_error.code, "%s", c->read_error.text);
	return err_set(e, out_of_memory() ? ERR_RESOURCE : ERR_LOST,
		       "cannot send over TLS: %s", reason_text());
}

static void on_peer_id(struct transport *t, uint8_t id[TRANSPORT_PEER])
{
	const struct tls_conn *c = conn_of(t);

	tls_peer_hash(c->t, SSL_get0_peer_certificate(c->ssl), c->credential,
		      id);
}

static void on_identity(struct transport *t, char text[TRANSPORT_IDENTITY])
{
	static const char prefix[] = "sha256:";
	const struct tls_conn *c = conn_of(t);
	X509 *cert = SSL_get0_peer_certificate(c->ssl);
	uint8_t hash[TLS_PIN_BYTES];

	/* Only a CA vouches for the subject; where that is empty or too long,
	 * the key stands for it. */
	if (!cert) {
		snprintf(text, TRANSPORT_IDENTITY, "%s",
			 c->t->keys[c->credential].name);
	} else if (c->t->mode != SECURITY_X509 ||
		   cert_text_of_subject(cert, text, TRANSPORT_IDENTITY) < 0) {
		tls_peer_hash(c->t, cert, 0, hash);
		memcpy(text, prefix, sizeof(prefix));
		hex_encode(text + sizeof(prefix) - 1, hash, sizeof(hash));
	}
}

static size_t on_credential(struct transport *t)
{
	return conn_of(t)->credential;
}

static int on_shutdown(struct transport *t, struct err *e)
{
	struct tls_conn *c = conn_of(t);

	if (c->read_error.code && c->read_error.code != ERR_CLOSED)
		return err_set(e, c->read_error.code, "%s", c->read_error.text);
	ERR_clear_error();
	if (SSL_shutdown(c->ssl) >= 0)
		return 0;
	return err_set(e, ERR_LOST, "cannot close the TLS connection: %s",
		       reason_text());
}

/* A side that was started with --plain closes the connection or waits when it
 * gets our ClientHello: nothing else tells the user. */
static int on_explain_broken(struct err *e)
{
	if (e->code == ERR_LOST)
		err_prefix(e, "during the TLS handshake (does the other side "
			      "use --plain?)");
	else if (e->code == ERR_TIMEOUT)
		err_prefix(e, "during the TLS handshake");
	return e->code;
}

static const struct transport_ops ops = {
	.in_space = on_in_space,
	.in_added = on_in_added,
	.in_end = on_in_end,
	.out = on_out,
	.out_sent = on_out_sent,
	.handshake = on_handshake,
	.explain_broken = on_explain_broken,
	.read = on_read,
	.write = on_write,
	.has_input = on_has_input,
	.has_begun = on_has_begun,
	.shutdown = on_shutdown,
	.peer_id = on_peer_id,
	.identity = on_identity,
	.credential = on_credential,
	.free = on_free,
};

/* Keep why a certificate is rejected: the callback knows which one it is. */
static int on_verify(int is_good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
		store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_conn *c = ssl ? SSL_get_app_data(ssl) : NULL;
	X509 *cert = X509_STORE_CTX_get0_cert(store);

	if (is_good && c && X509_STORE_CTX_get_error_depth(store) == 0 &&
	    tls_find_subject(c->t, cert) < 0) {
		char subject[TLS_CREDENTIAL_MAX];

		X509_STORE_CTX_set_error(store,
					 X509_V_ERR_APPLICATION_VERIFICATION);
		if (cert_text_of_subject(cert, subject, sizeof(subject)) < 0)
			snprintf(subject, sizeof(subject),
				 "which is empty or longer than %d bytes",
				 (int)sizeof(subject) - 1);
		/* Without text_escape(), which doubles backslashes, so that it
		 * can be copied into ferry.conf; it has no control
		 * characters. */
		snprintf(c->cert_error, sizeof(c->cert_error),
			 "its subject (%s) is not one that is accepted here",
			 subject);
		return 0;
	}
	if (!is_good && c && !*c->cert_error)
		cert_text_of_error(store, *c->t->host ? c->t->host : NULL,
				   c->cert_error, sizeof(c->cert_error));
	return is_good;
}

/* The server looks up the PSK of the identity that the client sent. */
static int on_find_psk(SSL *ssl, const unsigned char *id, size_t id_len,
		       SSL_SESSION **session)
{
	struct tls_conn *c = SSL_get_app_data(ssl);

	*session = tls_psk_session(ssl, tls_find_psk(c->t, id, id_len,
						     &c->credential));
	return *session != NULL;
}

/* The client offers its PSK: once, and again after a HelloRetryRequest.  The
 * nonce of its identity is from the ClientHello's own, so that both times it is
 * the same. */
static int on_use_psk(SSL *ssl, const EVP_MD *md, const unsigned char **id,
		      size_t *id_len, SSL_SESSION **session)
{
	struct tls_conn *c = SSL_get_app_data(ssl);
	uint8_t nonce[KEY_NONCE];

	*session = NULL;
	/* md is set if the server has chosen a suite (HelloRetryRequest).  With
	 * another hash no PSK is offered, and the handshake fails. */
	if (md && !EVP_MD_is_a(md, "SHA256"))
		return 1;
	if (!c->t->has_psk ||
	    SSL_get_client_random(ssl, nonce, sizeof(nonce)) != sizeof(nonce) ||
	    tls_identity(c->t, nonce, c->identity) < 0)
		return 0;
	*session = tls_psk_session(ssl, c->t->keys[0].psk);
	*id = (const unsigned char *)c->identity;
	*id_len = strlen(c->identity);
	return *session != NULL;
}

static struct transport *conn_new(const struct tls *t)
{
	struct tls_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->base.ops = &ops;
	c->t = t;
	c->peer_alert = NO_ALERT;
	c->ssl = SSL_new(t->ctx);
	if (!c->ssl || !SSL_set_app_data(c->ssl, c) || attach_bio(c) < 0) {
		on_free(&c->base);
		return NULL;
	}
	SSL_set_info_callback(c->ssl, on_info);
	SSL_set_verify(c->ssl, SSL_get_verify_mode(c->ssl), on_verify);
	if (tls_uses_psk(t))
		SSL_certs_clear(c->ssl);
	if (tls_uses_psk(t) && t->role == NET_CONNECTS)
		SSL_set_psk_use_session_callback(c->ssl, on_use_psk);
	if (tls_uses_psk(t) && t->role == NET_LISTENS)
		SSL_set_psk_find_session_callback(c->ssl, on_find_psk);
	if (t->role == NET_CONNECTS)
		SSL_set_connect_state(c->ssl);
	else
		SSL_set_accept_state(c->ssl);
	return &c->base;
}

struct stream *tls_conn_open(int fd, const struct tls *t,
			     const struct stream_config *cfg, struct err *e)
{
	struct transport *transport = NULL;

	if (t) {
		transport = conn_new(t);
		if (!transport) {
			err_set(e, ERR_RESOURCE, "out of memory");
			return NULL;
		}
	}
	return stream_open(fd, cfg, transport, e);
}
