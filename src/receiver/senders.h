/*
 * senders.h - who may send to a receiver, and what each may do: the named
 * senders of --config, or the one without a name that stands for all.
 *
 * Layer: receiver.
 * Threads: a struct senders is filled by one thread and then only read, by any;
 * its reference count may be changed by any.  Of a struct sender, rate_limit
 * has a lock of its own.
 *
 * A reload makes a new struct senders.  Connections and sessions that began
 * with the former one keep a reference to it, so that it is freed with the last
 * of them.
 */
#ifndef FERRY_RECEIVER_SENDERS_H
#define FERRY_RECEIVER_SENDERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/addr.h"
#include "net/cidr.h"
#include "net/stream.h"
#include "receiver/conflict.h"
#include "session/rate_limit.h"

struct dir_opener;
struct exec_helper;
struct session_events;
struct tls;

/* What a name consists of. */
#define SENDER_NAME_CHARACTERS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-"

enum {
	SENDER_NAME_MAX = 64,  /* bytes of a name */
	/* of "NAME (ADDRESS)", terminated */
	SENDER_LABEL_MAX = SENDER_NAME_MAX + ADDR_TEXT_MAX + 4,
	SENDERS_MAX = 1024,    /* in one receiver */
	SENDERS_CREDENTIALS_MAX = 4096,
};

struct sender {
	const char *name; /* NULL: not named; then exec and opener are borrowed */
	const char *dir;  /* for messages; NULL with --stdout */
	int root_fd;      /* what is received lies below it; -1 with --stdout */
	uint64_t root_dev;
	enum conflict_policy existing;
	uint32_t accept;              /* enum wire_request */
	unsigned preserve;            /* enum file_meta_preserve */
	uint64_t max_size, max_files; /* of a session; UINT64_MAX: no limit */
	uint64_t max_kept; /* see kept.h; 0: as the receiver says */
	struct cidr_list allow;       /* besides the receiver's */
	struct rate_limit rate_limit; /* of all its sessions */
	struct exec_helper *exec;     /* or NULL */
	struct dir_opener *opener;    /* or NULL */
};

struct senders;
struct senders_current;

/* tls holds the credentials of named senders, in the order in which
 * senders_add_credential() is called, and belongs to the result; NULL: the
 * sender has no name.  NULL when out of memory; tls is then the caller's. */
struct senders *senders_new(struct tls *tls);

struct senders *senders_hold(struct senders *ss);
void senders_release(struct senders *ss); /* NULL is allowed */

/*
 * Add a sender.  name and dir are copied; what s owns besides (root_fd, and
 * exec and opener where it has a name) is taken over, also on failure.  rate:
 * bytes a second of all its sessions; 0: no limit.  Returns the sender,
 * borrowed; NULL when out of memory.
 */
struct sender *senders_add(struct senders *ss, const struct sender *s,
			   uint64_t rate);

/* The next credential is the sender's, who was added last; identity as
 * stream_identity() says it.  Returns 0 or -1 when out of memory. */
int senders_add_credential(struct senders *ss, const char *identity);

size_t senders_count(const struct senders *ss);
struct sender *senders_at(const struct senders *ss, size_t index);
struct tls *senders_tls(const struct senders *ss);

/* The sender that the peer of an authenticated stream is: each credential of
 * tls has one. */
struct sender *senders_of_stream(const struct senders *ss,
				 const struct stream *stream);

/* Whether the sender of this name is still accepted with what it has proved to
 * be; always so without names. */
int senders_accept(const struct senders *ss, const char *name,
		   const char *identity);

/*
 * At the beginning of a session: what to tell its sender, and the user, where
 * the directory was removed.  Otherwise NULL; where it was moved, the user is
 * warned.
 */
const char *senders_check_dir(const struct sender *s,
			      const struct session_events *ev);

/* The senders that new connections get: none at first.  NULL when out of
 * memory. */
struct senders_current *senders_current_new(void);
void senders_current_free(struct senders_current *c); /* NULL is allowed */

/* With a reference for the caller. */
struct senders *senders_current_get(struct senders_current *c);

/* Takes next over. */
void senders_current_set(struct senders_current *c, struct senders *next);

#endif
