/*
 * A connection for trial: nobody should have to read out a code for a host that
 * cannot be reached.
 */
#include "cmd/reach.h"

#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "cmd/report.h"
#include "cmd/signals.h"
#include "net/addr.h"
#include "net/dial.h"
#include "session/events.h"

enum {
	QUIET_MS = 3000, /* without an answer, before the user is told */
	REST_MS = 1000,  /* at least, after that */
};

static int connect_to(const struct host_port *host,
		      const struct net_options *net,
		      const struct session_events *events, struct err *e)
{
	struct net_options limited = *net;
	const uint64_t began_ms = clock_ms();
	const int all_ms = dial_connect_ms(net);
	char shown[256];
	int fd;

	limited.connect_ms = QUIET_MS;
	fd = dial_connect(host, &limited, NULL, NULL, e);
	if (fd == ERR_CONNECT && clock_ms() - began_ms >= QUIET_MS) {
		text_escape(shown, sizeof(shown), host->host,
			    strlen(host->host));
		events_message(events, SESSION_NOTICE,
			       "connecting to %s, port %u: no answer for %d s; "
			       "is TCP port %u open there, in its firewall?",
			       shown, (unsigned)host->port, QUIET_MS / 1000,
			       (unsigned)host->port);
		limited.connect_ms = all_ms - QUIET_MS;
		if (limited.connect_ms < REST_MS)
			limited.connect_ms = REST_MS;
		fd = dial_connect(host, &limited, NULL, NULL, e);
	}
	return fd;
}

int reach_host(const struct host_port *host, const struct net_options *net,
	       struct report *report, struct err *e)
{
	int fd;

	signals_start_report();
	report_answer(report, 1);
	fd = connect_to(host, net, report_events(report), e);
	report_answer(report, 0);
	if (fd < 0)
		return fd;
	io_close(&fd);
	return 0;
}
