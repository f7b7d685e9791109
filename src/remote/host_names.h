/*
 * host_names.h - names of hosts that this user has given to ssh or that stand
 * in /etc/hosts.
 *
 * Layer: remote.  Uses base.
 * Threads: any; it has no state.
 *
 * They are for the completion of shells and for hints: a file that is missing
 * or cannot be read has no names.  Only names of letters, digits and ".-_:%"
 * are given, as they are for command lines; patterns and hashed names are not.
 */
#ifndef FERRY_REMOTE_HOST_NAMES_H
#define FERRY_REMOTE_HOST_NAMES_H

/* name is borrowed for the call. */
typedef void host_names_take(void *ctx, const char *name);

/* Give each name of ~/.ssh/config and /etc/ssh/ssh_config with what these
 * include, of the files known_hosts, and of /etc/hosts; one may be given
 * several times. */
void host_names_list(host_names_take *take, void *ctx);

/* Whether ssh's configuration has a section for this name (Host, or Match with
 * host or originalhost), one for every host aside. */
int host_names_ssh_knows(const char *name);

#endif
