/*
 * Authenticating a peer: the code exchange, if any, then TLS.
 */
#include "auth/secure.h"

#include "auth/pake.h"
#include "auth/tls_conn.h"
#include "base/clock.h"

static int exchange_code(int fd, const struct secure_mode *mode,
			 const struct stream_config *cfg, int *spent_code,
			 struct err *e)
{
	struct pake_conn conn = {
		.fd = fd,
		.cancel = cfg->cancel,
		.deadline_ms = cfg->deadline_ms,
	};

	if (!conn.deadline_ms)
		conn.deadline_ms = clock_ms() + (uint64_t)cfg->timeout_ms;
	if (mode->role == NET_CONNECTS)
		return pake_connect(mode->pake, mode->tls, &conn, e);
	return pake_listen(mode->pake, mode->tls, &conn, spent_code, e);
}

struct stream *secure_open(int fd, const struct secure_mode *mode,
			   const struct stream_config *cfg, int *spent_code,
			   struct err *e)
{
	int spent = 0, rc = 0;

	if (mode->pake)
		rc = exchange_code(fd, mode, cfg, &spent, e);
	if (spent_code)
		*spent_code = spent;
	return rc ? NULL : tls_conn_open(fd, mode->tls, cfg, e);
}
