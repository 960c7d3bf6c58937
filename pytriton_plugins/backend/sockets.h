/* Messages with at most a few descriptors over SOCK_SEQPACKET sockets. */
#ifndef PYTRITON_SOCKETS_H
#define PYTRITON_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

enum { SOCKETS_MAX_DESCRIPTORS = 2 };

typedef struct {
  int count;
  int descriptors[SOCKETS_MAX_DESCRIPTORS];
} Descriptors;

/* Send one message, with descriptor unless it is negative. False when the peer is gone or does not read for
 * timeout_ms. */
bool sockets_send(int socket, const void *data, size_t length, int descriptor, int timeout_ms);

enum { SOCKETS_END = 0, SOCKETS_EMPTY = -1, SOCKETS_BROKEN = -2, SOCKETS_END_UNREAD = -3 };

/* Receive one message. Its length; END at the end of the link, END_UNREAD when the peer also left a message of ours
 * unread, NOTHING when nothing is there yet (flags MSG_DONTWAIT), BROKEN when it was cut, came with too many descriptors
 * or the socket failed. The caller owns the descriptors. */
long sockets_receive(int socket, void *data, size_t room, Descriptors *received, int flags);

void descriptors_close(Descriptors *received);

#endif
