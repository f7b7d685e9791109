/*
 * Giving the order and reading the answer.  Nothing after it is read here.
 */
#include "remote/client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "chunk/digest.h"
#include "os/entropy.h"
#include "remote/deploy.h"
#include "remote/login.h"
#include "remote/target.h"
#include "session/carrier.h"
#include "wire/msg.h"
#include "wire/order.h"

enum {
	LOGIN_MS = 180000,
	SSH_FAILED = 255, /* ssh's own exit status */
};

struct client {
	struct ssh *ssh;
	char host[ADDR_TEXT_MAX]; /* escaped, cut where it is longer */
	char whole_host[TARGET_HOST_MAX];
	int is_interactive;
	struct buf list; /* the order's */
	struct buf older; /* the same for a ferry that refuses ORDER_HOST */
	int is_older; /* the other side's is one */
	struct carrier carrier;
	const struct session_events *events;
	struct deploy *deploy; /* NULL: not asked for */
};

/* ---- the order ---- */

/* Send it, and read up to the answer. */
static int give_order(const struct client *c, struct login *l, struct err *e)
{
	const struct buf *list = c->is_older ? &c->older : &c->list;
	struct order m = { .version = ORDER_VERSION,
			   .len = (uint32_t)list->len };
	struct buf order, marker;
	int rc = 0;

	if (entropy_get(m.nonce, sizeof(m.nonce)))
		return err_sys(e, ERR_RESOURCE, "cannot get random bytes");
	buf_init(&order, ORDER_HEADER + ORDER_LIST_MAX);
	buf_init(&marker, ORDER_MARKER + 1);
	order_put(&order, &m);
	buf_put(&order, list->data, list->len);
	order_put_marker(&marker, m.nonce);
	buf_put_u8(&marker, '\0');
	if (order.failed || marker.failed)
		rc = err_set(e, ERR_RESOURCE, "out of memory");
	else
		rc = login_exchange(l, order.data, order.len,
				(const char *)marker.data, e);
	buf_release(&order);
	buf_release(&marker);
	return rc;
}

/* ---- the answer ---- */

static int refused(struct client *c, const struct order_answer *m,
		   const char *text, size_t n, struct err *e)
{
	char shown[WIRE_TEXT_MAX];
	const int code = m->code == WERR_PROTOCOL || m->code == WERR_VERSION
				 ? ERR_PROTOCOL
			 : m->code == WERR_RESOURCE ? ERR_RESOURCE
						    : ERR_REMOTE;

	text_escape(shown, sizeof(shown), text, n);
	/* it quotes what it does not know */
	if (strstr(shown, "'" ORDER_HOST))
		c->is_older = 1;
	return err_set(e, code, "%s: %s", c->host, shown);
}

static int read_answer(struct client *c, struct login *l, struct err *e)
{
	uint8_t head[ORDER_ANSWER], *list = NULL;
	struct order_answer m;
	const char *text = NULL;
	size_t n = 0;
	struct rd r;
	int rc = login_read(l, head, sizeof(head), e);

	if (rc)
		return rc;
	if (order_get_answer(&m, head) || m.version != ORDER_VERSION)
		return err_set(e, ERR_PROTOCOL,
			       "%s: ferry there is of a release that this one "
			       "does not know: use the same on both hosts",
			       c->host);
	list = malloc(m.len + 1);
	if (!list)
		return err_set(e, ERR_RESOURCE, "out of memory");
	rc = login_read(l, list, m.len, e);
	rd_init(&r, list, m.len);
	if (rc == 0 && order_get_count(&r) > 0)
		text = order_get_item(&r, &n);
	if (rc == 0 && r.failed)
		rc = err_set(e, ERR_PROTOCOL, "%s: malformed answer",
			     c->host);
	if (rc == 0 && m.code)
		rc = refused(c, &m, text ? text : "", n, e);
	free(list);
	return rc;
}

/* ---- the carrier ---- */

/* ssh has proved that it is the host of this name. */
static void name_peer(const struct client *c, struct stream *stream)
{
	char identity[ADDR_TEXT_MAX + 8], whole[TARGET_HOST_MAX + 8];
	uint8_t id[STREAM_PEER];

	snprintf(identity, sizeof(identity), "ssh:%s", c->host);
	snprintf(whole, sizeof(whole), "ssh:%s", c->whole_host);
	digest_sha256.sum(whole, strlen(whole), id);
	stream_set_peer(stream, id, identity);
}

/* Everything up to the session.  timeout_ms: of the stream. */
static int log_in(struct client *c, struct login *l, int timeout_ms,
		  struct err *e)
{
	int rc = 0;

