/* Borrowing and giving back channels under one lock per model. */
#define _GNU_SOURCE
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

enum { LOOK_UP_MS = 20 }; /* how often a waiting batch looks whether its clients are still there */

Pool *pool_new(uint32_t number, const Declaration *declaration) {
  Pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return NULL;
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&pool->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_init(&pool->lock, NULL);
  pool->number = number;
  pool->declaration = *declaration;
  return pool;
}

static void channel_free(Channel *channel) {
  segment_close(&channel->request);
  segment_close(&channel->response);
  close(channel->socket);
  free(channel);
}

static void unlink_channel(Channel *channel) {
  Channel **link = &channel->pool->channels;
  while (*link != channel) link = &(*link)->next;
  *link = channel->next;
}

const char *pool_add_channel(Pool *pool, uint32_t number, int socket, uint32_t segment, int descriptor) {
  Channel *channel = calloc(1, sizeof *channel);
  const char *refused = "no memory for a channel";
  if (channel != NULL) {
    *channel = (Channel){.number = number, .socket = socket, .pool = pool};
    channel->response.descriptor = -1;
    refused = segment_open(&channel->request, segment, descriptor, true);
  } else {
    close(descriptor);
  }
  if (refused != NULL) {
    close(socket);
    free(channel);
    return refused;
  }
  pthread_mutex_lock(&pool->lock);
  channel->next = pool->channels;
  pool->channels = channel;
  pthread_cond_broadcast(&pool->changed);
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

bool pool_drop_channel(Pool *pool, uint32_t number) {
  pthread_mutex_lock(&pool->lock);
  Channel *channel = pool->channels;
  while (channel != NULL && channel->number != number) channel = channel->next;
  if (channel != NULL && channel->busy) {
    channel->gone = true;
    shutdown(channel->socket, SHUT_RDWR);
  } else if (channel != NULL) {
    unlink_channel(channel);
    channel_free(channel);
  }
  pthread_mutex_unlock(&pool->lock);
  return channel != NULL;
}

void pool_stop(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  pool->stopping = true;
  for (Channel *channel = pool->channels; channel != NULL; channel = channel->next) shutdown(channel->socket, SHUT_RDWR);
  pthread_cond_broadcast(&pool->changed);
  pthread_mutex_unlock(&pool->lock);
}

void pool_give_up(Pool *pool, bool given_up, const char *reason) {
  pthread_mutex_lock(&pool->lock);
  pool->given_up = given_up;
  snprintf(pool->reason, sizeof pool->reason, "%s", reason);
  pthread_cond_broadcast(&pool->changed);
  pthread_mutex_unlock(&pool->lock);
}

/* With the lock held: a channel, or NULL with failure filled when waiting has no use, or NULL without. */
static Channel *try_borrow(Pool *pool, Failure *failure) {
  const char *name = pool->declaration.name;
  if (pool->stopping) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: the server is stopping", name);
    return NULL;
  }
  for (Channel *channel = pool->channels; channel != NULL; channel = channel->next) {
    if (channel->busy || channel->gone) continue;
    channel->busy = true;
    return channel;
  }
  if (pool->given_up) failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s is out of service: %s", name, pool->reason);
  return NULL;
}

static void wait_a_little(Pool *pool) {
  uint64_t until = clock_ns() + LOOK_UP_MS * 1000000ull;
  struct timespec time = {(time_t)(until / 1000000000ull), (long)(until % 1000000000ull)};
  pthread_cond_timedwait(&pool->changed, &pool->lock, &time);
}

Channel *pool_borrow(Pool *pool, uint64_t deadline_ns, bool (*abandoned)(void *), void *argument, Failure *failure) {
  Channel *channel;
  pthread_mutex_lock(&pool->lock);
  while ((channel = try_borrow(pool, failure)) == NULL && failure->code == 0) {
    wait_a_little(pool);
    pthread_mutex_unlock(&pool->lock);
    bool nobody_waits = abandoned(argument);
    pthread_mutex_lock(&pool->lock);
    if (nobody_waits) {
      failure_set(failure, TRITON_ERROR_CANCELLED, "the request was cancelled");
    } else if (clock_ns() >= deadline_ns) {
      failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: no worker became free within %u ms", pool->declaration.name,
                  pool->declaration.wait_ms);
    }
    if (failure->code != 0) break;
  }
  pthread_mutex_unlock(&pool->lock);
  return channel;
}

void pool_give_back(Channel *channel, bool broken) {
  Pool *pool = channel->pool;
  pthread_mutex_lock(&pool->lock);
  channel->busy = false;
  if (broken || channel->gone) {
    unlink_channel(channel);
    channel_free(channel);
  } else {
    pthread_cond_signal(&pool->changed);
  }
  pthread_mutex_unlock(&pool->lock);
}

bool pool_is_stopping(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  bool stopping = pool->stopping;
  pthread_mutex_unlock(&pool->lock);
  return stopping;
}
