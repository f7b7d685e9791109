/*
 * Authenticating a peer: the code exchange, if any, then TLS.
 */
#include "auth/secure.h"

#include "auth/tls_conn.h"
#include "base/clock.h"
#include "base/libcrypto.h"

int secure_prepare_thread(struct err *e)
{
	return libcrypto_prepare_thread() == 0 ?
		       0 :
		       err_set(e, ERR_RESOURCE, "out of memory");
}

struct stream *secure_open(int fd, const struct secure_mode *mode,
			   const struct stream_config *cfg,
			   enum pake_use *use, struct err *e)
{
	struct pake_conn conn = {
		.fd = fd,
		.cancel = cfg->cancel,
		.deadline_ms = cfg->deadline_ms,
	};
	const int was_agreed = mode->role == NET_CONNECTS && mode->pake &&
			       pake_is_agreed(mode->pake);
	enum pake_use code_use = PAKE_VALID;
	struct stream *stream;
	int rc = 0;

	if (!conn.deadline_ms)
		conn.deadline_ms = clock_ms() + (uint64_t)cfg->timeout_ms;
	if (mode->tls || mode->pake)
		rc = secure_prepare_thread(e);
	if (rc == 0 && mode->pake)
		rc = mode->role == NET_CONNECTS
			     ? pake_connect(mode->pake, mode->tls, &conn, e)
			     : pake_listen(mode->pake, mode->tls, &conn,
					   &code_use, e);
	if (use)
		*use = code_use;
	stream = rc ? NULL : tls_conn_open(fd, mode->tls, cfg, e);
	if (!stream && was_agreed && e->code == ERR_AUTH)
		err_set(e, ERR_AUTH, "the other side does not know this "
			"transfer: it was started again and shows a new code; "
			"run the same command again with that code");
	return stream;
}

int secure_renew_code(int fd, const struct secure_mode *mode, const char *peer,
		      struct err *e)
{
	const struct secure_renewal *r = &mode->renewal;
	int rc = r->renew ? r->renew(r->ctx, peer, e) : e->code;

	if (rc == 0)
		pake_tell_renewed(fd);
	return rc;
}