	/* ssh may ask for a password first */
	login_limit(l, c->is_interactive && timeout_ms < LOGIN_MS ? LOGIN_MS
								  : timeout_ms);
	if (c->deploy) {
		rc = deploy_run(c->deploy, l, c->host, c->events, e);
		login_limit(l, timeout_ms);
	}
	if (rc == 0)
		rc = give_order(c, l, e);
	login_limit(l, timeout_ms);
	return rc ? rc : read_answer(c, l, e);
}

static struct stream *open_once(struct client *c,
				const struct stream_config *cfg, struct err *e)
{
	const struct login_config login = { .ssh = c->ssh,
					    .host = c->host,
					    .is_deploying = c->deploy != NULL,
					    .events = c->events,
					    .cancel = cfg->cancel };
	struct login *l = login_start(&login, e);
	struct stream *stream = NULL;
	int fd = -1;

	if (l && log_in(c, l, cfg->timeout_ms, e) == 0) {
		fd = login_take_socket(l);
		stream = stream_open(fd, cfg, NULL, e);
	}
	if (stream)
		name_peer(c, stream);
	else
		io_close(&fd);
	login_end(l);
	return stream;
}

static struct stream *open_stream(void *ctx, const struct stream_config *cfg,
				  char peer[ADDR_TEXT_MAX], struct err *e)
{
	struct client *c = ctx;
	const int was_older = c->is_older;
	struct stream *stream;

	memcpy(peer, c->host, sizeof(c->host));
	stream = open_once(c, cfg, e);
	/* its answer was the end of that ferry remote */
	if (!stream && c->is_older && !was_older) {
		err_clear(e);
		stream = open_once(c, cfg, e);
	}
	return stream;
}

/* ---- making and ending ---- */

static int has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	io_close(&fd);
	return 1;
}

static int prepare(struct client *c, const struct ssh_config *given,
		   enum deploy_use deploy, struct err *e)
{
	struct ssh_config ssh = *given;

	if (c->list.failed || c->older.failed)
		return err_set(e, ERR_USAGE,
			       "the names and options for the other host are "
			       "longer than %d KiB", ORDER_LIST_MAX / 1024);
	if (deploy != DEPLOY_NO)
		ssh.script = deploy_script;
	c->ssh = ssh_new(&ssh, e);
	if (c->ssh && deploy != DEPLOY_NO)
		c->deploy = deploy_new(deploy, e);
	return c->ssh && (c->deploy || deploy == DEPLOY_NO) ? 0 : e->code;
}

/* The order's list, with the name of the host unless that is NULL. */
static void put_list(struct buf *b, char *const *args, const char *name)
{
	const size_t off = order_begin_list(b);

	order_put_item(b, off, args[0]);
	if (name)
		order_put_item(b, off, name);
	for (int i = 1; args[i]; i++)
		order_put_item(b, off, args[i]);
}

struct client *client_new(const struct ssh_config *ssh, enum deploy_use deploy,
			  char *const *args, struct err *e)
{
	struct client *c = calloc(1, sizeof(*c));
	char name[sizeof(ORDER_HOST) + TARGET_HOST_MAX];

	if (!c) {
		err_set(e, ERR_RESOURCE, "out of memory");
		return NULL;
	}
	buf_init(&c->list, ORDER_LIST_MAX);
	buf_init(&c->older, ORDER_LIST_MAX);
	snprintf(name, sizeof(name), ORDER_HOST "%s", ssh->host);
	put_list(&c->list, args, name);
	put_list(&c->older, args, NULL);
	if (prepare(c, ssh, deploy, e)) {
		client_free(c);
		return NULL;
	}
	text_escape(c->host, sizeof(c->host), ssh->host, strlen(ssh->host));
	snprintf(c->whole_host, sizeof(c->whole_host), "%s", ssh->host);
	c->is_interactive = has_terminal();
	c->carrier.open = open_stream;
	c->carrier.ctx = c;
	return c;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	ssh_free(c->ssh);
	deploy_free(c->deploy);
	buf_release(&c->list);
	buf_release(&c->older);
	free(c);
}

void client_set_events(struct client *c, const struct session_events *events)
{
	c->events = events;
}

const struct carrier *client_carrier(const struct client *c)
{
	return &c->carrier;
}

int client_remote_status(struct client *c, int ms)
{
	int status = -1;

	if (!ssh_wait(c->ssh, ms, &status) || status == -1 ||
	    !WIFEXITED(status) || WEXITSTATUS(status) == SSH_FAILED)
		return -1;
	return WEXITSTATUS(status);
}
