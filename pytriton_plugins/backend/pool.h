/* A model's channels. Each batch borrows one with a live worker and gives it back. */
#ifndef PYTRITON_POOL_H
#define PYTRITON_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "declaration.h"
#include "failure.h"
#include "segment.h"

typedef struct Pool Pool;

typedef struct Channel {
  uint32_t number;
  int socket;
  bool busy; /* borrowed: only the borrower touches what stands below `next` */
  bool gone; /* no new batch; freed when it is given back */
  struct Channel *next;
  Pool *pool;
  uint64_t batch;   /* number of the last batch */
  int spin_score;   /* how often spinning paid of late; see channel.c */
  Segment request;  /* written by us; number 0 while there is none */
  Segment response; /* written by the worker */
} Channel;

struct Pool {
  uint32_t number;
  Declaration declaration;
  Pool *next;
  pthread_mutex_t lock; /* guards everything below, and busy, gone and next of the channels */
  pthread_cond_t changed;
  Channel *channels;
  bool stopping;
  bool given_up;
  char reason[512];
};

Pool *pool_new(uint32_t number, const Declaration *declaration);

/* Take socket and segment, which are the pool's from now on, as a free channel. NULL, or why they were refused. */
const char *pool_add_channel(Pool *pool, uint32_t number, int socket, uint32_t segment, int descriptor);

/* The worker behind the channel is gone: whoever waits for its answer is woken by the end of the socket. */
bool pool_drop_channel(Pool *pool, uint32_t number);

void pool_stop(Pool *pool);
void pool_give_up(Pool *pool, bool given_up, const char *reason);

/* A free channel before deadline_ns (CLOCK_MONOTONIC), or NULL with failure filled. abandoned is asked every few
 * milliseconds whether anybody still waits for the batch. */
Channel *pool_borrow(Pool *pool, uint64_t deadline_ns, bool (*abandoned)(void *), void *argument, Failure *failure);

/* broken: the channel is of no more use. */
void pool_give_back(Channel *channel, bool broken);

/* Whether the pool is being stopped. */
bool pool_is_stopping(Pool *pool);

#endif
