/* The one clock of this backend: CLOCK_MONOTONIC in nanoseconds, as Triton's statistics want it. */
#ifndef PYTRITON_CLOCK_H
#define PYTRITON_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

#endif
