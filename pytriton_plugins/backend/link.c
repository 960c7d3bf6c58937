/* Sends messages over the backend link, and finds what the daemon declared over it. */
#include "link.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEND_TIMEOUT_MS = 2000, REPLY_TIMEOUT_MS = 5000 };
enum { MAX_DEPTH = 8 }; /* of ensembles within ensembles */

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
  ensembles_free(link->ensembles);
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

static void add_target(CallWait *wait, Pool *pool) {
  for (uint32_t i = 0; i < wait->count; i++)
    if (wait->targets[i] == pool) return;
  if (wait->count < MAX_CALL_TARGETS) wait->targets[wait->count++] = pool;
}

static bool has_name(const Pool *pool, const char *name, int64_t version) {
  const Declaration *declaration = &pool->declaration;
  return (version < 0 || declaration->version == (uint64_t)version) && strcmp(declaration->name, name) == 0;
}

/* While a model is loaded again, two pools have its name and version, and Triton chooses one of them. */
static void add_pools(const Link *link, const char *name, int64_t version, CallWait *wait) {
  int64_t newest = -1;
  for (Pool *pool = link->pools; pool != NULL; pool = pool->next)
    if (has_name(pool, name, version) && pool->declaration.version > newest && pool_has_model(pool)) newest = pool->declaration.version;
  for (Pool *pool = link->pools; pool != NULL && newest >= 0; pool = pool->next)
    if (has_name(pool, name, newest) && pool_has_model(pool)) add_target(wait, pool);
}

static void add_called(const Link *link, const char *name, int64_t version, uint32_t depth, CallWait *wait) {
  const Ensemble *ensemble = ensembles_find(link->ensembles, name, version);
  if (ensemble == NULL) add_pools(link, name, version, wait);
  if (ensemble == NULL || depth >= MAX_DEPTH) return;
  if (depth == 0) wait->ensemble = ensemble->name;
  for (uint32_t i = 0; i < ensemble->count; i++) add_called(link, ensemble->steps[i].name, ensemble->steps[i].version, depth + 1, wait);
}

void link_find_called(Link *link, const char *name, int64_t version, CallWait *wait) {
  pthread_mutex_lock(&link->lock);
  add_called(link, name, version, 0, wait);
  pthread_mutex_unlock(&link->lock);
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
