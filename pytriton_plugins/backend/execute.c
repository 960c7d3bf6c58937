/* Accepts and queues requests, then runs the queue: batch, write, exchange, respond, report, release. */
#include "execute.h"

#include <stdlib.h>

#include "calls.h"
#include "channel.h"
#include "clock.h"
#include "queue.h"
#include "request_block.h"
#include "respond.h"
#include "response_report.h"

enum { MAX_CONSECUTIVE_BATCHES = 256 }; /* then another thread continues: Triton may need this instance */

void execute_rejection(Instance *instance, const Failure *failure) {
  uint64_t now = clock_ns();
  sequences_reject(instance->pool, &instance->batch);
  batch_fail(&instance->batch, failure);
  mark_answered(instance, (Times){.start = now, .compute_start = now, .compute_end = now});
}

static void describe_failure(const Instance *instance, Exchange exchange, const char *problem, Failure *failure) {
  const char *name = instance->pool->declaration.name;
  if (exchange == EXCHANGE_BROKEN) {
    failure_protocol_error(failure, name, problem);
  } else if (exchange == EXCHANGE_TIMED_OUT) {
    double seconds = instance->pool->declaration.timeout_ms / 1000.0;
    failure_set(failure, TRITON_ERROR_INTERNAL, "model %s: the callable did not return within the model's timeout of %g s", name, seconds);
  } else if (pool_is_stopping(instance->pool)) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: the server is stopping", name);
  } else {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: its worker ended while it ran this request", name);
  }
}

typedef enum {
  ATTEMPT_ANSWERED, /* every request has a response */
  ATTEMPT_REQUEUE,  /* the batch did not reach the worker: run it on another channel */
  ATTEMPT_SPLIT,    /* the batch cannot run in one piece: run its requests one by one */
} Attempt;

static bool ensure_request_segment(Instance *instance, Channel *channel, Failure *failure) {
  uint64_t bytes = request_block_bytes(&instance->batch);
  if (channel->request.size >= bytes) return true;
  release_answered(instance); /* the daemon may need some time */
  return link_need_segment(instance->link, channel, bytes, failure);
}

static Area area_of(const Segment *segment) {
  return (Area){segment->bytes, segment->size};
}

/* Sends the responses of the batch, or the next response of a stream. */
static bool respond(Instance *instance, Channel *channel, Answer answer, Times *times, const char **problem) {
  Batch *batch = &instance->batch;
  Areas areas = {.response = area_of(&channel->response), .request = area_of(&channel->request)};
  /* Between the responses of a stream calls go on, and write to their segment. */
  if (channel->calls != NULL && !batch->declaration->stream) areas.calls = area_of(&channel->calls->segment);
  bool is_streaming = batch->declaration->stream && !batch->requests[0]->failed; /* a failed stream gets no further response */
  uint64_t arrived = is_streaming ? clock_ns() : 0;
  if (!respond_batch(batch, answer, &areas, problem)) return false;
  if (is_streaming) response_report(instance, times, arrived, answer.more);
  return true;
}

static Exchange exchange(Instance *instance, Channel *channel, uint64_t length, Times *times, const char **problem) {
  Batch *batch = &instance->batch;
  Answer answer;
  Exchange result;
  times->compute_start = times->response_start = clock_ns();
  if (!channel_send(channel, batch, length)) return EXCHANGE_NOT_SENT;
  release_answered(instance);
  uint32_t timeout_ms = batch->declaration->timeout_ms;
  uint64_t until = timeout_ms == 0 ? UINT64_MAX : times->compute_start + timeout_ms * NS_PER_MS;
  while ((result = channel_receive(channel, batch, until, &answer, problem)) == EXCHANGE_PART) {
    if (!respond(instance, channel, answer, times, problem) || *problem != NULL) return EXCHANGE_BROKEN;
    if (!channel_acknowledge(channel, batch)) return EXCHANGE_LOST;
  }
  times->compute_end = clock_ns();
  if (result != EXCHANGE_DONE) return result;
  bool responded = respond(instance, channel, answer, times, problem);
  if (answer.retired) channel_retire_request(channel); /* only now: returned inputs lie in it */
  return responded ? EXCHANGE_DONE : EXCHANGE_BROKEN;
}

