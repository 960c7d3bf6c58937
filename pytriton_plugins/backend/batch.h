/* One batch: the requests that go to a worker at once. */
#ifndef PYTRITON_BATCH_H
#define PYTRITON_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "request.h"

typedef struct {
  const Declaration *declaration;
  Request **requests;
  uint32_t count, rows;
  uint64_t details;  /* where they begin in the request segment; 0: nowhere */
  uint64_t streamed; /* bytes of the responses so far, where there are several */
  uint32_t reported; /* of those, whose statistics were reported */
  size_t request_capacity;
  uint8_t *block; /* our copy of the response block */
  size_t block_capacity;
  uint32_t *cover; /* output_count for each request: 1 + position of the entry that covers it, or 0 */
  size_t cover_capacity;
} Batch;

/* Make room for count elements; contents are lost. False when there is no memory. */
bool batch_reserve(void **array, size_t *room, size_t count, size_t size);

static inline void batch_clear(Batch *batch) {
  batch->count = batch->rows = 0;
  batch->streamed = batch->reported = 0;
}

/* Whether there is room for one request more, or now is. */
bool batch_ensure_capacity(Batch *batch);

/* Append a request; there is room. */
void batch_add(Batch *batch, Request *request);

void batch_free(Batch *batch);

static inline Part *batch_part(const Batch *batch, uint32_t request, uint32_t input) {
  return &batch->requests[request]->parts[input];
}

/* Rows of so many requests from the first of them on. */
static inline uint32_t batch_rows(const Batch *batch, uint32_t first, uint32_t count) {
  const Request *last = batch->requests[first + count - 1];
  return last->first_row + last->rows - batch->requests[first]->first_row;
}

/* Whether the worker has this input by a loan. Only what comes alone is lent: a batch of several has to be put together. */
static inline bool batch_is_lent(const Batch *batch, uint32_t input) {
  return batch->count == 1 && batch_part(batch, 0, input)->loan != 0;
}

/* Answer one request, or all of the batch, with a failure. */
void batch_fail_request(const Batch *batch, Request *request, const Failure *failure);
void batch_fail(Batch *batch, const Failure *failure);

#endif
