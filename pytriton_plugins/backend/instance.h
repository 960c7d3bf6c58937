/* A model instance of Triton, and the life of its requests: accept, mark as answered, report, release. */
#ifndef PYTRITON_INSTANCE_H
#define PYTRITON_INSTANCE_H

#include "batch.h"
#include "link.h"

typedef struct {
  uint64_t start, compute_start, compute_end, end; /* nanoseconds of CLOCK_MONOTONIC */
  uint64_t response_start;                         /* of a stream: start of the wait for the next response */
  bool ran;                                        /* whether a worker ran the batch */
} Times;

/* Triton calls each instance from a thread of its own, so nothing here is shared but `stopping`, under the lock of the pool. */
typedef struct {
  TritonInstance *triton;
  Pool *pool;
  Link *link;
  Batch batch;
  Batch answered; /* the previous batch: its responses are sent, its requests are not released yet */
  Times answered_times;
  pthread_t runner; /* of a model with sequences: uses the batches and times */
  bool has_runner, stopping;
} Instance;

/* Reads a request. NULL when it cannot be executed: it is rejected already. */
Request *accept_request(Instance *instance, TritonRequest *triton);

/* Sends an error response to a request that is not in a batch, reports it and releases it. */
void reject_request(Instance *instance, TritonRequest *triton, const Failure *failure);

/* Releases a request that has no client. */
void drop_request(const Instance *instance, TritonRequest *triton);

/* Moves the batch, whose responses are all sent, to `answered`. Its statistics and its release can wait until the worker
 * runs the next batch. Sets times.end. */
void mark_answered(Instance *instance, Times times);

/* Reports the statistics of the answered batch, and releases its requests. */
void release_answered(Instance *instance);

#endif
