/*
 * signals.h - signals as descriptors to wait for.
 *
 * Layer: cmd.
 * Threads: signals_start() once, before there are threads, and so
 * signals_start_report(); the others any.
 *
 * This module has the program's only mutable file-scope data: a signal handler
 * can access nothing else.
 */
#ifndef FERRY_CMD_SIGNALS_H
#define FERRY_CMD_SIGNALS_H

#include "base/err.h"

struct wake;

/*
 * Catch the signals.  Returns a descriptor that becomes readable with the
 * first one and stays so (do not read it or close it); or ERR_RESOURCE.  A
 * second signal ends the process at once, as signals_die() does.  A SIGHUP that
 * is ignored already (nohup) stays ignored.
 */
int signals_start(struct err *e);

/* Catch SIGUSR1 alone, before signals_start(): the others still end the
 * process.  Where that cannot be, the signal is without effect. */
void signals_start_report(void);

/* What becomes readable with SIGUSR1, by which the user asks for a report, and
 * with SIGCONT; for the caller to clear.  Its fd is -1 before it is
 * caught. */
const struct wake *signals_report(void);
const struct wake *signals_continue(void);

/* From now on also write the number of each signal, as an int32_t, to this
 * socket; -1: no more.  Not that of Ctrl-C, which the terminal sends to all
 * processes in the foreground. */
void signals_forward(int sock);

/* Until signals_reload(), a SIGHUP waits. */
void signals_hold_reload(void);

/* From now on SIGHUP does not end the process, but is written to this socket as
 * an int32_t; to be called after signals_start(). */
int signals_reload(int sock, struct err *e);

/* The first signal caught, or 0. */
int signals_caught(void);

/*
 * The exit status for a code, as events and --exec tell it: err_exit_status(),
 * but 128 + N, as a shell shows it, for a failure after signal N was caught.
 * ERR_INTERRUPTED without a signal here means that the peer was interrupted:
 * the status of a lost connection.
 */
int signals_exit_status(int code);

/*
 * End the process by the default action of the signal, as if it had not been
 * caught.  Shells stop a loop only for a command that SIGINT has ended, and
 * service managers count other ends as failures.  The first process of a PID
 * namespace, which the kernel protects from that, exits with status 128 + N.
 * Async-signal-safe.
 */
_Noreturn void signals_die(int sig);

#endif
