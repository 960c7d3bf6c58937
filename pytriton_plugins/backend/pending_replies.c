/* A list under a lock, and one condition for all its threads. */
#include "pending_replies.h"

#include <stddef.h>
#include <stdio.h>

#include "clock.h"

void pending_replies_init(PendingReplies *replies) {
  clock_condition_init(&replies->resolved);
  pthread_mutex_init(&replies->lock, NULL);
}

void pending_replies_add(PendingReplies *replies, PendingReply *reply) {
  pthread_mutex_lock(&replies->lock);
  reply->token = ++replies->last_token;
  reply->next = replies->first;
  replies->first = reply;
  pthread_mutex_unlock(&replies->lock);
}

void pending_replies_resolve(PendingReplies *replies, uint64_t token, uint32_t segment, const char *refusal, Descriptors *received) {
  pthread_mutex_lock(&replies->lock);
  PendingReply *reply = replies->first;
  while (reply != NULL && reply->token != token) reply = reply->next;
  if (reply != NULL) { /* else the thread timed out, and the descriptor is closed with the message */
    reply->is_resolved = true;
    reply->segment = segment;
    reply->descriptor = -1;
    if (refusal == NULL) {
      reply->descriptor = received->descriptors[0];
      received->count = 0;
    } else {
      snprintf(reply->refusal, sizeof reply->refusal, "%s", refusal);
    }
    pthread_cond_broadcast(&replies->resolved);
  }
  pthread_mutex_unlock(&replies->lock);
}

void pending_replies_wait(PendingReplies *replies, PendingReply *reply, uint64_t milliseconds) {
  uint64_t until = clock_ns() + milliseconds * NS_PER_MS;
  pthread_mutex_lock(&replies->lock);
  while (!reply->is_resolved && clock_wait(&replies->resolved, &replies->lock, until)) continue;
  PendingReply **place = &replies->first;
  while (*place != reply) place = &(*place)->next;
  *place = reply->next;
  pthread_mutex_unlock(&replies->lock);
}
