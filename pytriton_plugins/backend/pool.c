/* Adds, removes and releases the channels of a model, under one lock per model. */
#define _GNU_SOURCE
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calls.h"
#include "clock.h"

enum { READY_GRACE_MS = 500 }; /* as in the daemon */

Pool *pool_new(uint32_t number, const Declaration *declaration, CallServer *calls) {
  Pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return NULL;
  clock_condition_init(&pool->changed);
  clock_condition_init(&pool->arrivals);
  pthread_mutex_init(&pool->lock, NULL);
  pool->number = number;
  pool->declaration = *declaration;
  pool->calls = calls;
  pool->end = &pool->first;
  pool->no_worker_since = clock_ns();
  return pool;
}

void pool_free(Pool *pool) {
  while (pool->channels != NULL) pool_drop_channel(pool, pool->channels->number);
  sequences_free(pool);
  declaration_free(&pool->declaration);
  free(pool);
}

static void channel_free(Channel *channel) {
  segment_close(&channel->request);
  segment_close(&channel->response);
  loans_revoke_all(&channel->loans);
  calls_close(channel->calls);
  close(channel->socket);
  free(channel);
}

/* With the lock held. */
bool pool_has_worker(const Pool *pool) {
  const Channel *channel = pool->channels;
  while (channel != NULL && channel->closing) channel = channel->next;
  return channel != NULL;
}

static void note_worker_loss(Pool *pool) {
  if (!pool_has_worker(pool)) pool->no_worker_since = clock_ns();
}

static void remove_channel(Channel *channel) {
  Channel **link = &channel->pool->channels;
  while (*link != channel) link = &(*link)->next;
  *link = channel->next;
  if (!channel->closing) note_worker_loss(channel->pool);
  if (channel->sequences > 0)
    sequences_lose(channel->pool, channel, channel->closing && !channel->gone ? SEQUENCE_WORKER_REPLACED : SEQUENCE_WORKER_ENDED);
  channel_free(channel);
}

void pool_drop_if_over(Channel *channel) {
  if (channel->closing && !channel->busy && channel->sequences == 0) remove_channel(channel);
}

const char *pool_add_channel(Pool *pool, uint32_t number, int socket, uint32_t segment, int descriptor) {
  Channel *channel = calloc(1, sizeof *channel);
  const char *refusal = "out of memory for a channel";
  if (channel != NULL) {
    *channel = (Channel){.number = number, .socket = socket, .pool = pool, .declaration = &pool->declaration};
    channel->response.descriptor = -1;
    loans_init(&channel->loans);
    if (pool->declaration.details)
      channel->calls = calls_new(pool->calls, &pool->declaration, socket); /* NULL: its worker cannot call models */
    refusal = segment_open(&channel->request, segment, descriptor, true);
  } else {
    close(descriptor);
  }
  if (refusal != NULL) {
    if (channel != NULL) calls_close(channel->calls);
    close(socket);
    free(channel);
    return refusal;
  }
  pthread_mutex_lock(&pool->lock);
  channel->next = pool->channels;
  pool->channels = channel;
  pthread_cond_broadcast(&pool->changed);
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

/* With the lock held. */
static Channel *find_channel(const Pool *pool, uint32_t number) {
  Channel *channel = pool->channels;
  while (channel != NULL && channel->number != number) channel = channel->next;
  return channel;
}

static void start_closing(Channel *channel) {
  if (channel->closing) return;
  channel->closing = true;
  note_worker_loss(channel->pool);
}

bool pool_drop_channel(Pool *pool, uint32_t number) {
  pthread_mutex_lock(&pool->lock);
  Channel *channel = find_channel(pool, number);
  if (channel != NULL) channel->gone = true;
  if (channel != NULL && channel->busy) {
    start_closing(channel);
    shutdown(channel->socket, SHUT_RDWR);
  } else if (channel != NULL) {
    remove_channel(channel);
  }
  pthread_mutex_unlock(&pool->lock);
  return channel != NULL;
}

bool pool_retire_channel(Pool *pool, uint32_t number, uint64_t sequences_ms) {
  pthread_mutex_lock(&pool->lock);
  Channel *channel = find_channel(pool, number);
  if (channel != NULL) {
    start_closing(channel);
    channel->sequences_until = clock_ns() + sequences_ms * NS_PER_MS;
    if (sequences_ms == 0 && !channel->busy)
      remove_channel(channel);
    else
      pool_drop_if_over(channel);
  }
  pthread_mutex_unlock(&pool->lock);
  return channel != NULL;
}

bool pool_has_channel(Pool *pool, uint32_t number, bool *busy) {
  pthread_mutex_lock(&pool->lock);
  const Channel *channel = find_channel(pool, number);
  if (channel != NULL) *busy = channel->busy;
  pthread_mutex_unlock(&pool->lock);
  return channel != NULL;
}

bool pool_has_model(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  bool has_model = pool->models > 0;
  pthread_mutex_unlock(&pool->lock);
  return has_model;
}

const char *pool_why_not_ready(Pool *pool) {
  if (pool->declaration.loopback || pool->declaration.spare) return NULL;
  pthread_mutex_lock(&pool->lock);
  bool has_worker = pool_has_worker(pool) || clock_ns() - pool->no_worker_since < READY_GRACE_MS * NS_PER_MS;
  bool not_ready = pool->not_ready;
  pthread_mutex_unlock(&pool->lock);
  if (!has_worker) return "the model has no live worker";
  return not_ready ? "a model that the model calls is not served" : NULL;
}

void pool_stop(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  pool->stopping = true;
  for (Channel *channel = pool->channels; channel != NULL; channel = channel->next) shutdown(channel->socket, SHUT_RDWR);
  pthread_cond_broadcast(&pool->changed);
  pthread_mutex_unlock(&pool->lock);
}

void pool_give_up(Pool *pool, uint64_t value, const char *reason) {
  pthread_mutex_lock(&pool->lock);
  pool->given_up = value == 1;
  pool->not_ready = value == 2;
  snprintf(pool->reason, sizeof pool->reason, "%s", reason);
  pthread_cond_broadcast(&pool->changed);
  pthread_mutex_unlock(&pool->lock);
}

/* Whether it gets no new batch, and its sequences have had their time. */
static bool is_given_up(const Channel *channel) {
  return channel->closing && (channel->sequences == 0 || clock_ns() >= channel->sequences_until);
}

void pool_release_channel(Channel *channel, bool broken) {
  Pool *pool = channel->pool;
  pthread_mutex_lock(&pool->lock);
  channel->busy = false;
  channel->rows = 0;
  channel->idle_since = clock_ns();
  if (broken || channel->gone || is_given_up(channel))
    remove_channel(channel);
  else if (channel->reclaim_due)
    channel_reclaim(channel);
  pthread_mutex_unlock(&pool->lock);
}

void pool_reclaim(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  if (pool->declaration.sequence) sequences_expire(pool, clock_ns());
  for (Channel *next, *channel = pool->channels; channel != NULL; channel = next) {
    next = channel->next;
    channel->reclaim_due = channel->busy;
    if (channel->busy) continue;
    if (is_given_up(channel))
      remove_channel(channel);
    else if (!channel->closing)
      channel_reclaim(channel);
  }
  pthread_mutex_unlock(&pool->lock);
}

bool pool_is_stopping(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  bool stopping = pool->stopping;
  pthread_mutex_unlock(&pool->lock);
  return stopping;
}
