/* The requests that wait for a channel of their pool. */
#ifndef PYTRITON_QUEUE_H
#define PYTRITON_QUEUE_H

#include "pool.h"

/* Appends the chain of requests to the queue. Returns the rest of the chain that exceeds the limit of the model. */
Request *queue_append(Pool *pool, Request *chain);

/* Puts the requests of a batch that did not reach a worker back at the front of the queue. */
void queue_prepend(Pool *pool, const Batch *batch);

/* Counts the models of Triton that use the pool. While there is one, the metrics port shows the length of the queue.
 * queue_remove_model returns true for the last one. */
void queue_add_model(Pool *pool);
bool queue_remove_model(Pool *pool);

uint32_t queue_length(Pool *pool);
uint32_t queue_live_sequences(Pool *pool);

/* Adds to the number of instances; a negative number subtracts. */
void queue_count_instances(Pool *pool, int more);

/* Called before a channel is released: waits a moment, never longer than ran_ns, until as many requests are queued as
 * were just answered. */
void queue_await_arrivals(Pool *pool, uint32_t answered, uint64_t ran_ns);

typedef enum {
  WORK_NONE, /* nothing to do: other threads run the queue */
  WORK_RUN,  /* run the batch on the channel, then release the channel */
  WORK_FAIL, /* send the failure to the requests of the batch */
} Work;

/* The next work of the calling thread; fills the empty batch for it. With may_wait it can wait for a channel, when too
 * few other threads do, or until the queue is short enough to fetch more. */
Work queue_next(Pool *pool, Batch *batch, Channel **channel, Failure *failure, bool may_wait);

/* Wakes a waiting thread to run the queue instead of the caller. False: no thread waits. */
bool queue_hand_over(Pool *pool);

/* With the lock held, for sequence_queue.c: adds a request, takes one out, looks for work, and waits until there may be some. */
void queue_append_one(Pool *pool, Request *request);
Request *queue_unlink(Pool *pool, Request **place);
Work queue_find_work(Pool *pool, Batch *batch, Channel **channel, Failure *failure);
void queue_wait(Pool *pool);

#endif
