/* The requests that wait for a channel of their pool. */
#ifndef PYTRITON_QUEUE_H
#define PYTRITON_QUEUE_H

#include "pool.h"

/* Queue the chain of requests behind all others, or, those that a lost worker gave back, before them. What the model's
 * limit leaves no room for is returned. */
Request *queue_append(Pool *pool, Request *chain);
void queue_prepend(Pool *pool, const Batch *batch);

/* A model shows the length of the queue on the metrics port, or no more: true if it was the last one to. */
void queue_add_model(Pool *pool);
bool queue_remove_model(Pool *pool);

uint32_t queue_length(Pool *pool);

/* Instances came, or with a negative number went. */
void queue_count_instances(Pool *pool, int more);

/* Before a channel is given back: wait a moment, never longer than ran_ns, until as many requests are queued as were
 * answered just now. */
void queue_await_arrivals(Pool *pool, uint32_t answered, uint64_t ran_ns);

typedef enum {
  WORK_NONE, /* other threads see to all that is queued */
  WORK_RUN,  /* run the batch on the channel, then give the channel back */
  WORK_FAIL, /* answer the batch with the failure */
} Work;

/* What the calling thread is to do next, with the empty batch filled for it. With may_wait it waits where it must: for a
 * channel, if too few others do, or until the queue is short enough to fetch more. */
Work queue_next(Pool *pool, Batch *batch, Channel **channel, Failure *failure, bool may_wait);

/* Whether another thread waits, and now sees to the queue instead of the caller. */
bool queue_hand_over(Pool *pool);

#endif
