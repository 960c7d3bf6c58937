/* The clock of this backend: CLOCK_MONOTONIC in nanoseconds, as in Triton's statistics. */
#ifndef PYTRITON_CLOCK_H
#define PYTRITON_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static const uint64_t NS_PER_S = 1000000000, NS_PER_MS = 1000000, NS_PER_US = 1000, US_PER_MS = 1000;

static inline uint64_t clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Initializes a condition for clock_wait. */
void clock_condition_init(pthread_cond_t *condition);

/* Waits for the condition. False: timed out. */
bool clock_wait(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t until);

#endif
