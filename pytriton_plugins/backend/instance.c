/* Accepts requests, reports their statistics and releases them. */
#include "instance.h"

#include "clock.h"

static void report(const Instance *instance, TritonRequest *request, bool success, const Times *times) {
  failure_log(TRITONBACKEND_ModelInstanceReportStatistics(instance->triton, request, success, times->start, times->compute_start,
                                                          times->compute_end, times->end),
              "reporting statistics");
}

static void release(const Instance *instance, TritonRequest *request) {
  pool_count_requests(instance->pool, -1);
  failure_log(TRITONBACKEND_RequestRelease(request, TRITON_RELEASE_ALL), "releasing a request");
}

void release_answered(Instance *instance) {
  Batch *batch = &instance->answered;
  const Times *times = &instance->answered_times;
  for (uint32_t i = 0; i < batch->count; i++) report(instance, batch->requests[i]->triton, !batch->requests[i]->failed, times);
  if (batch->count > 0 && times->ran)
    failure_log(TRITONBACKEND_ModelInstanceReportBatchStatistics(instance->triton, batch->rows, times->start, times->compute_start,
                                                                 times->compute_end, times->end),
                "reporting batch statistics");
  sequences_finish(instance->pool, batch);
  for (uint32_t i = 0; i < batch->count; i++) {
    release(instance, batch->requests[i]->triton);
    request_free(batch->declaration, batch->requests[i]);
  }
  batch_clear(batch);
}

void mark_answered(Instance *instance, Times times) {
  times.end = clock_ns();
  release_answered(instance);
  Batch emptied = instance->answered;
  instance->answered = instance->batch;
  instance->answered_times = times;
  instance->batch = emptied;
}

void reject_request(Instance *instance, TritonRequest *triton, const Failure *failure) {
  uint64_t now = clock_ns();
  request_send_error(&instance->pool->declaration, triton, failure);
  report(instance, triton, false, &(Times){.start = now, .compute_start = now, .compute_end = now, .end = clock_ns()});
  release(instance, triton);
}

void drop_request(const Instance *instance, TritonRequest *triton) {
  release(instance, triton);
}

Request *accept_request(Instance *instance, TritonRequest *triton) {
  Failure failure = {.code = 0};
  Request *request = request_new(&instance->pool->declaration, triton, clock_ns(), &failure);
  if (request == NULL) reject_request(instance, triton, &failure);
  return request;
}
