/* The backend's end of the backend link, and the models that the host declared over it. */
#ifndef PYTRITON_LINK_H
#define PYTRITON_LINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "metrics_table.h"
#include "pending_replies.h"
#include "pool.h"

typedef struct {
  int socket;
  pthread_t reader;
  pthread_mutex_t send_lock;
  PendingReplies replies;
  MetricsTable *metrics; /* the reader's */
  pthread_mutex_t lock;  /* guards everything below */
  Pool *pools;           /* newest first */
  bool gate_open;
  bool stopping;
} Link;

/* A link over the socket, which it owns from now on; NULL with failure filled. */
Link *link_new(int descriptor, Failure *failure);

void link_free(Link *link);

bool link_send(Link *link, const WireLink *message);

/* The pool with the number, or NULL. */
Pool *link_find_pool_by_number(Link *link, uint32_t number);

bool link_gate_is_open(Link *link);

/* The newest declaration of that name and version, or NULL. Pools live as long as the link. */
Pool *link_find_pool(Link *link, const char *name, uint64_t version);

/* Ask the host for a request segment of at least this many bytes in place of the channel's. False with failure filled. */
bool link_need_segment(Link *link, Channel *channel, uint64_t bytes, Failure *failure);

/* Tell the host that the channel is of no more use, and whether its worker was late. */
void link_report_channel_lost(Link *link, const Channel *channel);

/* Tell the host that no model of Triton uses the pool any more. */
void link_report_model_gone(Link *link, const Pool *pool);

#endif
