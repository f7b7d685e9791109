/*
 * name_service.h - where libc finds hosts and users by name (glibc:
 * nsswitch.conf(5)).
 *
 * Layer: os.
 * Threads: call while there is one thread only.
 */
#ifndef FERRY_OS_NAME_SERVICE_H
#define FERRY_OS_NAME_SERVICE_H

/*
 * In a program that is linked statically, take hosts from /etc/hosts and DNS
 * and users from /etc/passwd, whatever nsswitch.conf says: all else are
 * modules, which glibc loads as shared libraries, and those of another version
 * of glibc can end the process.  Otherwise does nothing.
 */
void name_service_init(void);

#endif
