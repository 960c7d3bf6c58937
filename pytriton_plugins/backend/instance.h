/* A model instance, and the requests that it accepted until Triton has them back. */
#ifndef PYTRITON_INSTANCE_H
#define PYTRITON_INSTANCE_H

#include "batch.h"
#include "link.h"

typedef struct {
  uint64_t start, compute_start, compute_end, end; /* nanoseconds of CLOCK_MONOTONIC */
  uint64_t response_start;                         /* of a stream: since when the next response has been awaited */
  bool ran;                                        /* it was a batch that the worker had */
} Times;

/* One per instance; Triton gives each instance a thread of its own, so nothing here is shared. */
typedef struct {
  TritonInstance *triton;
  Pool *pool;
  Link *link;
  Batch batch;
  Batch answered; /* the batch before: its clients have their responses, Triton not yet its requests */
  Times answered_times;
} Instance;

/* Read a request. One that cannot be executed is answered, reported and released, and NULL is returned. */
Request *accept_request(Instance *instance, TritonRequest *triton);

/* Answer a request that is in no batch with the failure, report and release it. */
void reject_request(Instance *instance, TritonRequest *triton, const Failure *failure);

/* Every request of the batch has its response: report and release them, now or while the next batch runs. times->end is
 * filled in here. */
void mark_answered(Instance *instance, Times times);
void release_answered(Instance *instance);

#endif
