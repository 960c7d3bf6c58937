/* Condition variables that time out by CLOCK_MONOTONIC. */
#define _GNU_SOURCE
#include "clock.h"

void clock_condition_init(pthread_cond_t *condition) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
}

bool clock_wait(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t until) {
  struct timespec time = {(time_t)(until / NS_PER_S), (long)(until % NS_PER_S)};
  return pthread_cond_timedwait(condition, lock, &time) == 0;
}
