/* Requests that wait for a worker, and which thread sees to them.
 *
 * Triton hands requests over one by one, each to an idle instance's thread. The thread that finds a free channel takes
 * all alike requests that wait as one batch, answers them, and then looks for more. Others wait for a channel, on behalf
 * of all that is queued, but one always goes back to Triton to fetch the next request: so the next batch grows while the
 * last one runs. What goes beyond a full batch for every worker stays with Triton, which counts it as pending. */
#include "queue.h"

#include <stddef.h>

#include "clock.h"
#include "triton_metrics.h"

enum { LOOK_UP_MS = 20 };  /* how often the waiting thread looks whether the clients are still there */
enum { LOOK_AHEAD = 128 }; /* how many requests that do not fit are passed over at most */
/* Clients that wait for each answer before they send the next request send it at about the same time. Without this
 * wait the first of them makes a small batch. The kernel may add up to 50 us. */
enum { GATHER_NS = 20000 };

static uint32_t most_rows(const Pool *pool) {
  const Declaration *declaration = &pool->declaration;
  return declaration->batched && !declaration->stream && declaration->max_rows > 0 ? declaration->max_rows : 1;
}

static Channel *free_channel(const Pool *pool) {
  Channel *channel = pool->channels;
  while (channel != NULL && (channel->busy || channel->gone)) channel = channel->next;
  return channel;
}

static void count_in(Pool *pool, const Request *request) {
  pool->queued++;
  pool->queued_rows += request->rows;
}

static Request *unlink_request(Pool *pool, Request **place) {
  Request *request = *place;
  *place = request->next;
  if (request->next == NULL) pool->end = place;
  request->next = NULL;
  pool->queued--;
  pool->queued_rows -= request->rows;
  return request;
}

void queue_show(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  if (pool->models++ == 0) pool->gauge = gauge_new(pool->declaration.name, pool->declaration.version);
  gauge_set(pool->gauge, pool->queued);
  pthread_mutex_unlock(&pool->lock);
}

bool queue_hide(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  bool last = --pool->models == 0;
  if (last) {
    gauge_free(pool->gauge);
    pool->gauge = NULL;
  }
  pthread_mutex_unlock(&pool->lock);
  return last;
}

uint32_t queue_length(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  uint32_t queued = pool->queued;
  pthread_mutex_unlock(&pool->lock);
  return queued;
}

void queue_count_instances(Pool *pool, int more) {
  pthread_mutex_lock(&pool->lock);
  pool->instances += more;
  pthread_mutex_unlock(&pool->lock);
}

/* What comes while a worker is free does not wait, unless for others to join it. */
static bool has_room(const Pool *pool) {
  uint32_t most = pool->declaration.queue_size;
  bool joins = pool->declaration.delay_ns > 0 && most_rows(pool) > 1;
  return most == 0 || pool->queued < most || (!joins && free_channel(pool) != NULL);
}

Request *queue_append(Pool *pool, Request *chain) {
  pthread_mutex_lock(&pool->lock);
  while (chain != NULL && has_room(pool)) {
    Request *request = chain;
    chain = request->next;
    request->next = NULL;
    *pool->end = request;
    pool->end = &request->next;
    count_in(pool, request);
  }
  if (pool->expected > 0 && pool->queued >= pool->expected) pthread_cond_broadcast(&pool->gathered);
  gauge_set(pool->gauge, pool->queued);
  pthread_mutex_unlock(&pool->lock);
  return chain;
}

void queue_prepend(Pool *pool, const Batch *batch) {
  pthread_mutex_lock(&pool->lock);
  for (uint32_t i = batch->count; i-- > 0;) {
    Request *request = batch->requests[i];
    request->next = pool->first;
    if (pool->first == NULL) pool->end = &request->next;
    pool->first = request;
    count_in(pool, request);
  }
  gauge_set(pool->gauge, pool->queued);
  pthread_mutex_unlock(&pool->lock);
}

static bool is_preferred(const Declaration *declaration, uint64_t rows) {
  uint32_t i = 0;
  while (i < declaration->preferred_count && declaration->preferred[i] != rows) i++;
  return i < declaration->preferred_count;
}

