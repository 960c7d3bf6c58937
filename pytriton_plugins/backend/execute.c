/* Collect, borrow a channel, write, exchange, respond, report. */
#include "execute.h"

#include <stdlib.h>

#include "channel.h"
#include "clock.h"

typedef struct {
  uint64_t start, compute_start, compute_end;
} Times;

static bool all_cancelled(void *argument) {
  const Batch *batch = argument;
  if (TRITONBACKEND_RequestIsCancelled == NULL) return false;
  for (uint32_t i = 0; i < batch->count; i++) {
    bool cancelled = false;
    failure_log(TRITONBACKEND_RequestIsCancelled(batch->items[i].request, &cancelled), "asking for cancellation");
    if (!cancelled) return false;
  }
  return true;
}

static void report(const Batch *batch, const Times *times) {
  uint64_t end = clock_ns();
  for (uint32_t i = 0; i < batch->count; i++)
    failure_log(TRITONBACKEND_ModelInstanceReportStatistics(batch->instance, batch->items[i].request, !batch->items[i].failed,
                                                            times->start, times->compute_start, times->compute_end, end),
                "reporting statistics");
  failure_log(TRITONBACKEND_ModelInstanceReportBatchStatistics(batch->instance, batch->rows, times->start, times->compute_start,
                                                               times->compute_end, end),
              "reporting batch statistics");
}

typedef enum {
  TRY_ANSWERED,  /* every request has its response */
  TRY_NEXT,      /* the batch did not reach the worker: another channel may serve it */
  TRY_TOO_LARGE, /* no segment is to be had for all of it: its requests may fit one by one */
} Try;

static bool has_room(Instance *instance, Channel *channel, Failure *failure) {
  uint64_t bytes = batch_request_bytes(&instance->batch);
  return channel->request.size >= bytes || link_need_segment(instance->link, channel, bytes, failure);
}

static void explain_loss(const Instance *instance, Exchange exchange, const char *wrong, Failure *failure) {
  const char *name = instance->pool->declaration.name;
  if (exchange == EXCHANGE_BROKEN) {
    failure_broken(failure, name, wrong);
  } else if (pool_is_stopping(instance->pool)) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: the server is stopping", name);
  } else {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: its worker ended while it ran this request", name);
  }
}

static Try try_channel(Instance *instance, Channel *channel, Times *times) {
  Batch *batch = &instance->batch;
  Failure failure = {.code = 0};
  Answer answer;
  const char *wrong = NULL;
  uint64_t length;
  bool room = has_room(instance, channel, &failure);
  if (!room || !batch_write(batch, channel->request.bytes, channel->batch + 1, &length, &failure)) {
    times->compute_start = times->compute_end = clock_ns();
    pool_give_back(channel, false);
    if (!room && batch->count > 1) return TRY_TOO_LARGE;
    batch_fail(batch, &failure);
    return TRY_ANSWERED;
  }
  times->compute_start = clock_ns();
  Exchange exchange = channel_exchange(channel, length, &answer, &wrong);
  times->compute_end = clock_ns();
  if (exchange == EXCHANGE_DONE &&
      !batch_respond(batch, answer.bytes, answer.length, channel->response.bytes, channel->response.size, &wrong))
    exchange = EXCHANGE_BROKEN;
  if (exchange == EXCHANGE_LOST || exchange == EXCHANGE_BROKEN) {
    explain_loss(instance, exchange, wrong, &failure);
    batch_fail(batch, &failure);
  }
  bool broken = exchange != EXCHANGE_DONE || wrong != NULL;
  if (broken) link_report_lost(instance->link, channel);
  pool_give_back(channel, broken);
  return exchange == EXCHANGE_NOT_SENT ? TRY_NEXT : TRY_ANSWERED;
}

static void execute_alone(Instance *instance);

static void execute_batch(Instance *instance, TritonRequest **requests, uint32_t count) {
  Batch *batch = &instance->batch;
  Times times = {.start = clock_ns()};
  Failure failure = {.code = 0};
  if (!batch_collect(batch, requests, count, &failure)) log_line(TRITON_LOG_ERROR, "%s", failure.text);
  if (batch->count == 0) return;
  uint64_t deadline = times.start + instance->pool->declaration.wait_ms * 1000000ull;
  Try outcome = TRY_NEXT;
  while (outcome == TRY_NEXT) {
    Channel *channel = pool_borrow(instance->pool, deadline, all_cancelled, batch, &failure);
    if (channel == NULL) {
      times.compute_start = times.compute_end = clock_ns();
      batch_fail(batch, &failure);
      break;
    }
    outcome = try_channel(instance, channel, &times);
  }
  batch_free_parts(batch);
  if (outcome == TRY_TOO_LARGE)
    execute_alone(instance);
  else
    report(batch, &times);
}

static void execute_alone(Instance *instance) {
  uint32_t count = instance->batch.count;
  TritonRequest **requests = malloc(count * sizeof *requests);
  if (requests == NULL) {
    batch_fail(&instance->batch, &(Failure){.code = TRITON_ERROR_UNAVAILABLE, .text = "no memory for the batch"});
    return;
  }
  for (uint32_t i = 0; i < count; i++) requests[i] = instance->batch.items[i].request;
  for (uint32_t i = 0; i < count; i++) execute_batch(instance, &requests[i], 1);
  free(requests);
}

void execute(Instance *instance, TritonRequest **requests, uint32_t count) {
  if (instance->pool->declaration.batched) {
    execute_batch(instance, requests, count);
    return;
  }
  for (uint32_t i = 0; i < count; i++) execute_batch(instance, &requests[i], 1);
}
