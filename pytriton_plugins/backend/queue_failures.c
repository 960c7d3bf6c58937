/* Finds queued requests that fail: cancelled, expired, without a worker, with a lost sequence. */
#include "queue_failures.h"

#include "clock.h"
#include "queue.h"

static void take_all(Pool *pool, Batch *batch) {
  while (pool->first != NULL && batch_ensure_capacity(batch)) batch_add(batch, queue_unlink(pool, &pool->first));
}

static bool is_cancelled(const Request *request, uint64_t now) {
  (void)now;
  return request_is_cancelled(request);
}

/* One at a time: each gets a message about its own sequence. */
static bool take_lost(Pool *pool, Batch *batch) {
  Request **place = &pool->first;
  while (*place != NULL && (*place)->sequence->loss == SEQUENCE_KEPT) place = &(*place)->next;
  if (*place != NULL) batch_add(batch, queue_unlink(pool, place));
  return batch->count > 0;
}

static bool is_expired(const Request *request, uint64_t now) {
  return now > request->expires_at;
}

static bool take_if(Pool *pool, Batch *batch, bool (*wanted)(const Request *, uint64_t), uint64_t now) {
  Request **place = &pool->first;
  while (*place != NULL && batch_ensure_capacity(batch)) {
    if (wanted(*place, now))
      batch_add(batch, queue_unlink(pool, place));
    else
      place = &(*place)->next;
  }
  return batch->count > 0;
}

static void take_overdue(Pool *pool, Batch *batch) {
  if (pool_has_worker(pool)) return;
  uint64_t now = clock_ns(), wait = pool->declaration.wait_ms * NS_PER_MS;
  while (pool->first != NULL && batch_ensure_capacity(batch)) {
    uint64_t since = pool->first->arrived_at > pool->no_worker_since ? pool->first->arrived_at : pool->no_worker_since;
    if (now < since + wait) return;
    batch_add(batch, queue_unlink(pool, &pool->first));
  }
}

bool queue_collect_failed(Pool *pool, Batch *batch, Failure *failure) {
  const char *name = pool->declaration.name;
  if (pool->stopping) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: the server is stopping", name);
    take_all(pool, batch);
  } else if (pool->given_up && !pool_has_worker(pool)) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s is out of service: %s", name, pool->reason);
    take_all(pool, batch);
  } else if (take_if(pool, batch, is_cancelled, 0)) {
    failure_set(failure, TRITON_ERROR_CANCELLED, "the request was cancelled");
  } else if (pool->declaration.sequence && take_lost(pool, batch)) {
    sequences_describe_loss(pool, batch->requests[0]->sequence, failure);
  } else if (pool->declaration.queue_ms > 0 && take_if(pool, batch, is_expired, clock_ns())) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: the request waited longer than %s%u ms (default_timeout_microseconds)", name,
                pool->declaration.own_timeouts ? "its own timeout or " : "", pool->declaration.queue_ms);
  }
  if (batch->count > 0) sequences_fail(pool, batch);
  return batch->count > 0;
}

bool queue_collect_overdue(Pool *pool, Batch *batch, Failure *failure) {
  take_overdue(pool, batch);
  if (batch->count == 0) return false;
  sequences_fail(pool, batch);
  failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: no worker became free within %u ms", pool->declaration.name,
              pool->declaration.wait_ms);
  return true;
}
