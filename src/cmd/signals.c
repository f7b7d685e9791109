/*
 * The handler is async-signal-safe: it records the signal and wakes poll().
 * SIGINT is caught even if the shell set it to be ignored (for a background job
 * of a script), because a user may send it explicitly; an ignored SIGHUP
 * (nohup) stays ignored.
 */
#include "cmd/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/packet.h"
#include "os/wake.h"

/* The handler runs in any thread, and others read what it wrote: so atomics,
 * which are free of locks and so allowed in a handler (C11, 7.14.1.1). */
static atomic_int caught;
static atomic_int forward_fd = -1;
static atomic_int reload_fd = -1;

/* Made before there is a handler. */
static struct wake ended = { -1, -1 }, report = { -1, -1 },
		   resumed = { -1, -1 };

void signals_die(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	signal(sig, SIG_DFL);
	/* it is blocked in its own handler, and may have been by the parent */
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
	/* the first process of a PID namespace has no default actions */
	_exit(128 + sig);
}

static void put_signal(int sock, int sig)
{
	const int32_t message = sig;

	(void)packet_send(sock, &message, sizeof(message), -1, MSG_DONTWAIT);
}

static void forward(int sig, const siginfo_t *info)
{
	if (forward_fd < 0 || (sig == SIGINT && info->si_code == SI_KERNEL))
		return;
	put_signal(forward_fd, sig);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	const int saved = errno;

	(void)context;
	if (sig == SIGHUP && reload_fd >= 0) {
		put_signal(reload_fd, sig);
		errno = saved;
		return;
	}
	forward(sig, info);
	if (caught)
		signals_die(sig);
	caught = sig;
	wake_signal(&ended);
	errno = saved;
}

static void on_note(int sig)
{
	wake_signal(sig == SIGCONT ? &resumed : &report);
}

static int catch_note(int sig, struct wake *note)
{
	struct sigaction act;

	if (note->fd < 0 && wake_open(note) < 0)
		return -1;
	memset(&act, 0, sizeof(act));
	act.sa_handler = on_note;
	act.sa_flags = SA_RESTART;
	sigemptyset(&act.sa_mask);
	return sigaction(sig, &act, NULL);
}

void signals_start_report(void)
{
	(void)catch_note(SIGUSR1, &report);
}

const struct wake *signals_report(void)
{
	return &report;
}

const struct wake *signals_continue(void)
{
	return &resumed;
}

/* even_ignored: also where the parent has it ignored. */
static int catch(int sig, int even_ignored)
{
	struct sigaction old, act;

	if (sigaction(sig, NULL, &old) < 0)
		return -1;
	if (!even_ignored && old.sa_handler == SIG_IGN)
		return 0;
	memset(&act, 0, sizeof(act));
	act.sa_sigaction = on_signal;
	act.sa_flags = SA_RESTART | SA_SIGINFO;
	sigemptyset(&act.sa_mask);
	return sigaction(sig, &act, NULL);
}

int signals_start(struct err *e)
{
	if (wake_open(&ended) < 0)
		return err_sys(e, ERR_RESOURCE, "cannot wait for signals");
	if (catch(SIGINT, 1) < 0 || catch(SIGTERM, 1) < 0 ||
	    catch(SIGHUP, 0) < 0 || catch_note(SIGUSR1, &report) < 0 ||
	    catch_note(SIGCONT, &resumed) < 0)
		return err_sys(e, ERR_RESOURCE, "cannot catch signals");
	return ended.fd;
}

void signals_forward(int sock)
{
	forward_fd = sock;
}

/* how: SIG_BLOCK or SIG_UNBLOCK */
static void mask_reload(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(how, &set, NULL);
}

void signals_hold_reload(void)
{
	mask_reload(SIG_BLOCK);
}

int signals_reload(int sock, struct err *e)
{
	reload_fd = sock;
	if (catch(SIGHUP, 1) < 0)
		return err_sys(e, ERR_RESOURCE, "cannot catch signals");
	mask_reload(SIG_UNBLOCK);
	return 0;
}

int signals_caught(void)
{
	return caught;
}

int signals_exit_status(int code)
{
	if (code && caught)
		return 128 + caught;
	if (code == ERR_INTERRUPTED)
		return err_exit_status(ERR_LOST);
	return err_exit_status(code);
}
