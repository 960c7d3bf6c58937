/* Threads that wait for the host's answer to a NEED. */
#ifndef PYTRITON_PENDING_REPLIES_H
#define PYTRITON_PENDING_REPLIES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sockets.h"
#include "wire.h"

/* One of them. Lives on that thread's stack. */
typedef struct Waiter {
  uint64_t token;
  bool answered;
  uint32_t segment;
  int descriptor; /* -1: refused */
  char refusal[WIRE_MAX_ERROR_TEXT + 1];
  struct Waiter *next;
} Waiter;

typedef struct {
  pthread_mutex_t lock; /* guards everything below, and the waiters */
  pthread_cond_t answered;
  Waiter *first;
  uint64_t last_token;
} Waiters;

void waiters_init(Waiters *waiters);

/* Give the waiter a token of its own, and have it found by that. */
void waiters_enlist(Waiters *waiters, Waiter *waiter);

/* Hand a segment, whose descriptor is the waiter's from now on, or a refusal to whoever waits with the token. */
void waiters_answer(Waiters *waiters, uint64_t token, uint32_t segment, const char *refusal, Descriptors *received);

/* Wait until the waiter is answered or the time is over, and take it off the list. */
void waiters_await(Waiters *waiters, Waiter *waiter, uint64_t milliseconds);

#endif