/* broken: the channel is unusable from now on. */
static Attempt run_batch(Instance *instance, Channel *channel, bool *broken) {
  Batch *batch = &instance->batch;
  Failure failure = {.code = 0};
  Times times = {.start = clock_ns(), .ran = true};
  const char *problem = NULL;
  uint64_t length;
  loans_create(&channel->loans, batch);
  if (!ensure_request_segment(instance, channel, &failure) || !request_block_write(batch, channel->request.bytes, &length, &failure)) {
    if (batch->count > 1) return ATTEMPT_SPLIT;
    execute_rejection(instance, &failure);
    return ATTEMPT_ANSWERED;
  }
  Exchange result = exchange(instance, channel, length, &times, &problem);
  *broken = result != EXCHANGE_DONE || problem != NULL;
  channel->timed_out = result == EXCHANGE_TIMED_OUT;
  if (result == EXCHANGE_NOT_SENT) return ATTEMPT_REQUEUE;
  if (result != EXCHANGE_DONE) {
    bool is_streaming = batch->declaration->stream && !batch->requests[0]->failed;
    describe_failure(instance, result, problem, &failure);
    batch_fail(batch, &failure);
    if (is_streaming) response_report(instance, &times, 0, false);
  }
  mark_answered(instance, times);
  return ATTEMPT_ANSWERED;
}

/* Runs each request of the batch as a batch of its own, and queues those again that do not reach the worker. */
static void run_separately(Instance *instance, Channel *channel, bool *broken) {
  Batch *batch = &instance->batch, remaining = {.declaration = batch->declaration};
  while (remaining.count < batch->count && batch_ensure_capacity(&remaining)) batch_add(&remaining, batch->requests[remaining.count]);
  if (remaining.count < batch->count) {
    remaining.count = 0;
    execute_rejection(instance, &(Failure){.code = TRITON_ERROR_UNAVAILABLE, .text = "out of memory for the batch"});
  }
  uint32_t done = 0;
  Attempt attempt = ATTEMPT_ANSWERED;
  while (done < remaining.count && attempt == ATTEMPT_ANSWERED && !*broken) {
    batch_clear(batch);
    batch_add(batch, remaining.requests[done]);
    attempt = run_batch(instance, channel, broken);
    if (attempt == ATTEMPT_ANSWERED) done++;
  }
  if (done < remaining.count)
    queue_prepend(instance->pool, &(Batch){.requests = remaining.requests + done, .count = remaining.count - done});
  batch_clear(batch);
  batch_free(&remaining);
}

/* The clients of a batch of several requests have their responses: gives them time to send the next requests. */
static void await_arrivals(Instance *instance) {
  const Times *times = &instance->answered_times;
  uint32_t answered = instance->answered.count;
  release_answered(instance);
  queue_await_arrivals(instance->pool, answered, times->compute_end - times->compute_start);
}

void execute_on_channel(Instance *instance, Channel *channel) {
  bool broken = false;
  Attempt attempt = run_batch(instance, channel, &broken);
  if (attempt == ATTEMPT_SPLIT) run_separately(instance, channel, &broken);
  if (attempt == ATTEMPT_REQUEUE) {
    queue_prepend(instance->pool, &instance->batch);
    batch_clear(&instance->batch);
  }
  if (broken)
    link_report_channel_lost(instance->link, channel);
  else if (instance->answered.count > 1)
    await_arrivals(instance);
  pool_release_channel(channel, broken);
}

/* Runs queued requests until another thread does so, or the queue is empty. */
static void run_queue(Instance *instance) {
  Pool *pool = instance->pool;
  Channel *channel;
  Failure failure;
  for (uint32_t batches = 0;;) {
    bool may_wait = instance->answered.count == 0;
    failure.code = 0;
    switch (queue_next(pool, &instance->batch, &channel, &failure, may_wait)) {
      case WORK_RUN: execute_on_channel(instance, channel); break;
      case WORK_FAIL: execute_rejection(instance, &failure); break;
      case WORK_NONE:
        if (may_wait) return;
        release_answered(instance);
    }
    if (++batches >= MAX_CONSECUTIVE_BATCHES && queue_hand_over(pool)) {
      release_answered(instance);
      return;
    }
  }
}

/* Rejects the requests for which the queue has no room. */
static void reject_chain(Instance *instance, Request *chain) {
  const Declaration *declaration = &instance->pool->declaration;
  Failure failure = {.code = 0};
  if (chain != NULL)
    failure_set(&failure, TRITON_ERROR_UNAVAILABLE, "model %s: queue is full (max_queue_size %u)", declaration->name,
                declaration->queue_size);
  while (chain != NULL) {
    Request *request = chain;
    chain = request->next;
    reject_request(instance, request->triton, &failure);
    request_free(declaration, request);
  }
}

void execute(Instance *instance, TritonRequest **requests, uint32_t count) {
  Request *chain = NULL, **end = &chain;
  pool_count_requests(instance->pool, (int)count);
  for (uint32_t i = 0; i < count; i++)
    if ((*end = accept_request(instance, requests[i])) != NULL) {
      (*end)->grouped = count > 1;
      end = &(*end)->next;
    }
  if (chain == NULL) return;
  reject_chain(instance, queue_append(instance->pool, chain));
  run_queue(instance);
}
