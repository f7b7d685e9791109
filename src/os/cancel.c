/*
 * Cancel tokens: a flag, and a wake-up that stays.
 */
#include "os/cancel.h"

int cancel_init(struct cancel *c)
{
	atomic_init(&c->is_set, 0);
	return wake_open(&c->wake);
}

void cancel_init_flag(struct cancel *c)
{
	atomic_init(&c->is_set, 0);
	c->wake.fd = -1;
}

void cancel_release(struct cancel *c)
{
	wake_close(&c->wake);
}

void cancel_set(struct cancel *c)
{
	/* The flag first: a thread that is woken looks at it. */
	atomic_store(&c->is_set, 1);
	if (c->wake.fd >= 0)
		wake_signal(&c->wake);
}

void cancel_reset(struct cancel *c)
{
	if (c->wake.fd >= 0)
		wake_clear(&c->wake);
	atomic_store(&c->is_set, 0);
}

int cancel_is_set(const struct cancel *c)
{
	return c && atomic_load(&c->is_set);
}

int cancel_fd(const struct cancel *c)
{
	return c ? c->wake.fd : -1;
}
