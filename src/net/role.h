/*
 * role.h - the role of a side in a connection.
 *
 * Layer: net.  Pure.
 *
 * The role decides which side is the TLS client and which side makes the
 * one-time code.  It is independent of which side sends files.
 */
#ifndef FERRY_NET_ROLE_H
#define FERRY_NET_ROLE_H

enum net_role {
	NET_LISTENS,  /* TLS server; makes the one-time code and shows it */
	NET_CONNECTS, /* TLS client; its user enters the code */
};

#endif
