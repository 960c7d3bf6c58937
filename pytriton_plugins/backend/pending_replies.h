/* Threads that wait for the host's answer to a NEED. */
#ifndef PYTRITON_PENDING_REPLIES_H
#define PYTRITON_PENDING_REPLIES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sockets.h"
#include "wire.h"

/* One of them. Lives on that thread's stack. */
typedef struct PendingReply {
  uint64_t token;
  bool is_resolved;
  uint32_t segment;
  int descriptor; /* -1: refused */
  char refusal[WIRE_MAX_ERROR_TEXT + 1];
  struct PendingReply *next;
} PendingReply;

typedef struct {
  pthread_mutex_t lock; /* guards everything below, and the waiters */
  pthread_cond_t resolved;
  PendingReply *first;
  uint64_t last_token;
} PendingReplies;

void pending_replies_init(PendingReplies *replies);

/* Give the waiter a token of its own, and have it found by that. */
void pending_replies_add(PendingReplies *replies, PendingReply *reply);

/* Hand a segment, whose descriptor is the waiter's from now on, or a refusal to whoever waits with the token. */
void pending_replies_resolve(PendingReplies *replies, uint64_t token, uint32_t segment, const char *refusal, Descriptors *received);

/* Wait until the waiter is answered or the time is over, and take it off the list. */
void pending_replies_wait(PendingReplies *replies, PendingReply *reply, uint64_t milliseconds);

#endif
