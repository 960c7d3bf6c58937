/* What an instance does with the batches that Triton hands it. */
#ifndef PYTRITON_EXECUTE_H
#define PYTRITON_EXECUTE_H

#include "batch.h"
#include "link.h"

/* One per instance; Triton gives each instance a thread of its own, so nothing here is shared. */
typedef struct {
  Batch batch;
  Pool *pool;
  Link *link;
} Instance;

/* Answer all requests; they are released by the caller. */
void execute(Instance *instance, TritonRequest **requests, uint32_t count);

/* The same without a worker: each output is the input of the same position. The floor of what Triton can do. */
void execute_loopback(Instance *instance, TritonRequest **requests, uint32_t count);

#endif
