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

/* Receive one message. Its length; 0 at the end of the link, -1 when nothing is there yet (flags MSG_DONTWAIT),
 * -2 when it was cut, came with too many descriptors or the socket failed. The caller owns the descriptors. */
long sockets_receive(int socket, void *data, size_t room, Descriptors *received, int flags);

void descriptors_close(Descriptors *received);

#endif
