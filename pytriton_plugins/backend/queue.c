/* Requests that wait for a worker, and the thread that runs them.
 *
 * Triton passes requests one by one, each to the thread of an idle instance. The thread that finds a free channel takes
 * all queued requests that fit together as one batch, answers them, and looks for more. Other threads wait for a channel
 * on behalf of the whole queue, but one thread always returns to Triton to fetch the next request. In this way the next
 * batch grows while the last one runs. Requests beyond a full batch for every worker stay in Triton's own queue, which
 * Triton counts as pending. */
#include "queue.h"

#include <stddef.h>

#include "clock.h"
#include "fair_share.h"
#include "queue_failures.h"
#include "sequence_queue.h"
#include "triton_metrics.h"

enum { POLL_INTERVAL_MS = 20 }; /* of a waiting thread, for cancelled and expired requests */
enum { MAX_SKIPPED = 128 };     /* requests that do not fit the batch, before the search ends */
/* Clients that wait for each response send their next requests at about the same time. Without this wait the first of
 * these requests makes a small batch. The kernel may add up to 50 us. */
enum { MAX_AWAIT_NS = 20000 };

static uint32_t max_batch_rows(const Pool *pool) {
  const Declaration *declaration = &pool->declaration;
  return declaration->batched && !declaration->stream && declaration->max_rows > 0 ? declaration->max_rows : 1;
}

static Channel *free_channel(const Pool *pool) {
  Channel *channel = pool->channels;
  while (channel != NULL && (channel->busy || channel->closing)) channel = channel->next;
  return channel;
}

static void count_queued(Pool *pool, const Request *request) {
  pool->queued++;
  pool->queued_rows += request->rows;
}

Request *queue_unlink(Pool *pool, Request **place) {
  Request *request = *place;
  *place = request->next;
  if (request->next == NULL) pool->end = place;
  request->next = NULL;
  pool->queued--;
  pool->queued_rows -= request->rows;
  return request;
}

static void show_gauges(Pool *pool) {
  pool->gauge = gauge_new(GAUGE_QUEUED, pool->declaration.name, pool->declaration.version);
  if (pool->declaration.sequence) sequences_show(pool);
}

void queue_add_model(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  if (pool->models++ == 0) show_gauges(pool);
  gauge_set(pool->gauge, pool->queued);
  pthread_mutex_unlock(&pool->lock);
}