/* How many rows of the requests that wait make a batch at once: a preferred size, or what cannot grow to the largest one;
 * 0: more requests are awaited. */
static uint64_t rows_at_once(const Pool *pool, uint32_t most) {
  const Declaration *declaration = &pool->declaration;
  uint64_t rows = 0, best = 0, largest = most;
  int passed = 0;
  if (declaration->preferred_count > 0) largest = declaration->preferred[declaration->preferred_count - 1];
  for (const Request *request = pool->first; request != NULL && passed < LOOK_AHEAD; request = request->next) {
    if (!request_alike(declaration, pool->first, request)) {
      passed++;
      continue;
    }
    if (rows + request->rows > largest && best == 0) best = rows > 0 ? rows : request->rows;
    if (rows + request->rows > most) break;
    rows += request->rows;
    if (rows == most || is_preferred(declaration, rows)) best = rows;
  }
  return best;
}

/* The most rows that the next batch may have; 0: more requests are awaited. The rules are those of Triton's batcher. */
static uint32_t rows_to_take(const Pool *pool) {
  const Declaration *declaration = &pool->declaration;
  uint64_t delay = declaration->delay_ns;
  uint32_t most = most_rows(pool);
  if (most == 1 || (delay == 0 && declaration->preferred_count == 0)) return most; /* nothing joins a stream */
  if (delay > 0 && clock_ns() >= pool->first->arrived + delay) return most;
  uint64_t rows = rows_at_once(pool, most);
  return rows == 0 && delay == 0 ? most : (uint32_t)rows;
}

static bool fits(const Pool *pool, const Batch *batch, uint32_t most, const Request *request) {
  if (batch->count == 0) return true;
  return batch->rows + (uint64_t)request->rows <= most && request_alike(&pool->declaration, batch->requests[0], request);
}

/* The first request and those like it behind it, as far as there is room. */
static void form_batch(Pool *pool, Batch *batch, uint32_t most) {
  Request **place = &pool->first;
  int passed = 0;
  while (*place != NULL && passed < LOOK_AHEAD && batch->rows < most && batch_has_room(batch)) {
    if (fits(pool, batch, most, *place)) {
      batch_add(batch, unlink_request(pool, place));
    } else {
      place = &(*place)->next;
      passed++;
    }
  }
}

static void take_all(Pool *pool, Batch *batch) {
  while (pool->first != NULL && batch_has_room(batch)) batch_add(batch, unlink_request(pool, &pool->first));
}

static bool is_cancelled(const Request *request, uint64_t now) {
  (void)now;
  return request_is_cancelled(request);
}

static bool is_expired(const Request *request, uint64_t now) {
  return now > request->expires;
}

static bool take_if(Pool *pool, Batch *batch, bool (*wanted)(const Request *, uint64_t), uint64_t now) {
  Request **place = &pool->first;
  while (*place != NULL && batch_has_room(batch)) {
    if (wanted(*place, now))
      batch_add(batch, unlink_request(pool, place));
    else
      place = &(*place)->next;
  }
  return batch->count > 0;
}

static void take_overdue(Pool *pool, Batch *batch) {
  if (pool_has_worker(pool)) return;
  uint64_t now = clock_ns(), wait = pool->declaration.wait_ms * 1000000ull;
  while (pool->first != NULL && batch_has_room(batch)) {
    uint64_t since = pool->first->arrived > pool->without_worker ? pool->first->arrived : pool->without_worker;
    if (now < since + wait) return;
    batch_add(batch, unlink_request(pool, &pool->first));
  }
}

