/* One batch: the requests that a worker runs together. */
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
  uint64_t details;  /* offset of the request details in the request segment; 0: none */
  uint64_t streamed; /* bytes of the responses of a stream so far */
  uint32_t reported; /* number of responses of a stream with reported statistics */
  size_t request_capacity;
  uint8_t *block; /* private copy of the response block */
  size_t block_capacity;
  uint32_t *cover; /* output_count values for each request: 1 + the index of the entry with this output; 0: none */
  size_t cover_capacity;
} Batch;

/* Grows an array to count elements and drops its contents. False: out of memory. */
bool batch_reserve(void **array, size_t *capacity, size_t count, size_t size);

static inline void batch_clear(Batch *batch) {
  batch->count = batch->rows = 0;
  batch->streamed = batch->reported = 0;
}

/* Makes room for one more request. False: out of memory. */
bool batch_ensure_capacity(Batch *batch);

/* Appends a request; batch_ensure_capacity comes before. */
void batch_add(Batch *batch, Request *request);

void batch_free(Batch *batch);

static inline Part *batch_part(const Batch *batch, uint32_t request, uint32_t input) {
  return &batch->requests[request]->parts[input];
}

/* Rows of `count` requests, from `first` on. */
static inline uint32_t batch_rows(const Batch *batch, uint32_t first, uint32_t count) {
  const Request *last = batch->requests[first + count - 1];
  return last->first_row + last->rows - batch->requests[first]->first_row;
}

/* Whether the worker reads this input through a loan. Only a batch of one request has loans: the inputs of several
 * requests must lie in one piece. */
static inline bool batch_is_lent(const Batch *batch, uint32_t input) {
  return batch->count == 1 && batch_part(batch, 0, input)->loan != 0;
}

/* Sends an error response to one request, or to every request of the batch that has none yet. */
void batch_fail_request(const Batch *batch, Request *request, const Failure *failure);
void batch_fail(Batch *batch, const Failure *failure);

#endif
