/* Sends messages over the backend link, and finds what the daemon declared over it. */
#include "link.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEND_TIMEOUT_MS = 2000, REPLY_TIMEOUT_MS = 5000 };

Link *link_new(int descriptor, Failure *failure) {
  Link *link = calloc(1, sizeof *link);
  MetricsTable *metrics = metrics_table_new();
  CallServer *calls = link == NULL ? NULL : call_server_new(link);
  if (calls == NULL || metrics == NULL) {
    failure_set(failure, TRITON_ERROR_INTERNAL, "out of memory for the backend link");
    call_server_release(calls);
    free(metrics);
    free(link);
    return NULL;
  }
  link->calls = calls;
  link->metrics = metrics;
  link->socket = descriptor;
  pending_replies_init(&link->replies);
  pthread_mutex_init(&link->lock, NULL);
  pthread_mutex_init(&link->send_lock, NULL);
  return link;
}

void link_free(Link *link) {
  while (link->pools != NULL) {
    Pool *pool = link->pools;
    link->pools = pool->next;
    pool_free(pool);
  }
  metrics_table_free(link->metrics);
  call_server_release(link->calls);
  close(link->socket);
  free(link);
}

bool link_send(Link *link, const WireLink *message) {
  pthread_mutex_lock(&link->send_lock);
  bool sent = sockets_send(link->socket, message, sizeof *message, -1, SEND_TIMEOUT_MS);
  pthread_mutex_unlock(&link->send_lock);
  return sent;
}

Pool *link_find_pool_by_number(Link *link, uint32_t number) {
  pthread_mutex_lock(&link->lock);
  Pool *pool = link->pools;
  while (pool != NULL && pool->number != number) pool = pool->next;
  pthread_mutex_unlock(&link->lock);
  return pool;
}

bool link_gate_is_open(Link *link) {
  pthread_mutex_lock(&link->lock);
  bool open = link->gate_open;
  pthread_mutex_unlock(&link->lock);
  return open;
}

Pool *link_find_pool(Link *link, const char *name, uint64_t version) {
  pthread_mutex_lock(&link->lock);
  Pool *pool = link->pools;
  while (pool != NULL && (pool->declaration.version != version || strcmp(pool->declaration.name, name) != 0)) pool = pool->next;
  pthread_mutex_unlock(&link->lock);
  return pool;
}

Pool *link_find_called(Link *link, const char *name, int64_t version) {
  Pool *found = NULL;
  pthread_mutex_lock(&link->lock);
  for (Pool *pool = link->pools; pool != NULL; pool = pool->next) {
    const Declaration *declaration = &pool->declaration;
    if (strcmp(declaration->name, name) != 0 || (version >= 0 && declaration->version != (uint64_t)version)) continue;
    if ((found == NULL || declaration->version > found->declaration.version) && pool_has_model(pool)) found = pool;
  }
  pthread_mutex_unlock(&link->lock);
  return found;
}

bool link_need_segment(Link *link, Channel *channel, uint64_t bytes, Failure *failure) {
  PendingReply reply = {.descriptor = -1, .refusal = "the daemon did not answer"};
  const char *name = channel->pool->declaration.name;
  pending_replies_add(&link->replies, &reply);
  WireLink need = {.kind = LINK_NEED,
                   .model = channel->pool->number,
                   .channel = channel->number,
                   .segment = channel->request.number,
                   .token = reply.token,
                   .value = bytes};
  if (!link_send(link, &need)) reply.is_resolved = true;
  pending_replies_wait(&link->replies, &reply, REPLY_TIMEOUT_MS);
  if (reply.descriptor < 0) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: %s", name, reply.refusal);
    return false;
  }
  segment_close(&channel->request);
  const char *refusal = segment_open(&channel->request, reply.segment, reply.descriptor, true);
  if (refusal == NULL && channel->request.size >= bytes) return true;
  failure_set(failure, TRITON_ERROR_INTERNAL, "model %s: %s", name, refusal ? refusal : "the daemon sent a segment that is too small");
  return false;
}

void link_report_channel_lost(Link *link, const Channel *channel) {
  link_send(link, &(WireLink){
                      .kind = LINK_CHANNEL_LOST, .model = channel->pool->number, .channel = channel->number, .value = channel->timed_out});
}

void link_report_model_gone(Link *link, const Pool *pool) {
  link_send(link, &(WireLink){.kind = LINK_MODEL_GONE, .model = pool->number});
}