/* With the lock held: whether there are requests to answer with a failure. */
static bool must_fail(Pool *pool, Batch *batch, Failure *failure) {
  const char *name = pool->declaration.name;
  if (pool->stopping) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: the server is stopping", name);
    take_all(pool, batch);
  } else if (pool->given_up && !pool_has_worker(pool)) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s is out of service: %s", name, pool->reason);
    take_all(pool, batch);
  } else if (take_if(pool, batch, is_cancelled, 0)) {
    failure_set(failure, TRITON_ERROR_CANCELLED, "the request was cancelled");
  } else if (pool->declaration.queue_ms > 0 && take_if(pool, batch, is_expired, clock_ns())) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: the request waited longer than %s%u ms (default_timeout_microseconds)", name,
                pool->declaration.own_timeouts ? "its own timeout or " : "", pool->declaration.queue_ms);
  }
  return batch->count > 0;
}

static bool is_overdue(Pool *pool, Batch *batch, Failure *failure) {
  take_overdue(pool, batch);
  if (batch->count == 0) return false;
  failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: no worker became free within %u ms", pool->declaration.name,
              pool->declaration.wait_ms);
  return true;
}

static void wait_a_little(Pool *pool) {
  uint64_t now = clock_ns(), until = now + LOOK_UP_MS * 1000000ull, due = pool->first->arrived + pool->declaration.delay_ns;
  clock_wait(&pool->changed, &pool->lock, due > now && due < until ? due : until);
}

void queue_gather(Pool *pool, uint32_t answered, uint64_t ran_ns) {
  uint64_t until = clock_ns() + (ran_ns < GATHER_NS ? ran_ns : GATHER_NS);
  pthread_mutex_lock(&pool->lock);
  if (free_channel(pool) == NULL) {
    pool->expected = answered;
    while (pool->queued < answered && clock_wait(&pool->gathered, &pool->lock, until)) continue;
    pool->expected = 0;
  }
  pthread_mutex_unlock(&pool->lock);
}

/* Whether a full batch waits for every worker. Where the queue has limits, they count for all that wait: nothing is left
 * to wait in Triton's. */
static bool is_long(const Pool *pool) {
  if (pool->declaration.queue_size > 0 || pool->declaration.queue_ms > 0) return false;
  uint64_t rows = 0;
  for (const Channel *channel = pool->channels; channel != NULL; channel = channel->next) rows += most_rows(pool);
  return pool->queued_rows >= (rows > 0 ? rows : most_rows(pool));
}

/* How many threads wait for a channel while the queue is short. One is left to fetch what the next batch is made of, and
 * with a worker that is lost, its thread waits for the next one: so no channel that comes is overlooked. */
static int places(const Pool *pool) {
  int places = pool->instances - 1;
  for (const Channel *channel = pool->channels; channel != NULL; channel = channel->next) places -= channel->busy;
  return places > 1 ? places : 1;
}

/* With the lock held. */
static Work next_work(Pool *pool, Batch *batch, Channel **channel, Failure *failure) {
  if (pool->first == NULL) return WORK_NONE;
  if (must_fail(pool, batch, failure)) return WORK_FAIL;
  if ((*channel = free_channel(pool)) == NULL) return WORK_NONE;
  uint32_t rows = rows_to_take(pool);
  if (rows == 0) return WORK_NONE;
  (*channel)->busy = true;
  form_batch(pool, batch, rows);
  if (pool->waiting > places(pool)) pthread_cond_broadcast(&pool->changed);
  return WORK_RUN;
}

Work queue_next(Pool *pool, Batch *batch, Channel **channel, Failure *failure, bool may_wait) {
  pthread_mutex_lock(&pool->lock);
  Work work = next_work(pool, batch, channel, failure);
  while (may_wait && work == WORK_NONE && pool->first != NULL && (pool->waiting < places(pool) || is_long(pool))) {
    pool->waiting++;
    wait_a_little(pool);
    pool->waiting--;
    work = next_work(pool, batch, channel, failure);
    if (work == WORK_NONE && is_overdue(pool, batch, failure)) work = WORK_FAIL;
  }
  gauge_set(pool->gauge, pool->queued);
  pthread_mutex_unlock(&pool->lock);
  return work;
}

bool queue_hand_over(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  bool waiting = pool->waiting > 0;
  if (waiting) pthread_cond_signal(&pool->changed);
  pthread_mutex_unlock(&pool->lock);
  return waiting;
}
