/* Memory of a batch, its requests, and errors for them. */
#include "batch.h"

#include <stdlib.h>

enum { INITIAL_CAPACITY = 64 };

bool batch_reserve(void **array, size_t *capacity, size_t count, size_t size) {
  if (count <= *capacity) return true;
  free(*array);
  *array = calloc(count, size);
  *capacity = *array == NULL ? 0 : count;
  return *array != NULL;
}

bool batch_ensure_capacity(Batch *batch) {
  if (batch->count < batch->request_capacity) return true;
  size_t capacity = batch->request_capacity == 0 ? INITIAL_CAPACITY : batch->request_capacity * 2;
  Request **larger = realloc(batch->requests, capacity * sizeof *larger);
  if (larger == NULL) return false;
  batch->requests = larger;
  batch->request_capacity = capacity;
  return true;
}

void batch_add(Batch *batch, Request *request) {
  request->first_row = batch->rows;
  batch->rows += request->rows;
  batch->requests[batch->count++] = request;
}

void batch_free(Batch *batch) {
  free(batch->requests);
  free(batch->block);
  free(batch->cover);
}

void batch_fail_request(const Batch *batch, Request *request, const Failure *failure) {
  request->failed = failure->code;
  request_send_error(batch->declaration, request->triton, failure);
}

void batch_fail(Batch *batch, const Failure *failure) {
  for (uint32_t i = 0; i < batch->count; i++)
    if (!batch->requests[i]->failed) batch_fail_request(batch, batch->requests[i], failure);
}