bool queue_remove_model(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  bool last = --pool->models == 0;
  if (last) {
    gauge_free(pool->gauge);
    pool->gauge = NULL;
    sequences_hide(pool);
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

uint32_t queue_live_sequences(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  uint32_t live = pool->sequences.live;
  pthread_mutex_unlock(&pool->lock);
  return live;
}

/* A request that arrives while a worker is free does not count against the limit, unless it waits for others to join its
 * batch. */
static bool has_room(const Pool *pool) {
  uint32_t limit = pool->declaration.queue_size;
  bool joins = pool->declaration.delay_ns > 0 && max_batch_rows(pool) > 1;
  return limit == 0 || pool->queued < limit || (!joins && free_channel(pool) != NULL);
}

void queue_append_one(Pool *pool, Request *request) {
  request->next = NULL;
  *pool->end = request;
  pool->end = &request->next;
  count_queued(pool, request);
}

Request *queue_append(Pool *pool, Request *chain) {
  pthread_mutex_lock(&pool->lock);
  while (chain != NULL && has_room(pool)) {
    Request *request = chain;
    chain = request->next;
    queue_append_one(pool, request);
  }
  if (pool->expected_arrivals > 0 && pool->queued >= pool->expected_arrivals) pthread_cond_broadcast(&pool->arrivals);
  gauge_set(pool->gauge, pool->queued);
  pthread_mutex_unlock(&pool->lock);
  return chain;
}

void queue_prepend(Pool *pool, const Batch *batch) {
  pthread_mutex_lock(&pool->lock);
  for (uint32_t i = batch->count; i-- > 0;) {
    Request *request = batch->requests[i];
    if (request->sequence != NULL && request->starts) sequences_pin(request->sequence, NULL); /* any worker can run it */
    request->next = pool->first;
    if (pool->first == NULL) pool->end = &request->next;
    pool->first = request;
    count_queued(pool, request);
  }
  gauge_set(pool->gauge, pool->queued);
  pthread_mutex_unlock(&pool->lock);
}

static bool is_preferred(const Declaration *declaration, uint64_t rows) {
  uint32_t i = 0;
  while (i < declaration->preferred_count && declaration->preferred[i] != rows) i++;
  return i < declaration->preferred_count;
}

/* Rows of the queued requests that make a batch without delay: a preferred size, or a size that cannot grow to the
 * largest preferred one. 0: wait for more requests. */
static uint64_t ready_rows(const Pool *pool, uint32_t max_rows) {
  const Declaration *declaration = &pool->declaration;
  uint64_t rows = 0, best = 0, largest = max_rows;
  int skipped = 0;
  if (declaration->preferred_count > 0) largest = declaration->preferred[declaration->preferred_count - 1];
  for (const Request *request = pool->first; request != NULL && skipped < MAX_SKIPPED; request = request->next) {
    if (!request_can_join(declaration, pool->first, request)) {
      skipped++;
      continue;
    }
    if (rows + request->rows > largest && best == 0) best = rows > 0 ? rows : request->rows;
    if (rows + request->rows > max_rows) break;
    rows += request->rows;
    if (rows == max_rows || is_preferred(declaration, rows)) best = rows;
  }
  return best;
}

/* Maximum number of rows of the next batch; 0: wait for more requests. The rules are those of Triton's batcher. */
static uint32_t next_batch_rows(const Pool *pool) {
  const Declaration *declaration = &pool->declaration;
  uint64_t delay = declaration->delay_ns;
  uint32_t max_rows = max_batch_rows(pool);
  if (max_rows == 1 || (delay == 0 && declaration->preferred_count == 0)) return max_rows; /* nothing joins a stream */
  if (delay > 0 && clock_ns() >= pool->first->arrived_at + delay) return max_rows;
  uint64_t rows = ready_rows(pool, max_rows);
  return rows == 0 && delay == 0 ? max_rows : (uint32_t)rows;
}

static bool fits(const Pool *pool, const Batch *batch, uint32_t max_rows, const Request *request) {
  if (batch->count == 0) return true;
  return batch->rows + (uint64_t)request->rows <= max_rows && request_can_join(&pool->declaration, batch->requests[0], request);
}

/* Moves the first request, and later ones that fit, from the queue to the batch. The channel is marked as busy. */
static void form_batch(Pool *pool, Batch *batch, uint32_t max_rows) {
  Request **place = &pool->first;
  int skipped = 0;
  FairShare share = fair_share_new(pool);
  while (*place != NULL && skipped < MAX_SKIPPED && batch->rows < max_rows && batch_ensure_capacity(batch)) {
    if (fair_share_taken(&share, batch, *place)) break;
    if (fits(pool, batch, max_rows, *place)) {
      batch_add(batch, queue_unlink(pool, place));
      fair_share_count(&share, batch);
    } else {
      place = &(*place)->next;
      skipped++;
    }
  }
}

static void wait_for_change(Pool *pool) {
  uint64_t now = clock_ns(), until = now + POLL_INTERVAL_MS * NS_PER_MS, due = pool->first->arrived_at + pool->declaration.delay_ns;
  clock_wait(&pool->changed, &pool->lock, due > now && due < until ? due : until);
}

void queue_await_arrivals(Pool *pool, uint32_t answered, uint64_t ran_ns) {
  uint64_t until = clock_ns() + (ran_ns < MAX_AWAIT_NS ? ran_ns : MAX_AWAIT_NS);
  pthread_mutex_lock(&pool->lock);
  if (free_channel(pool) == NULL) {
    pool->expected_arrivals = answered;
    while (pool->queued < answered && clock_wait(&pool->arrivals, &pool->lock, until)) continue;
    pool->expected_arrivals = 0;
  }
  pthread_mutex_unlock(&pool->lock);
}

/* Whether a full batch waits for every worker. A queue with limits is never backlogged: its limits apply to every waiting
 * request, so none may stay in Triton's own queue. */
static bool is_backlogged(const Pool *pool) {
  if (pool->declaration.queue_size > 0 || pool->declaration.queue_ms > 0) return false;
  uint64_t rows = 0;
  for (const Channel *channel = pool->channels; channel != NULL; channel = channel->next) rows += max_batch_rows(pool);
  return pool->queued_rows >= (rows > 0 ? rows : max_batch_rows(pool));
}

/* Number of threads that wait for a channel while the queue is short. One thread is left to fetch the requests of the
 * next batch. At least one waits, so that a new channel is used at once, also after the loss of a worker. */
static int max_waiters(const Pool *pool) {
  int count = pool->instances - 1;
  for (const Channel *channel = pool->channels; channel != NULL; channel = channel->next) count -= channel->busy;
  return count > 1 ? count : 1;
}

/* With the lock held. */
static Work next_work(Pool *pool, Batch *batch, Channel **channel, Failure *failure) {
  if (pool->first == NULL) return WORK_NONE;
  if (queue_collect_failed(pool, batch, failure)) return WORK_FAIL;
  if (pool->declaration.sequence) return (*channel = sequence_queue_take(pool, batch)) != NULL ? WORK_RUN : WORK_NONE;
  if ((*channel = free_channel(pool)) == NULL) return WORK_NONE;
  uint32_t rows = next_batch_rows(pool);
  if (rows == 0) return WORK_NONE;
  (*channel)->busy = true;
  form_batch(pool, batch, rows);
  (*channel)->rows = batch->rows;
  if (pool->waiting > max_waiters(pool))
    pthread_cond_broadcast(&pool->changed);
  else if (pool->first != NULL && free_channel(pool) != NULL)
    pthread_cond_signal(&pool->changed); /* for the other channel's share */
  return WORK_RUN;
}

Work queue_find_work(Pool *pool, Batch *batch, Channel **channel, Failure *failure) {
  Work work = next_work(pool, batch, channel, failure);
  if (work == WORK_NONE && queue_collect_overdue(pool, batch, failure)) work = WORK_FAIL;
  gauge_set(pool->gauge, pool->queued);
  return work;
}

void queue_wait(Pool *pool) {
  if (pool->first != NULL)
    wait_for_change(pool);
  else
    pthread_cond_wait(&pool->changed, &pool->lock);
}

Work queue_next(Pool *pool, Batch *batch, Channel **channel, Failure *failure, bool may_wait) {
  pthread_mutex_lock(&pool->lock);
  Work work = next_work(pool, batch, channel, failure);
  while (may_wait && work == WORK_NONE && pool->first != NULL && (pool->waiting < max_waiters(pool) || is_backlogged(pool))) {
    pool->waiting++;
    wait_for_change(pool);
    pool->waiting--;
    work = next_work(pool, batch, channel, failure);
    if (work == WORK_NONE && queue_collect_overdue(pool, batch, failure)) work = WORK_FAIL;
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
