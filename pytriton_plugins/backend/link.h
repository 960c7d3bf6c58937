/* The backend's end of the backend link, and the models that the daemon declared over it. */
#ifndef PYTRITON_LINK_H
#define PYTRITON_LINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "call_server.h"
#include "call_wait.h"
#include "ensembles.h"
#include "metrics_table.h"
#include "pending_replies.h"
#include "pool.h"

typedef struct Link {
  int socket;
  pthread_t reader;
  pthread_mutex_t send_lock;
  PendingReplies replies;
  CallServer *calls;
  MetricsTable *metrics; /* used by the reader only */
  pthread_mutex_t lock;  /* guards everything below */
  Pool *pools;           /* newest first */
  Ensemble *ensembles;
  bool gate_open;
  bool stopping;
} Link;

/* Creates a link, which owns the socket from now on. NULL, with failure filled: out of memory. */
Link *link_new(int descriptor, Failure *failure);

void link_free(Link *link);

bool link_send(Link *link, const WireLink *message);

/* The pool with the number, or NULL. */
Pool *link_find_pool_by_number(Link *link, uint32_t number);

bool link_gate_is_open(Link *link);

/* The newest pool with the name and version, or NULL. Pools live as long as the link. */
Pool *link_find_pool(Link *link, const char *name, uint64_t version);

/* Fills in the models of this backend that a call of the name waits for; version -1: the newest. */
void link_find_called(Link *link, const char *name, int64_t version, CallWait *wait);

/* Asks the daemon for a request segment of at least `bytes` bytes, which replaces the channel's. False, with failure
 * filled, when there is none. */
bool link_need_segment(Link *link, Channel *channel, uint64_t bytes, Failure *failure);

/* Reports to the daemon that the channel is unusable, and whether its worker timed out. */
void link_report_channel_lost(Link *link, const Channel *channel);

/* Reports to the daemon that no model of Triton uses the pool any more. */
void link_report_model_gone(Link *link, const Pool *pool);

#endif
