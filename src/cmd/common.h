/*
 * common.h - options of both send and receive: connection, security, output.
 *
 * Layer: cmd.
 * Threads: main's only.
 */
#ifndef FERRY_CMD_COMMON_H
#define FERRY_CMD_COMMON_H

#include <stdint.h>

#include "auth/tls.h"
#include "base/err.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "net/cidr.h"
#include "net/dial.h"
#include "net/proxy.h"

struct session_events;

#define COMMON_NO_PORT UINT64_MAX

enum progress_when { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };

enum { COMMON_PINS_MAX = 64, COMMON_VERBOSE_MAX = 2 };

struct pin_list {
	const char *pins[COMMON_PINS_MAX];
	size_t count;
};

/* The first member of each command's option struct.  Strings are borrowed from
 * argv. */
struct common_options {
	enum net_role role; /* set by the command before common_check() */
	uint64_t port; /* COMMON_NO_PORT: not given */
	struct cidr_list allow; /* of the side that listens */
	uint64_t wait_s;
	uint64_t retry_s; /* of the side that connects */
	const char *proxy, *proxy_password_file;
	const char *bind;
	int family; /* bits: 1 for -4, 2 for -6 */
	const char *congestion;
	uint64_t limit_rate; /* bytes a second; 0: no limit */
	uint64_t timeout_s;
	const char *key, *cert, *cert_key, *ca, *peer_name;
	struct pin_list pins;
	const char *code_file;
	int code, plain;
	const char *ssh, *remote_ferry;
	int deploy; /* enum deploy_use */
	int data; /* enum direct_use */
	int json_fd; /* -1: no events */
	int quiet;
	int verbose; /* how often it was given, up to COMMON_VERBOSE_MAX */
	int progress; /* enum progress_when */
};

/* Rows of the groups; their offsets are those within common_options. */
extern const struct option_group common_connection, common_security,
	common_ssh, common_output;

/* The option whose secret is read from standard input, such as "--key"; NULL:
 * none. */
const char *common_reads_stdin(const struct common_options *o);

/* The words of --sandbox. */
extern const struct option_word common_sandbox_words[];

/* The defaults. */
void common_init(struct common_options *o);

/* Check what a single row cannot: that no two options exclude each other, that
 * each is for our role, and that the descriptor of --json is writable.  Returns
 * 0 or ERR_USAGE. */
int common_check(const struct common_options *o, struct err *e);

/*
 * The security mode that was given, or SECURITY_CODE if none was.  Returns 0;
 * or ERR_USAGE if there are two, or an option of one is missing.
 */
int common_mode(const struct common_options *o, enum security *mode,
		struct err *e);

/*
 * Load the credentials.  host is the name that the peer's certificate must
 * have if this side connects, else NULL.  *tls is NULL for plain TCP; the
 * caller frees it.  A side that listens is warned, by events, of certificates
 * that are not valid by their dates; one that connects finds out.  Returns 0,
 * or as tls_new().
 */
int common_tls(const struct common_options *o, enum security mode,
	       const char *host, const struct session_events *events,
	       struct tls **tls, struct err *e);

/*
 * Parse HOST[:PORT], the peer to connect to; what: how it is called, such as
 * "HOST".  Its port may also come from -p.  Returns 0 or ERR_USAGE.
 */
int common_target(const struct common_options *o, const char *what,
		  const char *text, struct host_port *target, struct err *e);

/* The port to listen on. */
uint16_t common_listen_port(const struct common_options *o);

/*
 * The proxy to connect to target through, from the options or the environment
 * (ALL_PROXY, NO_PROXY).  p->kind is PROXY_NONE where there is none; the caller
 * wipes *p.  Returns 0, ERR_USAGE, or as key_open_secret().
 */
int common_proxy(const struct common_options *o,
		 const struct host_port *target, struct proxy *p,
		 struct err *e);

/* The options of the connection, as net/ takes them. */
struct net_options common_net(const struct common_options *o);

/* The same for direct streams of a session by ssh; and their port, 0 for
 * any. */
struct net_options common_direct_net(const struct common_options *o);
uint16_t common_direct_port(const struct common_options *o);

/* The settings of a report that come from the options; the rest is 0. */
struct report_config common_report(const struct common_options *o,
				   enum security mode);

int common_timeout_ms(const struct common_options *o);

#endif
