/* Channels come, go and are given back, under one lock per model. */
#define _GNU_SOURCE
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

static const uint64_t NOT_READY_NS = 500000000; /* as the host has it */

Pool *pool_new(uint32_t number, const Declaration *declaration) {
  Pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return NULL;
  clock_condition_init(&pool->changed);
  clock_condition_init(&pool->gathered);
  pthread_mutex_init(&pool->lock, NULL);
  pool->number = number;
  pool->declaration = *declaration;
  pool->end = &pool->first;
  pool->without_worker = clock_ns();
  return pool;
}

void pool_free(Pool *pool) {
  while (pool->channels != NULL) pool_drop_channel(pool, pool->channels->number);
  declaration_free(&pool->declaration);
  free(pool);
}

static void channel_free(Channel *channel) {
  segment_close(&channel->request);
  segment_close(&channel->response);
  loans_close(&channel->loans);
  close(channel->socket);
  free(channel);
}

/* With the lock held. */
bool pool_has_worker(const Pool *pool) {
  const Channel *channel = pool->channels;
  while (channel != NULL && channel->gone) channel = channel->next;
  return channel != NULL;
}

static void note_loss(Pool *pool) {
  if (!pool_has_worker(pool)) pool->without_worker = clock_ns();
}

static void remove_channel(Channel *channel) {
  Channel **link = &channel->pool->channels;
  while (*link != channel) link = &(*link)->next;
  *link = channel->next;
  if (!channel->gone) note_loss(channel->pool);
  channel_free(channel);
}

const char *pool_add_channel(Pool *pool, uint32_t number, int socket, uint32_t segment, int descriptor) {
  Channel *channel = calloc(1, sizeof *channel);
  const char *refused = "no memory for a channel";
  if (channel != NULL) {
    *channel = (Channel){.number = number, .socket = socket, .pool = pool, .declaration = &pool->declaration};
    channel->response.descriptor = -1;
    loans_init(&channel->loans);
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

static bool take_away(Pool *pool, uint32_t number, bool at_once) {
  pthread_mutex_lock(&pool->lock);
  Channel *channel = pool->channels;
  while (channel != NULL && channel->number != number) channel = channel->next;
  if (channel != NULL && channel->busy) {
    if (!channel->gone) {
      channel->gone = true;
      note_loss(pool);
    }
    if (at_once) shutdown(channel->socket, SHUT_RDWR);
  } else if (channel != NULL) {
    remove_channel(channel);
  }
  pthread_mutex_unlock(&pool->lock);
  return channel != NULL;
}

bool pool_drop_channel(Pool *pool, uint32_t number) {
  return take_away(pool, number, true);
}

bool pool_retire_channel(Pool *pool, uint32_t number) {
  return take_away(pool, number, false);
}

bool pool_has_channel(Pool *pool, uint32_t number, bool *busy) {
  pthread_mutex_lock(&pool->lock);
  Channel *channel = pool->channels;
  while (channel != NULL && channel->number != number) channel = channel->next;
  if (channel != NULL) *busy = channel->busy;
  pthread_mutex_unlock(&pool->lock);
  return channel != NULL;
}

bool pool_is_ready(Pool *pool) {
  if (pool->declaration.loopback || pool->declaration.spare) return true;
  pthread_mutex_lock(&pool->lock);
  bool ready = pool_has_worker(pool) || clock_ns() - pool->without_worker < NOT_READY_NS;
  pthread_mutex_unlock(&pool->lock);
  return ready;
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

void pool_give_back(Channel *channel, bool broken) {
  Pool *pool = channel->pool;
  pthread_mutex_lock(&pool->lock);
  channel->busy = false;
  channel->idle = clock_ns();
  if (broken || channel->gone)
    remove_channel(channel);
  else if (channel->due)
    channel_tidy(channel);
  pthread_mutex_unlock(&pool->lock);
}

void pool_tidy(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  for (Channel *channel = pool->channels; channel != NULL; channel = channel->next) {
    channel->due = channel->busy;
    if (!channel->busy && !channel->gone) channel_tidy(channel);
  }
  pthread_mutex_unlock(&pool->lock);
}

bool pool_is_stopping(Pool *pool) {
  pthread_mutex_lock(&pool->lock);
  bool stopping = pool->stopping;
  pthread_mutex_unlock(&pool->lock);
  return stopping;
}
