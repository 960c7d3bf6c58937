/* Take requests in, then: batch, write, exchange, respond, report, release. */
#include "execute.h"

#include <stdlib.h>

#include "channel.h"
#include "clock.h"
#include "queue.h"
#include "request_block.h"
#include "respond.h"
#include "response_report.h"

enum { LEAD_BATCHES = 256 }; /* after so many, another thread may go on: Triton may want this one's instance back */

/* Answer the whole batch, which no worker has seen, with the failure. */
static void refuse(Instance *instance, const Failure *failure) {
  uint64_t now = clock_ns();
  batch_fail(&instance->batch, failure);
  mark_answered(instance, (Times){.start = now, .compute_start = now, .compute_end = now});
}

static void explain_loss(const Instance *instance, Exchange exchange, const char *wrong, Failure *failure) {
  const char *name = instance->pool->declaration.name;
  if (exchange == EXCHANGE_BROKEN) {
    failure_broken(failure, name, wrong);
  } else if (exchange == EXCHANGE_LATE) {
    double seconds = instance->pool->declaration.timeout_ms / 1000.0;
    failure_set(failure, TRITON_ERROR_INTERNAL, "model %s: the callable did not return within the model's timeout of %g s", name, seconds);
  } else if (pool_is_stopping(instance->pool)) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: the server is stopping", name);
  } else {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: its worker ended while it ran this request", name);
  }
}

typedef enum {
  TRY_ANSWERED, /* every request has its response */
  TRY_NEXT,     /* the batch did not reach the worker: another channel may serve it */
  TRY_ALONE,    /* not to be had as one batch: its requests may be, one by one */
} Try;

static bool has_room(Instance *instance, Channel *channel, Failure *failure) {
  uint64_t bytes = batch_request_bytes(&instance->batch);
  if (channel->request.size >= bytes) return true;
  finish_answered(instance); /* the host may take its time */
  return link_need_segment(instance->link, channel, bytes, failure);
}

/* Answer the requests of the batch, or send them one more response. */
static bool respond(Instance *instance, Channel *channel, Answer answer, Times *times, const char **wrong) {
  Area response = {channel->response.bytes, channel->response.size}, request = {channel->request.bytes, channel->request.size};
  Batch *batch = &instance->batch;
  bool goes_on = batch->declaration->stream && !batch->requests[0]->failed; /* else nothing more is sent of a stream */
  uint64_t arrived = goes_on ? clock_ns() : 0;
  if (!batch_respond(batch, answer, response, request, wrong)) return false;
  if (goes_on) response_report(instance, times, arrived, answer.more);
  return true;
}

static Exchange exchange(Instance *instance, Channel *channel, uint64_t length, Times *times, const char **wrong) {
  Batch *batch = &instance->batch;
  Answer answer;
  Exchange result;
  times->compute_start = times->response_start = clock_ns();
  if (!channel_send(channel, length)) return EXCHANGE_NOT_SENT;
  finish_answered(instance);
  uint32_t timeout_ms = batch->declaration->timeout_ms;
  uint64_t until = timeout_ms == 0 ? UINT64_MAX : times->compute_start + timeout_ms * 1000000ull;
  while ((result = channel_receive(channel, batch, until, &answer, wrong)) == EXCHANGE_PART) {
    if (!respond(instance, channel, answer, times, wrong) || *wrong != NULL) return EXCHANGE_BROKEN;
    if (!channel_taken(channel, batch)) return EXCHANGE_LOST;
  }
  times->compute_end = clock_ns();
  if (result != EXCHANGE_DONE) return result;
  bool responded = respond(instance, channel, answer, times, wrong);
  if (answer.retired) channel_retire_request(channel); /* only now: what was given back lies there */
  return responded ? EXCHANGE_DONE : EXCHANGE_BROKEN;
}

