/* Queues requests of sequences, and finds those that can run: in each sequence one after the other, where its state is. */
#include "sequence_queue.h"

#include "sequences.h"

bool sequence_queue_append(Pool *pool, Request *request, Failure *failure) {
  pthread_mutex_lock(&pool->lock);
  bool admitted = sequences_admit(pool, request, failure);
  if (admitted) {
    queue_append_one(pool, request);
    pthread_cond_signal(&pool->changed);
  }
  pthread_mutex_unlock(&pool->lock);
  return admitted;
}

void sequence_queue_refuse(Pool *pool, TritonRequest *request) {
  pthread_mutex_lock(&pool->lock);
  sequences_refuse(pool, request);
  pthread_mutex_unlock(&pool->lock);
}

/* The free channel with the fewest sequences. */
static Channel *least_loaded(const Pool *pool) {
  Channel *best = NULL;
  for (Channel *channel = pool->channels; channel != NULL; channel = channel->next) {
    if (channel->busy || channel->closing) continue;
    if (best == NULL || channel->sequences < best->sequences) best = channel;
  }
  return best;
}

/* NULL: its channel is busy, none is free, or the request that starts the sequence is before it. */
static Channel *channel_for(const Pool *pool, const Request *request) {
  Channel *channel = request->sequence->channel;
  if (channel == NULL) return request->starts ? least_loaded(pool) : NULL;
  return channel->busy ? NULL : channel;
}

static bool fits(const Pool *pool, const Batch *batch, const Request *request) {
  return batch->count == 0 || request_can_join(&pool->declaration, batch->requests[0], request);
}

Channel *sequence_queue_take(Pool *pool, Batch *batch) {
  const Declaration *declaration = &pool->declaration;
  uint32_t max_rows = declaration->batched && declaration->shared && !declaration->stream ? declaration->max_rows : 1;
  uint64_t pass = ++pool->sequences.passes;
  Channel *channel = NULL;
  Request **place = &pool->first;
  while (*place != NULL && batch->rows < max_rows && batch_ensure_capacity(batch)) {
    Sequence *sequence = (*place)->sequence;
    bool is_next = sequence->pass != pass; /* the first of its sequence in the queue */
    Channel *own = is_next ? channel_for(pool, *place) : NULL;
    sequence->pass = pass;
    if (own == NULL || (channel != NULL && own != channel) || !fits(pool, batch, *place)) {
      place = &(*place)->next;
      continue;
    }
    channel = own;
    if (sequence->channel == NULL) sequences_pin(sequence, channel);
    batch_add(batch, queue_unlink(pool, place));
  }
  if (channel != NULL) channel->busy = true;
  return channel;
}

Work sequence_queue_await(Pool *pool, Batch *batch, Channel **channel, Failure *failure, const bool *stopping) {
  Work work = WORK_NONE;
  pthread_mutex_lock(&pool->lock);
  while (!*stopping && (work = queue_find_work(pool, batch, channel, failure)) == WORK_NONE) {
    pool->waiting++;
    queue_wait(pool);
    pool->waiting--;
  }
  if (work != WORK_NONE && pool->first != NULL) pthread_cond_signal(&pool->changed); /* another thread may run the rest */
  pthread_mutex_unlock(&pool->lock);
  return work;
}

void sequence_queue_stop(Pool *pool, bool *stopping) {
  pthread_mutex_lock(&pool->lock);
  *stopping = true;
  pthread_cond_broadcast(&pool->changed);
  pthread_mutex_unlock(&pool->lock);
}
