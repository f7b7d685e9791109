/*
 * Senders, their credentials, and the reference count of both.
 */
#include "receiver/senders.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/tls.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/text.h"
#include "receiver/dir_opener.h"
#include "receiver/exec_helper.h"
#include "session/events.h"

struct credential {
	size_t sender;  /* index of the list */
	char *identity;
};

struct senders {
	atomic_uint refs;
	/* set before it is shared */
	struct tls *tls;
	struct sender **list;
	size_t count;
	struct credential *credentials;
	size_t credential_count;
};

struct senders *senders_new(struct tls *tls)
{
	struct senders *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return NULL;
	atomic_init(&ss->refs, 1);
	ss->tls = tls;
	return ss;
}

struct senders *senders_hold(struct senders *ss)
{
	if (ss)
		atomic_fetch_add(&ss->refs, 1);
	return ss;
}

/* What a sender owns; is_named: exec and opener too.  name and dir are not
 * const here: they are copies. */
static void sender_free(struct sender *s, int is_named)
{
	char *name = NULL, *dir = NULL;

	memcpy(&name, &s->name, sizeof(name));
	memcpy(&dir, &s->dir, sizeof(dir));
	if (is_named) {
		exec_helper_free(s->exec);
		dir_opener_free(s->opener);
	}
	io_close(&s->root_fd);
	rate_limit_release(&s->rate_limit);
	free(name);
	free(dir);
	free(s);
}

void senders_release(struct senders *ss)
{
	if (!ss || atomic_fetch_sub(&ss->refs, 1) != 1)
		return;
	for (size_t i = 0; i < ss->count; i++)
		sender_free(ss->list[i], ss->list[i]->name != NULL);
	for (size_t i = 0; i < ss->credential_count; i++)
		free(ss->credentials[i].identity);
	free(ss->credentials);
	free(ss->list);
	tls_free(ss->tls);
	free(ss);
}

struct sender *senders_add(struct senders *ss, const struct sender *s,
			   uint64_t rate)
{
	struct sender *own = malloc(sizeof(*own)), **list;

	if (!own) {
		int fd = s->root_fd;

		io_close(&fd);
		if (s->name) {
			exec_helper_free(s->exec);
			dir_opener_free(s->opener);
		}
		return NULL;
	}
	*own = *s;
	own->name = s->name ? strdup(s->name) : NULL;
	own->dir = s->dir ? strdup(s->dir) : NULL;
	rate_limit_init(&own->rate_limit, rate);
	list = mem_resize(ss->list, ss->count + 1, sizeof(*list));
	if (list)
		ss->list = list;
	if (!list || (s->name && !own->name) || (s->dir && !own->dir)) {
		/* its own name may be what could not be copied */
		sender_free(own, s->name != NULL);
		return NULL;
	}
	list[ss->count++] = own;
	return own;
}

int senders_add_credential(struct senders *ss, const char *identity)
{
	struct credential *all = mem_resize(ss->credentials,
					    ss->credential_count + 1,
					    sizeof(*all));

	if (!all)
		return -1;
	ss->credentials = all;
	all += ss->credential_count;
	all->sender = ss->count - 1;
	all->identity = strdup(identity);
	if (!all->identity)
		return -1;
	ss->credential_count++;
	return 0;
}

size_t senders_count(const struct senders *ss)
{
	return ss->count;
}

struct sender *senders_at(const struct senders *ss, size_t index)
{
	return ss->list[index];
}

struct tls *senders_tls(const struct senders *ss)
{
	return ss->tls;
}

struct sender *senders_of_stream(const struct senders *ss,
				 const struct stream *stream)
{
	const size_t i = ss->tls ? stream_credential(stream) : 0;

	assert(!ss->tls || i < ss->credential_count);
	return ss->list[ss->tls ? ss->credentials[i].sender : 0];
}

int senders_accept(const struct senders *ss, const char *name,
		   const char *identity)
{
	if (!name)
		return 1;
	for (size_t i = 0; i < ss->credential_count; i++) {
		const struct credential *c = &ss->credentials[i];

		if (strcmp(c->identity, identity) == 0)
			return strcmp(ss->list[c->sender]->name, name) == 0;
	}
	return 0;
}

const char *senders_check_dir(const struct sender *s,
			      const struct session_events *ev)
{
	struct stat held, now;
	char shown[512] = "that is received into";
	int is_there;

	if (s->root_fd < 0 || fstat(s->root_fd, &held) < 0)
		return NULL;
	if (held.st_nlink == 0)
		return s->name ? "the directory that it receives into was "
				 "removed: make it again, and reload the "
				 "receiver (SIGHUP)" :
				 "the directory that it receives into was "
				 "removed: make it again, and restart the "
				 "receiver";
	is_there = stat(s->dir, &now) == 0;
	if (is_there ? now.st_dev != held.st_dev || now.st_ino != held.st_ino :
		       errno == ENOENT || errno == ENOTDIR)
		events_message(ev, SESSION_WARNING,
			       "the directory %s was moved%s: files go where it "
			       "is now, until the receiver is %s",
			       !s->name ? shown :
					  text_escape(shown, sizeof(shown),
						      s->dir, strlen(s->dir)),
			       is_there ? ", and another one has its name" : "",
			       s->name ? "reloaded (SIGHUP)" : "restarted");
	return NULL;
}

/* ---- those of new connections ---- */

struct senders_current {
	pthread_mutex_t lock;
	struct senders *senders; /* guarded by lock */
};

struct senders_current *senders_current_new(void)
{
	struct senders_current *c = calloc(1, sizeof(*c));

	if (c)
		pthread_mutex_init(&c->lock, NULL);
	return c;
}

void senders_current_free(struct senders_current *c)
{
	if (!c)
		return;
	senders_release(c->senders);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct senders *senders_current_get(struct senders_current *c)
{
	struct senders *ss;

	pthread_mutex_lock(&c->lock);
	ss = senders_hold(c->senders);
	pthread_mutex_unlock(&c->lock);
	return ss;
}

void senders_current_set(struct senders_current *c, struct senders *next)
{
	struct senders *former;

	pthread_mutex_lock(&c->lock);
	former = c->senders;
	c->senders = next;
	pthread_mutex_unlock(&c->lock);
	senders_release(former);
}
