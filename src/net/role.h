/*
 * role.h - which side of a connection we are.
 *
 * Layer: net.  Pure.
 *
 * Who dials, who is TLS's client and who makes a one-time code follow from
 * this, and from nothing else: it does not say who sends files.
 */
#ifndef FERRY_NET_ROLE_H
#define FERRY_NET_ROLE_H

enum net_role {
	NET_LISTENS,  /* TLS server; makes the one-time code and shows it */
	NET_CONNECTS, /* TLS client; is told the code */
};

#endif
