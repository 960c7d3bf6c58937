/* Threads that wait for the daemon's reply to a NEED message. */
#ifndef PYTRITON_PENDING_REPLIES_H
#define PYTRITON_PENDING_REPLIES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sockets.h"
#include "wire.h"

/* One reply. It lives on the stack of the waiting thread. */
typedef struct PendingReply {
  uint64_t token;
  bool is_resolved;
  uint32_t segment;
  int descriptor; /* -1: refused */
  char refusal[WIRE_MAX_ERROR_TEXT + 1];
  struct PendingReply *next;
} PendingReply;

typedef struct {
  pthread_mutex_t lock; /* guards everything below, and the replies */
  pthread_cond_t resolved;
  PendingReply *first;
  uint64_t last_token;
} PendingReplies;

void pending_replies_init(PendingReplies *replies);

/* Gives the reply a token of its own, and adds it to the list. */
void pending_replies_add(PendingReplies *replies, PendingReply *reply);

/* Passes a segment or a refusal to the thread that waits with the token. The thread then owns the descriptor. */
void pending_replies_resolve(PendingReplies *replies, uint64_t token, uint32_t segment, const char *refusal, Descriptors *received);

/* Waits until the reply is resolved or the time is over, and removes it from the list. */
void pending_replies_wait(PendingReplies *replies, PendingReply *reply, uint64_t milliseconds);

#endif
