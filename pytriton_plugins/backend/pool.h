/* The channels of a model, and the queue of requests that wait for one. */
#ifndef PYTRITON_POOL_H
#define PYTRITON_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "call_server.h"
#include "channel.h"
#include "declaration.h"
#include "sequences.h"

typedef struct Pool Pool;

struct Pool {
  uint32_t number;
  Declaration declaration;
  CallServer *calls; /* of the link */
  Pool *next;
  atomic_int in_flight; /* accepted requests that are not released yet */
  pthread_mutex_t lock; /* guards everything below, and the fields of the channels above `pool` */
  pthread_cond_t changed;
  Channel *channels;
  uint64_t no_worker_since; /* while there is no live channel: when the last one was lost */
  Request *first, **end;    /* the queue */
  uint32_t queued;
  uint64_t queued_rows;
  TritonMetric *gauge;        /* shows `queued`; NULL: not shown */
  uint32_t expected_arrivals; /* a thread waits for this length of the queue (queue_await_arrivals); 0: none waits */
  pthread_cond_t arrivals;
  Sequences sequences;
  int waiting;   /* threads in queue_next or queue_await */
  int instances; /* of all models that share the pool */
  int models;
  bool stopping;
  bool given_up;
  bool not_ready; /* a model that it calls is not served; requests wait for workers as ever */
  char reason[WIRE_MAX_ERROR_TEXT + 1];
};

Pool *pool_new(uint32_t number, const Declaration *declaration, CallServer *calls);
void pool_free(Pool *pool);

/* Counts requests that arrive, and with a negative number requests that are released. The daemon asks for the
 * difference while it drains. */
static inline void pool_count_requests(Pool *pool, int requests) {
  atomic_fetch_add(&pool->in_flight, requests);
}

/* Adds a free channel. The pool owns socket and segment from now on, also when this fails. NULL, or why it failed. */
const char *pool_add_channel(Pool *pool, uint32_t number, int socket, uint32_t segment, int descriptor);

/* Removes a channel whose worker ended. The end of the socket wakes a thread that waits for its answer. */
bool pool_drop_channel(Pool *pool, uint32_t number);

/* Gives the channel no new batch and no new sequence, and removes it once it is idle. Its live sequences go on there for
 * sequences_ms at most. */
bool pool_retire_channel(Pool *pool, uint32_t number, uint64_t sequences_ms);

/* With the lock held: removes a channel that gets no new batch, once it has no sequence left. */
void pool_drop_if_over(Channel *channel);

/* Whether the pool has the channel. Sets busy when it has: whether the worker has a batch. */
bool pool_has_channel(Pool *pool, uint32_t number, bool *busy);

/* With the lock held: whether a worker gets further batches. */
bool pool_has_worker(const Pool *pool);

/* Whether Triton has a model that uses the pool. */
bool pool_has_model(Pool *pool);

/* Why the model is not ready for Triton, or NULL. It ignores a worker that is replaced at once. */
const char *pool_why_not_ready(Pool *pool);

void pool_stop(Pool *pool);
/* value: that of LINK_GIVE_UP. */
void pool_give_up(Pool *pool, uint64_t value, const char *reason);

/* Makes a channel free for the next batch. broken: removes it instead. */
void pool_release_channel(Channel *channel, bool broken);

/* Frees unused memory of idle channels, and forgets idle sequences; called once a second. */
void pool_reclaim(Pool *pool);

bool pool_is_stopping(Pool *pool);

#endif
