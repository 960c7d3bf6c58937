/* A list under a lock, and a condition for all that stand in it. */
#include "pending_replies.h"

#include <stddef.h>
#include <stdio.h>

#include "clock.h"

void waiters_init(Waiters *waiters) {
  clock_condition_init(&waiters->answered);
  pthread_mutex_init(&waiters->lock, NULL);
}

void waiters_enlist(Waiters *waiters, Waiter *waiter) {
  pthread_mutex_lock(&waiters->lock);
  waiter->token = ++waiters->last_token;
  waiter->next = waiters->first;
  waiters->first = waiter;
  pthread_mutex_unlock(&waiters->lock);
}

void waiters_answer(Waiters *waiters, uint64_t token, uint32_t segment, const char *refusal, Descriptors *received) {
  pthread_mutex_lock(&waiters->lock);
  Waiter *waiter = waiters->first;
  while (waiter != NULL && waiter->token != token) waiter = waiter->next;
  if (waiter != NULL) { /* else its thread gave up waiting, and the descriptor is closed with the message */
    waiter->answered = true;
    waiter->segment = segment;
    waiter->descriptor = -1;
    if (refusal == NULL) {
      waiter->descriptor = received->descriptors[0];
      received->count = 0;
    } else {
      snprintf(waiter->refusal, sizeof waiter->refusal, "%s", refusal);
    }
    pthread_cond_broadcast(&waiters->answered);
  }
  pthread_mutex_unlock(&waiters->lock);
}

void waiters_await(Waiters *waiters, Waiter *waiter, uint64_t milliseconds) {
  uint64_t until = clock_ns() + milliseconds * 1000000ull;
  pthread_mutex_lock(&waiters->lock);
  while (!waiter->answered && clock_wait(&waiters->answered, &waiters->lock, until)) continue;
  Waiter **place = &waiters->first;
  while (*place != waiter) place = &(*place)->next;
  *place = waiter->next;
  pthread_mutex_unlock(&waiters->lock);
}
