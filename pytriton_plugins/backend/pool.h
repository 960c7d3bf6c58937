/* A model's channels, and the requests that wait for one. */
#ifndef PYTRITON_POOL_H
#define PYTRITON_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "channel.h"
#include "declaration.h"

typedef struct Pool Pool;

struct Pool {
  uint32_t number;
  Declaration declaration;
  Pool *next;
  atomic_int in_flight; /* requests that are not answered yet */
  pthread_mutex_t lock; /* guards everything below, and busy, gone, due and next of the channels */
  pthread_cond_t changed;
  Channel *channels;
  uint64_t no_worker_since; /* since when there has been no live channel, while there is none */
  Request *first, **end;    /* the queue */
  uint32_t queued;
  uint64_t queued_rows;
  TritonMetric *gauge;        /* shows queued; NULL: nothing does */
  uint32_t expected_arrivals; /* a thread waits until so many requests are queued (queue_await_arrivals); 0: none does */
  pthread_cond_t arrivals;
  int waiting;   /* threads in queue_next */
  int instances; /* of all models that share the pool */
  int models;
  bool stopping;
  bool given_up;
  char reason[WIRE_MAX_ERROR_TEXT + 1];
};

Pool *pool_new(uint32_t number, const Declaration *declaration);
void pool_free(Pool *pool);

/* Requests handed to us, and answered: the host asks for the difference while it waits for the last ones. */
static inline void pool_count_requests(Pool *pool, int requests) {
  atomic_fetch_add(&pool->in_flight, requests);
}

/* Take socket and segment, which are the pool's from now on, as a free channel. NULL, or why they were refused. */
const char *pool_add_channel(Pool *pool, uint32_t number, int socket, uint32_t segment, int descriptor);

/* The worker behind the channel is gone: whoever waits for its answer is woken by the end of the socket. */
bool pool_drop_channel(Pool *pool, uint32_t number);

/* The channel gets no new batch; its end comes once it is idle. */
bool pool_retire_channel(Pool *pool, uint32_t number);

/* Whether the pool has the channel; busy: whether its worker has a batch. */
bool pool_has_channel(Pool *pool, uint32_t number, bool *busy);

/* With the lock held: whether there is a worker that gets batches, now or once it is not busy any more. */
bool pool_has_worker(const Pool *pool);

/* What Triton's readiness is to say of the model: a worker that is replaced at once does not show. */
bool pool_is_ready(Pool *pool);

void pool_stop(Pool *pool);
void pool_give_up(Pool *pool, bool given_up, const char *reason);

/* broken: the channel is of no more use. */
void pool_release_channel(Channel *channel, bool broken);

/* Give back what idle channels hold: called once a second. */
void pool_reclaim(Pool *pool);

/* Whether the pool is being stopped. */
bool pool_is_stopping(Pool *pool);

#endif