/* broken: the channel is of no more use. */
static Try try_batch(Instance *instance, Channel *channel, bool *broken) {
  Batch *batch = &instance->batch;
  Failure failure = {.code = 0};
  Times times = {.start = clock_ns(), .ran = true};
  const char *wrong = NULL;
  uint64_t length;
  loans_make(&channel->loans, batch);
  if (!has_room(instance, channel, &failure) || !batch_write(batch, channel->request.bytes, &length, &failure)) {
    if (batch->count > 1) return TRY_ALONE;
    refuse(instance, &failure);
    return TRY_ANSWERED;
  }
  Exchange result = exchange(instance, channel, length, &times, &wrong);
  *broken = result != EXCHANGE_DONE || wrong != NULL;
  channel->late = result == EXCHANGE_LATE;
  if (result == EXCHANGE_NOT_SENT) return TRY_NEXT;
  if (result != EXCHANGE_DONE) {
    bool goes_on = batch->declaration->stream && !batch->requests[0]->failed;
    explain_loss(instance, result, wrong, &failure);
    batch_fail(batch, &failure);
    if (goes_on) response_report(instance, &times, 0, false);
  }
  mark_answered(instance, times);
  return TRY_ANSWERED;
}

/* Each request of the batch as a batch of its own; those that do not reach the worker are queued again. */
static void try_alone(Instance *instance, Channel *channel, bool *broken) {
  Batch *batch = &instance->batch, rest = {.declaration = batch->declaration};
  while (rest.count < batch->count && batch_has_room(&rest)) batch_add(&rest, batch->requests[rest.count]);
  if (rest.count < batch->count) {
    rest.count = 0;
    refuse(instance, &(Failure){.code = TRITON_ERROR_UNAVAILABLE, .text = "no memory for the batch"});
  }
  uint32_t done = 0;
  Try outcome = TRY_ANSWERED;
  while (done < rest.count && outcome == TRY_ANSWERED && !*broken) {
    batch_clear(batch);
    batch_add(batch, rest.requests[done]);
    outcome = try_batch(instance, channel, broken);
    if (outcome == TRY_ANSWERED) done++;
  }
  if (done < rest.count) queue_prepend(instance->pool, &(Batch){.requests = rest.requests + done, .count = rest.count - done});
  batch_clear(batch);
  batch_free(&rest);
}

/* The clients of a batch of several have their answers: let them send again. */
static void gather(Instance *instance) {
  const Times *times = &instance->answered_times;
  uint32_t answered = instance->answered.count;
  finish_answered(instance);
  queue_gather(instance->pool, answered, times->compute_end - times->compute_start);
}

static void run(Instance *instance, Channel *channel) {
  bool broken = false;
  Try outcome = try_batch(instance, channel, &broken);
  if (outcome == TRY_ALONE) try_alone(instance, channel, &broken);
  if (outcome == TRY_NEXT) {
    queue_prepend(instance->pool, &instance->batch);
    batch_clear(&instance->batch);
  }
  if (broken)
    link_report_lost(instance->link, channel);
  else if (instance->answered.count > 1)
    gather(instance);
  pool_give_back(channel, broken);
}

/* Run what is queued for as long as this thread is the one to do it. */
static void see_to_queue(Instance *instance) {
  Pool *pool = instance->pool;
  Channel *channel;
  Failure failure;
  for (uint32_t batches = 0;;) {
    bool may_wait = instance->answered.count == 0;
    failure.code = 0;
    switch (queue_next(pool, &instance->batch, &channel, &failure, may_wait)) {
      case WORK_RUN: run(instance, channel); break;
      case WORK_FAIL: refuse(instance, &failure); break;
      case WORK_NONE:
        if (may_wait) return;
        finish_answered(instance);
    }
    if (++batches >= LEAD_BATCHES && queue_hand_over(pool)) {
      finish_answered(instance);
      return;
    }
  }
}

/* Answer requests that found the queue full. */
static void refuse_chain(Instance *instance, Request *chain) {
  const Declaration *declaration = &instance->pool->declaration;
  Failure failure = {.code = 0};
  if (chain != NULL)
    failure_set(&failure, TRITON_ERROR_UNAVAILABLE, "model %s: queue is full (max_queue_size %u)", declaration->name,
                declaration->queue_size);
  while (chain != NULL) {
    Request *request = chain;
    chain = request->next;
    turn_away(instance, request->triton, &failure);
    request_free(declaration, request);
  }
}

void execute(Instance *instance, TritonRequest **requests, uint32_t count) {
  Request *chain = NULL, **end = &chain;
  pool_count(instance->pool, (int)count);
  for (uint32_t i = 0; i < count; i++)
    if ((*end = take_in(instance, requests[i])) != NULL) end = &(*end)->next;
  if (chain == NULL) return;
  refuse_chain(instance, queue_append(instance->pool, chain));
  see_to_queue(instance);
}
