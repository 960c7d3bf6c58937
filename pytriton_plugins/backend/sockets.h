/* Messages with up to SOCKETS_MAX_DESCRIPTORS descriptors over SOCK_SEQPACKET sockets. */
#ifndef PYTRITON_SOCKETS_H
#define PYTRITON_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

enum { SOCKETS_MAX_DESCRIPTORS = 2 };

typedef struct {
  int count;
  int descriptors[SOCKETS_MAX_DESCRIPTORS];
} Descriptors;

/* Sends one message, with the descriptor unless it is negative. False when the peer has closed or does not read for
 * timeout_ms. */
bool sockets_send(int socket, const void *data, size_t length, int descriptor, int timeout_ms);

enum SocketsResult {
  SOCKETS_END = 0,         /* the peer has closed */
  SOCKETS_EMPTY = -1,      /* no message yet (flags MSG_DONTWAIT) */
  SOCKETS_BROKEN = -2,     /* a truncated message, too many descriptors, or an error of the socket */
  SOCKETS_END_UNREAD = -3, /* the peer has closed without reading a message of this side */
};

/* Receives one message, and returns its length or a SocketsResult. The caller owns the descriptors. */
long sockets_receive(int socket, void *data, size_t room, Descriptors *received, int flags);

void descriptors_close(Descriptors *received);

#endif
